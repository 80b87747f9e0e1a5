"""The explorer as people use it: figures, filters, the request behind a row, doubt, the keyboard, no foreign host."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import duckdb
import pytest
from browser import CHROMIUM, PHONE, WITHOUT, Browser, browser
from given import HOSTILE
from nights import Witness, node_packages

from pipelines.explorer.data import DATA, REPORT
from pipelines.explorer.folder import PARTS, STATIC, export_explorer
from pipelines.explorer.server import ExplorerServer, listening, write_opener
from pipelines.plain_text import as_csv_cell
from pipelines.report.writing import report_path
from resources.store.store import Store

pytestmark = pytest.mark.large

WITHOUT_PAGE = "The explorer's page is not built, so nobody opened it; `make explorer` builds it."
WITHOUT_AXE = "axe-core is not here, so nobody looked for what a screen reader cannot use; `make setup-node` brings it."

PATIENCE = 60
FIRST_ANSWER_MS = 3000

OF_CHROMIUM = re.compile(rb"[/ .](?:google|googleapis|gvt1|duckduckgo)\.com[/:]")
"""What the browser asks of its maker, and of Debian's search engine, on its own account."""


@pytest.fixture(scope="module")
def folder(witnessed_night: Witness, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not all((STATIC / part).is_file() for part in PARTS):
        pytest.skip(WITHOUT_PAGE)
    return export_explorer(tmp_path_factory.mktemp("explorer") / "out", Store(witnessed_night.database)).folder


@contextmanager
def serving(folder: Path) -> Iterator[ExplorerServer]:
    with listening(0) as server:
        server.show(folder)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ExplorerServer]:
    with serving(folder) as server:
        yield server


@pytest.fixture(scope="module")
def proxy() -> Iterator[list[bytes]]:
    """What the browser asks of anybody but this machine, the engine's worker too: it ends here, and is kept."""
    asked: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def take() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    asked.append(connection.recv(1000).split(b"\r\n")[0])

        threading.Thread(target=take, daemon=True).start()
        asked.append(str(listener.getsockname()[1]).encode())
        yield asked


@pytest.fixture(scope="module")
def tab(proxy: list[bytes]) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(WITHOUT)
    port = int(proxy.pop())
    with browser(f"--proxy-server=http://127.0.0.1:{port}", "--proxy-bypass-list=127.0.0.1") as opened:
        yield opened


@pytest.fixture(scope="module")
def published(witnessed_night: Witness) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(str(witnessed_night.database.resolve()), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def slowness() -> float:
    """How much longer work takes here than on a core of its own, 1 or more: other programs share the machine."""
    wall, processor = time.perf_counter(), time.thread_time()
    while time.thread_time() - processor < 0.3:
        sum(range(10_000))
    return max(1.0, (time.perf_counter() - wall) / (time.thread_time() - processor))


def settled(tab: Browser, condition: str = "true") -> None:
    """Wait until the page shows what was asked for."""
    deadline = time.monotonic() + PATIENCE
    script = f"document.querySelector('#page')?.getAttribute('aria-busy') === 'false' && Boolean({condition})"
    while not tab.run(script):
        assert time.monotonic() < deadline, tab.run("document.body.innerText")
        time.sleep(0.05)


def start(
    tab: Browser, server: ExplorerServer, size: tuple[int, int] = (1280, 900), dark: bool = False, **state: str
) -> None:
    """Open the page anew, at a place."""
    tab.show_as(size=size, dark=dark)
    tab.call("Page.navigate", url="about:blank")
    tab.events.clear()
    tab.call("Page.navigate", url=f"{server.address}#{urlencode(state)}")
    settled(tab)


def go(tab: Browser, **state: str) -> None:
    """What the address leads to, on the page that is open."""
    place = urlencode(state)
    if tab.run("location.hash.slice(1)") == place:
        return
    tab.run(f"document.getElementById('page').setAttribute('aria-busy', 'true'); location.hash = {place!r}; 0")
    settled(tab)


def click(tab: Browser, where: str, text: str = "") -> None:
    """Click the first element of this kind that holds the text, and wait for the answer."""
    tab.run(
        "document.getElementById('page').setAttribute('data-before', performance.getEntriesByName('answered').length)"
    )
    assert tab.run(f"""
        (() => {{
            const found = [...document.querySelectorAll({where!r})]
                .find(one => one.textContent.includes({json.dumps(text)}));
            found?.click();
            return Boolean(found);
        }})()
    """), (where, text, tab.run("document.body.innerText"))


def answered(tab: Browser) -> None:
    settled(
        tab, "performance.getEntriesByName('answered').length > Number(document.getElementById('page').dataset.before)"
    )


def totals(tab: Browser) -> list[str]:
    shown: list[str] = json.loads(
        tab.run("JSON.stringify([...document.querySelectorAll('[data-total]')].map(it => it.dataset.total))")
    )
    return shown


def cells(tab: Browser, table: str) -> list[list[str]]:
    shown: list[list[str]] = json.loads(
        tab.run(f"""
        JSON.stringify([...document.querySelector('table[data-name="{table}"]').tBodies[0].rows]
            .map(row => [...row.cells].map(cell => cell.innerText.trim())))
    """)
    )
    return shown


def doubts(tab: Browser) -> str:
    return str(tab.run("document.querySelector('.trust').innerText"))


def press(tab: Browser, key: str) -> None:
    code = {"Tab": 9, "Enter": 13, "Escape": 27}[key]
    text = {"text": "\r"} if key == "Enter" else {}
    for kind in ("keyDown", "keyUp"):
        tab.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)


def saved(tab: Browser, target: Path) -> list[dict[str, str]]:
    """The rows of the file that the download button saves."""
    tab.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(target.parent))
    click(tab, ".save")
    deadline = time.monotonic() + PATIENCE
    while not target.exists() or target.stat().st_size == 0:
        assert time.monotonic() < deadline, [path.name for path in target.parent.iterdir()]
        time.sleep(0.1)
    return list(csv.DictReader(io.StringIO(target.read_bytes().decode("utf-8-sig"), newline="")))


def one(connection: duckdb.DuckDBPyConnection, query: str, *values: object) -> Any:
    row = connection.execute(query, list(values)).fetchone()
    return row[0] if row else None


# ---------------------------------------------------------------------------------------------------- figures


def test_the_first_answer_is_the_bill_within_three_seconds_and_nobody_else_is_asked(
    tab: Browser, server: ExplorerServer, published: duckdb.DuckDBPyConnection, proxy: list[bytes]
) -> None:
    taken = []
    for _ in range(3):
        busy = slowness()
        start(tab, server)
        waited = tab.run("performance.getEntriesByName('answered')[0].startTime")
        taken.append(waited / max(busy, slowness()))
        assert Decimal(totals(tab)[0]) == one(published, "select sum(reporting_unblended_cost) from cost.by_service")
        assert not [address for address in tab.asked() if not address.startswith((server.address, "data:", "about:"))]
        # The engine looks for a journal beside the file, and there is none.
        assert [said for said in tab.complaints() if "data.duckdb.wal" not in said] == []
    for view in ("items", "cells", "tables"):
        go(tab, view=view)
    # A connection that is opened ahead and closed again asks nothing.
    assert [line for line in proxy if line and not OF_CHROMIUM.search(line)] == []
    assert min(taken) < FIRST_ANSWER_MS, taken


def test_what_has_grown_stands_in_the_chart_by_its_name(tab: Browser, folder: Path, tmp_path: Path) -> None:
    copied = shutil.copytree(folder, tmp_path / "out")

    def largest(connection: duckdb.DuckDBPyConnection, measure: str) -> list[str]:
        rows = connection.execute(
            f"""
            select account_id
            from (
                select account_id, month, sum(reporting_unblended_cost) as cost
                from explorer.cost_month
                where slice = 'service'
                group by account_id, month
            )
            group by account_id
            order by {measure} desc
            limit 7
            """
        ).fetchall()
        return [account for (account,) in rows]

    with duckdb.connect(str(copied / DATA)) as connection:
        *_, grown = largest(connection, "max(cost)")
        # Before its greatest month it cost nothing, so that eight or more accounts have cost more than it.
        connection.execute(
            """
            delete from explorer.cost_month
            where
                account_id = $1
                and month <> (
                    select month from explorer.cost_month
                    where account_id = $1 and slice = 'service'
                    group by month order by sum(reporting_unblended_cost) desc limit 1
                )
            """,
            [grown],
        )
        expected = largest(connection, "max(cost)")
        assert grown in expected
        assert grown not in largest(connection, "sum(cost)")
    with serving(copied) as server:
        start(tab, server)
        drawn = re.findall(r"\b\d{12}\b", tab.run("document.querySelector('canvas').getAttribute('aria-label')"))
    assert drawn == expected


def test_every_filter_narrows_the_sum_as_a_query_does(
    tab: Browser, server: ExplorerServer, published: duckdb.DuckDBPyConnection
) -> None:
    account, service, month = published.execute("""
        select account_id, service, strftime(usage_date, '%Y-%m') from cost.by_service
        group by all order by sum(unblended_cost) desc limit 1
    """).fetchall()[0]
    team, its = published.execute("""
        select tag_value, account_id from cost.by_tag where tag_key = 'bc:business-service' and tag_value <> ''
        group by all order by sum(unblended_cost) desc limit 1
    """).fetchall()[0]
    key = "bc:business-service"
    billed = {"measure": "unblended"}
    start(tab, server)
    for state, relation, where, values in (
        ({"account": account}, "cost.by_service", "account_id = $1", [account]),
        ({"service": service}, "cost.by_service", "service = $1", [service]),
        (
            {"account": account, "service": service},
            "cost.by_service",
            "account_id = $1 and service = $2",
            [account, service],
        ),
        ({"from": month, "to": month}, "cost.daily_total", "strftime(usage_date, '%Y-%m') = $1", [month]),
        ({"key": key, "team": team}, "cost.by_tag", "tag_key = $1 and tag_value = $2", [key, team]),
        ({"key": key, "team": "(not tagged)"}, "cost.by_tag", "tag_key = $1 and tag_value = ''", [key]),
        (
            {"key": key, "team": team, "account": its},
            "cost.by_tag",
            "tag_key = $1 and tag_value = $2 and account_id = $3",
            [key, team, its],
        ),
        (
            {"key": key, "team": team, "service": service, "by": "month"},
            "cost.tag_service_daily",
            "tag_key = $1 and tag_value = $2 and service = $3",
            [key, team, service],
        ),
    ):
        go(tab, **billed, **state)
        expected = one(published, f"select sum(unblended_cost) from {relation} where {where}", *values)
        assert [Decimal(amount) for amount in totals(tab)] == [expected], state
        # What it consists of adds up to it, to the cents that are shown.
        parts = [Decimal(row[1].split()[-1].replace(",", "")) for row in cells(tab, "groups") if "<" not in row[1]]
        assert abs(sum(parts) - expected) < len(parts), state
    # AWS does not divide by three things: there is no such figure, and no guess.
    go(tab, key=key, team=team, service=service, account=account)
    assert totals(tab) == []
    assert "this sum is unknown" in doubts(tab)
    # Where every cell is trusted and has no such row, that is the answer.
    (other,) = published.execute(
        """
        select account_id from org.account where account_id not in
            (select account_id from cost.by_tag where tag_key = $1 and tag_value = $2) limit 1
        """,
        [key, team],
    ).fetchall()[0]
    go(tab, key=key, team=team, account=other)
    assert totals(tab) == []
    assert tab.run("document.querySelector('.figure').innerText").endswith("nothing billed")


def test_a_total_leads_to_its_rows_and_a_row_to_the_request_behind_it(
    tab: Browser, server: ExplorerServer, published: duckdb.DuckDBPyConnection
) -> None:
    start(tab, server, measure="unblended")
    whole = Decimal(totals(tab)[0])
    first = cells(tab, "groups")[0]
    click(tab, "table .link", first[0])
    answered(tab)
    account = first[0][:12]
    assert 0 < Decimal(totals(tab)[0]) < whole
    service = cells(tab, "groups")[0][0]
    click(tab, "table .link", service)
    answered(tab)
    click(tab, ".total .link", "show the rows")
    answered(tab)
    rows = cells(tab, "bill")
    expected = published.execute(
        """
        select usage_date, unblended_cost from cost.by_service
        where account_id = $1 and service = $2 order by usage_date desc
        """,
        [account, service],
    ).fetchall()
    assert [row[1] for row in rows] == [str(day) for day, _ in expected][: len(rows)]
    assert Decimal(totals(tab)[0]) == sum(amount for _, amount in expected)
    tab.run("document.querySelector('table .small-button').click()")
    settled(tab, "document.querySelector('dialog[open] dl')")
    said = str(tab.run("document.querySelector('dialog').innerText"))
    role, profile, outcome, ended, run = published.execute(
        """
        select cell.role, cell.profile, cell.outcome, strftime(cell.ended_at, '%Y-%m-%d %H:%M:%S UTC'), cell.run_id
        from audit.collection as cell join cost.daily as row
            on cell.run_id = row.run_id and cell.listing = row.listing and cell.role = row.role
        where row.account_id = $1 and row.slice = 'service' and row.dimension_value = $2
        order by row.usage_date desc limit 1
        """,
        [account, service],
    ).fetchall()[0]
    for fact in (role, profile, outcome, ended, run, "ce:GetCostAndUsage", "A trusted response"):
        assert fact in said, fact


def test_rows_are_sorted_searched_and_cut_into_pages(
    tab: Browser, server: ExplorerServer, published: duckdb.DuckDBPyConnection
) -> None:
    start(tab, server, measure="unblended", rows="1")
    click(tab, "th .sort", "Unblended")
    answered(tab)
    assert tab.run("document.querySelector('th[aria-sort=descending]').innerText").startswith("Unblended")
    top = published.execute("select unblended_cost from cost.by_service order by 1 desc limit 50").fetchall()
    shown = json.loads(tab.run("JSON.stringify([...document.querySelectorAll('td.money data')].map(it => it.value))"))
    assert [Decimal(amount) for amount in shown] == [amount for (amount,) in top]
    click(tab, ".pages button", "Further rows")
    answered(tab)
    assert tab.run("document.querySelector('.pages').innerText").count("51 to 100") == 1
    tab.run("document.getElementById('q').value = 'lambda'")
    click(tab, ".bar-of-table button", "Search")
    answered(tab)
    found = one(published, "select count(*) from cost.by_service where contains(lower(service), 'lambda')")
    assert f"{found:,} rows with lambda" in tab.run("document.querySelector('.found').innerText")
    # The address holds it all: whoever gets it sees the same.
    address = tab.run("location.href")
    assert "q=lambda" in address
    # A character of a pattern stands for itself.
    go(tab, rows="1", q="%")
    assert tab.run("document.querySelector('.found').innerText").startswith("0 rows")


def test_a_download_holds_every_row_to_the_last_digit(
    tab: Browser, server: ExplorerServer, published: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    start(tab, server, measure="unblended", rows="1")
    rows = saved(tab, tmp_path / "bill.csv")
    assert len(rows) == one(published, "select count(*) from cost.by_service") > 50
    assert sum(Decimal(row["amount"]) for row in rows) == one(
        published, "select sum(unblended_cost) from cost.by_service"
    )
    assert {row["is_stale"] for row in rows} == {"false"}
    go(tab, view="tables", table="cmdb.decommission_signal")
    rows = saved(tab, tmp_path / "cmdb-decommission_signal.csv")
    assert len(rows) == one(published, "select count(*) from cmdb.decommission_signal")
    go(tab, view="items", by="account")
    groups = saved(tab, tmp_path / "items-by-account.csv")
    assert sum(int(group["items"]) for group in groups) == one(published, "select count(*) from cmdb.resource")
    assert any(group["doubt"] for group in groups)


# ------------------------------------------------------------------------------------------------------ doubt


def test_an_account_that_nobody_reaches_is_unknown_and_never_zero(
    tab: Browser, server: ExplorerServer, published: duckdb.DuckDBPyConnection
) -> None:
    judged, unknown = published.execute(
        "select judged, unknown from audit.claim where claim = 'cmdb.resource'"
    ).fetchall()[0]
    assert unknown
    dark = {
        account
        for (account,) in published.execute(
            "select account_id from org.account where not has_profile and not is_management and state = 'ACTIVE' "
            "and account_id not in (select account_id from cmdb.resource)"
        ).fetchall()
    }
    assert dark
    start(tab, server, view="items", by="account")
    assert "at least" in tab.run("document.querySelector('.figure').innerText")
    assert f"{unknown:,} of {judged + unknown:,} cells that this rests on are unknown" in doubts(tab)
    rows = {row[0][:12]: row for row in cells(tab, "groups")}
    for account in dark:
        assert rows[account][1] == "unknown"
        assert "⚠" in rows[account][2]
        go(tab, view="items", account=account)
        assert tab.run("document.querySelector('.figure').innerText").endswith("unknown")
    # No region of such an account is known, so none of the regions is whole.
    for by in ("region", "type", "status"):
        go(tab, view="items", by=by)
        assert {"⚠" in row[2] for row in cells(tab, "groups")} == {True}, by
    # Nobody may list what this service has: it is no zero either.
    go(tab, view="items", service="AWS Key Management Service")
    assert tab.run("document.querySelector('.figure').innerText").endswith("unknown")


@pytest.fixture(scope="module")
def doubtful(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ExplorerServer, str]]:
    """The explorer of a run in which one account's part of the bill and its items are stale, and a rate is missing."""
    copied = tmp_path_factory.mktemp("doubtful") / "out"
    copied.mkdir()
    for path in folder.iterdir():
        (copied / path.name).write_bytes(path.read_bytes())
    with duckdb.connect(str(copied / DATA)) as connection:
        account = str(one(connection, "select account_id from cmdb.resource order by 1 limit 1"))
        connection.execute("update cmdb.resource set is_stale = true where account_id = $1", [account])
        connection.execute("update explorer.cost_day set is_stale = true where account_id = $1", [account])
        connection.execute("update explorer.cost_month set stale_rows = row_count where account_id = $1", [account])
        connection.execute("""
            update explorer.cost_month set unconverted_rows = row_count, reporting_unblended_cost = null
            where account_id = (select max(account_id) from explorer.cost_month)
        """)
        connection.execute("""
            update audit.expected_cell set is_judged = false, unknown_reason = 'denied', outcome = 'denied'
            where starts_with(listing, 'cost_daily:service:')
        """)
        for at, name in enumerate(HOSTILE):
            connection.execute(
                """
                update cmdb.resource set name = $1
                where arn = (select arn from cmdb.resource where account_id = $2 order by arn limit 1 offset $3)
                """,
                [name.replace("\x00", ""), account, at],
            )
        connection.execute(
            "update explorer.choice set label = '<img src=x onerror=alert(1)>' where value = $1 and kind = 'account'",
            [account],
        )
    with serving(copied) as server:
        yield server, account


def test_what_is_stale_unknown_or_not_converted_looks_so_and_says_why(
    tab: Browser, doubtful: tuple[ExplorerServer, str]
) -> None:
    server, account = doubtful
    start(tab, server)
    said = doubts(tab)
    for words in (
        "are stale: the newest response about them is not trusted",
        "have no exchange rate",
        "unknown (denied",
    ):
        assert words in said
    rows = {row[0][:12]: row for row in cells(tab, "groups")}
    assert "stale" in rows[account][4]
    assert rows[max(rows)][1] == "unknown"
    marked = tab.run(
        "[...document.querySelectorAll('tr.untrusted')].map(row => row.cells[0].innerText.slice(0, 12)).join()"
    )
    assert set(marked.split(",")) == {account, max(rows)}
    # By more than a colour.
    assert tab.run("[...document.querySelectorAll('tr.untrusted')].every(row => row.innerText.includes('⚠'))")
    go(tab, rows="1", account=account)
    assert {"stale" in row[0] for row in cells(tab, "bill")} == {True}
    go(tab, view="items", account=account)
    assert "are stale" in doubts(tab)
    go(tab, view="items", account=account, rows="1")
    assert {"stale" in row[0] for row in cells(tab, "items")} == {True}


def test_months_before_the_first_run_are_unknown_and_one_that_it_began_in_is_at_least_so_much(
    tab: Browser, folder: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "out"
    shutil.copytree(folder, copied)
    with duckdb.connect(str(copied / DATA)) as connection:
        connection.execute("update audit.expected_cell set is_judged = true, unknown_reason = null")
        connection.execute("update cmdb.resource set discovered_by = 'listing'")
        last = str(one(connection, "select max(value) from explorer.choice where kind = 'month'"))
        connection.execute("""
            insert into explorer.choice (kind, value) from (values ('month', '2020-01'), ('month', '2020-02'))
        """)
        connection.execute("update audit.run set started_at = $1", [f"{last}-02"])
    with serving(copied) as server:
        why = f"No run looked before {last}-02"
        start(tab, server, view="items", **{"from": "2020-01", "to": "2020-02"})
        assert figure(tab) == "unknown"
        assert why in doubts(tab)
        go(tab, view="items", **{"from": last})
        assert figure(tab).startswith("at least")
        assert why in doubts(tab)
        assert {(row[1].startswith("at least"), row[2]) for row in cells(tab, "groups")} == {(True, f"⚠ {why}")}
        rows = saved(tab, tmp_path / "items-by-type.csv")
        assert {row["doubt"] for row in rows} == {why}
    with duckdb.connect(str(copied / DATA)) as connection:
        connection.execute("update audit.run set started_at = $1", [f"{last}-01 03:00:00"])
    with serving(copied) as server:
        start(tab, server, view="items", **{"from": last})
        assert figure(tab).replace(",", "").isdecimal()
        assert "are trusted" in doubts(tab)


CRAWLER = "AWS::Glue::Crawler"
KEY, RENAMED = "bc:business-service", "bc:business:service"
PENDING = "bc:project"


@pytest.fixture(scope="module")
def unusual(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ExplorerServer, str, str]]:
    """The explorer of a run with items that Config alone shows, a key that is no cost tag, and one that ends oddly.

    Beside it an account that has such an item, and one that has other items alone.
    """
    copied = tmp_path_factory.mktemp("unusual") / "out"
    copied.mkdir()
    for path in folder.iterdir():
        (copied / path.name).write_bytes(path.read_bytes())
    with duckdb.connect(str(copied / DATA)) as connection:
        connection.execute("delete from cmdb.resource where discovered_by <> 'listing'")
        its, other = (
            account
            for (account,) in connection.execute("""
                select account_id from cmdb.resource group by 1 order by count(*) desc, 1 limit 2
            """).fetchall()
        )
        connection.execute(
            """
            update cmdb.resource
            set resource_type = $1, discovered_by = 'config', listing = 'config_resource:everything'
            where arn = (select arn from cmdb.resource where account_id = $2 order by arn limit 1)
            """,
            [CRAWLER, its],
        )
        # All that could be asked is known, since long ago: a figure of listings is plain then.
        connection.execute("update audit.run set started_at = '2020-01-01'")
        connection.execute("update audit.expected_cell set is_judged = true, unknown_reason = null")
        connection.execute("""
            update audit.claim set judged = ranked.place
            from (select claim as name, row_number() over (order by claim desc) as place from audit.claim) as ranked
            where claim = ranked.name
        """)
        connection.execute("update cost.tag_key_status set verdict = 'pending' where tag_key = $1", [PENDING])
        for relation, column in (
            ("ref.tag_key", "tag_key"),
            ("cost.tag_key_status", "tag_key"),
            ("cost.month_coverage", "slice"),
            ("explorer.choice", "parent"),
            ("explorer.cost_day", "slice"),
            ("explorer.cost_month", "slice"),
            ("audit.expected_cell", "listing"),
        ):
            connection.execute(f"update {relation} set {column} = replace({column}, $1, $2)", [KEY, RENAMED])
    with serving(copied) as server:
        yield server, its, other


def figure(tab: Browser) -> str:
    return str(tab.run("document.querySelector('.figure').innerText")).removeprefix("⚠").strip()


def test_what_no_listing_shows_is_at_least_so_much_and_elsewhere_unknown(
    tab: Browser, unusual: tuple[ExplorerServer, str, str]
) -> None:
    server, its, other = unusual
    start(tab, server, view="items", type=CRAWLER, by="account")
    assert figure(tab) == "at least 1"
    assert "there may be more" in doubts(tab)
    ((name, items, stands),) = cells(tab, "groups")
    assert (name[:12], items) == (its, "at least 1")
    assert "there may be more" in stands
    # Nobody was asked for one there: that is no zero. Nor is it in a region, or of a type that nobody ever saw.
    for state in (
        {"account": other, "type": CRAWLER},
        {"region": "sa-east-1", "type": CRAWLER},
        {"type": "AWS::Nobody::Knows"},
    ):
        go(tab, view="items", **state)
        assert figure(tab) == "unknown", state
        assert "All 0 cells" not in doubts(tab), state
    # Such an item among others leaves their sum open; where all are of listings, and these are known, it is plain.
    go(tab, view="items", account=its)
    assert figure(tab).startswith("at least")
    marked = {row[0]: row for row in cells(tab, "groups")}
    assert marked[CRAWLER][1] == "at least 1"
    assert {row[1] for row in marked.values() if row[0] != CRAWLER and "at least" in row[1]} == set()
    go(tab, view="items", account=other)
    assert figure(tab).replace(",", "").isdecimal()
    assert "are trusted" in doubts(tab)
    # A view of no cell at all shows nothing that is whole.
    go(tab, view="cells", service="AWS Nobody Knows")
    assert "unknown, not nothing" in doubts(tab)


def test_a_table_is_sorted_by_numbers_as_numbers_and_by_text_as_text(
    tab: Browser, unusual: tuple[ExplorerServer, str, str]
) -> None:
    server, *_ = unusual
    start(tab, server, view="tables", table="audit.claim", sort="judged")
    heads = json.loads(
        tab.run("JSON.stringify([...document.querySelectorAll('th .sort')].map(it => it.innerText.trim()))")
    )
    judged = 1 + next(at for at, name in enumerate(heads) if name.startswith("judged"))
    claim = 1 + heads.index("claim")

    def shown(place: int) -> list[str]:
        return [row[place] for row in cells(tab, "audit-claim")]

    whole = len(shown(judged))
    assert shown(judged) == [str(number) for number in range(1, whole + 1)]
    assert whole > 10
    click(tab, "th .sort", "judged")
    answered(tab)
    click(tab, "th .sort", "judged")
    answered(tab)
    assert tab.run("document.querySelector('th[aria-sort=descending]').innerText").startswith("judged")
    falling = [int(number) for number in shown(judged)]
    assert falling == sorted(falling, reverse=True)
    assert falling[0] >= whole
    for sort, is_reversed in (("claim", False), ("-claim", True)):
        go(tab, view="tables", table="audit.claim", sort=sort)
        assert shown(claim) == sorted(shown(claim), reverse=is_reversed), sort
    # Without a choice too.
    go(tab, view="tables", table="audit.claim")
    assert shown(claim) == sorted(shown(claim))


def test_a_tag_that_the_bill_has_not_is_unknown_and_not_nothing(
    tab: Browser, unusual: tuple[ExplorerServer, str, str]
) -> None:
    server, *_ = unusual
    for key, said in ((PENDING, "unknown"), (RENAMED, "nothing billed")):
        start(tab, server, key=key, team="nobody has this value")
        assert totals(tab) == []
        assert figure(tab) == said, doubts(tab)
    go(tab, key=PENDING, team="nobody has this value")
    assert "is pending: what carries it is unknown" in doubts(tab)


def test_a_tag_key_may_end_as_people_like(
    tab: Browser, server: ExplorerServer, unusual: tuple[ExplorerServer, str, str], published: duckdb.DuckDBPyConnection
) -> None:
    team, service = published.execute(
        """
        select tag_value, service from cost.tag_service_daily where tag_key = $1 and tag_value <> ''
        group by all order by sum(unblended_cost) desc limit 1
        """,
        [KEY],
    ).fetchall()[0]
    for by, narrowed in (("account", {}), ("month", {"service": service})):
        said = {}
        for place, key in ((server, KEY), (unusual[0], RENAMED)):
            start(tab, place, measure="unblended", key=key, team=team, by=by, **narrowed)
            said[key] = (totals(tab), doubts(tab), cells(tab, "groups"))
        assert said[KEY][0]
        assert said[RENAMED] == said[KEY], by


def test_hostile_names_are_text_on_the_page_and_in_the_download(
    tab: Browser, doubtful: tuple[ExplorerServer, str], tmp_path: Path
) -> None:
    server, account = doubtful
    start(tab, server, view="items", account=account, rows="1", sort="name")
    assert tab.run("document.querySelectorAll('img, iframe, object, body script').length") == 0
    assert "<img src=x onerror=alert(1)>" in tab.run("document.getElementById('account').value")
    shown = tab.run("document.querySelector('table').innerText")
    assert "<script>alert(1)</script>&amp;" in shown
    go(tab, view="items", account=account, rows="1", q="right to left")
    assert "⟨U+202E⟩right to left" in tab.run("document.querySelector('table').innerText")
    assert "\u202e" not in tab.run("document.body.textContent")
    assert [said for said in tab.complaints() if "data.duckdb.wal" not in said] == []
    go(tab, view="items", account=account, rows="1")
    names = {row["name"] for row in saved(tab, tmp_path / "items.csv")}
    assert {as_csv_cell(name.replace("\x00", "")) for name in HOSTILE if name.strip()} <= names
    # As text that is searched for, and as a place in the address.
    go(tab, view="items", rows="1", q="'; drop table org.account; --")
    assert tab.run("document.querySelector('.found').innerText").startswith("1 item")


# ------------------------------------------------------------------------------------------------------- reach


def test_the_keyboard_goes_from_a_total_to_the_request_and_back(tab: Browser, server: ExplorerServer) -> None:
    start(tab, server)
    press(tab, "Tab")
    assert tab.run("document.activeElement.className") == "skip"
    press(tab, "Enter")
    assert tab.run("document.activeElement.id") == "answer"
    assert tab.run("location.hash") in ("", "#")
    for _ in range(20):
        press(tab, "Tab")
        if tab.run("document.activeElement.matches('table .link')"):
            break
    name = tab.run("document.activeElement.innerText")
    press(tab, "Enter")
    settled(tab, f"document.getElementById('account').value.includes({name[:12]!r})")
    # What was chosen is gone: the answer is read next.
    assert tab.run("document.activeElement.id") == "answer"
    press(tab, "Tab")
    assert tab.run("document.activeElement.innerText") == "show the rows"
    press(tab, "Enter")
    settled(tab, "document.querySelector('table .small-button')")
    for _ in range(20):
        press(tab, "Tab")
        if tab.run("document.activeElement.matches('.small-button')"):
            break
    press(tab, "Enter")
    settled(tab, "document.querySelector('dialog[open] dl')")
    assert tab.run("document.activeElement.closest('dialog') !== null")
    press(tab, "Escape")
    settled(tab, "!document.querySelector('dialog[open]')")
    assert tab.run("document.activeElement.matches('.small-button')")


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_nothing_serious_stands_in_the_way_of_a_screen_reader(tab: Browser, server: ExplorerServer, look: str) -> None:
    places = node_packages("axe-core")
    if not places:
        pytest.skip(WITHOUT_AXE)
    axe = (places[0] / "axe-core" / "axe.min.js").read_text(encoding="utf-8")
    start(tab, server, size=PHONE if look == "phone" else (1280, 900), dark=look == "dark")
    tab.run(axe)
    for state in (
        {},
        {"rows": "1"},
        {"view": "items", "by": "account"},
        {"view": "items", "rows": "1"},
        {"view": "cells"},
        {"view": "tables"},
        {"key": "bc:project", "by": "key:bc:project"},
        {"dialog": "1", "rows": "1"},
    ):
        go(tab, **state)
        if "dialog" in state:
            tab.run("document.querySelector('table .small-button').click()")
            settled(tab, "document.querySelector('dialog[open] dl')")
        tab.run("document.querySelectorAll('details').forEach(folded => { folded.open = true; })")
        looked: dict[str, list[dict[str, Any]]] = json.loads(
            tab.run("axe.run(document).then(done => JSON.stringify(done))")
        )
        serious = {
            finding["id"]: [node["target"] for node in finding["nodes"]][:3]
            for finding in looked["violations"]
            if finding["impact"] in ("serious", "critical")
        }
        assert serious == {}, state
        # Only tables scroll sideways.
        assert tab.run("document.documentElement.scrollWidth") <= tab.run("document.documentElement.clientWidth"), state


# ------------------------------------------------------------------------------------------ beside the report


def followed(tab: Browser, where: str, shows: str) -> None:
    """Click what leads to another page, and wait until that one shows something."""
    tab.run(f"document.querySelector({where!r}).click()")
    deadline = time.monotonic() + PATIENCE
    while not tab.run(f"document.readyState === 'complete' && Boolean({shows})"):
        assert time.monotonic() < deadline, (where, tab.run("location.href"), tab.run("document.body.innerText"))
        time.sleep(0.05)


def test_explorer_and_report_lead_to_each_other(tab: Browser, server: ExplorerServer) -> None:
    start(tab, server)
    followed(tab, "header a[href='report.html']", "document.querySelector('#summary')")
    assert tab.run("location.href") == f"{server.address}report.html"
    # Its style and both scripts are allowed: the sheet is read, the age is counted, tables can be saved.
    assert tab.run("getComputedStyle(document.querySelector('.summary')).borderLeftWidth") == "5px"
    assert "day" in tab.run("document.getElementById('age').innerText")
    assert tab.run("document.querySelectorAll('button.csv').length") > 5
    links = "[...document.querySelectorAll('.explore')]"
    assert tab.run(f"{links}.map(link => link.checkVisibility())") == [True, True]
    assert tab.run(f"{links}.map(link => link.getAttribute('href'))") == ["index.html", "index.html#view=cells"]
    cells = "document.querySelector('nav [aria-current]')?.innerText === 'Cells'"
    followed(
        tab, "#coverage .explore", f"{cells} && document.getElementById('page').getAttribute('aria-busy') === 'false'"
    )
    complaints = [said for said in tab.complaints() if "data.duckdb.wal" not in said]
    assert complaints == []


def test_a_report_that_was_opened_as_a_file_leads_nowhere(tab: Browser, folder: Path, witnessed_night: Witness) -> None:
    tab.open(folder / REPORT)
    assert tab.run("document.querySelectorAll('.explore').length") == 2
    assert not tab.run("[...document.querySelectorAll('.explore')].some(link => link.checkVisibility())")
    tab.open(report_path(witnessed_night.database))
    assert tab.run("document.querySelectorAll('.explore').length") == 0
    # A browser does not run the page as a file; what it shows then names the report, which is there.
    tab.open(folder / "index.html")
    followed(tab, "a[href='report.html']", "document.querySelector('#summary')")


class WithoutParts(SimpleHTTPRequestHandler):
    """Any static web server; this one hands out whole files alone."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def test_the_file_that_a_browser_is_given_leads_to_the_page(
    tab: Browser, server: ExplorerServer, tmp_path: Path
) -> None:
    tab.call("Page.navigate", url=write_opener(tmp_path / "open.html", server.address))
    settled(tab)
    assert tab.run("location.href").startswith(server.address)
    tab.call("Page.reload")
    settled(tab)


def test_a_plain_web_server_below_a_path_serves_it_too(
    tab: Browser, folder: Path, published: duckdb.DuckDBPyConnection
) -> None:
    handler = partial(WithoutParts, directory=str(folder.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as plain:
        threading.Thread(target=plain.serve_forever, daemon=True).start()
        tab.show_as()
        tab.call("Page.navigate", url=f"http://127.0.0.1:{plain.server_port}/{folder.name}/#measure=unblended")
        settled(tab)
        assert Decimal(totals(tab)[0]) == one(published, "select sum(unblended_cost) from cost.by_service")
        plain.shutdown()


def test_a_page_that_cannot_read_its_data_says_so(tab: Browser, folder: Path, tmp_path: Path) -> None:
    for name in PARTS:
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with serving(tmp_path) as server:
        tab.call("Page.navigate", url=server.address)
        deadline = time.monotonic() + PATIENCE
        while "data.duckdb was not found" not in str(tab.run("document.body?.innerText")):
            assert time.monotonic() < deadline
            time.sleep(0.1)
