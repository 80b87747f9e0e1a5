"""The registry of all listings: one entry for each AWS listing, in the module of its service.

docs/dev/adding-a-resource-type.md leads through the four places of a new type of resource. Permission, asset, checks
and documentation follow from the entry. An entry describes only the request; the columns of the landed records are
declared in the listing's SQL file.
"""

from collections.abc import Iterable

from pipelines.catalogue import (
    ec2,
    ec2_capacity,
    ec2_commitments,
    ec2_connectivity,
    ec2_edges,
    ec2_reach,
    lambda_,
    rds,
    rds_parts,
    s3,
    s3_access,
)
from pipelines.catalogue.cost import BUDGET, COST, DATA_EXPORT
from pipelines.catalogue.ec2 import REGIONS
from pipelines.catalogue.family import Family
from pipelines.catalogue.metrics import METRICS
from pipelines.catalogue.names import ACCOUNT, REGION
from pipelines.catalogue.operations import AGGREGATION, HUB
from pipelines.catalogue.organization import DELEGATION, ORGANIZATION, POLICY
from pipelines.catalogue.rds_parts import SHARED
from resources.aws.listing import Listing

INVENTORY = Family(
    name="inventory",
    group="inventory",
    after=(ACCOUNT,),
    # One step collects all of them, so that a run looks up CloudTrail once for the zeros of an account and region.
    listings=(
        *ec2.COMPUTE,
        *ec2.NETWORK,
        *ec2_connectivity.LISTINGS,
        *ec2_edges.LISTINGS,
        *ec2_reach.LISTINGS,
        *ec2_capacity.LISTINGS,
        *rds.LISTINGS,
        *rds_parts.LISTINGS,
        *s3.LISTINGS,
        *s3_access.LISTINGS,
        *lambda_.LISTINGS,
        *ec2.STORAGE,
        *ec2_commitments.LISTINGS,
    ),
)

FAMILIES: tuple[Family, ...] = (
    ORGANIZATION,
    POLICY,
    DELEGATION,
    COST,
    BUDGET,
    DATA_EXPORT,
    REGIONS,
    INVENTORY,
    SHARED,
    HUB,
    AGGREGATION,
    METRICS,
)


def listings(families: Iterable[Family] = FAMILIES) -> dict[str, Listing]:
    """Every listing by its name."""
    return {listing.name: listing for family in families for listing in family.listings}


SUPPLEMENTS = frozenset(name for name, listing in listings().items() if listing.is_supplement)
"""Names of the listings without which a run goes on, whoever requests them (`Listing.is_supplement`)."""


def family_of(listing: str) -> Family:
    """The family that collects a listing.

    Raises:
        KeyError: no family has a listing of this name.
    """
    for family in FAMILIES:
        if any(entry.name == listing for entry in family.listings):
            return family
    raise KeyError(listing)


def read_back() -> set[str]:
    """Names of the listings whose landed records other collections read: accounts, regions, parents."""
    return {name for listing in listings().values() for name in listing.needs} | {ACCOUNT, REGION}
