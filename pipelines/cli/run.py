"""Run the nightly job in this process, and say in a few lines how it went."""

import os
import shutil
import signal
import stat
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import dagster as dg
import sqlalchemy.exc

from pipelines.alerts import LAUNCHED_BY, failure_sentence, is_interruption
from pipelines.collection.assets import ONLY_UNTRUSTED
from pipelines.collection.storing import NO_SILENT_ZERO
from pipelines.definitions import NIGHTLY, build_defs
from pipelines.plain_text import plain
from pipelines.publishing.naming import name_warning
from pipelines.settings import REPOSITORY
from pipelines.trust import untrusted
from pipelines.trust.gate import EXIT_CODE
from resources.installation import WORKING_FOLDER
from resources.store.store import Store, WarehouseError

if TYPE_CHECKING:
    import duckdb

BETWEEN = "The run was interrupted between two steps: what those before stored stays."

CLOSED = 0o027
"""Rights that no file of Dagster's has: they would be 0644 otherwise."""

DAGSTER_YAML = REPOSITORY / "pipelines" / "dagster.yaml"


@dataclass(frozen=True)
class Night:
    """How a night ended.

    Attributes:
        sentences: why it was refused, the rules first; or what failed after it had published.
        warnings: what was published stale, or should be mended.
        exit_code: 0 published, 1 a rule failed, 2 the configuration is wrong, 130 it was interrupted. What fails after
            publishing, the report alone, takes nothing back, but it is not good either.
    """

    run_id: str
    published: bool
    exit_code: int
    sentences: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


@contextmanager
def _keeping_records(home: Path) -> Iterator[None]:
    """Around what Dagster writes itself, which it explains to nobody.

    Raises:
        WarehouseError: it could not.
    """
    try:
        yield
    except (OSError, sqlalchemy.exc.DBAPIError) as error:
        reason = error.orig if isinstance(error, sqlalchemy.exc.DBAPIError) else error.strerror
        raise WarehouseError(
            f"Dagster cannot keep its records in {home}, on whose disk {_free(home)} are free: {reason}. The night was "
            "broken off, and what is published is whole. Make room there, or set DAGSTER_HOME to another folder, then "
            "run again."
        ) from error


def _free(folder: Path) -> str:
    while not folder.exists():
        folder = folder.parent
    return f"{shutil.disk_usage(folder).free / 1e6:,.1f} MB"


def prepare_dagster_home(environment: MutableMapping[str, str]) -> Path:
    """Set `DAGSTER_HOME` where it is not, and see that it holds a `dagster.yaml`: without one telemetry is on.

    What is made is closed to others: it holds account ids and error sentences. One that others may enter gets a warning
    on standard error; whose it is decides that.

    Raises:
        WarehouseError: it cannot be written.
    """
    home = Path(environment.get("DAGSTER_HOME") or WORKING_FOLDER / ".dagster").absolute()
    target = home / "dagster.yaml"
    part = home / ".dagster.yaml.part"
    ours = home == WORKING_FOLDER.absolute() / ".dagster"
    with _keeping_records(home), closed_to_others():
        home.mkdir(mode=0o750, parents=True, exist_ok=True)
        if not target.exists() or (ours and target.read_bytes() != DAGSTER_YAML.read_bytes()):
            # A file half written would be there for good, and say nothing of telemetry.
            part.unlink(missing_ok=True)
            shutil.copyfile(DAGSTER_YAML, part)
            part.replace(target)
        rights = stat.S_IMODE(home.stat().st_mode)
    if rights & stat.S_IRWXO:
        click.echo(
            f"! Everybody on this machine may look into DAGSTER_HOME, {plain(home)} (rights {rights:04o}), which holds "
            f"account ids and error sentences. `chmod -R o-rwx {plain(home)}` closes it.",
            err=True,
        )
    environment["DAGSTER_HOME"] = str(home)
    return home


@contextmanager
def closed_to_others() -> Iterator[None]:
    """Files that are made meanwhile, by whichever library, are closed to others than owner and group."""
    before = os.umask(0o077)
    os.umask(before | CLOSED)
    try:
        yield
    finally:
        os.umask(before)


def run_nightly(
    environment: Mapping[str, str], store: Store, *, only_untrusted: bool = False, job_name: str = NIGHTLY
) -> Night:
    """Run a job against `DAGSTER_HOME`'s instance, where the UI shows it.

    Args:
        only_untrusted: ask again only what no trusted answer of the last hours is there for.
        job_name: `nightly`, or `confirm`, which asks CloudTrail alone.

    Raises:
        WarehouseError: Dagster could not write there.
    """
    job = build_defs(environment).resolve_job_def(job_name)
    home = Path(os.environ["DAGSTER_HOME"])
    with _keeping_records(home), closed_to_others(), dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(
            instance=instance,
            raise_on_error=False,
            tags={LAUNCHED_BY: f"cmdb {job_name}"} | ({ONLY_UNTRUSTED: "yes"} if only_untrusted else {}),
            # The terminal shows progress and the verdict; the events are in the UI.
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
    failures = [event for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_FAILURE]
    # Whoever keeps the working file from us has been waited for by the run itself.
    at_once = replace(store, patience=0.0)
    failed = _failed_rules(at_once, result.run_id, "ERROR")
    warnings = _warnings(at_once, result.run_id)
    is_published = any(version.run_id == result.run_id and version.is_current for version in store.versions())
    if warning := name_warning(store.database):
        warnings.append(warning)
    if result.success:
        return Night(result.run_id, is_published, 0, warnings=failed + warnings)
    # A step that its own rule ended repeats the rule; what else ended a step must not be left out.
    ends = dict.fromkeys(failure_sentence(event) for event in failures)
    exit_code = max((_exit_code(event) for event in failures), default=1)
    if any(_is_interruption(event) for event in result.all_events):
        # Between two steps no step tells of it.
        ends = ends or {BETWEEN: None}
        exit_code = 128 + signal.SIGINT
    if is_published:
        return Night(result.run_id, True, exit_code, list(ends), failed + warnings)
    said = failed + [sentence for sentence in ends if not any(rule in sentence for rule in failed)]
    return Night(result.run_id, False, exit_code, said, warnings)


def _is_interruption(event: dg.DagsterEvent) -> bool:
    """Whether a run ended so: by Ctrl+C, or by SIGTERM, which Dagster takes for the same during a run."""
    return event.event_type == dg.DagsterEventType.RUN_FAILURE and is_interruption(event.job_failure_data.error)


def _exit_code(event: dg.DagsterEvent) -> int:
    data = event.step_failure_data.user_failure_data
    code = data.metadata.get(EXIT_CODE) if data is not None else None
    return int(code.value) if isinstance(code, dg.IntMetadataValue) and code.value is not None else 1


def _failed_rules(store: Store, run_id: str, severity: str) -> list[str]:
    try:
        with store.read() as connection:
            return [sentence for *_, sentence in _failed(connection, run_id, severity)]
    except WarehouseError:
        # The run could not even open the working file; its step's failure says why.
        return []


def _warnings(store: Store, run_id: str) -> list[str]:
    """What the rules warn of: of untrusted cells one sentence for each cause, not one for each listing."""
    try:
        with store.read() as connection:
            rows = _failed(connection, run_id, "WARN")
            cells = untrusted.read(connection, run_id)
    except WarehouseError:
        return []
    # What a listing was refused for is an error's to say; of a look-up without an answer no rule complains.
    frozen = {scope for rule, scope, _ in rows if rule == NO_SILENT_ZERO}
    silent = [cell for cell in cells if cell.cause == untrusted.TRAIL_UNAVAILABLE]
    loud = [cell for cell in cells if cell.cause != untrusted.TRAIL_UNAVAILABLE and cell.listing in frozen]
    grouped = {(NO_SILENT_ZERO, cell.listing) for cell in loud}
    others = [sentence for rule, scope, sentence in rows if (rule, scope) not in grouped]
    return untrusted.sentences([*loud, *silent]) + others


def _failed(connection: "duckdb.DuckDBPyConnection", run_id: str, severity: str) -> list[tuple[str, str, str]]:
    """Rule, scope and sentence of what failed in a run, oldest first."""
    return connection.execute(
        """
        select check_name, scope, trim(observed || ' ' || coalesce(expected, ''))
        from audit.check_result
        where run_id = $run_id and not passed and severity = $severity
        order by checked_at
        """,
        {"run_id": run_id, "severity": severity},
    ).fetchall()


@dataclass(frozen=True)
class Summary:
    """The published dataset in a few figures."""

    accounts: int
    active_accounts: int
    resources: int
    resource_accounts: int
    month_to_date: Decimal
    currency: str
    through: str
    cells: dict[str, int]
    requests: int
    api_cost_usd: Decimal
    stale: int


def summarise(store: Store) -> Summary:
    """Read the figures from the published file.

    Raises:
        WarehouseError: nothing is published yet.
    """
    store.require_current_schema()
    with store.published() as connection:

        def one(sql: str) -> tuple[Any, ...]:
            row = connection.execute(sql).fetchone()
            assert row is not None, "an aggregate always has a row"
            return tuple(row)

        accounts = one("select count(*), count(*) filter (state = 'ACTIVE') from org.account where state <> 'LEFT'")
        resources = one(
            """
            select count(*), count(distinct account_id), count(*) filter (is_stale)
            from cmdb.resource where status <> 'retired'
            """
        )
        cost = one(
            """
            select sum(unblended_cost), any_value(currency), max(usage_date)
            from cost.daily
            where
                slice = 'service'
                and usage_date >= (select date_trunc('month', max(usage_date)) from cost.daily)
            """
        )
        run = one("select request_count, api_cost_usd from audit.run order by started_at desc limit 1")
        cells = connection.execute(
            "select outcome, count(*) from audit.coverage group by outcome order by outcome"
        ).fetchall()
    return Summary(
        accounts=accounts[0],
        active_accounts=accounts[1],
        resources=resources[0],
        resource_accounts=resources[1],
        month_to_date=cost[0] or Decimal(0),
        currency=cost[1] or "",
        through=str(cost[2] or "never"),
        cells=dict(cells),
        requests=run[0],
        api_cost_usd=run[1],
        stale=resources[2],
    )


def as_facts(night: Night, summary: Summary | None, database: str, next_command: str) -> dict[str, Any]:
    """What the last screen says, for programs; money stays text, so that no digit is lost."""
    facts: dict[str, Any] = {
        "run_id": night.run_id,
        "published": night.published,
        "exit_code": night.exit_code,
        "database": database,
        "sentences": night.sentences,
        "warnings": night.warnings,
        "next": next_command,
    }
    return facts if summary is None else facts | {"summary": asdict(summary)}
