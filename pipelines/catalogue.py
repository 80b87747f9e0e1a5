"""What is collected: one entry an AWS listing.

Adding a resource type is one entry here, one SQL file under `warehouse/`, its rows in the simulated
organisation and one test of given rows. Permission, asset, checks and documentation follow from the entry.
Of a listing's data only the question stands here; the columns it lands with stand in its SQL file.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from resources.answer import REQUEST_LIMIT
from resources.contract import Role
from resources.listing import Each, Listing


@dataclass(frozen=True)
class Family:
    """Listings that one step collects, because they are asked by one role and belong together.

    Attributes:
        name: the step's name.
        group: the Dagster group, a domain.
        role: who asks.
        listings: in an order in which each comes after those it is asked for (`Listing.each`).
        after: landing listings that must stand before this family is asked.
        priority: Dagster starts ready steps of higher priority first.
    """

    name: str
    group: str
    role: Role
    listings: tuple[Listing, ...]
    after: tuple[str, ...] = ()
    priority: int = 0


ACCOUNT = "organizations_account"
"""The listing that says which accounts there are: untrusted, it blocks everything."""

REGION = "ec2_region"
"""The listing that says which regions an account has enabled."""

COST_DAILY = "cost_daily"

ORGANIZATION = Family(
    name="organization",
    group="organization",
    role="management",
    priority=20,
    listings=(
        Listing(
            ACCOUNT,
            "organizations:ListAccounts",
            roles=("management",),
            zero="impossible",
            records="Accounts",
            owner="Arn",
            scope="global",
        ),
        Listing(
            "organizations_root",
            "organizations:ListRoots",
            roles=("management",),
            zero="impossible",
            records="Roots",
            owner="Arn",
            scope="global",
        ),
        Listing(
            "organizations_organizational_unit",
            "organizations:ListOrganizationalUnitsForParent",
            roles=("management",),
            zero="ordinary",
            records="OrganizationalUnits",
            owner="Arn",
            scope="global",
            each=Each("ParentId", of=("organizations_root", "organizations_organizational_unit"), field="Id"),
        ),
        Listing(
            "organizations_account_parent",
            "organizations:ListAccountsForParent",
            roles=("management",),
            zero="ordinary",
            records="Accounts",
            owner="Arn",
            scope="global",
            each=Each("ParentId", of=("organizations_root", "organizations_organizational_unit"), field="Id"),
        ),
        Listing(
            "organizations_account_tag",
            "organizations:ListTagsForResource",
            roles=("management",),
            zero="ordinary",
            records="Tags",
            scope="global",
            each=Each("ResourceId", of=(ACCOUNT,), field="Id"),
        ),
    ),
)

POLICY = Family(
    name="policy",
    group="policy",
    role="management",
    after=(ACCOUNT,),
    # What the management account has to say comes before the fan-out, since it takes seconds.
    priority=15,
    listings=(
        Listing(
            "organizations_root_policy_type",
            "organizations:ListRoots",
            roles=("management",),
            # An organisation of consolidated billing alone has no policies.
            zero="ordinary",
            records="Roots[].PolicyTypes",
            carry=("Id",),
            scope="global",
        ),
        Listing(
            "organizations_policy",
            "organizations:ListPolicies",
            roles=("management",),
            zero="ordinary",
            # FullAWSAccess is always there, and AWS lets nobody delete it.
            zero_of={"SERVICE_CONTROL_POLICY": "impossible"},
            records="Policies",
            owner="Arn",
            scope="global",
            # A type that is not enabled answers with an empty list, although AWS has an exception of that name too.
            each=Each(
                "Filter",
                of=("organizations_root_policy_type",),
                field="Type",
                enum="PolicyType",
                unlisted="policy_type_not_enabled",
            ),
            skip_codes={"PolicyTypeNotEnabledException": "policy_type_not_enabled"},
        ),
        Listing(
            "organizations_policy_content",
            "organizations:DescribePolicy",
            roles=("management",),
            zero="impossible",
            records="Policy",
            owner="PolicySummary.Arn",
            scope="global",
            each=Each("PolicyId", of=("organizations_policy",), field="Id"),
            skip_codes={"PolicyNotFoundException": "parent_gone"},
        ),
        Listing(
            "organizations_policy_target",
            "organizations:ListTargetsForPolicy",
            roles=("management",),
            zero="ordinary",
            records="Targets",
            owner="Arn",
            scope="global",
            each=Each("PolicyId", of=("organizations_policy",), field="Id"),
            skip_codes={"PolicyNotFoundException": "parent_gone"},
        ),
    ),
)

DELEGATION = Family(
    name="delegation",
    group="organization",
    role="management",
    after=(ACCOUNT,),
    priority=15,
    listings=(
        Listing(
            "organizations_enabled_service",
            "organizations:ListAWSServiceAccessForOrganization",
            roles=("management",),
            zero="ordinary",
            records="EnabledServicePrincipals",
            scope="global",
        ),
        Listing(
            "organizations_delegated_administrator",
            "organizations:ListDelegatedAdministrators",
            roles=("management",),
            zero="ordinary",
            records="DelegatedAdministrators",
            owner="Arn",
            scope="global",
        ),
        Listing(
            "organizations_delegated_service",
            "organizations:ListDelegatedServicesForAccount",
            roles=("management",),
            # An administrator administers something; one that was deregistered a moment ago is refused.
            zero="impossible",
            records="DelegatedServices",
            scope="global",
            each=Each("AccountId", of=("organizations_delegated_administrator",), field="Id"),
            skip_codes={"AccountNotRegisteredException": "parent_gone"},
        ),
        Listing(
            "organizations_resource_policy",
            "organizations:DescribeResourcePolicy",
            roles=("management",),
            zero="impossible",
            records="ResourcePolicy",
            owner="ResourcePolicySummary.Arn",
            scope="global",
            skip_codes={"ResourcePolicyNotFoundException": "no_resource_policy"},
        ),
    ),
)

COST = Family(
    name="cost",
    group="cost",
    role="billing",
    after=(ACCOUNT,),
    # Before the inventory, so that tonight's bill can bear witness against tonight's zeros.
    priority=10,
    listings=(
        Listing(
            COST_DAILY,
            "ce:GetCostAndUsage",
            roles=("billing",),
            zero="witnessed",
            records="ResultsByTime[].Groups",
            carry=("TimePeriod", "Estimated"),
            scope="global",
            token=("NextPageToken", "NextPageToken"),
            skip_codes={REQUEST_LIMIT: "request_limit"},
        ),
    ),
)

INVENTORY = Family(
    name="inventory",
    group="inventory",
    role="workload",
    after=(ACCOUNT,),
    listings=(
        Listing(
            REGION,
            "ec2:DescribeRegions",
            roles=("workload",),
            zero="impossible",
            records="Regions",
            scope="global",
            parameters={"AllRegions": True},
        ),
        Listing(
            "ec2_instance",
            "ec2:DescribeInstances",
            roles=("workload",),
            zero="witnessed",
            records="Reservations[].Instances",
            carry=("OwnerId",),
            owner="OwnerId",
            # Without a size of the page EC2 answers everything at once, for as long as that takes.
            parameters={"MaxResults": 1000},
        ),
    ),
)

FAMILIES: tuple[Family, ...] = (ORGANIZATION, POLICY, DELEGATION, COST, INVENTORY)


def listings(families: Iterable[Family] = FAMILIES) -> dict[str, Listing]:
    """Every listing by its name."""
    return {listing.name: listing for family in families for listing in family.listings}


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
    """Listings whose landed records the collection of others reads: accounts, regions, parents."""
    parents = {name for listing in listings().values() if listing.each is not None for name in listing.each.of}
    return parents | {ACCOUNT, REGION}
