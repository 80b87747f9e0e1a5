"""The report in people's hands: the keyboard, a screen reader, a spreadsheet, the console, paper."""

from __future__ import annotations

import base64
import csv
import io
import json
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from browser import PHONE, Browser
from nights import node_packages

from pipelines.plain_text import as_csv_cell
from pipelines.report.figures import Figure
from pipelines.report.page import render
from pipelines.report.text import console_address

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
WITHOUT_AXE = "axe-core is not here, so nobody looked for what a screen reader cannot use; `make setup-node` brings it."

MOST_PAGES = 10

PAPER = (718, 1040)
"""A4 less its margins, in pixels."""

Figures = Mapping[str, Figure]


# ----------------------------------------------------------------------------------------------- the console


@pytest.mark.parametrize(
    ("arn", "end"),
    [
        (
            "arn:aws:ec2:ap-southeast-2:012345678901:instance/i-0",
            "arn%3Aaws%3Aec2%3Aap-southeast-2%3A012345678901%3Ainstance%2Fi-0",
        ),
        ("arn:aws:s3:::a.bucket", "arn%3Aaws%3As3%3A%3A%3Aa.bucket"),
        (
            'arn:aws:rds:eu-west-1:012345678901:db:"><script>',
            "arn%3Aaws%3Ards%3Aeu-west-1%3A012345678901%3Adb%3A%22%3E%3Cscript%3E",
        ),
    ],
)
def test_an_arn_leads_to_the_console(arn: str, end: str) -> None:
    assert console_address(arn) == f"https://console.aws.amazon.com/go/view?arn={end}"


@pytest.mark.parametrize(
    "arn",
    [
        None,
        "",
        "javascript:alert(1)",
        "arn:aws-cn:ec2:cn-north-1:012345678901:instance/i-0",
        "arn:aws:s3",
        "arn:aws:s3:::a b",
    ],
)
def test_what_is_no_arn_of_this_partition_leads_nowhere(arn: str | None) -> None:
    assert console_address(arn) is None


def test_what_is_open_widest_leads_to_the_console(page_file: Path, figures: Figures) -> None:
    page = page_file.read_text(encoding="utf-8")
    section = page[page.index('data-csv="exposure_widest"') : page.index("</section>", page.index('id="exposure"'))]
    rows = figures["exposure_widest"].rows
    assert rows
    for row in rows:
        assert f'<a href="{console_address(row["arn"])}"' in section


# ------------------------------------------------------------------------------------------------ in a browser


def saved(tab: Browser, folder: Path, name: str) -> list[list[str]]:
    """The rows of the file that the button of a table saves."""
    tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))
    tab.run(f"document.querySelector('table[data-csv={name}]').parentElement.nextElementSibling.click()")
    target, deadline = folder / f"{name}.csv", time.monotonic() + 600
    while not target.exists() or target.stat().st_size == 0:
        assert time.monotonic() < deadline, f"{target.name} was not saved"
        time.sleep(0.1)
    text = target.read_bytes().decode("utf-8-sig")
    assert text.endswith("\r\n")
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.large
def test_a_table_is_saved_as_the_query_returned_it(
    tab: Browser, page_file: Path, figures: Figures, tmp_path: Path
) -> None:
    tab.open(page_file)
    names, *rows = saved(tab, tmp_path, "spend_by_budget")
    assert {"budget_name", "period_to_date", "budget", "verdict", "currency"} <= set(names)
    expected = figures["spend_by_budget"].rows
    assert len(rows) == len(expected) > 5
    for row, its in zip(rows, expected, strict=True):
        told = dict(zip(names, row, strict=True))
        assert Decimal(told["period_to_date"]) == its["period_to_date"]
        assert told["budget"] == ("" if its["budget"] is None else f"{its['budget']}")
        assert (told["budget_name"], told["currency"]) == (as_csv_cell(its["budget_name"]), "NZD")
    # A table with a column a month, of which only its heading tells which.
    names, *rows = saved(tab, tmp_path, "monthly_by_account")
    assert names[0] == "Account"
    assert len(set(names)) == len(names)
    told_months = [Decimal(cell) for row in rows for cell in row[1:-1] if cell not in ("", "–")]
    assert sum(told_months) == sum(row["cost"] for row in figures["monthly_by_account"])
    assert (tab.asked(), tab.complaints()) == ([page_file.as_uri()], [])


@pytest.mark.large
def test_no_name_becomes_a_formula_in_a_spreadsheet(tab: Browser, figures: Figures, tmp_path: Path) -> None:
    hostile = ('=cmd|"/c calc"!A1', "+1", "-2", "@x", " =1", "＝1", 'a,"b"\n')
    rows = tuple(
        {**figures["spend_by_budget"].rows[0], "budget_name": name, "variance": Decimal(-5)} for name in hostile
    )
    target = tmp_path / "hostile.html"
    shown = {**figures, "spend_by_budget": replace(figures["spend_by_budget"], rows=rows)}
    target.write_text(render(shown, NOW), encoding="utf-8")
    tab.open(target)
    names, *found = saved(tab, tmp_path, "spend_by_budget")
    cells = [dict(zip(names, row, strict=True)) for row in found]
    for cell, name in zip(cells, hostile, strict=True):
        first = cell["budget_name"].lstrip()[0]
        assert first == "'" or name.startswith("a")
        # An amount is no text.
        assert cell["variance"] == "-5"
    assert cells[-1]["budget_name"].startswith('a,"b"')


@pytest.mark.large
@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_nothing_serious_stands_in_the_way_of_a_screen_reader(tab: Browser, page_file: Path, look: str) -> None:
    places = node_packages("axe-core")
    if not places:
        pytest.skip(WITHOUT_AXE)
    tab.open(page_file, size=PHONE if look == "phone" else (1280, 900), dark=look == "dark")
    # Also what is folded.
    tab.run("document.querySelectorAll('details').forEach(folded => { folded.open = true; })")
    tab.run((places[0] / "axe-core" / "axe.min.js").read_text(encoding="utf-8"))
    looked: dict[str, list[dict[str, Any]]] = json.loads(
        tab.run("axe.run(document).then(done => JSON.stringify(done))")
    )
    assert {"color-contrast", "nested-interactive"} <= {rule["id"] for rule in looked["passes"]}
    serious = {
        finding["id"]: [node["target"] for node in finding["nodes"]][:5]
        for finding in looked["violations"]
        if finding["impact"] in ("serious", "critical")
    }
    assert serious == {}


@pytest.mark.large
def test_the_first_stop_of_the_keyboard_leads_to_the_figures(tab: Browser, page_file: Path) -> None:
    tab.open(page_file)
    press(tab, "Tab")
    assert tab.run("document.activeElement.textContent") == "Skip to the figures"
    assert tab.run("document.activeElement.getBoundingClientRect().top") >= 0
    press(tab, "Enter")
    assert tab.run("location.hash") == "#summary"
    # What scrolls sideways can be reached, and nothing else takes a stop.
    tab.open(page_file, size=PHONE)
    wrong = tab.run("""
        [...document.querySelectorAll('.scroll')].filter(area => area.checkVisibility()).filter(area => {
            const scrolls = area.scrollWidth > area.clientWidth || area.scrollHeight > area.clientHeight;
            return (area.tabIndex === 0) !== scrolls;
        }).length
    """)
    assert wrong == 0
    assert tab.run("document.querySelectorAll('.scroll[tabindex]').length") > 3


def press(tab: Browser, key: str) -> None:
    """Press a key and let it go."""
    code = {"Tab": 9, "Enter": 13}[key]
    text = {"text": "\r"} if key == "Enter" else {}
    for kind in ("keyDown", "keyUp"):
        tab.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)


@pytest.mark.large
def test_paper_has_no_query_and_few_pages(tab: Browser, page_file: Path) -> None:
    tab.open(page_file, printed=True)
    hidden = tab.run("""
        JSON.stringify(['nav', '#queries', '.source', '.csv', '.skip'].filter(
            what => [...document.querySelectorAll(what)].some(shown => shown.checkVisibility())))
    """)
    assert json.loads(hidden) == []
    tab.call("Emulation.setEmulatedMedia", media="", features=[])
    data = base64.b64decode(tab.call("Page.printToPDF", printBackground=False, preferCSSPageSize=True)["data"])
    assert 3 < len(re.findall(rb"/Type\s*/Page\b", data)) <= MOST_PAGES


@pytest.mark.large
def test_nothing_is_cut_off_on_paper(tab: Browser, page_file: Path) -> None:
    """A label or a column that reaches over the edge loses digits there: 8,400 was printed as 8,40."""
    tab.open(page_file, printed=True, size=PAPER)
    reach = """
        JSON.stringify([...document.querySelectorAll('main td, main th, main p, main dd, main svg text')]
            .filter(shown => shown.checkVisibility() && shown.getBoundingClientRect().right > innerWidth + 1)
            .map(shown => shown.textContent.trim().slice(0, 40)))
    """
    assert json.loads(tab.run(reach)) == []
    tab.run("document.styleSheets[0].insertRule('.pair table { width: 500px !important; }', 0)")
    assert json.loads(tab.run(reach)) != []
