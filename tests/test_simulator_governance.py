"""What governs the organisation and what its hub knows, as the simulator serves it: plain boto3 over HTTP."""

from __future__ import annotations

import datetime as dt
import functools
import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.exceptions
import botocore.loaders
import botocore.session
import pytest
from botocore.config import Config
from conftest import MakeOrganisation, lead_to, policies

from simulator.client import Simulator, SimulatorError, start

pytestmark = pytest.mark.large

ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, read_timeout=20)
LOADER = botocore.loaders.create_loader()
SCP = "SERVICE_CONTROL_POLICY"

Record = dict[str, Any]


@functools.cache
def _client(_proxy: str, profile: str, service: str, region: str | None) -> Any:
    session = botocore.session.Session(profile=profile)
    session.register_component("data_loader", LOADER)
    return session.create_client(service, region_name=region, config=ONCE)


def client(profile: str, service: str, region: str | None = None) -> Any:
    """One for each simulator, profile, service and region: making them is what takes the time."""
    return _client(os.environ["HTTP_PROXY"], profile, service, region)


def pages(profile: str, service: str, operation: str, region: str | None = None, **parameters: Any) -> list[Record]:
    return list(client(profile, service, region).get_paginator(operation).paginate(**parameters))


def listed(
    key: str, profile: str, service: str, operation: str, region: str | None = None, **parameters: Any
) -> list[Any]:
    return [item for page in pages(profile, service, operation, region, **parameters) for item in page[key]]


def code_of(call: Callable[[], Any]) -> str:
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call()
    return str(caught.value.response["Error"]["Code"])


management = functools.partial(listed, profile="acmeManagement", service="organizations")


def tags_of(item: Record) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in item.get("Tags") or []}


def profiles(truth: Record) -> dict[str, str]:
    """Profiles that may ask EC2, by account."""
    by_account = {a["account_id"]: a["profile"] for a in truth["accounts"] if a["account_id"] in truth["reachable"]}
    return {truth["central"]["operations"]: "acmeOperations", **by_account}


# ---------------------------------------------------------------------- policies


def test_every_policy_type_of_the_model_is_in_one_of_three_states(organisation: Simulator) -> None:
    truth = organisation.truth("governance")
    model = client("acmeManagement", "organizations").meta.service_model
    assert [*truth["policy_types"]] == model.shape_for("PolicyType").enum
    assert set(truth["policy_types"].values()) == {"policies", "empty", "not_enabled"}
    (root,) = management(key="Roots", operation="list_roots")
    assert [entry["Type"] for entry in root["PolicyTypes"]] == [
        name for name, state in truth["policy_types"].items() if state != "not_enabled"
    ]
    organisations = client("acmeManagement", "organizations")
    for name, state in truth["policy_types"].items():
        if state == "not_enabled":
            assert code_of(lambda name=name: organisations.list_policies(Filter=name)) == (
                "PolicyTypeNotEnabledException"
            )
            continue
        found = management(key="Policies", operation="list_policies", Filter=name)
        assert [(p["Id"], p["Name"], p["Description"], p["AwsManaged"], p["Type"]) for p in found] == [
            (p["policy_id"], p["name"], p["description"], p["is_aws_managed"], p["policy_type"])
            for p in truth["policies"]
            if p["policy_type"] == name
        ]
        assert bool(found) == (state == "policies")
    assert len(pages("acmeManagement", "organizations", "list_policies", Filter=SCP)) > 1
    assert code_of(lambda: organisations.list_policies(Filter="HAPPINESS_POLICY")) == "InvalidInputException"


def test_content_and_targets_of_every_policy(organisation: Simulator) -> None:
    truth = organisation.truth("governance")
    units = {unit["ou_id"] for unit in truth["organizational_units"]}
    accounts = {account["account_id"] for account in truth["accounts"]}
    organisations = client("acmeManagement", "organizations")
    for policy in truth["policies"]:
        described = organisations.describe_policy(PolicyId=policy["policy_id"])["Policy"]
        assert json.loads(described["Content"]) == policy["content"]
        owner = "aws" if policy["is_aws_managed"] else truth["central"]["management"]
        assert described["PolicySummary"]["Arn"].split(":")[4] == owner
        found = management(key="Targets", operation="list_targets_for_policy", PolicyId=policy["policy_id"])
        assert [(t["TargetId"], t["Type"], t["Name"]) for t in found] == [
            (t["target_id"], t["target_type"], t["target_name"])
            for t in truth["policy_targets"]
            if t["policy_id"] == policy["policy_id"]
        ]
        kinds = {"ROOT": {truth["root_id"]}, "ORGANIZATIONAL_UNIT": units, "ACCOUNT": accounts}
        assert all(t["TargetId"] in kinds[t["Type"]] for t in found)
    everything = management(key="Targets", operation="list_targets_for_policy", PolicyId="p-FullAWSAccess")
    assert len(everything) == 1 + len(units) + len(accounts)
    shapes = [
        {t["target_type"] for t in truth["policy_targets"] if t["policy_id"] == policy["policy_id"]}
        for policy in truth["policies"]
        if not policy["is_aws_managed"]
    ]
    assert {"ROOT", "ORGANIZATIONAL_UNIT", "ACCOUNT"} in shapes and set() in shapes
    assert code_of(lambda: organisations.describe_policy(PolicyId="p-none0000")) == "PolicyNotFoundException"


def test_coverage_is_what_hangs_on_an_account_and_above_it(organisation: Simulator) -> None:
    truth = organisation.truth("governance")
    enabled = [name for name, state in truth["policy_types"].items() if state == "policies"]
    organisations = client("acmeManagement", "organizations")

    @functools.cache
    def attached(target: str) -> frozenset[str]:
        return frozenset(
            policy["Id"]
            for name in enabled
            for policy in management(key="Policies", operation="list_policies_for_target", TargetId=target, Filter=name)
        )

    @functools.cache
    def above(child: str) -> tuple[str, ...]:
        (parent,) = organisations.list_parents(ChildId=child)["Parents"]
        return (parent["Id"], *(() if parent["Type"] == "ROOT" else above(parent["Id"])))

    organisation.configure(page_size=3)
    found = {
        (account["account_id"], policy, target)
        for account in truth["accounts"]
        for target in (account["account_id"], *above(account["account_id"]))
        for policy in attached(target)
    }
    rows = truth["account_policies"]
    assert found == {(row["account_id"], row["policy_id"], row["target_id"]) for row in rows}
    assert len(rows) == len(found)
    assert all(row["is_inherited"] == (row["target_id"] != row["account_id"]) for row in rows)
    unbound = {(row["account_id"], row["policy_type"]) for row in rows if not row["is_bound"]}
    assert unbound == {
        (truth["central"]["management"], SCP),
        (truth["central"]["management"], "RESOURCE_CONTROL_POLICY"),
    }
    assert code_of(lambda: organisations.list_policies_for_target(TargetId="ou-none-12345678", Filter=SCP)) == (
        "TargetNotFoundException"
    )


def test_policy_types_are_switched(organisation: Simulator) -> None:
    organisations = client("acmeManagement", "organizations")
    organisation.configure(policy_types={"GUARDDUTY_POLICY": "policies", SCP: "empty", "TAG_POLICY": "not_enabled"})
    assert len(organisations.list_policies(Filter="GUARDDUTY_POLICY")["Policies"]) == 1
    assert organisations.list_policies(Filter=SCP)["Policies"] == []
    assert code_of(lambda: organisations.list_policies(Filter="TAG_POLICY")) == "PolicyTypeNotEnabledException"
    (root,) = organisations.list_roots()["Roots"]
    enabled = {entry["Type"] for entry in root["PolicyTypes"]}
    assert {"GUARDDUTY_POLICY", SCP} <= enabled and "TAG_POLICY" not in enabled
    assert {p["policy_type"] for p in organisation.truth("governance")["policies"]}.isdisjoint({SCP, "TAG_POLICY"})
    organisation.configure(disabled_policy_types="empty")
    assert organisations.list_policies(Filter="TAG_POLICY")["Policies"] == []
    with pytest.raises(SimulatorError, match="no such state"):
        organisation.configure(policy_types={SCP: "broken"})
    organisation.reset()
    assert organisations.list_policies(Filter=SCP)["Policies"]


def test_policies_are_attached_and_detached(organisation: Simulator) -> None:
    truth = organisation.truth("governance")
    draft = next(p["policy_id"] for p in truth["policies"] if not p["target_ids"])
    unit, account = truth["organizational_units"][0]["ou_id"], truth["reachable"][0]
    organisation.change("attach_policy", policy_id=draft, target_id=unit)
    organisation.change("detach_policy", policy_id="p-FullAWSAccess", target_id=account)
    now = organisation.truth("governance")
    assert [t["TargetId"] for t in management(key="Targets", operation="list_targets_for_policy", PolicyId=draft)] == [
        unit
    ]
    direct = management(key="Policies", operation="list_policies_for_target", TargetId=account, Filter=SCP)
    assert "p-FullAWSAccess" not in {policy["Id"] for policy in direct}
    gone = ("p-FullAWSAccess", account)
    assert gone in {(t["policy_id"], t["target_id"]) for t in truth["policy_targets"]}
    assert gone not in {(t["policy_id"], t["target_id"]) for t in now["policy_targets"]}
    with pytest.raises(SimulatorError, match="not attached"):
        organisation.change("detach_policy", policy_id="p-FullAWSAccess", target_id=account)
    with pytest.raises(SimulatorError, match="there is no policy p-none"):
        organisation.change("attach_policy", policy_id="p-none", target_id=unit)
    organisation.reset()
    assert organisation.truth("governance") == truth


# ---------------------------------------------------------------------- services and delegations


def test_services_administrators_and_what_they_administer(organisation: Simulator) -> None:
    truth = organisation.truth("governance")
    found = management(key="EnabledServicePrincipals", operation="list_aws_service_access_for_organization")
    assert [(s["ServicePrincipal"], s["DateEnabled"].isoformat()) for s in found] == [
        (s["service_principal"], s["enabled_at"]) for s in truth["enabled_services"]
    ]
    administrators = management(key="DelegatedAdministrators", operation="list_delegated_administrators")
    assert [(a["Id"], a["DelegationEnabledDate"].isoformat()) for a in administrators] == [
        (a["account_id"], a["delegated_at"]) for a in truth["delegated_administrators"]
    ]
    assert len(found) > 5 and len(administrators) > 5
    for administrator in truth["delegated_administrators"]:
        services = management(
            key="DelegatedServices",
            operation="list_delegated_services_for_account",
            AccountId=administrator["account_id"],
        )
        assert [(s["ServicePrincipal"], s["DelegationEnabledDate"].isoformat()) for s in services] == [
            (s["service_principal"], s["delegated_at"]) for s in administrator["services"]
        ]
    assert max(len(a["services"]) for a in truth["delegated_administrators"]) > 5
    organisations = client("acmeManagement", "organizations")
    by_service = organisations.list_delegated_administrators(ServicePrincipal="ipam.amazonaws.com")
    assert len(by_service["DelegatedAdministrators"]) == 1
    operations = truth["central"]["operations"]
    assert code_of(lambda: organisations.list_delegated_services_for_account(AccountId=operations)) == (
        "AccountNotRegisteredException"
    )
    organisation.change(
        "register_delegated_administrator", account_id=operations, service_principal="ipam.amazonaws.com"
    )
    assert organisations.list_delegated_services_for_account(AccountId=operations)["DelegatedServices"]


def test_the_delegation_policy_and_its_absence(organisation: Simulator) -> None:
    organisations = client("acmeManagement", "organizations")
    policy = organisations.describe_resource_policy()["ResourcePolicy"]
    assert json.loads(policy["Content"]) == organisation.truth("governance")["delegation_policy"]
    organisation.configure(delegation_policy=False)
    assert code_of(organisations.describe_resource_policy) == "ResourcePolicyNotFoundException"
    assert organisation.truth("governance")["delegation_policy"] is None


def test_only_the_management_account_and_administrators_may_read(tmp_path: Path) -> None:
    rights = policies()
    rights = {**rights, "operations": rights["management"], "workload": rights["management"]}
    with start(tmp_path, rights, resources=1) as other, pytest.MonkeyPatch.context() as patch:
        lead_to(other, patch)
        truth = other.truth("governance")
        administrator = truth["delegated_administrators"][0]["account_id"]
        profile = next(a["profile"] for a in truth["accounts"] if a["account_id"] == administrator)
        assert len(listed("Accounts", profile, "organizations", "list_accounts")) == len(truth["accounts"])
        assert client(profile, "organizations").list_policies(Filter=SCP)["Policies"]
        outsider = client("acmeOperations", "organizations")
        assert outsider.list_policies(Filter=SCP)["Policies"] == []
        assert outsider.list_delegated_administrators()["DelegatedAdministrators"] == []
        assert code_of(outsider.describe_resource_policy) == "AccessDeniedException"
        other.configure(org_mode="access-denied")
        assert code_of(lambda: outsider.list_policies(Filter=SCP)) == "AccessDeniedException"
        assert client(profile, "organizations").list_policies(Filter=SCP)["Policies"]


@pytest.mark.parametrize(("tree", "depth"), [("flat", 0), ("deep", 5)])
def test_trees_of_other_shapes(make_organisation: MakeOrganisation, tree: str, depth: int) -> None:
    truth = make_organisation(tree=tree, resources=1).truth("governance")
    assert max((unit["depth"] for unit in truth["organizational_units"]), default=0) == depth
    below_root = [
        unit["Id"]
        for unit in management(
            key="OrganizationalUnits", operation="list_organizational_units_for_parent", ParentId=truth["root_id"]
        )
    ]
    assert bool(below_root) == bool(depth)
    assert any(t["target_type"] == "ROOT" for t in truth["policy_targets"])
    deepest = max(Counter(row["account_id"] for row in truth["account_policies"]).values())
    assert deepest > depth


# ---------------------------------------------------------------------- networks


LISTINGS = {
    "vpcs": ("describe_vpcs", "Vpcs", "VpcId", "vpc_id"),
    "subnets": ("describe_subnets", "Subnets", "SubnetId", "subnet_id"),
    "security_groups": ("describe_security_groups", "SecurityGroups", "GroupId", "group_id"),
    "security_group_rules": (
        "describe_security_group_rules",
        "SecurityGroupRules",
        "SecurityGroupRuleId",
        "rule_id",
    ),
    "flow_logs": ("describe_flow_logs", "FlowLogs", "FlowLogId", "flow_log_id"),
}


def places(truth: Record, accounts: int) -> Iterator[tuple[str, str, str]]:
    """Account, profile and region: the hub and some workload accounts, in every region."""
    for account_id, profile in [*profiles(truth).items()][: accounts + 1]:
        for region in truth["regions"]:
            yield account_id, profile, region


def wanted(truth: Record, key: str, account_id: str, region: str) -> dict[str, Record]:
    name = LISTINGS[key][3]
    return {row[name]: row for row in truth[key] if (row["account_id"], row["region"]) == (account_id, region)}


def rule_row(rule: Record) -> Record:
    referenced = rule.get("ReferencedGroupInfo", {})
    return {
        "group_id": rule["GroupId"],
        "account_id": rule["GroupOwnerId"],
        "is_egress": rule["IsEgress"],
        "protocol": rule["IpProtocol"],
        "ports": (rule["FromPort"], rule["ToPort"]),
        "cidr_ipv4": rule.get("CidrIpv4"),
        "cidr_ipv6": rule.get("CidrIpv6"),
        "prefix_list_id": rule.get("PrefixListId"),
        "referenced_group_id": referenced.get("GroupId"),
        "referenced_account_id": referenced.get("UserId"),
        "description": rule.get("Description"),
    }


def expected_rule(row: Record) -> Record:
    names = rule_row({"GroupId": "", "GroupOwnerId": "", "IsEgress": 0, "IpProtocol": "", "FromPort": 0, "ToPort": 0})
    ports = tuple(-1 if row[name] is None else row[name] for name in ("from_port", "to_port"))
    return {name: ports if name == "ports" else row[name] for name in names}


def test_every_network_is_what_it_is_in_truth(organisation: Simulator) -> None:
    truth = organisation.truth("network")
    page_counts: Counter[str] = Counter()
    for account_id, profile, region in places(truth, accounts=3):
        found: dict[str, dict[str, Record]] = {}
        for key, (operation, result, identifier, _) in LISTINGS.items():
            answered = pages(profile, "ec2", operation, region)
            page_counts[key] = max(page_counts[key], len(answered))
            items = [item for page in answered for item in page[result]]
            found[key] = {item[identifier]: item for item in items}
            assert len(items) == len(found[key])
            assert found[key].keys() == wanted(truth, key, account_id, region).keys()
        for key in ("vpcs", "subnets", "security_groups"):
            for name, row in wanted(truth, key, account_id, region).items():
                assert found[key][name]["OwnerId"] == account_id
                assert tags_of(found[key][name]) == row["tags"]
        for name, row in wanted(truth, "vpcs", account_id, region).items():
            assert (found["vpcs"][name]["CidrBlock"], found["vpcs"][name]["IsDefault"]) == (
                row["cidr"],
                row["is_default"],
            )
        for name, row in wanted(truth, "subnets", account_id, region).items():
            subnet = found["subnets"][name]
            assert (subnet["VpcId"], subnet["CidrBlock"], subnet["AvailabilityZone"]) == (
                row["vpc_id"],
                row["cidr"],
                row["availability_zone"],
            )
        for name, row in wanted(truth, "security_group_rules", account_id, region).items():
            assert rule_row(found["security_group_rules"][name]) == expected_rule(row)
        for name, row in wanted(truth, "flow_logs", account_id, region).items():
            log = found["flow_logs"][name]
            assert (log["ResourceId"], log["DeliverLogsStatus"], log["LogDestinationType"], log["TrafficType"]) == (
                row["target_id"],
                row["delivery"],
                row["destination_type"],
                row["traffic_type"],
            )
    assert all(count > 1 for count in page_counts.values()), page_counts


def permissions(group: Record) -> set[tuple[Any, ...]]:
    """Rules as DescribeSecurityGroups nests them."""
    found = set()
    for key, is_egress in (("IpPermissions", False), ("IpPermissionsEgress", True)):
        for entry in group[key]:
            head = (is_egress, entry["IpProtocol"], entry.get("FromPort"), entry.get("ToPort"))
            found |= {(*head, item["CidrIp"], None) for item in entry["IpRanges"]}
            found |= {(*head, item["CidrIpv6"], None) for item in entry["Ipv6Ranges"]}
            found |= {(*head, item["PrefixListId"], None) for item in entry["PrefixListIds"]}
            found |= {(*head, item["GroupId"], item["UserId"]) for item in entry["UserIdGroupPairs"]}
    return found


def test_rules_stand_in_their_groups_and_name_groups_elsewhere(organisation: Simulator) -> None:
    truth = organisation.truth("network")
    organisation.configure(page_size=50)
    rules: defaultdict[str, set[tuple[Any, ...]]] = defaultdict(set)
    for row in truth["security_group_rules"]:
        source = row["cidr_ipv4"] or row["cidr_ipv6"] or row["prefix_list_id"] or row["referenced_group_id"]
        head = (row["is_egress"], row["protocol"], row["from_port"], row["to_port"])
        rules[row["group_id"]].add((*head, source, row["referenced_account_id"]))
    pairs = set()
    for _, profile, region in places(truth, accounts=2):
        for group in listed("SecurityGroups", profile, "ec2", "describe_security_groups", region):
            assert permissions(group) == rules[group["GroupId"]]
            pairs |= {(group["OwnerId"], user) for *_, user in permissions(group) if user}
    operations, accounts = truth["central"]["operations"], {a["account_id"] for a in truth["accounts"]}
    assert any(owner == operations and user in truth["reachable"] for owner, user in pairs)
    assert any(owner in truth["reachable"] and user == operations for owner, user in pairs)
    assert {user for _, user in pairs} - accounts == {"999988887777"}


def test_there_is_something_to_find_in_the_networks(organisation: Simulator) -> None:
    truth = organisation.truth("network")
    operations = truth["central"]["operations"]
    for chosen in (lambda account: account == operations, lambda account: account in truth["reachable"]):
        rules = [row for row in truth["security_group_rules"] if chosen(row["account_id"])]
        open_rules = [row for row in rules if row["is_open_to_world"]]
        assert {row["port_class"] for row in open_rules} >= {"all"}
        assert any(row["cidr_ipv6"] for row in open_rules) and any(row["cidr_ipv4"] for row in open_rules)
        assert any(row["is_cross_account"] for row in rules)
        vpcs = [row for row in truth["vpcs"] if chosen(row["account_id"]) and not row["is_default"]]
        assert {bool(row["flow_log_ids"]) for row in vpcs} == {True, False}
        groups = [row for row in truth["security_groups"] if chosen(row["account_id"])]
        assert {row["is_unused"] for row in groups} == {True, False}
    assert {row["port_class"] for row in truth["security_group_rules"] if row["is_open_to_world"]} == {
        "all",
        "administration",
        "database",
        "web",
        "other",
    }
    assert {row["delivery"] for row in truth["flow_logs"]} == {"SUCCESS", "FAILED"}
    assert any(row["referenced_by"] and not row["network_interface_ids"] for row in truth["security_groups"])


def test_interfaces_show_which_groups_are_used(organisation: Simulator) -> None:
    truth = organisation.truth("network")
    organisation.configure(page_size=10)
    known = {row["network_interface_id"]: row for row in truth["network_interfaces"]}
    instances = {row["instance_id"] for row in truth["instances"]}
    default = {row["group_id"] for row in truth["security_groups"] if row["is_default"]}
    for account_id, profile, region in places(truth, accounts=1):
        seen = set()
        for item in listed("NetworkInterfaces", profile, "ec2", "describe_network_interfaces", region):
            groups = {group["GroupId"] for group in item["Groups"]}
            assert item["OwnerId"] == account_id
            if row := known.get(item["NetworkInterfaceId"]):
                seen.add(item["NetworkInterfaceId"])
                assert groups == set(row["group_ids"])
                assert (item["SubnetId"], item["VpcId"]) == (row["subnet_id"], row["vpc_id"])
                assert item["InterfaceType"] == row["interface_type"] and item["Description"] == row["description"]
            else:
                assert item["Attachment"]["InstanceId"] in instances
                assert groups <= default
        assert seen == {
            row["network_interface_id"]
            for row in truth["network_interfaces"]
            if (row["account_id"], row["region"]) == (account_id, region)
        }


# ---------------------------------------------------------------------- tags and resource groups


def test_tagged_resources_come_in_pages_and_some_have_lost_their_tags(organisation: Simulator) -> None:
    truth = organisation.truth("hub")
    for region in truth["regions"]:
        answered = pages("acmeOperations", "resourcegroupstaggingapi", "get_resources", region)
        found = {item["ResourceARN"]: tags_of(item) for page in answered for item in page["ResourceTagMappingList"]}
        assert found == {row["arn"]: row["tags"] for row in truth["tagged_resources"] if row["region"] == region}
    assert len(answered) > 2
    assert any(not tags for tags in found.values())
    vpcs = listed(
        "ResourceTagMappingList",
        "acmeOperations",
        "resourcegroupstaggingapi",
        "get_resources",
        region,
        ResourceTypeFilters=["ec2:vpc"],
    )
    assert {item["ResourceARN"] for item in vpcs} == {arn for arn in found if ":vpc/" in arn}


def test_resource_groups_their_members_queries_and_tags(organisation: Simulator) -> None:
    truth = organisation.truth("hub")
    operations, second = "acmeOperations", truth["regions"][1]
    assert client(operations, "resource-groups", second).list_groups()["GroupIdentifiers"] == []
    for region in truth["regions"]:
        groups = [row for row in truth["resource_groups"] if row["region"] == region]
        found = listed("GroupIdentifiers", operations, "resource-groups", "list_groups", region)
        assert [(group["GroupName"], group["GroupArn"]) for group in found] == [
            (group["name"], group["group_arn"]) for group in groups
        ]
        api = client(operations, "resource-groups", region)
        for group in groups:
            answered = pages(operations, "resource-groups", "list_group_resources", region, Group=group["group_arn"])
            assert [
                {"arn": item["ResourceArn"], "resource_type": item["ResourceType"]}
                for page in answered
                for item in page["ResourceIdentifiers"]
            ] == group["members"]
            assert [error["ErrorCode"] for error in answered[0]["QueryErrors"]] == group["query_errors"]
            query = api.get_group_query(Group=group["name"])["GroupQuery"]["ResourceQuery"]
            assert (query["Type"], json.loads(query["Query"])) == (group["query_type"], group["query"])
            assert api.get_tags(Arn=group["group_arn"])["Tags"] == group["tags"]
    sizes = [len(row["members"]) for row in truth["resource_groups"]]
    assert 0 in sizes and max(sizes) > 5
    assert max(Counter(row["region"] for row in truth["resource_groups"]).values()) > 5
    assert code_of(lambda: api.list_group_resources(Group="none")) == "NotFoundException"


# ---------------------------------------------------------------------- optional grants


def config_rows(expression: str, region: str, aggregator: str = "organisation") -> list[Record]:
    return [
        json.loads(row)
        for row in listed(
            "Results",
            "acmeOperations",
            "config",
            "select_aggregate_resource_config",
            region,
            Expression=expression,
            ConfigurationAggregatorName=aggregator,
        )
    ]


def indexed(organisation: Simulator, region: str, text: str = "-service:ec2", **parameters: Any) -> list[Record]:
    """What the view shows, by boto3's own pages."""
    return listed(
        "Resources",
        "acmeOperations",
        "resource-explorer-2",
        "list_resources",
        region,
        ViewArn=organisation.env["CMDB_EXPLORER_VIEW"],
        Filters={"FilterString": text},
        **parameters,
    )


def test_resource_explorer_shows_what_its_filter_lets_through_and_no_more_pages_where_one_may_have_a_thousand(
    organisation: Simulator,
) -> None:
    truth = organisation.truth("search", "others", "network")
    region = truth["regions"][0]
    organisation.configure(page_sizes={"resource-explorer-2:ListResources": 2})
    rows = indexed(organisation, region)
    assert [row["Arn"] for row in rows] == [row["arn"] for row in truth["explorer_resources"]]
    known = {row["arn"] for row in truth["other_resources"] if "explorer" in row["known_by"]}
    assert {row["Arn"] for row in rows} == known
    tags = {row["Arn"]: {tag["Key"]: tag["Value"] for p in row["Properties"] for tag in p["Data"]} for row in rows}
    assert {arn: found or None for arn, found in tags.items()} == {
        row["arn"]: row["tags"] for row in truth["explorer_resources"]
    }
    assert {row["LastReportedAt"].date().isoformat() for row in rows} == {truth["today"]}
    instances = indexed(organisation, region, "service:ec2")
    assert {row["ResourceType"] for row in instances} == {"ec2:instance"} and len(instances) > len(rows)
    account = rows[0]["OwningAccountId"]
    own = indexed(organisation, region, f"accountid:{account} -service:ec2")
    assert [row["Arn"] for row in own] == [row["Arn"] for row in rows if row["OwningAccountId"] == account]
    explorer = client("acmeOperations", "resource-explorer-2", region)
    view = organisation.env["CMDB_EXPLORER_VIEW"]
    assert "NextToken" in explorer.list_resources(ViewArn=view, MaxResults=999)
    assert "NextToken" not in explorer.list_resources(ViewArn=view, MaxResults=1000)
    assert code_of(explorer.list_resources) == "UnauthorizedException"
    assert code_of(lambda: explorer.list_resources(ViewArn=f"{view}0")) == "ResourceNotFoundException"
    assert code_of(lambda: explorer.list_resources(ViewArn=view, MaxResults=1001)) == "ValidationException"
    free = {"FilterString": "a word"}
    assert code_of(lambda: explorer.list_resources(ViewArn=view, Filters=free)) == "ValidationException"


def test_the_aggregator_lacks_an_account_and_knows_an_instance_more(organisation: Simulator) -> None:
    truth = organisation.truth("config", "network", "others")
    region = truth["regions"][0]
    organisation.configure(page_sizes={"config:DescribeConfigurationAggregators": 1})
    found = listed("ConfigurationAggregators", "acmeOperations", "config", "describe_configuration_aggregators", region)
    assert [a["ConfigurationAggregatorName"] for a in found] == [a["name"] for a in truth["config_aggregators"]]
    assert "OrganizationAggregationSource" in found[0] and found[1]["AccountAggregationSources"][0]["AccountIds"]
    (missing,) = truth["config_aggregators"][0]["missing_account_ids"]

    names = ("arn", "accountId", "awsRegion", "resourceType", "resourceId")
    rows = config_rows(f"SELECT {', '.join(names)}", region)
    key = functools.partial(sorted, key=lambda row: row["arn"])
    assert key(rows) == key(truth["config_resources"])
    assert missing in truth["reachable"] and missing not in {row["accountId"] for row in rows}

    counts = config_rows(
        "select accountId, awsRegion, resourceType, COUNT(*) group by accountId, awsRegion, resourceType", region
    )
    assert {(r["accountId"], r["awsRegion"], r["resourceType"]): r["COUNT(*)"] for r in counts} == Counter(
        (row["accountId"], row["awsRegion"], row["resourceType"]) for row in rows
    )
    direct = {row["arn"] for key in ("vpcs", "subnets", "security_groups", "instances") for row in truth[key]}
    direct |= {row["arn"] for row in truth["other_resources"] if "config" in row["known_by"]}
    assert {row["arn"] for row in rows} - direct == set(truth["config_unseen_arns"]) != set()
    assert len({row["accountId"] for row in config_rows("SELECT accountId", region, "before-the-organisation")}) == 2


def test_config_understands_its_sql(organisation: Simulator) -> None:
    truth = organisation.truth("config")
    region, account = truth["regions"][0], truth["reachable"][0]
    instances = config_rows(
        "SELECT resourceId, configuration.instanceType, tags WHERE resourceType = 'AWS::EC2::Instance' "
        f"AND accountId = '{account}' AND configuration.state.name <> 'terminated'",
        region,
    )
    by_id = {row["instance_id"]: row for row in truth["instances"]}
    unseen = truth["config_unseen_arns"][0].rpartition("/")[2]
    expected = {row["instance_id"] for row in truth["instances"] if row["account_id"] == account}
    expected -= {name for name in expected if by_id[name]["state"] == "terminated"}
    assert {row["resourceId"] for row in instances} == expected | {unseen}
    for row in instances:
        if row["resourceId"] != unseen:
            assert row["configuration"] == {"instanceType": by_id[row["resourceId"]]["instance_type"]}
            assert {tag["key"]: tag["value"] for tag in row["tags"]} == by_id[row["resourceId"]]["tags"]
    either = config_rows(
        f"select arn where resourceType in ('AWS::EC2::VPC', 'AWS::EC2::Subnet') and awsRegion like 'eu-%' "
        f"and (accountId = '{account}' or accountId = 'x''y') order by arn desc",
        region,
    )
    assert [row["arn"] for row in either] == sorted((row["arn"] for row in either), reverse=True) != []
    assert config_rows("SELECT COUNT(*) WHERE tags.key = 'no such key'", region) == [{"COUNT(*)": 0}]
    config = client("acmeOperations", "config", region)

    def refused(expression: str, aggregator: str = "organisation") -> str:
        return code_of(
            lambda: config.select_aggregate_resource_config(
                Expression=expression, ConfigurationAggregatorName=aggregator
            )
        )

    assert refused("SELECT arn FROM resources") == "InvalidExpressionException"
    assert refused("SELECT arn, COUNT(*)") == "InvalidExpressionException"
    assert refused("SELECT arn", "none") == "NoSuchConfigurationAggregatorException"


def metric_query(number: int, instance_id: str, metric: str, stat: str, period: int = 86400) -> Record:
    dimensions = [{"Name": "InstanceId", "Value": instance_id}]
    named = {"Namespace": "AWS/EC2", "MetricName": metric, "Dimensions": dimensions}
    return {"Id": f"q{number}", "MetricStat": {"Metric": named, "Period": period, "Stat": stat}}


def metric_values(profile: str, region: str, queries: list[Record], start: str, end: str) -> dict[str, list[Any]]:
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for result in listed(
        "MetricDataResults",
        profile,
        "cloudwatch",
        "get_metric_data",
        region,
        MetricDataQueries=queries,
        StartTime=start,
        EndTime=end,
    ):
        days = [moment.date().isoformat() for moment in result["Timestamps"]]
        found[result["Id"]] += zip(days, result["Values"], strict=True)
    return found


def test_metrics_are_those_of_truth_and_no_data_is_no_data(organisation: Simulator) -> None:
    truth = organisation.truth("metrics")
    end = dt.date.fromisoformat(truth["today"])
    start = end - dt.timedelta(days=14)
    expected: dict[tuple[str, str], dict[str, Record]] = defaultdict(dict)
    for row in organisation.metrics(start, end):
        if ":instance/" in row["arn"]:
            expected[row["arn"], row["metric"]][row["usage_date"]] = row
    account, region = truth["reachable"][0], truth["regions"][0]
    instances = [i for i in truth["instances"] if (i["account_id"], i["region"]) == (account, region)]
    asked = [
        (instance["arn"], instance["instance_id"], metric, stat)
        for instance in instances
        for metric in ("CPUUtilization", "NetworkIn")
        for stat in ("Average", "Maximum", "SampleCount")
    ]
    queries = [metric_query(n, identifier, metric, stat) for n, (_, identifier, metric, stat) in enumerate(asked)]
    organisation.configure(page_sizes={"cloudwatch:GetMetricData": 25})
    profile = profiles(truth)[account]
    found = metric_values(profile, region, queries, start.isoformat(), end.isoformat())
    assert len(found) == len(queries)
    for number, (arn, _, metric, stat) in enumerate(asked):
        days = {day: row[stat] for day, row in expected[arn, metric].items()}
        assert dict(found[f"q{number}"]) == days and len(found[f"q{number}"]) == len(days)
    activities = {row["arn"]: row["activity"] for row in truth["metric_activity"]}
    assert {*activities.values()} == {"busy", "idle", "sparse", "none"}
    assert any(not expected[arn, "CPUUtilization"] for arn, *_ in asked)
    counts = {
        activities[arn]: {row["SampleCount"] for row in days.values()}
        for (arn, _), days in expected.items()
        if days and all(item["state"] == "running" for item in truth["instances"] if item["arn"] == arn)
    }
    assert counts == {"busy": {288.0}, "idle": {288.0}, "sparse": {36.0}}
    idle = [
        row["Average"]
        for (arn, metric), days in expected.items()
        for row in days.values()
        if activities[arn] == "idle" and metric == "CPUUtilization"
    ]
    assert max(idle) < 2


def test_metric_calls_are_limited_as_aws_limits_them(organisation: Simulator) -> None:
    truth = organisation.truth("metrics")
    region = truth["regions"][0]
    cloudwatch = client("acmeOperations", "cloudwatch", region)
    period = {"StartTime": "2026-01-01", "EndTime": "2026-01-02"}

    def asked(count: int, **changed: Any) -> Record:
        queries = [metric_query(n, "i-none", "CPUUtilization", "Average") for n in range(count)]
        answer: Record = cloudwatch.get_metric_data(MetricDataQueries=queries, **{**period, **changed})
        return answer

    results = asked(500)["MetricDataResults"]
    assert len(results) == 500 and not any(result["Values"] for result in results)
    assert code_of(lambda: asked(501)) == "ValidationError"
    assert code_of(lambda: asked(1, EndTime="2026-01-01")) == "ValidationError"


def test_hours_add_up_to_the_day(organisation: Simulator) -> None:
    truth = organisation.truth("metrics")
    end = dt.date.fromisoformat(truth["today"])
    sparse = {row["arn"] for row in truth["metric_activity"] if row["activity"] == "sparse"}
    who = profiles(truth)
    instance = next(item for item in truth["instances"] if item["arn"] in sparse and item["account_id"] in who)
    place = (instance["account_id"], instance["region"])
    names = [item["instance_id"] for item in truth["instances"] if (item["account_id"], item["region"]) == place]
    queries = [
        metric_query(n, name, "NetworkIn", stat, period)
        for n, (name, stat, period) in enumerate(
            (name, stat, period) for name in names for stat in ("Sum", "SampleCount") for period in (3600, 86400)
        )
    ]
    first = (end - dt.timedelta(days=2)).isoformat()
    found = metric_values(who[place[0]], place[1], queries, first, end.isoformat())
    assert any(found.values())
    for number in range(0, len(queries), 2):
        hours, days = found[f"q{number}"], found[f"q{number + 1}"]
        summed: Counter[str] = Counter()
        for day, value in hours:
            summed[day] += value
        assert summed == pytest.approx(dict(days))


def test_optional_grants_are_refused_by_switch(organisation: Simulator) -> None:
    truth = organisation.truth("hub")
    region = truth["regions"][0]
    calls = {
        "config:SelectAggregateResourceConfig": lambda: config_rows("SELECT arn", region),
        "config:DescribeConfigurationAggregators": client(
            "acmeOperations", "config", region
        ).describe_configuration_aggregators,
        "resource-explorer-2:Search": lambda: indexed(organisation, region),
        "cloudwatch:GetMetricData": lambda: client("acmeOperations", "cloudwatch", region).get_metric_data(
            MetricDataQueries=[metric_query(0, "i-0", "NetworkIn", "Sum", 86400)],
            StartTime=dt.datetime.now(dt.UTC) - dt.timedelta(days=1),
            EndTime=dt.datetime.now(dt.UTC),
        ),
        "resource-groups:GetGroupQuery": lambda: client("acmeOperations", "resource-groups", region).get_group_query(
            Group="payments"
        ),
    }
    for action, call in calls.items():
        call()
        organisation.configure(refused_actions={"operations": [action]})
        assert code_of(call) in {"AccessDenied", "AccessDeniedException"}
        organisation.configure(refused_actions={})
    organisation.configure(refused_actions={"operations": ["config:*", "cloudwatch:*"]})
    assert all(
        code_of(call).startswith("AccessDenied")
        for call in (calls["config:SelectAggregateResourceConfig"], calls["cloudwatch:GetMetricData"])
    )
    client("acmeOperations", "resource-groups", region).list_groups()
    organisation.reset()
    config_rows("SELECT arn", region)


def test_truth_is_given_in_parts(organisation: Simulator) -> None:
    whole = organisation.truth()
    for part in ("ledger", "budgets", "governance", "network", "hub", "config", "metrics"):
        found = organisation.truth(part)
        assert found.keys() < whole.keys()
        assert {key: whole[key] for key in found} == found
    with pytest.raises(SimulatorError, match="truth has no lies; it has ledger, budgets, governance"):
        organisation.truth("lies")
