"""What is written about each run and cell, and how a cell stands after all its nights. In memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from audit_rows import AT, CELL, HOUR, RUN, empty_audit, land, rows
from given import house

from resources.audit import runs
from resources.audit.cells import (
    CELL_COLUMNS,
    LONGEST_LINE,
    Cell,
    NewestCell,
    cell_line,
    cell_of,
    lines_of,
    renew_coverage,
)
from resources.audit.checks import (
    PREFLIGHT_SCOPE,
    failed_checks,
    forget_check,
    new_warnings,
    newest_preflight,
    record_check,
    record_preflight,
)
from resources.audit.coverage import (
    EVERY_ACCOUNT,
    NO_ACCOUNT,
    Accounts,
    Standing,
    coverage,
    newest_trusted_at,
    standing,
    trusted_regions,
)
from resources.audit.identities import identities_checked_at, record_callers, record_callers_where_held
from resources.audit.paid_requests import PaidRequestCount
from resources.audit.runs import (
    PREFLIGHT_RUN,
    begin_run,
    builds,
    built_at,
    built_from,
    count_requests,
    finish_run,
    known_runs,
    record_build,
    record_paid_requests,
    record_run,
    require_clock,
    settle_run,
)
from resources.check_result import CheckResult
from resources.identity_rules import Caller, Expectation
from resources.store.errors import WarehouseError


@pytest.fixture
def audit() -> Iterator[duckdb.DuckDBPyConnection]:
    with empty_audit() as connection:
        yield connection


# ------------------------------------------------------------------------------------------------------- the runs


def test_a_run_is_opened_once_counts_what_it_requests_and_is_closed(audit: duckdb.DuckDBPyConnection) -> None:
    began = datetime.now(UTC)
    for run in (RUN, RUN, "run-2"):
        record_run(audit, run, "1.0")
    for _ in range(2):
        count_requests(audit, RUN, 3)
    finish_run(audit, RUN, "published")
    ended = datetime.now(UTC)
    first, second = rows(audit, "select * from audit.run order by run_id")
    assert began <= first.pop("started_at") <= first.pop("finished_at") <= ended
    assert began <= second.pop("started_at") <= ended
    assert first == {
        "run_id": RUN,
        "code_version": "1.0",
        "outcome": "published",
        "request_count": 6,
        "api_cost_usd": Decimal(0),
    }
    assert second == {
        "run_id": "run-2",
        "finished_at": None,
        "code_version": "1.0",
        "outcome": "running",
        "request_count": 0,
        "api_cost_usd": Decimal(0),
    }


def test_whoever_begins_closes_the_rows_of_those_that_died(audit: duckdb.DuckDBPyConnection) -> None:
    begun = ("running", "swapped", "broken off", "refused", RUN)
    for run in begun:
        record_run(audit, run, "1.0")
    for run, outcome in (("swapped", "publishing"), ("broken off", "publishing"), ("refused", "refused")):
        finish_run(audit, run, outcome)
    assert known_runs(audit) == set(begun)
    ended = dict(audit.execute("select run_id, finished_at from audit.run").fetchall())
    # What has a version and was only running had one of an earlier time.
    begin_run(audit, RUN, "1.0", ["swapped", "running"])
    begin_run(audit, "run-2", "1.0", [])
    assert audit.execute("select run_id, outcome, finished_at from audit.run order by started_at").fetchall() == [
        ("running", "died", None),
        ("swapped", "published", ended["swapped"]),
        ("broken off", "died", None),
        ("refused", "refused", ended["refused"]),
        (RUN, "died", None),
        ("run-2", "running", None),
    ]


@pytest.mark.parametrize(
    ("run", "started", "ended"),
    [pytest.param("e", 2, None, id="it began later"), pytest.param("a", -2, 2, id="it asked later")],
)
def test_a_run_of_the_future_is_reported_by_name_and_time(
    audit: duckdb.DuckDBPyConnection, tmp_path: Path, run: str, started: int, ended: int | None
) -> None:
    now = datetime.now(UTC)
    require_clock(audit, RUN)
    land(audit, tmp_path, replace(CELL, run_id="c", ended_at=now + HOUR))
    for name, hours in ((run, started), ("d", -1)):
        record_run(audit, name, "1.0")
        audit.execute("update audit.run set started_at = ? where run_id = ?", [now + hours * HOUR, name])
    if ended is not None:
        land(audit, tmp_path, replace(CELL, run_id=run, ended_at=now + ended * HOUR))
    with pytest.raises(WarehouseError) as refused:
        require_clock(audit, RUN)
    assert str(refused.value).startswith(f"The clock of this machine shows {now:%Y-%m-%d %H:}")
    assert f", and run {run} worked here at {now + 2 * HOUR:%Y-%m-%d %H:%M:%S} UTC: " in str(refused.value)
    assert refused.value.exit_code == 2


def test_of_two_runs_of_one_moment_the_first_by_name_is_reported(audit: duckdb.DuckDBPyConnection) -> None:
    for run in ("b", "a", "c"):
        record_run(audit, run, "1.0")
    audit.execute("update audit.run set started_at = ?", [datetime.now(UTC) + HOUR])
    with pytest.raises(WarehouseError, match="and run a worked here"):
        require_clock(audit, RUN)
    with pytest.raises(WarehouseError, match="and run a worked here"):
        begin_run(audit, RUN, "1.0", [])


def test_how_a_run_that_published_ended_is_said_of_it_alone_and_its_time_stays(
    audit: duckdb.DuckDBPyConnection,
) -> None:
    for run in ("a", "b"):
        record_run(audit, run, "1.0")
        finish_run(audit, run, "publishing")
    ended = dict(audit.execute("select run_id, finished_at from audit.run").fetchall())
    settle_run(audit, "a", "published")
    assert audit.execute("select run_id, outcome, finished_at from audit.run order by all").fetchall() == [
        ("a", "published", ended["a"]),
        ("b", "publishing", ended["b"]),
    ]


def test_a_run_of_this_very_moment_is_not_of_the_future(
    audit: duckdb.DuckDBPyConnection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Still(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Still:
            return cls(2026, 11, 25, 4, 30, tzinfo=tz)

    land(audit, tmp_path, replace(CELL, run_id="run-0"))
    monkeypatch.setattr(runs, "datetime", Still)
    assert Still.now(UTC) == CELL.ended_at
    require_clock(audit, RUN)


def test_its_own_responses_and_those_of_the_past_are_no_witness(
    audit: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    land(audit, tmp_path, replace(CELL, ended_at=now + HOUR), replace(CELL, run_id="run-0", ended_at=now - HOUR))
    record_run(audit, "run-0", "1.0")
    require_clock(audit, RUN)


# -------------------------------------------------------------------------------------------------- who was asked


def callers(connection: duckdb.DuckDBPyConnection, *found: Caller, **other: Any) -> None:
    given = {"expectation": Expectation(), "waiver": None, "organization_id": None, "config_hash": "c"}
    record_callers(connection, RUN, found, **{**given, **other})


def test_who_was_requested_is_kept_with_whom_it_should_have_been(audit: duckdb.DuckDBPyConnection) -> None:
    callers(
        audit,
        Caller("management", "m", AT, "1", "arn:m"),
        Caller("operations", "o", AT, "2", "arn:o"),
        Caller("billing", "b", AT, "3"),
        Caller("workload", "w", AT, error_code="ExpiredToken", error_message="It is over."),
        expectation=Expectation("2", "4"),
        waiver="management+billing,operations+other",
        organization_id="o-1",
    )
    callers(audit, Caller("operations", "silent", AT), expectation=Expectation("2", ""))
    callers(audit, Caller("billing", "any", AT, "5"), expectation=Expectation("2", ""))
    callers(audit, Caller("operations", "any", AT, "6"), expectation=Expectation("", "4"))
    found = rows(audit, "select * from audit.caller_identity order by caller_account_id nulls last, profile")
    assert [(row.pop("run_id"), row.pop("config_hash"), row.pop("checked_at")) for row in found] == [(RUN, "c", AT)] * 7
    names = ["role", "profile", "caller_account_id", "caller_arn", "expected_account_id", "is_expected", "waiver"]
    names += ["organization_id", "error_code", "error_message"]
    waiver = "management+billing,operations+other"
    assert [tuple(row[name] for name in names) for row in found] == [
        ("management", "m", "1", "arn:m", None, None, waiver, "o-1", None, None),
        ("operations", "o", "2", "arn:o", "2", True, waiver, "o-1", None, None),
        ("billing", "b", "3", None, "4", False, waiver, "o-1", None, None),
        ("billing", "any", "5", None, None, None, None, None, None, None),
        ("operations", "any", "6", None, None, None, None, None, None, None),
        ("operations", "silent", None, None, "2", None, None, None, None, None),
        ("workload", "w", None, None, None, None, None, "o-1", "ExpiredToken", "It is over."),
    ]


def test_who_is_requested_again_in_the_run_has_one_row(audit: duckdb.DuckDBPyConnection) -> None:
    for account in ("1", "2"):
        callers(audit, Caller("management", "m", AT, account))
    assert rows(audit, "select caller_account_id from audit.caller_identity") == [{"caller_account_id": "2"}]


def test_the_identities_are_as_old_as_the_oldest_of_the_three(audit: duckdb.DuckDBPyConnection) -> None:
    assert identities_checked_at(audit, RUN) is None
    callers(audit, Caller("management", "m", AT + HOUR, "1"), Caller("operations", "o", AT, "2"))
    callers(audit, Caller("billing", "b", AT), Caller("workload", "w", AT - HOUR, "4"))
    assert identities_checked_at(audit, RUN) is None
    callers(audit, Caller("billing", "b", AT + 2 * HOUR, "3"))
    assert identities_checked_at(audit, RUN) == AT
    assert identities_checked_at(audit, "run-2") is None
    # A profile of before, where the settings name another now.
    callers(audit, Caller("billing", "another", AT + HOUR, "3"))
    assert identities_checked_at(audit, RUN) == AT


@pytest.mark.parametrize(("run", "is_kept"), [("given", True), ("another", False), ("", False)])
def test_only_the_run_that_holds_the_warehouse_keeps_whom_it_verified(tmp_path: Path, run: str, is_kept: bool) -> None:
    caller = Caller("operations", "o", AT, "2", "arn:o")
    with house(tmp_path) as home:
        record_callers_where_held(
            home.store,
            run,
            [caller],
            expectation=Expectation("2", ""),
            waiver="operations+billing",
            config_hash="c",
            worker="a machine:7",
        )
        names = "run_id, role, profile, is_expected, waiver, organization_id, config_hash, worker"
        kept = (run, "operations", "o", True, "operations+billing", None, "c", "a machine:7")
        assert [tuple(row.values()) for row in home.rows(f"select {names} from audit.caller_identity")] == (
            [kept] if is_kept else []
        )


# ------------------------------------------------------------------------------------------------ what was judged


def test_what_a_check_said_in_a_run_is_forgotten_whatever_its_scope(audit: duckdb.DuckDBPyConnection) -> None:
    for run, name, scope in [(RUN, "a", "1"), (RUN, "a", "2"), (RUN, "b", "1"), ("run-2", "a", "1")]:
        record_check(audit, run, name, scope, severity="WARN", passed=False, observed=f"{run} {name} {scope}")
    assert forget_check(audit, RUN, "a") == {f"{RUN} a 1", f"{RUN} a 2"}
    assert forget_check(audit, RUN, "a") == set()
    assert rows(audit, "select observed from audit.check_result order by observed") == [
        {"observed": f"{RUN} b 1"},
        {"observed": "run-2 a 1"},
    ]


def test_facts_are_kept_as_the_rules_of_the_pre_flight_of_which_the_newest_run_counts(
    audit: duckdb.DuckDBPyConnection,
) -> None:
    record_preflight(audit, "run-0", [CheckResult(True, "It was.", name="old")], "c")
    fact = CheckResult(False, "They are one.", name="accounts_are_distinct", hint="Declare it.", severity="WARN")
    record_preflight(audit, RUN, [replace(fact, sentence="Once."), fact, CheckResult(True, "So.", name="other")], "d")
    record_check(audit, "run-2", "no_silent_zero", "ec2_instance", severity="ERROR", passed=True, observed="")
    found = sorted(newest_preflight(audit))
    now = datetime.now(UTC)
    assert all(now - HOUR < row[-1] <= now for row in found)
    assert [row[:-1] for row in found] == [
        ("accounts_are_distinct", False, "WARN", "They are one.", RUN, "d"),
        ("other", True, "ERROR", "So.", RUN, "d"),
    ]
    (row,) = rows(audit, "select * from audit.check_result where check_name = 'accounts_are_distinct'")
    assert (row["scope"], row["expected"], row["tolerance"], row["detail"]) == (
        PREFLIGHT_SCOPE,
        "Declare it.",
        None,
        None,
    )
    assert PREFLIGHT_SCOPE == "pre-flight"


def test_a_sentence_of_a_failed_check_says_its_rule_once(audit: duckdb.DuckDBPyConnection) -> None:
    failed: dict[str, Any] = {"severity": "WARN", "passed": False}
    whole = "Broken by 1 row(s): All is well. The first is n=0."
    record_check(audit, RUN, "a_rule", "cost.daily", **failed, observed=whole, expected="All is well.")
    record_check(audit, RUN, "a_figure", "cost.daily", **failed, observed="It is 3.", expected="It ought to be 4.")
    record_check(audit, RUN, "bare", "cost.daily", **failed, observed="It is gone.")
    # None of these failed in the run, or none warns.
    record_check(audit, RUN, "well", "cost.daily", severity="WARN", passed=True, observed="It is there.")
    record_check(audit, RUN, "worse", "cost.daily", severity="ERROR", passed=False, observed="It is bad.")
    record_check(audit, "run-0", "bare", "cost.daily", **failed, observed="It was gone.")
    assert failed_checks(audit, RUN, "WARN") == [
        ("a_rule", "cost.daily", whole),
        ("a_figure", "cost.daily", "It is 3. It ought to be 4."),
        ("bare", "cost.daily", "It is gone."),
    ]


def test_what_a_rule_said_is_kept_whole(audit: duckdb.DuckDBPyConnection) -> None:
    said: dict[str, Any] = {
        "severity": "WARN",
        "passed": False,
        "observed": "o",
        "expected": "e",
        "tolerance": "0.01 USD",
        "config_hash": "c",
    }
    record_check(audit, RUN, "slices_agree", "cost.daily", **said, detail=[{"day": AT, "cost": Decimal("1.5")}])
    record_check(audit, RUN, "slices_agree", "", severity="ERROR", passed=True, observed="o")
    bare, found = rows(audit, "select * exclude (checked_at) from audit.check_result order by scope")
    key = {"run_id": RUN, "check_name": "slices_agree"}
    assert json.loads(found.pop("detail")) == [{"day": str(AT), "cost": "1.5"}]
    assert found == key | {"scope": "cost.daily"} | said
    assert bare == key | {"scope": "", "severity": "ERROR", "passed": True, "observed": "o", "expected": ""} | {
        "tolerance": None,
        "detail": None,
        "config_hash": "",
    }


def test_a_warning_is_new_unless_the_last_published_run_that_checked_it_gave_it_too(
    audit: duckdb.DuckDBPyConnection,
) -> None:
    def said(run: str, at: datetime, name: str, scope: str = "", **other: Any) -> None:
        result = {"severity": "WARN", "passed": False, "observed": f"{name} {scope}".strip()} | other
        record_check(audit, run, name, scope, **result)
        where = "run_id = $run and check_name = $name and scope = $scope"
        key = {"run": run, "name": name, "scope": scope}
        audit.execute(f"update audit.check_result set checked_at = $at where {where}", {"at": at, **key})

    for run, outcome in (("old", "published"), ("last", "published"), ("refused", "refused"), ("later", "published")):
        record_run(audit, run, "1.0")
        settle_run(audit, run, outcome)
    said("old", AT - 2 * HOUR, "known", passed=True)
    said("last", AT - HOUR, "known")
    said("old", AT - 2 * HOUR, "again")
    said("last", AT - HOUR, "again", passed=True)
    said("last", AT - HOUR, "place", "there")
    said("refused", AT - HOUR, "unread")
    said("last", AT, "at this very moment")
    said("later", AT + HOUR / 2, "afterwards")
    assert new_warnings(audit, RUN) == []
    said(RUN, AT + HOUR, "a late one")
    for name in ("unread", "known", "again", "at this very moment", "afterwards"):
        said(RUN, AT, name)
    for scope in ("there", "here", "anywhere"):
        said(RUN, AT, "place", scope)
    said(RUN, AT, "same", observed="again")
    said(RUN, AT, "right", passed=True)
    said(RUN, AT, "worse", severity="ERROR")
    said("another", AT, "of another run")
    assert new_warnings(audit, RUN) == [
        *("afterwards", "again", "at this very moment", "place anywhere", "place here", "unread", "a late one")
    ]


def test_what_was_built_is_known_with_its_time_and_its_query(audit: duckdb.DuckDBPyConnection) -> None:
    assert builds(audit) == {}
    assert (built_from(audit, "org.account"), built_at(audit, "org.account")) == (None, None)
    began = datetime.now(UTC)
    record_build(audit, "run-0", {"org.account": "old"})
    record_build(audit, RUN, {"org.account": "a", "cmdb.resource": "b"})
    found = builds(audit)
    assert found.keys() == {"org.account", "cmdb.resource"}
    assert all(began <= at <= datetime.now(UTC) for at in found.values())
    assert [built_from(audit, name) for name in ("org.account", "cmdb.resource")] == ["a", "b"]
    assert {name: built_at(audit, name) for name in found} == found
    assert rows(audit, "select distinct run_id from audit.relation_build") == [{"run_id": RUN}]


# ------------------------------------------------------------------------------------------------------ the cells


WHOLE = Cell(
    run_id=RUN,
    role="workload",
    account_id="012345678901",
    region="eu-west-1",
    listing="cost_daily:2026-11",
    outcome="empty_suspect",
    is_trusted=False,
    empty_policy="witnessed",
    started_at=AT,
    ended_at=AT + HOUR,
    profile="acme",
    caller_account_id="111122223333",
    record_count=1,
    page_count=2,
    request_count=3,
    throttle_count=4,
    attempt_count=5,
    error_code="Throttling",
    error_message="Slow down.",
    skip_reason="region_not_enabled",
    evidence={"since": AT, "identity": True},
    raw_response='{"Reservations": []}',
)


def test_a_cell_has_the_columns_of_its_table_and_their_types(audit: duckdb.DuckDBPyConnection) -> None:
    types = {row["column_name"]: row["column_type"] for row in rows(audit, "describe audit.collection")}
    # What is decided later is not landed, and JSON is landed as text.
    later = {"accepted_by", "accepted_reason", "accepted_at", "confirmed_at"}
    expected = {name: kind.replace("TIMESTAMPTZ", "TIMESTAMP WITH TIME ZONE") for name, kind in CELL_COLUMNS.items()}
    assert {name: kind.replace("JSON", "VARCHAR") for name, kind in types.items() if name not in later} == expected


def test_a_cell_is_kept_whole(audit: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    land(audit, tmp_path, WHOLE, longest=10)
    (found,) = rows(audit, "select * from audit.collection")
    wanted = {name: getattr(WHOLE, name) for name in CELL_COLUMNS}
    assert json.loads(found["evidence"]) == {"since": str(AT), "identity": True}
    assert {name: found[name] for name in CELL_COLUMNS} | {"evidence": WHOLE.evidence} == wanted


def test_a_cell_is_read_from_its_line_as_it_was() -> None:
    lines = [json.loads(json.dumps(cell_line(cell))) for cell in (WHOLE, CELL)]
    assert [cell_of(line) for line in lines] == [replace(WHOLE, evidence={"since": str(AT), "identity": True}), CELL]
    text = "".join(json.dumps(line) + "\n" for line in lines).encode()
    assert (lines_of(text), lines_of(b"")) == (lines, [])
    for other in ({**lines[0], "more": 1}, {name: lines[0][name] for name in ("run_id", "listing")}):
        with pytest.raises(ValueError, match=r"^a line has other columns than a cell$"):
            lines_of(text + json.dumps(other).encode())


def test_a_cell_that_was_only_begun_has_nothing_to_say(audit: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    land(
        audit,
        tmp_path,
        Cell(
            role="workload",
            account_id="1",
            region="r",
            listing="l",
            outcome="skipped",
            is_trusted=False,
            run_id=RUN,
            ended_at=AT,
            started_at=AT,
            empty_policy="ordinary",
        ),
    )
    (found,) = rows(audit, "select * from audit.collection")
    counted = {name: value for name, value in found.items() if name.endswith("_count")}
    assert counted == {name: int(name == "attempt_count") for name in counted}
    silent = {"profile", "caller_account_id", "error_code", "error_message", "skip_reason", "evidence", "raw_response"}
    assert {name for name, value in found.items() if value is None} == silent | {
        "accepted_by",
        "accepted_reason",
        "accepted_at",
        "confirmed_at",
    }


@pytest.mark.parametrize("name", ["run_id", "role", "account_id", "region", "listing"])
def test_only_the_same_cell_of_the_same_run_is_replaced(
    audit: duckdb.DuckDBPyConnection, tmp_path: Path, name: str
) -> None:
    land(audit, tmp_path, CELL)
    land(audit, tmp_path, replace(CELL, **{name: "other"}, record_count=1))
    assert len(rows(audit, "select * from audit.collection")) == 2
    land(audit, tmp_path, replace(CELL, record_count=9))
    assert rows(audit, f"select {name} as it, record_count from audit.collection order by record_count") == [
        {"it": "other", "record_count": 1},
        {"it": getattr(CELL, name), "record_count": 9},
    ]


def test_a_line_may_be_longer_than_duckdb_takes_by_itself(audit: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    assert LONGEST_LINE == 64 * 1024 * 1024
    long = replace(CELL, raw_response=json.dumps("x" * (33 << 20)))
    land(audit, tmp_path, long)
    with pytest.raises(duckdb.Error, match="maximum_object_size"):
        land(audit, tmp_path, long, longest=1)


def test_accounts_reach_from_one_to_before_another() -> None:
    some = Accounts("2", "4")
    assert [account in some for account in ("1", "2", "3", "4")] == [False, True, True, False]
    assert some.parameters == {"since_account": "2", "before_account": "4"}
    assert "999999999999" in EVERY_ACCOUNT
    assert "" in EVERY_ACCOUNT
    assert "000000000000" not in NO_ACCOUNT


def keys(found: list[NewestCell]) -> list[tuple[str, str, str]]:
    return [cell.key[1:] for cell in found]


def test_a_cell_names_its_key_and_its_listing_and_says_why_it_came_to_what_it_did() -> None:
    cell = replace(CELL, listing="cost_daily:2026-11", outcome="denied", skip_reason="a reason")
    assert (cell.key, cell.name) == (("workload", "012345678901", "eu-west-1", "cost_daily:2026-11"), "cost_daily")
    assert (cell.key.name, cell.key.suffix, CELL.key.name, CELL.key.suffix) == (
        "cost_daily",
        "2026-11",
        "ec2_instance",
        "",
    )
    row = {"role": "workload", "account_id": "012345678901", "region": "eu-west-1", "listing": "cost_daily:2026-11"}
    assert cell.as_row() == row | {"outcome": "denied", "why": "a reason"}
    assert replace(cell, error_message="AWS's words").as_row()["why"] == "AWS's words"
    assert CELL.as_row()["why"] == ""


@pytest.mark.parametrize(("is_trusted", "previous", "count"), [(True, 3, 7), (False, 3, 3), (False, None, None)])
def test_the_last_trusted_count_is_of_the_cell_itself_or_of_the_one_before(
    is_trusted: bool, previous: int | None, count: int | None
) -> None:
    cell = NewestCell("workload", "1", "r", "l", "found", is_trusted, RUN, AT, record_count=7)
    assert replace(cell, previous_record_count=previous).last_trusted_count == count


def test_the_newest_cells_of_the_listings_that_are_requested_in_their_order(
    audit: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    cells = [
        replace(CELL, account_id=account, region=region, listing=listing, is_trusted=account != "2")
        for listing in ("b:x", "b", "a", "ab", "c")
        for account in ("3", "2")
        for region in ("s", "r")
    ]
    central = replace(CELL, role="management", account_id="1", region="r", listing="c", is_trusted=False)
    land(audit, tmp_path, *cells, central)
    land(audit, tmp_path, replace(CELL, run_id="run-0", listing="a", account_id="2", region="r", ended_at=AT))
    found = coverage(audit, ["b", "a"])
    assert keys(found) == [
        (account, region, listing) for listing in ("a", "b", "b:x") for account in "23" for region in "rs"
    ]
    assert {(cell.run_id, cell.ended_at) for cell in found} == {(RUN, AT + HOUR)}
    state = ("workload", "2", "r", "a", "found", False, RUN, AT + HOUR, None, None, None, 7)
    assert found[0] == NewestCell(*state, last_trusted_at=AT, previous_record_count=7)
    assert keys(coverage(audit, ["a"], accounts=Accounts("3"))) == [("3", "r", "a"), ("3", "s", "a")]
    assert keys(coverage(audit, ["a"], accounts=Accounts("2", "3"))) == [("2", "r", "a"), ("2", "s", "a")]
    assert keys(coverage(audit, ["a"], without_quiet=True)) == [("2", "r", "a"), ("2", "s", "a")]
    assert keys(coverage(audit, ["a", "c"]))[0] == ("1", "r", "c")
    assert keys(coverage(audit, ["c"], without_workload=True)) == [("1", "r", "c")]
    assert keys(coverage(audit, ["c"], without_workload=True, without_quiet=True)) == [("1", "r", "c")]


def test_how_the_newest_cells_of_a_listing_stand(audit: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    other = replace(CELL, listing="ec2_instance:x", region="r", is_trusted=False, ended_at=AT + 2 * HOUR)
    land(audit, tmp_path, CELL, other, replace(CELL, listing="s3_bucket"))
    land(audit, tmp_path, replace(CELL, run_id="run-0", ended_at=AT, is_trusted=False), replace(CELL, listing="ec2"))
    assert standing(audit, ["ec2"]) == {"ec2": Standing(1, 0, AT + HOUR, 0)}
    assert standing(audit, ["ec2_instance", "never"]) == {"ec2_instance": Standing(1, 0, AT + 2 * HOUR, 1)}
    assert [listing for _, _, listing in keys(coverage(audit, ["ec2_instance"], without_quiet=True))] == [
        "ec2_instance:x"
    ]
    waits = replace(CELL, listing="ec2", region="w", outcome="empty_unconfirmed", is_trusted=False)
    land(audit, tmp_path, waits, *(replace(waits, region=region, error_code="TrailDenied") for region in "xz"))
    assert standing(audit, ["ec2"]) == {"ec2": Standing(1, 1, AT + HOUR, 2)}
    assert [region for _, region, _ in keys(coverage(audit, ["ec2"], without_quiet=True))] == ["x", "z"]
    assert trusted_regions(audit, ["ec2", "ec2_instance", "never"]) == {
        "ec2": {CELL.region},
        "ec2_instance": {CELL.region},
    }
    # What was accepted waits no longer; what was confirmed later was answered then.
    land(audit, tmp_path, replace(waits, region="y", is_trusted=True))
    audit.execute("update audit.collection set confirmed_at = $at where region = 'y'", {"at": AT + 3 * HOUR})
    renew_coverage(audit)
    assert standing(audit, ["ec2"]) == {"ec2": Standing(2, 1, AT + 3 * HOUR, 2)}
    assert trusted_regions(audit, ["ec2"]) == {"ec2": {CELL.region, "y"}}
    # A skipped cell counts beside others for the reasons alone that were given, and where there are no others.
    skips = [
        replace(CELL, listing=name, region=region, outcome="skipped", skip_reason=reason, is_trusted=False)
        for name, region, reason in (("s3_bucket", "r", "a"), ("s3_bucket", "s", "b"), ("left", "r", "a"))
    ]
    land(audit, tmp_path, *skips)
    for reasons, others in (([], 0), (["a"], 1), (["a", "b"], 2)):
        found = standing(audit, ["s3_bucket", "left"], reasons)
        assert [(name, found[name].trusted, found[name].others) for name in sorted(found)] == [
            ("left", 0, 1),
            ("s3_bucket", 1, others),
        ]
    # What the gate takes of a listing that was never requested.
    assert Standing() == Standing(0, 0, datetime(1, 1, 1, tzinfo=UTC), 0)


def test_the_newest_response_that_counts_is_one_that_is_trusted(
    audit: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    refused = replace(CELL, region="r", is_trusted=False, ended_at=AT + 9 * HOUR)
    land(audit, tmp_path, refused)
    assert newest_trusted_at(audit) is None
    land(audit, tmp_path, CELL, refused, replace(CELL, run_id="run-0", ended_at=AT))
    assert newest_trusted_at(audit) == AT + HOUR


def test_the_ids_of_pre_flights_begin_as_those_of_older_releases_do() -> None:
    assert PREFLIGHT_RUN == "preflight-"


# ------------------------------------------------------------------------------------- how a cell stands (the view)


def cover(
    connection: duckdb.DuckDBPyConnection, *nights: tuple[str, int | None], accepted: int | None = None
) -> dict[str, Any]:
    """The coverage of one cell after nights of (outcome, records), one of them `accepted`."""
    for number, (outcome, records) in enumerate(nights, start=1):
        is_accepted = number == accepted
        connection.execute(
            """
            insert into audit.collection (
                run_id, role, account_id, region, listing, profile, outcome, is_trusted, record_count, skip_reason,
                error_code, error_message, empty_policy, attempt_count, ended_at, accepted_by, accepted_reason,
                accepted_at
            )
            values (?, 'workload', '012345678901', 'eu-west-1', 'ec2_instance', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                f"night-{number}",
                f"profile-{number}",
                outcome,
                outcome in ("found", "empty_verified") or is_accepted,
                records,
                f"reason-{number}",
                f"code-{number}",
                f"message-{number}",
                f"sense-{number}",
                number,
                AT + number * HOUR,
                f"kim-{number}" if is_accepted else None,
                f"moved-{number}" if is_accepted else None,
                AT if is_accepted else None,
            ],
        )
    renew_coverage(connection)
    (row,) = rows(connection, "select * from audit.coverage")
    trusted = row["last_trusted_at"]
    return row | {"last_trusted_at": None if trusted is None else (trusted - AT) // HOUR}


COVERAGE: list[tuple[str, list[tuple[str, int | None]], int | None, dict[str, Any]]] = [
    (
        "one night",
        [("found", 7)],
        None,
        {"is_trusted": True, "last_trusted_at": 1, "record_count": 7, "previous_record_count": None},
    ),
    (
        "the count before",
        [("found", 7), ("found", 9)],
        None,
        {"is_trusted": True, "last_trusted_at": 2, "record_count": 9, "previous_record_count": 7},
    ),
    (
        "untrusted nights do not count",
        [("found", 7), ("empty_suspect", 0), ("denied", None)],
        None,
        {"is_trusted": False, "last_trusted_at": 1, "record_count": None, "previous_record_count": 7},
    ),
    (
        "never trusted",
        [("denied", None), ("failed", None)],
        None,
        {"is_trusted": False, "last_trusted_at": None, "previous_record_count": None, "accepted_by": None},
    ),
    (
        "a verified zero",
        [("found", 7), ("denied", None), ("empty_verified", 0)],
        None,
        {"is_trusted": True, "last_trusted_at": 3, "record_count": 0, "previous_record_count": 7},
    ),
    (
        "an accepted zero",
        [("found", 7), ("empty_suspect", 0)],
        2,
        {"outcome": "empty_suspect", "is_trusted": True, "last_trusted_at": 2, "previous_record_count": 7}
        | {"accepted_by": "kim-2", "accepted_reason": "moved-2", "accepted_at": AT},
    ),
    (
        "an accepted zero holds the next nights",
        [("found", 7), ("empty_suspect", 0), ("empty_suspect", 0), ("empty_suspect", 0)],
        2,
        {"is_trusted": True, "last_trusted_at": 4, "previous_record_count": 0, "accepted_by": "kim-2"},
    ),
    (
        "an accepted zero does not excuse a refusal",
        [("found", 7), ("empty_suspect", 0), ("empty_suspect", 0), ("denied", None)],
        2,
        {"is_trusted": False, "last_trusted_at": 3, "previous_record_count": 0, "accepted_by": "kim-2"},
    ),
    (
        "found again ends it",
        [("empty_suspect", 0), ("empty_suspect", 0), ("found", 5), ("empty_suspect", 0)],
        2,
        {"is_trusted": False, "last_trusted_at": 3, "previous_record_count": 5, "accepted_by": None},
    ),
    (
        "skipped is not trusted",
        [("found", 7), ("skipped", None)],
        None,
        {"is_trusted": False, "last_trusted_at": 1, "previous_record_count": 7},
    ),
    (
        "a zero that is accepted twice",
        [("empty_suspect", 0), ("empty_suspect", 0), ("empty_verified", 0), ("empty_suspect", 0)],
        1,
        {"is_trusted": True, "last_trusted_at": 4, "accepted_by": "kim-1"},
    ),
    (
        "a trusted zero after an accepted one",
        [("empty_suspect", 0), ("empty_verified", 0)],
        1,
        {"is_trusted": True, "last_trusted_at": 2, "accepted_by": "kim-1"},
    ),
    (
        "a zero that nobody accepted",
        [("found", 7), ("empty_suspect", 0)],
        None,
        {"is_trusted": False, "last_trusted_at": 1, "accepted_by": None, "accepted_reason": None, "accepted_at": None},
    ),
    (
        "found again after an accepted zero",
        [("empty_suspect", 0), ("found", 5)],
        1,
        {"is_trusted": True, "accepted_by": None, "accepted_reason": None, "accepted_at": None},
    ),
    (
        "found before and after an accepted zero",
        [("found", 7), ("empty_suspect", 0), ("found", 5), ("empty_suspect", 0)],
        2,
        {"is_trusted": False, "last_trusted_at": 3, "accepted_by": None},
    ),
    ("what was found needs no acceptance", [("found", 7)], 1, {"is_trusted": True, "accepted_by": None}),
    (
        "the count before two that were not trusted",
        [("found", 3), ("found", 7), ("found", 9)],
        None,
        {"previous_record_count": 7},
    ),
]


@pytest.mark.parametrize(("nights", "accepted", "expected"), [c[1:] for c in COVERAGE], ids=[c[0] for c in COVERAGE])
def test_coverage(
    audit: duckdb.DuckDBPyConnection,
    nights: list[tuple[str, int | None]],
    accepted: int | None,
    expected: dict[str, Any],
) -> None:
    row = cover(audit, *nights, accepted=accepted)
    last = len(nights)
    newest = {
        "run_id": f"night-{last}",
        "profile": f"profile-{last}",
        "outcome": nights[-1][0],
        "record_count": nights[-1][1],
        "skip_reason": f"reason-{last}",
        "error_code": f"code-{last}",
        "error_message": f"message-{last}",
        "empty_policy": f"sense-{last}",
        "attempt_count": last,
        "ended_at": AT + last * HOUR,
    }
    assert {name: row[name] for name in expected | newest} == newest | expected


def test_an_unknown_outcome_is_refused(audit: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(duckdb.ConstraintException):
        cover(audit, ("perhaps", 0))


def test_of_two_responses_of_one_moment_the_later_run_is_the_newer(
    audit: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    land(audit, tmp_path, replace(CELL, run_id="b", record_count=2), replace(CELL, run_id="a", record_count=1))
    land(audit, tmp_path, replace(CELL, run_id="c", record_count=3))
    (row,) = rows(audit, "select run_id, record_count, previous_record_count from audit.coverage")
    assert tuple(row.values()) == ("c", 3, 2)


def test_each_cell_stands_by_itself(audit: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    others = [replace(CELL, **{name: "x"}) for name in ("role", "account_id", "region", "listing")]
    land(audit, tmp_path, CELL, *others)
    assert len(rows(audit, "select * from audit.coverage")) == 5


def test_what_the_ledger_says_is_written_and_renewed_and_the_run_knows_what_it_cost(
    audit: duckdb.DuckDBPyConnection,
) -> None:
    first = PaidRequestCount(AT.date(), "run-0", "ce:GetCostAndUsage", 3, 1, Decimal("0.03"))
    other = PaidRequestCount(AT.date(), RUN, "cloudwatch:GetMetricData", 2, 0, Decimal("0.00002"))
    record_run(audit, "run-0", "")
    record_run(audit, RUN, "")
    record_paid_requests(audit, [])
    record_paid_requests(audit, [first, other], counted=RUN)
    costs = "select run_id, api_cost_usd from audit.run order by run_id"
    assert rows(audit, costs) == [
        {"run_id": "run-0", "api_cost_usd": Decimal("0.03")},
        {"run_id": RUN, "api_cost_usd": Decimal("0.00002")},
    ]
    # The cost of a run of which the ledger says nothing new is not computed again.
    audit.execute("update audit.run set api_cost_usd = 9 where run_id = $run", {"run": RUN})
    more = replace(first, request_count=5, throttle_count=2, cost_usd=Decimal("0.05"))
    later = replace(first, usage_date=(AT + 24 * HOUR).date(), request_count=4)
    tags = replace(first, api="ce:GetTags", request_count=6)
    record_paid_requests(audit, [more, later, tags])
    written = rows(audit, "select * from audit.paid_request order by run_id, usage_date, api")
    assert written == [asdict(more), asdict(tags), asdict(later), asdict(other)]
    runs_now = rows(audit, "select run_id, request_count, api_cost_usd from audit.run order by run_id")
    assert [tuple(row.values()) for row in runs_now] == [("run-0", 15, Decimal("0.11")), (RUN, 0, Decimal(9))]
