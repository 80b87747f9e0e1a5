"""How it is mostly done: a pool of threads, a `boto3.Session` for each account and region, boto3's own paginators.

python -m bench.plain_boto3 WORK.json
"""

import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
from botocore import xform_name

from bench.canned import LISTINGS, Canned
from bench.work import Result, Work, profile_of

RECORDS = {
    "DescribeInstances": "Reservations",
    "DescribeVolumes": "Volumes",
    "DescribeSnapshots": "Snapshots",
    "DescribeImages": "Images",
    "DescribeVpcs": "Vpcs",
    "DescribeSubnets": "Subnets",
    "DescribeSecurityGroups": "SecurityGroups",
    "DescribeNetworkInterfaces": "NetworkInterfaces",
    "DescribeAddresses": "Addresses",
    "DescribeNatGateways": "NatGateways",
    "DescribeDBInstances": "DBInstances",
    "DescribeDBClusters": "DBClusters",
    "DescribeDBSnapshots": "DBSnapshots",
    "DescribeDBClusterSnapshots": "DBClusterSnapshots",
}

OWN = {"DescribeSnapshots": {"OwnerIds": ["self"]}, "DescribeImages": {"Owners": ["self"]}}


def count(client: Any, listing: Canned) -> int:
    """How many records a client finds of a listing."""
    operation = xform_name(listing.action)
    given = OWN.get(listing.action, {})
    if not client.can_paginate(operation):
        return len(getattr(client, operation)(**given)[RECORDS[listing.action]])
    found = 0
    for page in client.get_paginator(operation).paginate(**given):
        records = page[RECORDS[listing.action]]
        found += sum(len(r["Instances"]) for r in records) if listing.action == "DescribeInstances" else len(records)
    return found


def unit(account: str, region: str) -> dict[str, int]:
    """Everything of one account and region."""
    session = boto3.Session(profile_name=profile_of(account), region_name=region)
    clients = {service: session.client(service) for service in ("ec2", "rds")}
    return {listing.name: count(clients[listing.service], listing) for listing in LISTINGS}


def main() -> int:
    """Collect, and print what was found."""
    work = Work.load(Path(sys.argv[1]))
    places = [(account, region) for account in work.accounts for region in work.regions]
    counts: Counter[str] = Counter({listing.name: 0 for listing in LISTINGS})
    with ThreadPoolExecutor(work.concurrency) as pool:
        for found in pool.map(lambda place: unit(*place), places):
            counts.update(found)
    Result(dict(sorted(counts.items())), 0, {}).print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
