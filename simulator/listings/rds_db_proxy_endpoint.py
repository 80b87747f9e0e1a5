"""Endpoints of the organisation's proxies: one that reads only, of each proxy."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.listings import rds_db_proxy
from simulator.network import Network
from simulator.pages import Output

CALL = ("rds", "DescribeDBProxyEndpoints")
RESULT = "DBProxyEndpoints"
TRUTH = "db_proxy_endpoints"


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Each in the VPC of its proxy."""
    return [
        {
            "arn": f"arn:aws:rds:{region}:{account_id}:db-proxy-endpoint:prx-endpoint-{account_id}",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "db_proxy_endpoint_name": "app-reports",
            "db_proxy_name": proxy["db_proxy_name"],
            "vpc_id": proxy["vpc_id"],
            "subnet_ids": proxy["subnet_ids"],
        }
        for proxy in rds_db_proxy.rows(network, account_id, region)
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: without tags."""
    return {
        "DBProxyEndpointName": row["db_proxy_endpoint_name"],
        "DBProxyEndpointArn": row["arn"],
        "DBProxyName": row["db_proxy_name"],
        "Status": "available",
        "VpcId": row["vpc_id"],
        "VpcSecurityGroupIds": [],
        "VpcSubnetIds": row["subnet_ids"],
        "Endpoint": f"app-reports.endpoint.proxy-{row['account_id']}.{row['region']}.rds.amazonaws.com",
        "CreatedDate": dt.datetime(2025, 3, 3, 10, tzinfo=dt.UTC),
        "TargetRole": "READ_ONLY",
        "IsDefault": False,
        "EndpointNetworkType": "IPV4",
    }
