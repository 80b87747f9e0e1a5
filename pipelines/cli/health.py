"""The facts of `cmdb status`: the state of a warehouse, from its own files alone.

Nothing here sends a request or creates a file.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.cli.summary import PaidApi, paid_apis
from pipelines.cli.upcoming import unknown_cost, upcoming
from pipelines.trust.ages import duration, moment

if TYPE_CHECKING:
    import duckdb

    from pipelines.collection.forecast import Forecast
    from pipelines.settings import Settings
    from resources.store.process import Holder
    from resources.store.store import Store

CLOCK_SLACK = timedelta(minutes=5)
"""How far in the future a response may be dated before the clock of this machine counts as wrong."""

OPEN = ("running", "publishing")
"""Outcomes of a run that works, or that was killed before any other run could say so."""


@dataclass(frozen=True)
class Run:
    """A run of `audit.run`.

    Attributes:
        outcome: as in `audit.run`; `died` also where no later run has recorded it yet.
        sentences: the rules that refused the run; empty where it published.
        paid_requests: number of requests that AWS charges for, by API; `paid` has their units and cost too.
    """

    run_id: str
    started_at: datetime
    finished_at: datetime | None
    outcome: str
    request_count: int
    api_cost_usd: Decimal
    sentences: list[str] = field(default_factory=list)
    paid_requests: dict[str, int] = field(default_factory=dict)
    paid: list[PaidApi] = field(default_factory=list)


@dataclass(frozen=True)
class Published:
    """The version that analysts read.

    Attributes:
        finished_at: when its run ended; None where the file does not know the run.
        answered_at: when its newest trusted response came; its run's beginning where it has none.
    """

    version: str
    run_id: str
    finished_at: datetime | None
    answered_at: datetime
    age_seconds: int


@dataclass(frozen=True)
class Blocked:
    """Runs in a row that did not publish, up to the last one.

    Attributes:
        first: the run since which nothing is published.
    """

    run_count: int
    first: Run
    last: Run


@dataclass(frozen=True)
class Status:
    """The state of a warehouse.

    Attributes:
        working: who holds the warehouse now; None for nobody.
        last_run: the last run that ended.
        blocked: None where the last run published, or where `working_file` is neither `read` nor `missing`.
        forecast: what the next run costs; None where the working file could not be read.
        waiting_zeros: zeros that CloudTrail has not confirmed, by account; None where they could not be read.
        working_file: `read`, `missing`, `in use` by the run that works, of an `older schema`, or `unreadable`.
        problems: what is wrong, one sentence each; empty when healthy.
        notes: what is no problem, but good to know.
        exit_code: 0 healthy, 1 something is wrong, 2 wrong configuration, or nothing there.
    """

    database: str
    checked_at: datetime
    max_age_seconds: int
    working: "Holder | None"
    last_run: Run | None
    published: Published | None
    blocked: Blocked | None
    forecast: "Forecast | None"
    waiting_zeros: dict[str, int] | None
    working_file: str
    problems: list[str]
    notes: list[str]
    exit_code: int

    @property
    def sentences(self) -> list[str]:
        """What is wrong, with the sentences of the rules that refused."""
        blocked = self.blocked
        runs = [] if blocked is None else [blocked.first, *([blocked.last] if blocked.run_count > 1 else [])]
        return list(dict.fromkeys([*self.problems, *(sentence for run in runs for sentence in run.sentences)]))


def read_status(store: "Store", settings: "Settings", max_age: timedelta) -> Status:
    """The state of a warehouse, from its files alone.

    Args:
        settings: what the next run would be run with.
        max_age: how old the newest trusted response of the published version may be.
    """
    from pipelines.reference import ReferenceFileError
    from resources.release import ProductFileError
    from resources.store.errors import OlderSchema, WarehouseError

    now, limit = datetime.now(UTC), round(max_age.total_seconds())
    problems: list[str] = []
    notes: list[str] = []
    # A run may begin or end while the files are read, so its open row belongs to a holder of before or of after.
    before = store.holder()
    published: Published | None = None
    runs: list[Run] = []
    exit_code = 0
    try:
        published, runs = _read_published(store, now)
    except WarehouseError as error:
        problems.append(str(error))
        exit_code = error.exit_code
    waiting: dict[str, int] | None = None
    expected: Forecast | None = None
    working_file = "read" if store.working.exists() else "missing"
    if working_file == "missing" and published is None and before is None:
        sentence = f"There is no warehouse at {store.database}: no run has begun here. Run `cmdb nightly`."
        return Status(
            str(store.database), now, limit, None, None, None, None, None, None, working_file, [sentence], [], 2
        )
    if working_file == "read":
        try:
            runs, waiting = _read_working(store)
        except OlderSchema as error:
            # So it is from each upgrade until the next run; the age of what is published is judged all the same.
            working_file = "older schema"
            notes.append(f"How runs since the published version ended is not known. {error}")
        except WarehouseError as error:
            working_file = "in use" if store.holder() is not None else "unreadable"
            if working_file == "in use":
                notes.append(
                    "The run has the working file open: what earlier runs came to, and whether one was refused, is not "
                    "known now."
                )
            else:
                problems.append(f"How the last runs ended is not known. {error}")
                exit_code = max(exit_code, error.exit_code)
        else:
            try:
                expected = upcoming(store, settings)
            except (ReferenceFileError, ProductFileError) as error:
                problems.append(f"The next run would not begin. {error}")
                exit_code = 2
            except WarehouseError as error:
                notes.append(unknown_cost(error))
    working = store.holder() or before
    versions = {version.run_id for version in store.versions()}
    ended = [_settled(run, versions) for run in runs if working is None or run.run_id != working.run_id]
    blocked = _blocked(ended) if working_file in ("read", "missing") else None
    if blocked is not None:
        problems.append(_blocked_sentence(blocked))
    if published is not None:
        problems += _age_problems(published, store.database, now, max_age)
        newest = next((run for run in ended if run.outcome == "published"), None)
        if newest is not None and newest.run_id != published.run_id:
            notes.append(f"Analysts read run {published.run_id}, not the newest that published, run {newest.run_id}.")
    return Status(
        str(store.database),
        now,
        limit,
        working,
        ended[0] if ended else None,
        published,
        blocked,
        expected,
        waiting,
        working_file,
        problems,
        notes,
        max(exit_code, 1) if problems else 0,
    )


def _read_published(store: "Store", now: datetime) -> tuple[Published, list[Run]]:
    """The published version, and the runs that it knows, newest first. It may be of an older schema."""
    from resources.audit.coverage import newest_trusted_at

    with store.published() as connection:
        runs = _runs(connection)
        newest = newest_trusted_at(connection)
    current = next((version for version in store.versions() if version.is_current), None)
    if current is not None:
        version, run_id = current.name, current.run_id
    else:
        # A file in place of the link: its newest run made it.
        version, run_id = store.database.name, runs[0].run_id if runs else ""
    own = next((run for run in runs if run.run_id == run_id), runs[0] if runs else None)
    began = own.started_at if own is not None else current.published_at if current is not None else now
    answered_at = newest if newest is not None else began
    age = round((now - answered_at).total_seconds())
    return Published(version, run_id, own.finished_at if own is not None else None, answered_at, age), runs


def _read_working(store: "Store") -> tuple[list[Run], dict[str, int]]:
    """The runs, newest first, and the number of zeros that wait for CloudTrail, by account."""
    from pipelines.collection.confirmation import TRAIL_KEEPS
    from resources.audit.checks import failed_checks
    from resources.audit.zeros import pending_accounts

    with store.read() as connection:
        runs = _runs(connection)
        unpublished = list(takewhile(lambda run: run.outcome != "published", runs))
        refusals = {
            run.run_id: [text for *_, text in failed_checks(connection, run.run_id, "ERROR")] for run in unpublished
        }
        paid = paid_apis(connection)
        waiting = pending_accounts(connection, datetime.now(UTC) - TRAIL_KEEPS)
    return [
        replace(
            run,
            sentences=refusals.get(run.run_id, []),
            paid_requests={of_api.api: of_api.requests for of_api in paid.get(run.run_id, [])},
            paid=paid.get(run.run_id, []),
        )
        for run in runs
    ], waiting


def _runs(connection: "duckdb.DuckDBPyConnection") -> list[Run]:
    """The runs, newest first, without those of `cmdb preflight`, which publish nothing."""
    from resources.audit.runs import PREFLIGHT_RUN

    return [
        Run(*row)
        for row in connection.execute(
            """
            select
                run_id, started_at, finished_at, coalesce(outcome, 'running'), coalesce(request_count, 0),
                coalesce(api_cost_usd, 0)
            from audit.run where not starts_with(run_id, $preflight)
            order by started_at desc, run_id
            """,
            {"preflight": PREFLIGHT_RUN},
        ).fetchall()
    ]


def _settled(run: Run, versions: set[str]) -> Run:
    """The run as the next one will find it: one that holds no lock and left its row open was killed."""
    if run.outcome not in OPEN:
        return run
    return replace(run, outcome="published" if run.outcome == "publishing" and run.run_id in versions else "died")


def _blocked(ended: Sequence[Run]) -> Blocked | None:
    """The runs since the last one that published; None where that is the last one, or where none has ended."""
    unpublished = list(takewhile(lambda run: run.outcome != "published", ended))
    return Blocked(len(unpublished), unpublished[-1], unpublished[0]) if unpublished else None


WHY_UNPUBLISHED = {
    "refused": "it was refused",
    "died": "it was killed, or the machine lost power",
    "incomplete": "no rule refused it: it was interrupted, a step failed, or it was not a whole run",
}


def _blocked_sentence(blocked: Blocked) -> str:
    why = WHY_UNPUBLISHED.get(blocked.last.outcome, blocked.last.outcome)
    if blocked.run_count == 1:
        return f"The last run, {blocked.last.run_id}, did not publish: {why}."
    return (
        f"The last {blocked.run_count} runs did not publish, the first of them {moment(blocked.first.started_at)}. "
        f"Of the last one: {why}."
    )


def _age_problems(found: Published, database: Path, now: datetime, max_age: timedelta) -> list[str]:
    age = now - found.answered_at
    answered = f"the newest trusted response in {database} is of {moment(found.answered_at)}"
    if age < -CLOCK_SLACK:
        return [f"The clock of this machine is wrong, or was: it shows {moment(now)}, and {answered}."]
    if age > max_age:
        return [f"What is published is {duration(age)} old, and {duration(max_age)} are allowed: {answered}."]
    return []
