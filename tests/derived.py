"""What tests take from the catalogue, so that a new type of resource is in them without a line of its own."""

from pipelines.catalogue.registry import INVENTORY

HUB_AND_WORKLOADS = ("operations", "workload")

INVENTORIED = {
    listing.name: listing for listing in INVENTORY.listings if listing.each is None or not listing.each.parameter
}
"""The listings of resources that are asked for by themselves, not for each record of another."""


def truth_of(listing: str) -> str:
    """What the simulator's truth calls the records of a listing: `nat_gateways` of `ec2_nat_gateway`.

    Snapshots of clusters stand among those of instances, marked `is_of_cluster`.
    """
    name = listing.partition("_")[2].replace("db_cluster_snapshot", "db_snapshot")
    if name.endswith(("xy", "ry", "cy")):
        return name[:-1] + "ies"
    return name + ("es" if name.endswith("s") else "s")


NEEDS = {name: listing.each.of for name, listing in INVENTORIED.items() if listing.each is not None}
"""The listings that are asked only where there is one of these: their parents."""

IN_EVERY_ACCOUNT = {
    name: truth_of(name)
    for name, listing in INVENTORIED.items()
    # Of the interfaces the truth leaves out those of instances.
    if listing.roles == HUB_AND_WORKLOADS and name != "ec2_network_interface"
}
"""Listings that are asked of every account and region, and what the simulator's truth calls their records."""

OF_WORKLOADS = {
    name: truth_of(name)
    for name, listing in INVENTORIED.items()
    if listing.roles == ("workload",) and listing.scope == "regional"
}
"""The same that only workload profiles may ask."""

ITEMS = {
    truth_of(listing.name): listing.resource_type
    for listing in INVENTORY.listings
    if listing.resource_type and listing.name != "rds_db_cluster_snapshot"
}
"""The type of each part's items. A snapshot of a cluster has one of its own."""
