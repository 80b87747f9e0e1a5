"""How the simulated organisation's items hang together, and what a published night says of it, in the same terms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nights import query

Edge = tuple[str, str, str]
"""From, relation, to."""

IDS = {
    "vpcs": "vpc_id",
    "subnets": "subnet_id",
    "security_groups": "group_id",
    "network_interfaces": "network_interface_id",
    "instances": "instance_id",
    "volumes": "volume_id",
    "snapshots": "snapshot_id",
    "addresses": "allocation_id",
    "db_instances": "resource_id",
    "db_clusters": "resource_id",
}
"""What the truth calls an item's own id, by part."""


OF_INSTANCES = ("key-pair/", "placement-group/", "dedicated-host/", "capacity-reservation/")
"""To what the truth says that an instance is related."""


def arns(truth: dict[str, Any]) -> dict[str, str]:
    """ARN by the id that others know an item by."""
    return {row[key]: row["arn"] for part, key in IDS.items() for row in truth[part] if row.get(key)}


def true(truth: dict[str, Any]) -> set[Edge]:
    """Every relation between items of accounts that are asked, but for what the truth does not say of instances."""
    asked = {*truth["reachable"], truth["central"]["operations"]}
    by_id = arns(truth)
    wanted: set[Edge] = set()

    def state(row: dict[str, Any], relation: str, *ids: str | None) -> None:
        if row["account_id"] in asked:
            wanted.update((row["arn"], relation, by_id[other]) for other in ids if other in by_id)

    for row in truth["subnets"]:
        state(row, "contained_in", row["vpc_id"])
    for row in truth["security_groups"]:
        state(row, "contained_in", row["vpc_id"])
    for row in truth["security_group_vpc_associations"]:
        if row["account_id"] in asked and row["state"] == "associated":
            wanted.add((row["group_arn"], "associated_with", row["vpc_arn"]))
    for row in truth["network_interfaces"]:
        state(row, "contained_in", row["subnet_id"])
        state(row, "associated_with", *row["group_ids"])
    for row in truth["volumes"]:
        state(row, "attached_to", *(attachment["instance_id"] for attachment in row["attachments"]))
    for row in truth["snapshots"]:
        state(row, "created_from", row["volume_id"])
    for row in truth["images"]:
        state(row, "created_from", *row["snapshot_ids"])
    for row in truth["addresses"]:
        state(row, "associated_with", row["instance_id"])
        if row["network_interface_id"] and row["account_id"] in asked:
            interface = row["arn"].replace(f"elastic-ip/{row['allocation_id']}", "network-interface/")
            wanted.add((row["arn"], "associated_with", interface + row["network_interface_id"]))
    for row in truth["nat_gateways"]:
        if row["state"] not in ("deleted", "failed"):
            state(row, "contained_in", row["subnet_id"])
            state(row, "associated_with", *row["allocation_ids"])
    for row in truth["db_instances"]:
        if row["account_id"] in asked:
            state(row, "associated_with", *row["security_group_ids"])
            place = row["arn"].rpartition(":db:")[0]
            wanted.add((row["arn"], "hosted_on", f"{place}:subgrp:{row['db_subnet_group']}"))
            wanted.add((f"{place}:subgrp:{row['db_subnet_group']}", "contained_in", by_id[row["vpc_id"]]))
            if row["db_cluster"]:
                wanted.add((row["arn"], "contained_in", f"{place}:cluster:{row['db_cluster']}"))
    for row in truth["db_snapshots"]:
        if row["snapshot_type"] != "automated":
            state(row, "created_from", row["source_resource_id"])
    for row in truth["functions"]:
        state(row, "attached_to", row["vpc_id"])
        state(row, "associated_with", *row["security_group_ids"])
        if row["capacity_provider_arn"] and row["account_id"] in asked:
            wanted.add((row["arn"], "hosted_on", row["capacity_provider_arn"]))
    for instance, options in truth["instance_options"].items():
        if instance.split(":")[4] in asked:
            wanted |= {(instance, relation, other) for relation, other in options["relations"]}
    for row in truth["resource_groups"]:
        wanted |= {(member["arn"], "contained_in", row["group_arn"]) for member in row["members"]}
    for part in truth.values():
        for row in part if isinstance(part, list) else ():
            if isinstance(row, dict) and row.get("relations") and any(place[0] in asked for place in row["listed_in"]):
                wanted |= {(row["arn"], relation, other) for relation, other in row["relations"]}
    for row in truth["vpc_peering_connections"]:
        if row["relations"] and any(place[0] in asked for place in row["listed_in"]):
            wanted.add((row["relations"][0][1], "connected_to", row["relations"][1][1]))
    for row in truth["transit_gateway_attachments"]:
        ends = [arn for _, arn in row["relations"]]
        if len(ends) == 2 and ":vpc/" in ends[1] and any(place[0] in asked for place in row["listed_in"]):
            wanted.add((ends[1], "connected_to", ends[0]))
    # A bucket's ARN names no account.
    return {edge for edge in wanted if edge[2].startswith("arn:aws:s3:::") or edge[2].split(":")[4] in asked}


def shown(database: Path, truth: dict[str, Any]) -> set[Edge]:
    """Every published relation between items that hold, applications apart, as far as the truth can speak of it.

    It does not say into which subnet an instance was put, which interface it got, where a cluster lies.
    """
    wanted, known = true(truth), {arn for arn in arns(truth).values() if ":instance/" not in arn}
    found: set[Edge] = set(
        query(
            database,
            """
            select from_arn, relation, to_arn from cmdb.relationship
            where
                ended_at is null and source not in ('resource tag', 'account default')
                and (from_arn, relation, to_arn) not in (
                    select (from_arn, relation, to_arn) from cmdb.orphan_relationship
                    where reason = 'not inventoried' and orphan_arn = to_arn
                )
            """,
        )
    )
    return {
        edge
        for edge in found
        if edge in wanted
        or not (
            (":instance/" in edge[0] and not edge[2].split(":", 5)[-1].startswith(OF_INSTANCES))
            or ":cluster:" in edge[0]
            or (":network-interface/" in edge[0] and edge[0] not in known)
        )
    }


def subnets_of_instances(database: Path) -> set[int]:
    """In how many subnets of its own account, region and zone each instance that is there stands."""
    stands = query(
        database,
        """
        select count(s.arn) from aws.ec2_instance as i
        left join cmdb.relationship as r on i.arn = r.from_arn and r.relation = 'contained_in'
        left join aws.ec2_subnet as s
            on r.to_arn = s.arn and i.account_id = s.account_id and i.region = s.region
            and i.availability_zone = s.availability_zone
        where i.state <> 'terminated' group by i.arn
        """,
    )
    return {count for (count,) in stands}
