"""Network ACLs of the organisation: the default one of each VPC, and one that refuses SSH on subnets of people's."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, Vpc, made_id
from simulator.pages import Output
from simulator.storage import tag_list

CALL = ("ec2", "DescribeNetworkAcls")
RESULT = "NetworkAcls"
TRUTH = "network_acls"

LAST = 32767
"""The number of the rule that ends every list: what no other rule allows is denied; of IPv6 the one after it."""


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Subnets stay with the default one, but for the second subnet of a VPC of every other place."""
    found = []
    for vpc in network.vpcs(account_id, region):
        place = network.default(account_id, region) if vpc.is_default else network.own(account_id, region)
        subnets = sorted(subnet.resource_id for subnet in place.subnets if subnet.vpc_id == vpc.resource_id)
        is_split = not vpc.is_default and network.number(account_id, region) % 2 == 0
        apart = subnets[1:2] if is_split else []
        found.append(_row(network, vpc, [subnet for subnet in subnets if subnet not in apart], is_default=True))
        if apart:
            found.append(_row(network, vpc, apart, is_default=False))
    return found


def _row(network: Network, vpc: Vpc, subnet_ids: list[str], *, is_default: bool) -> dict[str, Any]:
    acl_id = made_id("acl", vpc.resource_id, is_default)
    tags = {} if is_default else {"Name": "no SSH", **vpc.tags}
    subnet = vpc.arn.partition(":vpc/")[0] + ":subnet/"
    return {
        **network.owned(acl_id, (vpc.account_id, vpc.region), "network-acl", tags),
        "network_acl_id": acl_id,
        "vpc_id": vpc.resource_id,
        "is_default": is_default,
        "subnet_ids": subnet_ids,
        "relations": [
            ("contained_in", vpc.arn),
            *(("associated_with", subnet + subnet_id) for subnet_id in subnet_ids),
        ],
    }


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it, with the rules of both directions."""
    acl_id = row["network_acl_id"]
    refused = {"RuleNumber": 50, "Protocol": "6", "RuleAction": "deny", "PortRange": {"From": 22, "To": 22}}
    everything = {"CidrBlock": "0.0.0.0/0", "Protocol": "-1"}
    everything_6 = {"Ipv6CidrBlock": "::/0", "Protocol": "-1"}
    entries: list[dict[str, Any]] = (
        [] if row["is_default"] else [{**refused, "CidrBlock": "0.0.0.0/0", "Egress": False}]
    )
    for egress in (True, False):
        entries.append({**everything, "RuleNumber": 100, "RuleAction": "allow", "Egress": egress})
        entries.append({**everything, "RuleNumber": LAST, "RuleAction": "deny", "Egress": egress})
        entries.append({**everything_6, "RuleNumber": 101, "RuleAction": "allow", "Egress": egress})
        entries.append({**everything_6, "RuleNumber": LAST + 1, "RuleAction": "deny", "Egress": egress})
    return {
        "NetworkAclId": acl_id,
        "VpcId": row["vpc_id"],
        "OwnerId": row["account_id"],
        "IsDefault": row["is_default"],
        "Associations": [
            {
                "NetworkAclAssociationId": made_id("aclassoc", acl_id, subnet_id),
                "NetworkAclId": acl_id,
                "SubnetId": subnet_id,
            }
            for subnet_id in row["subnet_ids"]
        ],
        "Entries": entries,
        **tag_list(row["tags"]),
    }
