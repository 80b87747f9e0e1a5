"""What lies in deploy/: a real nginx lets nobody but our own pages ask, and systemd can read the units."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from browser import CHROMIUM, WITHOUT, browser
from nights import REPOSITORY
from screenshots import served

DEPLOY = REPOSITORY / "deploy"
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
WITHOUT_NGINX = "There is no nginx here, so its configuration was not tried; on Debian: apt-get install nginx-light."
SYSTEMD = shutil.which("systemd-analyze")
WITHOUT_SYSTEMD = "There is no systemd-analyze here, so the units were not read by it."

OURS = "https://cmdb.example.com"
ALICE, BOB = "alice:correct horse", "bob:battery staple"
"""Alice is an operator, Bob is not."""


@dataclass
class Ui:
    """What stands behind nginx and keeps what reaches it: a Dagster UI in all that matters here."""

    name: str
    asked: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)

    def serve(self) -> ThreadingHTTPServer:
        ui = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                ui.asked.append((self.command, self.path, dict(self.headers)))
                if self.headers.get("Upgrade") == "websocket":
                    self.send_response(101)
                    self.send_header("Upgrade", "websocket")
                    self.send_header("Connection", "Upgrade")
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(ui.name)))
                self.end_headers()
                self.wfile.write(ui.name.encode())

            do_GET = do_POST = do_PUT = do_DELETE = _answer

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server


@dataclass
class Door:
    """An nginx with our configuration, and the two UIs behind it."""

    port: int
    plain_port: int
    operators: Ui
    analysts: Ui

    def ask(
        self,
        method: str,
        path: str,
        user: str = ALICE,
        origin: str = "",
        host: str = "cmdb.example.com",
        **headers: str,
    ) -> tuple[int, str]:
        """Status and text of an answer."""
        trust = ssl.create_default_context()
        trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=10)
        connection.sock = trust.wrap_socket(raw, server_hostname="cmdb.example.com")
        sent = {"Host": host, **headers}
        if user:
            sent["Authorization"] = f"Basic {b64encode(user.encode()).decode()}"
        if origin:
            sent["Origin"] = origin
        try:
            connection.request(method, path, body=b"{}" if method != "GET" else None, headers=sent)
            answer = connection.getresponse()
            return answer.status, "" if answer.status == 101 else answer.read().decode()
        finally:
            connection.close()

    def reached(self) -> list[tuple[str, str]]:
        """What came through to any UI since it was last asked."""
        found = [(method, path) for ui in (self.operators, self.analysts) for method, path, _ in ui.asked]
        self.operators.asked.clear()
        self.analysts.asked.clear()
        return found


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """Our configuration with ports, certificate and logins of this test, and nothing else of it changed."""
    if NGINX is None:
        pytest.skip(WITHOUT_NGINX)
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o755)
    operators, analysts = Ui("operators"), Ui("analysts")
    servers = [operators.serve(), analysts.serve()]
    port, plain_port = free_port(), free_port()
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=cmdb.example.com", "-keyout", folder / "key.pem", "-out", folder / "fullchain.pem"),
        ],
        check=True,
        capture_output=True,
    )
    logins = []
    for user in (ALICE, BOB):
        name, _, password = user.partition(":")
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", password], check=True, capture_output=True, text=True
        ).stdout
        logins.append(f"{name}:{hashed.strip()}\n")
    (folder / "cmdb.htpasswd").write_text("".join(logins))
    (folder / "cmdb.operators").write_text(f"alice http://127.0.0.1:{servers[0].server_port};\n")
    (folder / "cmdb.report.html").write_text("<h1>Cost and configuration</h1>")
    text = (DEPLOY / "nginx" / "cmdb.conf").read_text(encoding="utf-8")
    for ours, here in (
        ("http://127.0.0.1:3001", f"http://127.0.0.1:{servers[1].server_port}"),
        ("listen 443", f"listen 127.0.0.1:{port}"),
        ("listen 80", f"listen 127.0.0.1:{plain_port}"),
        ("/etc/nginx/", f"{folder}/"),
        ("/etc/ssl/cmdb/", f"{folder}/"),
        ("/srv/cmdb/warehouse/", f"{folder}/"),
    ):
        assert ours in text
        text = text.replace(ours, here)
    (folder / "cmdb.conf").write_text(text)
    (folder / "nginx.conf").write_text(
        f"pid {folder}/pid; error_log {folder}/error.log; daemon off; worker_processes 1;\n"
        "events {}\n"
        f"http {{ access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;\n"
        f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
        f"include {folder}/cmdb.conf; }}\n"
    )
    command = [NGINX, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log", "-g", "user root;"]
    tested = subprocess.run([*command, "-t"], capture_output=True, text=True, check=False)
    assert tested.returncode == 0, tested.stderr
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield Door(port, plain_port, operators, analysts)
    finally:
        process.terminate()
        process.wait(timeout=10)
        for server in servers:
            server.shutdown()
            server.server_close()


def test_nobody_comes_in_without_a_login(door: Door) -> None:
    for user in ("", "alice:wrong", "mallory:correct horse"):
        for method, path, origin in (("GET", "/", ""), ("POST", "/graphql", OURS), ("GET", "/report", "")):
            assert door.ask(method, path, user, origin)[0] == 401, (user, path)
    assert door.reached() == []


def test_an_operator_reaches_the_ui_that_starts_runs_and_everybody_else_the_one_that_does_not(door: Door) -> None:
    for path, method, origin in (("/assets/cost/daily?view=checks", "GET", ""), ("/graphql", "POST", OURS)):
        assert door.ask(method, path, ALICE, origin) == (200, "operators")
        assert door.ask(method, path, BOB, origin) == (200, "analysts")
    for ui in (door.operators, door.analysts):
        assert [(method, path) for method, path, _ in ui.asked] == [
            ("GET", "/assets/cost/daily?view=checks"),
            ("POST", "/graphql"),
        ]
        # Nobody's password goes any further.
        assert not any("Authorization" in headers for _, _, headers in ui.asked)
    door.reached()


@pytest.mark.parametrize("path", ["/graphql", "//graphql", "/%67raphql", "/./graphql"])
def test_a_foreign_page_requests_nothing(door: Door, path: str) -> None:
    for origin in ("https://evil.example.com", "http://cmdb.example.com", "null", f"{OURS}.evil.example.com", ""):
        assert door.ask("POST", path, origin=origin)[0] == 403, origin
        assert door.ask("GET", path, origin=origin, Connection="Upgrade", Upgrade="websocket")[0] == 403, origin
    assert door.reached() == []


def test_a_link_requests_nothing_and_a_websocket_of_ours_is_let_through(door: Door) -> None:
    for method in ("GET", "PUT", "DELETE"):
        assert door.ask(method, "/graphql?query=mutation{x}", origin=OURS)[0] == 405
    assert door.reached() == []
    assert door.ask("GET", "/graphql", origin=OURS, Connection="Upgrade", Upgrade="websocket")[0] == 101
    assert door.reached() == [("GET", "/graphql")]


@pytest.mark.parametrize("kind", ["materialization", "check", "observation"])
@pytest.mark.parametrize(
    "begin", ["/report_asset_", "//report_asset_", "/%72eport_asset_", "/REPORT_ASSET_", "/x/../report_asset_"]
)
def test_no_result_can_be_forged(door: Door, kind: str, begin: str) -> None:
    for method in ("GET", "POST", "PUT"):
        assert door.ask(method, f"{begin}{kind}/audit/caller_identity", origin=OURS)[0] == 403
    assert door.reached() == []


def test_all_else_is_only_looked_at(door: Door) -> None:
    for path in ("/", "/runs", "/report", "/anything"):
        assert door.ask("POST", path, origin=OURS)[0] == 403
    assert door.reached() == []
    assert door.ask("GET", "/report") == (200, "<h1>Cost and configuration</h1>")


def test_another_name_of_the_machine_is_not_responded(door: Door) -> None:
    with pytest.raises((http.client.RemoteDisconnected, ConnectionError, ssl.SSLError)):
        door.ask("GET", "/", host="rebound.example.com")
    plain = http.client.HTTPConnection("127.0.0.1", door.plain_port, timeout=10)
    plain.request("GET", "/runs", headers={"Host": "cmdb.example.com"})
    answer = plain.getresponse()
    assert (answer.status, answer.getheader("Location")) == (301, f"{OURS}/runs")
    plain.close()


LAUNCH = """
mutation { launchRun(executionParams: {
    selector: {repositoryName: "__repository__", repositoryLocationName: "cmdb", jobName: "nightly"}
    runConfigData: "{}"
}) { __typename } }
"""

ASK = """
(async () => {
    const url = 'https://cmdb.example.com', body = '{}', json = {'Content-Type': 'application/json'};
    const ask = (path, options) => fetch(url + path, {credentials: 'include', ...options}).catch(() => null);
    await ask('/graphql', {method: 'POST', mode: 'no-cors', headers: {'Content-Type': 'text/plain'}, body});
    await ask('/graphql', {method: 'POST', headers: json, body});
    await ask('/graphql?query=mutation', {mode: 'no-cors'});
    await ask('/report_asset_check/audit/caller_identity?passed=true', {method: 'POST', mode: 'no-cors', body});
    return await new Promise(done => {
        const opened = new WebSocket('wss://cmdb.example.com/graphql');
        opened.onopen = opened.onerror = opened.onclose = () => done('asked');
    });
})()
"""
"""Every way in which a page may ask, one after the other."""


@pytest.mark.large
def test_in_a_real_browser_of_an_operator_our_own_page_requests_and_a_foreign_one_does_not(
    door: Door, tmp_path: Path
) -> None:
    """The operator is logged in: the browser sends the password with whatever a page asks."""
    if CHROMIUM is None:
        pytest.skip(WITHOUT)
    foreign = tmp_path / "foreign.html"
    foreign.write_text("<!DOCTYPE html><title>A foreign page</title>")
    login = b64encode(ALICE.encode()).decode()
    with browser(f"--host-resolver-rules=MAP cmdb.example.com 127.0.0.1:{door.port}") as tab:
        tab.call("Security.setIgnoreCertificateErrors", ignore=True)
        tab.call("Network.setExtraHTTPHeaders", headers={"Authorization": f"Basic {login}"})
        tab.call("Page.navigate", url=f"{OURS}/runs")
        deadline = time.monotonic() + 600
        while tab.run("document.body && document.body.innerText") != "operators" and time.monotonic() < deadline:
            time.sleep(0.1)
        door.reached()
        assert tab.run(ASK) == "asked"
        ours = [way for way in door.reached() if way[1] != "/favicon.ico"]
        assert ours == [("POST", "/graphql"), ("POST", "/graphql"), ("GET", "/graphql")]
        tab.open(foreign)
        door.reached()
        assert tab.run(ASK) == "asked"
        assert door.reached() == []
        refused = [
            event["params"]["response"]["status"]
            for event in tab.events
            if event["method"] == "Network.responseReceived"
            and "cmdb.example.com" in event["params"]["response"]["url"]
        ]
        # It did come as far as nginx.
        assert 403 in refused


@pytest.mark.large
def test_the_ui_of_analysts_refuses_to_start_a_run(tmp_path: Path) -> None:
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copyfile(REPOSITORY / "pipelines" / "dagster.yaml", home / "dagster.yaml")
    with served({"DAGSTER_HOME": str(home), "CMDB_DATABASE": str(tmp_path / "cmdb.duckdb")}) as url:
        connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=600)
        connection.request(
            "POST", "/graphql", json.dumps({"query": LAUNCH}), headers={"Content-Type": "application/json"}
        )
        answer = json.load(connection.getresponse())
        connection.close()
    assert answer["data"]["launchRun"]["__typename"] == "UnauthorizedError"


# --------------------------------------------------------------------------------------------------- systemd

UNITS = sorted((DEPLOY / "systemd").glob("cmdb-*"))


def test_every_unit_starts_what_there_is_as_nobody_special() -> None:
    assert {unit.name for unit in UNITS} == {
        "cmdb-confirm.service",
        "cmdb-confirm.timer",
        "cmdb-daemon.service",
        "cmdb-nightly.service",
        "cmdb-nightly.timer",
        "cmdb-status.service",
        "cmdb-status.timer",
        "cmdb-webserver.service",
        "cmdb-webserver-readonly.service",
    }
    for unit in UNITS:
        text = unit.read_text(encoding="utf-8")
        if unit.suffix == ".timer":
            continue
        program = re.findall(r"^ExecStart=/srv/cmdb/\.venv/bin/(\S+)", text, re.MULTILINE)
        assert len(program) == 1
        assert (REPOSITORY / ".venv" / "bin" / program[0]).exists() or shutil.which(program[0]), program
        assert "User=cmdb" in text
        assert "EnvironmentFile=/etc/cmdb.env" in text
        assert "ProtectSystem=strict" in text
        if program[0] == "dagster-webserver":
            assert "-h 127.0.0.1" in text
    read_only = (DEPLOY / "systemd" / "cmdb-webserver-readonly.service").read_text(encoding="utf-8")
    assert "-p 3001 --read-only" in read_only


def test_a_run_of_cron_is_confirmed_half_an_hour_after_it_ended_well(tmp_path: Path) -> None:
    text = (DEPLOY / "cron" / "cmdb").read_text(encoding="utf-8")
    (line,) = re.findall(r"^[\d*/, -]+ cmdb (.* cmdb nightly .*|.*/cmdb nightly .*)$", text, re.MULTILINE)
    called = tmp_path / "called"
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    for program in (programs / "cmdb", tmp_path / "sleep"):
        program.write_text(f'#!/bin/sh\necho "$@" >> {called}\n[ "$1" != "$REFUSED" ]\n')
        program.chmod(0o755)
    here = line.replace("/etc/cmdb.env", os.devnull).replace("/srv/cmdb", str(tmp_path))
    for refused, expected in (("", ["nightly", "1800", "confirm"]), ("nightly", ["nightly"])):
        called.unlink(missing_ok=True)
        environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "REFUSED": refused}
        subprocess.run(["/bin/sh", "-c", here], env=environment, check=False)
        assert called.read_text().split() == expected


def status_lines() -> dict[str, str]:
    """What asks whether the nights still come, as a line for a shell, by the file that it stands in."""
    unit = (DEPLOY / "systemd" / "cmdb-status.service").read_text(encoding="utf-8")
    (started,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    cron = (DEPLOY / "cron" / "cmdb").read_text(encoding="utf-8")
    (asked,) = re.findall(r"^[\d*/, -]+ cmdb (.* cmdb status .*|.*/cmdb status .*)$", cron, re.MULTILINE)
    return {"systemd": f"set -a; . /etc/cmdb.env; {started}", "cron": asked}


@pytest.mark.parametrize(("where", "line"), status_lines().items(), ids=list(status_lines()))
def test_a_run_that_never_began_is_alerted_from_outside(where: str, line: str, tmp_path: Path) -> None:
    told = tmp_path / "told.json"
    example = (DEPLOY / "systemd" / "cmdb.env").read_text(encoding="utf-8")
    (tmp_path / "cmdb.env").write_text(
        f"{example}CMDB_DATABASE={tmp_path / 'aws_org.duckdb'}\nCMDB_ALERT_COMMAND=\"/bin/sh -c 'cat > {told}'\"\n"
    )
    here = line.replace("/etc/cmdb.env", str(tmp_path / "cmdb.env")).replace("/srv/cmdb", str(REPOSITORY))
    done = subprocess.run(["/bin/sh", "-c", here], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "CMDB_ALERT_COMMAND received the check results.\n")
    assert "There is no warehouse at" in json.loads(told.read_text())["sentences"][0]
    assert (done.stdout == "") is (where == "cron"), "cron would mail it every day"


def test_looking_at_the_warehouse_may_not_change_it() -> None:
    found = settings_of(DEPLOY / "systemd" / "cmdb-status.service")
    assert found["ReadOnlyPaths"] == "/srv/cmdb/warehouse"
    assert "ReadWritePaths" not in found


def settings_of(unit: Path) -> dict[str, str]:
    """The `Name=value` lines of a unit."""
    lines = (line.partition("=") for line in unit.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return {name: value for name, equals, value in lines if equals}


SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_a_service_has_no_rights_beyond_its_work(unit: Path) -> None:
    found = settings_of(unit)
    expected = {
        "NoNewPrivileges": "yes",
        "CapabilityBoundingSet": "",
        "SystemCallFilter": "@system-service",
        "SystemCallArchitectures": "native",
        "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
        "RestrictNamespaces": "yes",
        "LockPersonality": "yes",
        "PrivateDevices": "yes",
        "ProtectKernelTunables": "yes",
        "ProtectKernelModules": "yes",
        "ProtectControlGroups": "yes",
    }
    assert {name: found.get(name) for name in expected} == expected
    # V8 draws the charts, and would not start.
    assert "MemoryDenyWriteExecute" not in found


def test_the_ui_of_analysts_writes_no_warehouse_and_reaches_no_aws() -> None:
    found = settings_of(DEPLOY / "systemd" / "cmdb-webserver-readonly.service")
    assert found["ReadWritePaths"] == "/srv/cmdb/.dagster"
    assert found["ReadOnlyPaths"] == "/srv/cmdb/warehouse"
    assert found["ProtectHome"] == "yes"
    assert "-/srv/cmdb/.aws" in found["InaccessiblePaths"].split()
    # Not even the keys that a machine of AWS hands out at an address of its own.
    assert (found["IPAddressDeny"], found["IPAddressAllow"]) == ("any", "localhost")
    writing = settings_of(DEPLOY / "systemd" / "cmdb-nightly.service")
    assert writing["ReadWritePaths"] == "/srv/cmdb/.dagster /srv/cmdb/warehouse"
    assert "IPAddressDeny" not in writing


def test_the_ui_of_operators_reaches_what_terminates_a_run_and_that_of_analysts_does_not() -> None:
    """Dagster's code server listens on a socket below TMPDIR, and each unit has a /tmp of its own."""
    for name in ("daemon", "webserver"):
        found = settings_of(DEPLOY / "systemd" / f"cmdb-{name}.service")
        assert found["Environment"] == f"TMPDIR=/var/cache/{found['CacheDirectory']}"
        assert found["CacheDirectoryMode"] == "0700"
        # systemd makes the folder for this user.
        assert found["User"] == "cmdb"
    analysts = settings_of(DEPLOY / "systemd" / "cmdb-webserver-readonly.service")
    # The folder that is always there: the other may not have been made when the unit starts.
    assert "/var/cache" in analysts["InaccessiblePaths"].split()
    assert {"Environment", "CacheDirectory"}.isdisjoint(analysts)


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.stem)
def test_systemd_itself_finds_little_exposed(unit: Path) -> None:
    if SYSTEMD is None:
        pytest.skip(WITHOUT_SYSTEMD)
    done = subprocess.run(
        # In tenths; without any of these settings it is 84.
        [SYSTEMD, "security", "--offline=yes", "--threshold=25", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr).splitlines()[-1]


def test_systemd_reads_every_unit(tmp_path: Path) -> None:
    if SYSTEMD is None:
        pytest.skip(WITHOUT_SYSTEMD)
    for unit in UNITS:
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(encoding="utf-8"), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text.replace("Documentation=file:/srv/cmdb/docs/howto/deploy.md\n", ""))
    done = subprocess.run(
        [SYSTEMD, "verify", "--man=no", "--recursive-errors=no", *(tmp_path / unit.name for unit in UNITS)],
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stderr.splitlines() if "cmdb-" in line]
    assert said == []
