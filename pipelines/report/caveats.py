"""What is to be known before a figure is trusted."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pipelines.report import sections
from pipelines.report.figures import Figure
from pipelines.report.text import plain, text_of
from pipelines.trust.ages import STALE_AFTER


@dataclass(frozen=True)
class Caveat:
    """What is missing, stale or not to be taken at its word, shown in the banner and again where it matters.

    Attributes:
        section: the id of the section that it concerns.
        kind: missing, stale, example or note.
        figure: the query that it comes from.
    """

    section: str
    kind: str
    sentence: str
    figure: str


def caveats(figures: Mapping[str, Figure], now: datetime) -> list[Caveat]:
    """Everything that a reader has to know before a figure is trusted."""
    found: list[Caveat] = []

    def say(section: str, kind: str, sentence: str, figure: str) -> None:
        found.append(Caveat(section, kind, sentence, figure))

    run = figures["run"].first or {}
    if run and now - run["finished_at"] > STALE_AFTER:
        hours = (now - run["finished_at"]) / timedelta(hours=1)
        say("top", "stale", f"The newest published run is {hours:,.0f} hours old.", "run")
    for row in figures["stale"]:
        if row["stale_count"]:
            section = "health" if row["what"] == "configuration items" else "spend"
            say(
                section,
                "stale",
                f"{row['stale_count']:,} {row['what']} of {row['account_count']:,} account(s) are shown as they were "
                f"at {text_of(row['true_at'], 'time')} or later: the response of this run cannot be trusted.",
                "stale",
            )
    for row in figures["months"]:
        if row["state"] in ("not read", "stale", "days missing"):
            known = "is not in any figure" if row["state"] == "not read" else f"has {row['day_count']} day(s)"
            say("months", "missing", f"{row['month']:%B %Y}: {row['state']}; it {known}.", "months")
        elif row["cost"] is None:
            say("months", "missing", f"{row['month']:%B %Y} has a day without an exchange rate: unknown.", "months")
    for row in figures["allocation_by_key"]:
        if row["why_unknown"]:
            say(
                "allocation",
                "missing",
                f"{plain(row['tag_key'])} has no data for {row['month']:%B %Y}: {row['why_unknown']}.",
                "allocation_by_key",
            )
    found += _of_the_bill(figures)
    found += _of_coverage(figures)
    found += [Caveat(*caveat) for caveat in sections.caveats(figures)]
    for row in figures["examples"]:
        if row["example_count"]:
            say(
                "spend",
                "example",
                f"{row['example_count']:,} {row['what']} are the product's examples, nobody's own figures.",
                "examples",
            )
    # Without a day of the bill there is nothing to hold against a budget, whether there is one or not.
    if figures["months"].rows and all(row["verdict"] == "no budget" for row in figures["spend_total"]):
        say("spend", "missing", "No budget is set for this month in ref.budget, so nothing is judged.", "spend_total")
    return found


def _of_the_bill(figures: Mapping[str, Figure]) -> Iterable[Caveat]:
    unjudged = [row["slice"] for row in figures["anomalies_judged"] if row["first_date"] is None]
    if unjudged:
        yield Caveat(
            "moved",
            "missing",
            f"No anomaly can be known by {' and '.join(plain(one).replace('_', ' ') for one in unjudged)}: the bill "
            "has too few complete days.",
            "anomalies_judged",
        )
    bill = figures["forecast_range"].first
    for row in figures["spend_total"]:
        if bill and row["last_complete_date"] and row["last_complete_date"] != bill["through_date"]:
            yield Caveat(
                "spend",
                "stale",
                f"The budgets of {plain(row['tag_key'])} are counted through {row['last_complete_date']}, the bill "
                f"through {bill['through_date']}: AWS's responses by tag are not of the same day.",
                "spend_total",
            )


def _of_scope(scope: Mapping[str, Any] | None) -> Caveat | None:
    """What of the whole scope is unknown: a choice of whoever runs the product is named as one, and is unknown too."""
    if scope is None:
        return Caveat(
            "coverage", "missing", "No cell was to be requested, so nothing is known: see audit.expected_cell.", "scope"
        )
    unknown, chosen = scope["unknown_count"], scope["chosen_count"]
    if not unknown:
        return None
    cells = f"{unknown:,} of {scope['cell_count']:,} cells are"
    where = "what they hold now is not known, and audit.expected_cell names each."
    if chosen == unknown:
        return Caveat("coverage", "note", f"{cells} left out by choice ({plain(scope['reasons'])}): {where}", "scope")
    by_choice = f", {chosen:,} of them left out by choice" if chosen else ""
    return Caveat("coverage", "missing", f"{cells} unknown ({plain(scope['reasons'])}){by_choice}: {where}", "scope")


def _of_coverage(figures: Mapping[str, Figure]) -> Iterable[Caveat]:
    if of_scope := _of_scope(figures["scope"].first):
        yield of_scope
    for why, sentence in (
        ("no profile", "No profile reaches {count:,} account(s)"),
        (None, "{count:,} account(s) that are suspended, closed or not of the organisation cost something"),
    ):
        found = [row for row in figures["unreached"] if (row["why"] == "no profile") == (why is not None)]
        if found:
            shares = [row["share_pct"] for row in found]
            # A share that has no exchange rate is unknown, and so is the sum.
            share = "an unknown part" if None in shares else text_of(sum(shares), "percent")
            names = ", ".join(f"{plain(row['account_name'] or 'no name')} ({row['account_id']})" for row in found[:5])
            yield Caveat(
                "coverage",
                "missing",
                f"{sentence.format(count=len(found))}, {share} of the last thirty days' spend: "
                f"{names}{', …' if len(found) > 5 else ''}. What they hold is unknown; what they cost is in the bill.",
                "unreached",
            )
    # Each row holds the sums of all cells, since the figure has no more rows than a page bears.
    untrusted = figures["untrusted"].first or {}
    if untrusted.get("untrusted_count"):
        yield Caveat(
            "coverage",
            "stale",
            f"{untrusted['untrusted_count']:,} response(s) of AWS cannot be trusted "
            f"({', '.join(untrusted['untrusted_outcomes'])}): what rests on them is as it was before.",
            "untrusted",
        )
    for place, what, setting, column in (
        ("months", "part(s) of the bill", "CMDB_COST_REQUEST_LIMIT", "limited_bill_count"),
        ("coverage", "account(s) and region(s) of CloudWatch", "CMDB_METRIC_LIMIT", "limited_metric_count"),
    ):
        if limited := untrusted.get(column):
            yield Caveat(
                place,
                "missing",
                f"{limited:,} {what} were not requested, since {setting} was reached; the next runs go on.",
                "untrusted",
            )
