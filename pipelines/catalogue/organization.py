"""Listings of the management account: accounts, organisational units, policies, delegated administrators."""

from pipelines.catalogue.family import Family
from pipelines.catalogue.names import ACCOUNT
from resources.aws.listing import Each, Listing

ORGANIZATION = Family(
    name="organization",
    group="organization",
    priority=20,
    listings=(
        Listing(
            ACCOUNT,
            "organizations:ListAccounts",
            roles=("management",),
            zero="impossible",
            records="Accounts",
            key=("Id",),
            owner="Arn",
            scope="global",
        ),
        Listing(
            "organizations_root",
            "organizations:ListRoots",
            roles=("management",),
            zero="impossible",
            records="Roots",
            key=("Id",),
            owner="Arn",
            scope="global",
        ),
        Listing(
            "organizations_organizational_unit",
            "organizations:ListOrganizationalUnitsForParent",
            roles=("management",),
            zero="ordinary",
            records="OrganizationalUnits",
            key=("Id",),
            owner="Arn",
            scope="global",
            each=Each("ParentId", of=("organizations_root", "organizations_organizational_unit"), field="Id"),
            skip_codes={"ParentNotFoundException": "parent_gone"},
        ),
        Listing(
            "organizations_account_parent",
            "organizations:ListAccountsForParent",
            roles=("management",),
            zero="ordinary",
            records="Accounts",
            key=("Id",),
            owner="Arn",
            scope="global",
            each=Each("ParentId", of=("organizations_root", "organizations_organizational_unit"), field="Id"),
            skip_codes={"ParentNotFoundException": "parent_gone"},
        ),
        Listing(
            "organizations_account_tag",
            "organizations:ListTagsForResource",
            roles=("management",),
            zero="ordinary",
            records="Tags",
            key=("Key",),
            scope="global",
            each=Each("ResourceId", of=(ACCOUNT,), field="Id"),
            skip_codes={"TargetNotFoundException": "parent_gone"},
        ),
    ),
)

POLICY = Family(
    name="policy",
    group="policy",
    after=(ACCOUNT,),
    # The management account's listings take seconds, so they come before the fan-out over all accounts.
    priority=15,
    listings=(
        Listing(
            "organizations_root_policy_type",
            "organizations:ListRoots",
            roles=("management",),
            # An organisation with consolidated billing only has no policies.
            zero="ordinary",
            records="Roots[].PolicyTypes",
            carry=("Id",),
            key=("Id", "Type"),
            scope="global",
        ),
        Listing(
            "organizations_policy",
            "organizations:ListPolicies",
            roles=("management",),
            zero="ordinary",
            # FullAWSAccess always exists, and AWS lets nobody delete it.
            zero_of={"SERVICE_CONTROL_POLICY": "impossible"},
            records="Policies",
            key=("Id",),
            owner="Arn",
            scope="global",
            # AWS returns an empty list for a policy type that is not enabled, although it documents an exception for
            # that.
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
            key=("PolicySummary.Id",),
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
            key=("TargetId",),
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
    after=(ACCOUNT,),
    priority=15,
    listings=(
        Listing(
            "organizations_enabled_service",
            "organizations:ListAWSServiceAccessForOrganization",
            roles=("management",),
            zero="ordinary",
            records="EnabledServicePrincipals",
            key=("ServicePrincipal",),
            scope="global",
        ),
        Listing(
            "organizations_delegated_administrator",
            "organizations:ListDelegatedAdministrators",
            roles=("management",),
            zero="ordinary",
            records="DelegatedAdministrators",
            key=("Id",),
            owner="Arn",
            scope="global",
        ),
        Listing(
            "organizations_delegated_service",
            "organizations:ListDelegatedServicesForAccount",
            roles=("management",),
            # A delegated administrator has at least one service; AWS refuses the request for one that was just
            # deregistered.
            zero="impossible",
            records="DelegatedServices",
            key=("ServicePrincipal",),
            scope="global",
            each=Each("AccountId", of=("organizations_delegated_administrator",), field="Id"),
            skip_codes={"AccountNotRegisteredException": "parent_gone", "AccountNotFoundException": "parent_gone"},
        ),
        Listing(
            "organizations_resource_policy",
            "organizations:DescribeResourcePolicy",
            roles=("management",),
            zero="impossible",
            records="ResourcePolicy",
            key=("ResourcePolicySummary.Id",),
            owner="ResourcePolicySummary.Arn",
            scope="global",
            skip_codes={"ResourcePolicyNotFoundException": "no_resource_policy"},
        ),
    ),
)
