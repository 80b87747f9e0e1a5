"""The comparison as text for a terminal, and as data for programs."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from pipelines.differences.comparing import KNOWN, UNKNOWN, Comparison, Row

SHOWN = 20
"""Rows of each section on a terminal; --json has all."""

HEADINGS = {"items": "Items", "rules": "Rules", "cost": "Cost", "coverage": "Coverage"}

UNCHANGED = {
    "items": "No item differs among those that both runs judged.",
    "rules": "No verdict differs among those that both runs judged.",
    "cost": "No amount differs on the days that both runs know.",
    "coverage": "The same cells are judged in both.",
}


def as_text(comparison: Comparison, shown: int = SHOWN) -> str:
    """The comparison as lines: what each section has of each kind, then the first rows."""
    lines = [f"From {comparison.before}", f"to {comparison.after}."]
    if comparison.doubt:
        lines.append(comparison.doubt)
    for section, heading in HEADINGS.items():
        rows = comparison.rows[section]
        lines += ["", f"{heading}: {summary(comparison, section)}"]
        lines += [f"  {line}" for line in map(_LINES[section], rows[:shown])]
        if len(rows) > shown:
            lines.append(f"  … and {len(rows) - shown:,} more; --json gives all.")
    return "\n".join(lines)


def summary(comparison: Comparison, section: str) -> str:
    """What a section says, in one line."""
    if section in comparison.left_out:
        return comparison.left_out[section]
    if not comparison.rows[section]:
        said = UNCHANGED[section]
    elif section == "cost":
        said = "; ".join(_cost_sentences(comparison))
    else:
        said = ", ".join(f"{count:,} {kind}" for kind, count in comparison.kinds(section).items()) + "."
    if section == "cost":
        unknown = [
            f"{comparison.scope[f'unknown_bill_{side}']:,} in run {publication.run_id}"
            for side, publication in (("before", comparison.before), ("after", comparison.after))
            if comparison.scope[f"unknown_bill_{side}"]
        ]
        said += f" Unknown cells of the bill: {', '.join(unknown)}." if unknown else ""
    if section == "items":
        said += f" {comparison.scope['items_before']:,} items before, {comparison.scope['items_after']:,} after."
    if section == "coverage":
        said += (
            f" Judged: {comparison.scope['judged_before']:,} cells before, {comparison.scope['judged_after']:,} after."
        )
    return said


def _cost_sentences(comparison: Comparison) -> Iterator[str]:
    rows = comparison.rows["cost"]
    for currency in sorted({str(row["currency"]) for row in rows}):
        own = [row for row in rows if row["currency"] == currency]
        whole = sum((row["difference"] for row in own), Decimal())
        restated = sum((row["restated"] for row in own), Decimal())
        yield (
            f"{money(whole)} {currency} unblended, of which {money(restated)} on days that were billed before "
            f"(through {comparison.scope['cost_through_before']}), the rest on days that were read for the first time "
            f"(through {comparison.scope['cost_through_after']})."
        )


def money(amount: Decimal) -> str:
    """An amount with its sign and two decimals; what is less than that is not shown as nothing."""
    if amount and abs(amount) < Decimal("0.005"):
        return "<0.01" if amount > 0 else "-<0.01"
    return f"{amount:+,.2f}"


def _item(row: Row) -> str:
    detail = f": {row['detail']}" if row["detail"] else ""
    return f"{row['kind']:<13}  {row['resource_type']}  {row['arn']}{detail}"


def _rule(row: Row) -> str:
    where = f" in {row['account_id']} {row['region']}" if row["account_id"] else ""
    verdicts = f"{verdict_before(row)} → {verdict_after(row)}"
    return f"{row['kind']:<13}  {row['rule']}  {row['subject']}{where}: {verdicts}"


def verdict_before(row: Row) -> str:
    """The verdict of the earlier run: that there is none is shown only where that was judged."""
    return str(row["verdict_before"] or ("not judged" if row["kind"] == KNOWN else "none"))


def verdict_after(row: Row) -> str:
    """The verdict of the later run: that there is none is said only where that was judged."""
    return str(row["verdict_after"] or ("not judged" if row["kind"] == UNKNOWN else "none"))


def _cost(row: Row) -> str:
    restated = f", of which {money(row['restated'])} restated" if row["restated"] else ""
    return (
        f"{row['month']:%Y-%m}  {money(row['difference'])} {row['currency']}  {row['service']}: "
        f"{row['cost_before']:,.2f} → {row['cost_after']:,.2f}{restated}"
    )


def _cell(row: Row) -> str:
    why = row["reason_after"] if row["kind"] == UNKNOWN else row["reason_before"]
    return (
        f"{row['kind']:<13}  {row['listing']}  {row['account_id']} {row['region']}, requested by {row['role']}"
        f"{f': {why}' if why else ''}"
    )


_LINES = {"items": _item, "rules": _rule, "cost": _cost, "coverage": _cell}


def as_data(comparison: Comparison) -> dict[str, Any]:
    """The comparison for programs, with every row."""
    return {
        "before": comparison.before.as_data(),
        "after": comparison.after.as_data(),
        "scope": dict(comparison.scope),
        "not_judged": comparison.doubt,
        **{
            section: {"summary": summary(comparison, section), "rows": [dict(row) for row in rows]}
            for section, rows in comparison.rows.items()
        },
    }
