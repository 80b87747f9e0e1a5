"""Endpoint services of the organisation: one that the hub offers to everybody, and one that failed."""

from __future__ import annotations

from typing import Any

from simulator.network import Network, made_id
from simulator.pages import Output
from simulator.storage import given, tag_list

CALL = ("ec2", "DescribeVpcEndpointServiceConfigurations")
RESULT = "ServiceConfigurations"
TRUTH = "vpc_endpoint_services"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """The hub's, where it has networks."""
    if account_id != network.world.operations or not network.own(account_id, region).vpcs:
        return []
    place, tags = (account_id, region), network.own(account_id, region).vpcs[0].tags
    found = []
    for state, its_tags in (("Available", {"Name": "directory", **tags}), ("Failed", {})):
        service_id = made_id("vpce-svc", *place, state)
        found.append(
            {
                **network.owned(service_id, place, "vpc-endpoint-service", its_tags),
                "vpc_endpoint_service_id": service_id,
                "state": state,
                "relations": [],
            }
        )
    return found


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it."""
    region, service_id = row["region"], row["vpc_endpoint_service_id"]
    balancer = f"arn:aws:elasticloadbalancing:{region}:{row['account_id']}:loadbalancer/net/directory/50dc6c495c0c9188"
    return given(
        ServiceId=service_id,
        ServiceName=f"com.amazonaws.vpce.{region}.{service_id}",
        ServiceState=row["state"],
        ServiceType=[{"ServiceType": "Interface"}],
        AvailabilityZones=[f"{region}a", f"{region}b"],
        AcceptanceRequired=True,
        ManagesVpcEndpoints=False,
        NetworkLoadBalancerArns=[balancer],
        BaseEndpointDnsNames=[f"{service_id}.{region}.vpce.amazonaws.com"],
        PrivateDnsName="directory.example.com" if row["tags"] else None,
        SupportedRegions=[{"Region": region, "ServiceState": row["state"]}],
    ) | tag_list(row["tags"])
