"""What plain boto3 lists through the organisation's profiles, page by page: the records that AWS shows of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
from botocore.config import Config

Record = dict[str, Any]
Records = dict[str, dict[tuple[str, str], list[Record]]]

OWN = {"OwnerIds": ["self"]}

CALLS: dict[str, tuple[str, str, str, Mapping[str, Any]]] = {
    "ec2_instance": ("ec2", "describe_instances", "Reservations[].Instances[]", {}),
    "ec2_volume": ("ec2", "describe_volumes", "Volumes[]", {}),
    "ec2_snapshot": ("ec2", "describe_snapshots", "Snapshots[]", OWN),
    "ec2_image": ("ec2", "describe_images", "Images[]", {"Owners": ["self"], "IncludeDisabled": True}),
    "ec2_address": ("ec2", "describe_addresses", "Addresses[]", {}),
    "ec2_nat_gateway": ("ec2", "describe_nat_gateways", "NatGateways[]", {}),
    "ec2_vpc": ("ec2", "describe_vpcs", "Vpcs[]", {}),
    "ec2_subnet": ("ec2", "describe_subnets", "Subnets[]", {}),
    "ec2_security_group": ("ec2", "describe_security_groups", "SecurityGroups[]", {}),
    "ec2_security_group_rule": ("ec2", "describe_security_group_rules", "SecurityGroupRules[]", {}),
    "ec2_flow_log": ("ec2", "describe_flow_logs", "FlowLogs[]", {}),
    "ec2_network_interface": ("ec2", "describe_network_interfaces", "NetworkInterfaces[]", {}),
    "ec2_route_table": ("ec2", "describe_route_tables", "RouteTables[]", {}),
    "ec2_internet_gateway": ("ec2", "describe_internet_gateways", "InternetGateways[]", {}),
    "ec2_network_acl": ("ec2", "describe_network_acls", "NetworkAcls[]", {}),
    "ec2_vpc_block_public_access_option": (
        "ec2",
        "describe_vpc_block_public_access_options",
        "[VpcBlockPublicAccessOptions]",
        {},
    ),
    "ec2_vpc_block_public_access_exclusion": (
        "ec2",
        "describe_vpc_block_public_access_exclusions",
        "VpcBlockPublicAccessExclusions[]",
        {},
    ),
    "ec2_public_snapshot": ("ec2", "describe_snapshots", "Snapshots[]", {**OWN, "RestorableByUserIds": ["all"]}),
    "ec2_instance_image": ("ec2", "describe_instance_image_metadata", "InstanceImageMetadata[]", {}),
    "ec2_instance_type": ("ec2", "describe_instance_types", "InstanceTypes[]", {}),
    "ec2_reserved_instance": ("ec2", "describe_reserved_instances", "ReservedInstances[]", {}),
    "ec2_capacity_reservation": ("ec2", "describe_capacity_reservations", "CapacityReservations[]", {}),
    "ec2_capacity_block": ("ec2", "describe_capacity_blocks", "CapacityBlocks[]", {}),
    "ec2_host": ("ec2", "describe_hosts", "Hosts[]", {}),
    "ec2_host_reservation": ("ec2", "describe_host_reservations", "HostReservationSet[]", {}),
    "ec2_fast_snapshot_restore": ("ec2", "describe_fast_snapshot_restores", "FastSnapshotRestores[]", {}),
    "ec2_vpc_endpoint": ("ec2", "describe_vpc_endpoints", "VpcEndpoints[]", {}),
    "ec2_transit_gateway_attachment": (
        "ec2",
        "describe_transit_gateway_attachments",
        "TransitGatewayAttachments[]",
        {},
    ),
    "ec2_vpn_connection": ("ec2", "describe_vpn_connections", "VpnConnections[]", {}),
    "ec2_client_vpn_endpoint": ("ec2", "describe_client_vpn_endpoints", "ClientVpnEndpoints[]", {}),
    "ec2_traffic_mirror_session": ("ec2", "describe_traffic_mirror_sessions", "TrafficMirrorSessions[]", {}),
    "ec2_verified_access_endpoint": ("ec2", "describe_verified_access_endpoints", "VerifiedAccessEndpoints[]", {}),
    "ec2_ipam": ("ec2", "describe_ipams", "Ipams[]", {}),
    "rds_db_instance": ("rds", "describe_db_instances", "DBInstances[]", {}),
    "rds_db_cluster": ("rds", "describe_db_clusters", "DBClusters[]", {}),
    "rds_db_snapshot": ("rds", "describe_db_snapshots", "DBSnapshots[]", {}),
    "rds_db_cluster_snapshot": ("rds", "describe_db_cluster_snapshots", "DBClusterSnapshots[]", {}),
    "rds_db_instance_automated_backup": (
        "rds",
        "describe_db_instance_automated_backups",
        "DBInstanceAutomatedBackups[]",
        {},
    ),
    "rds_db_cluster_automated_backup": (
        "rds",
        "describe_db_cluster_automated_backups",
        "DBClusterAutomatedBackups[]",
        {},
    ),
    "rds_db_proxy": ("rds", "describe_db_proxies", "DBProxies[]", {}),
    "rds_reserved_db_instance": ("rds", "describe_reserved_db_instances", "ReservedDBInstances[]", {}),
    "rds_db_major_engine_version": ("rds", "describe_db_major_engine_versions", "DBMajorEngineVersions[]", {}),
    "rds_certificate": ("rds", "describe_certificates", "Certificates[]", {}),
    "lambda_function": ("lambda", "list_functions", "Functions[]", {}),
    "s3_bucket": ("s3", "list_buckets", "Buckets[]", {}),
}
"""By listing: service, call, where its records are, and what it is sent."""

ONCE = (
    "describe_addresses",
    "describe_reserved_instances",
    "describe_vpn_connections",
    "describe_vpc_block_public_access_options",
    "describe_vpc_block_public_access_exclusions",
)
"""Calls without pages, or with pages that boto3 does not know, whose first one holds all that there is."""


def records(profiles: Mapping[str, str], regions: Iterable[str], hub: str) -> Records:
    """Every record of every listing.

    Args:
        profiles: by account.
        regions: those that the accounts have.
        hub: the account whose profile may ask EC2 alone.
    """
    found: Records = {name: {} for name in CALLS}

    def fetch(account: str, region: str) -> None:
        session = boto3.Session(profile_name=profiles[account])
        config = Config(retries={"total_max_attempts": 3})
        clients = {
            service: session.client(service, region_name=region, config=config)
            for service in ("ec2", "rds", "lambda", "s3")
        }
        for name, (service, call, path, sent) in CALLS.items():
            if account == hub and service != "ec2":
                continue
            if service == "s3" and region != next(iter(regions)):
                continue
            found[name][account, region] = listed(clients[service], call, path, sent)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda place: fetch(*place), [(account, region) for account in profiles for region in regions]))
    return found


def listed(client: Any, call: str, path: str, sent: Mapping[str, Any]) -> list[Record]:
    """The records of all pages of a call."""
    import jmespath

    ask: Callable[..., Any] = getattr(client, call)
    pages = [ask(**sent)] if call in ONCE else client.get_paginator(call).paginate(**sent)
    return [record for page in pages for record in jmespath.search(path, page) or []]
