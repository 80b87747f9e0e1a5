"""One record listed twice: equal ones are one record, unequal ones fail their cell, and a refusal names its cells."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore_models import operation_model
from given import Given, House, run_checks
from nights import cmdb_here, copy_of, query, run_night
from scripted_aws import Call, Reply, as_json, reservations, scripted, static, write_profiles, xml
from steps import RUN, asked

from pipelines.catalogue.names import ACCOUNT, COST_DAILY, REGION
from pipelines.catalogue.registry import listings
from pipelines.cli.coverage import read_coverage
from pipelines.collection.export_files import FORMATS
from pipelines.collection.landing import LandingWriter
from pipelines.collection.previous import earlier_cells
from pipelines.errors import SqlFileError
from pipelines.models import checks
from pipelines.models.checks import key_checks
from pipelines.models.model import read_models
from resources.audit.coverage import EVERY_ACCOUNT
from resources.aws.client import AwsClient
from resources.aws.distinct import CONFLICT, distinct, identity_of
from resources.aws.errors import Failed
from resources.aws.listing import Listing
from resources.aws.messages import CellKey, Request, Response
from resources.aws.records import record_path
from resources.aws.retry import Retry
from resources.store.store import Store
from simulator.client import Simulator

ONE = "000000000001"
PLACE = "us-east-1"
CATALOGUE = listings()
INSTANCES = CATALOGUE["ec2_instance"]

Record = dict[str, Any]


# ------------------------------------------------------------------------------------------------ the registry


@pytest.mark.parametrize("listing", CATALOGUE.values(), ids=lambda listing: listing.name)
def test_every_listing_says_what_reports_its_records_apart_or_why_nothing_does(listing: Listing) -> None:
    assert bool(listing.key) != bool(listing.no_key), "write key=, or no_key= and the reason"
    model = operation_model(listing.service, listing.operation)
    if model.has_streaming_output:
        # Its records are made of the lines of a file, of which AWS's model says nothing.
        assert all(set(listing.key) <= set(table.columns) for table in FORMATS)
        return
    outer, inner = record_path(listing.records)
    shape = model.output_shape
    for name in outer:
        shape = shape.members[name]
    group = getattr(shape, "member", shape)
    record = group
    for name in inner:
        record = record.members[name]
    record = getattr(record, "member", record) if inner else record
    for path in listing.key:
        first, *rest = path.split(".")
        if first in listing.echo:
            assert first in model.input_shape.members
            continue
        found = group.members[first] if first in listing.carry else record.members[first]
        for name in rest:
            found = found.members[name]


def test_every_listing_without_a_key_is_read_by_a_table_that_keeps_one_of_each() -> None:
    keyless = {listing.name for listing in CATALOGUE.values() if not listing.key}
    read = {name: model for model in read_models().values() for name in model.listings if name in keyless}
    assert keyless == {
        "config_resource",
        "ec2_vpc_endpoint_service_permission",
        "explorer_resource",
        "lambda_alias",
        "lambda_function_url",
        "rds_db_proxy_target",
    }
    assert all("qualify" in model.sql for model in read.values())


# ------------------------------------------------------------------------------------------------- the records


def instance(name: str, **fields: Any) -> Record:
    return {"InstanceId": name, "State": {"Name": "running"}, **fields}


def test_equal_records_are_one_wherever_they_stand() -> None:
    some = [instance(f"i-{number}", Tags=[{"Key": "a", "Value": str(number)}]) for number in range(20)]
    for seed in range(50):
        generator = random.Random(seed)
        listed = some + [json.loads(json.dumps(generator.choice(some))) for _ in range(generator.randrange(9))]
        generator.shuffle(listed)
        assert sorted(distinct(INSTANCES, listed), key=str) == sorted(some, key=str)


def test_the_order_of_fields_makes_no_other_record() -> None:
    turned = dict(reversed(instance("i-1").items()))
    assert distinct(INSTANCES, [instance("i-1"), turned]) == [instance("i-1")]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"State": {"Name": "stopped"}}, id="another value"),
        pytest.param({"Tags": []}, id="a field more"),
        pytest.param({"State": {"Name": "running", "Code": 16}}, id="a field more, further in"),
    ],
)
def test_unequal_records_of_one_key_are_named_by_key_and_fields_and_not_by_what_they_hold(other: Record) -> None:
    with pytest.raises(Failed) as raised:
        distinct(INSTANCES, [instance("i-0"), instance("i-1"), instance("i-1") | other])
    assert (raised.value.outcome, raised.value.code) == ("failed", CONFLICT)
    assert f"InstanceId=i-1 more than once, and not as the same: {next(iter(other))} differ" in raised.value.message
    assert "stopped" not in raised.value.message
    assert "`cmdb nightly --only-untrusted`" in raised.value.message


def test_records_without_their_name_are_told_apart_by_all_they_say() -> None:
    nameless: list[Record] = [{"PublicIp": "192.0.2.1"}, {"PublicIp": "192.0.2.2"}, {"PublicIp": "192.0.2.1"}]
    assert distinct(CATALOGUE["ec2_address"], nameless) == nameless[:2]


def test_a_day_of_the_bill_on_two_pages_is_no_duplicate_and_a_group_on_two_pages_is() -> None:
    def group(day: str, service: str, amount: str = "1.00") -> Record:
        return {"TimePeriod": {"Start": day}, "Estimated": True, "Keys": [ONE, service], "Metrics": {"Amount": amount}}

    listing = CATALOGUE[COST_DAILY]
    bill = [group("2026-11-01", "A"), group("2026-11-01", "B"), group("2026-11-02", "A")]
    assert distinct(listing, bill) == bill
    assert distinct(listing, [*bill, group("2026-11-01", "B")]) == bill
    with pytest.raises(Failed, match=r'Keys=\["000000000001","B"\]'):
        distinct(listing, [*bill, group("2026-11-01", "B", "1.01")])


def test_pieces_of_one_metric_are_no_duplicates() -> None:
    piece = {"Id": "q0", "Label": "AWS/EC2|InstanceId|i-1|CPU|Maximum", "StatusCode": "PartialData"}
    days = [piece | {"Timestamps": [day], "Values": [1.0]} for day in ("2026-11-01", "2026-11-02")]
    nothing = [piece | {"Timestamps": [], "Values": [], "StatusCode": status} for status in ("PartialData", "Complete")]
    metric = CATALOGUE["cloudwatch_metric"]
    assert distinct(metric, [*days, *nothing, days[0]]) == [*days, *nothing]
    with pytest.raises(Failed):
        distinct(metric, [*days, days[0] | {"Values": [2.0]}])


@pytest.mark.parametrize("count", [2, 500, 5_000])
def test_a_spooled_response_lands_each_record_once_or_nothing(tmp_path: Path, count: int) -> None:
    key = CellKey("workload", ONE, PLACE, "ec2_instance")
    some = [instance(f"i-{number}", Text="x" * 200) for number in range(count)]

    def landed(listing: Listing | None, *more: Record) -> tuple[int, list[Record]]:
        with LandingWriter(tmp_path, "run", "ec2_instance") as writer:
            with writer.spool(key, listing) as spool:
                for record in (*some, *more):
                    spool.keep(record)
                number = spool.land()
            writer.commit()
        lines = (tmp_path / "run" / "ec2_instance" / "records.ndjson").read_text().splitlines()
        return number, [json.loads(line)["item"] for line in lines]

    assert landed(INSTANCES) == (count, some)
    assert landed(INSTANCES, some[0], some[-1], some[0]) == (count, some)
    # What nothing tells apart stays as it came.
    assert landed(CATALOGUE["config_resource"], some[0]) == landed(None, some[0]) == (count + 1, [*some, some[0]])
    with pytest.raises(Failed, match="InstanceId=i-1 more than once"):
        landed(INSTANCES, some[0], some[1] | {"Text": "y"})


def test_what_decides_is_the_record_and_not_its_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Same(str):
        __slots__ = ()

        def __hash__(self) -> int:
            return 1

    told = identity_of(INSTANCES)
    assert told is not None
    monkeypatch.setattr("resources.aws.distinct.identity_of", lambda _: lambda record: Same(told(record)))
    some = [instance(f"i-{number}") for number in range(9)]
    key = CellKey("workload", ONE, PLACE, "x")
    with LandingWriter(tmp_path, "run", "x") as writer, writer.spool(key, INSTANCES) as spool:
        for record in some:
            spool.keep(record)
        assert spool.land() == 9


# --------------------------------------------------------------------------------------------------- the answer


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Response]]:
    """Asks a listing of an AWS that says what a script says."""
    with scripted(tmp_path, monkeypatch) as aws:
        write_profiles(tmp_path, aws.url, {"one": static(ONE)})
        reach = AwsClient("workload", home_region=PLACE, retry=Retry())

        def put(script: Callable[[Call], Reply | None], listing: Listing = INSTANCES, **more: Any) -> Response:
            aws.script = script
            return reach.fetch(Request("one", ONE, PLACE, listing, "workload", **more))

        yield put
        reach.close()


def in_turn(*replies: Reply) -> Callable[[Call], Reply | None]:
    left = list(replies)
    return lambda call: None if call.service == "sts" else left.pop(0)


def test_the_same_instance_on_one_page_or_two_is_found_once(ask: Callable[..., Response]) -> None:
    for replies in (
        [reservations(ONE, "i-1", "i-2", "i-1")],
        [reservations(ONE, "i-1", "i-2", token="t"), reservations(ONE, "i-2", "i-3")],
        [reservations(ONE, "i-1", token="t"), reservations(ONE, "i-1", token="u"), reservations(ONE, "i-1")],
    ):
        answer = ask(in_turn(*replies))
        names = [record["InstanceId"] for record in answer.records]
        assert answer.outcome == "found"
        assert len(names) == len(set(names)) == answer.record_count


def test_an_instance_that_changes_between_two_pages_makes_no_response(ask: Callable[..., Response]) -> None:
    second = str(reservations(ONE, "i-1").body).replace("11:40:53", "11:40:54")
    answer = ask(in_turn(reservations(ONE, "i-1", "i-2", token="t"), Reply(second)))
    assert (answer.outcome, answer.error_code, answer.records, answer.record_count) == ("failed", CONFLICT, [], 0)
    assert "LaunchTime differ" in (answer.error_message or "")


def test_a_rule_of_a_security_group_on_two_pages_is_found_once(ask: Callable[..., Response]) -> None:
    def page(*names: str, token: str = "") -> Reply:
        rules = "".join(f"<item><securityGroupRuleId>{name}</securityGroupRuleId></item>" for name in names)
        return xml(
            "DescribeSecurityGroupRules",
            f"<securityGroupRuleSet>{rules}</securityGroupRuleSet>"
            + (f"<nextToken>{token}</nextToken>" if token else ""),
        )

    answer = ask(in_turn(page("sgr-1", token="t"), page("sgr-1", "sgr-2")), CATALOGUE["ec2_security_group_rule"])
    assert [record["SecurityGroupRuleId"] for record in answer.records] == ["sgr-1", "sgr-2"]


def test_the_same_record_of_two_batches_of_a_cell_is_found_once(ask: Callable[..., Response]) -> None:
    listing = CATALOGUE["lambda_function_tag"]
    batches = (
        {"Resource": "arn:aws:lambda:us-east-1:1:function:a"},
        {"Resource": "arn:aws:lambda:us-east-1:1:function:b"},
    )

    def script(call: Call) -> Reply | None:
        return None if call.service == "sts" else as_json({"Tags": {"a": "b"}})

    # Two functions with the same tags are two records: what was asked about belongs to what tells them apart.
    assert len(ask(script, listing, batches=batches).records) == 2
    assert len(ask(script, listing, batches=(*batches, batches[0])).records) == 2


# ------------------------------------------------------------------------------------- what two answers both claim


def instances(place: str, *names: str, **more: Any) -> Given:
    records = [{"OwnerId": ONE, "LaunchTime": "2026-11-20T00:00:00+00:00", **instance(name)} for name in names]
    return Given("ec2_instance", records, region=place, account_id=ONE, **more)


def judged(home: House, relation: str, run_id: str) -> checks.SqlResult:
    home.build(relation)
    rules = [rule for rule in key_checks(home.models.values()) if rule.on == relation]
    (result,) = run_checks(home.store, rules, run_id, "")
    return result


def disputed(home: House) -> list[tuple[str, str, str, str]]:
    return [
        tuple(row.values())
        for row in home.rows("select role, account_id, region, listing from audit.disputed_cell order by all")
    ]


CLASH = [("workload", ONE, "us-east-1", "ec2_instance"), ("workload", ONE, "us-east-2", "ec2_instance")]


def clash(home: House) -> checks.SqlResult:
    home.night(
        "night-1", [instances("us-east-1", "i-1", "i-2"), instances("us-east-2", "i-3"), instances("us-west-2", "i-4")]
    )
    home.build("aws.ec2_instance")
    home.execute("update aws.ec2_instance set arn = 'arn:same' where instance_id in ('i-1', 'i-3')")
    rules = [rule for rule in key_checks(home.models.values()) if rule.on == "aws.ec2_instance"]
    (result,) = run_checks(home.store, rules, "night-1", "")
    return result


def test_two_responses_that_claim_one_resource_are_named_shown_and_requested_again(blank_home: House) -> None:
    result = clash(blank_home)
    assert not result.passed
    assert (
        "It rests on 2 response(s): ec2_instance in account 000000000001, region us-east-1, requested by workload; "
        in result.sentence
    )
    assert result.sentence.endswith("`cmdb nightly --only-untrusted` requests them again.")
    assert disputed(blank_home) == CLASH
    shown = read_coverage(blank_home.store, blocked=True).untrusted
    assert [(row["region"], row["why"]) for row in shown] == [
        (region, "key_is_unique of aws.ec2_instance refused what was built of it")
        for region in ("us-east-1", "us-east-2")
    ]
    earlier = earlier_cells(blank_home.store, [INSTANCES], EVERY_ACCOUNT)
    assert {key: cell.is_disputed for key, cell in earlier.items()} == {
        CLASH[0]: True,
        CLASH[1]: True,
        ("workload", ONE, "us-west-2", "ec2_instance"): False,
    }


def test_what_was_returned_since_and_what_the_rule_lets_pass_now_is_disputed_no_more(blank_home: House) -> None:
    clash(blank_home)
    # The answers of the fixture are of an earlier day than the rule's word; a later one has not been judged.
    later = blank_home.rows("select max(checked_at) + interval 1 minute as at from audit.check_result")[0]["at"]
    blank_home.execute(f"update audit.collection set ended_at = '{later}' where region = 'us-east-1'")
    assert disputed(blank_home) == [CLASH[1]]
    blank_home.execute("update aws.ec2_instance set arn = instance_id")
    assert judged(blank_home, "aws.ec2_instance", "night-2").passed
    assert disputed(blank_home) == []


def test_the_same_run_asking_the_rule_again_forgets_what_it_named(blank_home: House) -> None:
    clash(blank_home)
    assert judged(blank_home, "aws.ec2_instance", "night-1").passed
    assert blank_home.rows("select * from audit.check_cell") == []


def test_a_table_that_holds_only_run_listing_and_time_leads_to_the_cell_too(blank_home: House) -> None:
    blank_home.night("night-1", [instances("us-east-1", "i-1", "i-2"), instances("us-east-2", "i-3")])
    blank_home.execute(
        "create or replace table aws.copy as "
        "select 'same' as arn, run_id, listing, collected_at from (values "
        "('night-1', 'ec2_instance', timestamptz '2026-11-24 14:00:00+00')) as t(run_id, listing, collected_at)"
    )
    rule = checks.SqlCheck("never", "aws.copy", True, "Never.", "select * from aws.copy")
    (result,) = run_checks(blank_home.store, [rule], "night-1", "")
    assert result.cell_count == 2


def test_a_rule_that_names_listings_has_their_cells_requested_again_and_a_warning_has_none(blank_home: House) -> None:
    blank_home.night("night-1", [instances("us-east-1", "i-1"), Given("organizations_account", [{"Id": ONE}])])
    rule = checks.SqlCheck(
        "never", "org.account", True, "Never.", "select 1 as one", refetch=("organizations_account",)
    )
    (result,) = run_checks(blank_home.store, [rule], "night-1", "")
    assert [cell[3] for cell in result.cells] == ["organizations_account"]
    run_checks(blank_home.store, [replace(rule, blocking=False)], "night-1", "")
    assert disputed(blank_home) == []
    (result,) = run_checks(blank_home.store, [replace(rule, refetch=("nothing",))], "night-1", "")
    assert (result.cells, disputed(blank_home)) == ((), [])


def test_every_rule_that_blocks_says_what_is_requested_again() -> None:
    """By its rows or by name: where nothing is, a refused night stays refused for twenty hours."""
    silent = [check.name for check in checks.read_checks() if check.blocking and not check.refetch]
    assert silent == []


def test_an_unknown_listing_is_no_rule(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("-- True.\n-- about: published\n-- refetch: ec2_instances\nselect 1\n")
    with pytest.raises(SqlFileError, match="refetch: ec2_instances is no listing of the catalogue"):
        checks.read_checks(tmp_path)


# ------------------------------------------------------------------------------------------------ one whole step


def repeating(op: str, account: str = "*", item: str = "", **more: Any) -> Mapping[str, Any]:
    return {"action": "repeat", "op": op, "account": account, "item": item, **more}


def tell(organisation: Simulator, *rules: Mapping[str, Any]) -> None:
    """These rules and no others: of several that match, the first would decide."""
    organisation.control("DELETE", "/faults")
    organisation.faults(rules)


def test_a_step_takes_equal_records_once_and_freezes_the_cell_with_unequal_ones(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    first, second = organisation.truth()["reachable"][:2]
    held = "select count(*) from aws.ec2_instance where caller_account_id = $account"
    expected = {account: query(database, held, {"account": account})[0][0] for account in (first, second)}
    organisation.faults(
        [repeating("DescribeInstances", first), repeating("DescribeInstances", second, item="InstanceType")]
    )
    with asked(organisation, database, REGION, "ec2_instance") as cells:
        own = {
            account: [c for c in cells if (c.account_id, c.listing) == (account, "ec2_instance")]
            for account in (first, second)
        }
    assert {cell.outcome for cell in own[first]} <= {"found", "empty_verified"}
    assert sum(cell.record_count for cell in own[first]) == expected[first]
    broken = [cell for cell in own[second] if cell.outcome == "failed"]
    assert broken
    assert {(cell.error_code, cell.is_trusted, cell.attempt_count) for cell in broken} == {(CONFLICT, False, 2)}
    assert all("InstanceType differ" in (cell.error_message or "") for cell in broken)
    tell(organisation)
    with asked(organisation, database, REGION, "ec2_instance", only_untrusted=True, run="a-night-later") as cells:
        again = [cell for cell in cells if cell.outcome != "skipped"]
        assert {cell.region for cell in again} == {cell.region for cell in broken}
        assert {(cell.account_id, cell.outcome) for cell in again} == {(second, "found")}


def test_a_step_refuses_a_central_list_with_two_versions_of_an_account_and_says_how_to_go_on(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    organisation.faults([repeating("ListAccounts", item="Email")])
    with asked(organisation, database, ACCOUNT) as cells:
        assert [(cell.outcome, cell.error_code, cell.attempt_count) for cell in cells] == [("failed", CONFLICT, 2)]
    ((severity, passed, said),) = query(
        database,
        "select severity, passed, observed from audit.check_result where run_id = $run and scope = $listing",
        {"run": RUN, "listing": ACCOUNT},
        of="working",
    )
    assert (severity, passed) == ("ERROR", False)
    assert "organizations:ListAccounts listed Id=" in said
    assert "Email differ" in said
    assert "Request it again: `cmdb nightly --only-untrusted`." in said
    tell(organisation, repeating("ListAccounts"))
    with asked(organisation, database, ACCOUNT, only_untrusted=True) as cells:
        assert [(cell.outcome, cell.record_count) for cell in cells] == [
            ("found", len(organisation.truth()["accounts"]))
        ]


def test_what_a_refusal_named_is_requested_again_though_it_was_trusted(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    account = organisation.truth()["reachable"][0]
    with asked(organisation, database, REGION, "ec2_vpc") as cells:
        named = [cell for cell in cells if (cell.account_id, cell.listing) == (account, "ec2_vpc")][:2]
    store = Store(database)
    with store.holding("rule", "test"):
        places = ", ".join(f"'{cell.region}'" for cell in named)
        rule = checks.SqlCheck(
            "never",
            "aws.ec2_vpc",
            True,
            "Never.",
            "select role, account_id as caller_account_id, region as cell_region, listing from audit.coverage "
            f"where account_id = '{account}' and listing = 'ec2_vpc' and region in ({places})",
        )
        run_checks(store, [rule], "another-night", "")
    with asked(organisation, database, REGION, "ec2_vpc", only_untrusted=True, run="a-night-later") as cells:
        assert {(cell.account_id, cell.region) for cell in cells if cell.outcome != "skipped"} == {
            (account, cell.region) for cell in named
        }
    with asked(organisation, database, REGION, "ec2_vpc", only_untrusted=True, run="the-night-after") as cells:
        assert [cell for cell in cells if cell.outcome != "skipped"] == []


# ------------------------------------------------------------------------------------------------- whole nights

TABLES = ("aws.ec2_instance", "aws.ec2_security_group_rule", "aws.lambda_function", "org.account", "cmdb.relationship")
OWN_TIME = ("run_id", "collected_at", "last_seen_at", "observed_at")


def held(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What is published, but for when it was asked."""
    return {
        name: query(database, f"select columns(lambda name: name not in {OWN_TIME}) from {name} order by all")
        for name in TABLES
    }


@pytest.mark.large
def test_runs_in_which_records_stand_twice(organisation: Simulator, truthful_night: Path, tmp_path: Path) -> None:
    database = copy_of(truthful_night, tmp_path)
    truth = held(database)
    first, second, third = organisation.truth()["reachable"][:3]
    equal = [
        repeating("DescribeInstances", first),
        repeating("DescribeSecurityGroupRules", second),
        repeating("ListFunctions*", third),
        repeating("ListAccounts"),
        repeating("ListAccountsForParent"),
        repeating("ListOrganizationalUnitsForParent"),
    ]
    tell(organisation, *equal)
    night = run_night(organisation.env, database)
    assert (night.published, night.exit_code) == (True, 0), night.sentences
    assert held(database) == truth

    # Unequal in one cell: that cell is frozen and named, and the night is published.
    region = sorted(organisation.truth()["regions"])[0]
    tell(organisation, repeating("DescribeInstances", first, item="InstanceType", region=region))
    night = run_night(organisation.env | {"CMDB_UNTRUSTED_TOLERANCE": "0.25"}, database)
    assert night.published, night.sentences
    assert any("InstanceId=" in said and first in said and "marked stale" in said for said in night.warnings)
    stale = query(database, "select distinct account_id, region from aws.ec2_instance where is_stale")
    assert stale == [(first, region)]

    # Unequal in a central listing: nothing is published, and the sentence says how to go on.
    tell(organisation, repeating("ListAccounts", item="Email"))
    night = run_night(organisation.env, database)
    assert (night.published, night.exit_code) == (False, 1)
    assert any(
        "organizations:ListAccounts listed Id=" in said and "--only-untrusted" in said for said in night.sentences
    )

    tell(organisation)
    done = cmdb_here(
        organisation.env | {"CMDB_DATABASE": str(database), "CMDB_COST_MONTHS": "1"}, "nightly", "--only-untrusted"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert held(database) == truth
