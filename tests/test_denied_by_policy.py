"""What a policy of the organisation denies, over whole nights: skipped and told once, no zero and no refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nights import DATABASE, cmdb_here, query, run_night
from organization_policies import deny, region_deny

from simulator.client import Simulator

OPEN, CLOSED = "us-east-1", ("ap-southeast-2", "eu-west-1")


def skipped(database: Path, of: str = "published") -> list[tuple[Any, ...]]:
    """Role, region and listing of what is denied by policy, with the number of cells."""
    return query(
        database,
        """
        select role, region, split_part(listing, ':', 1) as name, count(*) from audit.coverage
        where skip_reason = 'denied_by_policy' group by all order by all
        """,
        of=of,
    )


def told(night: Any, *words: str) -> list[str]:
    return [sentence for sentence in night.warnings if all(word in sentence for word in words)]


@pytest.mark.large
def test_two_of_three_regions_are_denied_to_everybody_and_every_run_publishes(
    organisation: Simulator, tmp_path: Path
) -> None:
    policy = organisation.change("add_policy", name="RegionDeny", content=region_deny(OPEN), target="/")["policy_id"]
    database = tmp_path / DATABASE
    for number in (1, 2):
        night = run_night(organisation.env, database)
        assert (night.published, night.exit_code) == (True, 0), night.sentences
        (sentence,) = told(night, "denies", "ec2")
        assert sentence.startswith(f"Service control policy {policy} (RegionDeny) denies ")
        for word in ("ec2", "lambda", "rds", "s3", *CLOSED, "keep their last rows"):
            assert word in sentence, word
        assert "had a response before" not in sentence
        cells = skipped(database)
        assert {region for _, region, _, _ in cells if region != "aws-global"} == set(CLOSED)
        assert {role for role, *_ in cells} == {"operations", "workload"}
        # What is open was asked and is there; what is closed is not taken for nothing. The policy spares what is left.
        found = query(database, "select distinct region from aws.ec2_instance")
        assert found == [(OPEN,)]
        assert number == 2 or query(
            database,
            "select count(*) from audit.coverage where region in ('ap-southeast-2', 'eu-west-1') and is_trusted "
            "and listing not in ('config_aggregator', 'ec2_transit_gateway') and listing not like 'config_resource%' "
            "and listing not like 'tagged_resource%'",
        ) == [(0,)]
    evidence = query(
        database,
        "select distinct evidence ->> '$.policy_id', evidence ->> '$.policy_name' from audit.collection "
        "where skip_reason = 'denied_by_policy' and evidence is not null",
    )
    assert evidence == [(policy, "RegionDeny")]


@pytest.mark.large
def test_where_the_allowed_regions_are_named_no_other_is_requested(organisation: Simulator, tmp_path: Path) -> None:
    """Neither by a list of regions nor by the region of a bucket: `CMDB_REGIONS` binds both."""
    organisation.change("add_policy", name="RegionDeny", content=region_deny(OPEN), target="/")
    database = tmp_path / DATABASE
    night = run_night(organisation.env | {"CMDB_REGIONS": OPEN}, database)
    assert (night.published, night.exit_code) == (True, 0), night.sentences
    assert [call for call in organisation.log() if call["region"] in CLOSED] == []
    reasons = query(
        database,
        "select split_part(listing, ':', 1), skip_reason, count(*) > 0 from audit.coverage "
        f"where region in {CLOSED} group by all",
    )
    assert {reason for _, reason, _ in reasons} <= {"region_not_selected", "denied_by_policy", "not_requested"}
    assert ("s3_bucket_tag", "region_not_selected", True) in reasons
    assert query(database, "select distinct region from aws.ec2_instance") == [(OPEN,)]
    # The buckets are known, and of those elsewhere nothing is claimed.
    tags = query(
        database, f"select region in {CLOSED}, count(*), count(tags) from aws.s3_bucket group by all order by 1"
    )
    assert [is_closed for is_closed, *_ in tags] == [False, True]
    assert tags[1][2] == 0


@pytest.mark.large
def test_an_account_a_service_and_a_region_of_the_hub_are_denied_without_a_word(
    organisation: Simulator, tmp_path: Path
) -> None:
    """The first night again, where AWS says nothing of the policies: their documents are the evidence."""
    organisation.configure(policy_wording="bare")
    truth = organisation.truth("governance")
    hub = truth["central"]["operations"]
    away = truth["reachable"][0]
    add = {
        "Quarantined": (deny("*"), away),
        "NoDatabases": (deny("rds:*"), "/"),
        "HubRegion": (region_deny(*CLOSED, exempt="arn:*:iam::*:role/Nobody"), hub),
    }
    for name, (content, target) in add.items():
        organisation.change("add_policy", name=name, content=content, target=target)
    night = run_night(organisation.env, tmp_path / DATABASE)
    assert (night.published, night.exit_code) == (True, 0), night.sentences
    assert len(told(night, "marked stale", "denies")) == 3
    (sentence,) = told(night, "(Quarantined)")
    assert f"for 1 account ({away}):" in sentence
    (sentence,) = told(night, "(NoDatabases)")
    assert " denies rds in " in sentence
    (sentence,) = told(night, "(HubRegion)")
    assert "resourcegroupstaggingapi" in sentence and f" in {OPEN} for 1 account ({hub}):" in sentence
    database = tmp_path / DATABASE
    quarantined = query(
        database,
        "select distinct outcome, skip_reason from audit.coverage "
        "where account_id = $account and skip_reason is distinct from 'not_requested'",
        {"account": away},
    )
    assert quarantined == [("skipped", "denied_by_policy")]
    assert query(database, "select count(*) from aws.rds_db_instance") == [(0,)]
    asked = "select count(*) from audit.coverage where listing = 'rds_db_instance' and outcome <> 'skipped'"
    assert query(database, asked) == [(0,)]
    seen = cmdb_here({"CMDB_DATABASE": str(database)}, "explain", away, "aws-global", "s3_bucket")
    assert "skipped (denied_by_policy)" in seen.stdout and "Quarantined" in seen.stdout and "exempt" in seen.stdout
