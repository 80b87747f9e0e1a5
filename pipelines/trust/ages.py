"""Limits for the age of evidence, and a duration as text."""

from datetime import UTC, datetime, timedelta

COLLECTION_MAX_AGE = timedelta(minutes=60)
"""Maximum age of the pre-flight when a step sends requests to AWS."""

MODEL_MAX_AGE = timedelta(hours=26)
"""Maximum age of the pre-flight when a model is built: a nightly run and its repair the next morning."""

PUBLISH_MAX_AGE = timedelta(hours=24)
"""Maximum age of a central listing when the dataset is published."""

STALE_AFTER = timedelta(hours=26)
"""Age from which published data is called old: a run is due every day."""

HALF_A_DAY = timedelta(hours=12)
"""Minimum time between two responses that count as responses of two runs."""


def publish_max_age(every: int) -> timedelta:
    """Maximum age of a central listing when the dataset is published, by the nights between two requests of it."""
    return PUBLISH_MAX_AGE + timedelta(days=every - 1)


def duration(age: timedelta) -> str:
    """A duration as text: `26 h 5 min`, or `12 min`."""
    minutes = int(age.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


def moment(at: datetime) -> str:
    """A time as text, to the minute: `2026-11-27 14:05 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
