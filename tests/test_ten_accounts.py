"""Ten states that an account can be in, all in one night: it publishes, and says one sentence for each."""

from __future__ import annotations

import shlex
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from nights import DATABASE, cmdb_here, query, run_night, said_in
from organization_policies import region_deny

from pipelines.trust.outcomes import CONCLUSIVE_SKIPS, WAITING_SKIPS
from simulator.access import ROLE_NAMES
from simulator.client import Simulator

if TYPE_CHECKING:
    from pipelines.cli.summary import RunSummary

OPEN, CLOSED = REGIONS = ("us-east-1", "eu-west-1")

SIZES = [
    pytest.param((20, {"CMDB_UNTRUSTED_TOLERANCE": "0.25"}), id="of twenty, where a quarter may fail"),
    pytest.param((100, {}), id="of a hundred, as it is installed"),
]
"""Of ten accounts, each in a state of its own, more than a quarter answer nothing for one and the same listing: that no
setting allows, nor should one. So they are among others: who runs so few says that a quarter may fail."""


@dataclass
class World:
    """Which account is in which state.

    Attributes:
        of: account id by state.
        environment: what leads to the organisation, with a profile for the new account.
    """

    simulator: Simulator
    of: dict[str, str]
    environment: dict[str, str]
    healthy: list[str] = field(default_factory=list)

    def break_them(self) -> None:
        """From now on each account is in its state; the empty, suspended and unreached ones have been."""
        of = self.of
        self.simulator.faults(
            [
                {"action": "denied", "service": "cloudtrail", "account": of["no CloudTrail"]},
                {"action": "throttle", "service": "cloudtrail", "account": of["CloudTrail throttled"]},
                {
                    "action": "denied",
                    "service": "rds",
                    "op": "DescribeDBInstances",
                    "account": of["one action missing"],
                },
                {"action": "denied", "account": of["everything denied"], "exclude_services": ["sts", "sso"]},
                # Once its own account has said who it is and which regions it has.
                {
                    "action": "misroute",
                    "role": "workload",
                    "account": of["wrong account"],
                    "item": self.healthy[0],
                    "exclude_services": ["sts"],
                    "exclude_ops": ["DescribeRegions"],
                },
                # From the first call on.
                {
                    "action": "misroute",
                    "role": "workload",
                    "account": of["wrong profile"],
                    "item": self.healthy[1],
                },
            ]
        )
        self.simulator.change(
            "add_policy", name="RegionDeny", content=region_deny(OPEN), target=of["region denied by policy"]
        )


@pytest.fixture(params=SIZES)
def world(make_organisation: Any, request: pytest.FixtureRequest) -> World:
    accounts, tolerance = request.param
    simulator = make_organisation(accounts=accounts, regions=REGIONS, resources=1)
    empty = simulator.change("add_account", name="brand new")["account_id"]
    for instance in simulator.truth("governance")["instances"]:
        if instance["account_id"] == empty:
            simulator.change("forget_instance", instance_id=instance["instance_id"])
    simulator.faults(
        [
            {
                "action": "empty",
                "account": empty,
                "exclude_services": ["sts", "sso", "cloudtrail"],
                "exclude_ops": ["DescribeRegions"],
            }
        ]
    )
    config = Path(simulator.env["AWS_CONFIG_FILE"])
    stanza = config.read_text().partition("[profile acme-payments-prod]")[2].partition("[profile")[0]
    arn = next(line for line in stanza.splitlines() if line.startswith("role_arn"))
    own = stanza.replace(arn, f"role_arn = arn:aws:iam::{empty}:role/{ROLE_NAMES['workload']}")
    config.write_text(f"{config.read_text()}\n[profile {shlex.quote('acme-brand-new')}]{own}")
    truth = simulator.truth("governance")
    reachable = truth["reachable"]
    by_name = {account["name"]: account["account_id"] for account in truth["accounts"]}
    names = (
        "no CloudTrail",
        "CloudTrail throttled",
        "region denied by policy",
        "one action missing",
        "wrong account",
        "everything denied",
        "wrong profile",
    )
    of = dict(zip(names, reachable, strict=False)) | {
        "no profile": by_name["acquired-company"],
        "suspended": by_name["mothballed"],
        "empty": empty,
    }
    healthy = [account for account in reachable if account not in of.values()]
    of["healthy"] = healthy[-1]
    # Each listing is due in each run: what is not due keeps its rows, in whatever state its account is.
    return World(simulator, of, simulator.env | tolerance | {"CMDB_EVERY_NIGHT": "yes"}, healthy)


def cells(database: Path, account: str) -> Counter[tuple[str, str | None]]:
    """Outcomes and reasons of an account's workload cells in the newest run, less those with nothing to request."""
    rows = query(
        database,
        """
        select outcome, skip_reason, count(*) from audit.collection
        where account_id = $account and role = 'workload'
            and run_id = (select run_id from audit.run order by started_at desc limit 1)
            and not list_contains($nothing, coalesce(skip_reason, ''))
        group by all
        """,
        {"account": account, "nothing": [*CONCLUSIVE_SKIPS, *WAITING_SKIPS]},
    )
    return Counter({(outcome, reason): count for outcome, reason, count in rows})


def resources(database: Path) -> dict[str, dict[tuple[Any, ...], tuple[Any, ...]]]:
    """By account, what it listed itself: whether each is stale, and its status.

    What another account lists, such as the owner of a transit gateway its attachments, is that one's to know.
    """
    found: dict[str, dict[tuple[Any, ...], tuple[Any, ...]]] = {}
    for account, arn, kind, status, is_stale in query(
        database,
        "select account_id, arn, resource_type, status, is_stale from cmdb.resource "
        "where caller_account_id = account_id",
    ):
        found.setdefault(account, {})[arn, kind] = (status, is_stale)
    return found


def only(sentences: list[str], account: str, *words: str) -> str:
    """The one sentence that names an account with these words."""
    (said,) = {sentence for sentence in sentences if account in sentence and all(word in sentence for word in words)}
    return said


def check_cells(world: World, database: Path, *, reached_before: bool) -> None:
    """The outcome of every state: the same with a history and without, but where regions were never listed."""
    of = world.of
    denied_trail = cells(database, of["no CloudTrail"])
    assert set(denied_trail) == {("found", None), ("empty_unconfirmed", None)}
    assert set(cells(database, of["CloudTrail throttled"])) == {("found", None), ("empty_unconfirmed", None)}
    closed = query(
        database,
        "select distinct region from audit.coverage "
        "where account_id = $account and skip_reason = 'denied_by_policy' and region <> 'aws-global'",
        {"account": of["region denied by policy"]},
    )
    assert closed == [(CLOSED,)]
    assert cells(database, of["one action missing"])["denied", None] == len(REGIONS)
    wrong = cells(database, of["wrong account"])
    assert wrong["wrong_account", None] > 10
    assert wrong["empty_verified", None] == 0
    everything = cells(database, of["everything denied"])
    if reached_before:
        assert everything["denied", None] > 20
        assert not {outcome for outcome, _ in everything} - {"denied", "skipped"}
    else:
        # What has no region, such as its regions and its buckets; nobody knows where to ask for the others.
        assert 2 <= everything["denied", None] <= 3
        assert everything["failed", None] > 10
    assert ("skipped", "no_profile") in cells(database, of["wrong profile"])
    assert set(cells(database, of["no profile"])) == {("skipped", "no_profile")}
    assert set(cells(database, of["suspended"])) == {("skipped", "account_suspended")}
    empty = cells(database, of["empty"])
    assert {outcome for outcome, reason in empty if reason is None} == {"found", "empty_verified"}
    assert empty["found", None] == 1  # its regions
    assert {outcome for outcome, _ in cells(database, of["healthy"])} == {"found", "empty_verified"}


def check_sentences(world: World, night: RunSummary, database: Path, *, reached_before: bool) -> dict[str, str]:
    """One sentence for each state, by state, as it is told."""
    of, warned = world.of, night.warnings
    log = said_in(night.run_id)
    told = {
        "no CloudTrail": only(warned, of["no CloudTrail"], "grant cloudtrail:LookupEvents to the role"),
        "CloudTrail throttled": only(warned, of["CloudTrail throttled"], "Rate exceeded", "`cmdb confirm`"),
        "region denied by policy": only(warned, of["region denied by policy"], "(RegionDeny)", CLOSED),
        "one action missing": only(warned, of["one action missing"], "rds_db_instance: denied", "`cmdb policy"),
        "wrong account": only(warned, of["wrong account"], "wrong_account in", "Correct the profile acme-"),
        "everything denied": only(
            warned,
            of["everything denied"],
            "more listings: denied" if reached_before else "ec2_region, s3_bucket",
            "`cmdb policy",
        ),
        "no profile": only(warned, of["no profile"], "No profile reaches"),
        "wrong profile": only(warned, of["wrong profile"], "No profile reaches"),
        "suspended": only(log, of["suspended"], "is SUSPENDED; not collected", "Its last rows stay"),
    }
    if reached_before:
        assert "any more" in told["wrong profile"]
        assert "Restore the profile" in told["wrong profile"]
    else:
        assert "`cmdb profiles`" in told["no profile"]
    # Nothing else is warned of, and nobody else.
    of_the_demo = ("is called like its schema", "Every exchange rate")
    assert set(warned) <= {*told.values(), *(said for said in warned if any(part in said for part in of_the_demo))}
    for state in ("empty", "healthy", "suspended"):
        assert not [said for said in warned if of[state] in said]
    seen = cmdb_here({"CMDB_DATABASE": str(database)}, "coverage").stdout
    for state in ("empty", "healthy"):
        (told[state],) = (line for line in seen.splitlines() if of[state] in line)
        assert "denied" not in told[state]
    for state, said in told.items():
        print(f"{state}: {' '.join(said.split())}")
    return told


@pytest.mark.large
def test_a_run_with_an_account_in_every_state_publishes_and_says_a_sentence_for_each(
    world: World, tmp_path: Path
) -> None:
    database = tmp_path / DATABASE
    night = run_night(world.environment, database)
    assert (night.published, night.exit_code) == (True, 0), night.sentences
    before = resources(database)
    assert not any(is_stale for rows in before.values() for _, is_stale in rows.values())

    world.break_them()
    night = run_night(world.environment, database)
    assert (night.published, night.exit_code) == (True, 0), night.sentences
    check_cells(world, database, reached_before=True)
    after = resources(database)
    for state, account in world.of.items():
        rows, were = after.get(account, {}), before.get(account, {})
        assert {key: status for key, (status, _) in rows.items()} == {
            key: status for key, (status, _) in were.items()
        }, state
        stale = {is_stale for _, is_stale in rows.values()}
        if state in ("everything denied", "wrong account", "wrong profile"):
            assert stale == {True}, state
        elif state in ("region denied by policy", "one action missing"):
            assert stale == {True, False}, state
        elif state in ("suspended", "no profile", "empty"):
            assert not rows, state
        else:
            assert stale == {False}, state
    # Who is in no such state has tonight's rows, and all of them.
    for account in world.healthy:
        assert after[account] == before[account]
    check_sentences(world, night, database, reached_before=True)


@pytest.mark.large
def test_a_first_run_with_an_account_in_every_state_publishes_without_the_rows_of_the_broken(
    world: World, tmp_path: Path
) -> None:
    database = tmp_path / DATABASE
    world.break_them()
    night = run_night(world.environment, database)
    assert (night.published, night.exit_code) == (True, 0), night.sentences
    check_cells(world, database, reached_before=False)
    after = resources(database)
    for state in ("everything denied", "wrong account", "wrong profile", "no profile", "suspended", "empty"):
        assert world.of[state] not in after, state
    for state in ("everything denied", "wrong profile", "no profile", "suspended"):
        trusted = query(
            database,
            "select count(*) from audit.coverage where account_id = $account and role = 'workload' "
            "and last_trusted_at is not null",
            {"account": world.of[state]},
        )
        assert trusted == [(0,)], state
    unasked = query(
        database,
        "select count(*) from audit.coverage where outcome in ('denied', 'wrong_account', 'empty_unconfirmed') "
        "and last_trusted_at is not null",
    )
    assert unasked == [(0,)]
    check_sentences(world, night, database, reached_before=False)
