"""The explorer's folder and server: every published figure is in it, and nobody else is asked or answered."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from nights import REPOSITORY, Witness, cmdb_here

from pipelines.explorer import folder as explorer_folder
from pipelines.explorer.data import CELL, DATA, LEFT_OUT, QUERIES, REPORT
from pipelines.explorer.folder import PARTS, export_explorer
from pipelines.explorer.server import ExplorerServer, listening, requested_part
from pipelines.exports.files import MARK, ExportError
from pipelines.exports.relations import read_relations
from pipelines.report.writing import Written, report_path
from resources.store.errors import WarehouseError
from resources.store.store import Store

WEB = REPOSITORY / "explorer"


def stand_in(static: Path) -> Path:
    """A page in the place of the built one, which these tests do not open."""
    static.mkdir()
    for part in PARTS:
        (static / part).write_text(f"the {part}")
    return static


@pytest.fixture(scope="module")
def exported(witnessed_night: Witness, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The explorer of the truthful run; what the command said is beside it."""
    folder = tmp_path_factory.mktemp("exported")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explorer_folder, "STATIC", stand_in(folder / "static"))
        done = cmdb_here(
            {"CMDB_DATABASE": str(witnessed_night.database)}, "export", "explorer", str(folder / "out"), "--json"
        )
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "said.json").write_text(done.stdout)
    return folder / "out"


@pytest.fixture(scope="module")
def data(witnessed_night: Witness, exported: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """The data file, with the published file beside it."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach '{exported / DATA}' as data (read_only)")
        connection.execute(f"attach '{witnessed_night.database.resolve()}' as published (read_only)")
        yield connection


def test_every_public_table_is_in_the_file_or_said_to_be_elsewhere(data: duckdb.DuckDBPyConnection) -> None:
    data.execute("use published")
    relations = {relation.name for relation in read_relations(data)}
    here = {
        f"{schema}.{name}"
        for schema, name in data.execute(
            """
            select schema_name, table_name from duckdb_tables()
            where database_name = 'data' and schema_name <> 'explorer'
            """
        ).fetchall()
    }
    assert here == relations - LEFT_OUT.keys()
    assert LEFT_OUT.keys() <= relations
    of_records = data.execute(
        "select table_name from duckdb_columns() where database_name = 'data' and column_name = 'record'"
    )
    assert of_records.fetchall() == []
    for name in here:
        assert data.execute(
            f"select (select count(*) from data.{name}) = (select count(*) from published.{name})"
        ).fetchone() == (True,), name
    assert dict(data.execute("select name, row_count from data.explorer.relation").fetchall()).keys() == here


def test_the_bill_is_the_published_one_to_the_last_digit_in_every_slice(data: duckdb.DuckDBPyConnection) -> None:
    for amount in ("unblended_cost", "amortized_cost", "net_unblended_cost"):
        published = dict(data.execute(f"select slice, sum({amount}) from published.cost.daily group by all").fetchall())
        for table in ("cost_day", "cost_month"):
            here = dict(
                data.execute(
                    f"""
                    select slice, sum({amount}) from data.explorer.{table}
                    where not starts_with(slice, 'tag_service:') group by all
                    """
                ).fetchall()
            )
            assert here == published, (amount, table)
    # By tag and service, and by the value of a tag that counts.
    assert (
        data.execute("""
        select 'tag_service:' || tag_key as slice, tag_value, service, sum(unblended_cost)
        from published.cost.tag_service_daily group by all
        except select slice, value, service, sum(unblended_cost)
        from data.explorer.cost_month where starts_with(slice, 'tag_service:') group by all
    """).fetchall()
        == []
    )
    assert (
        data.execute("""
        select 'tag:' || tag_key, account_id, tag_value, sum(unblended_cost), sum(reporting_unblended_cost)
        from published.cost.by_tag group by all
        except select slice, account_id, value, sum(unblended_cost), sum(reporting_unblended_cost)
        from data.explorer.cost_month group by all
    """).fetchall()
        == []
    )
    assert (
        data.execute("""
        select account_id, service, date_trunc('month', usage_date), sum(reporting_unblended_cost)
        from published.cost.by_service group by all
        except select account_id, value, month, sum(reporting_unblended_cost)
        from data.explorer.cost_month where slice = 'service' group by all
    """).fetchall()
        == []
    )


def test_the_filters_offer_what_is_there(data: duckdb.DuckDBPyConnection) -> None:
    def offered(kind: str) -> set[str]:
        return {
            value
            for (value,) in data.execute("select value from data.explorer.choice where kind = $1", [kind]).fetchall()
        }

    def there(query: str) -> set[str]:
        return {value for (value,) in data.execute(query).fetchall()}

    # Also an account of the bill that is not listed, and one without a bill.
    assert offered("account") == there(
        "select account_id from published.org.account union select account_id from published.cost.daily"
    )
    assert offered("month") == there("select distinct strftime(usage_date, '%Y-%m') from published.cost.daily")
    assert offered("service") == there("select distinct service from published.cost.by_service")
    assert offered("team") == there("select distinct tag_value from published.cost.by_tag")
    assert offered("currency") == there("select reporting_currency from published.ref.setting")


@pytest.mark.parametrize("key", ["team", "x:service", "service", "tag_service:x"])
def test_a_tag_key_may_be_named_as_a_cut_is(key: str) -> None:
    with duckdb.connect() as connection:
        connection.execute("""
            create schema org;
            create schema explorer;
            create table org.account (account_id varchar, account_name varchar);
            create table explorer.cost_month (
                slice varchar, value varchar, account_id varchar, month date, reporting_currency varchar,
                reporting_unblended_cost decimal(28, 10)
            );
        """)
        connection.executemany(
            "insert into explorer.cost_month (slice, value) values (?, ?)",
            [["service", "AWS Lambda"], [f"tag:{key}", "web"], [f"tag_service:{key}", "web"]],
        )
        choice = (QUERIES / "choice.sql").read_text(encoding="utf-8")
        offered = connection.execute(
            f"select parent, value from ({choice}) where kind in ('team', 'service') order by kind"
        ).fetchall()
    assert offered == [(None, "AWS Lambda"), (key, "web")]


def test_every_row_leads_to_its_cell(data: duckdb.DuckDBPyConnection) -> None:
    leading = [name for (name,) in data.execute("select name from data.explorer.relation where has_cell").fetchall()]
    assert {"cmdb.resource", "aws.ec2_instance"} <= set(leading)
    for name in (*leading, "explorer.cost_day"):
        assert (
            data.execute(f"""
            select distinct {", ".join(CELL)} from data.{name} as row
            anti join data.explorer.cell as cell
                on cell.run_id = row.run_id and cell.role = row.role and cell.account_id = row.caller_account_id
                and cell.region = row.cell_region and cell.listing = row.listing
            where row.run_id is not null limit 3
        """).fetchall()
            == []
        ), name
    assert data.execute("""
        select count(*) from data.explorer.cell as here join published.audit.collection as there
            using (run_id, role, account_id, region, listing)
        where here.outcome <> there.outcome or here.ended_at <> there.ended_at at time zone 'UTC'
    """).fetchone() == (0,)


def test_the_browsers_engine_needs_no_extension_for_any_type(data: duckdb.DuckDBPyConnection) -> None:
    types = {
        type_
        for (type_,) in data.execute(
            "select distinct data_type from duckdb_columns() where database_name = 'data'"
        ).fetchall()
    }
    # Time zones and JSON are extensions there; it has no way to fetch one.
    assert not [type_ for type_ in types if re.search("TIME ZONE|JSON|HUGEINT", type_)]
    assert {"DECIMAL(28,10)", "TIMESTAMP", "DATE"} <= types
    assert data.execute("""
        select max(here.last_seen_at) = max(there.last_seen_at at time zone 'UTC')
        from data.cmdb.resource as here join published.cmdb.resource as there using (arn)
    """).fetchone() == (True,)
    assert (
        data.execute("""
            select name, judged, unknown, unknown_reason from data.explorer.relation where judged is not null
            except select claim, judged, unknown, unknown_reason from published.audit.claim
        """).fetchall()
        == []
    )


# ------------------------------------------------------------------------------------------------- the folder


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    static = stand_in(tmp_path / "static")
    monkeypatch.setattr(explorer_folder, "STATIC", static)
    return static


def test_without_the_built_page_one_sentence_says_what_to_type(
    built: Path, witnessed_night: Witness, tmp_path: Path
) -> None:
    (built / "app.js").unlink()
    environment = {"CMDB_DATABASE": str(witnessed_night.database)}
    for command in (("explore",), ("export", "explorer", str(tmp_path / "out"))):
        done = cmdb_here(environment, *command)
        assert done.returncode == 2
        assert "app.js is missing" in done.stderr
        assert "`make explorer`" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_folder_holds_page_and_data_and_what_they_are(exported: Path, witnessed_night: Witness) -> None:
    assert {path.name for path in exported.iterdir()} == {*PARTS, DATA, REPORT, MARK}
    # The report leads to the page, which the one beside the published file cannot: nothing is there.
    assert (exported / REPORT).read_text(encoding="utf-8").count('href="index.html') == 2
    assert "index.html" not in report_path(witnessed_night.database).read_text(encoding="utf-8")
    said = json.loads((exported.parent / "said.json").read_text())
    assert said["bytes"] >= (exported / DATA).stat().st_size
    described = json.loads((exported / MARK).read_text())
    assert described["format"] == "explorer"
    assert described["published"] == said["published"] == witnessed_night.database.resolve().name


def test_what_cannot_be_exported_leaves_the_folder_as_it_was(
    built: Path, exported: Path, witnessed_night: Witness, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    shutil.copytree(exported, target)
    before = {path.name: path.read_bytes() for path in target.iterdir()}
    with pytest.raises(WarehouseError, match="Nothing is published"):
        export_explorer(target, Store(tmp_path / "nothing.duckdb"))
    shutil.rmtree(built)
    with pytest.raises(ExportError, match="not built"):
        export_explorer(target, Store(witnessed_night.database))
    assert {path.name: path.read_bytes() for path in target.iterdir()} == before


def test_a_run_that_is_published_meanwhile_leaves_the_folder_as_it_was(
    built: Path, exported: Path, witnessed_night: Witness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else page and report would be of two runs."""
    target = tmp_path / "out"
    shutil.copytree(exported, target)
    before = {path.name: path.stat().st_ino for path in target.iterdir()}
    monkeypatch.setattr(explorer_folder, "write_report", lambda _, path, *__, **___: Written(path, 1, "another-run"))
    with pytest.raises(ExportError, match="Run another-run was published while"):
        export_explorer(target, Store(witnessed_night.database))
    assert {path.name: path.stat().st_ino for path in target.iterdir()} == before


def test_a_folder_of_somebody_is_not_replaced(built: Path, witnessed_night: Witness, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "letter.txt").write_text("mine")
    with pytest.raises(ExportError, match="holds something else"):
        export_explorer(tmp_path / "own", Store(witnessed_night.database))
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["letter.txt"]


# ------------------------------------------------------------------------------------------------- the server


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ExplorerServer]:
    folder = tmp_path / "explorer"
    folder.mkdir()
    (folder / "index.html").write_text("<p>the page")
    (folder / "data.duckdb").write_bytes(bytes(range(256)) * 4)
    (folder / "duckdb-eh.wasm").write_bytes(b"\0asm")
    (folder / REPORT).write_text("<p>the report")
    (folder / MARK).write_text("{}")
    (tmp_path / "secret.txt").write_text("not of this folder")
    (folder / "inner").mkdir()
    (folder / "inner" / "a.txt").write_text("not of this folder either")
    with listening(0) as server:
        server.show(folder)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def ask(
    server: ExplorerServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=30)
    try:
        # As it is: a client would take dots out of a path.
        connection.request(
            method, f"{server.path}{path}", headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("header", "part"),
    [
        ("bytes=0-", (0, 100)),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 10)),
        ("bytes=90-500", (90, 10)),
        ("bytes=-7", (93, 7)),
        ("bytes=-700", (0, 100)),
        ("bytes=100-", None),
        ("bytes=20-10", None),
        ("bytes=-0", None),
        ("bytes=-", None),
        ("bytes=0-1,4-5", None),
        ("lines=0-1", None),
        ("", None),
    ],
)
def test_a_range_is_read_as_the_standard_says(header: str, part: tuple[int, int] | None) -> None:
    assert requested_part(header, 100) == part


def test_parts_of_a_file_are_served(served: ExplorerServer) -> None:
    whole = bytes(range(256)) * 4
    status, headers, body = ask(served, "data.duckdb")
    assert (status, body, headers["Accept-Ranges"]) == (200, whole, "bytes")
    status, headers, body = ask(served, "data.duckdb", Range="bytes=250-260")
    assert (status, body, headers["Content-Range"]) == (206, whole[250:261], "bytes 250-260/1024")
    status, headers, body = ask(served, "data.duckdb", "HEAD", Range="bytes=0-")
    assert (status, body, headers["Content-Length"]) == (206, b"", "1024")
    status, headers, _ = ask(served, "data.duckdb", Range="bytes=4096-")
    assert (status, headers["Content-Range"]) == (416, "bytes */1024")


def test_every_response_has_the_policy_and_its_type(served: ExplorerServer) -> None:
    for path, type_ in (("", "text/html"), ("duckdb-eh.wasm", "application/wasm"), ("nothing", "text/plain")):
        _, headers, _ = ask(served, path)
        assert headers["Content-Type"].startswith(type_)
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; script-src 'self' 'wasm-unsafe-eval';")
        assert "unsafe-inline" not in policy
        assert "'unsafe-eval'" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    # The report's own policy, in the page, allows its style and scripts by their hashes; this one would not.
    _, headers, _ = ask(served, REPORT)
    assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"


def test_a_tab_that_is_closed_in_a_response_prints_nothing(
    served: ExplorerServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served.files[f"{served.path}data.duckdb"].write_bytes(bytes(30_000_000))
    ended, end = threading.Event(), served.shutdown_request

    def shutdown_request(request: Any) -> None:
        end(request)
        ended.set()

    monkeypatch.setattr(served, "shutdown_request", shutdown_request)
    with socket.create_connection(("127.0.0.1", served.server_port)) as client:
        host = f"127.0.0.1:{served.server_port}"
        client.sendall(f"GET {served.path}data.duckdb HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        assert client.recv(1000).startswith(b"HTTP/1.1 200")
    assert ended.wait(60)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "path",
    ["../secret.txt", "%2e%2e/secret.txt", "/secret.txt", MARK, "inner/a.txt", "inner", ".", "data.duckdb.wal"],
)
def test_only_the_files_of_the_page_are_served(served: ExplorerServer, path: str) -> None:
    status, _, body = ask(served, path)
    assert status == 404
    assert b"not of this folder" not in body


def test_another_user_of_the_machine_does_not_know_the_path(served: ExplorerServer) -> None:
    with listening(0) as other:
        assert other.path != served.path
    assert len(served.path) > 20
    address, served.path = served.path, ""
    for path in ("/", "/data.duckdb", "/index.html", address.rstrip("/"), f"{address[:-2]}/data.duckdb"):
        assert ask(served, path)[0] == 404, path


def test_no_page_of_another_host_or_origin_is_answered(served: ExplorerServer) -> None:
    assert served.server_address[0] == "127.0.0.1"
    assert ask(served, "", Host=f"evil.invalid:{served.server_port}")[0] == 421
    assert ask(served, "data.duckdb", Sec_Fetch_Site="cross-site")[0] == 403
    assert ask(served, "data.duckdb", Sec_Fetch_Site="same-site")[0] == 403
    assert ask(served, "data.duckdb", Sec_Fetch_Site="same-origin")[0] == 200
    assert ask(served, "", Sec_Fetch_Site="cross-site", Sec_Fetch_Dest="empty")[0] == 403
    assert ask(served, "", Sec_Fetch_Site="cross-site", Sec_Fetch_Dest="iframe")[0] == 403
    assert ask(served, "", Sec_Fetch_Site="cross-site", Sec_Fetch_Dest="document")[0] == 200
    assert ask(served, "data.duckdb", Sec_Fetch_Site="cross-site", Sec_Fetch_Dest="document")[0] == 403
    assert ask(served, "", "POST")[0] == 501


def test_a_port_that_is_taken_is_named(built: Path, served: ExplorerServer, witnessed_night: Witness) -> None:
    environment = {"CMDB_DATABASE": str(witnessed_night.database)}
    done = cmdb_here(environment, "explore", "--port", str(served.server_port))
    assert done.returncode == 2
    assert f"Port {served.server_port} of 127.0.0.1 cannot be used" in done.stderr


@pytest.mark.large
@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_serves_until_it_is_interrupted_and_leaves_nothing(
    witnessed_night: Witness, tmp_path: Path, ending: signal.Signals
) -> None:
    program = (
        "import sys; from pathlib import Path; from pipelines.explorer import folder; "
        f"folder.STATIC = Path({str(stand_in(tmp_path / 'static'))!r}); "
        "from pipelines.cli.main import main; main(['explore', '--open'])"
    )
    (tmp_path / "temporary").mkdir()
    (tmp_path / "browser").write_text(
        f'#!/bin/sh\necho "$1" > {tmp_path}/opened\ncp -p "${{1#file://}}" {tmp_path}/page\n'
    )
    (tmp_path / "browser").chmod(0o700)
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=REPOSITORY,
        env={
            **os.environ,
            "CMDB_DATABASE": str(witnessed_night.database),
            "TMPDIR": str(tmp_path / "temporary"),
            "BROWSER": f"{tmp_path / 'browser'} %s",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)(/[\w-]{20,}/)", line)
        assert found is not None, (line, process.stderr and process.stderr.read())
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=30)
        connection.request("GET", found[2])
        assert connection.getresponse().read() == b"the index.html"
        connection.close()
        # Every user of the machine sees the arguments of the browser: what leads to the page is a file of this user.
        deadline = time.monotonic() + 60
        while not (tmp_path / "page").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert found[2].strip("/") not in (tmp_path / "opened").read_text()
        assert f"url={found[0]}" in (tmp_path / "page").read_text()
        assert stat.S_IMODE((tmp_path / "page").stat().st_mode) == 0o600
        process.send_signal(ending)
        said, wrong = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert (process.returncode, said, wrong) == (0, "Stopped.\n", "")
    assert list((tmp_path / "temporary").iterdir()) == []


# -------------------------------------------------------------------------------------------------- the build


def test_every_package_of_the_page_is_pinned_by_version_and_digest() -> None:
    wanted = json.loads((WEB / "package.json").read_text())
    assert all(
        re.fullmatch(r"\d+\.\d+\.\d+", version)
        for kind in ("dependencies", "devDependencies")
        for version in wanted[kind].values()
    )
    locked = json.loads((WEB / "package-lock.json").read_text())["packages"]
    assert len(locked) > 20
    for name, package in locked.items():
        if name:
            assert package["integrity"].startswith("sha512-"), name
            # Where packages come from is the setting of whoever builds.
            assert "resolved" not in package, name


def test_the_page_names_no_other_host_and_lets_no_script_of_its_own_in() -> None:
    page = (WEB / "src" / "index.html").read_text()
    assert not re.findall(r"<script(?![^>]*\bsrc=)|\bon\w+=|\bstyle=", page)
    for path in (WEB / "src").iterdir():
        assert not re.findall(r"(?:https?:)?//[a-z0-9-]+\.[a-z]", path.read_text()), path.name
        # lit-html escapes what stands in a template; these would not.
        assert not re.findall(r"innerHTML|unsafeHTML|insertAdjacent|document\.write|\beval\(", path.read_text()), (
            path.name
        )
