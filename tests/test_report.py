"""The report: what it says is what the tables say, it reaches for nothing, and no name can do harm in it."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from browser import PHONE, Browser
from nights import DATABASE, cmdb_here, copy_of, dagster_home, environment_of, query

from pipelines.charts import charts
from pipelines.cli import explain
from pipelines.cli.dagster_home import prepare_dagster_home
from pipelines.cli.run import run_nightly
from pipelines.definitions import NIGHTLY
from pipelines.memory import TIMES
from pipelines.report import figures as module
from pipelines.report import page as pages
from pipelines.report.assets import report
from pipelines.report.figures import QUERIES, Figure, query_figures, read_queries
from pipelines.report.writing import MOST_BYTES, report_path, write_report
from pipelines.settings import Settings
from resources.store.errors import WarehouseError
from resources.store.store import Store
from resources.warehouse import Warehouse

pytestmark = pytest.mark.large

HOSTILE = (
    "</style></script><script>window.hurt=1</script>",
    "\"><img src=http://127.0.0.1:9/x onerror='window.hurt=1'>",
    "{{ 7*7 }} {% raw %} ' onmouseover=window.hurt=1 x='",
    "]]> <!-- &lt;b&gt; \u202egnp.exe\u0000\u0007 javascript:window.hurt=1",
    "</title></svg><svg onload=window.hurt=1><a xlink:href=javascript:window.hurt=1>",
)

OURS = [path.read_text(encoding="utf-8") for path in (pages.SCRIPT, pages.TABLES)]
CONSOLE = re.compile(r"https://console\.aws\.amazon\.com/go/view\?arn=arn%3Aaws%3A[A-Za-z0-9%._~-]+")

Figures = Mapping[str, Figure]


@pytest.fixture(scope="module")
def ended_at(figures: Figures) -> datetime:
    found = figures["run"].rows[0]["finished_at"]
    assert isinstance(found, datetime)
    return found


@pytest.fixture(scope="module")
def page(page_file: Path) -> str:
    return page_file.read_text(encoding="utf-8")


def other(figures: Figures, name: str, *rows: Mapping[str, Any]) -> dict[str, Figure]:
    """The figures with another answer to one query."""
    return {**figures, name: replace(figures[name], rows=rows)}


class Seen(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def scripts(text: str) -> list[str]:
    """The scripts of a page; one with any attribute, such as an address, is none of ours and counts as its element."""
    seen = Seen(text)
    assert [attributes for tag, attributes in seen.tags if tag == "script"] == [{}, {}]
    return re.findall(r"<script>(.*?)</script>", text, re.DOTALL)


# ------------------------------------------------------------------------------------------- self-contained


def test_figures_that_need_more_memory_are_read_within_more_and_at_last_without_a_limit(
    truthful_night: Path, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits: list[int | None] = []
    read = module._figures

    def noted(store: Store, only: Any, memory: int | None) -> dict[str, Figure]:
        limits.append(memory)
        return read(store, only, memory)

    monkeypatch.setattr(module, "_figures", noted)
    monkeypatch.setattr(module, "FIGURES_MEMORY", 4 << 20)
    found = query_figures(Store(truthful_night / DATABASE))
    assert limits == [*(int(times * (4 << 20)) for times in TIMES), None]
    assert {name: figure.rows for name, figure in found.items()} == {
        name: figure.rows for name, figure in figures.items()
    }


def test_every_run_leaves_its_report_beside_the_published_file(page_file: Path, page: str, figures: Figures) -> None:
    assert page_file.name == "cmdb.report.html"
    assert figures["run"].rows[0]["run_id"] in page
    assert page_file.stat().st_mode & 0o777 == 0o640
    assert len(page.encode()) < MOST_BYTES


def test_the_page_reaches_for_nothing_and_forbids_it_too(page: str) -> None:
    seen = Seen(page)
    assert not {tag for tag, _ in seen.tags} & {"img", "link", "iframe", "object", "embed", "form", "base"}
    assert scripts(page) == OURS
    addresses = [
        value
        for _, attributes in seen.tags
        for name, value in attributes.items()
        if name in ("href", "src", "xlink:href", "action", "srcset", "data")
    ]
    assert addresses
    # Nothing is requested from the console unless somebody follows the link of an ARN.
    assert all(value and (value.startswith("#") or CONSOLE.fullmatch(value)) for value in addresses)
    assert any(value and CONSOLE.fullmatch(value) for value in addresses)
    assert not [name for _, attributes in seen.tags for name in attributes if name == "style" or name.startswith("on")]
    assert not re.search(r"@import|url\((?!#)", page)
    policy = next(
        a["content"] for t, a in seen.tags if t == "meta" and a.get("http-equiv") == "Content-Security-Policy"
    )
    sheet = page[page.index("<style>") + 7 : page.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    ours = " ".join(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in OURS)
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digest}'; script-src {ours}; base-uri 'none'; form-action 'none'"
    )


def test_every_figure_links_to_its_query_which_stands_in_the_page(page: str) -> None:
    seen = Seen(page)
    ids = {attributes["id"] for _, attributes in seen.tags if "id" in attributes}
    linked = {a["href"] for t, a in seen.tags if t == "a" and a.get("class") == "source"}
    shown = {a["data-figure"] for _, a in seen.tags if "data-figure" in a}
    assert {f"#query-{name}" for name in shown} <= linked
    assert all(str(link).removeprefix("#") in ids for link in linked)
    text = "".join(seen.text)
    for figure in read_queries():
        assert figure.sql in text
        assert figure.sql in (QUERIES / f"{figure.name}.sql").read_text(encoding="utf-8")
        assert figure.description


def test_every_query_is_shown_somewhere_and_not_only_listed(page: str) -> None:
    linked = set(re.findall(r'class="source" href="#query-(\w+)"', page))
    # What only matters where something is wrong is named in the banner then; a first night has none before it.
    sometimes = {"stale", "unreached", "examples", "broken_rules", "changes", "changes_by_type", "restated"}
    # What is unknown anew is news of the digest.
    assert {figure.name for figure in read_queries()} - linked <= sometimes | {"newly_unknown"}


def test_no_name_can_do_harm(figures: Figures, ended_at: datetime) -> None:
    names = itertools.cycle(HOSTILE)

    def hurt(row: Mapping[str, Any]) -> dict[str, Any]:
        kept = ("run_id", "state", "status", "verdict", "outcome", "what", "standing")
        return {k: next(names) if isinstance(v, str) and k not in kept else v for k, v in row.items()}

    hostile = {name: replace(figure, rows=tuple(map(hurt, figure.rows))) for name, figure in figures.items()}
    # An organisation as large as a list of the page gets.
    cell = hostile["coverage"].rows[0]
    hostile["coverage"] = replace(
        hostile["coverage"],
        rows=tuple(
            {**cell, "place": place, "region": f"{region}{HOSTILE[1]}", "account_name": HOSTILE[place % 5] * 9}
            for place in range(61)
            for region in range(34)
        ),
    )
    text = pages.render(hostile, ended_at)
    seen = Seen(text)
    assert not {tag for tag, _ in seen.tags} & {"img", "link", "iframe", "object", "embed", "form", "base"}
    assert scripts(text) == OURS
    assert not [name for _, attributes in seen.tags for name in attributes if name.startswith("on")]
    addresses = [str(a["href"]) for _, a in seen.tags if "href" in a]
    assert addresses
    assert all(address.startswith("#") or CONSOLE.fullmatch(address) for address in addresses)
    shown = "".join(seen.text)
    assert HOSTILE[0] in shown
    assert "⟨U+202E⟩gnp.exe⟨U+0000⟩" in shown
    assert not re.search(r"[\u202a-\u202e\u2066-\u2069\x00-\x08]", text)
    assert len(text.encode()) < MOST_BYTES


def test_every_colour_of_a_chart_has_another_for_dark_screens(page: str) -> None:
    assert set(pages.DARK) == set(charts.PALETTE)
    drawn = "".join(re.findall(r"<svg viewBox.*?</svg>", page, flags=re.DOTALL))
    used = set(re.findall(r'(?:fill|stroke)="([^"]+)"', drawn))
    assert len(used) > 5
    assert used - {"none", "transparent"} <= set(charts.PALETTE)


def test_the_charts_are_what_the_schema_of_vega_lite_allows() -> None:
    month = date(2026, 2, 1)
    for chart in (
        charts.month_so_far(
            [charts.Day(month, Decimal(5), Decimal(4))],
            date(2026, 2, 28),
            budget=Decimal(9),
            forecast=(Decimal(7), Decimal(6), Decimal(8)),
        ),
        charts.month_so_far(
            [charts.Day(month, None)], date(2026, 2, 28), budget=None, forecast=(Decimal(7), None, None)
        ),
        charts.monthly_stack([charts.Part(month, "a", 1, Decimal(-3))], [month], {month: "to date"}),
        charts.spend_against_budget([charts.Bar("b", Decimal(1), Decimal(2), None, "green", "NZD")]),
    ):
        assert chart.to_dict(validate=True)["layer"]


def test_credits_beyond_the_spend_are_within_the_chart() -> None:
    day = charts.Day(date(2026, 2, 1), Decimal(-50), Decimal(4))
    chart = charts.month_so_far([day], date(2026, 2, 28), budget=None, forecast=(None, None, None))
    (below, above) = chart.to_dict(validate=True)["layer"][0]["encoding"]["y"]["scale"]["domain"]
    assert below < -50 and above > 4


# ------------------------------------------------------------------------------------------------ the banner


def said(figures: Figures, now: datetime) -> dict[str, str]:
    """What the banner says, and of which section."""
    return {caveat.sentence: f"{caveat.kind} {caveat.section}" for caveat in pages.caveats(figures, now)}


def test_what_is_stale_or_missing_stands_in_the_banner_and_where_it_matters(
    figures: Figures, ended_at: datetime
) -> None:
    month = {**figures["months"].rows[0], "month": date(2026, 2, 1), "day_count": 0}
    cell = {
        "untrusted_count": 3,
        "untrusted_outcomes": ["denied"],
        "limited_bill_count": None,
        "limited_metric_count": None,
    }
    scope = {
        "judged_count": 100,
        "unknown_count": 9000,
        "chosen_count": 0,
        "cell_count": 9100,
        "reasons": "denied 9000",
    }
    worlds = [
        (figures, ended_at + timedelta(hours=40), "The newest published run is 40 hours old.", "stale top"),
        (other(figures, "spend_total"), ended_at, "No budget is set for this month", "missing spend"),
        (other(figures, "untrusted", cell), ended_at, "3 response(s) of AWS cannot be trusted", "stale coverage"),
        (
            other(figures, "untrusted", {**cell, "untrusted_count": None, "limited_bill_count": 3}),
            ended_at,
            "3 part(s) of the bill were not requested",
            "missing months",
        ),
        (
            other(figures, "months", {**month, "state": "not read"}),
            ended_at,
            "February 2026: not read; it is not in any figure.",
            "missing months",
        ),
        (
            other(figures, "months", {**month, "state": "closed", "cost": None}),
            ended_at,
            "February 2026 has a day without an exchange rate",
            "missing months",
        ),
        (
            other(
                figures,
                "stale",
                {"what": "configuration items", "stale_count": 7, "account_count": 2, "true_at": ended_at},
            ),
            ended_at,
            "7 configuration items of 2 account(s) are shown as they were",
            "stale",
        ),
        (
            other(
                figures,
                "allocation_by_key",
                {**figures["allocation_by_key"].rows[0], "tag_key": "bc:x", "why_unknown": "not activated"},
            ),
            ended_at,
            "bc:x has no data for",
            "missing allocation",
        ),
        (
            other(figures, "examples", {"what": "budgets", "example_count": 4}),
            ended_at,
            "4 budgets are the product's examples",
            "example spend",
        ),
        (
            other(
                figures,
                "unreached",
                {
                    "account_id": "012345678901",
                    "account_name": "far",
                    "why": "no profile",
                    "cost": None,
                    "currency": "NZD",
                    "share_pct": 5.0,
                },
            ),
            ended_at,
            "No profile reaches 1 account(s), 5.0 % of the last thirty days' spend: far (012345678901)",
            "missing coverage",
        ),
        (
            other(
                figures,
                "unreached",
                {
                    "account_id": "012345678901",
                    "account_name": None,
                    "why": "suspended",
                    "cost": None,
                    "currency": "NZD",
                    "share_pct": None,
                },
            ),
            ended_at,
            "1 account(s) that are suspended, closed or not of the organisation cost something, an unknown part of",
            "missing coverage",
        ),
        (
            other(figures, "scope", scope),
            ended_at,
            "9,000 of 9,100 cells are unknown (denied 9000): what they hold now is not known",
            "missing coverage",
        ),
        (
            other(
                figures, "scope", {**scope, "chosen_count": 8000, "reasons": "region not selected 8000, denied 1000"}
            ),
            ended_at,
            "9,000 of 9,100 cells are unknown (region not selected 8000, denied 1000), 8,000 of them left out by",
            "missing coverage",
        ),
        (
            other(figures, "scope", {**scope, "chosen_count": 9000, "reasons": "region not selected 9000"}),
            ended_at,
            "9,000 of 9,100 cells are left out by choice (region not selected 9000): what they hold now is not known",
            "note coverage",
        ),
        (other(figures, "scope"), ended_at, "No cell was to be requested, so nothing is known", "missing coverage"),
        (
            other(figures, "anomalies_judged", {**figures["anomalies_judged"].rows[0], "first_date": None}),
            ended_at,
            "No anomaly can be known by service",
            "missing moved",
        ),
        (
            other(figures, "spend_total", {**figures["spend_total"].rows[0], "last_complete_date": date(2026, 11, 3)}),
            ended_at,
            "The budgets of bc:cost-centre are counted through 2026-11-03, the bill through",
            "stale spend",
        ),
    ]
    for world, now, sentence, where in worlds:
        found = [place for text, place in said(world, now).items() if text.startswith(sentence)]
        assert found, sentence
        assert found[0].startswith(where), sentence


def test_a_page_without_a_doubt_says_so(figures: Figures, ended_at: datetime) -> None:
    clean = dict(figures)
    total = figures["savings_total"].rows[0]
    for name in ("untrusted", "unreached", "examples", "broken_rules", "stale"):
        clean = other(clean, name)
    clean = other(clean, "months", *[{**row, "state": "closed"} for row in figures["months"]])
    clean = other(clean, "allocation_by_key", *[{**row, "why_unknown": None} for row in figures["allocation_by_key"]])
    clean = other(clean, "savings_total", {**total, "without_estimate_count": 0, "unreviewed_price_count": 0})
    for name in ("candidates_by_rule", "applications", "health", "anomalies_judged"):
        clean = other(clean, name)
    scope = {"judged_count": 42, "unknown_count": 0, "chosen_count": 0, "cell_count": 42, "reasons": None}
    clean = other(clean, "scope", scope)
    assert pages.caveats(clean, ended_at) == []
    assert "Nothing is stale, nothing is missing" in pages.render(clean, ended_at)
    chosen = {**scope, "unknown_count": 9, "chosen_count": 9, "cell_count": 51, "reasons": "region not selected 9"}
    for unknown in (other(clean, "scope", chosen), other(clean, "scope")):
        page = pages.render(unknown, ended_at)
        assert "nothing is missing" not in page
        assert "every cell was judged" not in page


def test_a_month_that_was_not_read_is_named_in_the_chart_where_its_bar_would_be(figures: Figures) -> None:
    # On the first days of a month the newest that has complete days is over.
    newest = {**figures["months"].rows[-1], "state": "running"}
    before = {**newest, "month": date(2025, 1, 1), "state": "not read", "cost": None, "day_count": 0}
    drawn = pages.pictures(other(figures, "months", before, newest))
    assert ">not read<" in drawn["accounts"]
    assert ">to date<" in drawn["accounts"]


def test_every_reason_for_not_asking_is_taken_for_a_gap_or_for_pointless() -> None:
    """Both queries about coverage go by one list; what is not on it is a gap."""
    lists = [
        set(re.findall(r"'(\w+)'", re.search(r"coalesce\(skip_reason, ''\)[^(]*in \(([^)]*)\)", query.sql)[1]))  # type: ignore[index]
        for query in read_queries()
        if query.name in ("coverage", "untrusted")
    ]
    assert lists[0] == lists[1]
    assert set(explain.SKIPPED) - lists[0] == {
        "account_suspended",
        "group_unresolved",
        "no_cost_data",
        "no_longer_asked",
        "no_profile",
        "optional_grant_not_given",
        "parents_unconfirmed",
        "parents_unknown",
        "region_disabled",
        "request_limit",
    }


# ------------------------------------------------------------------------------------------------ on disk


def test_a_report_that_cannot_be_written_leaves_the_old_one(
    truthful_night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "r.html"
    target.write_text("the old one")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(WarehouseError, match=r"cannot be written to .*No space left on device"):
        write_report(Store(truthful_night / DATABASE), target, datetime.now(UTC))
    assert target.read_text() == "the old one"
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"]


def test_a_chart_that_cannot_be_drawn_keeps_neither_the_others_nor_the_report_back(
    truthful_night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(charts, "monthly_stack", int)
    written = write_report(Store(truthful_night / DATABASE), tmp_path / "r.html", datetime.now(UTC))
    page = written.path.read_text(encoding="utf-8")
    assert page.count('<p class="unknown">Not drawn: TypeError: ') == 2
    assert "Install the pinned requirements" not in page
    assert 'aria-label="Spend of each budget, and its forecast"' in page
    drawn = page.count('role="img" aria-label="Spend of ')
    assert page.count('<figure class="chart">') == page.count("Not drawn: ") + drawn


def test_the_command_writes_the_report_anywhere_and_says_what_it_shows(truthful_night: Path, tmp_path: Path) -> None:
    environment = {"CMDB_DATABASE": str(truthful_night / DATABASE)}
    done = cmdb_here(environment, "report", "--output", str(tmp_path / "r.html"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'r.html'} shows what run ")
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("database", "output", "sentence", "code"),
    [
        ("there", "r.txt", "has to end in .html. Nothing was written.", 2),
        ("there", "nowhere/r.html", "cannot be written to", 2),
        ("elsewhere", "r.html", "Nothing is published at", 1),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    truthful_night: Path, tmp_path: Path, database: str, output: str, sentence: str, code: int
) -> None:
    where = truthful_night / DATABASE if database == "there" else tmp_path / DATABASE
    done = cmdb_here({"CMDB_DATABASE": str(where)}, "report", "--output", str(tmp_path / output))
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_published_file_of_another_version_is_not_reported(
    truthful_night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = Figure("later", "A table of tomorrow.", "select not_yet from cmdb.tomorrow")
    monkeypatch.setattr("pipelines.report.figures.read_queries", lambda: (later,))
    done = cmdb_here({"CMDB_DATABASE": str(truthful_night / DATABASE)}, "report", "--output", str(tmp_path / "r.html"))
    assert done.returncode == 2
    assert "lacks what the report's query later reads" in done.stderr
    assert "No report was written." in done.stderr
    assert not (tmp_path / "r.html").exists()


def test_a_report_that_fails_takes_no_published_run_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The night has published by then: it says so, and that it was not good all the same."""

    @dg.asset(key="published", required_resource_keys={"warehouse"})
    def published(context) -> None:  # type: ignore[no-untyped-def]  # Dagster reads the annotation, which is text here
        warehouse: Warehouse = context.resources.warehouse
        warehouse.begin("published").publish(warehouse.run_id, lambda _: None)

    database = tmp_path / DATABASE
    defs = dg.Definitions(
        assets=[published, report],
        jobs=[dg.define_asset_job(NIGHTLY, executor_def=dg.in_process_executor)],
        resources={"warehouse": Warehouse(database=str(database)), "settings": Settings()},
    )
    monkeypatch.setattr("pipelines.definitions.build_defs", lambda _: defs)
    with environment_of({"DAGSTER_HOME": str(dagster_home())}):
        prepare_dagster_home(os.environ)
        night = run_nightly({}, Store(database))
    assert (night.published, night.exit_code) == (True, 2)
    assert "the report's query" in night.sentences[0]
    assert not report_path(database).exists()


def test_a_rolled_back_file_gets_its_own_report(truthful_night: Path, tmp_path: Path) -> None:
    """The command reports what is published now, whatever lies beside it."""
    database = copy_of(truthful_night, tmp_path)
    report_path(database).write_text("of another version")
    done = cmdb_here({"CMDB_DATABASE": str(database)}, "report")
    assert done.returncode == 0, done.stderr
    assert "<h1>Cost and configuration</h1>" in report_path(database).read_text(encoding="utf-8")


# --------------------------------------------------------------------------------------------- in a browser


VALUES = """
JSON.stringify([...document.querySelectorAll('[data-figure]')].map(shown => ({
    figure: shown.dataset.figure, row: +shown.dataset.row, column: shown.dataset.column, text: shown.textContent.trim(),
    value: shown.getAttribute('value') ?? shown.getAttribute('datetime'), kind: shown.tagName,
})))
"""
QUERIES_SHOWN = """
JSON.stringify(Object.fromEntries([...document.querySelectorAll('#queries article')].map(query =>
    [query.id.replace('query-', ''), query.querySelector('code').textContent])))
"""


def test_what_a_browser_shows_is_what_the_shown_queries_return(
    tab: Browser, page_file: Path, truthful_night: Path
) -> None:
    tab.open(page_file)
    asked = {name: _rows(truthful_night / DATABASE, sql) for name, sql in json.loads(tab.run(QUERIES_SHOWN)).items()}
    shown = json.loads(tab.run(VALUES))
    assert len(shown) > 200
    for value in shown:
        expected = asked[value["figure"]][value["row"]][value["column"]]
        where = f"{value['figure']}.{value['column']} {value['row']}: {value['text']}"
        if expected is None:
            assert value["kind"] == "SPAN", where
            assert not re.search(r"\d", value["text"]), where
        elif value["kind"] == "DATA":
            assert Decimal(value["value"]) == Decimal(str(expected)), where
            assert _is_rounded(value["text"], Decimal(str(expected))), where
        elif value["kind"] == "TIME":
            assert value["value"] == expected.isoformat(), where
        else:
            # Some words are shown without their underscores, and what is long is cut.
            whole = pages.plain(expected, 5000).replace("_", " ")
            assert whole.startswith(value["text"].replace("_", " ").removesuffix("…")), where


def _rows(database: Path, sql: str) -> list[dict[str, Any]]:
    with Store(database).published() as connection:
        cursor = connection.execute(sql)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _is_rounded(text: str, value: Decimal) -> bool:
    """Whether a text is a number as a person would round it; the oracle knows nothing of the page's own code."""
    figure = text.removesuffix("%").strip().replace(",", "").replace("−", "-").removeprefix("+")
    if "<" in figure:
        return 0 < abs(value) < Decimal(figure.replace("<", "").replace("-", "")) / 2
    if text.endswith("%") and Decimal("99.9") < abs(value) < 100:
        return figure.removeprefix("-") == "99.9"
    places = len(figure.partition(".")[2])
    return Decimal(figure) == value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def test_savings_and_health_are_those_of_the_tables_beneath(
    tab: Browser, page_file: Path, truthful_night: Path
) -> None:
    """Asked another way than the report asks: finding by finding, with the newest rate."""
    database = truthful_night / DATABASE
    tab.open(page_file)
    ((saved,),) = query(
        database,
        "select sum(identified * (select max_by(rate, usage_date) from cost.exchange_rate where currency = 'USD')) "
        "from cost.saving where month = (select max(month) from cost.saving)",
    )
    tile = "[...document.querySelectorAll('#savings .tiles div')].find(tile => tile.innerText.startsWith('Identified'))"
    assert tab.run(f"{tile}.querySelector('data').textContent") == f"{saved:,.0f}"
    by_owner = json.loads(
        tab.run("""
        JSON.stringify([...document.querySelectorAll('[data-figure=savings_by_owner][data-column=identified]')].map(
            shown => shown.value ?? '0'))
    """)
    )
    assert abs(sum(map(Decimal, by_owner)) - saved) < Decimal("0.0001")
    assert (
        tab.run("document.querySelectorAll('#savings [data-figure=savings_top][data-column=monthly_saving]').length")
        == 20
    )
    kpis = query(
        database,
        "select kpi, value from cmdb.health where scope = 'organisation' "
        "and as_of_date = (select max(as_of_date) from cmdb.health)",
    )
    assert kpis
    for kpi, value in kpis:
        shown = tab.run(f"""
            [...document.querySelectorAll('#health tbody tr')].find(
                line => line.querySelector('th')?.textContent.trim() === '{kpi.replace("_", " ")}')
                .querySelector('[data-column=value]').textContent
        """)
        assert shown == "unknown" if value is None else _is_rounded(shown, value), kpi


def test_the_service_map_is_legible_and_counts_what_the_tables_count(
    tab: Browser, page_file: Path, truthful_night: Path
) -> None:
    tab.open(page_file)
    boxes = tab.run("document.querySelector('#applications .map').querySelectorAll('.node').length")
    assert [(boxes,)] == query(
        truthful_night / DATABASE, "select count(*) from cmdb.service_map_node where resource_count > 0"
    )
    too_wide = tab.run("""
        [...document.querySelectorAll('#applications .map')].filter(map => map.checkVisibility()).flatMap(map =>
            [...map.querySelectorAll('.node')].filter(node => {
                const box = node.querySelector('rect').getBoundingClientRect();
                return [...node.querySelectorAll('text')].some(text => {
                    const words = text.getBoundingClientRect();
                    return words.right > box.right || words.height < 10;
                });
            })).map(node => node.textContent).join()
    """)
    assert too_wide == ""


def test_a_browser_finds_no_harm_in_any_name(
    tab: Browser, figures: Figures, ended_at: datetime, tmp_path: Path
) -> None:
    names = itertools.cycle(HOSTILE)
    hostile = dict(figures)
    for name, column in (("monthly_by_account", "account_name"), ("spend_by_budget", "budget_name")):
        rows = [{**row, column: next(names)} for row in figures[name]]
        hostile = other(hostile, name, *rows)
    target = tmp_path / "hostile.html"
    target.write_text(pages.render(hostile, ended_at), encoding="utf-8")
    tab.open(target)
    assert tab.run("window.hurt ?? null") is None
    assert tab.run("document.querySelectorAll('img, iframe, object, embed').length") == 0
    addresses = json.loads(tab.run("JSON.stringify([...document.links].map(link => link.getAttribute('href')))"))
    assert addresses
    assert all(address.startswith("#") or CONSOLE.fullmatch(address) for address in addresses)
    assert tab.run("document.scripts.length") == 2
    assert HOSTILE[1] in tab.run("document.body.textContent")
    assert (tab.asked(), tab.complaints()) == ([target.as_uri()], [])


def test_it_is_legible_on_a_phone_in_the_dark_and_on_paper(tab: Browser, page_file: Path) -> None:
    tab.open(page_file, size=PHONE)
    assert tab.run("document.documentElement.scrollWidth") <= PHONE[0]
    # What a letter of a chart is high when the chart is as wide as the phone.
    assert tab.run("document.querySelector('.chart text').getBoundingClientRect().height") > 8
    background = "getComputedStyle(document.body).backgroundColor"
    letters = "getComputedStyle(document.querySelector('.chart text')).fill"
    assert _light(tab.run(background)) > 0.9
    assert _light(tab.run(letters)) < 0.4
    tab.show_as(dark=True)
    assert _light(tab.run(background)) < 0.2
    assert _light(tab.run(letters)) > 0.6
    tab.show_as(dark=True, printed=True)
    assert _light(tab.run(background)) > 0.9
    assert _light(tab.run(letters)) < 0.4
    assert tab.run("getComputedStyle(document.querySelector('nav')).display") == "none"


def _light(colour: str) -> float:
    red, green, blue = (int(part) / 255 for part in re.findall(r"\d+", colour)[:3])
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
