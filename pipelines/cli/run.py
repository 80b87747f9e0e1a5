"""`cmdb nightly`: run the nightly job in this process, and print its outcome in a few lines."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.cli.command import (
    Command,
    Misused,
    as_typed,
    can_ask,
    demo_option,
    drop,
    json_option,
    plainly,
    print_json,
    say,
    settings_of,
)
from pipelines.cli.dagster_home import closed_to_others, keeping_records, prepare_dagster_home
from pipelines.cli.resuming import interrupted, usual_duration
from pipelines.cli.simulation import simulates_demo
from pipelines.cli.summary import RunSummary, run_as_json, summarise
from pipelines.loading import loading

if TYPE_CHECKING:
    from rich.console import Console

    from pipelines.settings import Settings
    from resources.store.store import Store


@click.command(cls=Command)
@click.option(
    "--only-untrusted",
    is_flag=True,
    help="Request again only the cells without a trusted response of the last 20 hours and those that a check named, "
    "then build and publish as always.",
)
@click.option(
    "--everything",
    is_flag=True,
    help="Request every cell, also those that an interrupted run of today trusted or that are not due yet.",
)
@click.option(
    "--cost-requests",
    type=click.IntRange(1, 100_000),
    default=None,
    metavar="N",
    help="The most Cost Explorer requests today, for this run in place of CMDB_COST_REQUEST_LIMIT.",
)
@click.option("--yes", "is_agreed", is_flag=True, help="Agree to the price of --cost-requests without being asked.")
@demo_option
@json_option
@plainly
@simulates_demo
def nightly(
    demo: bool, only_untrusted: bool, everything: bool, cost_requests: int | None, is_agreed: bool, as_json: bool
) -> None:
    """Run the nightly job: pre-flight, collection, models, checks, publishing.

    After an interruption it goes on: what the interrupted run trusted is not requested again.
    With --json, progress is on standard error and the outcome on standard output.

    Example: cmdb nightly --only-untrusted
    """
    with loading():
        from pipelines import reference
        from pipelines.cli.terminal import console
        from pipelines.definitions import NIGHTLY
        from resources.store.store import Store

    settings = settings_of(demo=demo)
    reference.require(settings.reference)
    store = Store(settings.database)
    if cost_requests is not None:
        _agree(store, settings, cost_requests, is_agreed=is_agreed)
    earlier = None if only_untrusted or everything else interrupted(store)
    if earlier is not None:
        console(on_stderr=as_json).print(str(earlier), markup=False)
    prepare_dagster_home(os.environ)
    ended = run_with_progress(
        store,
        NIGHTLY,
        only_untrusted=only_untrusted,
        everything=everything,
        kept_since=None if earlier is None else earlier.since,
        cost_requests=cost_requests,
        on_stderr=as_json,
    )
    screen = console(on_stderr=as_json)
    with ending(ended, NIGHTLY, settings, screen, demo=demo):
        _print(ended, store, screen, demo=demo, as_json=as_json)


def _print(ended: RunSummary, store: "Store", screen: "Console", *, demo: bool, as_json: bool) -> None:
    """Print the outcome of a run: lines for people, or JSON."""
    from pipelines.cli.terminal import marked, summary_lines
    from pipelines.report.writing import report_path

    database = str(store.database)
    summary = summarise(store) if ended.published else None
    next_command = f".venv/bin/cmdb {next_step(ended, demo=demo)}"
    report = "" if ended.exit_code else str(report_path(store.database))
    if as_json:
        print_json(run_as_json(ended, summary, database, next_command) | {"report": report or None})
        return
    typed = replace(
        ended,
        sentences=[as_typed(sentence, demo=demo) for sentence in ended.sentences],
        warnings=[as_typed(sentence, demo=demo) for sentence in ended.warnings],
    )
    for line in summary_lines(typed, summary, database, next_command, screen.width, report):
        screen.print(marked(line))


def next_step(ended: RunSummary, *, demo: bool) -> str:
    """The command that leads on from the outcome of a run.

    Args:
        demo: the run was one of the demo's, whose organisation is there only while a command simulates it.
    """
    where = " --demo" if demo else ""
    if ended.published:
        return f'sql{where} "select account_id, account_name, ou_path from org.account"'
    if ended.exit_code == 2 or ended.refused_by_preflight:
        # Of a refused pre-flight there is no cell to look at; the sentences above it have their remedies.
        return "demo" if demo else "preflight"
    return f"coverage --blocked{where}" if ended.exit_code == 1 else f"nightly{where}"


def _agree(store: "Store", settings: "Settings", cost_requests: int, *, is_agreed: bool) -> None:
    """Show the price of a run beyond the day's limit, and go on only where somebody agrees.

    Raises:
        Misused: nobody agreed. Nothing was requested.
    """
    from pipelines.cli.upcoming import unknown_cost, upcoming
    from pipelines.collection.paid_limits import COST_EXPLORER, daily_limits
    from resources.aws.meter import PRICES_USD
    from resources.store.errors import WarehouseError

    limit = daily_limits(settings)[COST_EXPLORER]
    price = f"{cost_requests * PRICES_USD[COST_EXPLORER]:,.2f} USD"
    try:
        wanted = f"This run wants {upcoming(store, settings).next_run[0].units:,} or more."
    except WarehouseError as error:
        # The run itself brings an older schema up to date, or says who holds the file.
        wanted = unknown_cost(error)
    say(
        f"Today (UTC) Cost Explorer may be sent {cost_requests:,} requests, at most {price}, in place of the "
        f"{limit.units:,} of {limit.setting}. {wanted}",
        err=True,
    )
    if is_agreed:
        return
    if not can_ask():
        raise Misused("Nobody could be asked whether that is right. Nothing was requested. Agree with --yes.")
    if not click.confirm("Go on?", default=False, err=True):
        raise Misused("Nothing was requested.")


def run_with_progress(
    store: "Store",
    job_name: str,
    *,
    only_untrusted: bool = False,
    everything: bool = False,
    kept_since: datetime | None = None,
    cost_requests: int | None = None,
    months: tuple[str, str] | None = None,
    on_stderr: bool,
) -> RunSummary:
    """Run a job on a warehouse with progress bars; returns its outcome.

    Args:
        everything: as of `run_nightly`.
        kept_since: as of `run_nightly`.
        cost_requests: today's limit of Cost Explorer requests for this run, in place of the setting's.
        months: as of `run_nightly`.

    Raises:
        WarehouseError: Dagster could not write.
    """
    from pipelines.catalogue.registry import FAMILIES
    from pipelines.cli.terminal import progress_bars
    from pipelines.collection.progress import PUBLISHING
    from pipelines.definitions import NIGHTLY

    environment = os.environ | {"CMDB_DATABASE": str(store.database)}
    if cost_requests is not None:
        environment["CMDB_COST_REQUEST_LIMIT"] = str(cost_requests)
    families = [family.name for family in FAMILIES] if job_name == NIGHTLY else []
    steps = [*families, PUBLISHING]
    with progress_bars(on_stderr=on_stderr, steps=steps, usual=usual_duration(store, job_name)):
        return run_nightly(
            environment,
            store,
            only_untrusted=only_untrusted,
            everything=everything,
            kept_since=kept_since,
            months=months,
            job_name=job_name,
        )


@contextmanager
def ending(ended: RunSummary, job_name: str, settings: "Settings", screen: "Console", *, demo: bool) -> Iterator[None]:
    """A block that prints the outcome of a run, which ends the process with the run's exit code, printed or not.

    Whom the settings name hears of the run before, since what is printed may have no reader.

    Args:
        screen: where to print how the messages ended.
        demo: a published run of the demo is announced to nobody: it must not pass for one of the organisation.
    """
    from pipelines.alerts import announce_failure, announce_published, announce_warnings
    from pipelines.definitions import NIGHTLY

    alerts: list[str] = []
    if ended.exit_code:
        alerts = announce_failure(settings.alert_command, settings.notify, ended.run_id, job_name, ended.sentences)
    if ended.published and not demo:
        is_good_night = job_name == NIGHTLY and not ended.exit_code
        announce = announce_published if is_good_night else announce_warnings
        alerts += announce(settings, ended.run_id, job_name)
    try:
        yield
    except OSError:
        drop(sys.stdout)
    for sentence in alerts:
        screen.print(sentence, markup=False)
    if ended.exit_code:
        raise click.exceptions.Exit(ended.exit_code)


def run_nightly(
    environment: Mapping[str, str],
    store: "Store",
    *,
    only_untrusted: bool = False,
    everything: bool = False,
    kept_since: datetime | None = None,
    months: tuple[str, str] | None = None,
    job_name: str = "nightly",
) -> RunSummary:
    """Run a job against the instance of `DAGSTER_HOME`, so that the UI shows it; returns the run's outcome.

    Args:
        only_untrusted: request only cells without a trusted response of the last hours.
        everything: request also the cells of listings that change seldom and are not due.
        kept_since: request only cells without a trusted response since then.
        months: the first and the last month that `bill_month` fetches, such as `2026-08`.
        job_name: `nightly`; `confirm`, which looks zeros up in CloudTrail and collects nothing; or `bill_month`.

    Raises:
        WarehouseError: Dagster could not write there.
    """
    from pipelines.alerts import LAUNCHED_BY, failure_of
    from pipelines.collection.assets import EVERYTHING, ONLY_UNTRUSTED
    from pipelines.definitions import execute, job_of
    from pipelines.publishing.naming import name_warning

    with loading():
        job = job_of(environment, job_name)
    tags = {LAUNCHED_BY: f"cmdb {job_name.replace('_', '-')}"}
    if only_untrusted or kept_since is not None:
        tags[ONLY_UNTRUSTED] = "yes" if kept_since is None else kept_since.isoformat()
    if everything:
        tags[EVERYTHING] = "yes"
    if months is not None:
        # What Dagster's own UI gives a run of several partitions.
        tags["dagster/asset_partition_range_start"], tags["dagster/asset_partition_range_end"] = months
    with keeping_records(Path(os.environ["DAGSTER_HOME"])), closed_to_others():
        result = execute(job, tags)
    # The run has already waited for other holders of the working file, so reading the outcome does not wait again.
    at_once = replace(store, patience=0.0)
    errors = _errors(at_once, result.run_id)
    failed = [sentence for *_, sentence in errors]
    warnings = _warnings(at_once, result.run_id)
    is_published = any(version.run_id == result.run_id and version.is_current for version in store.versions())
    if warning := name_warning(store.database):
        warnings.append(warning)
    if result.success:
        return RunSummary(result.run_id, is_published, 0, warnings=failed + warnings)
    failure = failure_of(result.failures)
    if is_published:
        return RunSummary(result.run_id, True, failure.exit_code, failure.sentences, failed + warnings)
    # The failure of a step that its own rule ended repeats the rule's sentence; every other failure must be shown.
    sentences = failed + [sentence for sentence in failure.sentences if not any(rule in sentence for rule in failed)]
    return RunSummary(result.run_id, False, failure.exit_code, sentences, warnings, _is_refused_by_preflight(errors))


def _errors(store: "Store", run_id: str) -> list[tuple[str, str, str]]:
    """The checks that refused a run, as `failed_checks` returns them."""
    from resources.audit.checks import failed_checks
    from resources.store.errors import WarehouseError

    try:
        with store.read() as connection:
            return failed_checks(connection, run_id, "ERROR")
    except WarehouseError:
        # The run could not even open the working file; the failure of its step says why.
        return []


def _is_refused_by_preflight(errors: Sequence[tuple[str, str, str]]) -> bool:
    from resources.audit.checks import PREFLIGHT_SCOPE

    return any(scope == PREFLIGHT_SCOPE for _, scope, _ in errors)


def _warnings(store: "Store", run_id: str) -> list[str]:
    """The warnings of a run: one sentence for each cause of untrusted cells, not one for each listing."""
    from pipelines.collection.storing import NO_SILENT_ZERO
    from pipelines.memory import read_within_memory
    from pipelines.trust import untrusted
    from resources.audit.checks import failed_checks
    from resources.store.errors import WarehouseError

    try:
        with store.read() as connection:
            rows = failed_checks(connection, run_id, "WARN")
        cells = read_within_memory(store, lambda connection: untrusted.read(connection, run_id))
    except WarehouseError:
        return []
    # The errors name the cells of a refused listing already. A failed CloudTrail look-up breaks no rule, so it is added
    # here.
    frozen = {scope for rule, scope, _ in rows if rule == NO_SILENT_ZERO}
    silent = [cell for cell in cells if cell.cause == untrusted.TRAIL_UNAVAILABLE]
    loud = [cell for cell in cells if cell.cause != untrusted.TRAIL_UNAVAILABLE and cell.listing in frozen]
    grouped = {(NO_SILENT_ZERO, cell.listing) for cell in loud}
    others = [sentence for rule, scope, sentence in rows if (rule, scope) not in grouped]
    return untrusted.sentences([*loud, *silent]) + others
