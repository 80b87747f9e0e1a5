"""What tests/chaos stands on: a few kills, and that a comparison sees what came otherwise."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from chaos import comparison, lies, points
from chaos.each_push.runs import PUBLISHED, REFUSED, of
from chaos.ground import small_disk
from chaos.processes import Ended
from chaos.tables import Row, Tables, as_kept, difference
from chaos.telling import named, together
from nights import apart

from resources.aws import client, retry, sessions
from resources.store.process import FAULT_POINTS, UnknownFaultPoint, fault_point, hook_at
from simulator.faults import FAULT_NAMES


def test_a_preparation_of_a_name_that_no_module_has_fails() -> None:
    with pytest.raises(AttributeError, match="NO_SUCH_SECONDS"):
        lies.give(sessions, "NO_SUCH_SECONDS", 4)


def test_the_preparations_reach_what_the_client_is_made_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sessions, "READ_SECONDS", sessions.READ_SECONDS)
    monkeypatch.setattr(client, "Retry", retry.Retry)
    made: list[object] = []
    monkeypatch.setattr(client, "RetryingSender", lambda patience, *_: made.append(patience))
    lies.impatient()
    lies.soon_tired()
    client.AwsClient("workload", home_region="us-east-1")
    assert (sessions.READ_SECONDS, made) == (8, [retry.Retry(seconds=10.0)])


@pytest.mark.large
def test_ten_kills_lose_nothing(tmp_path: Path) -> None:
    said = apart("few_kills", tmp_path, "10")
    assert "10 kills with seed 1" in said
    assert "none lost" in said


def test_kills_before_anything_could_be_lost_show_nothing(tmp_path: Path) -> None:
    assert apart("few_kills", tmp_path, "2", "idle") == (
        "not tried: nothing was published within 2.0 s, so nothing could be lost\n"
    )


def test_one_small_disk_after_the_other_is_empty(tmp_path: Path) -> None:
    for _ in range(2):
        # Only root may mount one; who may not skips.
        with small_disk(tmp_path / "disk") as disk:
            assert list(disk.iterdir()) == []
            (disk / "left").touch()


def test_what_a_run_says_is_looked_for_and_is_no_traceback() -> None:
    assert Ended(2, " ✗ It is full.\nNext: cmdb\n No space left\n", 1.0).told("is full", "No space") == [
        "✗ It is full.",
        "No space left",
    ]
    with pytest.raises(AssertionError, match=r"at the end: nothing says is full: Next"):
        Ended(2, "Next: cmdb", 1.0).told("is full", at="at the end")
    with pytest.raises(AssertionError, match="a traceback"):
        Ended(2, "It is full.\nTraceback (most recent call last):", 1.0).told("is full")


# ------------------------------------------------------------------------------------------------ faults in one run


def test_every_fault_is_told_in_a_whole_run() -> None:
    told = {name.partition("@")[0] for run in (*REFUSED, *PUBLISHED) for lie in run for name in lie.told}
    assert told == set(FAULT_NAMES)


def test_each_run_of_a_push_has_a_name_of_its_own_and_holds_together() -> None:
    runs = (*REFUSED, *PUBLISHED)
    assert len({named(run) for run in runs}) == len(runs)
    assert all(together(run).says == tuple(word for lie in run for word in lie.says) for run in runs)


@pytest.mark.parametrize(
    "pair",
    [
        (of("silent_zero", "refused"), of("throttle", "survived")),
        (of("silent_zero", "refused"), of("silent_zero", "refused", late=True)),
        (of("denied", "frozen"), of("denied_listing", "frozen")),
        (of("silent_zero", "refused"), of("same_account_twice", "refused")),
    ],
    ids=["fates", "delays", "settings", "what is sent"],
)
def test_what_would_hide_each_other_is_not_told_together(pair: Sequence[lies.Lie]) -> None:
    with pytest.raises(ValueError, match="cannot be told in one run"):
        together(pair)


def test_a_lie_that_another_one_covers_is_seen() -> None:
    zero, refusal = of("no_databases", "refused"), of("denied_everywhere", "refused")
    cells = {("rds_db_instance", "empty_suspect"): 1, ("ec2_instance", "denied"): 1}

    def blocked(*names: str) -> list[str]:
        found = comparison.Believed(9, cells, lies.NO_SILENT_ZERO, frozenset(names))
        return comparison.unblocked(found, [zero, refusal])

    assert blocked("rds_db_instance", "ec2_instance") == []
    assert blocked("ec2_instance") == ["no_databases would have been published"]
    # A listing of which something else is doubtful too may be blocked by that.
    cells["ec2_instance", "failed"] = 1
    assert blocked("rds_db_instance", "ec2_instance") == ["denied_everywhere would have been published"]


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
    assert (comparison.frozen_rows(found, there(ONE, TWO), tonight, place) == []) == passes
    # Where nothing is frozen, the same rows are none that should be there.
    assert comparison.frozen_rows(found, there(ONE, TWO), tonight, []) != []


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
    wrong = comparison.frozen_rows(found, history("was", "was"), history("is", "is"), [("*", "000000000001", "*")])
    assert (wrong == []) == passes
    assert all("cmdb.resource_version" in sentence for sentence in wrong)


@pytest.mark.parametrize(
    ("rows", "passes"),
    [
        ([("i-1", "one", "new"), ("i-2", "one", "new")], True),
        ([("i-1", "one", "old"), ("i-3", "one", "old")], True),
        # A cell is either kept or requested again, and nothing is mixed, lost, or of nobody.
        ([("i-1", "one", "new"), ("i-3", "one", "old")], False),
        ([("i-1", "one", "new")], False),
        ([], False),
        ([("i-1", "one", "new"), ("i-2", "one", "new"), ("i-4", "two", "new")], False),
    ],
)
def test_a_cell_is_as_it_was_kept_or_as_it_is_requested_anew(rows: list[Row], passes: bool) -> None:
    def published(rows: list[Row]) -> Tables:
        return {"aws.thing": (("arn", "listing", "run_id"), sorted(rows, key=repr))}

    kept = published([("i-1", "one", "old"), ("i-3", "one", "old")])
    anew = published([("i-1", "one", "new"), ("i-2", "one", "new")])
    assert (not difference(as_kept(published(rows), kept, anew), kept)) is passes


def test_what_nothing_was_lied_about_is_tonights() -> None:
    assert comparison.elsewhere(history("was", "is"), history("is", "is"), ["000000000001"]) == []
    for name in history():
        found = {**history("is", "is"), name: history("is", "was")[name]}
        assert len(comparison.elsewhere(found, history("is", "is"), ["000000000001"])) == 1
    bill: Tables = {"cost.daily": (("account_id", "cost"), [("000000000001", 1)])}
    dearer: Tables = {"cost.daily": (("account_id", "cost"), [("000000000001", 2)])}
    assert len(comparison.elsewhere(bill, dearer, ["000000000001"])) == 1, "a bill is whole or none"
    assert comparison.elsewhere(bill, dearer, [], ["cost.daily"]) == []


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
    assert (comparison.unanswered(log) == []) == passes


def test_a_lie_of_which_a_rule_answered_nothing_was_not_told() -> None:
    assert comparison.untold({"throttle": [3, 1], "cut": [2]}) == []
    assert comparison.untold({"throttle": [3, 1], "cut": [2, 0]}) == ["cut was not told by each of its rules: [2, 0]"]


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
    cells = {("ec2_volume", "failed"): 2, ("rds_db_instance", "denied"): 1}
    seen = comparison.Believed(7, cells, ("a", "b"), frozenset())
    assert (seen.otherwise(doubts, fails) == []) == passes


def test_each_lie_that_is_not_survived_says_what_must_be_read_and_which_rule_or_cell_it_ends_at() -> None:
    for lie in lies.LIES:
        ends_at_something = lie.fate in ("refused", "frozen", "doubted")
        assert bool(lie.says) == ends_at_something, lie.name
        # Where CloudTrail is late every night has zeros that wait.
        assert bool(lie.fails or lie.doubts) == (ends_at_something or lie.late), lie.name
        assert bool(lie.frozen) == (lie.fate in ("frozen", "doubted")), lie.name
        assert lie.late or lie.fate != "doubted", lie.name


def test_a_table_that_is_all_stale_has_every_row_of_yesterday_and_no_other() -> None:
    stale = [(*row[:4], True) for row in (ONE, TWO)]
    name = next(iter(there(ONE)))
    assert comparison.all_stale(there(*stale), there(ONE, TWO), [name]) == []
    for rows in ([stale[0], TWO], stale[:1], [(*ONE[:3], "stopped", True), stale[1]]):
        assert len(comparison.all_stale(there(*rows), there(ONE, TWO), [name])) == 1


def test_a_finding_may_be_left_open_and_none_may_be_made_up() -> None:
    name = "cmdb.finding_something"
    columns, (one, two) = next(iter(there(ONE, TWO).values()))
    tonight: Tables = {name: (columns, [one, two]), "cmdb.finding_unknown": (columns, [])}
    assert set(comparison.may_be_open(tonight)) == {"cmdb.decommission_signal", "cmdb.finding_unknown", name}
    left_open: Tables = {name: (columns, [one]), "cmdb.finding_unknown": (columns, [two])}
    assert comparison.invented(left_open, tonight, list(tonight)) == []
    made_up: Tables = {name: (columns, [one, (*two[:3], "stopped", False)]), "cmdb.finding_unknown": (columns, [])}
    assert len(comparison.invented(made_up, tonight, list(tonight))) == 1


def test_a_row_of_a_central_role_is_frozen_where_its_listing_is_named() -> None:
    columns = ("arn", "caller_account_id", "cell_region", "listing", "is_stale")
    row = ("arn:x", "000000000001", "us-east-1", "resource_group_member:payments", False)
    table = "resource_group_member"
    assert comparison.row_is_frozen(table, columns, row, [(table, "000000000001", "*")])
    assert not comparison.row_is_frozen(table, columns, row, [(table, "000000000002", "*")])
    assert not comparison.row_is_frozen(table, columns, row, [("*", "000000000001", "*")])


def test_every_lie_that_the_simulator_knows_is_told() -> None:
    from simulator.faults import FAULT_NAMES

    told = {name.partition("@")[0] for lie in lies.LIES for name in lie.told}
    assert told == set(FAULT_NAMES)
    names = [lie.name for lie in lies.LIES]
    assert len(set(names)) == len(names)


# ------------------------------------------------------------------------------------------------ the points


def test_whole_runs_are_killed_at_every_named_point() -> None:
    named = points.MAKING | points.COPYING | points.SWAPPING | points.PUBLISHED
    assert [point for point in named if "." in point] == list(FAULT_POINTS)


def test_every_other_point_of_a_run_is_around_a_function_that_the_product_has() -> None:
    where = points.BEGINNING | points.NIGHT | points.PUBLISHED
    around = [point for point in where.values() if isinstance(point, points.Around)]
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
    with pytest.raises(points.UnknownHook, match=f"^The product has no {module}.{name} .* nothing would happen"):
        points.Around(module, name, 1, after=False)(lambda: None)


def test_a_named_point_that_the_warehouse_does_not_have_fails() -> None:
    with pytest.raises(
        UnknownFaultPoint, match=r"^The store has no fault point 'publish\.gone'; it has migration\.begun, "
    ):
        points.at("publish.gone")
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
