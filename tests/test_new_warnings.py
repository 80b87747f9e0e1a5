"""What alerts although a run published, or none began: checks that warn anew, and data that has become old."""

from __future__ import annotations

import datetime as dt
import json
import os
import shlex
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.exceptions import Exit
from dagster._grpc.utils import default_sensor_grpc_timeout
from ended_runs import shown_to
from given import blank_file

from pipelines import alerts
from pipelines.alerts import send
from pipelines.cli.run import ending
from pipelines.cli.summary import RunSummary
from pipelines.cli.terminal import console
from pipelines.collection.bill_month_assets import BILL_MONTH
from pipelines.collection.confirmation_assets import CONFIRM
from pipelines.definitions import NIGHTLY, defs
from pipelines.settings import Settings, read_settings, secrets
from pipelines.trust.gate import refuse
from resources.audit.checks import record_check
from resources.audit.runs import record_run, settle_run
from resources.store.paths import PUBLISHED_NAME
from resources.store.store import Store

APPEND = "import pathlib, sys; pathlib.Path(sys.argv[1]).open('a').write(sys.stdin.read() + chr(10))"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / PUBLISHED_NAME)
    made.working.write_bytes(blank_file())
    return made


@pytest.fixture
def received(tmp_path: Path) -> Path:
    return tmp_path / "received.ndjson"


def settings_of(store: Store, received: Path) -> Settings:
    program = shlex.join([sys.executable, "-c", APPEND, str(received)])
    return read_settings({"CMDB_DATABASE": str(store.database), "CMDB_ALERT_COMMAND": program})


def messages(received: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in received.read_text().splitlines()] if received.exists() else []


def published(store: Store, run_id: str, *, outcome: str = "published", **failed: str) -> None:
    """A run with these checks: those of `failed` warn with their sentence, all others of the three pass."""
    with store.holding(run_id, "a test"), store.transaction() as connection:
        record_run(connection, run_id, "test")
        settle_run(connection, run_id, outcome)
        for name in ("rates", "spend", "budgets"):
            record_check(
                connection, run_id, name, "cost", severity="WARN", passed=name not in failed,
                observed=failed.get(name, "good"),
            )  # fmt: skip
        record_check(connection, run_id, "keys", "cost", severity="ERROR", passed=True, observed="good")
    if outcome == "published":
        publish(store, run_id)


def publish(store: Store, run_id: str) -> None:
    with store.holding(run_id, "a test"):
        store.publish(run_id, lambda _: None)


def test_a_check_that_does_not_block_alerts_once_when_it_begins_to_fail(store: Store, received: Path) -> None:
    settings = settings_of(store, received)
    runs: dict[str, dict[str, str]] = {
        "run-1": {},
        "run-2": {"rates": "No rate."},
        "run-3": {"rates": "No rate.", "spend": "Spend without inventory."},
        "run-4": {"spend": "Spend without inventory."},
        "run-5": {"rates": "No rate again.", "spend": "Spend without inventory."},
    }
    for run_id, failed in runs.items():
        published(store, run_id, **failed)
        alerts.announce_published(settings, run_id, NIGHTLY)
    assert [(one["run_id"], one["sentences"]) for one in messages(received)] == [
        ("run-2", ["No rate."]),
        ("run-3", ["Spend without inventory."]),
        ("run-5", ["No rate again."]),
    ]
    assert {(one["job"], one["status"]) for one in messages(received)} == {(NIGHTLY, "warned")}


def test_what_began_to_fail_in_a_refused_run_alerts_when_the_next_is_published(store: Store, received: Path) -> None:
    published(store, "run-1")
    published(store, "run-2", outcome="refused", rates="No rate.")
    published(store, "run-3", rates="No rate.")
    alerts.announce_published(settings_of(store, received), "run-3", NIGHTLY)
    assert [one["sentences"] for one in messages(received)] == [["No rate."]]


@pytest.mark.parametrize("job", [NIGHTLY, BILL_MONTH, "__ASSET_JOB"])
def test_the_sensor_alerts_of_a_run_of_any_job_with_no_other_setting_than_the_alert(
    job: str, store: Store, received: Path
) -> None:
    @dg.op(name="publish")
    def publish_it() -> None:
        published(store, dg.OpExecutionContext.get().run_id, rates="No rate.")

    @dg.job(name=job)
    def whole() -> None:
        publish_it()

    sensor = alerts.heartbeat_sensor(settings_of(store, received), NIGHTLY)
    run_id = shown_to(sensor, whole)
    assert [(one["run_id"], one["sentences"]) for one in messages(received)] == [(run_id, ["No rate."])]


def test_the_sensor_of_failed_runs_alerts_of_what_warns_since_one_that_published(store: Store, received: Path) -> None:
    @dg.op(name="publish")
    def publish_it() -> None:
        published(store, dg.OpExecutionContext.get().run_id, rates="No rate.")
        raise dg.Failure("No report was written.")

    @dg.job(name=NIGHTLY)
    def whole() -> None:
        publish_it()

    sensor = alerts.nightly_failure_sensor(settings_of(store, received))
    shown_to(sensor, whole, fails=True)
    assert [(one["status"], one["sentences"]) for one in messages(received)] == [
        ("failed", ["No report was written."]),
        ("warned", ["No rate."]),
    ]


@pytest.mark.parametrize(
    ("job", "exit_code", "demo", "statuses"),
    [
        (BILL_MONTH, 0, False, ["warned"]),
        (CONFIRM, 0, False, ["warned"]),
        (NIGHTLY, 0, False, ["warned"]),
        (NIGHTLY, 1, False, ["failed", "warned"]),
        (BILL_MONTH, 0, True, []),
    ],
)
def test_a_command_alerts_of_what_warns_since_its_run_published(
    job: str, exit_code: int, demo: bool, statuses: list[str], store: Store, received: Path
) -> None:
    published(store, "run-1", rates="No rate.")
    ended = RunSummary("run-1", True, exit_code, ["No report was written."] if exit_code else [])
    with suppress(Exit), ending(ended, job, settings_of(store, received), console(on_stderr=True), demo=demo):
        pass
    assert [one["status"] for one in messages(received)] == statuses


def test_of_many_warnings_the_first_ten_are_named(store: Store, received: Path) -> None:
    with store.holding("run-1", "a test"), store.transaction() as connection:
        for number in range(12):
            sentence = f"Listing {number} is old."
            record_check(connection, "run-1", "age", f"{number:02}", severity="WARN", passed=False, observed=sentence)
    publish(store, "run-1")
    alerts.announce_published(settings_of(store, received), "run-1", NIGHTLY)
    (message,) = messages(received)
    assert message["sentences"][-1] == "And 2 more, in audit.check_result."
    assert len(message["sentences"]) == 11


def look(settings: Settings, cursor: str | None) -> tuple[str, str | None]:
    """One tick of the sensor: what it says, and its new cursor."""
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance=instance, cursor=cursor) as context,
    ):
        reason = alerts.stale_data_sensor(settings)(context)
        assert isinstance(reason, dg.SkipReason)
        return str(reason.skip_message), context.cursor


def test_published_data_that_has_become_old_alerts_once_a_version(store: Store, received: Path) -> None:
    settings = settings_of(store, received)
    assert look(settings, None) == ("Nothing is published.", None)
    cursor = None
    for run_id, hours, before in (("run-1", 25, 0), ("run-2", 27, 0), ("run-3", 40, 1)):
        with store.holding(run_id, "a test"), store.transaction() as connection:
            connection.execute("delete from audit.collection")
            connection.execute(
                "insert into audit.collection by name select $run as run_id, 'billing' as role, '1' as account_id, "
                "'r' as region, 'budget' as listing, 'found' as outcome, true as is_trusted, $at as ended_at",
                {"run": run_id, "at": dt.datetime.now(dt.UTC) - dt.timedelta(hours=hours)},
            )
        publish(store, run_id)
        assert len(messages(received)) == before
        said, cursor = look(settings, cursor)
        if hours < 26:
            assert said == "What is published is at most 26 h 0 min old."
            continue
        assert said.startswith(f"What is published is {hours} h 0 min old, and 26 h 0 min are usual: ")
        assert look(settings, cursor)[0] == "Somebody was told already that this version is old."
        assert len(messages(received)) == before + 1
    assert [(one["job"], one["status"]) for one in messages(received)] == [("freshness", "failed")] * 2


def test_the_event_of_a_refusal_begins_with_its_sentence() -> None:
    @dg.op
    def build() -> None:
        try:
            {}["account"]
        except KeyError as error:
            raise refuse("cost.daily was not built. The pre-flight failed. Nothing was changed.") from error

    @dg.job
    def whole() -> None:
        build()

    result = whole.execute_in_process(raise_on_error=False)
    (event,) = [event for event in result.all_events if event.is_step_failure]
    error = event.step_failure_data.error
    assert error is not None
    assert error.message.startswith("Refused: cost.daily was not built. The pre-flight failed.")
    assert error.stack
    assert error.cause is not None


# ------------------------------------------------------------------------------------- what hangs keeps nobody

HANGING = shlex.join([sys.executable, "-c", "import time; time.sleep(600)"])


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that accepts a connection and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"json://127.0.0.1:{server.getsockname()[1]}?rto=600"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "TICK_SECONDS", 2)
    monkeypatch.setattr(alerts, "PEOPLE_SECONDS", 0.5)


def test_a_tick_of_a_sensor_ends_before_dagster_gives_it_up() -> None:
    """Whoever comes last has a second beyond the rest, and reading what is published takes time too."""
    assert default_sensor_grpc_timeout() >= alerts.TICK_SECONDS + 10


def test_each_run_that_ended_has_a_tick_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_RUN_STATUS_SENSOR_PROCESS_LIMIT", raising=False)
    defs()
    assert os.environ["DAGSTER_RUN_STATUS_SENSOR_PROCESS_LIMIT"] == "1"


@pytest.mark.usefixtures("hurried")
def test_a_program_and_an_address_that_hang_keep_no_failed_run_from_being_announced(
    store: Store, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sensor as the daemon evaluates it: the cursor of each tick is where the next begins."""
    monkeypatch.setenv("DAGSTER_RUN_STATUS_SENSOR_PROCESS_LIMIT", "1")
    people: list[tuple[str, str]] = []
    whole = alerts.notify

    def notify(addresses: str, title: str, body: str, **options: Any) -> Any:
        people.append((title, body.splitlines()[-1]))
        return whole(addresses, title, body, **options)

    monkeypatch.setattr(alerts, "notify", notify)

    @dg.op
    def fails() -> None:
        raise dg.Failure("It failed.")

    @dg.job(name=NIGHTLY)
    def night() -> None:
        fails()

    sensor = alerts.nightly_failure_sensor(
        read_settings(
            {"CMDB_DATABASE": str(store.database), "CMDB_ALERT_COMMAND": HANGING, "CMDB_NOTIFY": f"{silent} {silent}"}
        )
    )
    with dg.DagsterInstance.ephemeral() as instance:

        def tick(cursor: str | None) -> str | None:
            begun = time.monotonic()
            with dg.build_sensor_context(instance=instance, cursor=cursor) as context:
                cursor = sensor.evaluate_tick(context).cursor
            assert time.monotonic() - begun < 30
            return cursor

        cursor = tick(None)
        runs = [night.execute_in_process(instance=instance, raise_on_error=False).run_id for _ in range(2)]
        for number in (1, 2):
            cursor = tick(cursor)
            assert people == [(f"AWS CMDB and cost: {NIGHTLY} failed", f"Run {run}.") for run in runs[:number]]
        tick(cursor)
        assert len(people) == 2


@pytest.mark.usefixtures("hurried")
def test_a_heartbeat_that_hangs_keeps_no_warning_from_anybody(store: Store, received: Path, silent: str) -> None:
    published(store, "run-1", rates="No rate.")
    settings = settings_of(store, received).model_copy(update={"heartbeat_command": HANGING, "notify": silent})
    begun = time.monotonic()
    said = alerts.announce_published(settings, "run-1", NIGHTLY)
    assert time.monotonic() - begun < 30
    assert any("CMDB_HEARTBEAT_COMMAND was killed after 1 second" in sentence for sentence in said), said
    assert [one["sentences"] for one in messages(received)] == [["No rate."]]


SECRET = "https://hooks.example.com/T0/SECRET"

PRINTING = {
    "hangs": f"{HANGING} {SECRET}",
    "is no program": SECRET,
    "writes to the terminal": shlex.join([sys.executable, "-c", "import sys; sys.exit('\\x1b]0;evil\\x07')", SECRET]),
}


@pytest.mark.parametrize("command", PRINTING.values(), ids=list(PRINTING))
def test_no_sentence_about_a_program_repeats_its_arguments_or_steers_a_terminal(command: str) -> None:
    said = send(command, alerts.result_of("run", NIGHTLY, ["Too bad."]), seconds=2)
    assert "SECRET" not in said
    assert said.isprintable()


@pytest.mark.parametrize("setting", [alerts.ALERT, alerts.HEARTBEAT])
def test_no_program_is_in_what_is_logged_of_the_settings(setting: str) -> None:
    assert "SECRET" not in repr(read_settings({setting: f"curl {SECRET}"}))
    assert setting in secrets()
