"""The networks of the organisation: what is shared stands once, and what is published equals the organisation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from given import FIRST_NIGHT, WORKLOAD, Given, House, hours, house, rows
from nights import Witness

from pipelines.models import key_checks
from resources.warehouse import Store

Row = dict[str, Any]

OWNER, OTHER, THIRD = WORKLOAD, "000000000042", "999999999999"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


# ------------------------------------------------------------------------------------------------ what is shared


def subnets(caller: str, *names: str, owner: str = OWNER, **cell: Any) -> Given:
    """What one account's answer says of subnets of `owner`."""
    return Given("ec2_subnet", [{"OwnerId": owner, "SubnetId": name} for name in names], account_id=caller, **cell)


def standing(home: House) -> list[tuple[str, str, bool]]:
    """Each subnet, by whose answer it stands, and whether that is stale."""
    home.build("aws.ec2_subnet")
    rows = home.rows("select subnet_id, caller_account_id, is_stale from aws.ec2_subnet order by all")
    return [(row["subnet_id"], row["caller_account_id"], row["is_stale"]) for row in rows]


def test_the_owners_last_trusted_word_on_what_is_shared_stands_while_its_cell_is_not_trusted(home: House) -> None:
    home.night("night-1", [subnets(OTHER, "s-1"), subnets(OWNER, "s-1"), subnets(THIRD, "s-1")])
    assert standing(home) == [("s-1", OWNER, False)]
    home.night("night-2", [subnets(OTHER, "s-1"), subnets(OWNER, outcome="denied")], FIRST_NIGHT + hours(24))
    assert standing(home) == [("s-1", OWNER, True)]


def test_what_the_owner_does_not_list_any_more_stands_by_the_word_of_who_still_does(home: House) -> None:
    home.night("night-1", [subnets(OTHER, "s-1"), subnets(OWNER, "s-1", "s-2")])
    assert standing(home) == [("s-1", OWNER, False), ("s-2", OWNER, False)]
    home.night("night-2", [subnets(OTHER, "s-1"), subnets(OWNER)], FIRST_NIGHT + hours(24))
    assert standing(home) == [("s-1", OTHER, False)]


def test_of_others_words_a_fresh_one_goes_before_a_stale_one(home: House) -> None:
    home.night("night-1", [subnets(OTHER, "s-1"), subnets(THIRD, "s-1")])
    assert standing(home) == [("s-1", OTHER, False)]
    home.night("night-2", [subnets(OTHER, outcome="failed"), subnets(THIRD, "s-1")], FIRST_NIGHT + hours(24))
    assert standing(home) == [("s-1", THIRD, False)]


def test_a_record_that_stands_twice_in_one_cell_still_breaks_the_key(home: House) -> None:
    home.night("night-1", [subnets(OTHER, "s-1", "s-1")])
    assert standing(home) == [("s-1", OTHER, False)] * 2
    (rule,) = [check for check in key_checks(home.models.values()) if check.on == "aws.ec2_subnet"]
    assert len(home.rows(rule.sql)) == 1


def test_what_is_shared_is_one_configuration_item(home: House) -> None:
    home.night("night-1", [subnets(OTHER, "s-1", "s-2"), subnets(OWNER, "s-1"), subnets(THIRD, "s-2")])
    home.build("cmdb.resource")
    assert home.rows("select resource_id, account_id, resource_type, tags from cmdb.resource order by all") == [
        {"resource_id": "s-1", "account_id": OWNER, "resource_type": "AWS::EC2::Subnet", "tags": {}},
        {"resource_id": "s-2", "account_id": OWNER, "resource_type": "AWS::EC2::Subnet", "tags": None},
    ]


# --------------------------------------------------------------------------------------- the truth of one night


@pytest.fixture(scope="module")
def published(witnessed_night: Witness) -> dict[str, list[Row]]:
    """The tables of the network as they are published."""
    with Store(witnessed_night.database).published() as connection:
        return {name: rows(connection, f"select * from {name}") for name in TABLES}


TABLES = {
    "aws.ec2_vpc": "vpcs",
    "aws.ec2_subnet": "subnets",
    "aws.ec2_security_group": "security_groups",
    "aws.ec2_security_group_rule": "security_group_rules",
    "aws.ec2_flow_log": "flow_logs",
    "aws.ec2_network_interface": "network_interfaces",
}
"""Tables, and what the simulator's truth calls their rows."""

AS_TOLD = {
    "aws.ec2_vpc": {"cidr": "cidr_block", "flow_log_ids": None},
    "aws.ec2_subnet": {"cidr": "cidr_block"},
    "aws.ec2_security_group": {
        "group_id": "security_group_id",
        "network_interface_ids": None,
        "referenced_by": None,
        "is_unused": None,
    },
    "aws.ec2_security_group_rule": {
        "rule_id": "security_group_rule_id",
        "group_id": "security_group_id",
        "is_cross_account": None,
        "port_class": None,
    },
    "aws.ec2_flow_log": {"delivery": "delivery_status"},
    "aws.ec2_network_interface": {"group_ids": "security_group_ids"},
}
"""Columns that the truth calls by another name; None where it says what is no column."""


def asked(truth: Row) -> set[str]:
    """The accounts that somebody asks: those that a profile reaches, and the operations account."""
    return {*truth["reachable"], truth["central"]["operations"]}


@pytest.mark.parametrize("table", TABLES)
def test_every_table_of_the_network_equals_the_organisation(
    table: str, witnessed_night: Witness, published: dict[str, list[Row]]
) -> None:
    truth = witnessed_night.truth
    names = AS_TOLD[table]
    expected = [
        {names.get(name, name): value for name, value in row.items() if names.get(name, name)}
        for row in truth[TABLES[table]]
        if row["account_id"] in asked(truth)
    ]
    shown = [{name: row[name] for name in expected[0]} for row in published[table]]
    if table == "aws.ec2_network_interface":
        # Those of instances are not in the simulator's list, but instances say which ones they have.
        shown, of_instances = (
            [row for row, whole in zip(shown, published[table], strict=True) if bool(whole["instance_id"]) is attached]
            for attached in (False, True)
        )
        assert len(of_instances) > 100
    assert sorted(shown, key=repr) == sorted(expected, key=repr)
    assert len(expected) > 10
    assert not any(row["is_stale"] for row in published[table])
