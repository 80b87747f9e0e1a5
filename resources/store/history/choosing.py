"""Which publication a person means by a day, a time or a run."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from resources.store.errors import WarehouseError
from resources.store.history.manifest import Publication
from resources.store.versions import Version

_DAY = re.compile(r"\d{1,4}[-/.]\d{1,2}\b")
"""What is meant as a day, however it is written; no id of a run begins so."""

_WRITTEN = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}(?P<minute>:\d{2})(?P<second>:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})?)?"
)
_SHORTEST = 8
"""Characters of a run id that are enough."""


class NoSuchPublication(WarehouseError):
    """Nothing was published then, or the history no longer has it. The message names the nearest that it has."""

    def __init__(self, message: str) -> None:
        super().__init__(message, exit_code=2)


def chosen(publications: Sequence[Publication], wanted: str, unrecorded: Sequence[Version] = ()) -> Publication:
    """The publication that a person means.

    Args:
        publications: oldest first.
        unrecorded: published versions that the history lacks, oldest first.
        wanted: a day (UTC), which means the last publication at or before its end; a time in ISO 8601, UTC unless it
            says another zone; or a run id, of which the first eight characters are enough.

    Raises:
        NoSuchPublication: there is none, or a newer one may have been published by then that the history lacks. The
            message names the nearest ones.
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
    # By number: a clock that was ahead puts times out of order.
    after = [publication for publication in publications if publication.number > found[-1].number]
    if after and after[0].is_after_gap:
        raise NoSuchPublication(
            f"Between {found[-1]} and {after[0]} there may be published runs that the history lacks. No query ran. Ask "
            "for one of these two by its run id."
        )
    if not after and unrecorded and unrecorded[0].published_at < until:
        raise NoSuchPublication(
            f"Run {unrecorded[0].run_id}, published {unrecorded[0].published_at:%Y-%m-%d %H:%M:%S} UTC, is not in the "
            f"history. No query ran. The next run that publishes records it, unless CMDB_HISTORY_RUNS is 0. The newest "
            f"night that can be asked is {found[-1]}: ask for it by its run id."
        )
    return found[-1]


def _until(text: str) -> datetime | None:
    """The time before which a publication counts; None where the text is no day and no time."""
    if not _DAY.match(text):
        return None
    wrong = NoSuchPublication(f"{text} is no day and no time. Write 2026-03-31 or 2026-03-31T14:30.")
    written = _WRITTEN.fullmatch(text.removesuffix(" UTC"))
    if written is None:
        raise wrong
    unit = timedelta(seconds=1) if written["second"] else timedelta(minutes=1) if written["minute"] else timedelta(1)
    try:
        found = datetime.fromisoformat(written[0])
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).replace(microsecond=0) + unit
    except (ValueError, OverflowError):
        raise wrong from None


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
