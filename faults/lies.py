"""Lies: AWS answers wrongly, refuses, or breaks off; and what analysts read afterwards is true all the same.

The world moves on before each lie, so that yesterday's rows and tonight's differ: a lie that is survived has to publish
tonight's rows, one that is refused has to leave yesterday's file byte for byte, and one that freezes some cells has to
keep exactly their rows of yesterday, marked stale, among tonight's.
"""

import functools
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from faults.ground import Ended, Ground, Tables, apart, copy_of, difference, fingerprint, tables
from faults.history import Case, Known, must_be_tonight
from pipelines.catalogue import listings
from resources.warehouse import Store

Fate = Literal["survived", "refused", "frozen", "missing"]

MEANING: dict[Fate, str] = {
    "survived": "published, every row the truth of tonight",
    "refused": "refused, the published file byte for byte the last one",
    "frozen": "published; the rows of these cells are the last trusted ones, marked stale, all others tonight's",
    "missing": "published; what the list left out is marked missing, nothing is retired",
}

Place = tuple[str, str, str]
"""Patterns of listing, account and region."""


@dataclass(frozen=True)
class Lie:
    """A lie, or several at once, and what must come of it.

    Attributes:
        told: names of `simulator.faults`; `name@operations` is told of that central account.
        says: words of the sentence that the operator gets; `{account}` is the account lied about, `{other}` the first
            other one that is reached.
        frozen: what is not trusted afterwards; these and `{first}` and `{last}` region are put in.
        settings: variables of the night.
        lookalike: what Organizations answers to somebody else's account: `silent-zero` or `access-denied`.
        mends: the next night, to which nobody lies, has to publish tonight's truth.
        what: a name for the page where those of the lies do not tell it.
        differs: tables besides that tell of it themselves.
    """

    told: tuple[str, ...]
    fate: Fate
    says: tuple[str, ...] = ()
    frozen: tuple[Place, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    lookalike: str = "silent-zero"
    mends: bool = False
    what: str = ""
    differs: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """For the page."""
        if self.what:
            return self.what
        more = [f"{name}={value or 'unset'}" for name, value in self.settings.items()]
        if self.lookalike != "silent-zero":
            more.append("Organizations refuses strangers")
        return " and ".join(self.told or ("no lie",)) + (f" ({', '.join(more)})" if more else "")

    @property
    def expected(self) -> str:
        """For the page."""
        return MEANING[self.fate] + ("; the night after it publishes the truth of tonight" if self.mends else "")


PATIENT = {"CMDB_UNTRUSTED_TOLERANCE": "0.25"}

LENIENT = {"CMDB_UNTRUSTED_TOLERANCE": "0.1"}
"""A cell in twenty is soon more than one in twenty where there are few."""

UNASKED = {"CMDB_OPERATIONS_ACCOUNT": "", "CMDB_BILLING_ACCOUNT": ""}
"""Nothing is expected of the profiles: only what they reach can tell."""

REFUSING = "access-denied"

ALONE: tuple[Lie, ...] = (
    Lie((), "survived"),
    # A zero that is none, of each role.
    Lie(("silent_zero",), "refused", ("ec2_instance: empty_suspect in account {account}",), mends=True),
    Lie(("silent_zero@operations",), "refused", ("ec2_instance: empty_suspect in account {account}",)),
    Lie(("no_accounts",), "refused", ("organizations_account: empty_suspect", "never empty")),
    Lie(("no_service_control_policies",), "refused", ("organizations_policy: empty_suspect", "never empty")),
    Lie(("no_bill",), "refused", ("cost_monthly: empty_suspect", "asked by billing")),
    Lie(("no_databases",), "refused", ("rds_db_instance: empty_suspect in account {account}", "InstanceUsage:db.")),
    Lie(("no_functions",), "refused", ("lambda_function: empty_suspect in account {account}",)),
    Lie(("no_buckets",), "refused", ("s3_bucket: empty_suspect in account {account}",)),
    # Half a list.
    Lie(("empty_page",), "survived"),
    Lie(("truncated",), "missing"),
    Lie(("truncated_accounts",), "refused"),
    Lie(("truncated_units",), "refused"),
    Lie(("bill_without_account",), "refused", ("add up to what AWS says the month came to",)),
    # Refusals.
    Lie(
        ("denied_listing",),
        "frozen",
        ("rds_db_instance: denied in account {account}",),
        (("rds_db_instance", "{account}", "{first}"),),
        LENIENT,
    ),
    Lie(("denied",), "refused", ("denied in account {account}", "CMDB_UNTRUSTED_TOLERANCE")),
    Lie(("denied",), "frozen", ("denied in account {account}",), (("*", "{account}", "*"),), PATIENT, mends=True),
    Lie(("denied_region",), "refused", ("denied in account", "CMDB_UNTRUSTED_TOLERANCE")),
    Lie(("denied_everywhere",), "refused", ("ec2_instance: denied in account",)),
    Lie(("denied_management",), "refused", ("organizations_policy: denied", "asked by management")),
    Lie(("denied_operations",), "refused", ("resource_group: denied", "asked by operations")),
    Lie(("denied_billing",), "refused", ("budget: denied", "asked by billing")),
    Lie(("no_trail",), "refused", ("CMDB_ZERO_EVIDENCE=identity",)),
    # Somebody else's account.
    Lie(("same_account_twice",), "refused", ("are the same account {account}",)),
    Lie(("misrouted_management",), "refused", ("AWS_MANAGEMENT_PROFILE=acmeManagement is account {account}",)),
    Lie(
        ("misrouted_management",),
        "refused",
        ("AWS_MANAGEMENT_PROFILE=acmeManagement is account {account}",),
        lookalike=REFUSING,
    ),
    Lie(("misrouted_operations",), "refused", ("CMDB_OPERATIONS_ACCOUNT expects",)),
    Lie(("misrouted_billing",), "refused", ("CMDB_BILLING_ACCOUNT expects",)),
    Lie(("misrouted_billing",), "refused", ("appears in the bill",), settings=UNASKED),
    Lie(
        ("misrouted_workload",),
        "frozen",
        ("No profile reaches {other} any more", "Restore the profile, or close the account."),
        (("*", "{other}", "*"),),
        differs=("org.account", "org.governance_kpi"),
    ),
    # A sign-in that ends, before the night and in the middle of it.
    Lie(("expired",), "refused", ("aws sso login --profile acmeBilling",)),
    Lie(("expired_midway_management",), "refused", ("asked by management",)),
    Lie(("expired_midway_operations",), "refused", ("asked by operations",)),
    Lie(("expired_midway_billing",), "refused", ("asked by billing",)),
    Lie(("expired_midway_workload",), "refused", ("in account {account}",)),
    # Answers that are none, once and for ever.
    Lie(("throttle",), "survived"),
    Lie(("error_500",), "survived"),
    Lie(("html_503",), "survived"),
    Lie(("reset",), "survived"),
    Lie(("cut",), "survived"),
    Lie(("garbage",), "survived"),
    Lie(("slow",), "survived"),
    Lie(("throttle_forever",), "refused", ("cost_daily: failed in account {account}",)),
    Lie(
        ("garbage_forever",),
        "frozen",
        ("ec2_volume: failed in account {account}",),
        (("ec2_volume", "{account}", "{first}"),),
        LENIENT,
    ),
    Lie(("down_management",), "refused", ("organizations_root: failed", "asked by management")),
    Lie(("down_operations",), "refused", ("tagged_resource: failed", "asked by operations")),
    Lie(("down_billing",), "refused", ("cost_daily: failed", "asked by billing")),
    Lie(("down_workload",), "refused", ("ec2_instance: failed in account {account}",)),
    # Regions and accounts that are not there.
    Lie(("region_closed",), "frozen", ("in account {account}",), (("*", "{account}", "{last}"),), LENIENT),
    Lie(
        (),
        "survived",
        settings={"CMDB_REGIONS": "{first},{last},af-south-1"},
        what="a region that nobody has opted in to",
    ),
)
"""Each lie alone. The first is none: two nights of one world must be the same, or the comparison is worth nothing."""

PAIRS: tuple[Lie, ...] = (
    Lie(("throttle", "html_503"), "survived"),
    Lie(("empty_page", "cut"), "survived"),
    Lie(("throttle", "silent_zero"), "refused", ("ec2_instance: empty_suspect",)),
    Lie(("no_trail", "silent_zero"), "refused", ("empty_suspect",)),
    Lie(
        ("denied_listing", "garbage_forever"),
        "frozen",
        ("rds_db_instance: denied", "ec2_volume: failed"),
        (
            ("rds_db_instance", "{account}", "{first}"),
            ("ec2_volume", "{account}", "{first}"),
        ),
        LENIENT,
    ),
    Lie(("denied", "silent_zero"), "refused", ("{account}",), settings=PATIENT),
    Lie(("bill_without_account", "silent_zero"), "refused", ("add up to what AWS says the month came to",)),
    Lie(
        ("denied_listing", "empty_page"),
        "frozen",
        ("rds_db_instance: denied",),
        (("rds_db_instance", "{account}", "{first}"),),
        LENIENT,
    ),
    Lie(("misrouted_operations", "misrouted_billing"), "refused", ("are the same account",), settings=UNASKED),
)


def tell(lie: Lie, ground: Ground, known: Known) -> str:
    """One night of a lie: the sentence shown, and what was trusted.

    Raises:
        AssertionError: something came otherwise than it must.
    """
    database = copy_of(known.database, ground.scratch / f"lie-{_slug(lie.name)}")
    was = fingerprint(database)
    truth = ground.simulator.truth()
    words = {"first": truth["regions"][0], "last": truth["regions"][-1], "account": ""}
    ground.truthful()
    ground.simulator.configure(org_mode=lie.lookalike)
    for name in reversed(lie.told):
        name, _, role = name.partition("@")
        target = {"account_id": truth["central"][role]} if role else {}
        words["account"] = ground.simulator.lie(name, **target)["account_id"]
    words["other"] = next(account for account in truth["reachable"] if account != words["account"])
    settings = {name: value.format(**words) for name, value in lie.settings.items()}
    try:
        night = ground.night(database, prepare=lambda: None, **settings)
    finally:
        ground.truthful()
    wrong = [f"no word of {word!r}" for word in _put_in(lie.says, words) if word not in night.said]
    if "Traceback" in night.said:
        wrong.append("a traceback was shown")
    if lie.fate == "refused":
        if night.code == 0:
            wrong.append("it was published")
        elif fingerprint(database) != was:
            wrong.append("the published file has changed")
    elif night.code != 0:
        wrong.append("it was refused")
    else:
        frozen = [_put_in(place, words) for place in lie.frozen]
        wrong += apart(lambda: compared(database, known, lie, frozen), ground.scratch)
    assert not wrong, f"{'; '.join(wrong)}. Said: {_shortened(night)}"
    seen = apart(lambda: believed(database), ground.scratch)
    said = f"{sentence(night.said)} {seen}".strip()
    if lie.mends:
        # What could not be judged in between is remembered there, until it can be or the resource is gone.
        remembering = ["cmdb.decommission_signal"] if lie.fate == "frozen" else []
        must_be_tonight(database, known, ground, ground.night(database), remembering)
    shutil.rmtree(database.parent)
    return said


def _slug(text: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in text)


def _put_in(texts: Sequence[str], words: dict[str, str]) -> list[str]:
    return [text.format(**words) for text in texts]


def _shortened(night: Ended) -> str:
    lines = [line for line in night.said.splitlines() if line.startswith(("✗", "!", "Refused", "Published"))]
    return " | ".join(lines or [night.said])[-900:]


def sentence(printed: str) -> str:
    """The first thing that the operator reads of a rule; empty where there is none."""
    lines = [line.strip() for line in printed.splitlines()]
    marked = [line for mark in "✗!" for line in lines if line.startswith(mark)]
    # Between words: half of a variable's name is the name of nothing.
    return textwrap.shorten((marked or [""])[0], 300, placeholder=" …")


def believed(database: Path) -> str:
    """What of the last run is trusted, what is not, and which rules blocked."""
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
    doubtful = [f"{count} of {listing} {outcome}" for is_trusted, listing, outcome, count in cells if not is_trusted]
    more = f" and {len(doubtful) - 3} more" if len(doubtful) > 3 else ""
    return (
        f"Trusted: {trusted} cells. "
        + (f"Not trusted: {', '.join(doubtful[:3])}{more}. " if doubtful else "")
        + (f"Blocked by: {', '.join(name for (name,) in rules)}." if rules else "")
    ).strip()


# ------------------------------------------------------------------------------------------------ the comparison


def compared(database: Path, known: Known, lie: Lie, frozen: Sequence[Sequence[str]]) -> list[str]:
    """What is otherwise in a published dataset than the fate of a lie demands."""
    found = tables(database, known.before, known.runs)
    if lie.fate == "survived":
        return [*_untrusted(database, ()), *filter(None, [difference(found, known.tonight)])]
    if lie.fate == "missing":
        return _nothing_retired(found, known)
    may_differ = (*RESTING_ON_MORE, *lie.differs)
    return [
        *_untrusted(database, frozen),
        *frozen_rows(found, known.yesterday, known.tonight, frozen, may_differ),
    ]


def _is_frozen(frozen: Sequence[Sequence[str]], listing: str, account: str, region: str) -> bool:
    return any(
        fnmatchcase(listing, place[0]) and fnmatchcase(account, place[1]) and fnmatchcase(region, place[2])
        for place in frozen
    )


def _untrusted(database: Path, frozen: Sequence[Sequence[str]]) -> list[str]:
    """Cells that are not trusted although they should be, and the other way round."""
    with Store(database).published() as connection:
        cells = connection.execute(
            "select split_part(listing, ':', 1), account_id, region, outcome from audit.coverage where not is_trusted"
        ).fetchall()
    wrong = [cell for cell in cells if cell[3] != "skipped" and not _is_frozen(frozen, *cell[:3])]
    failures = [f"not trusted, and should be: {wrong[0]} and {len(wrong) - 1} more"] if wrong else []
    for place in frozen:
        if not any(_is_frozen([place], *cell[:3]) for cell in cells):
            failures.append(f"trusted, and should not be: {place}")
    return failures


RESTING_ON_MORE = ("cost.resource_cost", "cost.saving")
"""Tables outside `aws` and `cmdb` that are made from items too, so that frozen items show in them."""


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
    failures = []
    for name, (columns, rows) in found.items():
        schema, _, table = name.partition(".")
        if schema in ("org", "cost", "ref") and name not in others and rows != tonight[name][1]:
            other = difference({name: (columns, rows)}, {name: tonight[name]})
            failures.append(f"although nothing of it was lied about: {other}")
        if not (schema == "aws" or name == "cmdb.resource") or "is_stale" not in columns:
            continue
        stale = columns.index("is_stale")
        kept = [row for row in yesterday[name][1] if _row_is_frozen(table, columns, row, frozen)]
        new = [row for row in tonight[name][1] if not _row_is_frozen(table, columns, row, frozen)]
        expected = sorted([*((*row[:stale], True, *row[stale + 1 :]) for row in kept), *new], key=repr)
        if expected != rows:
            failures.append(difference({name: (columns, rows)}, {name: (columns, expected)}))
    return failures


def _row_is_frozen(table: str, columns: Sequence[str], row: Sequence[Any], frozen: Sequence[Sequence[str]]) -> bool:
    """Whether the cell that a row came from is frozen: a row of `aws` is of the account and region that it is about."""

    def value(*names: str) -> str:
        return next((row[columns.index(name)] for name in names if name in columns), "")

    listing = value("listing") or table
    asked = listings().get(listing)
    if asked is not None and "workload" not in asked.roles:
        return False
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
