"""Snapshots and images for everybody or for accounts that are named, by boto3 and the simulator's own word."""

from __future__ import annotations

from collections.abc import Iterator

from recomputed.figures import Figures, Row, recomputes
from recomputed.network import listed
from recomputed.world import World


def _database_snapshots(world: World) -> Iterator[tuple[str, str, str, list[str]]]:
    """ARN, name, account and who may restore it, of those that can be shared."""
    hub = world.truth["central"]["operations"]
    for row in world.truth["db_snapshots"]:
        if row["snapshot_type"] == "manual" and row["account_id"] in world.collected - {hub}:
            yield row["arn"], row["name"], row["account_id"], row["restore_by"]


def given_to_everybody(world: World) -> Iterator[tuple[str, str, str, str]]:
    """ARN, entry, kind and account."""
    for account, region, one in listed(world, "ec2_public_snapshot"):
        arn = f"arn:aws:ec2:{region}:{account}:snapshot/{one['SnapshotId']}"
        yield arn, one["SnapshotId"], "snapshot", account
    for account, region, one in listed(world, "ec2_image"):
        if one["Public"]:
            yield f"arn:aws:ec2:{region}:{account}:image/{one['ImageId']}", one["ImageId"], "image", account
    for arn, name, account, restore_by in _database_snapshots(world):
        if "all" in restore_by:
            yield arn, name, "snapshot", account


@recomputes("cmdb.database_snapshot_access")
def database_snapshot_access(world: World) -> Figures:
    """Nobody hides one here, so all are known."""
    members = {account["account_id"] for account in world.truth["accounts"]}
    rows: list[Row] = []
    for arn, name, account, restore_by in _database_snapshots(world):
        named = sorted(set(restore_by) - {"all"})
        outside = [other for other in named if other not in members]
        access = (
            "public" if "all" in restore_by else "outside" if outside else "organization" if named else "own"
        )  # fmt: skip
        rows.append(
            {
                "arn": arn,
                "name": name,
                "account_id": account,
                "access": access,
                "shared_account_ids": named,
                "outside_account_ids": outside,
            }
        )
    return Figures(("arn",), rows)
