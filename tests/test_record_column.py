"""The whole record beside the columns of a table: its own, and without what is secret."""

import shutil
from collections.abc import Iterator
from typing import Any

import botocore.session
import pytest

from pipelines.catalogue.registry import listings
from resources.aws.listing import Listing
from tests.given import Given, House, models

SESSION = botocore.session.get_session()

KEPT = {name for model in models().values() if model.keeps_records for name in model.listings}


def key_pairs(*names: str, **cell: Any) -> Given:
    """Records of uneven length: the buffers of a reader end at other rows."""
    records = [{"KeyPairId": f"key-{name}", "KeyName": "x" * (len(name) + int(name) % 700)} for name in names]
    return Given("ec2_key_pair", records, **cell)


def test_every_table_of_what_is_collected_of_resources_has_it() -> None:
    without = {
        relation
        for relation, model in models().items()
        if model.schema == "aws" and not (model.keeps_records or "record" in model.header.entries)
    }
    # A record of metrics is many rows, and the addresses are those of aws.ec2_network_interface.
    assert without == {"aws.cloudwatch_metric_daily", "aws.ec2_network_interface_address"}


def test_the_record_of_a_row_is_its_own_in_several_files_of_many_buffers(blank_home: House) -> None:
    """The two are read beside each other: a reader out of step would give each row the record of another."""
    blank_home.night("night-1", [key_pairs(*map(str, range(50_000)))])
    blank_home.night("night-2", [key_pairs(*map(str, range(50_000, 90_000)), region="us-east-1")])
    blank_home.build("aws.ec2_key_pair")
    (found,) = blank_home.rows(
        """
        select
            count(*) as all_rows,
            count(*) filter (record ->> '$.KeyPairId' = key_pair_id and record ->> '$.KeyName' = key_name) as own
        from aws.ec2_key_pair
        """
    )
    assert found == {"all_rows": 90_000, "own": 90_000}


def test_what_no_column_takes_out_of_a_record_is_kept_with_it(blank_home: House) -> None:
    blank_home.night(
        "night-1", [Given("ec2_key_pair", [{"KeyPairId": "key-1", "KeyName": "a", "New": {"At": [1, 2.5, None]}}])]
    )
    blank_home.build("aws.ec2_key_pair")
    assert blank_home.rows("select record -> '$.New' as new from aws.ec2_key_pair") == [{"new": '{"At":[1,2.5,null]}'}]


def test_a_row_of_an_earlier_release_whose_landed_record_is_gone_has_none_and_stays(blank_home: House) -> None:
    blank_home.night("night-1", [key_pairs("1"), key_pairs("2", region="us-east-1")])
    blank_home.build("aws.ec2_key_pair")
    blank_home.execute("alter table aws.ec2_key_pair drop column record")
    shutil.rmtree(blank_home.store.landing / "night-1")
    blank_home.night("night-2", [key_pairs("1"), key_pairs(region="us-east-1", outcome="denied")])
    blank_home.build("aws.ec2_key_pair")
    found = blank_home.rows("select region, is_stale, record is null as has_none from aws.ec2_key_pair order by region")
    assert found == [
        {"region": "ap-southeast-2", "is_stale": False, "has_none": False},
        {"region": "us-east-1", "is_stale": True, "has_none": True},
    ]


@pytest.mark.parametrize("listing", [listings()[name] for name in sorted(KEPT)], ids=lambda listing: listing.name)
def test_no_member_that_aws_calls_sensitive_is_kept(listing: Listing) -> None:
    """A record is published whole: what botocore marks as sensitive is dropped as it arrives."""
    operation = SESSION.get_service_model(listing.service).operation_model(listing.operation)
    assert set(sensitive(operation.output_shape, listing.redact)) == set()


def sensitive(shape: Any, redact: tuple[str, ...], above: tuple[str, ...] = ()) -> Iterator[str]:
    """Members that botocore marks as sensitive and nobody redacts, at any depth."""
    if shape is None or shape.name in above:
        return
    above = (*above, shape.name)
    if shape.type_name in ("list", "map"):
        yield from sensitive(shape.member if shape.type_name == "list" else shape.value, redact, above)
    for name, member in shape.members.items() if shape.type_name == "structure" else ():
        if name not in redact:
            yield from [name] if member.metadata.get("sensitive") else sensitive(member, redact, above)


def test_the_test_of_sensitive_members_can_fail() -> None:
    operation = SESSION.get_service_model("lambda").operation_model("ListFunctions")
    assert "Variables" in set(sensitive(operation.output_shape, ())) | set(
        sensitive(operation.output_shape, ("Message",))
    )
