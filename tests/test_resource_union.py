"""The union of all configuration items, generated from the headers of the tables of warehouse/aws."""

import re

import boto3
import duckdb
import pytest

from pipelines.catalogue.registry import listings
from pipelines.errors import SqlFileError
from pipelines.models.model import read_models
from pipelines.models.resource_union import ENTRY, Table, observed_resource
from pipelines.models.sql_files import read_header

COLUMNS = ["arn", "name", "account_id", "region", "tags", "thing_id", "state", "made_at", "zone", "size", "kind"]
TYPES = {"ec2_thing": "AWS::EC2::Thing", "ec2_other": "AWS::EC2::Other"}


def table(line: str, name: str = "ec2_thing", listings: tuple[str, ...] = (), columns: list[str] = COLUMNS) -> Table:
    header = "\n".join(["-- One row per thing.", f"-- resource: {line}", *(f"-- {column}: It." for column in columns)])
    return Table(name, read_header(header), listings or (name,))


def made(*tables: Table, is_whole: bool = False) -> str:
    return observed_resource(tables, TYPES, is_whole=is_whole)


def test_a_line_says_all_that_an_item_is() -> None:
    sql = made(
        table(
            "id=thing_id state=state created=made_at zone=zone gone=dead, lost without=kind:shadow "
            "attributes=size, kind"
        )
    )
    with duckdb.connect() as connection:
        connection.execute("create schema aws")
        connection.execute(
            """
            create table aws.ec2_thing as
            select
                'arn:' || id as arn, 'n' as name, '1' as account_id, 'r' as region, map {'a': 'b'} as tags,
                id as thing_id, state, timestamptz '2026-11-01 00:00:00+00' as made_at, 'z' as zone,
                7 as size, kind, false as is_stale,
                'run' as run_id, 'ec2_thing' as listing, 'workload' as role, '1' as caller_account_id,
                'r' as cell_region, timestamptz '2026-11-02 00:00:00+00' as collected_at
            from (values ('a', 'dead', 'x'), ('b', 'alive', 'x'), ('c', null, 'x'), ('d', 'alive', 'shadow'),
                ('e', 'alive', null)) as given (id, state, kind)
            """
        )
        rows = connection.execute(
            f"""
            select
                resource_id, resource_type, state, is_terminated, availability_zone, created_at is not null,
                attributes
            from ({sql})
            order by all
            """
        ).fetchall()
    assert rows == [
        ("a", "AWS::EC2::Thing", "dead", True, "z", True, '{"size":7,"kind":"x"}'),
        ("b", "AWS::EC2::Thing", "alive", False, "z", True, '{"size":7,"kind":"x"}'),
        ("c", "AWS::EC2::Thing", None, False, "z", True, '{"size":7,"kind":"x"}'),
        ("e", "AWS::EC2::Thing", "alive", False, "z", True, '{"size":7,"kind":null}'),
    ]


def test_two_listings_in_one_table_keep_their_types() -> None:
    sql = made(table("id=thing_id", listings=("ec2_thing", "ec2_other")))
    assert "when 'ec2_thing' then 'AWS::EC2::Thing' when 'ec2_other' then 'AWS::EC2::Other' end" in sql
    assert made(table("id=thing_id"), is_whole=False).count("'AWS::EC2::Other'") == 0


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("state=state", "it names no id"),
        ("id=", "it names no id"),
        ("thing_id", "it begins with thing_id"),
        ("id=thing_id colour=zone", "colour is unknown"),
        ("id=thing_id id=zone", "id stands twice"),
        ("id=thing_id zone=", "zone names nothing"),
        ("id=thing_id, zone", "id is one column, and there are 2"),
        ("id=thing_id attributes=weight", "the header describes no column weight"),
        ("id=thing_id without=colour:red", "the header describes no column colour"),
        ("id=thing_id gone=dead", "gone names states, and state names no column"),
    ],
)
def test_a_line_that_says_something_else_is_refused_by_name(line: str, says: str) -> None:
    with pytest.raises(SqlFileError, match=rf"^warehouse/aws/ec2_thing\.sql: resource: {re.escape(says)}"):
        made(table(line))


def test_a_table_without_what_every_item_has_is_refused() -> None:
    with pytest.raises(SqlFileError, match="describes no column region, which an item needs"):
        made(table("id=thing_id", columns=[column for column in COLUMNS if column != "region"]))


def test_the_tags_of_a_type_whose_listing_gives_none_are_unknown() -> None:
    assert "item.tags as tags" in made(table("id=thing_id"))
    assert "null as tags" in made(table("id=thing_id", columns=[column for column in COLUMNS if column != "tags"]))


def test_a_table_without_a_type_and_a_type_without_a_table_are_refused() -> None:
    with pytest.raises(SqlFileError, match=r"ec2_stray\.sql: .* no listing that it reads has a resource_type"):
        made(table("id=thing_id", name="ec2_stray"))
    with pytest.raises(SqlFileError, match=r"^ec2_other lists AWS::EC2::Other, and no table makes items of it"):
        made(table("id=thing_id"), is_whole=True)
    assert made(Table("ec2_thing", read_header("-- One row per thing.\n-- key: arn"), ("ec2_thing",))) == ""


def test_every_type_of_the_catalogue_is_in_the_union() -> None:
    types = {listing.resource_type for listing in listings().values() if listing.resource_type}
    assert set(re.findall(r"'(AWS::\w+::\w+)'", read_models()["stage.observed_resource"].sql)) == types
    assert len(types) >= 18


STILL_THERE = {
    "active",
    "assessing",
    "cancelling",
    "delayed",
    "payment-pending",
    "pending",
    "queued",
    "scheduled",
}


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("ec2_capacity_block", "CapacityBlockResourceState"),
        ("ec2_capacity_reservation", "CapacityReservationState"),
        ("ec2_host_reservation", "ReservationState"),
        ("ec2_reserved_instance", "ReservedInstanceState"),
    ],
)
def test_a_purchase_that_failed_or_ended_is_no_item_that_is_there(name: str, shape: str) -> None:
    client = boto3.client("ec2", region_name="us-east-1")
    states = set(client.meta.service_model.shape_for(shape).enum)
    model = read_models()[f"aws.{name}"]
    (gone,) = re.findall(r" gone=(.+?)(?: \w+=|$)", model.header.entries[ENTRY])
    assert set(gone.split(", ")) == states - STILL_THERE
