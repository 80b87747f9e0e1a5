"""What a run learns from those before: where an interrupted one is gone on with, and how long a run takes."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import TYPE_CHECKING

from pipelines.catalogue.names import ACCOUNT
from pipelines.trust.ages import moment

if TYPE_CHECKING:
    from resources.store.store import Store

WITHIN = timedelta(hours=12)
"""How long ago the interrupted runs may have begun: the next night's run requests everything again."""

INTERRUPTED = ("running", "publishing", "died", "incomplete")
"""Outcomes of runs that no rule refused and that did not publish."""


@dataclass(frozen=True)
class Interrupted:
    """Runs that were interrupted, with nothing published since.

    Attributes:
        run_id: the last of them.
        since: when the first of them began.
        trusted: number of cells that they trusted, which are kept.
    """

    run_id: str
    since: datetime
    trusted: int

    def __str__(self) -> str:
        return (
            f"Run {self.run_id} was interrupted. What was trusted since {moment(self.since)} is kept, {self.trusted:,} "
            "cells, and only the others are requested. `cmdb nightly --everything` requests all."
        )


def interrupted(store: "Store") -> Interrupted | None:
    """The interrupted runs that the next one can go on from; None where there is nothing to keep."""
    from resources.audit.runs import PREFLIGHT_RUN
    from resources.store.errors import WarehouseError

    if not store.working.exists() or store.holder() is not None:
        return None
    published = {version.run_id for version in store.versions()}
    try:
        with store.read() as connection:
            runs = connection.execute(
                """
                select run_id, started_at, outcome from audit.run where not starts_with(run_id, $preflight)
                order by started_at desc, run_id
                """,
                {"preflight": PREFLIGHT_RUN},
            ).fetchall()
            oldest = datetime.now(UTC) - WITHIN
            open_runs = [
                (run_id, started_at)
                for run_id, started_at, _ in takewhile(
                    lambda run: run[1] > oldest and run[2] in INTERRUPTED and run[0] not in published, runs
                )
            ]
            if not open_runs:
                return None
            since = open_runs[-1][1]
            row = connection.execute(
                "select count(*) from audit.coverage where is_trusted and ended_at >= $since", {"since": since}
            ).fetchone()
    except WarehouseError:
        # The run itself will meet the same, and say so.
        return None
    trusted = row[0] if row is not None else 0
    return Interrupted(open_runs[0][0], since, trusted) if trusted else None


def usual_duration(store: "Store", job_name: str) -> timedelta | None:
    """How long the last run that collected and published took; None for other jobs, or without such a run."""
    from resources.store.errors import WarehouseError

    if job_name != "nightly" or not store.working.exists() or store.holder() is not None:
        return None
    try:
        with store.read() as connection:
            row = connection.execute(
                """
                select finished_at - started_at from audit.run
                where outcome = 'published' and finished_at is not null
                    -- `cmdb confirm` publishes too, and collects nothing.
                    and run_id in (select run_id from audit.collection where listing = $listing)
                order by started_at desc limit 1
                """,
                {"listing": ACCOUNT},
            ).fetchone()
    except WarehouseError:
        return None
    return row[0] if row is not None else None
