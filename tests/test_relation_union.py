"""The relations that columns of tables state, generated from the headers of the tables of warehouse/aws."""

import re

import duckdb
import pytest

from pipelines.errors import SqlFileError
from pipelines.models.relation_union import listed_relation
from pipelines.models.resource_union import Table
from pipelines.models.sql_files import read_header

COLUMNS = ["arn", "name", "account_id", "region", "thing_id", "vpc_id", "subnet_ids", "their_account", "their_region"]
TYPES = {"ec2_thing": "AWS::EC2::Thing", "ec2_vpc": "AWS::EC2::VPC", "ec2_subnet": "AWS::EC2::Subnet"}


def table(line: str, *more: str, listings: tuple[str, ...] = ("ec2_thing",)) -> Table:
    lines = ["-- One row per thing.", *more, f"-- relates: {line}", *(f"-- {column}: It." for column in COLUMNS)]
    return Table("ec2_thing", read_header("\n".join(lines)), listings)


def item(line: str) -> Table:
    return table(line, "-- resource: id=thing_id")


def test_a_line_states_one_relation_a_word_and_one_a_member_of_a_list() -> None:
    sql = listed_relation(
        [
            item(
                "contained_in=AWS::EC2::VPC:vpc_id:their_account:their_region "
                "attached_to=AWS::EC2::Subnet:subnet_ids[] associated_with=AWS::EC2::VPC:vpc_id:their_account"
            )
        ],
        TYPES,
    )
    with duckdb.connect() as connection:
        connection.execute("create schema aws")
        connection.execute(
            """
            create table aws.ec2_thing as
            select
                'arn:' || id as arn, vpc_id, subnet_ids, '000000000002' as their_account, 'mars-1' as their_region,
                false as is_stale, 'run' as run_id, 'ec2_thing' as listing, 'workload' as role,
                '1' as caller_account_id, 'r' as cell_region, now() as collected_at
            from (values ('a', 'vpc-1', ['subnet-1', 'subnet-2']), ('b', null, []::varchar[]))
                as given (id, vpc_id, subnet_ids)
            """
        )
        rows = connection.execute(
            f"select from_arn, relation, to_type, to_id, to_account_id, to_region from ({sql}) order by all"
        ).fetchall()
    assert rows == [
        ("arn:a", "associated_with", "AWS::EC2::VPC", "vpc-1", "000000000002", None),
        ("arn:a", "attached_to", "AWS::EC2::Subnet", "subnet-1", None, None),
        ("arn:a", "attached_to", "AWS::EC2::Subnet", "subnet-2", None, None),
        ("arn:a", "contained_in", "AWS::EC2::VPC", "vpc-1", "000000000002", "mars-1"),
        ("arn:b", "associated_with", "AWS::EC2::VPC", None, "000000000002", None),
        ("arn:b", "contained_in", "AWS::EC2::VPC", None, "000000000002", "mars-1"),
    ]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "it names no relation"),
        ("contained_in", "contained_in is no relation"),
        ("contained_in=AWS::EC2::VPC", "contained_in=AWS::EC2::VPC is no relation"),
        ("contained_in=AWS::EC2::VPC:vpc_id:a:b:c", "contained_in=AWS::EC2::VPC:vpc_id:a:b:c is no relation"),
        ("contained_in=AWS::EC2::Moon:vpc_id", "AWS::EC2::Moon is the type of no listing"),
        ("contained_in=AWS::EC2::VPC:moon_id", "the header describes no column moon_id"),
        ("contained_in=AWS::EC2::VPC:vpc_id:moon", "the header describes no column moon"),
    ],
)
def test_a_line_that_says_something_else_is_refused_by_name(line: str, says: str) -> None:
    with pytest.raises(SqlFileError, match=rf"^warehouse/aws/ec2_thing\.sql: relates: {re.escape(says)}"):
        listed_relation([item(line)], TYPES)


def test_what_is_no_item_or_of_several_types_states_nothing() -> None:
    line = "contained_in=AWS::EC2::VPC:vpc_id"
    for wrong in (table(line), table(line, "-- resource: id=thing_id", listings=("ec2_thing", "ec2_vpc"))):
        with pytest.raises(SqlFileError, match="the table needs a line `resource` and one listing"):
            listed_relation([wrong], TYPES)
    assert listed_relation([Table("ec2_thing", read_header("-- One row per thing."), ("ec2_thing",))], TYPES) == ""
