"""Proxies before databases: one where people made subnets."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.databases import SERVICE, Cluster, Database, estate_of
from simulator.listings import Charge
from simulator.network import Network
from simulator.pages import Output

CALL = ("rds", "DescribeDBProxies")
RESULT = "DBProxies"
TRUTH = "db_proxies"

MADE_AT = dt.datetime(2025, 3, 3, 9, tzinfo=dt.UTC)


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """One, in the first VPC."""
    place = network.own(account_id, region)
    if not place.vpcs or not place.subnets:
        return []
    return [
        {
            "arn": f"arn:aws:rds:{region}:{account_id}:db-proxy:prx-{account_id}",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "db_proxy_name": "app",
            "vpc_id": place.vpcs[0].resource_id,
            "subnet_ids": [subnet.resource_id for subnet in place.subnets],
            "relations": [("depends_on", target.arn) for target in targets(network, account_id, region)],
        }
    ]


def targets(network: Network, account_id: str, region: str) -> list[Database | Cluster]:
    """The databases that a proxy of the place leads to."""
    estate = estate_of(network, account_id, region)
    clusters = [cluster for cluster in estate.clusters if cluster.engine.startswith("aurora")]
    return [*(database for database in estate.instances if database.name == "orders"), *clusters]


def charges(row: dict[str, Any]) -> list[Charge]:
    """The hours of the capacity of its databases."""
    return [Charge("RDS:ProxyUsage", 7_200_000_000, SERVICE, "CreateDBProxy:0014")]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: without tags."""
    return {
        "DBProxyName": row["db_proxy_name"],
        "DBProxyArn": row["arn"],
        "Status": "available",
        "EngineFamily": "POSTGRESQL",
        "VpcId": row["vpc_id"],
        "VpcSecurityGroupIds": [],
        "VpcSubnetIds": row["subnet_ids"],
        "Auth": [
            {
                "AuthScheme": "SECRETS",
                "SecretArn": f"arn:aws:secretsmanager:{row['region']}:{row['account_id']}:secret:app-AbCdEf",
                "IAMAuth": "DISABLED",
            }
        ],
        "RoleArn": f"arn:aws:iam::{row['account_id']}:role/app-proxy",
        "Endpoint": f"app.proxy-{row['account_id']}.{row['region']}.rds.amazonaws.com",
        "RequireTLS": True,
        "IdleClientTimeout": 1800,
        "DebugLogging": False,
        "CreatedDate": MADE_AT,
        "UpdatedDate": MADE_AT,
    }
