"""The report says beside each figure how much of its scope was judged, and no list is empty without it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from nights import DATABASE, query

from pipelines.models.model import read_models
from pipelines.models.sql_files import reads
from pipelines.report.figures import QUERIES, Figure, Scope
from pipelines.report.page import render

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
CLAIMING = ("org.", "aws.", "cost.", "cmdb.")

Figures = Mapping[str, Figure]


@pytest.fixture(autouse=True)
def without_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of the time of a page, and says nothing of what is known."""
    monkeypatch.setattr("pipelines.report.page.pictures", lambda _: {})


def test_the_scope_of_a_figure_is_that_of_the_tables_it_reads(figures: Figures, truthful_night: Path) -> None:
    claims = {
        claim: (judged, unknown)
        for claim, judged, unknown in query(
            truthful_night / DATABASE, "select claim, judged, unknown from audit.claim where scope > 0"
        )
    }
    of_one = 0
    for figure in figures.values():
        read = {relation for relation in reads(figure.sql).relations if relation in claims}
        if not read:
            assert figure.scope is None, figure.name
            continue
        assert figure.scope is not None, figure.name
        # A cell behind two tables counts once.
        assert max(sum(claims[one]) for one in read) <= figure.scope.judged + figure.scope.unknown
        assert max(claims[one][1] for one in read) <= figure.scope.unknown
        if len(read) == 1:
            of_one += 1
            assert (figure.scope.judged, figure.scope.unknown) == claims[read.pop()], figure.name
    assert of_one


def test_a_figure_of_an_organisation_with_an_account_nobody_reaches_names_it(figures: Figures) -> None:
    """The simulated organisation has one account without a profile: figures of items do not know what it holds."""
    for name in ("changes_by_type", "candidates_by_rule", "map_nodes"):
        scope = figures[name].scope
        assert scope is not None
        assert scope.unknown > 0
        assert "no_profile" in scope.reasons
    bill = figures["monthly_by_service"].scope
    assert bill is not None
    assert bill.unknown == 0


@pytest.mark.parametrize(
    "name", ["anomalies", "candidates_unknown", "changes", "savings_top", "map_edges", "health_by_type"]
)
def test_an_empty_list_is_none_only_where_nothing_of_its_scope_is_unknown(name: str, figures: Figures) -> None:
    empty = replace(figures[name], rows=(), scope=Scope(40, 2, "denied 2"))
    known = replace(empty, scope=Scope(42, 0, ""))
    sentence = "2 of 42 cells are unknown (denied 2)"
    run = replace(figures["run"], rows=({**(figures["run"].first or {}), "previous_finished_at": NOW},))
    with_doubt = render({**figures, "run": run, name: empty}, NOW)
    without = render({**figures, "run": run, name: known}, NOW)
    assert sentence in with_doubt
    assert sentence not in without
    badge = rf'href="#query-{name}"[^>]*>SQL</a> <span class="scope[^>]*>([^<]*)<'
    assert set(re.findall(badge, with_doubt)) == {"40 of 42 cells judged, 2 unknown"}
    assert set(re.findall(badge, without)) == {"all 42 cells judged"}


def test_no_anomaly_is_none_only_where_the_bill_could_be_judged(figures: Figures) -> None:
    known = {name: replace(figures[name], scope=Scope(42, 0, "")) for name in ("anomalies", "anomalies_judged")}
    known["anomalies"] = replace(known["anomalies"], rows=())
    judged = {
        "slice": "service",
        "first_date": NOW.date(),
        "through_date": NOW.date(),
        "money_floor": 1,
        "min_score": 1,
    }
    for first_date, is_none in ((NOW.date(), True), (None, False)):
        rows = ({**judged, "first_date": first_date},)
        page = render({**figures, **known, "anomalies_judged": replace(known["anomalies_judged"], rows=rows)}, NOW)
        anomalies = page[page.index("Anomalies: far more") :].partition("</section>")[0]
        assert ('<p class="none">None.' in anomalies) is is_none
        assert ("which is not none" in anomalies) is not is_none


def test_the_summary_says_that_nothing_is_unknown_only_where_nothing_is(figures: Figures) -> None:
    """Without an account that nobody collects, one unknown cell is enough to say so."""
    calm = {name: replace(figures[name], rows=()) for name in ("unreached", "spend_total", "examples", "broken_rules")}
    for unknown in (0, 1):
        row = {"judged_count": 42, "unknown_count": unknown, "chosen_count": 0, "cell_count": 42 + unknown}
        rows = ({**row, "reasons": "denied 1" if unknown else None},)
        page = render({**figures, **calm, "scope": replace(figures["scope"], rows=rows)}, NOW)
        sentence = page[page.index(">Not known<") :].partition("</section>")[0]
        assert ("denied 1" in sentence) is bool(unknown)
        assert ("Every response counts" in sentence) is not unknown


@pytest.mark.parametrize(
    ("reasons", "found"),
    [
        ([], None),
        ([None], (1, 0, 0, 1, None)),
        (["denied", "region_not_selected", None, "denied"], (1, 3, 1, 4, "denied 2, region not selected 1")),
        (["not_requested", "optional_grant_not_given"], (0, 2, 2, 2, "not requested 1, optional grant not given 1")),
    ],
)
def test_what_is_left_out_by_choice_is_counted_among_the_unknown(
    reasons: list[str | None], found: tuple[object, ...] | None
) -> None:
    with duckdb.connect() as connection:
        connection.execute("create schema audit; create table audit.expected_cell (unknown_reason varchar)")
        for reason in reasons:
            connection.execute("insert into audit.expected_cell values (?)", [reason])
        assert connection.execute((QUERIES / "scope.sql").read_text(encoding="utf-8")).fetchone() == found


def test_what_nobody_collects_and_costs_much_is_named_first(figures: Figures) -> None:
    """The simulated organisation has a suspended account and one without a profile, each with a tenth of the bill."""
    page = render(figures, NOW)
    sentence = page[page.index(">Not known<") :].partition("</section>")[0]
    found = {row["account_name"]: row["why"] for row in figures["unreached"] if row["share_pct"] > 1}
    assert found == {"mothballed": "suspended", "acquired-company": "no profile"}
    assert all(f">{name}</bdi></b> holds" in sentence for name in found)


def test_a_page_without_a_bill_and_without_items_says_that_nothing_is_known(figures: Figures) -> None:
    """A first run may publish before anything of the bill is complete: the report is made all the same."""
    for empty in (figures.keys() - {"run"}, *({name} for name in figures if name != "run")):
        page = render({**figures, **{name: replace(figures[name], rows=()) for name in empty}}, NOW)
        assert page.endswith("</html>")
        if len(empty) > 1:
            assert "is unknown: no day of the bill is complete" in page
            assert "Nothing: every cell was judged" not in page


def test_each_query_names_the_assets_behind_it_and_links_to_them_where_the_ui_is_known(figures: Figures) -> None:
    built = read_models().keys()
    assert all(figure.assets and set(figure.assets) <= built for figure in figures.values() if figure.scope)
    name = "monthly_by_service"
    asset = next(asset for asset in figures[name].assets if asset.startswith("cost."))

    def article(page: str) -> str:
        return page[page.index(f'<article id="query-{name}">') :].partition("</article>")[0]

    assert asset in article(render(figures, NOW)).partition("Assets: ")[2]
    assert "href" not in article(render(figures, NOW))
    link = f'<a href="https://dagster.example/assets/{asset.replace(".", "/")}">{asset}</a>'
    assert link in article(render(figures, NOW, "https://dagster.example/"))
    unknown = {**figures, name: replace(figures[name], scope=Scope(40, 2, "denied 2"))}
    assert "audit.claim_gap" in article(render(unknown, NOW))
    assert "audit.claim_gap" not in article(render(figures, NOW))
