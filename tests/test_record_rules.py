"""What the tables need of a record: derived from their SQL, held before the record lands, for every listing.

The property: of every member of every given record, taken away or of a wrong type, either the rule refuses the record,
or every table that reads it can be built and has its key.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pytest
from given import Given, House, given_cells, house, models, record_rules
from nights import copy_of, query, run_night
from steps import asked

from pipelines.catalogue.names import ACCOUNT, REGION
from pipelines.catalogue.registry import listings
from pipelines.collection.record_rules import UNUSABLE, RecordRule
from pipelines.models.model import ModelError
from pipelines.models.record_requirements import not_null
from resources.aws.errors import Failed
from simulator.client import Simulator

MODELS = models()
RULES = record_rules()
LANDING = sorted(name for name, model in MODELS.items() if model.listings)
READ = sorted({listing for model in MODELS.values() for listing in model.listings})
LASTING = ("cmdb.resource_version", "org.account", "org.account_policy", "cost.budget", "cost.resource_daily")
"""What is made of the collected tables and outlasts a night: here a NULL ended it."""

WRONG: tuple[Any, ...] = ({"Odd": 1}, ["odd"], [["odd"]], "odd", 2**63, True)


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every member of a record, and of its first elements."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        yield (*path, name)
        yield from places(inner, (*path, name))


def altered(record: Mapping[str, Any], path: tuple[str | int, ...], new: Any = None) -> dict[str, Any]:
    """The record without a member, or with another value in its place; an element of a list becomes null."""
    changed: Any = copy.deepcopy(record)
    holder = changed
    for step in path[:-1]:
        holder = holder[step]
    if new is None and isinstance(holder, dict):
        del holder[path[-1]]
    else:
        holder[path[-1]] = new
    return dict(changed)


def null_keys(home: House, relations: set[str]) -> list[str]:
    """Tables of which a row lacks a column of its key."""
    found = []
    for name in sorted(relations):
        model = MODELS[name]
        if model.key and model.materialized != "log":
            lacking = " or ".join(f'"{column}" is null' for column in model.key)
            if home.rows(f"select 1 as one from {model.quoted} where {lacking} limit 1"):
                found.append(name)
    return found


def test_every_listing_that_a_table_reads_has_a_rule_and_given_records() -> None:
    assert set(RULES) == set(READ)
    assert {given.name for given in given_cells()} == set(READ)
    assert all(rule.types for rule in RULES.values())
    # The key of a policy's document is its parameter.
    assert [name for name, rule in RULES.items() if not rule.needs] == ["organizations_policy_content"]


def test_no_given_record_is_refused() -> None:
    for given in given_cells():
        for record in given.records:
            assert RULES[given.name].fault(record) == ""


@functools.cache
def first_cells() -> list[Given]:
    """Of each listing one cell with one record, the fullest."""
    cells: dict[str, Given] = {}
    for given in given_cells():
        fullest = max(given.records, key=lambda record: len(str(record)[:5000]))
        if given.name not in cells or len(str(fullest)) > len(str(cells[given.name].records[0])):
            cells[given.name] = Given(
                given.listing, [fullest], region=given.region, account_id=given.account_id, role=given.role
            )
    return list(cells.values())


def with_records(given: Given, records: list[dict[str, Any]]) -> Given:
    return Given(given.listing, records, region=given.region, account_id=given.account_id, role=given.role)


def let_pass(values: Sequence[Any], least: int) -> list[Given]:
    """Of each listing what its rule lets pass: its record with each member in turn replaced by each value.

    Args:
        least: more than so many are let pass, and more than so many refused.
    """
    cells, refused, passed = [], 0, 0
    for given in first_cells():
        record, rule = given.records[0], RULES[given.name]
        variants = [altered(record, path, value) for path in places(record) for value in values]
        kept = [variant for variant in variants if not rule.fault(variant)]
        passed, refused = passed + len(kept), refused + len(variants) - len(kept)
        cells.append(with_records(given, kept))
    assert min(refused, passed) > least
    return cells


def test_whatever_a_rule_lets_pass_can_be_built_and_has_its_keys(tmp_path: Path) -> None:
    """Each member of each listing of a wrong type, in turn."""
    cells = let_pass(WRONG, 1000)
    with house(tmp_path) as home:
        home.night("night-1", cells)
        home.build(*LANDING)
        assert null_keys(home, set(LANDING)) == []


def test_whatever_may_be_lacking_is_lacked_by_no_table_that_outlasts_a_run(tmp_path: Path) -> None:
    """Each member of each listing taken away, in turn."""
    cells = let_pass((None,), 100)
    with house(tmp_path) as home:
        home.night("night-1", cells)
        home.build(*LASTING)
        assert null_keys(home, MODELS.keys() & home.needed(*LASTING)) == []


@pytest.mark.parametrize("listing", READ)
def test_a_rule_refuses_no_more_than_it_must(listing: str, tmp_path: Path) -> None:
    """A record that is refused for what it lacks would be lost, leave a column empty, or end the load."""
    reading = {model.relation for model in MODELS.values() if listing in model.listings}
    given = next(cell for cell in first_cells() if cell.name == listing)
    record = given.records[0]
    lacking = [
        altered(record, path)
        for path in places(record)
        if not RULES[listing].types[0].fault(altered(record, path)) and RULES[listing].fault(altered(record, path))
    ]
    with house(tmp_path) as home:
        for number, variant in enumerate(lacking):
            home.night(f"night-{number}", [with_records(given, [variant])])
            try:
                home.build(*reading, *{need.column.rpartition(".")[0] for need in RULES[listing].needs})
            except ModelError:
                continue
            required = {need.column for need in RULES[listing].needs}
            empty = {
                f"{name}.{column}"
                for name in MODELS.keys() & home.needed(*reading, *{need.rpartition(".")[0] for need in required})
                for column, value in first_row(home, name).items()
                if value is None
            }
            fault = RULES[listing].fault(variant)
            lost = not all(first_row(home, name) for name in reading)
            assert empty or lost or null_keys(home, reading), f"{fault}: and every column is there"


def first_row(home: House, relation: str) -> dict[str, Any]:
    try:
        return next(iter(home.rows(f"select * from {MODELS[relation].quoted} limit 1")), {})
    except duckdb.CatalogException:
        return {}


def test_the_columns_that_may_not_be_null_are_those_of_the_working_file(tmp_path: Path) -> None:
    migrations = [path.read_text(encoding="utf-8") for path in sorted(Path("warehouse/migrations").glob("*.sql"))]
    with house(tmp_path) as home:
        found = home.rows(
            """
            select schema_name || '.' || table_name as relation, column_name
            from duckdb_columns()
            where not is_nullable and database_name = current_database() and schema_name not in ('audit')
            """
        )
    # A migration may make a table beside the one that it takes the place of.
    there = {row["relation"] for row in found}
    declared = {
        (table, column) for table, columns in not_null(migrations).items() for column in columns if table in there
    }
    assert {(row["relation"], row["column_name"]) for row in found} == declared != set()


@pytest.mark.parametrize(
    ("listing", "record", "says"),
    [
        pytest.param(
            "s3_bucket",
            {"Name": "a", "CreationDate": "2026-11-20T00:00:00Z"},
            "Of record 1 (Name=a): it has no BucketRegion, which stage.s3_bucket.arn is made of",
            id="a bucket without its region",
        ),
        pytest.param(
            "lambda_function",
            {"FunctionArn": "arn:aws:lambda:r:1:function:f", "FunctionName": "f", "MemorySize": "much"},
            "record 1 (FunctionArn=arn:aws:lambda:r:1:function:f): MemorySize is no whole number, and "
            "stage.lambda_function reads it",
            id="a word for a number",
        ),
        pytest.param(
            "ec2_vpc_block_public_access_exclusion",
            {"ExclusionId": "vpcbpa-exclude-1"},
            "it has no ResourceArn, which aws.ec2_vpc_block_public_access_exclusion.arn is made of",
            id="part of a text that is lacking",
        ),
        pytest.param(
            "lambda_function",
            {"FunctionName": "f", "VpcConfig": {"SubnetIds": ["subnet-1", {"a": "b"}]}},
            "record 1: VpcConfig.SubnetIds[] is no text, and stage.lambda_function reads it",
            id="of a record without a key its place is told",
        ),
        pytest.param(
            "ec2_vpc",
            {"VpcId": "vpc-1", "OwnerId": "1", "Tags": [{"Key": "a", "Value": "b"}, {"Key": "a", "Value": "c"}]},
            "it has one Tags[].Key twice, which aws.ec2_vpc.",
            id="a tag twice",
        ),
        pytest.param(
            "organizations_account",
            {"Id": "1", "Name": "n"},
            "record 1 (Id=1): it has no State, which stage.account.state is made of",
            id="neither of two members",
        ),
        pytest.param(
            "organizations_policy_content",
            {"Content": "{not json"},
            "record 1: Content is no JSON, and stage.organizations_policy_content reads it",
            id="a text that the query casts",
        ),
        pytest.param(
            "cost_monthly",
            {"TimePeriod": {"Start": "2026-11-01"}, "Total": {"UnblendedCost": {"Amount": "1,5", "Unit": "USD"}}},
            "Total.UnblendedCost.Amount is no number",
            id="an amount with a comma",
        ),
    ],
)
def test_what_is_refused_is_named_with_the_column(listing: str, record: dict[str, Any], says: str) -> None:
    with pytest.raises(Failed) as failed:
        RULES[listing].check(listings()[listing], 1, record)
    assert (failed.value.outcome, failed.value.code) == ("failed", UNUSABLE)
    assert says in failed.value.message
    assert "Nothing of the response was kept." in failed.value.message


def test_an_unknown_word_is_no_fault() -> None:
    """AWS adds states and types at any time: they are shown as they are."""
    assert RULES["organizations_account"].fault({"Id": "1", "State": "ON_THE_MOON"}) == ""
    assert RecordRule().fault({"anything": 1}) == ""


# ------------------------------------------------------------------------------------------- a run over HTTP


def stripping(op: str, item: str, account: str = "*") -> dict[str, Any]:
    return {"action": "strip", "op": op, "item": item, "account": account}


def test_one_odd_record_fails_its_cell_and_no_other(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    owner = query(database, "select account_id from aws.s3_bucket group by all order by count(*) desc limit 1")[0][0]
    organisation.faults(
        [
            stripping("ListBuckets", "BucketRegion", owner),
            stripping("DescribeVpcs", "OwnerId"),
            stripping("ListFunctions*", "FunctionArn"),
        ]
    )
    with asked(organisation, database, REGION, "s3_bucket", "lambda_function") as cells:
        buckets = {cell.account_id: cell for cell in cells if cell.name == "s3_bucket"}
        odd = buckets.pop(owner)
        assert (odd.outcome, odd.error_code, odd.is_trusted, odd.attempt_count) == ("failed", UNUSABLE, False, 2)
        assert "it has no BucketRegion, which stage.s3_bucket.arn is made of" in (odd.error_message or "")
        assert "(Name=" in (odd.error_message or "")
        assert {"found"} <= {cell.outcome for cell in buckets.values()} <= {"found", "empty_verified", "skipped"}
        functions = {cell.outcome for cell in cells if cell.name == "lambda_function"}
        assert {"failed"} < functions, "where there is none, nothing is odd"


@pytest.mark.large
def test_a_run_with_odd_records_is_published(organisation: Simulator, truthful_night: Path, tmp_path: Path) -> None:
    database = copy_of(truthful_night, tmp_path)
    count_of = "select account_id, count(*) from aws.s3_bucket where not is_stale group by all order by all"
    before = dict(query(database, count_of))
    owner = max(before, key=lambda account: before[account])
    organisation.control("DELETE", "/faults")
    organisation.faults([stripping("ListBuckets", "BucketRegion", owner)])
    night = run_night(organisation.env | {"CMDB_UNTRUSTED_TOLERANCE": "0.25"}, database)
    assert (night.published, night.exit_code) == (True, 0), night.sentences
    del before[owner]
    assert dict(query(database, count_of)) == before
    stale = query(database, "select distinct account_id from aws.s3_bucket where is_stale")
    assert stale == [(owner,)]
    # Of a central list nothing else can be told: the night is refused, by the record and the column.
    organisation.control("DELETE", "/faults")
    organisation.faults([stripping("ListAccounts", "Id")])
    night = run_night(organisation.env, database)
    assert not night.published
    assert any(ACCOUNT in said and "it has no Id" in said for said in night.sentences), night.sentences
