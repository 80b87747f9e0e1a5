"""What a policy of the organisation denies, over steps on a warehouse with a truthful night in it."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from nights import copy_of, query
from organization_policies import deny, region_deny
from steps import RUN, age, asked

from pipelines.catalogue.registry import listings
from pipelines.settings import read_settings
from pipelines.trust.gate import listing_checks
from resources.audit.cells import Cell
from resources.check_result import CheckResult
from resources.store.store import Store
from simulator.client import Simulator

OPEN, CLOSED = "us-east-1", ("ap-southeast-2", "eu-west-1")
POLICIES = ("organizations_policy", "organizations_policy_content", "organizations_policy_target")


@pytest.fixture
def database(organisation: Simulator, truthful_night: Path, tmp_path: Path) -> Path:
    return copy_of(truthful_night, tmp_path)


def by_reason(cells: list[Cell], listing: str) -> dict[tuple[str, str | None], set[str]]:
    """Regions by outcome and reason."""
    found: dict[tuple[str, str | None], set[str]] = {}
    for cell in cells:
        if cell.listing == listing:
            found.setdefault((cell.outcome, cell.skip_reason), set()).add(cell.region)
    return found


def verdict(database: Path, listing: str, **settings: str) -> CheckResult:
    store = Store(database)
    with store.read() as connection:
        return listing_checks(connection, [listing], read_settings(settings))[listing]


def sentences(database: Path) -> list[str]:
    rows = query(
        database,
        "select observed from audit.check_result where check_name = 'policies_deny_nothing' and run_id = $run "
        "and not passed and severity = 'WARN'",
        {"run": RUN},
        of="working",
    )
    return [sentence for (sentence,) in rows]


@pytest.mark.parametrize("listing", ["ec2_volume", "rds_db_instance", "s3_bucket", "lambda_function"])
def test_a_role_that_misses_the_permission_is_refused_and_blocks(
    organisation: Simulator, database: Path, listing: str
) -> None:
    """The wrong world: the same refusals without AWS's words and without a policy that says so."""
    organisation.configure(refused_actions={"workload": ["ec2:DescribeVolumes", "rds:*", "s3:*", "lambda:*"]})
    with asked(organisation, database, listing) as cells:
        refused = [cell for cell in cells if cell.role == "workload" and cell.outcome != "skipped"]
        assert {cell.outcome for cell in refused} == {"denied"}
    assert verdict(database, listing).blocks
    assert not sentences(database)


@pytest.mark.parametrize("wording", ["arn", "words", "bare"])
@pytest.mark.parametrize("listing", ["ec2_volume", "rds_db_instance", "s3_bucket", "lambda_function"])
def test_a_service_that_is_denied_to_everybody_is_skipped(
    organisation: Simulator, database: Path, listing: str, wording: str
) -> None:
    organisation.change("add_policy", name="No", content=deny("ec2:*", "rds:*", "s3:*", "lambda:*"), target="/")
    organisation.configure(policy_wording=wording)
    with asked(organisation, database, *POLICIES):
        pass
    with asked(organisation, database, listing) as cells:
        denied = [cell for cell in cells if cell.skip_reason == "denied_by_policy"]
        assert denied and not [cell for cell in cells if cell.outcome not in ("skipped",)]
        assert all((cell.evidence or {})["policy_name"] == "No" for cell in denied)
        assert all(cell.error_message and cell.error_code for cell in denied)
    assert verdict(database, listing).passed
    (sentence,) = sentences(database)
    # A listing without regions is denied in none.
    place = "for" if listings()[listing].scope == "global" else "in"
    assert f"(No) denies {listings()[listing].service} {place} " in sentence
    assert "had a response before" in sentence
    # What was known stays, stale: a policy makes nothing disappear.
    assert query(
        database,
        "select count(*) > 0 from audit.coverage where listing = $listing and last_trusted_at is not null",
        {"listing": listing},
        of="working",
    ) == [(True,)]


def test_a_stored_policy_that_aws_contradicts_is_no_evidence(organisation: Simulator, database: Path) -> None:
    """The policy is not in force any more, and the role misses a permission: that is the role's business."""
    policy = organisation.change("add_policy", name="Old", content=deny("ec2:*"), target="/")
    with asked(organisation, database, *POLICIES):
        pass
    organisation.change("detach_policy", **policy)
    organisation.configure(refused_actions={"workload": ["ec2:DescribeVolumes"]})
    with asked(organisation, database, "ec2_volume") as cells:
        # By itself nothing speaks against the policy.
        assert ("skipped", "denied_by_policy") in by_reason(cells, "ec2_volume")
    with asked(organisation, database, "ec2_volume", "ec2_vpc") as cells:
        assert {cell.outcome for cell in cells if cell.listing == "ec2_volume" and cell.role == "workload"} >= {
            "denied"
        }
        assert ("skipped", "denied_by_policy") not in by_reason(cells, "ec2_volume")
    assert verdict(database, "ec2_volume").blocks


def test_the_management_account_is_bound_by_no_policy(organisation: Simulator, database: Path) -> None:
    refused = {
        "action": "error",
        "service": "organizations",
        "op": "ListAccounts",
        "code": "AccessDeniedException",
        "message": "with an explicit deny in a service control policy",
    }
    organisation.control("POST", "/faults", [refused])
    with asked(organisation, database, "organizations_account") as cells:
        assert [cell.outcome for cell in cells] == ["denied"]
    blocked = verdict(database, "organizations_account")
    assert blocked.blocks and "A service control policy denies" in blocked.sentence


def test_children_of_what_is_denied_are_denied_with_it(organisation: Simulator, database: Path) -> None:
    organisation.change("add_policy", name="NoBuckets", content=deny("s3:ListAllMyBuckets"), target="/")
    with asked(organisation, database, "s3_bucket", "s3_bucket_tag") as cells:
        assert by_reason(cells, "s3_bucket_tag")["skipped", "denied_by_policy"]
        assert ("skipped", "parents_unknown") not in by_reason(cells, "s3_bucket_tag")
    assert verdict(database, "s3_bucket_tag").passed
    # Those of the night before are kept, and it is said why they are not asked.
    assert query(
        database,
        "select distinct skip_reason from audit.coverage "
        "where listing = 's3_bucket_tag' and last_trusted_at is not null",
        of="working",
    ) == [("denied_by_policy",)]
    (sentence,) = sentences(database)
    assert "denies s3, s3control in" in sentence


@pytest.mark.parametrize(
    ("parent", "operation", "child"),
    [
        ("ec2_host", "DescribeHosts", "ec2_mac_host"),
        ("ec2_application_status_check", "DescribeApplicationStatusChecks", "ec2_application_status"),
    ],
)
def test_children_of_the_only_account_with_parents_refuse_nothing_where_it_is_tolerated(
    organisation: Simulator, database: Path, parent: str, operation: str, child: str
) -> None:
    """The check of the parents counts the refusal; the children, of which nothing can be requested, keep their rows."""
    held = query(
        database,
        "select distinct account_id from audit.coverage where listing = $name and outcome = 'found'",
        {"name": child},
    )
    ((account,),) = held
    refusal = {
        "action": "error",
        "service": "ec2",
        "op": operation,
        "account": account,
        "code": "UnauthorizedOperation",
    }
    organisation.control("POST", "/faults", [refusal])
    with asked(organisation, database, parent, child, "ec2_instance") as cells:
        assert {cell.outcome for cell in cells if cell.listing == parent and cell.account_id == account} == {"denied"}
        assert by_reason(cells, child)["skipped", "parents_unknown"]
    result = verdict(database, child)
    assert not result.passed and not result.blocks
    assert "the parents of 1 of " in result.sentence and "marked stale" in result.sentence
    assert not verdict(database, parent, CMDB_UNTRUSTED_TOLERANCE="0.25").blocks
    # The wrong world: where the parents' own check does not tolerate them, they refuse the run.
    assert verdict(database, parent, CMDB_UNTRUSTED_TOLERANCE="0").blocks
    # What was known of them is kept.
    assert (True,) in query(
        database,
        "select last_trusted_at is not null from audit.coverage "
        "where listing = $name and account_id = $account and not is_trusted",
        {"name": child, "account": account},
        of="working",
    )


def test_the_bill_is_reported_beside_it_and_refuses_nothing(organisation: Simulator, database: Path) -> None:
    organisation.change("add_policy", name="RegionDeny", content=region_deny(OPEN), target="/")
    with asked(organisation, database, "ec2_instance") as cells:
        assert by_reason(cells, "ec2_instance")["skipped", "denied_by_policy"] == set(CLOSED)
    assert verdict(database, "ec2_instance").passed
    (sentence,) = sentences(database)
    assert "The bill of the last days shows usage in " in sentence and " in eu-west-1" in sentence
    assert f" in {OPEN}" not in sentence


def test_one_region_that_is_denied_does_not_speak_for_an_optional_grant(
    organisation: Simulator, database: Path
) -> None:
    """The grant was given: only the region that was probed is closed."""
    closed = deny("cloudwatch:*", Condition={"StringEquals": {"aws:RequestedRegion": CLOSED[0]}})
    organisation.change("add_policy", name="NoMetrics", content=closed, target="/")
    age(database, "cloudwatch_metric")
    with asked(organisation, database, "cloudwatch_metric") as cells:
        found = by_reason(cells, "cloudwatch_metric")
        assert found["skipped", "denied_by_policy"] == {CLOSED[0]}
        assert found["found", None] == {OPEN, CLOSED[1]}
        assert ("skipped", "optional_grant_not_given") not in found


def test_regions_that_nobody_selected_are_said_once_an_account_and_bind_buckets(
    organisation: Simulator, database: Path
) -> None:
    with asked(organisation, database, "ec2_vpc", "s3_bucket", "s3_bucket_tag", CMDB_REGIONS=OPEN) as cells:
        network = by_reason(cells, "ec2_vpc")
        # One cell an account, however many regions there are.
        assert network["skipped", "region_not_selected"] == {"aws-global"}
        left = [c for c in cells if c.listing == "ec2_vpc" and c.skip_reason == "region_not_selected"]
        assert len(left) == len({(c.role, c.account_id) for c in left})
        assert all(region in str(left[0].error_message) for region in CLOSED)
        tags = by_reason(cells, "s3_bucket_tag")
        assert tags["skipped", "region_not_selected"] == set(CLOSED)
        assert tags["found", None] == {OPEN}
    for listing in ("ec2_vpc", "s3_bucket", "s3_bucket_tag"):
        assert verdict(database, listing).passed
    assert {
        (call["service"], call["region"]) for call in organisation.log() if call["operation"] == "ListTagsForResource"
    } <= {("s3control", OPEN)}
    # What stood in these regions stays, and says why it is not asked.
    assert query(
        database,
        "select distinct skip_reason from audit.coverage where listing = 'ec2_vpc' and region = $region",
        {"region": CLOSED[0]},
        of="working",
    ) == [("region_not_selected",)]


def test_buckets_that_all_lie_elsewhere_block_nothing_and_a_wrong_region_does(
    organisation: Simulator, database: Path
) -> None:
    organisation.change("add_policy", name="NoTags", content=deny("s3:ListTagsForResource"), target="/")
    with asked(organisation, database, "s3_bucket", "s3_bucket_tag", CMDB_REGIONS="ap-southeast-1") as cells:
        assert {reason for _, reason in by_reason(cells, "s3_bucket_tag")} >= {"region_not_selected"}
        assert "found" not in {outcome for outcome, _ in by_reason(cells, "s3_bucket_tag")}
    assert verdict(database, "s3_bucket_tag").passed
    with asked(organisation, database, "ec2_vpc", CMDB_REGIONS="ap-southeast-1"):
        pass
    # It is enabled nowhere: a mistake in the setting, by which nothing was asked.
    assert verdict(database, "ec2_vpc").blocks


def test_a_bucket_left_in_a_region_that_was_disabled_blocks_nothing_and_is_unknown(
    organisation: Simulator, database: Path
) -> None:
    reachable = organisation.truth()["reachable"]
    organisation.change("opt_in", region=CLOSED[1], accounts=reachable[:1])
    with asked(organisation, database, "ec2_region"):
        pass
    with asked(organisation, database, "s3_bucket", "s3_bucket_tag", CMDB_UNTRUSTED_TOLERANCE="0") as cells:
        tags = by_reason(cells, "s3_bucket_tag")
        assert tags["skipped", "region_disabled"] == {CLOSED[1]}
        assert "denied" not in {outcome for outcome, _ in tags}
        assert CLOSED[1] in tags["found", None]  # of the account that has the region
    assert verdict(database, "s3_bucket_tag").passed


@pytest.mark.parametrize("is_known", [False, True], ids=["Lambda does not know the operation", "the role is refused"])
def test_a_region_without_urls_of_functions_blocks_nothing(
    organisation: Simulator, database: Path, is_known: bool
) -> None:
    """The wrong world: the same code in the words of a missing permission."""
    truth = organisation.truth()
    having = {one["account_id"] for one in truth["functions"] if one["region"] == CLOSED[0]}
    message = (
        "User is not authorized to perform: lambda:ListFunctionUrlConfigs"
        if is_known
        else "Unable to determine service/operation name to be authorized"
    )
    fault = {"action": "error", "service": "lambda", "op": "ListFunctionUrlConfigs", "region": CLOSED[0]}
    organisation.faults([{**fault, "code": "AccessDeniedException", "message": message, "status": 403}])
    with asked(organisation, database, "lambda_function_url") as cells:
        there = [cell for cell in cells if cell.listing == "lambda_function_url" and cell.region == CLOSED[0]]
        assert {cell.account_id for cell in there} == having & {*truth["reachable"]}
        outcome = ("denied", None) if is_known else ("skipped", "not_offered")
        assert {(cell.outcome, cell.skip_reason) for cell in there} == {outcome}
        assert by_reason(cells, "lambda_function_url")["found", None] == {OPEN, CLOSED[1]}
    assert verdict(database, "lambda_function_url").blocks == is_known


@pytest.mark.parametrize("is_known", [False, True], ids=["EC2 does not know the operation", "the role is refused"])
def test_a_region_without_vpc_block_public_access_blocks_nothing(
    organisation: Simulator, database: Path, is_known: bool
) -> None:
    """The wrong world: the words of a missing permission."""
    code = "UnauthorizedOperation" if is_known else "InvalidAction"
    names = [f"ec2_vpc_block_public_access_{part}" for part in ("option", "exclusion")]
    fault = {
        "action": "error",
        "service": "ec2",
        "region": CLOSED[0],
        "code": code,
        "message": "Not now.",
        "status": 400,
    }
    operations = [f"DescribeVpcBlockPublicAccess{part}" for part in ("Options", "Exclusions")]
    organisation.faults([{**fault, "op": operation} for operation in operations])
    with asked(organisation, database, *names) as cells:
        for name in names:
            there = {(one.outcome, one.skip_reason) for one in cells if (one.listing, one.region) == (name, CLOSED[0])}
            assert there == {("denied", None) if is_known else ("skipped", "not_offered")}
        assert by_reason(cells, names[0])["found", None] >= {OPEN, CLOSED[1]}
    assert {verdict(database, name).blocks for name in names} == {is_known}


def test_the_hub_where_its_region_is_denied_blocks_nothing(organisation: Simulator, database: Path) -> None:
    hub = organisation.truth()["central"]["operations"]
    organisation.change("add_policy", name="Hub", content=deny("resource-groups:*", "tag:*"), target=hub)
    names = ("resource_group", "resource_group_member", "resource_group_tag", "tagged_resource")
    with asked(organisation, database, *names) as cells:
        assert {(cell.outcome, cell.skip_reason) for cell in cells} == {("skipped", "denied_by_policy")}
    for name in names:
        assert verdict(database, name).passed
    assert f"for 1 account ({hub}):" in sentences(database)[0]


def test_an_account_without_a_list_of_regions_is_requested_where_others_are(
    organisation: Simulator, database: Path
) -> None:
    """The list is denied where it is asked for; another region is open, and what is there must be seen."""
    account = organisation.truth()["reachable"][0]
    closed = deny("*", Condition={"StringEquals": {"aws:RequestedRegion": OPEN}})
    organisation.change("add_policy", name="NotVirginia", content=closed, target=account)
    with asked(organisation, database, "ec2_region") as cells:
        (own,) = [cell for cell in cells if cell.account_id == account]
        assert own.skip_reason == "denied_by_policy"
    with asked(organisation, database, "ec2_vpc") as cells:
        own_cells = [cell for cell in cells if cell.account_id == account and cell.listing == "ec2_vpc"]
        assert {cell.region: cell.outcome for cell in own_cells} == {
            OPEN: "skipped",
            CLOSED[0]: "found",
            CLOSED[1]: "found",
        }


def test_tolerance_does_not_count_what_is_denied(organisation: Simulator, database: Path) -> None:
    organisation.change("add_policy", name="RegionDeny", content=region_deny(OPEN), target="/")
    with asked(organisation, database, "ec2_volume", CMDB_UNTRUSTED_TOLERANCE="0"):
        pass
    passed: Any = verdict(database, "ec2_volume")
    assert passed.passed and passed.severity == "ERROR", passed.sentence
    assert Decimal(0) == read_settings({"CMDB_UNTRUSTED_TOLERANCE": "0"}).untrusted_tolerance


def test_what_a_bucket_had_is_requested_until_two_responses_lack_it(organisation: Simulator, database: Path) -> None:
    """Without the last bucket of a region nothing would ask for its access points, and they stood there for ever."""
    (account, region), *_ = query(database, "select account_id, region from aws.s3_access_point order by all")
    place = {"account": account, "region": region}
    buckets = query(database, "select name from aws.s3_bucket where account_id = $account and region = $region", place)
    for (bucket,) in buckets:
        organisation.change("delete_bucket", name=bucket)

    def newest() -> tuple[str, str | None]:
        ((outcome, reason),) = query(
            database,
            "select outcome, skip_reason from audit.coverage "
            "where listing = 's3_access_point' and account_id = $account and region = $region",
            place,
            of="working",
        )
        return outcome, reason

    seen = []
    for night in ("first", "second", "third"):
        with asked(organisation, database, "s3_bucket", "s3_access_point", run=night):
            pass
        seen.append(newest())
        age(database, "s3_access_point")
    assert seen == [("empty_verified", None), ("empty_verified", None), ("skipped", "parent_gone")]
