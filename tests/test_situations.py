"""The table of ordinary situations, `tests/situations.csv`: one row is one simulated organisation, over two runs.

A row's function here brings the situation about; what the first run does and says is the table's. Then the operator
does what the words say, and the second run publishes. Whatever the row, no trusted cell is short of what there is.
"""

from __future__ import annotations

import csv
import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import policies
from nights import DATABASE, cmdb_here, query, run_night, said_in
from organization_policies import refused, region_deny

from simulator.access import ROLE_NAMES, session_token
from simulator.client import Simulator, start
from simulator.profiles import ENDPOINT
from tools.docs.situations import TABLE

OPEN, CLOSED = REGIONS = ("us-east-1", "eu-west-1")

USUAL: dict[str, Any] = {"accounts": 4, "regions": REGIONS, "resources": 2}

FAR_AWAY = "888888888888"
"""An account of another partition."""

A_DEFECT = ("Traceback", "Internal error")


class Organisation:
    """A simulated organisation with a warehouse, and what leads to both.

    Attributes:
        environment: the variables of a run; what the operator sets is added here.
        account: the account that the row is about.
        mark: number of the simulator's last call before the run.
        said: what the last run said, in its sentences, warnings and log.
    """

    def __init__(self, simulator: Simulator, database: Path) -> None:
        self.simulator, self.database = simulator, database
        self.environment = {
            name: value for name, value in simulator.env.items() if name not in ("CMDB_REFERENCE", "CMDB_CURRENCY")
        }
        self.truth = simulator.truth("governance")
        self.reachable: list[str] = self.truth["reachable"]
        self.account = self.reachable[0]
        self.mark = 0
        self.said: list[str] = []

    @property
    def config(self) -> Path:
        """The AWS config file."""
        return Path(self.environment["AWS_CONFIG_FILE"])

    def stanza(self, account: str) -> str:
        """The lines of the config file below the name of an account's profile."""
        return self.config.read_text().partition(f"[profile {self.profile_of(account)}]")[2].partition("[profile")[0]

    def profile_of(self, account: str) -> str:
        """The name of an account's profile."""
        (name,) = [a["profile"] for a in self.truth["accounts"] if a["account_id"] == account]
        return str(name)

    def change(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Change the organisation now."""
        return self.simulator.change(do, **arguments)

    def during(self, call: str, do: str, **arguments: Any) -> None:
        """Change the organisation in the middle of a run, as a call first arrives."""
        service, op = call.split(":")
        rule = {"action": "change", "do": do, "arguments": arguments, "service": service, "op": op}
        self.simulator.faults([{**rule, "times": 1}])

    def fault(self, action: str, call: str, **more: Any) -> None:
        """Break calls of the row's account."""
        service, op = call.split(":")
        self.simulator.faults([{"action": action, "service": service, "op": op, "account": self.account, **more}])

    def run(self) -> Any:
        """One run, by which no exception comes out."""
        self.mark = max((call["number"] for call in self.simulator.log()), default=0)
        night = run_night(self.environment, self.database)
        assert not [said for said in night.sentences if any(word in said for word in A_DEFECT)], night.sentences
        words = (*night.sentences, *night.warnings, *said_in(night.run_id))
        self.said = [" ".join(sentence.split()) for sentence in words]
        return night

    def rows(self, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """Rows of the published file."""
        return query(self.database, sql, parameters)

    def resources(self) -> set[tuple[Any, ...]]:
        """Status and staleness of resources of the row's account, but for what operations sees of them."""
        sql = """
            select distinct status, is_stale from cmdb.resource
            where account_id = $account and discovered_by = 'listing' and role = 'workload'
        """
        return set(self.rows(sql, account=self.account))


Act = Callable[[Organisation], None]


def nothing(_: Organisation) -> None:
    """Nobody does anything."""


def tolerate(o: Organisation) -> None:
    """Set what the refusal names, word by word."""
    (setting, value), *_ = [
        found.groups()
        for text in o.said
        if (found := re.search(r"without them: (CMDB_UNTRUSTED_TOLERANCE)=([0-9.]+) ", text))
    ]
    o.environment[setting] = value


@dataclass(frozen=True)
class Situation:
    """How a row of the table comes about.

    Attributes:
        begin: brings the situation about, before its first run.
        is_known_before: a truthful run has been published before.
        remedy: what the operator does after the first run.
        check: what holds after a run that published, by its number.
        options: of the simulator.
    """

    begin: Act
    is_known_before: bool = False
    remedy: Act = nothing
    check: Callable[[Organisation, int], None] = lambda organisation, number: None
    options: Mapping[str, Any] = field(default_factory=dict)


ROWS: dict[str, Situation] = {}

with TABLE.open(encoding="utf-8", newline="") as _file:
    EXPECTED = {row["name"]: row for row in csv.DictReader(_file)}


def row(begin: Act | None = None, *, name: str = "", **values: Any) -> Any:
    """Add a row, whose name is the decorated function's and whose `begin` it is."""

    def add(function: Act) -> Act:
        ROWS[name or function.__name__] = Situation(function, **values)
        return function

    return add if begin is None else add(begin)


# ------------------------------------------------------------------------------------ what is refused, or not there


def asked_once(o: Organisation, number: int) -> None:
    calls = refused(call for call in o.simulator.log() if call["number"] > o.mark and call["region"] == CLOSED)
    assert set(o.reachable) <= {account for _, account, _ in calls}
    assert number == 1 or max(calls.values()) == 1, calls


@row(name="region_deny", check=asked_once)
def deny_regions(o: Organisation) -> None:
    o.change("add_policy", name="RegionDeny", content=region_deny(OPEN), target="/")


def region_of_one(o: Organisation, _: int) -> None:
    operations = o.truth["central"]["operations"]
    there = o.rows("select distinct account_id from aws.ec2_instance where region = $region", region=CLOSED)
    assert {account for (account,) in there} == {o.account, operations}
    assert o.rows("select count(*) > 0 from audit.coverage where skip_reason = 'region_disabled'") == [(True,)]


@row(check=region_of_one)
def opted_in_by_one(o: Organisation) -> None:
    o.change("opt_in", region=CLOSED, accounts=[o.account, o.truth["central"]["operations"]])


@row(remedy=tolerate)
def one_action(o: Organisation) -> None:
    o.fault("denied", "rds:DescribeDBInstances")


ROWS["one_action_granted"] = Situation(one_action, remedy=lambda o: o.simulator.control("DELETE", "/faults"))


@row(remedy=tolerate)
def boundary(o: Organisation) -> None:
    action = "lambda:ListFunctions"
    who = f"arn:aws:sts::{o.account}:assumed-role/{ROLE_NAMES['workload']}/cmdb"
    reason = f"because no permissions boundary allows the {action} action"
    message = f"User: {who} is not authorized to perform: {action} {reason}"
    o.fault("error", action, code="AccessDeniedException", message=message, status=403)


@row(remedy=tolerate)
def throttled(o: Organisation) -> None:
    o.fault("throttle", "rds:DescribeDBClusters")


# ------------------------------------------------------------------------------------------------- accounts


def stale(o: Organisation, _: int) -> None:
    assert {is_stale for _, is_stale in o.resources()} == {True}


def add_profile(o: Organisation) -> None:
    """As `cmdb profiles` prints it, with the simulator's role and endpoint."""
    own = o.stanza(o.reachable[1]).replace(o.reachable[1], o.account)
    with o.config.open("a") as file:
        file.write(f"\n[profile acme-added]{own}")


def remove_profile(o: Organisation) -> None:
    """Out of the config file, with its stanza."""
    text = o.config.read_text()
    o.config.write_text(text.replace(f"[profile {o.profile_of(o.account)}]{o.stanza(o.account)}", ""))


ROWS["profile_removed"] = Situation(remove_profile, is_known_before=True, check=stale)


@row(remedy=tolerate, options={"accounts": 3})
def no_role_yet(o: Organisation) -> None:
    own = o.stanza(o.account)
    o.config.write_text(o.config.read_text().replace(own, own.replace(ROLE_NAMES["workload"], "NotThereYet")))


ROWS["no_role_removed"] = Situation(no_role_yet, remedy=remove_profile, options={"accounts": 3})


def not_collected(o: Organisation, _: int) -> None:
    assert o.rows("select count(*) from audit.coverage where account_id = $account", account=FAR_AWAY) == [(0,)]


@row(check=not_collected)
def partitions(o: Organisation) -> None:
    token = session_token(FAR_AWAY, ROLE_NAMES["workload"], "cmdb", int(time.time()) + 86400, "aws-cn")
    keys = ("aws_access_key_id = ASIA0000000000000FAR", "aws_secret_access_key = far", f"aws_session_token = {token}")
    with o.config.open("a") as file:
        file.write(
            "\n".join(["", "[profile acme-far]", *keys, "region = cn-north-1", f"endpoint_url = {ENDPOINT}", ""])
        )


def reached_in_the_end(o: Organisation, number: int) -> None:
    assert bool(o.resources()) == (number == 2)


@row(remedy=add_profile, check=reached_in_the_end)
def no_profile(o: Organisation) -> None:
    remove_profile(o)


@row(remedy=add_profile, check=reached_in_the_end)
def created(o: Organisation) -> None:
    o.account = o.change("add_account", name="brand new")["account_id"]


def retired(o: Organisation, _: int) -> None:
    assert {status for status, _ in o.resources()} == {"retired"}


def _closing(name: str, check: Callable[[Organisation, int], None]) -> None:
    def begin(o: Organisation) -> None:
        o.change("close_account", account_id=o.account, state=name.upper())

    ROWS[name] = Situation(begin, is_known_before=True, check=check)


_closing("suspended", stale)
_closing("pending_closure", stale)
_closing("closed", retired)


@row(is_known_before=True)
def joined_later(o: Organisation) -> None:
    o.during("ec2:DescribeInstances", "add_account", name="brand new")


@row(is_known_before=True)
def joined_during(o: Organisation) -> None:
    o.during("organizations:ListAccountsForParent", "add_account", name="brand new")


@row(is_known_before=True, check=lambda o, number: retired(o, number) if number == 2 else None)
def left_during(o: Organisation) -> None:
    o.during("ec2:DescribeVpcs", "remove_account", account_id=o.account, keeps_role=True)


@row(is_known_before=True, remedy=tolerate)
def closed_during(o: Organisation) -> None:
    o.during("ec2:DescribeVpcs", "close_account", account_id=o.account)


def moved(o: Organisation, number: int) -> None:
    ((path,),) = o.rows("select ou_path from org.account where account_id = $account", account=o.account)
    assert (path == "/Infrastructure") == (number == 2)


@row(is_known_before=True, check=moved)
def moved_during(o: Organisation) -> None:
    o.during("ec2:DescribeInstances", "move_account", account_id=o.account, ou="Infrastructure")


def named_anew(o: Organisation, _: int) -> None:
    assert o.rows("select account_name from org.account where account_id = $a", a=o.account) == [("another name",)]


@row(is_known_before=True, check=named_anew)
def renamed(o: Organisation) -> None:
    o.change("rename_account", account_id=o.account, name="another name")


def judged_empty(o: Organisation, _: int) -> None:
    sql = """
        select distinct outcome from audit.coverage
        where account_id = $account and role = 'workload' and listing in ('ec2_instance', 'rds_db_instance')
    """
    assert o.rows(sql, account=o.account) == [("empty_verified",)]


@row(check=judged_empty)
def empty_account(o: Organisation) -> None:
    o.change("use_only", account_id=o.account, services=[])


def only_buckets(o: Organisation, number: int) -> None:
    judged_empty(o, number)
    sql = "select count(*) > 0 from aws.s3_bucket where account_id = $account"
    assert o.rows(sql, account=o.account) == [(True,)]


@row(check=only_buckets)
def global_account(o: Organisation) -> None:
    o.change("use_only", account_id=o.account, services=["s3", "route53"])


def used_nowhere(o: Organisation, _: int) -> None:
    sql = """
        select distinct outcome from audit.coverage
        where listing in ('rds_db_instance', 'lambda_function') and outcome <> 'skipped'
    """
    assert o.rows(sql) == [("empty_verified",)]


@row(check=used_nowhere)
def unused_service(o: Organisation) -> None:
    o.change("use_nowhere", service="rds")
    o.change("use_nowhere", service="lambda")


# -------------------------------------------------------------------------------------------- the organisation


def use_management(o: Organisation) -> None:
    o.environment["AWS_MANAGEMENT_PROFILE"] = "acmeManagement"


@row(remedy=use_management)
def delegated(o: Organisation) -> None:
    o.environment |= {"AWS_MANAGEMENT_PROFILE": "acmeDelegatedManagement", "CMDB_WORKLOAD_PROFILES": "acme-*"}


def _payer(name: str, payer: str, pair: str) -> None:
    def declare(o: Organisation) -> None:
        o.environment["CMDB_SHARED_ACCOUNTS"] = pair

    ROWS[name] = Situation(nothing, remedy=declare, options={"payer": payer})


_payer("payer_is_management", "management", "management+billing")
_payer("operations_is_billing", "operations", "operations+billing")
ROWS["flat"] = Situation(nothing, options={"tree": "flat"})
ROWS["deep"] = Situation(nothing, options={"tree": "deep"})


def all_policies(o: Organisation, _: int) -> None:
    assert o.rows("select count(*) >= 1000 from org.policy") == [(True,)]


@row(check=all_policies)
def many_policies(o: Organisation) -> None:
    o.change("add_policies", count=1000)
    o.simulator.configure(page_sizes={"organizations:ListPolicies": 20})


@row
def twice(o: Organisation) -> None:
    with o.config.open("a") as file:
        file.write(f"\n[profile acme-again]{o.stanza(o.account)}")


def correct_config(o: Organisation) -> None:
    text, twin = o.config.read_text(), f"\n[profile {o.profile_of(o.account)}]{o.stanza(o.account)}"
    o.config.write_text(text.removesuffix(twin))


@row(remedy=correct_config)
def section_twice(o: Organisation) -> None:
    with o.config.open("a") as file:
        file.write(f"\n[profile {o.profile_of(o.account)}]{o.stanza(o.account)}")


def own_vpc(o: Organisation) -> str:
    """A VPC that people of the row's account have made."""
    vpcs = o.simulator.truth("network")["vpcs"]
    return next(
        str(vpc["vpc_id"])
        for vpc in vpcs
        if (vpc["account_id"], vpc["region"]) == (o.account, OPEN) and not vpc["is_default"]
    )


def seen_once(o: Organisation, _: int) -> None:
    seen = o.rows("select account_id from aws.ec2_vpc where vpc_id = $vpc", vpc=own_vpc(o))
    assert seen == [(o.account,)]


@row(check=seen_once)
def shared_vpc(o: Organisation) -> None:
    o.change("share_vpc", vpc_id=own_vpc(o), account_id=o.reachable[1])


@row(is_known_before=True, remedy=lambda o: o.simulator.stop_lying())
def sso_ends(o: Organisation) -> None:
    o.simulator.lie("expired_midway_billing")


@row(is_known_before=True)
def repointed(o: Organisation) -> None:
    o.during("ec2:DescribeVpcs", "point_profile", profile=o.profile_of(o.account), account_id=o.reachable[1])


# -------------------------------------------------------------------------------------------------- the bill


@row
def many_tags(o: Organisation) -> None:
    o.simulator.configure(further_tags=400)
    o.environment["CMDB_REFERENCE"] = o.simulator.env["CMDB_REFERENCE"]


def month_is_negative(o: Organisation, _: int) -> None:
    total = "select sum(unblended_cost) < 0 from cost.daily where slice = 'service' and usage_date >= $first::date"
    assert o.rows(total, first=o.truth["today"][:8] + "01") == [(True,)]


@row(check=month_is_negative)
def negative(o: Organisation) -> None:
    o.change(
        "restate",
        usage_date=o.truth["today"][:8] + "01",
        account_id=o.truth["central"]["billing"],
        service="AmazonCloudWatch",
        amount="-250000",
        record_type="Credit",
    )


@row
def no_spend(o: Organisation) -> None:
    o.simulator.configure(billed_from=o.truth["today"][:8] + "05")


def in_that_currency(o: Organisation, _: int) -> None:
    assert o.rows("select distinct currency from cost.daily") == [("CNY",)]


def show_that_currency(o: Organisation) -> None:
    o.environment["CMDB_CURRENCY"] = "CNY"


@row(check=in_that_currency, remedy=show_that_currency)
def currency(o: Organisation) -> None:
    o.simulator.configure(currency="CNY")


def bill_is_unknown(o: Organisation, number: int) -> None:
    sql = "select distinct is_judged, unknown_reason from audit.expected_cell where listing_name = 'cost_daily'"
    assert o.rows(sql) == [(False, "no_cost_data")]
    claim = "select judged, unknown > 0, (select count(*) from cost.daily) from audit.claim where claim = 'cost.daily'"
    assert o.rows(claim) == [(0, True, 0)]


def refuse_bill(o: Organisation, code: str, message: str) -> None:
    """Let Cost Explorer refuse the bill, and not the free words about tags."""
    rule = {"action": "error", "service": "ce", "op": "GetCostAndUsage", "code": code, "message": message}
    o.simulator.faults([rule])


NOT_READY = "Data is not available. If just enabled Cost Explorer, data might not be ingested yet"


@row(check=bill_is_unknown)
def not_billed_yet(o: Organisation) -> None:
    refuse_bill(o, "DataUnavailableException", NOT_READY)


def open_cost_explorer(o: Organisation) -> None:
    """In the console; the costs come a day later."""
    o.simulator.control("DELETE", "/faults")
    not_billed_yet(o)


@row(check=bill_is_unknown, remedy=open_cost_explorer)
def not_opened(o: Organisation) -> None:
    refuse_bill(o, "AccessDeniedException", "User not enabled for cost explorer access")


def accept_as_printed(o: Organisation) -> None:
    """The command that the refusal printed, word by word."""
    command = next(found[1] for text in o.said if (found := re.search(r"`cmdb (accept .*?)`", text)))
    done = cmdb_here({**o.environment, "CMDB_DATABASE": str(o.database)}, *shlex.split(command))
    assert done.returncode == 0, done.stderr


@row(remedy=accept_as_printed)
def billed_nothing(o: Organisation) -> None:
    o.simulator.configure(billed_from=o.truth["today"])


# ------------------------------------------------------------------------------------------------ the table


def assert_no_false_zero(o: Organisation) -> None:
    """Of every trusted cell, the published instances are those that there are."""
    there: dict[tuple[str, str], set[str]] = {}
    for instance in o.simulator.truth("governance")["instances"]:
        there.setdefault((instance["account_id"], instance["region"]), set()).add(instance["instance_id"])
    shown: dict[tuple[str, str], set[str]] = {}
    for account, region, name in o.rows("select account_id, region, instance_id from aws.ec2_instance"):
        shown.setdefault((account, region), set()).add(name)
    trusted = o.rows("select account_id, region from audit.coverage where listing = 'ec2_instance' and is_trusted")
    assert trusted
    for place in trusted:
        assert shown.get(place, set()) == there.get(place, set()), place


@pytest.fixture(scope="module")
def known_before(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The warehouse of the usual organisation after a truthful run: all its simulators show one world."""
    folder = tmp_path_factory.mktemp("before")
    with start(folder / "organisation", policies(), trail_passes=True, **USUAL) as simulator:
        o = Organisation(simulator, folder / "warehouse" / DATABASE)
        night = o.run()
        assert night.published, night.sentences
        yield folder / "warehouse"


def test_every_row_of_the_table_is_run() -> None:
    assert ROWS.keys() == EXPECTED.keys()


@pytest.mark.large
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", EXPECTED)
def test_a_situation(name: str, make_organisation: Any, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    situation, expected = ROWS[name], EXPECTED[name]
    o = Organisation(make_organisation(**{**USUAL, **situation.options}), tmp_path / "warehouse" / DATABASE)
    if situation.is_known_before:
        shutil.copytree(request.getfixturevalue("known_before"), o.database.parent, symlinks=True)
    situation.begin(o)
    first = o.run()
    print(*[f"  {sentence}" for sentence in (*first.sentences, *first.warnings)], sep="\n")
    assert first.published == (expected["first_run"] == "publishes"), first.sentences
    for word in expected["words"].split("|"):
        wanted = word.format(account=o.account, payer=o.truth["central"]["billing"])
        assert any(wanted in sentence for sentence in o.said), (wanted, o.said[:20])
    if first.published:
        assert_no_false_zero(o)
        situation.check(o, 1)
    situation.remedy(o)
    second = o.run()
    print(*[f"  {sentence}" for sentence in (*second.sentences, *second.warnings)], sep="\n")
    assert second.published, second.sentences
    assert_no_false_zero(o)
    situation.check(o, 2)
