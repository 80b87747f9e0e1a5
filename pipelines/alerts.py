"""Messages about runs: an alert for each failed one, a heartbeat for each nightly one that published.

Checks that do not block alert when they begin to fail, and so does published data that has become old.

Each is handed to a program that a setting names, and sent to whom `CMDB_NOTIFY` names: by the command line for its own
runs, and by a sensor for all others.
"""

import json
import shlex
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb

from pipelines.errors import SqlFileError
from pipelines.lost_interrupts import INTERRUPTIONS
from pipelines.notifying import SETTING, notify
from pipelines.plain_text import plain
from pipelines.report.digest import read_digest
from pipelines.settings import Settings
from pipelines.trust.ages import STALE_AFTER, duration, moment
from pipelines.trust.gate import EXIT_CODE
from resources.audit.checks import new_warnings
from resources.audit.coverage import newest_trusted_at
from resources.release import ProductFileError
from resources.store.errors import WarehouseError
from resources.store.store import Store

TICK_SECONDS = 45
"""Most seconds of one tick of a sensor, for addresses and programs together: after 60 Dagster gives the tick up, and
begins again with the same run, for ever."""

PEOPLE_SECONDS = 10
"""Most of them for one message to all addresses, which come before a program."""

SENTENCES_NAMED = 10
"""Most sentences in one message."""

ERROR_LENGTH = 500
"""Most characters of an error that is not the product's own."""

ALERT, HEARTBEAT = "CMDB_ALERT_COMMAND", "CMDB_HEARTBEAT_COMMAND"
"""The settings that name the programs."""

LAUNCHED_BY = "cmdb/launched_by"
"""Tag of the runs that a command waits for."""


def result_of(run_id: str, job: str, sentences: list[str], status: str = "failed") -> dict[str, Any]:
    """The JSON object that either program reads; `status` is `failed`, `warned` or `published`."""
    return {"run_id": run_id, "job": job, "status": status, "sentences": sentences}


def heartbeat_of(run_id: str, job: str, database: Path) -> dict[str, Any]:
    """The JSON object of a run that published."""
    return result_of(run_id, job, [f"Published {database}."], "published")


def is_interruption(error: Any) -> bool:
    """Whether an error in Dagster's events, or one of its causes, shows that somebody ended the run."""
    return error is not None and (error.cls_name in INTERRUPTIONS or is_interruption(error.cause))


def failure_sentence(event: dg.DagsterEvent) -> str:
    """Why a step failed: the sentence of the product's own failures, the first paragraph of any other error."""
    data = event.step_failure_data
    if data.user_failure_data is not None and data.user_failure_data.description:
        return data.user_failure_data.description
    if data.error is None:
        return event.message or f"{event.step_key} failed."
    if is_interruption(data.error):
        return f"{event.step_key} was interrupted: nothing of it counts, and what the steps before it stored stays."
    cause = data.error.cause or data.error
    return f"{event.step_key}: {plain(first_paragraph(cause.message) or cause.cls_name, ERROR_LENGTH)}"


def first_paragraph(text: str) -> str:
    """What an error states, in one line: below an empty line DuckDB repeats the query and marks a place in it."""
    return " ".join(text.strip().partition("\n\n")[0].split())


BETWEEN = "The run was interrupted between two steps: what those before stored stays."


@dataclass(frozen=True)
class Failure:
    """Why a run failed.

    Attributes:
        sentences: one for each failed step, without duplicates.
        exit_code: 1 a rule failed, 2 the configuration is wrong, 130 somebody ended the run.
    """

    sentences: list[str]
    exit_code: int


def failure_of(events: Sequence[dg.DagsterEvent]) -> Failure:
    """The sentences and the exit code of a failed run, from its events."""
    failed = [event for event in events if event.event_type == dg.DagsterEventType.STEP_FAILURE]
    sentences = list(dict.fromkeys(failure_sentence(event) for event in failed))
    if any(_ended_by_somebody(event) for event in events):
        # If the run ended between two steps, no step has a failure event, so there is no sentence.
        return Failure(sentences or [BETWEEN], 128 + signal.SIGINT)
    return Failure(sentences, max((_exit_code(event) for event in failed), default=1))


def _ended_by_somebody(event: dg.DagsterEvent) -> bool:
    """Whether somebody ended the run: by Ctrl+C, or by SIGTERM, which Dagster treats alike during a run."""
    return event.event_type == dg.DagsterEventType.RUN_FAILURE and is_interruption(event.job_failure_data.error)


def _exit_code(event: dg.DagsterEvent) -> int:
    data = event.step_failure_data.user_failure_data
    code = data.metadata.get(EXIT_CODE) if data is not None else None
    return int(code.value) if isinstance(code, dg.IntMetadataValue) and code.value is not None else 1


def deadline() -> float:
    """When what begins here has used up `TICK_SECONDS`, on the monotonic clock."""
    return time.monotonic() + TICK_SECONDS


def seconds_left(until: float) -> float:
    """Seconds until then; at least one, so that whoever comes last is tried too."""
    return max(1.0, until - time.monotonic())


def send(command: str, result: dict[str, Any], setting: str = ALERT, seconds: float = TICK_SECONDS) -> str:
    """Run the program of a setting; return a sentence on how it ended. A failing program never fails a run.

    No sentence has the command: its arguments may hold secrets.

    Args:
        seconds: after which the program is killed.
    """
    try:
        done = subprocess.run(
            shlex.split(command),
            input=json.dumps(result).encode(),
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"{setting} was killed after {seconds:.0f} second(s). The check results are in the run's log."
    except (OSError, ValueError) as error:
        # Without the name of the program: who writes an address there alone has written a secret.
        why = error.strerror if isinstance(error, OSError) else error
        return f"{setting} could not be run: {why}. The check results are in the run's log."
    if done.returncode:
        output = plain(done.stderr.decode(errors="replace").strip(), 300)
        return f"{setting} ended with {done.returncode}: {output}. The check results are in the run's log."
    return f"{setting} received the check results."


def first_of(sentences: list[str], where: str = "") -> list[str]:
    """The first sentences of a message, and how many more there are."""
    left = len(sentences) - SENTENCES_NAMED
    # A sentence on one more is no shorter than the one.
    return sentences if left <= 1 else [*sentences[:SENTENCES_NAMED], f"And {left:,} more{where}."]


def announce_failure(
    command: str,
    addresses: str,
    run_id: str,
    job: str,
    sentences: list[str],
    status: str = "failed",
    until: float | None = None,
) -> list[str]:
    """Alert people and a program of what failed or warns; one sentence on how each way ended.

    Args:
        command: of `CMDB_ALERT_COMMAND`; may be empty.
        addresses: of `CMDB_NOTIFY`; may be empty.
        run_id: empty where no run began.
        job: of the run, or what found the failure.
        status: as of `result_of`.
        until: the `deadline` of the tick; of this message alone where None.
    """
    until = deadline() if until is None else until
    said = []
    if addresses:
        body = "\n".join([*first_of(sentences), *([f"Run {run_id}."] if run_id else [])])
        title = f"AWS CMDB and cost: {job} {status}"
        said.append(notify(addresses, title, body, is_bad=True, seconds=_for_people(until)).sentence)
    if command:
        said.append(send(command, result_of(run_id, job, sentences, status), seconds=seconds_left(until)))
    return said


def _for_people(until: float) -> float:
    return min(PEOPLE_SECONDS, seconds_left(until))


def announce_published(settings: Settings, run_id: str, job: str) -> list[str]:
    """Tell a program that a nightly run published, and people its digest and what warns since; one sentence a way."""
    until, said = deadline(), []
    if settings.notify:
        try:
            digest = read_digest(Store(settings.database))
        except (WarehouseError, ProductFileError, SqlFileError, duckdb.Error) as error:
            said.append(f"{SETTING}: nobody was notified. {error}")
        else:
            seconds = _for_people(until)
            said.append(notify(settings.notify, digest.title, digest.text, is_bad=False, seconds=seconds).sentence)
    if settings.heartbeat_command:
        # Half of what is left: a program that hangs must not keep the warnings from anybody.
        beat, seconds = heartbeat_of(run_id, job, settings.database), seconds_left(until) / 2
        said.append(send(settings.heartbeat_command, beat, HEARTBEAT, seconds))
    return said + announce_warnings(settings, run_id, job, until)


def announce_warnings(settings: Settings, run_id: str, job: str, until: float | None = None) -> list[str]:
    """Alert of the checks that do not block and fail since this published run; nothing where they failed before.

    Args:
        until: as of `announce_failure`.
    """
    if not (settings.alert_command or settings.notify):
        return []
    try:
        with Store(settings.database).published() as connection:
            sentences = new_warnings(connection, run_id)
    except (WarehouseError, duckdb.Error) as error:
        return [f"Which checks warn since this run could not be read. {error}"]
    if not sentences:
        return []
    shown = first_of([plain(sentence, lines=True) for sentence in sentences], ", in audit.check_result")
    return announce_failure(settings.alert_command, settings.notify, run_id, job, shown, "warned", until)


def stale_sentence(store: Store, now: datetime) -> str:
    """That the newest trusted response of what is published is too old; empty where it is not.

    Raises:
        WarehouseError: nothing is published.
    """
    with store.published() as connection:
        answered_at = newest_trusted_at(connection)
    if answered_at is None or now - answered_at <= STALE_AFTER:
        return ""
    return (
        f"What is published is {duration(now - answered_at)} old, and {duration(STALE_AFTER)} are usual: the newest "
        f"trusted response in {store.database} is of {moment(answered_at)}. `cmdb status` says what keeps runs from "
        "publishing."
    )


def stale_data_sensor(settings: Settings) -> dg.SensorDefinition:
    """The sensor that alerts once of each published version whose data has become old, also where no run began."""

    @dg.sensor(
        name="stale_data_alert",
        description="Passes to CMDB_ALERT_COMMAND and CMDB_NOTIFY that what is published has become old.",
        minimum_interval_seconds=900,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def stale_data_alert(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        store = Store(settings.database)
        current = next((version.name for version in store.versions() if version.is_current), None)
        if current is None:
            return dg.SkipReason("Nothing is published.")
        if context.cursor == current:
            return dg.SkipReason("Somebody was told already that this version is old.")
        try:
            sentence = stale_sentence(store, datetime.now(UTC))
        except (WarehouseError, duckdb.Error) as error:
            return dg.SkipReason(f"How old the published data is could not be read. {error}")
        if not sentence:
            return dg.SkipReason(f"What is published is at most {duration(STALE_AFTER)} old.")
        context.update_cursor(current)
        said = announce_failure(settings.alert_command, settings.notify, "", "freshness", [sentence])
        return dg.SkipReason(" ".join([sentence, *said]))

    return stale_data_alert


def nightly_failure_sensor(settings: Settings) -> dg.SensorDefinition:
    """The sensor that alerts whom the settings name of every failed run; where they name nobody it only logs."""

    @dg.run_failure_sensor(
        name="failed_run_alert",
        description="Passes the check results of a failed run to CMDB_ALERT_COMMAND and CMDB_NOTIFY.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def failed_run_alert(context: dg.RunFailureSensorContext) -> None:
        sentences = [failure_sentence(event) for event in context.get_step_failure_events()] or [
            context.failure_event.message or "The run failed without a step's word."
        ]
        run = context.dagster_run
        for sentence in sentences:
            context.log.warning(plain(sentence, lines=True))
        # `cmdb nightly` sends the alerts of its own runs itself, since no daemon may be running where cron starts it.
        if LAUNCHED_BY in run.tags:
            return
        until = deadline()
        said = announce_failure(
            settings.alert_command, settings.notify, run.run_id, run.job_name, sentences, until=until
        )
        if _has_published(settings, run.run_id):
            said += announce_warnings(settings, run.run_id, run.job_name, until)
        for sentence in said:
            context.log.info(sentence)

    return failed_run_alert


def heartbeat_sensor(settings: Settings, job: str) -> dg.SensorDefinition:
    """The sensor that tells whom the settings name of every published run of one job, and what warns since any run."""

    @dg.run_status_sensor(
        run_status=dg.DagsterRunStatus.SUCCESS,
        name="published_run_heartbeat",
        description="Starts CMDB_HEARTBEAT_COMMAND after a nightly run published, sends the digest to CMDB_NOTIFY, and "
        "alerts of checks that warn since.",
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def published_run_heartbeat(context: dg.RunStatusSensorContext) -> None:
        run = context.dagster_run
        is_wanted = settings.heartbeat_command or settings.notify or settings.alert_command
        # A run of a part of the job may end well without publishing.
        if not is_wanted or LAUNCHED_BY in run.tags or not _has_published(settings, run.run_id):
            return
        # What begins to warn in a run of another job, the next nightly run takes for known.
        announce = announce_published if run.job_name == job else announce_warnings
        for sentence in announce(settings, run.run_id, run.job_name):
            context.log.info(sentence)

    return published_run_heartbeat


def _has_published(settings: Settings, run_id: str) -> bool:
    return any(version.run_id == run_id for version in Store(settings.database).versions())
