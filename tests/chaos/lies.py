"""The table of lies: AWS answers wrongly, refuses or breaks off, alone and in pairs, and what must come of each."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import ModuleType
from typing import Literal

from pipelines.catalogue.registry import listings
from resources.aws import client, retry, sessions

Fate = Literal["survived", "refused", "frozen", "missing", "doubted"]

"""What must come of a lie:

- survived: published, every row the truth of tonight; where CloudTrail is late, once `cmdb confirm` has looked it up
- refused: the published file is byte for byte the last one
- frozen: published; the rows of these cells are the last trusted ones, marked stale, all others tonight's
- missing: published; what the list left out is marked missing, nothing is retired
- doubted: as frozen; `cmdb confirm` refuses once CloudTrail has the call, the published file stays byte for byte
"""

WAITS = "empty_unconfirmed"
"""The outcome of a zero that CloudTrail has not confirmed."""

DELAY_SECONDS = (3600, 3 * 3600)
"""How late CloudTrail is where it is: later than the slowest machine is with a night."""

UNTIL_CONFIRMED_MINUTES = 6 * 60
"""After how many minutes it is looked up again: later than that."""

Place = tuple[str, str, str]
"""Patterns of listing, account and region."""

Doubt = tuple[str, str]
"""A pattern of listings, and an outcome."""

NO_SILENT_ZERO = ("no_silent_zero",)
"""The rule that most lies end at."""


def no_preparation() -> None:
    """The night is as it is."""


def give(module: ModuleType, name: str, value: object) -> None:
    """Give a name of a module another value in this process.

    Raises:
        AttributeError: the module has no such name, so that nothing would come of it.
    """
    getattr(module, name)
    setattr(module, name, value)


def impatient() -> None:
    """Wait for an answer for eight seconds instead of a minute."""
    give(sessions, "READ_SECONDS", 8)


def soon_tired() -> None:
    """Lose ten seconds to throttling instead of a minute before a question is given up."""
    give(client, "Retry", functools.partial(retry.Retry, seconds=10.0))


@dataclass(frozen=True)
class Lie:
    """A lie, or several at once, and what must come of it.

    Attributes:
        told: names of `simulator.faults`; `name@operations` is told of that central account, `name@workload` of the
            first workload account, `name@3` of the fourth.
        says: words of the sentences that the operator gets; `{account}` is the account lied about, `{other}` the first
            other one that is reached, `{management}` and so on those of the central roles; `{accounts}` is how many are
            reached that have a region, `{cells}` how many of their regions, `{workload_cells}` those of workload
            accounts.
        doubts: all listings of which cells are not trusted in this night, and with what outcome.
        fails: all rules that fail with severity ERROR in this night.
        frozen: where what is published is not trusted; these and `{first}` and `{last}` region are put in.
        settings: variables of the night.
        lookalike: what Organizations answers to somebody else's account: `silent-zero` or `access-denied`.
        late: CloudTrail shows a call only after the night; `cmdb confirm` looks it up again when it does.
        stale: tables that have yesterday's rows, each marked stale.
        cut: accounts of which a list ends too early.
        mends: the next night, to which nobody lies, has to publish tonight's truth.
        forgets: tables of which that night lacks rows, since what they compare with is gone.
        what: a name where those of the lies do not tell it.
        differs: tables besides that tell of it themselves.
        sends_only: patterns of all operations that are sent, besides those of signing in.
        never_sends: patterns of operations that are not.
        holds: a query of the working file, with the cells of the run as `collection`, whose every row has to be true.
        prepare: is called in the night's process before it.
    """

    told: tuple[str, ...]
    fate: Fate
    says: tuple[str, ...] = ()
    doubts: tuple[Doubt, ...] = ()
    fails: tuple[str, ...] = ()
    frozen: tuple[Place, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    lookalike: str = "silent-zero"
    mends: bool = False
    forgets: tuple[str, ...] = ()
    late: bool = False
    stale: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()
    what: str = ""
    differs: tuple[str, ...] = ()
    sends_only: tuple[str, ...] = ()
    never_sends: tuple[str, ...] = ()
    holds: str = ""
    prepare: Callable[[], None] = no_preparation

    @property
    def name(self) -> str:
        """Of its test."""
        if self.what:
            return self.what
        more = [f"{name}={value or 'unset'}" for name, value in self.settings.items()]
        if self.lookalike != "silent-zero":
            more.append("Organizations refuses strangers")
        if self.late:
            more.append("CloudTrail is late")
        return " and ".join(self.told or ("no lie",)) + (f" ({', '.join(more)})" if more else "")


REMEMBERING: Mapping[Fate, tuple[str, ...]] = {
    # What could not be judged in between stands there until it can be, or the resource is gone.
    "frozen": ("cmdb.decommission_signal",),
    "doubted": ("cmdb.decommission_signal",),
    # What was missing in between has a version that says so, and relations that began anew.
    "missing": ("cmdb.relationship", "cmdb.resource_version"),
}
"""Tables that tell of a lie for longer than the night."""

PATIENT = {"CMDB_UNTRUSTED_TOLERANCE": "0.25"}

LENIENT = {"CMDB_UNTRUSTED_TOLERANCE": "0.1"}
"""A cell in twenty is soon more than one in twenty where there are few."""

UNASKED = {"CMDB_OPERATIONS_ACCOUNT": "", "CMDB_BILLING_ACCOUNT": ""}
"""Nothing is expected of the profiles: only what they reach can tell."""

REFUSING = "access-denied"


def doubted(outcome: str, names: Sequence[str]) -> tuple[Doubt, ...]:
    """Listings of one outcome."""
    return tuple((name, outcome) for name in names)


def unconfirmed(names: Sequence[str]) -> tuple[Doubt, ...]:
    """Zeros of which CloudTrail says nothing."""
    return doubted(WAITS, names)


def denied(names: Sequence[str]) -> tuple[Doubt, ...]:
    """Refusals."""
    return doubted("denied", names)


def zero(name: str, listing: str, says: str, *, mends: bool = False) -> Lie:
    """An empty list of what there is."""
    return Lie(
        (name,),
        "refused",
        (f"{listing}: empty_suspect", says),
        ((listing, "empty_suspect"),),
        NO_SILENT_ZERO,
        mends=mends,
    )


def frozen(
    name: str,
    listing: str,
    outcome: str,
    *,
    settings: Mapping[str, str],
    prepare: Callable[[], None] = no_preparation,
) -> Lie:
    """One cell without an answer, within the tolerance."""
    return Lie(
        (name,),
        "frozen",
        (f"{listing}: {outcome} in account {{account}}",),
        ((listing, outcome),),
        frozen=((listing, "{account}", "{first}"),),
        settings=dict(settings),
        prepare=prepare,
    )


SILENT = "silent-zero"

REGIONAL = tuple(
    sorted(
        name
        for name, listing in listings().items()
        if "workload" in listing.roles and listing.scope == "regional" and listing.each is None and listing.every == 1
    )
)
"""Listings that a workload account is asked for in each region and each night."""

NAMELESS = (
    *("ec2_address", "ec2_application_status", "ec2_application_status_check_association", "ec2_flow_log"),
    *("ec2_instance", "ec2_internet_gateway", "ec2_mac_host", "ec2_nat_gateway", "ec2_network_acl"),
    *("ec2_network_interface", "ec2_public_snapshot", "ec2_route_table", "ec2_secondary_interface"),
    *("ec2_secondary_subnet", "ec2_security_group", "ec2_security_group_rule", "ec2_subnet", "ec2_volume", "ec2_vpc"),
    *("lambda_function_tag", "rds_db_cluster", "rds_db_cluster_snapshot", "s3_bucket_tag"),
)
"""What a region loses by instances of another account: all that is empty there, or has no record with an account."""

WITH_SHARED = (*NAMELESS, "rds_db_major_engine_version")
"""The same with what is requested through the first account for all, in a step that a refused night does not reach."""

BESIDE_KEPT = (
    "ec2_application_status",
    "ec2_application_status_check_association",
    "ec2_mac_host",
    "ec2_secondary_interface",
    "ec2_secondary_subnet",
    "ec2_vpc_block_public_access_exclusion",
)
"""Listings that the first workload account is asked for each night beside parents, or options, that are not due.

It alone has the parents of all but the last one, so that of those its cell is the only one requested.
"""

ZEROS: Mapping[str, tuple[str, ...]] = {
    "management": (
        "organizations_account_parent",
        "organizations_account_tag",
        "organizations_organizational_unit",
        "organizations_policy",
        "organizations_policy_target",
    ),
    "operations": (
        "config_aggregator",
        "ec2_byoip_cidr",
        "ec2_image",
        "ec2_ipam_byoasn",
        "ec2_snapshot",
        "resource_group",
        "resource_group_member",
    ),
    "billing": ("budget", "cost_resource_daily", "cost_tag_backfill"),
}
"""Listings of which some cells are empty in truth, or where no budgets are, by role."""

ALONE: tuple[Lie, ...] = (
    Lie((), "survived"),
    # A zero that is none, of each role.
    zero("silent_zero", "ec2_instance", "in account {account}", mends=True),
    zero("silent_zero@operations", "ec2_instance", "in account {account}"),
    replace(zero("no_accounts", "organizations_account", "never empty"), never_sends=("ec2:*",)),
    zero("no_service_control_policies", "organizations_policy", "never empty"),
    zero("no_bill", "cost_monthly", "requested by billing"),
    zero("no_databases", "rds_db_instance", "InstanceUsage:db."),
    zero("no_functions", "lambda_function", "in account {account}"),
    zero("no_buckets", "s3_bucket", "in account {account}"),
    # Half a list.
    Lie(("empty_page",), "survived"),
    Lie(("truncated",), "missing", cut=("{account}",), mends=True),
    Lie(
        ("truncated_accounts",),
        "refused",
        ("Every account that stands in the OU tree is in the list of accounts",),
        fails=("every_account_in_the_tree_is_listed",),
        mends=True,
    ),
    Lie(
        ("truncated_units",),
        "refused",
        ("Every listed account has its place in the OU tree",),
        fails=("every_account_stands_in_the_tree",),
    ),
    Lie(
        ("bill_without_account",),
        "refused",
        ("add up to AWS's total of the month",),
        fails=("daily_cost_is_the_monthly_total", "tags_by_service_are_the_bill"),
    ),
    # Refusals.
    frozen("denied_listing", "rds_db_instance", "denied", settings=LENIENT),
    Lie(
        ("denied",),
        "refused",
        (
            "ec2_region: denied in account {account}",
            "1 of {accounts} cells, more than CMDB_UNTRUSTED_TOLERANCE=0.05 allows",
        ),
        # Where the lists of regions are not trusted, nothing is requested region by region.
        (("ec2_region", "denied"),),
        NO_SILENT_ZERO,
    ),
    Lie(
        ("denied",),
        "frozen",
        ("denied in account {account}",),
        denied((*REGIONAL, *BESIDE_KEPT, "ec2_region", "s3_bucket")),
        frozen=(("*", "{account}", "*"),),
        settings=PATIENT,
        mends=True,
    ),
    Lie(
        ("denied_region",),
        "refused",
        ("denied in account", "CMDB_UNTRUSTED_TOLERANCE"),
        # In some of the regions public access is blocked, and what is excluded from that is asked for each night.
        denied((*REGIONAL, "s3_bucket_tag", "ec2_vpc_block_public_access_exclusion")),
        NO_SILENT_ZERO,
    ),
    Lie(
        ("denied_region@workload",),
        "frozen",
        ("denied in account {account}",),
        denied((*REGIONAL, "s3_bucket_tag")),
        frozen=(("*", "{account}", "{last}"),),
        settings=LENIENT,
    ),
    Lie(
        ("denied_everywhere",),
        "refused",
        ("ec2_instance: denied in account", "requested by operations"),
        (("ec2_instance", "denied"),),
        NO_SILENT_ZERO,
    ),
    Lie(
        ("denied_everywhere_workload",),
        "refused",
        (
            "ec2_instance: denied in account",
            "{workload_cells} of {cells} cells, more than CMDB_UNTRUSTED_TOLERANCE=0.05",
        ),
        (("ec2_instance", "denied"),),
        NO_SILENT_ZERO,
        mends=True,
    ),
    Lie(
        ("denied_management",),
        "refused",
        ("organizations_policy: denied", "requested by management"),
        (("organizations_policy", "denied"),),
        NO_SILENT_ZERO,
    ),
    Lie(
        ("denied_operations",),
        "refused",
        ("resource_group: denied", "requested by operations"),
        (("resource_group", "denied"),),
        NO_SILENT_ZERO,
    ),
    Lie(
        ("denied_billing",),
        "refused",
        ("budget: denied", "requested by billing"),
        (("budget", "denied"),),
        NO_SILENT_ZERO,
    ),
    # A zero that cannot be confirmed: nothing speaks against it, so its rows stay as they are.
    Lie(
        ("no_trail_billing", "no_budgets"),
        "frozen",
        ("CMDB_ZERO_EVIDENCE=identity",),
        unconfirmed(ZEROS["billing"]),
        frozen=tuple((listing, "{account}", "*") for listing in ZEROS["billing"]),
        stale=("cost.budget",),
        differs=("cost.budget_alert", "cost.reconciliation", "cost.spend_vs_budget"),
        mends=True,
    ),
    *(
        Lie(
            (name,),
            "frozen",
            ("CMDB_ZERO_EVIDENCE=identity",),
            unconfirmed(ZEROS[role]),
            frozen=tuple((listing, "{account}", "*") for listing in ZEROS[role]),
            # A policy without targets has none only where that zero is confirmed.
            differs=("org.governance_kpi", "org.policy"),
        )
        for name, role in (("no_trail_management", "management"), ("no_trail_operations", "operations"))
    ),
    *(
        Lie(
            (name,),
            "refused",
            ("more than CMDB_UNTRUSTED_TOLERANCE=0.05", "CMDB_ZERO_EVIDENCE=identity"),
            (("*", WAITS),),
            NO_SILENT_ZERO,
        )
        for name in ("no_trail", "no_trail_workload")
    ),
    # CloudTrail is late, as it always is: whoever is refused and told of an empty list cannot know it in the night.
    Lie((), "survived", doubts=(("*", WAITS),), late=True),
    Lie(
        ("hidden_denial_unbilled",),
        "doubted",
        (
            "CloudTrail recorded this call as refused",
            "ec2_application_status_check_association: empty_suspect in account {account}",
        ),
        fails=NO_SILENT_ZERO,
        frozen=(("ec2_application_status_check_association", "{account}", "*"),),
        late=True,
        mends=True,
    ),
    # Where the bill shows what there must be, the night itself is refused.
    Lie(
        ("hidden_denial",),
        "refused",
        ("ec2_security_group: empty_suspect in account {account}", "the bill of the last days shows"),
        (("ec2_security_group", "empty_suspect"), ("*", WAITS)),
        NO_SILENT_ZERO,
        late=True,
    ),
    Lie(
        ("hidden_denial_operations",),
        "doubted",
        ("CloudTrail recorded this call as refused", "resource_group: empty_suspect in account {account}"),
        fails=NO_SILENT_ZERO,
        frozen=(("resource_group", "{account}", "*"), ("resource_group_member", "{account}", "*")),
        late=True,
    ),
    Lie(
        ("hidden_denial",),
        "refused",
        ("CloudTrail recorded this call as refused", "ec2_security_group: empty_suspect in account {account}"),
        (("ec2_security_group", "empty_suspect"),),
        NO_SILENT_ZERO,
    ),
    Lie(
        ("silent_zero",),
        "refused",
        ("ec2_instance: empty_suspect in account {account}",),
        (("ec2_instance", "empty_suspect"), ("*", WAITS)),
        NO_SILENT_ZERO,
        late=True,
    ),
    # Somebody else's account.
    Lie(
        ("same_account_twice",),
        "refused",
        ("are the same account {account}", "CMDB_SHARED_ACCOUNTS", "CMDB_OPERATIONS_ACCOUNT expects"),
        fails=(
            "accounts_are_distinct",
            "operations_is_the_expected_account",
        ),
        sends_only=("organizations:DescribeOrganization", "organizations:DescribeAccount"),
    ),
    Lie(
        ("misrouted_management",),
        "refused",
        ("AWS_MANAGEMENT_PROFILE=acmeManagement is account {account}",),
        fails=("management_is_the_organisations_master",),
        mends=True,
    ),
    *(
        Lie(
            ("misrouted_midway_management",),
            "refused",
            (f"organizations_account: {outcome}", f"organizations_root: {outcome}"),
            (("organizations_account", outcome), ("organizations_root", outcome)),
            NO_SILENT_ZERO,
            lookalike=mode,
        )
        for mode, outcome in ((SILENT, "empty_suspect"), (REFUSING, "denied"))
    ),
    Lie(
        ("misrouted_operations",),
        "refused",
        ("CMDB_OPERATIONS_ACCOUNT expects",),
        fails=("operations_is_the_expected_account",),
    ),
    Lie(
        ("misrouted_billing",), "refused", ("CMDB_BILLING_ACCOUNT expects",), fails=("billing_is_the_expected_account",)
    ),
    Lie(
        ("misrouted_billing",),
        "refused",
        ("appears in the bill",),
        fails=("every_account_with_running_instances_is_billed",),
        settings=UNASKED,
    ),
    Lie(
        ("misrouted_workload",),
        "frozen",
        ("No profile reaches {other} any more", "Restore the profile, or close the account."),
        fails=("account_coverage",),
        frozen=(("*", "{other}", "*"),),
        differs=("org.account", "org.governance_kpi"),
    ),
    Lie(
        ("misrouted_midway_workload",),
        "refused",
        ("wrong_account in account {account}", "returned a record of {other}"),
        # What is empty is no more of the account than what holds records of another one.
        (("*", "wrong_account"),),
        NO_SILENT_ZERO,
        mends=True,
    ),
    Lie(
        ("foreign_record",),
        "refused",
        ("wrong_account in account {account}", "returned a record of {other}"),
        # What names no account may be the other one's too.
        doubted("wrong_account", NAMELESS),
        NO_SILENT_ZERO,
    ),
    Lie(
        ("foreign_record",),
        "frozen",
        ("wrong_account in account {account}",),
        doubted("wrong_account", WITH_SHARED),
        frozen=tuple((name, "{account}", "{first}") for name in WITH_SHARED),
        # Of some listings there are eight cells.
        settings=PATIENT,
    ),
    # A sign-in that ends, before the night and in the middle of it.
    Lie(
        ("expired_management",),
        "refused",
        ("acmeManagement",),
        fails=(
            "accounts_are_distinct",
            "every_role_answers",
            "management_is_the_organisations_master",
        ),
    ),
    Lie(
        ("expired_operations",),
        "refused",
        ("acmeOperations",),
        fails=(
            "accounts_are_distinct",
            "every_role_answers",
            "operations_is_the_expected_account",
        ),
    ),
    Lie(
        ("expired",),
        "refused",
        ("aws sso login --profile acmeBilling",),
        fails=(
            "accounts_are_distinct",
            "billing_is_the_expected_account",
            "every_role_answers",
        ),
        mends=True,
    ),
    Lie(
        ("expired_workload",),
        "refused",
        ("ec2_region: denied in account {account}", "have expired (ExpiredToken). Put fresh credentials into profile"),
        (("ec2_region", "denied"),),
        NO_SILENT_ZERO,
    ),
    Lie(
        ("expired_midway_management",),
        "refused",
        ("requested by management",),
        (("organizations_*", "denied"),),
        NO_SILENT_ZERO,
    ),
    Lie(
        ("expired_midway_operations",),
        "refused",
        ("requested by operations",),
        (("*", "denied"), ("*", WAITS)),
        NO_SILENT_ZERO,
    ),
    Lie(("expired_midway_billing",), "refused", ("requested by billing",), (("*", "denied"),), NO_SILENT_ZERO),
    Lie(("expired_midway_workload",), "refused", ("in account {account}",), (("*", "denied"),), NO_SILENT_ZERO),
    # Answers that are none, once and for ever.
    Lie(
        ("throttle",),
        "survived",
        holds="select throttle_count = 2 from collection where listing = 'ec2_instance' and outcome = 'found'",
    ),
    Lie(("error_500",), "survived"),
    Lie(("html_503",), "survived"),
    Lie(("reset",), "survived"),
    Lie(("cut",), "survived"),
    Lie(("garbage",), "survived"),
    Lie(("slow",), "survived", prepare=impatient),
    Lie(
        ("slow_forever",),
        "refused",
        ("ec2_volume: failed in account {account}", "1 of {cells} cells, more than CMDB_UNTRUSTED_TOLERANCE=0.05"),
        (("ec2_volume", "failed"),),
        NO_SILENT_ZERO,
        prepare=impatient,
    ),
    frozen("slow_forever", "ec2_volume", "failed", settings=LENIENT, prepare=impatient),
    Lie(
        ("throttle_forever",),
        "refused",
        ("cost_daily: failed in account {account}",),
        doubted("failed", ("cost_account_daily", "cost_daily", "cost_monthly", "cost_tag_service_daily")),
        NO_SILENT_ZERO,
        holds="select sum(throttle_count) > 0 from collection where role = 'billing' and outcome = 'failed'",
    ),
    Lie(
        ("throttle_forever_management",),
        "refused",
        ("organizations_root: failed", "requested by management"),
        (("organizations_root", "failed"),),
        NO_SILENT_ZERO,
        prepare=soon_tired,
    ),
    Lie(
        ("throttle_forever_operations", "throttle_forever_workload"),
        "refused",
        ("tagged_resource: failed", "ec2_volume: failed"),
        (("tagged_resource", "failed"), ("ec2_volume", "failed")),
        NO_SILENT_ZERO,
        prepare=soon_tired,
    ),
    frozen("garbage_forever", "ec2_volume", "failed", settings=LENIENT),
    Lie(
        ("down_management",),
        "refused",
        ("organizations_root: failed", "requested by management"),
        (("organizations_root", "failed"),),
        NO_SILENT_ZERO,
    ),
    Lie(
        ("down_operations",),
        "refused",
        ("tagged_resource: failed", "requested by operations"),
        (("tagged_resource", "failed"),),
        NO_SILENT_ZERO,
    ),
    Lie(
        ("down_billing",),
        "refused",
        ("cost_daily: failed", "requested by billing"),
        doubted("failed", ("cost_daily", "cost_monthly", "cost_tag_service_daily")),
        NO_SILENT_ZERO,
    ),
    Lie(
        ("down_workload",),
        "refused",
        ("ec2_instance: failed in account {account}",),
        (("ec2_instance", "failed"),),
        NO_SILENT_ZERO,
        mends=True,
    ),
    # Regions and accounts that are not there.
    Lie(
        ("region_closed",),
        "frozen",
        ("denied in account {account}, {last}",),
        denied((*REGIONAL, "s3_bucket_tag")),
        frozen=(("*", "{account}", "{last}"),),
        settings=LENIENT,
    ),
    Lie(
        (),
        "survived",
        settings={"CMDB_REGIONS": "{first},{last},af-south-1"},
        what="a region that nobody has opted in to",
    ),
    # Nobody lies: the settings are wrong.
    *(
        Lie(
            (),
            "refused",
            ("are the same account",),
            fails=("accounts_are_distinct", "management_is_the_organisations_master"),
            settings={"AWS_MANAGEMENT_PROFILE": "acmeOperations"},
            lookalike=mode,
        )
        for mode in (SILENT, REFUSING)
    ),
    Lie(
        (),
        "refused",
        ("CMDB_BILLING_ACCOUNT expects {billing}",),
        fails=("billing_is_the_expected_account",),
        settings={"AWS_BILLING_PROFILE": "acmeBillingMember"},
    ),
    Lie(
        (),
        "refused",
        ("appears in the bill",),
        fails=("every_account_with_running_instances_is_billed",),
        settings={"AWS_BILLING_PROFILE": "acmeBillingMember", "CMDB_BILLING_ACCOUNT": ""},
        mends=True,
        # The bill of another account begins anew, and that of the payer afterwards.
        forgets=("cost.restatement",),
    ),
    Lie(
        (),
        "refused",
        ("CMDB_SHARED_ACCOUNTS declares management+billing, but they are",),
        fails=("accounts_are_distinct",),
        settings={"CMDB_SHARED_ACCOUNTS": "management+billing"},
        what="accounts that are declared as shared and are not",
    ),
)
"""Each lie alone. The first is none: two nights of one world must be the same, or the comparison is worth nothing."""

RDS_AND_VOLUMES = (("rds_db_instance", "{account}", "{first}"), ("ec2_volume", "{account}", "{first}"))

PAIRS: tuple[Lie, ...] = (
    Lie(("throttle", "html_503"), "survived"),
    Lie(("empty_page", "cut"), "survived"),
    Lie(
        ("throttle", "silent_zero"),
        "refused",
        ("ec2_instance: empty_suspect",),
        (("ec2_instance", "empty_suspect"),),
        NO_SILENT_ZERO,
    ),
    Lie(
        ("no_trail_workload", "silent_zero"),
        "refused",
        ("ec2_instance: empty_suspect",),
        (("ec2_instance", "empty_suspect"), ("*", WAITS)),
        NO_SILENT_ZERO,
    ),
    Lie(
        ("denied_listing", "garbage_forever"),
        "frozen",
        ("rds_db_instance: denied", "ec2_volume: failed"),
        (("rds_db_instance", "denied"), ("ec2_volume", "failed")),
        frozen=RDS_AND_VOLUMES,
        settings=LENIENT,
    ),
    Lie(
        ("denied", "silent_zero"),
        "refused",
        ("ec2_instance: empty_suspect in account {account}",),
        (
            ("ec2_instance", "empty_suspect"),
            *denied([name for name in (*REGIONAL, *BESIDE_KEPT, "ec2_region", "s3_bucket") if name != "ec2_instance"]),
        ),
        NO_SILENT_ZERO,
        settings=PATIENT,
    ),
    Lie(
        ("bill_without_account", "silent_zero"),
        "refused",
        ("add up to AWS's total of the month",),
        fails=("daily_cost_is_the_monthly_total", "tags_by_service_are_the_bill"),
    ),
    Lie(
        ("denied_listing", "empty_page"),
        "frozen",
        ("rds_db_instance: denied",),
        (("rds_db_instance", "denied"),),
        frozen=RDS_AND_VOLUMES[:1],
        settings=LENIENT,
    ),
    Lie(
        ("misrouted_operations", "misrouted_billing"),
        "refused",
        ("are the same account",),
        fails=("accounts_are_distinct",),
        settings=UNASKED,
    ),
)

LIES = (*ALONE, *PAIRS)
