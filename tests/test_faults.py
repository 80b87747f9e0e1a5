"""The short part of `make faults`: a few kills, and that the kit sees and says what came otherwise."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from nights import REPOSITORY, apart

from faults import broken_nights, held, kit, lies, report, streams
from faults.ground import Ended, NotHere, Row, Tables, difference
from faults.report import Shown
from resources.aws import client, retry, sessions
from resources.store.process import FAULT_POINTS, UnknownFaultPoint, fault_point, hook_at


def test_a_preparation_of_a_name_that_no_module_has_fails() -> None:
    with pytest.raises(AttributeError, match="NO_SUCH_SECONDS"):
        lies.replace(sessions, "NO_SUCH_SECONDS", 4)


def test_the_preparations_reach_what_the_client_is_made_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "READ_SECONDS", sessions.READ_SECONDS)
    monkeypatch.setattr(client, "Retry", retry.Retry)
    made: list[object] = []
    monkeypatch.setattr(client, "RetryingSender", lambda patience, *_: made.append(patience))
    lies.impatient()
    lies.soon_tired()
    client.AwsClient("workload", home_region="us-east-1")
    assert (sessions.READ_SECONDS, made) == (4, [retry.Retry(seconds=10.0)])


@pytest.mark.large
def test_ten_kills_lose_nothing(tmp_path: Path) -> None:
    said = apart("few_kills", tmp_path, "10")
    assert "10 kills with seed 1" in said
    assert "none lost" in said


def test_kills_before_anything_could_be_lost_show_nothing(tmp_path: Path) -> None:
    assert apart("few_kills", tmp_path, "2", "idle") == (
        "not tried: nothing was published within 2.0 s, so nothing could be lost\n"
    )


def test_two_streams_show_every_case_also_one_that_came_otherwise_or_took_its_stream_with_it(tmp_path: Path) -> None:
    said = apart("streams_that_fail", tmp_path)
    cases, late, long = json.loads(said.splitlines()[-1])
    assert [(case["case"], case["said"], case["failure"]) for case in cases] == [
        ("holds", "so", ""),
        ("differs", "", "a row is missing"),
        ("dies", "", "its stream ended without a word of it"),
        ("comes after", "so", ""),
    ]
    assert "✗ part: differs" in said
    assert [case["skipped"] for case in late] == ["the time was up"]
    assert [(case["said"], case["skipped"], case["failure"]) for case in long] == [
        ("so", "", ""), ("", "the time was up", "")
    ]  # fmt: skip
    started = int((tmp_path / "started").read_text())
    assert not psutil.pid_exists(started) or psutil.Process(started).status() == psutil.STATUS_ZOMBIE


def test_what_was_shown_longest_ago_is_begun_first(tmp_path: Path) -> None:
    pieces = kit.pieces(
        ["lies"], tmp_path, {("lies", lies.CASES[0].name): "2026-11-25", ("lies", lies.CASES[2].name): ""}
    )
    names = [piece.skipped.case for piece in pieces]
    assert names[:2] == ["two truthful nights", lies.CASES[1].name]
    assert names[-1] == lies.CASES[0].name
    whole = kit.pieces(
        ["lies", "crashes", "held"], tmp_path, {("crashes", "one"): "2026-11-25", ("held", "one"): "2026-11-24"}
    )
    assert [piece.skipped.part for piece in whole[:3]] == ["history", "held", "lies"]


def test_every_part_is_described_on_the_page() -> None:
    assert list(kit.PARTS) == list(report.PARTS)


def test_no_case_reports_of_the_folder_that_it_was_tried_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Shown("crashes", "one", "it holds", f"{tmp_path}/a/cmdb.duckdb holds", f"{tmp_path} does not")
    monkeypatch.setattr(streams, "run", lambda *_: [[case]])
    (part,) = kit.run(["crashes"], tmp_path, 0.0, {})
    assert [(seen.said, seen.failure) for seen in part.shown] == [("…/a/cmdb.duckdb holds", "… does not")]


def test_one_small_disk_after_the_other_is_empty(tmp_path: Path) -> None:
    for _ in range(2):
        try:
            with broken_nights.small_disk(tmp_path / "disk") as disk:
                assert list(disk.iterdir()) == []
                (disk / "left").touch()
        except NotHere as error:
            # Only root may mount one.
            pytest.skip(str(error))


@pytest.mark.parametrize(
    ("last", "names"),
    [
        (Shown("crashes", "b", "it holds", "so"), ["a", "b"]),
        (Shown("crashes", "b", "it holds", skipped="late"), None),
        (Shown("crashes", "b", "it holds", failure="no"), None),
    ],
)
def test_what_a_part_that_is_done_whole_has_is_known_once_it_has_gone_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, last: Shown, names: list[str] | None
) -> None:
    monkeypatch.setattr(streams, "run", lambda *_: [[Shown("crashes", "a", "it holds", "so"), last]])
    (part,) = kit.run(["crashes"], tmp_path, 0.0, {})
    assert part.cases == names


@pytest.mark.parametrize("tests", [["a_short_one", "an_endless_one"], ["a_short_one"]])
def test_tests_that_do_not_end_in_time_lose_nothing_of_those_before_them(tmp_path: Path, tests: list[str]) -> None:
    file, report = tmp_path / "test_a.py", tmp_path / "junit.xml"
    file.write_text("import time\ndef test_a_short_one(): pass\ndef test_an_endless_one(): time.sleep(600)\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)]
    ids = [f"{file}::test_{name}" for name in tests]
    # A busy machine needs its time to start pytest; of a test without an end all of it is waited for.
    _, late = held.asked([*command, f"--junit-xml={report}", *ids], 20.0 if len(tests) == 2 else 300.0)
    assert late is (len(tests) == 2)
    assert [seen.passed for seen in held.read(report, late=late).values()] == [1]


@pytest.mark.parametrize(
    ("seconds", "skipped", "failure"), [(60, "the time was up", ""), (3600, "", "pytest did not run: ..")]
)
def test_tests_that_had_no_time_to_say_anything_were_not_tried_and_those_that_had_it_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: int, skipped: str, failure: str
) -> None:
    monkeypatch.setattr(held, "asked", lambda *_: ("..", True))
    found = held.run(tmp_path / "held", time.monotonic() + seconds)
    assert [(case.case, case.skipped, case.failure) for case in found] == [
        (promise.case, skipped, failure) for promise in held.PROMISES
    ]


def test_what_a_run_says_is_looked_for_and_is_no_traceback() -> None:
    assert Ended(2, " ✗ It is full.\nNext: cmdb\n No space left\n", 1.0).told("is full", "No space") == [
        "✗ It is full.",
        "No space left",
    ]
    with pytest.raises(AssertionError, match=r"at the end: nothing says is full: Next"):
        Ended(2, "Next: cmdb", 1.0).told("is full", at="at the end")
    with pytest.raises(AssertionError, match="a traceback"):
        Ended(2, "It is full.\nTraceback (most recent call last):", 1.0).told("is full")


# ------------------------------------------------------------------------------------------------ the comparison

COLUMNS = ("arn", "account_id", "region", "state", "is_stale")


def there(*rows: Row) -> Tables:
    return {"aws.ec2_instance": (COLUMNS, sorted(rows, key=repr))}


ONE = ("a:1", "000000000001", "us-east-1", "running", False)
TWO = ("a:2", "000000000002", "us-east-1", "running", False)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([ONE], "1 rows, expected 2; 0 are new and 1 missing"),
        ([ONE, TWO, ("a:3", *TWO[1:])], "3 rows, expected 2; 1 are new and 0 missing"),
        ([ONE, (*TWO[:3], "stopped", False)], "2 rows, expected 2; 1 are new and 1 missing"),
        ([ONE, ONE, TWO], "a row stands twice"),
    ],
)
def test_a_missing_a_new_a_changed_and_a_doubled_row_are_seen(rows: list[Row], said: str) -> None:
    assert difference(there(ONE, TWO), there(ONE, TWO)) == ""
    assert said in difference(there(*rows), there(ONE, TWO))
    assert "only on one side" in difference({}, there(ONE, TWO))


@pytest.mark.parametrize(
    ("frozen_row", "passes"),
    [
        ((*ONE[:4], True), True),  # yesterday's, marked stale
        (ONE, False),  # not marked
        ((*ONE[:3], "stopped", True), False),  # tonight's, though nobody could believe it
        (None, False),  # gone
    ],
)
def test_a_frozen_row_is_yesterdays_and_stale(frozen_row: Row | None, passes: bool) -> None:
    tonight = there((*ONE[:3], "stopped", False), (*TWO[:3], "stopped", False))
    found = there(*([frozen_row] if frozen_row else []), (*TWO[:3], "stopped", False))
    place = [("ec2_instance", "000000000001", "*")]
    assert (lies.frozen_rows(found, there(ONE, TWO), tonight, place) == []) == passes
    # Where nothing is frozen, the same rows are none that should be there.
    assert lies.frozen_rows(found, there(ONE, TWO), tonight, []) != []


RESOURCES = ("arn", "account_id", "region", "listing", "status", "is_stale")
VERSIONS = ("arn", "account_id", "status")


def history(*states: str) -> Tables:
    """Two items, one of each account, and a version of each."""
    items = [
        (f"a:{n}", f"00000000000{n}", "us-east-1", "ec2_instance", state, False) for n, state in enumerate(states, 1)
    ]
    return {
        "cmdb.resource": (RESOURCES, items),
        "cmdb.resource_version": (VERSIONS, [(item[0], item[1], item[4]) for item in items]),
    }


@pytest.mark.parametrize(
    ("states", "passes"),
    [
        (("was", "is"), True),
        (("is", "is"), False),  # a version that nobody could believe
        (("was", "was"), False),  # of another account, not renewed
    ],
)
def test_versions_of_what_is_frozen_are_yesterdays_and_all_others_tonights(states: Sequence[str], passes: bool) -> None:
    found = history("was", "is")
    resources, rows = found["cmdb.resource"]
    found["cmdb.resource"] = (resources, [(*rows[0][:5], True), rows[1]])
    found["cmdb.resource_version"] = history(*states)["cmdb.resource_version"]
    wrong = lies.frozen_rows(found, history("was", "was"), history("is", "is"), [("*", "000000000001", "*")])
    assert (wrong == []) == passes
    assert all("cmdb.resource_version" in sentence for sentence in wrong)


def test_what_nothing_was_lied_about_is_tonights() -> None:
    assert lies.elsewhere(history("was", "is"), history("is", "is"), ["000000000001"]) == []
    for name in history():
        found = {**history("is", "is"), name: history("is", "was")[name]}
        assert len(lies.elsewhere(found, history("is", "is"), ["000000000001"])) == 1
    bill: Tables = {"cost.daily": (("account_id", "cost"), [("000000000001", 1)])}
    dearer: Tables = {"cost.daily": (("account_id", "cost"), [("000000000001", 2)])}
    assert len(lies.elsewhere(bill, dearer, ["000000000001"])) == 1, "a bill is whole or none"
    assert lies.elsewhere(bill, dearer, [], ["cost.daily"]) == []


def call(second: int, fault: str | None, **asked: str) -> dict[str, Any]:
    where = {"service": "ec2", "operation": "DescribeVpcs", "account_id": "1", "region": "r", "parameters": {}}
    return {**where, **asked, "time": f"2026-11-25T00:00:{second:02d}+00:00", "fault": fault}


@pytest.mark.parametrize(
    ("log", "passes"),
    [
        ([call(1, "reset"), call(2, None)], True),
        ([call(2, None), call(1, "delay")], True),  # a slow answer is written down after the one that overtook it
        ([call(1, None), call(2, "reset")], False),
        ([call(1, "reset"), call(2, None, region="q")], False),
        ([call(1, "throttle"), call(2, "throttle")], False),
        ([call(1, "denied")], True),
    ],
)
def test_a_broken_response_that_is_not_requested_again_is_seen(log: list[dict[str, Any]], passes: bool) -> None:
    assert (lies.unanswered(log) == []) == passes


def test_a_lie_of_which_a_rule_answered_nothing_was_not_told() -> None:
    assert lies.untold({"throttle": [3, 1], "cut": [2]}) == []
    assert lies.untold({"throttle": [3, 1], "cut": [2, 0]}) == ["cut was not told by each of its rules: [2, 0]"]
    assert lies.how_often({"throttle": [3, 1], "cut": [2]}) == "Told: throttle 3 + 1, cut 2."
    assert lies.how_often({"throttle": [3, 1]}) == "Told: 3 + 1."
    assert lies.how_often({}) == ""


PRINTED = """Published versions/1
! No profile reaches 1 account(s).
  rds_db_instance: denied is a line of no rule
! rds_db_instance: denied in account 1. You are not authorized.
✗ ec2_volume: failed in account 1."""


def test_the_page_shows_the_sentences_that_tell_of_the_lie() -> None:
    said = lies.sentences(PRINTED, ["rds_db_instance: denied", "authorized", "ec2_volume: failed"])
    assert said == "! rds_db_instance: denied in account 1. You are not authorized. ✗ ec2_volume: failed in account 1."
    assert lies.sentences(PRINTED, []) == ""
    long = f"✗ {'word ' * 80}CMDB_ZERO_EVIDENCE=identity and more"
    assert lies.sentences(long, ["CMDB_ZERO"]) == long.replace(" and more", " …")


@pytest.mark.parametrize(
    ("doubts", "fails", "passes"),
    [
        ([("ec2_*", "failed"), ("rds_db_instance", "denied")], ["b", "a"], True),
        ([("ec2_*", "failed")], ["a", "b"], False),
        ([("ec2_*", "failed"), ("rds_db_instance", "failed")], ["a", "b"], False),
        ([("*", "failed"), ("*", "denied"), ("s3_bucket", "denied")], ["a", "b"], False),
        ([("*", "failed"), ("*", "denied")], ["a"], False),
        ([("*", "failed"), ("*", "denied")], ["a", "b", "c"], False),
    ],
)
def test_what_is_not_trusted_and_which_rules_fail_is_compared_both_ways(
    doubts: list[lies.Doubt], fails: list[str], passes: bool
) -> None:
    seen = lies.Believed(7, {("ec2_volume", "failed"): 2, ("rds_db_instance", "denied"): 1}, ("a", "b"))
    assert (seen.otherwise(doubts, fails) == []) == passes
    assert str(seen) == (
        "Trusted: 7 cells. Not trusted: 2 of ec2_volume failed, 1 of rds_db_instance denied. Failed: a, b."
    )


def test_each_lie_that_is_not_survived_says_what_must_be_read_and_which_rule_or_cell_it_ends_at() -> None:
    for lie in (*lies.ALONE, *lies.PAIRS):
        ends_at_something = lie.fate in ("refused", "frozen", "doubted")
        assert bool(lie.says) == ends_at_something, lie.name
        # Where CloudTrail is late every night has zeros that wait.
        assert bool(lie.fails or lie.doubts) == (ends_at_something or lie.late), lie.name
        assert bool(lie.frozen) == (lie.fate in ("frozen", "doubted")), lie.name
        assert lie.late or lie.fate != "doubted", lie.name


def test_a_table_that_is_all_stale_has_every_row_of_yesterday_and_no_other() -> None:
    stale = [(*row[:4], True) for row in (ONE, TWO)]
    name = next(iter(there(ONE)))
    assert lies._all_stale(there(*stale), there(ONE, TWO), [name]) == []
    for rows in ([stale[0], TWO], stale[:1], [(*ONE[:3], "stopped", True), stale[1]]):
        assert len(lies._all_stale(there(*rows), there(ONE, TWO), [name])) == 1


def test_a_finding_may_be_left_open_and_none_may_be_made_up() -> None:
    name = "cmdb.finding_something"
    columns, (one, two) = next(iter(there(ONE, TWO).values()))
    tonight: Tables = {name: (columns, [one, two]), "cmdb.finding_unknown": (columns, [])}
    assert set(lies.may_be_open(tonight)) == {"cmdb.decommission_signal", "cmdb.finding_unknown", name}
    left_open: Tables = {name: (columns, [one]), "cmdb.finding_unknown": (columns, [two])}
    assert lies._invented(left_open, tonight, list(tonight)) == []
    made_up: Tables = {name: (columns, [one, (*two[:3], "stopped", False)]), "cmdb.finding_unknown": (columns, [])}
    assert len(lies._invented(made_up, tonight, list(tonight))) == 1


def test_a_row_of_a_central_role_is_frozen_where_its_listing_is_named() -> None:
    columns = ("arn", "caller_account_id", "cell_region", "listing", "is_stale")
    row = ("arn:x", "000000000001", "us-east-1", "resource_group_member:payments", False)
    table = "resource_group_member"
    assert lies._row_is_frozen(table, columns, row, [(table, "000000000001", "*")])
    assert not lies._row_is_frozen(table, columns, row, [(table, "000000000002", "*")])
    assert not lies._row_is_frozen(table, columns, row, [("*", "000000000001", "*")])


def test_every_lie_that_the_simulator_knows_is_told() -> None:
    from simulator.faults import FAULT_NAMES

    told = {name.partition("@")[0] for lie in (*lies.ALONE, *lies.PAIRS) for name in lie.told}
    assert told == set(FAULT_NAMES)
    names = [case.name for case in lies.CASES]
    assert len(set(names)) == len(names)


# ---------------------------------------------------------------------------------------------- what tests show


def test_every_promise_names_tests_that_are_there() -> None:
    for promise in held.PROMISES:
        for test in promise.ids():
            file, _, name = test.partition("::")
            assert f"\ndef {name}(" in (REPOSITORY / file).read_text(encoding="utf-8"), test


JUNIT = """<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_one_holds[x]"/>
<testcase classname="tests.test_a" name="test_one_holds[y]"/>
<testcase classname="tests.test_a" name="test_two_holds"><{outcome} message="it does not&#10;at all"/></testcase>
</testsuite></testsuites>"""


@pytest.mark.parametrize(
    ("outcome", "failure", "said"),
    [
        ("failure", "two holds: it does not", "2 tests: one holds."),
        ("error", "two holds: it does not", "2 tests: one holds."),
        ("skipped", "", "2 tests: one holds. Not tried: two holds (it does not at all)."),
        ("properties", "", "3 tests: one holds; two holds."),
    ],
)
def test_a_promise_counts_what_passed_and_says_what_did_not(
    tmp_path: Path, outcome: str, failure: str, said: str
) -> None:
    report = tmp_path / "junit.xml"
    report.write_text(JUNIT.format(outcome=outcome), encoding="utf-8")
    promise = held.Promise("a case", "it holds", {"a": ["one_holds", "two_holds"]})
    shown = held.shown_of(promise, held.read(report), "", 1.0)
    assert (shown.failure, " ".join(shown.said.split())) == (failure, said)
    gone = held.shown_of(held.Promise("a case", "it holds", {"a": ["gone"]}), held.read(report), "", 1.0)
    assert gone.failure == "gone: the test is not there"
    assert held.shown_of(promise, {}, "pytest did not run", 1.0).failure == "pytest did not run"


def test_whole_runs_are_killed_at_every_named_point() -> None:
    points = broken_nights.MAKING | broken_nights.COPYING | broken_nights.SWAPPING | broken_nights.SWAPPED
    assert [point for point in points if "." in point] == list(FAULT_POINTS)


def test_every_other_point_of_a_run_is_around_a_function_that_the_product_has() -> None:
    points = broken_nights.BEGINNING | broken_nights.NIGHT | broken_nights.SWAPPED
    around = [point for point in points.values() if isinstance(point, broken_nights.Around)]
    assert len(around) == 8
    for point in around:
        point.owner()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("pipelines.gone", "prune"),
        ("pipelines.collection.landing", "gone"),
        ("pipelines.collection.landing", "LandingWriter.gone"),
        ("pipelines.collection.landing", "Gone.append"),
    ],
)
def test_a_point_around_what_the_product_does_not_have_fails(module: str, name: str) -> None:
    with pytest.raises(broken_nights.UnknownHook, match=f"^The product has no {module}.{name} .* nothing would happen"):
        broken_nights.Around(module, name, 1, after=False)(lambda: None)


def test_a_named_point_that_the_warehouse_does_not_have_fails() -> None:
    with pytest.raises(
        UnknownFaultPoint, match=r"^The store has no fault point 'publish\.gone'; it has migration\.begun, "
    ):
        broken_nights.at("publish.gone")
    with pytest.raises(UnknownFaultPoint, match=r"no fault point 'publish\.gone'"):
        hook_at("publish.gone", lambda: None)
    with pytest.raises(UnknownFaultPoint, match=r"no fault point 'publish\.gone'"):
        fault_point("publish.gone")


def test_a_run_that_counts_as_published_and_was_not_is_seen(tmp_path: Path) -> None:
    good, missing, killed, told = json.loads(apart("counted_runs", tmp_path))
    assert (good, told) == ("", "")
    said, _, expected = missing.partition("expected")
    assert "run-3" in expected
    assert "run-3" not in said
    said, _, expected = killed.partition("expected")
    assert "run-5" in said
    assert "run-5" not in expected
