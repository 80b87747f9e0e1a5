"""The morning digest: what the newest published run has to say, in at most ten lines of plain text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pipelines.report.figures import Figure, query_figures
from pipelines.report.summary import summary
from pipelines.report.text import counted, plain, rounded, text_of
from pipelines.trust.ages import moment
from resources.store.store import Store

ANOMALIES_NAMED = 3

BUDGETS_NAMED = 3

READ = (
    "anomalies", "anomalies_judged", "months", "movers", "newly_unknown", "run", "scope", "spend_by_budget", "unreached"
)  # fmt: skip
"""The figures of the report that the digest reads."""


@dataclass(frozen=True)
class Digest:
    """What one run has to say.

    Attributes:
        title: one line.
        lines: at most ten; "none" stands only where everything that it is about was judged.
    """

    run_id: str
    title: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)


def read_digest(store: Store) -> Digest:
    """The digest of what is published.

    Raises:
        WarehouseError: nothing is published, or what is was published by another version of the product.
    """
    figures = query_figures(store, READ)
    run = figures["run"].first
    assert run is not None, "what is published was published by a run"
    lines = [
        *_spent(figures),
        *_anomalies(figures),
        *_budgets(figures),
        _unknown(figures),
        _newly_unknown(figures["newly_unknown"].first),
    ]
    return Digest(str(run["run_id"]), _title(run["finished_at"], figures), tuple(lines))


def new_anomalies(store: Store) -> str:
    """How many anomalies no earlier run knew, and the first of them; "none" only where all of it was judged.

    Raises:
        WarehouseError: nothing is published, or what is was published by another version of the product.
    """
    figures = query_figures(store, ("anomalies", "anomalies_judged"))
    found = figures["anomalies"]
    if found.first is not None and found.first["is_new"] is None:
        count = len(found) + found.left_out
        return f"{count:,} in cost.anomaly, such as {_anomaly(found.first)}; which are new shows from the next run on"
    new = [row for row in found.rows if row["is_new"]]
    if new:
        # New ones come first, so that only where all rows are new there may be more among those left out.
        more = " or more" if found.left_out and len(new) == len(found.rows) else ""
        return f"{len(new):,}{more} new, in cost.anomaly: {_anomaly(new[0])}{' …' if len(new) > 1 or more else ''}"
    return _none(figures, "none new")


def _title(finished_at: datetime, figures: Mapping[str, Figure]) -> str:
    scope = figures["scope"].first
    judged = f"{scope['judged_count']:,} of {scope['cell_count']:,} cells judged" if scope else "nothing was judged"
    return f"AWS CMDB and cost: published {moment(finished_at)}, {judged}"


def _spent(figures: Mapping[str, Figure]) -> Iterator[str]:
    of_months = summary(figures)
    # On the first days of a month no day of it is complete yet.
    month = of_months.running or of_months.whole
    if month is None:
        yield _spent_alone(None if of_months.month is None else figures["months"].rows[of_months.month])
        return
    rows = figures["movers"].rows
    bill = rows[month.bill]
    missing = _days_missing(bill["days_missing"])
    yield (
        f"Spent: {_amount(bill['cost'])} {bill['currency']} from {bill['month']} through {bill['through_date']}, "
        f"{_change(bill)} against {month.against}{missing}."
    )
    moved = [f"{_name(rows[index])} {_change(rows[index])}" for index in month.most]
    yield f"Moved most: {', '.join(moved) or 'nothing'}."


def _spent_alone(row: Mapping[str, Any] | None) -> str:
    """What the newest month cost, where no month before it is known."""
    if row is None:
        return "Spent: unknown, since no day of the bill is complete."
    missing = _days_missing(row["days_missing"])
    stale = ", as an earlier run knew it" if row["state"] == "stale" else ""
    return (
        f"Spent: {_amount(row['cost'])} {row['currency']} from {row['first_date']} through {row['through_date']}{stale}"
        f"{missing}; there is no month before it to compare with."
    )


def _days_missing(count: int) -> str:
    return f"; {counted(count, 'day')} {'has' if count == 1 else 'have'} no row of the bill" if count else ""


def _name(row: Mapping[str, Any]) -> str:
    return f"{plain(row['cut'])} {plain(row['name'])}"


def _amount(value: Any) -> str:
    return "an unknown amount of" if value is None else rounded(value, 0)


def _change(row: Mapping[str, Any]) -> str:
    return "by an unknown amount" if row["change"] is None else text_of(row["change"], "change")


def _anomalies(figures: Mapping[str, Figure]) -> Iterator[str]:
    found = figures["anomalies"]
    for row in found.rows[:ANOMALIES_NAMED]:
        yield f"Anomaly, {'new, ' if row['is_new'] else ''}{row['state']}: {_anomaly(row)}."
    left = max(0, len(found) - ANOMALIES_NAMED) + found.left_out
    if left:
        yield f"And {left:,} more anomal{'y' if left == 1 else 'ies'}, in cost.anomaly."
    if not found.rows or _unjudged_slices(figures):
        yield f"Anomalies: {_none(figures, 'none')}."


def _anomaly(row: Mapping[str, Any]) -> str:
    where = plain(row["account_name"] or row["account_id"])
    return f"{where}, {plain(row['dimension_value'])}, {_change_of(row)} from {row['usage_date']}"


def _none(figures: Mapping[str, Figure], word: str) -> str:
    """The word where all of it was judged, else as far as it was, or why nothing is known."""
    if unjudged := _unjudged_slices(figures):
        return f"unknown by {unjudged}, whose bill has too few complete days"
    scope = figures["anomalies"].scope
    return f"{word} in what was judged; {scope}" if scope is not None and scope.unknown else word


def _unjudged_slices(figures: Mapping[str, Figure]) -> str:
    unjudged = [row["slice"] for row in figures["anomalies_judged"] if row["first_date"] is None]
    return " and ".join(map(plain, unjudged))


def _change_of(row: Mapping[str, Any]) -> str:
    if row["difference"] is None:
        return "an unknown amount"
    return f"{text_of(row['difference'], 'change')} {row['currency']}"


def _budgets(figures: Mapping[str, Figure]) -> Iterator[str]:
    figure = figures["spend_by_budget"]
    if not figure.rows and not any(row["through_date"] for row in figures["anomalies_judged"]):
        yield "Budgets: unknown, since no day of the bill is complete."
        return
    having = [row for row in figure if row["verdict"] != "no budget"]
    if not having:
        yield "Budgets: none is set, so none was judged."
        return
    bad = [row for row in figure if row["verdict"] in ("red", "amber")]
    unknown = [row for row in having if row["verdict"] is None]
    keys = {row["scope"] for row in having}
    named = [
        f"{plain(row['scope']) + ' ' if len(keys) > 1 else ''}{plain(row['budget_name'])} {row['verdict']}"
        for row in bad[:BUDGETS_NAMED]
    ]
    if len(bad) > BUDGETS_NAMED:
        named.append(f"{len(bad) - BUDGETS_NAMED:,} more")
    if unknown:
        named.append(f"{len(unknown):,} unknown")
    green = len(having) - len(bad) - len(unknown)
    cut = f" of the {figure.left_out:,} smallest nothing is said here" if figure.left_out else ""
    yield f"Budgets: {', '.join([*named, f'{green:,} green'])} of {len(having):,}{';' if cut else ''}{cut}."


def _unknown(figures: Mapping[str, Figure]) -> str:
    scope = figures["scope"].first
    if scope is None:
        return "Unknown: how much was requested."
    if not scope["unknown_count"]:
        return "Unknown: nothing; every cell was judged."
    return f"Unknown: {scope['unknown_count']:,} of {scope['cell_count']:,} cells ({plain(scope['reasons'])})."


def _newly_unknown(row: Mapping[str, Any] | None) -> str:
    if row is None or row["since"] is None:
        return "Newly unknown: unknown, since no run was published before."
    if not row["cell_count"]:
        return f"Newly unknown: nothing that the run of {moment(row['since'])} knew."
    return (
        f"Newly unknown: {counted(row['cell_count'], 'cell')} of {counted(row['account_count'], 'account')}, such as "
        f"{plain(row['listing'])} of {plain(row['account_id'] or row['role'])} in {plain(row['region'])} "
        f"({plain(row['unknown_reason'])})."
    )
