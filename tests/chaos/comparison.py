"""What a published dataset must be after a lie: the rows, what is trusted, which rules failed."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from chaos.history import Known
from chaos.lies import NO_SILENT_ZERO, WAITS, Doubt, Lie
from chaos.tables import Row, Tables, difference, tables
from pipelines.catalogue.registry import listings
from resources.store.store import Store


@dataclass(frozen=True)
class Believed:
    """What of the last run is trusted, what is not, and which rules failed.

    Attributes:
        trusted: cells.
        doubtful: cells that are not, by listing and outcome.
        failed: rules with severity ERROR.
        blocked: listings that may not be built upon.
    """

    trusted: int
    doubtful: Mapping[Doubt, int]
    failed: tuple[str, ...]
    blocked: frozenset[str]

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
            select distinct check_name, scope
            from audit.check_result
            where
                not passed and severity = 'ERROR'
                and run_id = (select run_id from audit.run order by started_at desc limit 1)
            order by all
            """
        ).fetchall()
    trusted = sum(count for is_trusted, _, _, count in cells if is_trusted)
    doubtful = {(listing, outcome): count for is_trusted, listing, outcome, count in cells if not is_trusted}
    blocked = frozenset(scope for name, scope in rules if name in NO_SILENT_ZERO)
    return Believed(trusted, doubtful, tuple(dict.fromkeys(name for name, _ in rules)), blocked)


def unblocked(found: Believed, lies: Sequence[Lie]) -> list[str]:
    """Faults that would not have kept a run from being published by themselves, although each is enough for that.

    Of each some listing is blocked of which nothing else is doubtful.
    """

    def is_only_of(lie: Lie, listing: str) -> bool:
        doubts = [cell for cell in found.doubtful if cell[0] == listing]
        return all(any(_is_doubt(cell, doubt) for doubt in lie.doubts) for cell in doubts)

    return [
        f"{lie.name} would have been published"
        for lie in lies
        if lie.fails == NO_SILENT_ZERO and lie.doubts and not any(is_only_of(lie, name) for name in found.blocked)
    ]


# ------------------------------------------------------------------------------------------------ the rows


def compared(database: Path, known: Known, lie: Lie) -> list[str]:
    """What is otherwise in a published dataset than the fate of a lie demands."""
    found = tables(database, known.before, known.runs)
    yesterday, tonight = known.yesterday, known.tonight
    verdicts: list[str] = []
    if lie.late:
        verdicts = false_verdicts(found, tonight)
        found, yesterday, tonight = map(without_waiting, (found, yesterday, tonight))
    if lie.fate == "survived":
        wrong = untrusted(database, (), late=lie.late)
        if not lie.late:
            return [*wrong, *filter(None, [difference(found, tonight)])]
        open_ones = may_be_open(found)
        other = difference(*({name: of[name] for name in of if name not in open_ones} for of in (found, tonight)))
        return [*wrong, *verdicts, *filter(None, [other]), *invented(found, tonight, open_ones)]
    if lie.fate == "missing":
        return [*_nothing_retired(found, known), *elsewhere(found, tonight, lie.cut)]
    wrong = untrusted(database, lie.frozen, late=lie.late)
    if lie.cut:
        wrong += _nothing_retired(found, known)
        found, yesterday, tonight = (without_accounts(of, lie.cut) for of in (found, yesterday, tonight))
    may_differ = (*RESTING_ON_MORE, *lie.differs, *lie.stale, *(may_be_open(found) if lie.late else ()))
    # Of what is lied about some cells are not requested each night, and others are skipped since their parents are.
    accounts = {place[1] for place in lie.frozen}
    stopped = [
        (cell, account, region)
        for cell, account, region, outcome in untrusted_cells(database)
        if _is_frozen(lie.frozen, cell.partition(":")[0], account, region)
        or (outcome == "skipped" and account in accounts)
    ]
    return [
        *wrong,
        *verdicts,
        *all_stale(found, yesterday, lie.stale),
        *frozen_rows(found, yesterday, tonight, stopped, may_differ),
    ]


def _is_frozen(frozen: Sequence[Sequence[str]], listing: str, account: str, region: str) -> bool:
    return any(
        fnmatchcase(listing, place[0]) and fnmatchcase(account, place[1]) and fnmatchcase(region, place[2])
        for place in frozen
    )


def without_accounts(published: Tables, accounts: Sequence[str]) -> Tables:
    """The tables without what is said of some accounts' resources; what the organisation has and pays stays."""

    def is_of_one(row: Row) -> bool:
        return any(isinstance(value, str) and account in value for value in row for account in accounts)

    return {
        name: (columns, [row for row in rows if not is_of_one(row)] if name.startswith(("aws.", "cmdb.")) else rows)
        for name, (columns, rows) in published.items()
    }


SAYING_WHAT_WAITS = {
    "cost.explained_spend": ("answered_at",),
    "cmdb.exposure": ("as_of",),
    "org.governance_kpi": ("verdict", "judged", "unknown", "unknown_reason"),
}
"""Columns that tell how much is known, or since when: they are otherwise where a zero waits for CloudTrail."""


def without_waiting(published: Tables) -> Tables:
    """The tables without what says only that something waits."""
    others = dict(published)
    for name, columns in SAYING_WHAT_WAITS.items():
        names, rows = published[name]
        kept = [place for place, column in enumerate(names) if column not in columns]
        rest = sorted((tuple(row[place] for place in kept) for row in rows), key=repr)
        others[name] = (tuple(names[place] for place in kept), rest)
    return others


def false_verdicts(found: Tables, tonight: Tables) -> list[str]:
    """KPIs with a verdict that is neither tonight's nor unknown."""

    def verdicts(published: Tables) -> dict[str, str]:
        columns, rows = published["org.governance_kpi"]
        kpi, verdict = columns.index("kpi"), columns.index("verdict")
        return {row[kpi]: row[verdict] for row in rows}

    true = verdicts(tonight)
    return [
        f"{kpi} is {verdict}, expected {true[kpi]} or unknown"
        for kpi, verdict in verdicts(found).items()
        if verdict not in ("unknown", true[kpi])
    ]


SAYING_WHAT_IS_OPEN = ("cmdb.decommission_signal", "cmdb.finding_unknown")
"""Tables of which a row may say that something is not known."""


def may_be_open(found: Tables) -> tuple[str, ...]:
    """Tables that leave open what rests on a zero that CloudTrail has not confirmed."""
    findings = (name for name in found if name.startswith("cmdb.finding_"))
    return tuple(dict.fromkeys((*SAYING_WHAT_IS_OPEN, *findings)))


def invented(found: Tables, tonight: Tables, names: Sequence[str]) -> list[str]:
    """Findings that are none in truth: one that is left open says nothing, and is no other one."""
    failures = []
    for name in names:
        columns, rows = found[name]
        true = set(map(repr, tonight[name][1]))
        if name not in SAYING_WHAT_IS_OPEN and (more := [row for row in rows if repr(row) not in true]):
            failures.append(f"{name} has {len(more)} rows that are not tonight's, such as {more[0]} of {columns}")
    return failures


def all_stale(found: Tables, yesterday: Tables, names: Sequence[str]) -> list[str]:
    """What is otherwise in tables that have to have yesterday's rows, each marked stale."""
    failures = []
    for name in names:
        columns, rows = yesterday[name]
        stale = columns.index("is_stale")
        expected = sorted(((*row[:stale], True, *row[stale + 1 :]) for row in rows), key=repr)
        failures.append(difference({name: found[name]}, {name: (columns, expected)}))
    return list(filter(None, failures))


def untrusted(database: Path, frozen: Sequence[Sequence[str]], *, late: bool = False) -> list[str]:
    """Cells that are not trusted although they should be, and the other way round.

    Args:
        late: zeros may wait for CloudTrail.
    """
    cells = [(cell.partition(":")[0], *more) for cell, *more in untrusted_cells(database)]
    may_be = ("skipped", WAITS) if late else ("skipped",)
    wrong = [cell for cell in cells if cell[3] not in may_be and not _is_frozen(frozen, *cell[:3])]
    failures = [f"not trusted, and should be: {wrong[0]} and {len(wrong) - 1} more"] if wrong else []
    for place in frozen:
        if not any(_is_frozen([place], *cell[:3]) for cell in cells):
            failures.append(f"trusted, and should not be: {place}")
    return failures


def untrusted_cells(database: Path) -> list[tuple[str, str, str, str]]:
    """Listing, account, region and outcome of what is published and not trusted."""
    with Store(database).published() as connection:
        return connection.execute(
            "select listing, account_id, region, outcome from audit.coverage where not is_trusted"
        ).fetchall()


RESTING_ON_MORE = ("cost.explained_spend", "cost.resource_cost", "cost.saving")
"""Tables outside `aws` and `cmdb` that are made from items too, so that frozen items show in them."""


OF_ITEMS = ("cmdb.resource_version", "cost.extended_support_forecast")
"""Tables of which a row is about an item, named by its ARN alone."""

OF_TWO_CELLS = ("cmdb.orphan_relationship", "cmdb.finding_exposure", "cmdb.finding_open_rule")
"""Tables of which a row is of one cell and what it says is of others, some of which may be frozen and some not."""

UNKNOWN = "unknown"
"""A column of tables whose rows say themselves what is not known: those of frozen cells are no more yesterday's."""

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
    failures = elsewhere(found, tonight, [place[1] for place in frozen], (*others, *OF_ITEMS))
    for name, (columns, rows) in found.items():
        schema, _, table = name.partition(".")
        has_cells = schema == "aws" or (schema == "cmdb" and "listing" in columns)
        if not has_cells or "is_stale" not in columns or name in (*OF_TWO_CELLS, *others) or UNKNOWN in columns:
            continue
        kept = [row for row in yesterday[name][1] if row_is_frozen(table, columns, row, frozen)]
        new = [row for row in tonight[name][1] if not row_is_frozen(table, columns, row, frozen)]
        failures.append(_otherwise(name, columns, rows, kept, new))
    return [*filter(None, failures), *_of_frozen_items(found, yesterday, tonight, frozen)]


def _otherwise(name: str, columns: tuple[str, ...], rows: list[Row], kept: Sequence[Row], new: Sequence[Row]) -> str:
    """What is not as kept rows, stale where the table says so, and new ones together; empty if nothing."""
    put = {"is_stale": True} | dict.fromkeys(LEFT_OPEN)
    stale = [tuple(put.get(column, value) for column, value in zip(columns, row, strict=True)) for row in kept]
    return difference({name: (columns, rows)}, {name: (columns, sorted([*stale, *new], key=repr))})


def _of_frozen_items(found: Tables, yesterday: Tables, tonight: Tables, frozen: Sequence[Sequence[str]]) -> list[str]:
    """What is otherwise in tables about items.

    What was changed of a frozen item is not known, nor what follows from it: yesterday's rows stay, stale where the
    table says so. Of all others there are tonight's.
    """

    def stopped(published: Tables) -> set[str]:
        columns, rows = published["cmdb.resource"]
        return {row[columns.index("arn")] for row in rows if row_is_frozen("resource", columns, row, frozen)}

    names = [name for name in OF_ITEMS if name in found]
    if not names:
        return []
    stopped_before, stopped_now = stopped(yesterday), stopped(tonight)
    failures = []
    for name in names:
        columns, rows = found[name]
        arn = columns.index("arn")
        kept = [row for row in yesterday[name][1] if row[arn] in stopped_before]
        new = [row for row in tonight[name][1] if row[arn] not in stopped_now]
        failures.append(_otherwise(name, columns, rows, kept, new))
    return list(filter(None, failures))


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


def row_is_frozen(table: str, columns: Sequence[str], row: Sequence[Any], frozen: Sequence[Sequence[str]]) -> bool:
    """Whether the cell that a row came from is frozen: a row of `aws` is of the account and region that it is about."""

    def value(*names: str) -> str:
        return next((row[columns.index(name)] for name in names if name in columns), "")

    cell = value("listing") or table
    listing = cell.partition(":")[0]
    asked = listings().get(listing)
    if asked is not None and "workload" not in asked.roles:
        # `*` is told of workload accounts: the rows of a central role are frozen where its listing is named.
        frozen = [place for place in frozen if place[0].partition(":")[0] == listing]
    where = value("caller_account_id", "account_id"), value("cell_region", "region")
    return any(_is_frozen(frozen, name, *where) for name in {cell, listing})


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


# ------------------------------------------------------------------------------------------------ what AWS was asked

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
    """Lies of which a rule answered nothing, so that the run shows nothing of it."""
    return [f"{name} was not told by each of its rules: {counts}" for name, counts in told.items() if not all(counts)]
