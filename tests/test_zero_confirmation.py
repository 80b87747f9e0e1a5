"""Zeros and CloudTrail's delay, through whole runs: a zero is trusted once the trail has recorded the call, not before.

The organisation is small (two workload accounts, one region), so that a night is short. `hidden_denial` is the lie that
the rule is against: AWS refuses a call, its trail says so, and the client gets 200 and an empty list.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import MakeOrganisation, policies, sign_in
from nights import DATABASE, cmdb, copy_of, fingerprint, night_environment, query, run_night, said_in

from pipelines.collection import confirmation, decisions
from pipelines.trust import zero_rule
from resources.store.store import Store
from simulator.client import Simulator, start

LATER = 12 * 60
"""Minutes after which a look-up comes late enough for every event: more than a slow machine takes for a test."""
DELAY = [3600, 3 * 3600]
"""Seconds: the same for the other end, so that no event is there before it is meant to be."""
NEVER = 10**9

ROWS = {
    "aws.ec2_security_group": "arn",
    "aws.ec2_volume": "arn",
    "aws.ec2_snapshot": "arn",
    "aws.rds_db_snapshot": "arn",
    "aws.lambda_function": "arn, tags",
    "aws.s3_bucket": "arn, tags",
    "aws.ec2_subnet": "arn",
    "aws.ec2_flow_log": "arn",
    "aws.resource_group": "arn",
    "org.policy": "policy_id",
    "cost.budget": "account_id, budget_name, limit_amount",
    "cmdb.resource": "arn, status",
}


def rows(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What is published, but for what says when and how it was collected."""
    return {table: query(database, f"select {columns} from {table} order by all") for table, columns in ROWS.items()}


def outcomes(database: Path, *, of: str = "published") -> dict[str, int]:
    found = query(database, "select outcome, count(*) from audit.coverage group by all", of=of)
    return {outcome: count for outcome, count in found if outcome != "skipped"}


@dataclass
class Place:
    """A small organisation, and a warehouse for its nights."""

    simulator: Simulator
    database: Path

    def night(self, **settings: str) -> Any:
        return run_night({**self.simulator.env, **settings}, self.database)

    def confirm(self) -> Any:
        return run_night(self.simulator.env, self.database, job_name="confirm")

    def pass_time(self, minutes: float) -> None:
        self.simulator.configure(trail_passed_minutes=minutes)

    @property
    def account(self) -> str:
        """The first workload account that is asked."""
        (found,) = query(
            self.database, "select min(account_id) from aws.ec2_security_group where role = 'workload'", of="working"
        )
        return str(found[0])


@pytest.fixture(scope="module")
def first_night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A first night whose trail is late, as it is by default. Take a copy before changing anything."""

    folder = tmp_path_factory.mktemp("late")
    with start(folder / "organisation", policies(), accounts=2, resources=2, regions=["us-east-1"]) as simulator:
        sign_in(simulator)
        simulator.configure(trail_delay_seconds=DELAY)
        place = Place(simulator, folder / "warehouse" / DATABASE)
        night = place.night()
        assert night.published, night.sentences
        yield place


@pytest.fixture
def late(first_night: Place, tmp_path: Path) -> Iterator[Place]:
    """The first night with a warehouse of the test's own."""
    yield Place(first_night.simulator, copy_of(first_night.database.parent, tmp_path))
    simulator = first_night.simulator
    simulator.stop_lying()
    simulator.control("DELETE", "/faults")
    simulator.configure(trail_passed_minutes=0, trail_delay_seconds=DELAY, unrecorded_calls=UNRECORDED)


UNRECORDED = ["cloudwatch:GetMetricData", "s3:ListObjectsV2"]


def test_a_first_run_publishes_zeros_that_wait_and_half_an_hour_later_they_are_confirmed(
    late: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In several batches, of which some are stored together.
    monkeypatch.setattr(decisions, "ZEROS_AT_ONCE", 5)
    monkeypatch.setattr(confirmation, "SPOOLED_AT_ONCE", 20_000)
    before = outcomes(late.database)
    assert before["empty_unconfirmed"] > 10
    assert "empty_verified" not in before
    assert "empty_suspect" not in before
    late.pass_time(LATER)
    landing = Store(late.database).landing
    (landing / f"{confirmation.SPOOL}of-a-killed-run.ndjson").touch()
    confirmed = late.confirm()
    assert (confirmed.published, confirmed.exit_code) == (True, 0), confirmed.sentences
    assert list(landing.glob(f"{confirmation.SPOOL}*")) == []
    after = outcomes(late.database)
    assert after == {"found": before["found"], "empty_verified": before["empty_unconfirmed"]}
    # The evidence is of this very call, and says when it came.
    proofs = query(
        late.database,
        """
        select evidence, confirmed_at > ended_at, is_trusted from audit.collection
        where outcome = 'empty_verified'
        """,
    )
    assert len(proofs) == after["empty_verified"]
    for text, is_later, trusted in proofs:
        trail = json.loads(text)["cloudtrail"]
        assert (trail["recorded"], trail["refused"], is_later, trusted) == (
            len(json.loads(text)["request_ids"]),
            [],
            True,
            True,
        )


@pytest.mark.large
def test_the_command_says_what_waits_what_is_confirmed_and_when_there_is_nothing_to_do(late: Place) -> None:
    environment = night_environment(late.simulator, late.database)
    before = outcomes(late.database)
    # Requested again at once, CloudTrail knows no more, and nothing is taken for a refusal.
    waiting = cmdb(environment, "confirm")
    assert waiting.returncode == 0, waiting.stderr
    assert "0 are confirmed, 0 suspect" in waiting.stdout
    assert outcomes(late.database, of="working") == before
    late.pass_time(LATER)
    done = cmdb(environment, "confirm", "--json")
    said = json.loads(done.stdout)
    assert (done.returncode, said["published"], said["exit_code"]) == (0, True, 0), done.stderr
    assert "0 still wait" in said["sentence"]
    nothing = cmdb(environment, "confirm")
    assert (nothing.returncode, nothing.stdout.startswith("No zero waits for CloudTrail.")) == (0, True)


def test_before_any_run_there_is_nothing_to_confirm_and_a_sentence_says_so(tmp_path: Path) -> None:
    done = cmdb({"CMDB_DATABASE": str(tmp_path / "none.duckdb")}, "confirm")
    assert done.returncode == 2
    assert "there was no run yet" in done.stderr
    assert "Traceback" not in done.stderr


HIDDEN = [
    pytest.param([("ec2", "DescribeImages"), ("rds", "DescribeDBSnapshots")], 600, id="ten minutes late"),
    pytest.param([("ec2", "DescribeFlowLogs")], 3 * 3600, id="three hours late"),
    pytest.param([("resource-groups", "ListGroups")], 900, id="a central role's"),
]
"""Calls that the bill bears no witness for (ref.usage_type_listing). What it does, such as security groups, is refused
in the night itself, whatever the trail says."""


@pytest.mark.large
@pytest.mark.parametrize(("refused", "delay"), HIDDEN)
def test_a_refusal_that_comes_as_an_empty_response_takes_no_row_away_and_is_refused_once_the_trail_has_it(
    refused: list[tuple[str, str]], delay: int, late: Place
) -> None:
    late.pass_time(LATER)
    assert late.confirm().exit_code == 0
    before = rows(late.database)
    account = late.account
    late.pass_time(0)
    late.simulator.configure(trail_delay_seconds=delay)
    late.simulator.faults(
        [
            {"action": "hidden_denial", "service": service, "op": call}
            | ({"account": account} if service != "resource-groups" else {})
            for service, call in refused
        ]
    )
    # In the night itself nobody can know. So nothing is taken away, and what is doubtful is marked.
    night = late.night()
    assert night.published, night.sentences
    assert rows(late.database) == before
    stale = query(
        late.database,
        """
        select count(*) from audit.coverage
        where outcome = 'empty_unconfirmed' and record_count = 0 and previous_record_count > 0
        """,
    )
    assert stale[0][0] >= len(refused)
    published = fingerprint(late.database)
    late.pass_time(delay / 60 + 30)
    confirm = late.confirm()
    assert (confirm.published, confirm.exit_code) == (False, 1)
    assert fingerprint(late.database) == published
    said = " ".join(confirm.sentences)
    assert "CloudTrail recorded this call as refused" in said
    # Where AWS answers again, the next night asks again and publishes.
    late.simulator.control("DELETE", "/faults")
    assert late.night().published
    assert rows(late.database) == before


REPORTED = [("ec2", "DescribeSecurityGroups"), ("rds", "DescribeDBSnapshots")]
"""Calls that AWS refused and answered with an empty list, in the night that once published such zeros."""


@pytest.mark.large
@pytest.mark.parametrize(
    ("delay", "why"),
    [
        pytest.param(0, "CloudTrail recorded this call as refused", id="at once"),
        pytest.param(600, "the bill of the last days shows", id="ten minutes"),
    ],
)
def test_a_refusal_that_the_trail_or_the_bill_tells_in_time_refuses_the_run_itself(
    delay: int, why: str, late: Place
) -> None:
    late.pass_time(LATER)
    assert late.confirm().exit_code == 0
    published = fingerprint(late.database)
    late.pass_time(0)
    late.simulator.configure(trail_delay_seconds=delay)
    late.simulator.faults(
        [
            {"action": "hidden_denial", "service": service, "op": call, "account": late.account}
            for service, call in REPORTED
        ]
    )
    night = late.night()
    assert not night.published
    assert why in " ".join(night.sentences)
    assert fingerprint(late.database) == published


@pytest.mark.large
@pytest.mark.parametrize(
    ("delay", "nights"),
    [
        pytest.param(0, 0, id="at once"),
        pytest.param(600, 1, id="ten minutes"),
        pytest.param(3 * 3600, 2, id="three hours"),
        pytest.param(NEVER, None, id="never"),
    ],
)
def test_however_late_the_trail_is_two_runs_publish_the_truth(
    delay: float, nights: int | None, make_organisation: MakeOrganisation, tmp_path: Path
) -> None:
    """`nights`: how many looks after the night itself it takes until every zero is confirmed."""
    simulator = make_organisation(accounts=2, resources=2, regions=["us-east-1"], trail_passes=False)
    twin = Place(simulator, tmp_path / "twin" / DATABASE)
    place = Place(simulator, tmp_path / "late" / DATABASE)
    assert twin.night(CMDB_ZERO_EVIDENCE="identity").published
    simulator.configure(trail_delay_seconds=delay)
    taken: int | None = None

    def look(number: int) -> None:
        nonlocal taken
        waiting = outcomes(place.database).get("empty_unconfirmed", 0)
        print(f"trail {delay:g} s late, look {number}: {waiting} zeros wait")
        if taken is None and not waiting:
            taken = number

    night = place.night()
    assert night.published, night.sentences
    assert rows(place.database) == rows(twin.database)
    look(0)
    simulator.configure(trail_passed_minutes=30)
    assert place.confirm().exit_code == 0
    look(1)
    simulator.configure(trail_passed_minutes=24 * 60)
    night = place.night()
    assert night.published, night.sentences
    assert rows(place.database) == rows(twin.database)
    pending = query(
        place.database,
        "select count(*) from audit.collection where outcome = 'empty_unconfirmed' and run_id <> $run",
        {"run": night.run_id},
    )
    print(f"trail {delay:g} s late, at the second night: {pending[0][0]} zeros of the first one wait")
    if taken is None and pending == [(0,)]:
        taken = 2
    assert taken == nights


@pytest.mark.large
def test_what_really_went_away_goes_when_the_trail_confirms_it_and_not_before(late: Place) -> None:
    late.pass_time(LATER)
    assert late.confirm().exit_code == 0
    account = late.account
    buckets = "select count(*) from aws.s3_bucket where account_id = $a"
    (had,) = query(late.database, buckets, {"a": account})
    assert had[0] > 0
    late.pass_time(0)
    late.simulator.faults([{"action": "empty", "service": "s3", "op": "ListBuckets", "account": account}])
    # Twice: the count of before speaks against it, and the bill may.
    night = late.night()
    if night.published:
        assert query(late.database, buckets, {"a": account}) == [had]
        late.pass_time(LATER)
        assert late.confirm().published
        assert query(late.database, buckets, {"a": account}) == [(0,)]
    else:
        assert "the bill of the last days shows" in " ".join(night.sentences)


def zeros_of(database: Path, listing: str) -> set[tuple[str, bool]]:
    """Outcomes of the newest cells of a listing that has no parameter, where nothing was found."""
    return set(
        query(
            database,
            "select outcome, is_trusted from audit.coverage where listing = $listing and outcome like 'empty_%'",
            {"listing": listing},
            of="working",
        )
    )


@pytest.mark.large
def test_a_call_that_the_trail_never_records_is_found_out_and_said_once(
    late: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A night later the trail shows other calls of the callers and none of this kind, in no account."""
    kind, listing = "ec2:DescribeFlowLogs", "ec2_flow_log"
    late.simulator.faults([{"action": "empty", "service": "ec2", "op": "DescribeFlowLogs"}])
    late.simulator.configure(unrecorded_calls=[*UNRECORDED, kind])
    assert late.night().published
    late.pass_time(LATER)
    assert late.confirm().exit_code == 0
    # Half an hour proves nothing: the call may come yet.
    assert zeros_of(late.database, listing) == {("empty_unconfirmed", False)}
    assert query(late.database, "select call from audit.trail_call where missed_since is not null") == []
    # The only clock that cannot be passed here is the product's own.
    monkeypatch.setattr(zero_rule, "HALF_A_DAY", timedelta(0))
    assert late.confirm().exit_code == 0
    # One miss proves nothing either: it is remembered, and the zeros go on waiting.
    assert query(late.database, "select call, unrecorded_since from audit.trail_call where recorded_at is null") == [
        (kind, None)
    ]
    assert zeros_of(late.database, listing) == {("empty_unconfirmed", False)}
    monkeypatch.setattr(confirmation, "UNRECORDED_AFTER", timedelta(0))
    confirm = late.confirm()
    assert confirm.exit_code == 0, confirm.sentences
    assert sum(kind in sentence for sentence in said_in(confirm.run_id)) == 1
    assert late.confirm().exit_code == 0
    assert zeros_of(late.database, listing) == {("empty_verified", True)}
    assert query(late.database, "select call from audit.trail_call where recorded_at is null") == [(kind,)]
    monkeypatch.undo()
    # From then on it is known, and not said again; until the trail shows one.
    late.pass_time(0)
    night = late.night()
    assert night.published, night.sentences
    assert zeros_of(late.database, listing) == {("empty_verified", True)}
    assert not any(kind in sentence for sentence in said_in(night.run_id))
    late.simulator.configure(unrecorded_calls=UNRECORDED, trail_delay_seconds=0)
    assert late.night().published
    assert query(late.database, "select call from audit.trail_call where recorded_at is null") == []
