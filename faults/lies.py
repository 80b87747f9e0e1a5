"""Lies: AWS answers wrongly, refuses, or breaks off; and what analysts read afterwards is true all the same.

The world moves on before each lie, so that yesterday's rows and today's differ: a lie that is survived has to publish
today's rows, one that is refused has to leave yesterday's file byte for byte, and one that freezes some cells has to
keep exactly their rows of yesterday, marked stale, among today's.
"""

import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

from faults.ground import DATABASE, Ended, Ground, Tables, apart, copy_of, difference, fingerprint, tables
from faults.report import Shown
from resources.warehouse import Store
from simulator.client import Simulator

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
class Case:
    """A lie, or several at once, and what must come of it.

    Attributes:
        says: words of the sentence that the operator gets; `{account}` is the account lied about.
        frozen: what is not trusted afterwards; `{account}`, `{first}` and `{last}` region are put in.
        settings: variables of the night.
        lookalike: what Organizations answers to somebody else's account: `silent-zero` or `access-denied`.
    """

    lies: tuple[str, ...]
    fate: Fate
    says: tuple[str, ...] = ()
    frozen: tuple[Place, ...] = ()
    settings: dict[str, str] = field(default_factory=dict)
    lookalike: str = "silent-zero"

    @property
    def name(self) -> str:
        """For the page."""
        more = [f"{name}={value}" for name, value in self.settings.items()]
        if self.lookalike != "silent-zero":
            more.append("Organizations refuses strangers")
        return " and ".join(self.lies or ("no lie",)) + (f" ({', '.join(more)})" if more else "")


PATIENT = {"CMDB_UNTRUSTED_TOLERANCE": "0.25"}
UNASKED = {"CMDB_OPERATIONS_ACCOUNT": "", "CMDB_BILLING_ACCOUNT": ""}
"""Nothing is expected of the profiles: only what they reach can tell."""

REFUSING = "access-denied"

ALONE: tuple[Case, ...] = (
    Case((), "survived"),
    Case(("silent_zero",), "refused", ("ec2_instance: empty_suspect in account {account}",)),
    Case(("no_accounts",), "refused", ("organizations_account: empty_suspect", "never empty")),
    Case(("no_service_control_policies",), "refused", ("organizations_policy: empty_suspect", "never empty")),
    Case(("no_bill",), "refused", ("cost_daily: empty_suspect", "asked by billing")),
    Case(("no_databases",), "refused", ("rds_db_instance: empty_suspect in account {account}",)),
    Case(("no_functions",), "refused", ("lambda_function: empty_suspect in account {account}",)),
    Case(("no_buckets",), "refused", ("s3_bucket: empty_suspect in account {account}",)),
    Case(("empty_page",), "survived"),
    Case(("truncated",), "missing"),
    Case(("truncated_accounts",), "refused"),
    Case(("truncated_units",), "refused"),
    Case(
        ("denied_listing",),
        "frozen",
        ("rds_db_instance: denied in account {account}",),
        (("rds_db_instance", "{account}", "{first}"),),
    ),
    Case(("denied",), "refused", ("denied in account {account}", "CMDB_UNTRUSTED_TOLERANCE")),
    Case(("denied",), "frozen", ("denied in account {account}",), (("*", "{account}", "*"),), PATIENT),
    Case(("denied_region",), "refused", ("denied in account", "CMDB_UNTRUSTED_TOLERANCE")),
    Case(("denied_everywhere",), "refused", ("ec2_instance: denied in account",)),
    Case(("denied_management",), "refused", ("organizations_policy: denied", "asked by management")),
    Case(("denied_operations",), "refused", ("resource_group: denied", "asked by operations")),
    Case(("denied_billing",), "refused", ("budget: denied", "asked by billing")),
    Case(("same_account_twice",), "refused", ("are the same account {account}",)),
    Case(("misrouted_management",), "refused", ("management",)),
    Case(("misrouted_management",), "refused", ("management",), lookalike=REFUSING),
    Case(("misrouted_operations",), "refused", ("CMDB_OPERATIONS_ACCOUNT expects",)),
    Case(("misrouted_billing",), "refused", ("CMDB_BILLING_ACCOUNT expects",)),
    Case(("misrouted_billing",), "refused", ("appears in the bill",), settings=UNASKED),
    Case(("misrouted_workload",), "refused", ("account_coverage", "{account}")),
    Case(("expired",), "refused", ("aws sso login --profile acmeBilling",)),
    Case(("expired_midway_management",), "refused", ("asked by management",)),
    Case(("expired_midway_operations",), "refused", ("asked by operations",)),
    Case(("expired_midway_billing",), "refused", ("asked by billing",)),
    Case(("expired_midway_workload",), "refused", ("in account {account}",)),
    Case(("throttle",), "survived"),
    Case(("throttle_forever",), "refused", ("cost_daily: failed in account {account}",)),
    Case(("error_500",), "survived"),
    Case(("html_503",), "survived"),
    Case(("reset",), "survived"),
    Case(("cut",), "survived"),
    Case(("garbage",), "survived"),
    Case(("slow",), "survived"),
    Case(
        ("garbage_forever",),
        "frozen",
        ("ec2_volume: failed in account {account}",),
        (("ec2_volume", "{account}", "{first}"),),
    ),
    Case(("down_management",), "refused", ("organizations_root: failed", "asked by management")),
    Case(("down_operations",), "refused", ("tagged_resource: failed", "asked by operations")),
    Case(("down_billing",), "refused", ("cost_daily: failed", "asked by billing")),
    Case(("down_workload",), "refused", ("ec2_instance: failed in account {account}",)),
    Case(("region_closed",), "frozen", ("in account {account}",), (("*", "{account}", "{last}"),)),
    Case(("no_trail",), "refused", ("CMDB_ZERO_EVIDENCE=identity",)),
    Case(("bill_without_account",), "refused", ("{account}",)),
)
"""Each lie alone. The first is none: two nights of one world must be the same, or the comparison is worth nothing."""

PAIRS: tuple[Case, ...] = (
    Case(("throttle", "html_503"), "survived"),
    Case(("empty_page", "cut"), "survived"),
    Case(("throttle", "silent_zero"), "refused", ("ec2_instance: empty_suspect",)),
    Case(("no_trail", "silent_zero"), "refused", ("empty_suspect",)),
    Case(
        ("denied_listing", "garbage_forever"),
        "frozen",
        ("denied", "failed"),
        (
            ("rds_db_instance", "{account}", "{first}"),
            ("ec2_volume", "{account}", "{first}"),
        ),
    ),
    Case(("denied", "silent_zero"), "refused", ("{account}",), settings=PATIENT),
    Case(("bill_without_account", "silent_zero"), "refused", ("{account}",)),
    Case(
        ("denied_listing", "empty_page"),
        "frozen",
        ("rds_db_instance: denied",),
        (("rds_db_instance", "{account}", "{first}"),),
    ),
    Case(("misrouted_operations", "misrouted_billing"), "refused", ("are the same account",), settings=UNASKED),
)


@dataclass(frozen=True)
class Known:
    """What the two truthful nights published: yesterday's, and tonight's after the world has moved on."""

    database: Path
    before: datetime
    runs: dict[str, str]
    yesterday: Tables
    tonight: Tables


LONG = 'значение 🥝 \'; drop table org.account; -- "x" '


def move_on(simulator: Simulator) -> None:
    """What changes in the world between yesterday and tonight."""
    truth = simulator.truth()
    names = {account["name"]: account["account_id"] for account in truth["accounts"]}
    for account in (names["payments-prod"], names["kōwhai-portal"]):
        running = [i for i in truth["instances"] if i["account_id"] == account and i["state"] == "running"]
        by_region = {i["region"]: i for i in running}
        for instance in by_region.values():
            tags = {f"key {number:02d} ü": (LONG * 8)[:256] for number in range(50)}
            simulator.change("retag_instance", instance_id=instance["instance_id"], tags=tags)
        simulator.change("terminate_instance", instance_id=running[0]["instance_id"])
        simulator.change("add_instance", account_id=account, region=truth["regions"][0], tags={"Name": "new"})
        volumes = [v for v in simulator.truth("storage")["volumes"] if v["account_id"] == account]
        for region in truth["regions"]:
            spare = next(v for v in volumes if v["region"] == region and v["state"] == "available")
            simulator.change("modify_volume", volume_id=spare["volume_id"], size_gb=999)
    simulator.change("move_account", account_id=names["payments-dev"], ou="Workloads/Moved")


def prepare(ground: Ground) -> Known:
    """The two truthful nights."""
    ground.truthful()
    yesterday = ground.scratch / "yesterday" / DATABASE
    yesterday.parent.mkdir(parents=True)
    _must_publish(ground.night(yesterday))
    before = datetime.now(UTC)
    (run,) = apart(lambda: [version.run_id for version in Store(yesterday).versions()], ground.scratch)
    runs = {run: "yesterday"}
    move_on(ground.simulator)
    tonight = copy_of(yesterday, ground.scratch / "tonight")
    _must_publish(ground.night(tonight))
    return Known(
        yesterday,
        before,
        runs,
        apart(lambda: tables(yesterday, before, runs), ground.scratch),
        apart(lambda: tables(tonight, before, runs), ground.scratch),
    )


def _must_publish(night: Ended) -> None:
    if night.code != 0:
        raise RuntimeError(f"A truthful night was refused, so nothing can be compared with it:\n{night.said}")


def run(ground: Ground, known: Known, cases: Iterable[Case], deadline: float) -> list[Shown]:
    """Tell each lie on a copy of yesterday's warehouse, until the deadline (of `time.monotonic`)."""
    shown = []
    for number, case in enumerate(cases):
        if time.monotonic() > deadline:
            shown.append(Shown("lies", case.name, MEANING[case.fate], skipped="the time was up"))
            continue
        began = time.monotonic()
        said, failure = tell(ground, known, case, ground.scratch / f"lie-{number}")
        shown.append(Shown("lies", case.name, MEANING[case.fate], said, failure, seconds=time.monotonic() - began))
        print(shown[-1].line(), flush=True)
    return shown


def tell(ground: Ground, known: Known, case: Case, folder: Path) -> tuple[str, str]:
    """One night of a lie: the sentence shown, and what was otherwise than expected."""
    database = copy_of(known.database, folder)
    was = fingerprint(database)
    ground.truthful()
    ground.simulator.configure(org_mode=case.lookalike)
    told: list[dict[str, Any]] = [ground.simulator.lie(name) for name in case.lies]
    try:
        night = ground.night(database, **case.settings)
    finally:
        ground.truthful()
    regions = ground.simulator.truth()["regions"]
    words = {
        "account": told[0]["account_id"] if told else "",
        "first": regions[0],
        "last": regions[-1],
    }
    said = sentence(night.said)
    failures = [
        f"no word of {word!r}: {night.said[-600:]}" for word in _put_in(case.says, words) if word not in night.said
    ]
    if "Traceback" in night.said:
        failures.append("a traceback was shown")
    if case.fate == "refused":
        if night.code == 0:
            failures.append("it was published")
        elif fingerprint(database) != was:
            failures.append("the published file has changed")
        return said, "; ".join(failures)
    if night.code != 0:
        return said, f"it was refused: {said}"
    frozen = [tuple(_put_in(place, words)) for place in case.frozen]
    failures += apart(lambda: compared(database, known, case.fate, frozen), ground.scratch)
    return said, "; ".join(failures)


def _put_in(texts: Sequence[str], words: dict[str, str]) -> list[str]:
    return [text.format(**words) for text in texts]


def sentence(printed: str) -> str:
    """The first thing that the operator reads of a rule; empty where there is none."""
    lines = [line.strip() for line in printed.splitlines()]
    marked = [line for line in lines if line.startswith(("✗", "!", "⚠"))]
    return (marked or [""])[0][:300]


def compared(database: Path, known: Known, fate: Fate, frozen: Sequence[Sequence[str]]) -> list[str]:
    """What is otherwise in a published dataset than its fate demands."""
    found = tables(database, known.before, known.runs)
    if fate == "survived":
        return list(filter(None, [difference(found, known.tonight)]))
    if fate == "missing":
        return _nothing_retired(found, known)
    return [*_untrusted(database, frozen), *_frozen_rows(found, known, frozen)]


def _is_frozen(frozen: Sequence[Sequence[str]], listing: str, account: str, region: str) -> bool:
    return any(
        fnmatchcase(listing, place[0]) and fnmatchcase(account, place[1]) and fnmatchcase(region, place[2])
        for place in frozen
    )


def _untrusted(database: Path, frozen: Sequence[Sequence[str]]) -> list[str]:
    """Cells that are not trusted although they should be, and the other way round."""
    with Store(database).published() as connection:
        cells = connection.execute(
            "select split_part(listing, ':', 1), account_id, region, outcome from audit.coverage "
            "where role = 'workload' and not is_trusted and outcome <> 'skipped'"
        ).fetchall()
    wrong = [cell for cell in cells if not _is_frozen(frozen, *cell[:3])]
    failures = [f"not trusted, and should be: {wrong[0]} and {len(wrong) - 1} more"] if wrong else []
    for place in frozen:
        if not any(_is_frozen([place], *cell[:3]) for cell in cells):
            failures.append(f"trusted, and should not be: {place}")
    return failures


def _frozen_rows(found: Tables, known: Known, frozen: Sequence[Sequence[str]]) -> list[str]:
    """Rows of frozen cells are yesterday's and stale, and all others are tonight's."""
    failures = []
    for name, (columns, rows) in found.items():
        listing = name.partition(".")[2]
        if not name.startswith("aws.") or not {"account_id", "region", "is_stale"} <= set(columns):
            if name.partition(".")[0] in ("org", "cost", "ref") and rows != known.tonight[name][1]:
                failures.append(f"{name} differs, although nothing of it was lied about")
            continue
        account, region, stale = (columns.index(column) for column in ("account_id", "region", "is_stale"))

        def is_frozen(row: Any, listing: str = listing, account: int = account, region: int = region) -> bool:
            return _is_frozen(frozen, listing, row[account], row[region])

        kept = [row for row in known.yesterday[name][1] if is_frozen(row)]
        new = [row for row in known.tonight[name][1] if not is_frozen(row)]
        expected = sorted(itertools.chain(((*row[:stale], True, *row[stale + 1 :]) for row in kept), new), key=repr)
        if expected != rows:
            failures.append(f"{name}: {difference({name: (columns, rows)}, {name: (columns, expected)})}")
    return failures


def _nothing_retired(found: Tables, known: Known) -> list[str]:
    """Every item of tonight is there, retired only where it is in truth, and some are missing."""
    columns, rows = found["cmdb.resource"]
    arn, status = columns.index("arn"), columns.index("status")
    expected = {row[arn]: row[status] for row in known.tonight["cmdb.resource"][1]}
    now = {row[arn]: row[status] for row in rows}
    # What was new tonight and cut off has never been seen.
    unseen = {row[arn] for row in known.yesterday["cmdb.resource"][1]}
    lost = [item for item in expected if item not in now and item in unseen]
    retired = [item for item, value in now.items() if value == "retired" and expected.get(item) != "retired"]
    missing = [item for item, value in now.items() if value == "missing" and expected.get(item) != "missing"]
    failures = [f"lost: {lost[:3]}"] if lost else []
    if retired:
        failures.append(f"retired: {retired[:3]}")
    if not missing:
        failures.append("nothing is marked missing")
    return failures
