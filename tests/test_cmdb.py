"""Configuration items over the nights: what is remembered of them, how they hang together, who answers for them."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from given import FIRST_NIGHT, WORKLOAD, Given, House, build, hours, house

from pipelines.models.checks import read_checks, run
from pipelines.models.model import ModelError, read_models

if TYPE_CHECKING:
    from resources.aws.messages import Outcome

RULES = {check.name: check for check in read_checks()}


def instance(name: str, **other: Any) -> dict[str, Any]:
    """An instance as EC2 gives it, as far as a table needs it."""
    return {
        "OwnerId": WORKLOAD,
        "InstanceId": name,
        "State": {"Name": "running"},
        "LaunchTime": "2026-11-20T00:00:00+00:00",
        **other,
    }


def night(home: House, number: float, *cells: Given, build: str = "cmdb.resource_version") -> None:
    """Land and build the night that begins `number` hours after the first."""
    home.night(f"night-{number}", cells, FIRST_NIGHT + hours(number))
    home.build(build)


def instances(*records: dict[str, Any], **cell: Any) -> Given:
    return Given("ec2_instance", records, **cell)


def tags(**values: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in values.items()]


def faults(home: House, name: str) -> list[dict[str, Any]]:
    """The rows by which a rule of `warehouse/checks` fails."""
    with home.store.read() as connection:
        return list(run(connection, RULES[name]).rows)


# ------------------------------------------------------------------------------------------------- ownership


def seed(home: House, relation: str, text: str) -> None:
    """Let a seed be read from this text instead of its file, by its own query."""
    name = relation.partition(".")[2]
    file = home.store.database.parent / f"{name}.csv"
    file.write_text(text, encoding="utf-8")
    model = home.models[relation]
    read = re.compile(rf"getvariable\('(ref_folder'\) \|\| '/{name}.csv'|reference_files'\)\['{name}'\])")
    assert read.search(model.sql)
    home.models[relation] = dataclasses.replace(model, sql=read.sub(lambda _: f"'{file}'", model.sql))


def owners(home: House) -> dict[str, tuple[str | None, ...]]:
    """Service, owner, cost centre, environment and source of each item, by its id."""
    return {
        row.pop("resource_id"): tuple(row.values())
        for row in home.rows(
            """
            select resource_id, business_service, business_owner, cost_centre, environment, owner_source
            from cmdb.resource
            """
        )
    }


def test_a_tag_comes_before_the_accounts_default_and_both_in_the_spelling_that_counts(home: House) -> None:
    seed(
        home,
        "ref.account_default",
        f"""account_id,business_service,business_owner,cost_centre,capability,environment,project,source
{WORKLOAD},Ledger, mere ,007,,prod,,
,,,,,,,

111122223333,,,,,,,nobody
""",
    )
    seed(
        home,
        "ref.tag_value_alias",
        """tag_key,alias,tag_value
bc:environment,PRD,prod
bc:environment,dev,non-prod
bc:cost-centre,CC7,007
bc:business-service,prod,not for this key
""",
    )

    def tagged(name: str, owner: str = WORKLOAD, **values: str) -> dict[str, Any]:
        written = {f"bc:{key.replace('_', '-')}": value for key, value in values.items()}
        return instance(name, OwnerId=owner, Tags=[{"Key": key, "Value": value} for key, value in written.items()])

    other, unknown = "111122223333", "999988887777"
    night(
        home,
        0,
        instances(
            tagged("i-own", business_service="Pay", business_owner=" ana ", cost_centre="CC9", environment=" dev "),
            tagged("i-part", business_owner="ana", environment="PRD"),
            tagged("i-empty", business_owner="", cost_centre="  "),
            instance("i-bare"),
        ),
        instances(tagged("i-other", other, cost_centre="CC7"), account_id=other),
        instances(tagged("i-unknown", unknown, business_owner="x"), account_id=unknown),
        build="cmdb.resource",
    )
    assert owners(home) == {
        "i-own": ("Pay", "ana", "CC9", "non-prod", "resource tag"),
        "i-part": ("Ledger", "ana", "007", "prod", "resource tag"),
        "i-empty": ("Ledger", "mere", "007", "prod", "account default"),
        "i-bare": ("Ledger", "mere", "007", "prod", "account default"),
        "i-other": (None, None, "007", None, "none"),
        "i-unknown": (None, "x", None, None, "resource tag"),
    }
    assert home.rows("select account_id, source from ref.account_default order by 1") == [
        {"account_id": WORKLOAD, "source": None},
        {"account_id": other, "source": "nobody"},
    ]
    # What is tagged is counted as it is tagged: a default fills no tag.
    home.build("cmdb.tag_fill_rate")
    assert home.rows("select filled_count from cmdb.tag_fill_rate where tag_key = 'bc:business-owner'") == [
        {"filled_count": 3}
    ]


@pytest.mark.parametrize(
    ("line", "at_fault"),
    [
        pytest.param("000000000042,,,,,prod,,", [], id="as it should be"),
        # A spreadsheet takes an account for a number.
        pytest.param("42,,,,,,,", [("account_id", "42")], id="zeros lost"),
        pytest.param("555555555555,,,,,,,", [("account_id", "555555555555")], id="of nobody"),
        pytest.param("000000000042,,,,,PRD,,", [("environment", "PRD")], id="another spelling"),
    ],
)
def test_a_default_that_reaches_nobody_or_is_spelled_otherwise_is_reported(
    home: House, line: str, at_fault: list[tuple[str, str]]
) -> None:
    header = "account_id,business_service,business_owner,cost_centre,capability,environment,project,source"
    seed(home, "ref.account_default", f"{header}\n{line}\n")
    seed(home, "ref.tag_value_alias", "tag_key,alias,tag_value\nbc:environment,PRD,prod\n")
    home.build("ref.account_default", "ref.tag_value_alias", "ref.tag_key")
    home.execute("create or replace view org.account as select '000000000042' as account_id")
    found = faults(home, "account_defaults_are_of_the_organisation")
    assert [(row["resource_column"], row["written"]) for row in found] == at_fault


# ------------------------------------------------------------------------------------- cmdb.resource_version


def versions(home: House, name: str = "i-1") -> list[tuple[str, list[str]]]:
    """What began each version of an instance, and what differed, oldest first."""
    return [
        (row["change"], row["changed_attributes"])
        for row in home.rows(
            """
            select change, changed_attributes from cmdb.resource_version
            where arn like '%/' || $name order by valid_from
            """,
            {"name": name},
        )
    ]


def test_an_item_has_a_version_for_each_time_in_which_it_was_the_same(home: House) -> None:
    night(home, 0, instances(instance("i-1", InstanceType="t3.small", Tags=tags(team="a")), instance("i-2")))
    night(home, 24, instances(instance("i-1", InstanceType="t3.large", Tags=tags(team="a"))))
    night(home, 48, instances(instance("i-1", InstanceType="t3.large", Tags=tags(team="b"), SubnetId="subnet-1")))
    night(home, 72, instances(instance("i-2", State={"Name": "stopped"})))
    night(home, 96, instances(instance("i-2", State={"Name": "stopped"})))
    assert versions(home) == [
        ("discovered", []),
        ("changed", ["instance_type"]),
        ("changed", ["subnet_id", "tags"]),
        ("missing", []),
        ("retired", []),
    ]
    assert versions(home, "i-2") == [("discovered", []), ("missing", []), ("retired", []), ("returned", ["state"])]
    (first, *_, last) = home.rows("select * from cmdb.resource_version where arn like '%/i-1' order by valid_from")
    attributes = json.loads(first.pop("attributes"))
    assert (attributes["instance_type"], attributes["tags"]) == ("t3.small", {"team": "a"})
    assert {"name", "state", "availability_zone"} < attributes.keys()
    del first["raw_hash"]
    assert first == {
        "arn": f"arn:aws:ec2:ap-southeast-2:{WORKLOAD}:instance/i-1",
        "valid_from": "2026-11-24T14:00:00Z",
        "valid_to": "2026-11-25T14:00:00Z",
        "is_current": False,
        "resource_type": "AWS::EC2::Instance",
        "account_id": WORKLOAD,
        "status": "active",
        "change": "discovered",
        "changed_attributes": [],
        "run_id": "night-0",
        "listing": "ec2_instance",
    }
    assert (last["valid_from"], last["valid_to"], last["is_current"], last["status"], last["run_id"]) == (
        "2026-11-28T14:00:00Z",
        None,
        True,
        "retired",
        "night-48",
    )


def test_the_order_of_what_aws_gives_and_a_volatile_attribute_are_no_change(home: House) -> None:
    groups = [{"GroupId": "sg-1"}, {"GroupId": "sg-2"}]
    night(home, 0, instances(instance("i-1", SecurityGroups=groups, Tags=tags(a="1", b="2"))))
    turned = instance("i-1", SecurityGroups=groups[::-1], Tags=tags(b="2", a="1"), PublicIpAddress="192.0.2.7")
    night(home, 24, instances(turned))
    assert versions(home) == [("discovered", [])]
    (row,) = home.rows("select attributes from cmdb.resource_version")
    assert "public_ip_address" not in json.loads(row["attributes"])
    night(home, 48, instances({**turned, "SecurityGroups": groups[:1]}))
    assert versions(home) == [("discovered", []), ("changed", ["security_group_ids"])]


def test_an_attribute_that_is_volatile_no_more_or_new_in_a_release_is_filled_in_and_no_change(home: House) -> None:
    night(home, 0, instances(instance("i-1", PublicIpAddress="192.0.2.7")))
    resource = "create or replace table ref.volatile_attribute as from ref.volatile_attribute limit 0"
    home.execute(resource)
    model = home.models["cmdb.resource_version"]
    night(home, 24, instances(instance("i-1", PublicIpAddress="192.0.2.8")), build="cmdb.resource")
    home.execute(resource)
    build(home.store, model)
    assert versions(home) == [("discovered", [])]
    (row,) = home.rows("select attributes from cmdb.resource_version")
    assert json.loads(row["attributes"])["public_ip_address"] == "192.0.2.8"
    night(home, 48, instances(instance("i-1", PublicIpAddress="192.0.2.9")), build="cmdb.resource")
    home.execute(resource)
    build(home.store, model)
    assert versions(home) == [("discovered", []), ("changed", ["public_ip_address"])]


def test_tags_that_could_not_be_read_are_no_change_and_a_later_change_of_them_is_still_one(home: House) -> None:
    night(home, 0, instances(instance("i-1", Tags=tags(a="1"))))
    for number, read, kind in [(24, None, "t3.small"), (48, "1", "t3.small"), (72, None, "m7g.large"), (96, "2", "x")]:
        record = instance("i-1", Tags=tags(a=read or ""), InstanceType=kind)
        night(home, number, instances(record), build="cmdb.resource")
        if read is None:
            home.execute("update cmdb.resource set tags = null")
        build(home.store, home.models["cmdb.resource_version"])
    assert versions(home) == [
        ("discovered", []),
        ("changed", ["instance_type"]),
        ("changed", ["instance_type"]),
        ("changed", ["instance_type", "tags"]),
    ]


def test_an_item_that_is_known_already_begins_its_history_as_it_stands(home: House) -> None:
    """A warehouse that is older than the history: nothing is claimed about the nights before."""
    night(home, 0, instances(instance("i-1"), instance("i-2"), instance("i-3")), build="cmdb.resource")
    night(home, 24, instances(instance("i-2"), instance("i-3")), build="cmdb.resource")
    night(home, 48, instances(instance("i-3")))
    found = home.rows("select change, valid_from from cmdb.resource_version order by arn")
    assert found == [
        {"change": "retired", "valid_from": "2026-11-26T14:00:00Z"},
        {"change": "missing", "valid_from": "2026-11-26T14:00:00Z"},
        {"change": "discovered", "valid_from": "2026-11-26T14:00:00Z"},
    ]


@pytest.mark.parametrize("key", ["arn", "valid_from", ""])
def test_a_history_says_what_a_version_is_of_and_when_it_began_or_is_refused(home: House, key: str) -> None:
    model = home.models["cmdb.resource_version"]
    header = dataclasses.replace(model.header, entries={**model.header.entries, "key": key})
    home.build(model.relation)
    with pytest.raises(ModelError, match=r"its key does not end with valid_from\. Nothing was changed\."):
        build(home.store, dataclasses.replace(model, header=header))


# -- any nights whatever


@dataclass(frozen=True)
class Event:
    """What one night brings to the cell of one item: the item with a value, an answer without it, or no answer."""

    outcome: Outcome
    value: str | None = None
    skip_reason: str | None = None


LEFT = Event("skipped", skip_reason="account_left")
DENIED = Event("denied")
EVENTS = [Event("found", "a"), Event("found", "b"), Event("found"), Event("empty_verified"), LEFT, DENIED]

History = Sequence[Event]


def expected(history: History) -> list[tuple[int, str]]:
    """The rule in words: the night on which each version began, and what began it."""
    begun: list[tuple[int, str]] = []
    status, value = "", None
    for number, event in enumerate(history):
        if event == DENIED:
            continue
        if event.value is not None:
            if not status:
                begun.append((number, "discovered"))
            elif status != "active":
                begun.append((number, "returned"))
            elif value != event.value:
                begun.append((number, "changed"))
            status, value = "active", event.value
        elif status and status != "retired":
            # Nights are a day apart: the second answer without it is late enough.
            status = "retired" if status == "missing" or event == LEFT else "missing"
            begun.append((number, status))
    return begun


@pytest.mark.large
def test_over_any_four_runs_a_version_begins_with_each_change_that_can_be_trusted_and_with_nothing_else(
    tmp_path: Path,
) -> None:
    """Every history there is, side by side in one warehouse, and every night built twice."""
    histories = list(itertools.product(EVENTS, repeat=4))
    fingerprint = "select count(*) as n, sum(hash(columns(*))) from cmdb.resource_version"
    cells = {f"{number:012}": history for number, history in enumerate(histories)}
    with house(tmp_path) as home:
        for number in range(4):
            night(
                home,
                24 * number,
                *(
                    Given(
                        "ec2_instance",
                        # A neighbour keeps the answer from being empty.
                        [
                            instance(name, OwnerId=owner, InstanceType=value)
                            for name, value in [("i-1", event.value), ("i-2", "n")]
                            if value is not None
                        ]
                        if event.outcome == "found"
                        else [],
                        event.outcome,
                        account_id=owner,
                        skip_reason=event.skip_reason,
                    )
                    for owner, history in cells.items()
                    for event in [history[number]]
                ),
            )
            (before,) = home.rows(fingerprint)
            home.build("cmdb.resource_version")
            assert home.rows(fingerprint) == [before]
            assert faults(home, "every_version_ends_where_the_next_begins") == []
        found: dict[str, list[tuple[int, str]]] = {owner: [] for owner in cells}
        for row in home.rows(
            """
            select account_id, change, date_diff('day', $first, valid_from) as night from cmdb.resource_version
            where arn like '%/i-1' order by arn, valid_from
            """,
            {"first": FIRST_NIGHT},
        ):
            found[row["account_id"]].append((row["night"], row["change"]))
    assert found == {owner: expected(history) for owner, history in cells.items()}


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param("delete from cmdb.resource_version where is_current", id="an item without a current version"),
        pytest.param("delete from cmdb.resource", id="a version without its item"),
        pytest.param("update cmdb.resource_version set is_current = true", id="two current versions"),
        pytest.param("update cmdb.resource_version set valid_to = null", id="two versions without an end"),
        pytest.param("update cmdb.resource_version set valid_from = valid_from - interval 1 hour", id="a gap"),
        pytest.param("update cmdb.resource set status = 'missing'", id="another status"),
    ],
)
def test_a_broken_history_is_reported(home: House, spoil: str) -> None:
    night(home, 0, instances(instance("i-1")))
    night(home, 24, instances(instance("i-1", InstanceType="t3.small")))
    assert faults(home, "every_version_ends_where_the_next_begins") == []
    home.execute(spoil)
    assert len(faults(home, "every_version_ends_where_the_next_begins")) > 0


def test_a_quiet_run_costs_little_however_many_items_there_are(
    home: House,
) -> None:
    """Nothing is taken apart that is as it was: measured on the first night's cost, so on any machine."""
    home.build("cmdb.resource_version")
    home.execute(
        f"""
        insert into cmdb.resource by name
        select
            'arn:aws:ec2:ap-southeast-2:{WORKLOAD}:instance/i-' || n as arn, 'AWS::EC2::Instance' as resource_type,
            'i-' || n as resource_id, 'web-' || n as name, '{WORKLOAD}' as account_id, 'ap-southeast-2' as region,
            'running' as state, map {{'Name': 'web-' || n, 'bc:business-owner': 'o' || n % 500}} as tags,
            to_json({{'instance_type': 'm7g.large', 'image_id': 'ami-' || n, 'subnet_id': 'subnet-' || n % 5000,
                     'platform_details': 'Linux/UNIX', 'architecture': 'arm64', 'lifecycle': null::varchar,
                     'volume_ids': ['vol-' || n, 'vol-a' || n], 'security_group_ids': ['sg-' || n % 2000]}})
                as attributes,
            'active' as status, false as is_stale, 'night-0' as run_id, 'ec2_instance' as listing,
            'workload' as role, '{WORKLOAD}' as caller_account_id, 'ap-southeast-2' as cell_region,
            now() as first_seen_at, now() as last_seen_at, now() as collected_at
        from range({int(os.environ.get("TEST_ITEMS", "50000"))}) as t(n)
        """
    )
    spent = []
    for _ in range(2):
        before = time.process_time()
        build(home.store, home.models["cmdb.resource_version"])
        spent.append(time.process_time() - before)
        home.execute("update cmdb.resource set collected_at = now(), last_seen_at = now()")
    print(f"\n  first night {spent[0]:.2f} s of CPU, quiet night {spent[1]:.2f} s")
    assert spent[1] < spent[0] / 3
    assert home.rows("select distinct change from cmdb.resource_version") == [{"change": "discovered"}]


def test_the_history_is_built_from_the_items_and_the_seed_alone() -> None:
    assert read_models()["cmdb.resource_version"].uses == {
        "cmdb.resource",
        "cmdb.resource_version",
        "ref.volatile_attribute",
    }
