"""How old the report says that it is, when somebody opens it: a script of the page, run by Node on a given clock."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from pipelines.report import page as pages
from pipelines.report.figures import read_queries
from pipelines.report.page import SCRIPT, TABLES

NODE = shutil.which("node")
WITHOUT = "There is no node on the PATH, so the script of the report was not run; on Debian: apt-get install nodejs."

PAGE = """
const [, script, since, now] = process.argv;
const shown = {dataset: {since}, textContent: "", className: "small"};
globalThis.document = {getElementById: name => (name === "age" ? shown : null)};
Date.now = () => Date.parse(now);
eval(require("fs").readFileSync(script, "utf8"));
console.log(JSON.stringify(shown));
"""
"""As much of a browser as the script needs."""

SINCE = "2026-11-27T03:41:00+00:00"
FUTURE = "By the clock of this device, this file is from the future: one of the two clocks is wrong."


@pytest.mark.skipif(NODE is None, reason=WITHOUT)
@pytest.mark.parametrize(
    ("now", "text", "is_stale"),
    [
        ("2026-11-27T03:41:00Z", "This file is less than a day old.", False),
        ("2026-11-28T03:40:59Z", "This file is less than a day old.", False),
        ("2026-11-28T03:41:00Z", "This file is 1 day old.", False),
        ("2026-11-29T03:40:59Z", "This file is 1 day old.", False),
        ("2026-11-29T16:41:00+13:00", "This file is 2 days old.", True),
        ("2027-11-27T03:41:00Z", "This file is 365 days old.", True),
        # A reader's clock may differ by some minutes.
        ("2026-11-27T03:38:00Z", "This file is less than a day old.", False),
        ("2026-11-27T03:31:00Z", FUTURE, True),
    ],
)
def test_the_page_counts_its_days(now: str, text: str, is_stale: bool) -> None:
    assert NODE is not None
    done = subprocess.run([NODE, "--eval", PAGE, str(SCRIPT), SINCE, now], capture_output=True, text=True, check=True)
    shown = json.loads(done.stdout)
    assert (shown["textContent"], shown["className"]) == (text, "note stale" if is_stale else "small")


def test_the_script_reaches_for_nothing_and_makes_no_html() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    for word in ("innerHTML", "fetch", "XMLHttpRequest", "import", "eval", "write(", "</", "location", "cookie", "{{"):
        assert word not in text, word


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> str:
    """A page of a run that ended at `SINCE` and found next to nothing."""
    monkeypatch.setattr(pages, "caveats", lambda *_: [])
    figures = {figure.name: figure for figure in read_queries()}

    def with_row(name: str, **known: Any) -> None:
        figures[name] = replace(figures[name], rows=(defaultdict(lambda: None, known),))

    for name in ("months", "rates", "allocation_by_month"):
        with_row(name, month=date(2026, 11, 1))
    with_row("run", organization_id="o-1", run_id="one", finished_at=datetime.fromisoformat(SINCE))
    return pages.render(figures, datetime(2026, 11, 28, tzinfo=UTC))


def test_the_page_says_since_when_and_what_to_do_without_a_script(page: str) -> None:
    (shown,) = re.findall(
        r'<p id="age" class="small" data-since="([^"]*)">[^<]*compare the time above with today', page
    )
    assert shown == SINCE
    assert page.index('id="age"') < page.index("<script>"), "the script finds what stands before it"


def test_the_policy_allows_the_two_scripts_by_their_hashes(page: str) -> None:
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert scripts == [path.read_text(encoding="utf-8") for path in (SCRIPT, TABLES)]
    assert page.count("<script") == 2
    allowed = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in scripts
    )
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert f"; script-src {allowed}; " in html.unescape(policy)
