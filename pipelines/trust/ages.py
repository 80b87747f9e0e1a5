"""How old evidence may be, and an age in words."""

from datetime import timedelta

COLLECTION_MAX_AGE = timedelta(minutes=60)
"""How old the pre-flight may be when something is asked of AWS."""

MODEL_MAX_AGE = timedelta(hours=26)
"""How old the evidence may be when a model is built: a night and its repair the next morning."""

PUBLISH_MAX_AGE = timedelta(hours=24)
"""How old a central listing may be when the dataset is published."""

HALF_A_DAY = timedelta(hours=12)
"""How far apart two answers have to be to count as two nights."""


def duration(age: timedelta) -> str:
    """`26 h 5 min`, or `12 min`."""
    minutes = int(age.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"
