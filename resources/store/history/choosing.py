"""Which publication a person means by a day, a time or a run."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from resources.store.errors import WarehouseError
from resources.store.history.manifest import Publication

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_SHORTEST = 8
"""Characters of a run id that are enough."""


class NoSuchPublication(WarehouseError):
    """Nothing was published then, or the history no longer has it. The message names the nearest that it has."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=2)


def chosen(publications: Sequence[Publication], wanted: str) -> Publication:
    """The publication that a person means.

    Args:
        publications: oldest first.
        wanted: a day (UTC), which means the last publication at or before its end; a time in ISO 8601, UTC unless it
            says another zone; or a run id, of which the first eight characters are enough.

    Raises:
        NoSuchPublication: there is none. The message names the nearest ones.
    """
    if not publications:
        raise NoSuchPublication(
            "The history is empty: it begins with the next run that publishes. Leave --as-of out to read what is "
            "published now."
        )
    text = wanted.strip()
    until = _until(text)
    if until is None:
        return _of_run(publications, text)
    found = [publication for publication in publications if publication.published_at < until]
    if not found:
        raise NoSuchPublication(
            f"The history has nothing as old as {text}: it begins with {publications[0]}. Ask for a day from then on; "
            "`cmdb history` lists them."
        )
    return found[-1]


def _until(text: str) -> datetime | None:
    """The time before which a publication counts; None where the text is no day and no time."""
    try:
        if _DAY.fullmatch(text):
            return datetime.combine(datetime.fromisoformat(text), time(), UTC) + timedelta(days=1)
        found = datetime.fromisoformat(text)
    except ValueError:
        if _DAY.match(text):
            raise NoSuchPublication(f"{text} is no day and no time. Write 2026-03-31 or 2026-03-31T14:30.") from None
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)) + timedelta(microseconds=1)


def _of_run(publications: Sequence[Publication], text: str) -> Publication:
    matches = [p for p in publications if p.run_id == text or (len(text) >= _SHORTEST and p.run_id.startswith(text))]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise NoSuchPublication(f"{text} begins the ids of {len(matches)} runs: {', '.join(map(str, matches))}.")
    raise NoSuchPublication(
        f"The history has no run {text}: it published nothing, or was forgotten. The oldest is {publications[0]}, the "
        f"newest {publications[-1]}; `cmdb history` lists all."
    )
