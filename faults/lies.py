"""Lies: AWS answers wrongly, refuses, or breaks off; and what analysts read afterwards is true all the same.

The world moves on before each lie, so that yesterday's rows and tonight's differ: a lie that is survived has to publish
tonight's rows, one that is refused has to leave yesterday's file byte for byte, and one that freezes some cells has to
keep exactly their rows of yesterday, marked stale, among tonight's.
"""

import functools
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from faults.ground import Ended, Ground, Row, Tables, apart, copy_of, difference, fingerprint, served_run, tables
from faults.history import Case, Known, must_be_tonight
from pipelines.catalogue.registry import listings
from resources.aws import client, retry, sessions
from resources.store.store import Store

Fate = Literal["survived", "refused", "frozen", "missing", "doubted"]

MEANING: dict[Fate, str] = {
    "survived": "published, every row the truth of tonight",
    "refused": "refused, the published file byte for byte the last one",
    "frozen": "published; the rows of these cells are the last trusted ones, marked stale, all others tonight's",
    "missing": "published; what the list left out is marked missing, nothing is retired",
    "doubted": (
        "published; the rows of these cells are the last trusted ones, marked stale, all others tonight's; "
        "`cmdb confirm` refuses once CloudTrail has the call, the published file byte for byte the night's"
    ),
}

CONFIRMED = "published, every row there; once CloudTrail has the calls, `cmdb confirm` publishes the truth of tonight"
"""What a night comes to that nobody lies to while CloudTrail is late."""

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


def replace(module: ModuleType, name: str, value: object) -> None:
    """Give a name of a module another value in this process.

    Raises:
        AttributeError: the module has no such name, so that nothing would come of it.
    """
    getattr(module, name)
    setattr(module, name, value)


def impatient() -> None:
    """Wait for an answer for four seconds instead of a minute."""
    replace(sessions, "READ_SECONDS", 4)


def soon_tired() -> None:
    """Lose ten seconds to throttling instead of a minute before a question is given up."""
    replace(client, "Retry", functools.partial(retry.Retry, seconds=10.0))


@dataclass(frozen=True)
class Lie:
    """A lie, or several at once, and what must come of it.

    Attributes:
        told: names of `simulator.faults`; `name@operations` is told of that central account, `name@workload` of the
            first workload account.
        says: words of the sentences that the operator gets, which the page shows; `{account}` is the account lied
            about, `{other}` the first other one that is reached.
        doubts: all listings of which cells are not trusted in this night, and with what outcome.
        fails: all rules that fail with severity ERROR in this night.
        frozen: where what is published is not trusted; these and `{first}` and `{last}` region are put in.
        settings: variables of the night.
        lookalike: what Organizations answers to somebody else's account: `silent-zero` or `access-denied`.
        late: CloudTrail shows a call only after the night; `cmdb confirm` looks it up again when it does.
        stale: tables that have yesterday's rows, each marked stale.
        mends: the next night, to which nobody lies, has to publish tonight's truth.
        what: a name for the page where those of the lies do not tell it.
        differs: tables besides that tell of it themselves.
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
    late: bool = False
    stale: tuple[str, ...] = ()
    what: str = ""
    differs: tuple[str, ...] = ()
    prepare: Callable[[], None] = no_preparation

    @property
    def name(self) -> str:
        """For the page."""
        if self.what:
            return self.what
        more = [f"{name}={value or 'unset'}" for name, value in self.settings.items()]
        if self.lookalike != "silent-zero":
            more.append("Organizations refuses strangers")
        if self.late:
            more.append("CloudTrail is late")
        return " and ".join(self.told or ("no lie",)) + (f" ({', '.join(more)})" if more else "")

    @property
    def expected(self) -> str:
        """For the page."""
        meaning = CONFIRMED if self.late and self.fate == "survived" else MEANING[self.fate]
        return meaning + ("; the night after it publishes the truth of tonight" if self.mends else "")


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


def unconfirmed(names: Sequence[str]) -> tuple[Doubt, ...]:
    """Zeros of which CloudTrail says nothing."""
    return tuple((name, WAITS) for name in names)


def denied(names: Sequence[str]) -> tuple[Doubt, ...]:
    """Refusals."""
    return tuple((name, "denied") for name in names)


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
        if "workload" in listing.roles and listing.scope == "regional" and listing.each is None
    )
)
"""Listings that a workload account is asked for in each region."""

ZEROS: Mapping[str, tuple[str, ...]] = {
    "management": ("organizations_account_parent", "organizations_account_tag", "organizations_organizational_unit"),
    "operations": ("config_aggregator", "ec2_image", "ec2_snapshot", "resource_group", "resource_group_member"),
}
"""Listings of which some cells are empty in truth, by role; of the management's, those that come before policies."""

OWNED = tuple(name for name in REGIONAL if listings()[name].owner is not None)
"""Listings of the workload accounts whose records name their account."""

ALONE: tuple[Lie, ...] = (
    Lie((), "survived"),
    # A zero that is none, of each role.
    zero("silent_zero", "ec2_instance", "in account {account}", mends=True),
    zero("silent_zero@operations", "ec2_instance", "in account {account}"),
    zero("no_accounts", "organizations_account", "never empty"),
    zero("no_service_control_policies", "organizations_policy", "never empty"),
    zero("no_bill", "cost_monthly", "requested by billing"),
    zero("no_databases", "rds_db_instance", "InstanceUsage:db."),
    zero("no_functions", "lambda_function", "in account {account}"),
    zero("no_buckets", "s3_bucket", "in account {account}"),
    # Half a list.
    Lie(("empty_page",), "survived"),
    Lie(("truncated",), "missing", mends=True),
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
        ("denied in account {account}", "CMDB_UNTRUSTED_TOLERANCE"),
        (("ec2_region", "denied"),),
        NO_SILENT_ZERO,
    ),
    Lie(
        ("denied",),
        "frozen",
        ("denied in account {account}",),
        denied((*REGIONAL, "ec2_region", "s3_bucket")),
        frozen=(("*", "{account}", "*"),),
        settings=PATIENT,
        mends=True,
    ),
    Lie(
        ("denied_region",),
        "refused",
        ("denied in account", "CMDB_UNTRUSTED_TOLERANCE"),
        denied((*REGIONAL, "s3_bucket_tag")),
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
        ("ec2_instance: denied in account", "16 of 18 cells, more than CMDB_UNTRUSTED_TOLERANCE=0.05"),
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
        ("budget: empty_unconfirmed in account {account}", "CMDB_ZERO_EVIDENCE=identity"),
        (("budget", WAITS),),
        frozen=(("budget", "{account}", "*"),),
        stale=("cost.budget",),
        mends=True,
    ),
    *(
        Lie(
            (name,),
            "frozen",
            ("CMDB_ZERO_EVIDENCE=identity",),
            unconfirmed(ZEROS[role]),
            frozen=tuple((listing, "{account}", "*") for listing in ZEROS[role]),
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
        ("hidden_denial",),
        "doubted",
        ("CloudTrail recorded this call as refused", "ec2_security_group: empty_suspect in account {account}"),
        fails=NO_SILENT_ZERO,
        frozen=(("ec2_security_group", "{account}", "*"),),
        late=True,
        mends=True,
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
        ("are the same account {account}",),
        fails=(
            "accounts_are_distinct",
            "bill_is_the_organisations_own",
            "operations_is_the_expected_account",
        ),
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
        (
            *((listing, "wrong_account") for listing in OWNED),
            ("rds_db_cluster", WAITS),
            ("rds_db_cluster_snapshot", WAITS),
            # S3 is told whose buckets they must be.
            ("s3_bucket_tag", "denied"),
        ),
        NO_SILENT_ZERO,
        mends=True,
    ),
    Lie(
        ("foreign_record",),
        "refused",
        ("ec2_instance: wrong_account in account {account}", "returned a record of {other}"),
        (("ec2_instance", "wrong_account"),),
        NO_SILENT_ZERO,
    ),
    frozen("foreign_record", "ec2_instance", "wrong_account", settings=LENIENT),
    # A sign-in that ends, before the night and in the middle of it.
    Lie(
        ("expired_management",),
        "refused",
        ("acmeManagement",),
        fails=(
            "accounts_are_distinct",
            "bill_is_the_organisations_own",
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
            "bill_is_the_organisations_own",
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
            "bill_is_the_organisations_own",
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
    Lie(("throttle",), "survived"),
    Lie(("error_500",), "survived"),
    Lie(("html_503",), "survived"),
    Lie(("reset",), "survived"),
    Lie(("cut",), "survived"),
    Lie(("garbage",), "survived"),
    Lie(("slow",), "survived", prepare=impatient),
    Lie(
        ("slow_forever",),
        "refused",
        ("ec2_volume: failed in account {account}", "1 of 18 cells, more than CMDB_UNTRUSTED_TOLERANCE=0.05"),
        (("ec2_volume", "failed"),),
        NO_SILENT_ZERO,
        prepare=impatient,
    ),
    frozen("slow_forever", "ec2_volume", "failed", settings=LENIENT, prepare=impatient),
    Lie(
        ("throttle_forever",),
        "refused",
        ("cost_daily: failed in account {account}",),
        (("cost_daily", "failed"), ("cost_monthly", "failed"), ("cost_tag_service_daily", "failed")),
        NO_SILENT_ZERO,
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
        (("cost_daily", "failed"), ("cost_tag_service_daily", "failed")),
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
        ("in account {account}, region {last}",),
        denied((*REGIONAL, "cloudwatch_metric", "s3_bucket_tag")),
        frozen=(("*", "{account}", "{last}"),),
        settings=LENIENT,
    ),
    Lie(
        (),
        "survived",
        settings={"CMDB_REGIONS": "{first},{last},af-south-1"},
        what="a region that nobody has opted in to",
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
            *denied([name for name in (*REGIONAL, "ec2_region", "s3_bucket") if name != "ec2_instance"]),
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


def tell(lie: Lie, ground: Ground, known: Known) -> str:
    """One night of a lie: the sentences shown, how often it was told, and what was trusted.

    Raises:
        AssertionError: something came otherwise than it must.
    """
    database = copy_of(known.database, ground.scratch / f"lie-{_slug(lie.name)}")
    was = fingerprint(database)
    truth = ground.simulator.truth()
    words = {"first": truth["regions"][0], "last": truth["regions"][-1], "account": ""}
    targets = {**truth["central"], "workload": truth["reachable"][0]}
    ground.truthful()
    ground.simulator.configure(org_mode=lie.lookalike)
    if lie.late:
        ground.simulator.configure(trail_passes=False, trail_delay_seconds=list(DELAY_SECONDS))
    for name in reversed(lie.told):
        name, _, role = name.partition("@")
        target = {"account_id": targets[role]} if role else {}
        words["account"] = ground.simulator.lie(name, **target)["account_id"]
    words["other"] = next(account for account in truth["reachable"] if account != words["account"])
    settings = {name: value.format(**words) for name, value in lie.settings.items()}
    places = [_put_in(place, words) for place in lie.frozen]
    confirmed: Ended | None = None
    try:
        night = ground.night(database, prepare=lie.prepare, **settings)
        told = {told["name"]: told["told"] for told in reversed(ground.simulator.lies())}
        log = ground.simulator.log()
        wrong = untold(told)
        if lie.fate == "refused":
            wrong += _refused(night, database, was)
        elif night.code != 0:
            wrong.append("it was refused")
        else:
            wrong += apart(lambda: compared(database, known, lie, places, words["account"]), ground.scratch)
            if lie.late:
                was, first = fingerprint(database), served_run(database)
                seen = apart(lambda: believed(database), ground.scratch)
                ground.simulator.configure(trail_passed_minutes=UNTIL_CONFIRMED_MINUTES)
                confirmed = ground.confirm(database, **settings)
                if lie.fate == "doubted":
                    wrong += [f"confirming: {failure}" for failure in _refused(confirmed, database, was)]
                else:
                    wrong += seen.otherwise(lie.doubts, ())
                    must_be_tonight(database, known, ground, confirmed, earlier=[first])
    finally:
        ground.truthful()
    printed = night.said + (confirmed.said if confirmed else "")
    says = _put_in(lie.says, words)
    wrong += [f"no word of {word!r}" for word in says if word not in printed]
    if "Traceback" in printed:
        wrong.append("a traceback was shown")
    if lie.fate == "survived":
        wrong += unanswered(log)
    if not (confirmed and lie.fate == "survived"):
        seen = apart(lambda: believed(database), ground.scratch)
        wrong += seen.otherwise(lie.doubts, lie.fails)
    assert not wrong, f"{'; '.join(wrong)}. Said: {_shortened(confirmed or night)}"
    said = " ".join(filter(None, [sentences(printed, says), how_often(told), str(seen)]))
    if lie.mends:
        earlier = [run for run in (served_run(database),) if run not in known.runs]
        must_be_tonight(database, known, ground, ground.night(database), REMEMBERING.get(lie.fate, ()), earlier)
    shutil.rmtree(database.parent)
    return said


def _refused(run: Ended, database: Path, was: tuple[str, str]) -> list[str]:
    """What is wrong of a run that had to be refused."""
    if run.code == 0:
        return ["it was published"]
    return ["the published file has changed"] if fingerprint(database) != was else []


def _slug(text: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in text)


def _put_in(texts: Sequence[str], words: dict[str, str]) -> list[str]:
    return [text.format(**words) for text in texts]


def _shortened(night: Ended) -> str:
    lines = [line for line in night.said.splitlines() if line.startswith(("✗", "!", "Refused", "Published"))]
    return " | ".join(lines or [night.said])[-900:]


BROKEN = frozenset({"throttle", "error", "html503", "reset", "cut", "garbage", "delay"})
"""What the simulator's log calls an answer that has to be asked for again."""


def unanswered(log: Sequence[Mapping[str, Any]]) -> list[str]:
    """Questions that were answered brokenly and not asked again until the answer was whole."""
    last: dict[str, Mapping[str, Any]] = {}
    for call in sorted(log, key=lambda call: str(call["time"])):
        asked = [call[name] for name in ("service", "operation", "account_id", "region", "parameters")]
        last[json.dumps(asked, sort_keys=True)] = call
    open_ones = [question for question, call in last.items() if call["fault"] in BROKEN]
    return [f"not asked again: {open_ones[0][:200]} and {len(open_ones) - 1} more"] if open_ones else []


def untold(told: Mapping[str, Sequence[int]]) -> list[str]:
    """Lies of which a rule answered nothing, so that the night shows nothing of it."""
    return [f"{name} was not told by each of its rules: {counts}" for name, counts in told.items() if not all(counts)]


def how_often(told: Mapping[str, Sequence[int]]) -> str:
    """How many answers were lies, by rule."""
    counts = {name: " + ".join(map(str, counts)) for name, counts in told.items()}
    named = counts.values() if len(counts) == 1 else [f"{name} {count}" for name, count in counts.items()]
    return f"Told: {', '.join(named)}." if counts else ""


SHORTEST = 300
"""Letters of a sentence that are shown at least, where it has as many."""


def sentences(printed: str, says: Sequence[str]) -> str:
    """The lines that hold these words, each once, those of a rule before all others; cut where the words are over."""
    lines = [line.strip() for line in printed.splitlines()]
    lines.sort(key=lambda line: not line.startswith(("✗", "!")))
    ends: dict[str, int] = {}
    for word in says:
        line = next((line for line in lines if word in line), "")
        ends[line] = max(ends.get(line, 0), line.find(word) + len(word))
    shown = []
    for line, end in ends.items():
        # Between words: half of a variable's name is the name of nothing.
        cut = line.find(" ", max(end, SHORTEST))
        shown.append(line if cut < 0 else f"{line[:cut]} …")
    return " ".join(filter(None, shown))


@dataclass(frozen=True)
class Believed:
    """What of the last run is trusted, what is not, and which rules failed.

    Attributes:
        trusted: cells.
        doubtful: cells that are not, by listing and outcome.
        failed: rules with severity ERROR.
    """

    trusted: int
    doubtful: Mapping[Doubt, int]
    failed: tuple[str, ...]

    def otherwise(self, doubts: Sequence[Doubt], fails: Sequence[str]) -> list[str]:
        """What is not trusted or failed although it should be, and the other way round."""
        found = []
        unexpected = [cell for cell in self.doubtful if not any(_is_doubt(cell, doubt) for doubt in doubts)]
        missing = [doubt for doubt in doubts if not any(_is_doubt(cell, doubt) for cell in self.doubtful)]
        if unexpected or missing:
            found.append(f"not trusted, and should be: {unexpected}; trusted, and should not be: {missing}")
        if self.failed != tuple(sorted(fails)):
            found.append(f"rules that failed: {self.failed}, should: {tuple(sorted(fails))}")
        return found

    def __str__(self) -> str:
        """For the page."""
        doubtful = [f"{count} of {listing} {outcome}" for (listing, outcome), count in self.doubtful.items()]
        more = f" and {len(doubtful) - 3} more" if len(doubtful) > 3 else ""
        return (
            f"Trusted: {self.trusted} cells. "
            + (f"Not trusted: {', '.join(doubtful[:3])}{more}. " if doubtful else "")
            + (f"Failed: {', '.join(self.failed)}." if self.failed else "")
        ).strip()


def _is_doubt(cell: Doubt, doubt: Doubt) -> bool:
    return fnmatchcase(cell[0], doubt[0]) and cell[1] == doubt[1]


def believed(database: Path) -> Believed:
    """What the last run of a warehouse says of itself."""
    with Store(database).read() as connection:
        cells = connection.execute(
            """
            select is_trusted, split_part(listing, ':', 1), outcome, count(*)
            from audit.collection
            where outcome <> 'skipped' and run_id = (select run_id from audit.run order by started_at desc limit 1)
            group by all order by all
            """
        ).fetchall()
        rules = connection.execute(
            """
            select distinct check_name
            from audit.check_result
            where
                not passed and severity = 'ERROR'
                and run_id = (select run_id from audit.run order by started_at desc limit 1)
            order by all
            """
        ).fetchall()
    trusted = sum(count for is_trusted, _, _, count in cells if is_trusted)
    doubtful = {(listing, outcome): count for is_trusted, listing, outcome, count in cells if not is_trusted}
    return Believed(trusted, doubtful, tuple(name for (name,) in rules))


# ------------------------------------------------------------------------------------------------ the comparison


def compared(database: Path, known: Known, lie: Lie, frozen: Sequence[Sequence[str]], account: str) -> list[str]:
    """What is otherwise in a published dataset than the fate of a lie about an account demands."""
    found = tables(database, known.before, known.runs)
    if lie.fate == "survived":
        wrong = _untrusted(database, (), late=lie.late)
        if not lie.late:
            return [*wrong, *filter(None, [difference(found, known.tonight)])]
        open_ones = may_be_open(found)
        other = difference(*({name: of[name] for name in of if name not in open_ones} for of in (found, known.tonight)))
        return [*wrong, *filter(None, [other]), *_invented(found, known.tonight, open_ones)]
    if lie.fate == "missing":
        return [*_nothing_retired(found, known), *elsewhere(found, known.tonight, [account])]
    may_differ = (*RESTING_ON_MORE, *lie.differs, *lie.stale, *(may_be_open(found) if lie.late else ()))
    return [
        *_untrusted(database, frozen, late=lie.late),
        *_all_stale(found, known.yesterday, lie.stale),
        *frozen_rows(found, known.yesterday, known.tonight, frozen, may_differ),
    ]


def _is_frozen(frozen: Sequence[Sequence[str]], listing: str, account: str, region: str) -> bool:
    return any(
        fnmatchcase(listing, place[0]) and fnmatchcase(account, place[1]) and fnmatchcase(region, place[2])
        for place in frozen
    )


SAYING_WHAT_IS_OPEN = ("cmdb.decommission_signal", "cmdb.finding_unknown")
"""Tables of which a row may say that something is not known."""


def may_be_open(found: Tables) -> tuple[str, ...]:
    """Tables that leave open what rests on a zero that CloudTrail has not confirmed."""
    findings = (name for name in found if name.startswith("cmdb.finding_"))
    return tuple(dict.fromkeys((*SAYING_WHAT_IS_OPEN, *findings)))


def _invented(found: Tables, tonight: Tables, names: Sequence[str]) -> list[str]:
    """Findings that are none in truth: one that is left open says nothing, and is no other one."""
    failures = []
    for name in names:
        columns, rows = found[name]
        true = set(map(repr, tonight[name][1]))
        if name not in SAYING_WHAT_IS_OPEN and (more := [row for row in rows if repr(row) not in true]):
            failures.append(f"{name} has {len(more)} rows that are not tonight's, such as {more[0]} of {columns}")
    return failures


def _all_stale(found: Tables, yesterday: Tables, names: Sequence[str]) -> list[str]:
    """What is otherwise in tables that have to have yesterday's rows, each marked stale."""
    failures = []
    for name in names:
        columns, rows = yesterday[name]
        stale = columns.index("is_stale")
        expected = sorted(((*row[:stale], True, *row[stale + 1 :]) for row in rows), key=repr)
        failures.append(difference({name: found[name]}, {name: (columns, expected)}))
    return list(filter(None, failures))


def _untrusted(database: Path, frozen: Sequence[Sequence[str]], *, late: bool = False) -> list[str]:
    """Cells that are not trusted although they should be, and the other way round.

    Args:
        late: zeros may wait for CloudTrail.
    """
    with Store(database).published() as connection:
        cells = connection.execute(
            "select split_part(listing, ':', 1), account_id, region, outcome from audit.coverage where not is_trusted"
        ).fetchall()
    may_be = ("skipped", WAITS) if late else ("skipped",)
    wrong = [cell for cell in cells if cell[3] not in may_be and not _is_frozen(frozen, *cell[:3])]
    failures = [f"not trusted, and should be: {wrong[0]} and {len(wrong) - 1} more"] if wrong else []
    for place in frozen:
        if not any(_is_frozen([place], *cell[:3]) for cell in cells):
            failures.append(f"trusted, and should not be: {place}")
    return failures


RESTING_ON_MORE = ("cost.resource_cost", "cost.saving")
"""Tables outside `aws` and `cmdb` that are made from items too, so that frozen items show in them."""


OF_TWO_CELLS = ("cmdb.orphan_relationship",)
"""Tables of which a row is of one cell and what it says is of another: tonight nothing stands at a frozen one's end."""

LEFT_OPEN = ("interface_count",)
"""Columns of findings that say nothing where what they are counted in is stale."""


def frozen_rows(
    found: Tables,
    yesterday: Tables,
    tonight: Tables,
    frozen: Sequence[Sequence[str]],
    others: Sequence[str] = RESTING_ON_MORE,
) -> list[str]:
    """Rows of frozen cells are yesterday's and stale, and all others are tonight's.

    Args:
        others: tables that may differ too.
    """
    failures = elsewhere(found, tonight, [place[1] for place in frozen], others)
    for name, (columns, rows) in found.items():
        schema, _, table = name.partition(".")
        has_cells = schema == "aws" or (schema == "cmdb" and "listing" in columns)
        if not has_cells or "is_stale" not in columns or name in OF_TWO_CELLS:
            continue
        stale = columns.index("is_stale")
        open_ = [columns.index(column) for column in LEFT_OPEN if column in columns]
        kept = [list(row) for row in yesterday[name][1] if _row_is_frozen(table, columns, row, frozen)]
        new = [row for row in tonight[name][1] if not _row_is_frozen(table, columns, row, frozen)]
        for row in kept:
            row[stale] = True
            for place in open_:
                row[place] = None
        expected = sorted([*map(tuple, kept), *new], key=repr)
        if expected != rows:
            failures.append(difference({name: (columns, rows)}, {name: (columns, expected)}))
    return failures + _frozen_versions(found, yesterday, tonight, frozen)


def _frozen_versions(found: Tables, yesterday: Tables, tonight: Tables, frozen: Sequence[Sequence[str]]) -> list[str]:
    """What was changed of a frozen item is not known: its versions are yesterday's, those of all others tonight's."""
    name = "cmdb.resource_version"
    if name not in found:
        return []
    columns, rows = found[name]
    of = columns.index("arn")

    def versions(tables: Tables, *, are_frozen: bool) -> list[Row]:
        items, records = tables["cmdb.resource"]
        arn = items.index("arn")
        stopped = {record[arn] for record in records if _row_is_frozen("resource", items, record, frozen)}
        return [row for row in tables[name][1] if (row[of] in stopped) == are_frozen]

    expected = versions(yesterday, are_frozen=True) + versions(tonight, are_frozen=False)
    other = difference({name: (columns, rows)}, {name: (columns, sorted(expected, key=repr))})
    return [other] if other else []


def elsewhere(
    found: Tables, tonight: Tables, accounts: Sequence[str], others: Sequence[str] = RESTING_ON_MORE
) -> list[str]:
    """What differs from tonight without a lie about it: other accounts' rows, the organisation, the bill.

    What is added up over accounts names none, and may differ.

    Args:
        others: tables that may differ.
    """
    failures = []
    for name, (columns, rows) in found.items():
        schema, _, _ = name.partition(".")
        is_whole = schema in ("org", "cost", "ref")
        of = next((column for column in ("caller_account_id", "account_id") if column in columns), None)
        if name in others or (of is None and not is_whole):
            continue
        theirs = tonight[name][1]
        if of is not None and not is_whole:
            place = columns.index(of)
            rows, theirs = ([row for row in side if row[place] not in (None, *accounts)] for side in (rows, theirs))
        if other := difference({name: (columns, rows)}, {name: (columns, theirs)}):
            failures.append(f"although nothing of it was lied about: {other}")
    return failures


def _row_is_frozen(table: str, columns: Sequence[str], row: Sequence[Any], frozen: Sequence[Sequence[str]]) -> bool:
    """Whether the cell that a row came from is frozen: a row of `aws` is of the account and region that it is about."""

    def value(*names: str) -> str:
        return next((row[columns.index(name)] for name in names if name in columns), "")

    listing = value("listing").partition(":")[0] or table
    asked = listings().get(listing)
    if asked is not None and "workload" not in asked.roles:
        # `*` is told of workload accounts: the rows of a central role are frozen where its listing is named.
        frozen = [place for place in frozen if place[0] == listing]
    return _is_frozen(frozen, listing, value("caller_account_id", "account_id"), value("cell_region", "region"))


def _nothing_retired(found: Tables, known: Known) -> list[str]:
    """Every item of tonight is there, retired only where it is in truth, and some are missing."""
    columns, rows = found["cmdb.resource"]
    arn, status = columns.index("arn"), columns.index("status")
    expected = {row[arn]: row[status] for row in known.tonight["cmdb.resource"][1]}
    now = {row[arn]: row[status] for row in rows}
    # What was new tonight and cut off has never been seen.
    seen = {row[arn] for row in known.yesterday["cmdb.resource"][1]}
    lost = [item for item in expected if item not in now and item in seen]
    retired = [item for item, value in now.items() if value == "retired" and expected.get(item) != "retired"]
    missing = [item for item, value in now.items() if value == "missing" and expected.get(item) != "missing"]
    failures = [f"lost: {lost[:3]}"] if lost else []
    if retired:
        failures.append(f"retired: {retired[:3]}")
    if not missing:
        failures.append("nothing is marked missing")
    return failures


# ------------------------------------------------------------------------------------------------ a suspended account


def suspended(ground: Ground, known: Known) -> str:
    """An account is suspended between the nights: nobody is asked there any more, and what it held is kept, stale."""
    database = copy_of(known.database, ground.scratch / "suspended")
    account = next(a["account_id"] for a in ground.simulator.truth()["accounts"] if a["name"] == "sandbox")
    ground.truthful()
    ground.simulator.change("close_account", account_id=account, state="SUSPENDED", costs_end=False)
    try:
        night = ground.night(database)
    finally:
        ground.simulator.change("close_account", account_id=account, state="ACTIVE", costs_end=False)
    assert night.code == 0, f"it was refused: {_shortened(night)}"
    wrong = apart(lambda: _kept(database, known, account), ground.scratch)
    assert not wrong, f"{'; '.join(wrong)}. Said: {_shortened(night)}"
    seen = apart(lambda: believed(database), ground.scratch)
    assert not (other := seen.otherwise((), ())), "; ".join(other)
    shutil.rmtree(database.parent)
    return f"Account {account} is suspended. {seen}"


def _kept(database: Path, known: Known, account: str) -> list[str]:
    found = tables(database, known.before, known.runs)
    columns, rows = known.tonight["org.account"]
    # AWS lets nobody into a suspended account, so that no profile reaches it.
    now = {"state": "SUSPENDED", "profile": None, "has_profile": False}
    of = columns.index("account_id")
    expected = [
        tuple(now.get(name, value) for name, value in zip(columns, row, strict=True)) if row[of] == account else row
        for row in rows
    ]
    other = difference({"org.account": found["org.account"]}, {"org.account": (columns, sorted(expected, key=repr))})
    may_differ = (*RESTING_ON_MORE, "org.account", "org.governance_kpi")
    frozen = [("*", account, "*")]
    return [
        *filter(None, [other]),
        *_untrusted(database, frozen),
        *frozen_rows(found, known.yesterday, known.tonight, frozen, may_differ),
    ]


CASES = (
    *(Case(lie.name, lie.expected, functools.partial(tell, lie)) for lie in ALONE),
    Case("an account is suspended", MEANING["frozen"], suspended),
    *(Case(lie.name, lie.expected, functools.partial(tell, lie)) for lie in PAIRS),
)
