"""`cmdb status`: what it says of every state of a warehouse, and that it changes nothing."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from given import Given, House, blank_file, hours, past_run
from nights import cmdb_here, program

from pipelines.cli.status import PATIENCE
from resources.audit.checks import record_check
from resources.audit.paid_requests import PaidRequestCount
from resources.audit.runs import PREFLIGHT_RUN, count_requests, record_paid_requests
from resources.store.paths import PUBLISHED_NAME
from resources.store.store import Store
from resources.store.working import TURN_SECONDS

ANSWER = Given("ec2_vpc", [{"VpcId": "vpc-1"}])
Done = subprocess.CompletedProcess[str]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A warehouse without a run."""
    made = Store(tmp_path / PUBLISHED_NAME, patience=0.2)
    made.working.write_bytes(blank_file())
    return made


def run(
    store: Store,
    run_id: str,
    outcome: str,
    ago: float,
    *,
    sentences: Sequence[str] = (),
    cells: Sequence[Given] = (ANSWER,),
    paid: int = 0,
) -> None:
    """A run as the product leaves it behind.

    Args:
        outcome: how it ended; `running` or `publishing` for one that was killed there.
        ago: hours since it began and its answers came.
    """

    def record(connection: duckdb.DuckDBPyConnection) -> None:
        count_requests(connection, run_id, 1000)
        cost = paid * Decimal("0.01")
        counted = PaidRequestCount(date(2026, 11, 25), run_id, "ce:GetCostAndUsage", paid, 0, cost, paid)
        record_paid_requests(connection, [counted], run_id)
        failed = {f"rule_{number}": ("ERROR", sentence) for number, sentence in enumerate(sentences)}
        for name, (severity, said) in (failed | {"a_warning": ("WARN", "Only a warning.")}).items():
            record_check(connection, run_id, name, "", severity=severity, passed=False, observed=said)

    past_run(store, run_id, outcome, ago, cells, record=record)


def status(store: Store, *more: str, **environment: str) -> Done:
    before = tree(store.folder)
    done = cmdb_here({"CMDB_DATABASE": str(store.database), **environment}, "status", *more)
    assert tree(store.folder) == before, "looking changes nothing"
    return done


def facts(store: Store, *more: str) -> dict[str, Any]:
    done = status(store, "--json", *more)
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["exit_code"] == done.returncode
    return found


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}


# ------------------------------------------------------------------------------------------------------ its age


@pytest.mark.parametrize(
    ("ago", "max_age", "exit_code"),
    [(1, "26h", 0), (25.9, "26h", 0), (26.1, "26h", 1), (26.1, "2d", 0), (49, "2d", 1), (2, "90m", 1), (1, "90m", 0)],
)
def test_what_is_published_may_be_so_old(store: Store, ago: float, max_age: str, exit_code: int) -> None:
    run(store, "one", "published", ago)
    done = status(store, "--max-age", max_age)
    assert done.returncode == exit_code, done.stdout
    assert ("are allowed" in done.stdout) is bool(exit_code)
    assert done.stdout.startswith("✗" if exit_code else "✓")


def test_without_a_limit_a_run_and_its_repair_are_allowed(store: Store) -> None:
    run(store, "one", "published", 25)
    assert status(store).returncode == 0
    assert facts(store)["max_age_seconds"] == 26 * 3600


def test_the_age_is_that_of_the_responses_and_not_of_the_publishing(store: Store) -> None:
    """`cmdb confirm` publishes without asking anything again."""
    run(store, "night", "published", 40)
    run(store, "confirm", "published", 0, cells=[])
    found = facts(store)
    assert (found["exit_code"], found["published"]["run_id"]) == (1, "confirm")
    assert abs(found["published"]["age_seconds"] - 40 * 3600) < 120


def test_an_untrusted_response_makes_nothing_younger(store: Store) -> None:
    run(store, "night", "published", 40)
    run(store, "later", "published", 1, cells=[replace(ANSWER, records=(), outcome="denied")])
    assert abs(facts(store)["published"]["age_seconds"] - 40 * 3600) < 120


def test_a_response_from_the_future_is_a_wrong_clock(store: Store) -> None:
    run(store, "one", "published", -3)
    done = status(store)
    assert done.returncode == 1
    assert "The clock of this machine is wrong" in done.stdout


@pytest.mark.parametrize("age", ["26", "h", "-1h", "0h", "1.5h", "26h30m", "next week"])
def test_an_age_that_is_none_is_wrong_usage(store: Store, age: str) -> None:
    done = status(store, "--max-age", age)
    assert done.returncode == 2
    assert "is no age" in done.stderr


# ------------------------------------------------------------------------------------------------------ blocked


def test_a_warehouse_that_publishes_is_healthy(store: Store) -> None:
    run(store, "one", "published", 25)
    run(store, "two", "published", 1, paid=23)
    done = status(store)
    assert done.returncode == 0, done.stdout
    found = facts(store)
    assert (found["problems"], found["notes"], found["blocked"], found["working"]) == ([], [], None, None)
    assert found["published"]["version"] == "cmdb-two.duckdb"
    last = found["last_run"]
    assert (last["run_id"], last["outcome"], last["request_count"]) == ("two", "published", 1000)
    assert Decimal(last["api_cost_usd"]) == Decimal("0.23")
    assert last["paid_requests"] == {"ce:GetCostAndUsage": 23}
    for words in (
        "1,000 requests, 0.23 USD (ce:GetCostAndUsage 23, 0.2300 USD)",
        "run two, ended",
        "working now    nobody",
    ):
        assert words in done.stdout
    assert "warning" not in done.stdout


def test_runs_in_a_row_that_are_refused_block_since_the_first_of_them(store: Store) -> None:
    run(store, "old", "refused", 90, sentences=["Mended long ago."])
    run(store, "good", "published", 20)
    run(store, "bad", "refused", 12, sentences=["The mailbox is empty.", "So is the cellar."])
    run(store, "worse", "refused", 3, sentences=["The attic is empty."])
    done = status(store)
    assert done.returncode == 1
    found = facts(store)
    blocked = found["blocked"]
    assert (blocked["run_count"], blocked["first"]["run_id"], blocked["last"]["run_id"]) == (2, "bad", "worse")
    assert blocked["first"]["sentences"] == ["The mailbox is empty.", "So is the cellar."]
    since = datetime.fromisoformat(blocked["first"]["started_at"])
    assert abs(datetime.now(UTC) - since - hours(12)) < timedelta(minutes=2)
    assert found["published"]["run_id"] == "good"
    for words in ("bad: The mailbox is empty.", "bad: So is the cellar.", "worse: The attic is empty.", "2 runs"):
        assert words in done.stdout
    assert "Mended long ago" not in done.stdout
    run(store, "mended", "published", 0)
    assert status(store).returncode == 0


def test_what_refuses_for_the_same_reason_is_said_once(store: Store) -> None:
    run(store, "good", "published", 20)
    for number in (3, 2, 1):
        run(store, f"bad-{number}", "refused", number, sentences=[f"Sentence {n}." for n in range(9)])
    done = status(store).stdout
    assert done.count("Sentence 0.") == 1
    assert "and 4 more" in done
    assert len(facts(store)["blocked"]["last"]["sentences"]) == 9


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        ("refused", "it was refused"),
        ("incomplete", "no rule refused it"),
        ("died", "it was killed"),
        # Nobody else has run since, so the row still says that it works.
        ("running", "it was killed"),
        ("publishing", "it was killed"),
    ],
)
def test_a_last_run_that_did_not_publish_is_wrong_however_young_the_file(
    store: Store, outcome: str, words: str
) -> None:
    run(store, "good", "published", 5)
    run(store, "bad", outcome, 1)
    done = status(store)
    assert done.returncode == 1
    assert words in done.stdout
    assert facts(store)["last_run"]["run_id"] == "bad"


def test_a_run_that_was_killed_after_publishing_has_published(store: Store) -> None:
    run(store, "good", "published", 1)
    with store.holding("given", "a test"), store.transaction() as connection:
        connection.execute("update audit.run set outcome = 'publishing'")
    found = facts(store)
    assert (found["exit_code"], found["last_run"]["outcome"]) == (0, "published")


@pytest.mark.parametrize("outcome", ["preflight", "refused"])
def test_a_pre_flight_by_hand_is_no_run_that_publishes(store: Store, outcome: str) -> None:
    run(store, "good", "published", 5)
    run(store, f"{PREFLIGHT_RUN}1", outcome, 1, cells=[])
    assert (facts(store)["exit_code"], facts(store)["last_run"]["run_id"]) == (0, "good")


def test_an_earlier_version_that_is_read_again_is_named(store: Store) -> None:
    run(store, "one", "published", 9)
    run(store, "two", "published", 1)
    store.rollback()
    found = facts(store)
    assert (found["exit_code"], found["published"]["run_id"]) == (0, "one")
    assert found["notes"] == ["Analysts read run one, not the newest that published, run two."]


# ---------------------------------------------------------------------------------------------- zeros that wait


def test_zeros_that_wait_are_counted_by_account(store: Store) -> None:
    zero = replace(ANSWER, records=(), outcome="empty_unconfirmed")
    places = [("1" * 12, "eu-west-1"), ("1" * 12, "eu-west-2"), ("2" * 12, "eu-west-1")]
    cells = [replace(zero, account_id=account, region=region) for account, region in places]
    run(store, "one", "published", 1, cells=[ANSWER, *cells])
    # Only a zero of which the region of its trail is known can be looked up.
    assert facts(store)["waiting_zeros"] == {}
    with store.holding("given", "a test"):
        House(store).execute(
            """
            update audit.collection set evidence = '{"trail_region": "eu-west-1"}'
            where outcome = 'empty_unconfirmed'
            """
        )
    found = facts(store)
    assert (found["exit_code"], found["waiting_zeros"]) == (0, {"1" * 12: 2, "2" * 12: 1})
    assert "zeros waiting  3 in 2 account(s), for CloudTrail" in status(store).stdout


# ------------------------------------------------------------------------------------------------ nothing, or not


def test_where_nothing_is_there_nothing_is_made(tmp_path: Path) -> None:
    database = tmp_path / "absent" / PUBLISHED_NAME
    done = cmdb_here({"CMDB_DATABASE": str(database)}, "status")
    assert done.returncode == 2
    assert "There is no warehouse at" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_first_run_that_was_refused_has_published_nothing(store: Store) -> None:
    run(store, "one", "refused", 1, sentences=["Too bad."])
    done = status(store)
    assert done.returncode == 1
    assert "published      nothing" in done.stdout
    assert "one: Too bad." in done.stdout


def test_without_the_working_file_the_published_one_speaks(store: Store) -> None:
    run(store, "one", "published", 1)
    store.working.unlink()
    found = facts(store)
    assert (found["exit_code"], found["working_file"], found["last_run"]["run_id"]) == (0, "missing", "one")


def test_a_file_in_place_of_the_link_is_of_its_newest_run(store: Store) -> None:
    run(store, "one", "published", 2)
    content = store.database.read_bytes()
    run(store, "two", "published", 1)
    store.database.unlink()
    store.database.write_bytes(content)
    found = facts(store)
    assert found["published"]["run_id"] == "one"
    assert "Analysts read run one, not the newest that published, run two." in found["notes"]


def test_a_working_file_that_cannot_be_read_is_not_taken_for_health(store: Store) -> None:
    run(store, "one", "published", 1)
    store.working.write_bytes(b"no database")
    found = facts(store)
    assert (found["exit_code"], found["working_file"]) == (1, "unreadable")
    assert "How the last runs ended is not known." in found["problems"][0]


def an_older_release_wrote(store: Store) -> None:
    """Leave the working file as before an upgrade that brings a migration."""
    with duckdb.connect(str(store.working)) as connection:
        connection.execute(
            "delete from audit.schema_migration where number = (select max(number) from audit.schema_migration)"
        )


@pytest.mark.parametrize(("ago", "exit_code"), [(1, 0), (40, 1)])
def test_an_upgrade_is_no_fault_until_what_is_published_is_too_old(store: Store, ago: float, exit_code: int) -> None:
    run(store, "one", "published", ago)
    an_older_release_wrote(store)
    found = facts(store)
    assert (found["exit_code"], found["working_file"]) == (exit_code, "older schema")
    assert "ended is not known" in found["notes"][0] and "cmdb nightly" in found["notes"][0]
    assert (found["last_run"]["run_id"], found["blocked"]) == ("one", None)
    assert not any("schema" in problem for problem in found["problems"])


def test_after_an_upgrade_nothing_is_confirmed_before_the_next_run(store: Store) -> None:
    run(store, "one", "published", 1)
    an_older_release_wrote(store)
    done = cmdb_here({"CMDB_DATABASE": str(store.database)}, "confirm")
    assert done.returncode == 0 and "Nothing was looked up" in done.stdout and "cmdb nightly" in done.stdout
    done = cmdb_here({"CMDB_DATABASE": str(store.database)}, "confirm", "--json")
    assert json.loads(done.stdout)["published"] is False and "Nothing was looked up" in done.stdout


def test_settings_that_cannot_be_used_are_a_wrong_configuration(store: Store) -> None:
    done = status(store, CMDB_CONCURRENCY="many")
    assert done.returncode == 2
    assert "CMDB_CONCURRENCY='many' cannot be used" in done.stderr


# -------------------------------------------------------------------------------------------------- a run works


@contextmanager
def working(store: Store, how: str) -> Iterator[subprocess.Popen[str]]:
    """Another process that works on the warehouse, with the working file `open` or `closed`."""
    started = program("working_store", store.database, how)
    with subprocess.Popen(**started, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "works\n"
        try:
            yield process
        finally:
            process.stdin.close()


def test_a_run_that_works_is_named_and_is_no_fault(store: Store) -> None:
    run(store, "two", "published", 1)
    with working(store, "closed") as process:
        found = facts(store)
        said = status(store).stdout
    assert (found["exit_code"], found["last_run"]["run_id"], found["working_file"]) == (0, "two", "read")
    assert (found["working"]["run_id"], found["working"]["pid"]) == ("three", process.pid)
    assert f"working now    nightly (run three, process {process.pid}" in said
    assert facts(store)["working"] is None


def test_while_a_run_works_what_was_blocked_is_blocked(store: Store) -> None:
    run(store, "one", "published", 5)
    run(store, "two", "refused", 1, sentences=["Too bad."])
    with working(store, "closed"):
        found = facts(store)
    assert (found["exit_code"], found["blocked"]["first"]["run_id"]) == (1, "two")


def test_status_waits_longer_than_a_run_keeps_the_file_from_others() -> None:
    assert PATIENCE > 2 * TURN_SECONDS


def test_a_run_that_has_the_working_file_open_is_not_waited_for(store: Store) -> None:
    run(store, "one", "published", 5)
    run(store, "two", "refused", 1, sentences=["Too bad."])
    with working(store, "open"):
        found = facts(store)
        old = facts(store, "--max-age", "4h")
    assert (found["exit_code"], found["working_file"], found["blocked"]) == (0, "in use", None)
    assert (found["waiting_zeros"], found["published"]["run_id"]) == (None, "one")
    assert "what earlier runs came to, and whether one was refused, is not known now" in found["notes"][0]
    assert old["exit_code"] == 1, "the age is judged all the same"


def test_a_run_that_was_killed_holds_nothing(store: Store) -> None:
    run(store, "two", "published", 1)
    with working(store, "closed") as process:
        process.kill()
        process.wait()
    assert store.lock_file.stat().st_size, "it left its name there"
    found = facts(store)
    assert (found["exit_code"], found["working"]) == (1, None)
    assert (found["last_run"]["run_id"], found["last_run"]["outcome"]) == ("three", "died")


def test_looking_for_the_holder_never_holds_the_warehouse(store: Store) -> None:
    run(store, "two", "published", 1)
    for _ in range(20):
        assert store.holder() is None
        with store.holding("three", "nightly"):
            held = store.holder()
            assert held is not None
            assert held.run_id == "three"


# ---------------------------------------------------------------------------------------------------- the alert


@pytest.fixture
def mail(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """An alert command, and where it writes what it was told."""
    told = tmp_path_factory.mktemp("mail") / "told.json"
    return f"/bin/sh -c 'cat > {told}'", told


def test_what_is_wrong_is_handed_to_the_alert_command(store: Store, mail: tuple[str, Path]) -> None:
    command, told = mail
    run(store, "one", "published", 30)
    run(store, "two", "refused", 1, sentences=["Too bad."])
    done = status(store, "--alert", CMDB_ALERT_COMMAND=command)
    assert done.returncode == 1
    alert = json.loads(told.read_text())
    assert (alert["run_id"], alert["job"], alert["status"]) == ("two", "status", "failed")
    assert len(alert["sentences"]) == 3
    assert alert["sentences"][-1] == "Too bad."


@pytest.mark.parametrize(("ago", "more"), [(1, ["--alert"]), (30, [])], ids=["nothing is wrong", "nobody asked for it"])
def test_the_alert_command_is_not_run(store: Store, mail: tuple[str, Path], ago: float, more: list[str]) -> None:
    command, told = mail
    run(store, "one", "published", ago)
    status(store, *more, CMDB_ALERT_COMMAND=command)
    assert not told.exists()


def test_settings_that_cannot_be_used_are_alerted_too(store: Store, mail: tuple[str, Path]) -> None:
    command, told = mail
    done = status(store, "--alert", CMDB_ALERT_COMMAND=command, CMDB_CONCURRENCY="many")
    assert done.returncode == 2
    assert "CMDB_CONCURRENCY" in json.loads(told.read_text())["sentences"][0]


def test_without_an_alert_command_nobody_is_told_and_that_is_said(store: Store) -> None:
    run(store, "one", "published", 30)
    done = status(store, "--alert")
    assert (done.returncode, "nobody was alerted" in done.stderr) == (1, True)


def test_json_alone_stands_on_standard_output(store: Store) -> None:
    run(store, "one", "published", 30)
    done = status(store, "--alert", "--json", CMDB_ALERT_COMMAND="/nonexistent/alert")
    assert json.loads(done.stdout)["exit_code"] == 1
    assert "could not be run" in done.stderr
