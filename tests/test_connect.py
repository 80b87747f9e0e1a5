"""docs/howto/connect-aws.md, word by word: from a fresh clone to a published night through profiles of every kind.

The page's commands are run as they stand there, and its AWS config file is written as it stands there, but for the ids
of the accounts. AWS is the simulated organisation, which grants what the page's policies grant and nothing else. The
metadata of an EC2 instance are served here, and the command `aws` is a program that records its arguments.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from nights import REPOSITORY, query

from resources.contract import policy
from simulator.access import BOOTSTRAP_KEY, SECRET_KEY
from simulator.client import Simulator, is_foreign, start
from simulator.wire import INVALID_HOST

PAGE = REPOSITORY / "docs" / "howto" / "connect-aws.md"
SIGN_IN_PAGE = PAGE.with_name("sso.md")

AWS = '''#!{python}
"""Stands for the AWS command line: records its arguments, and signs in as people do in a browser."""
import json, pathlib, shutil, sys
arguments = sys.argv[1:]
for argument in arguments:
    if argument.startswith("file://"):
        json.loads(pathlib.Path(argument.removeprefix("file://")).read_text())
if arguments[:2] == ["sso", "login"]:
    shutil.copytree("{tokens}", pathlib.Path.home() / ".aws" / "sso" / "cache", dirs_exist_ok=True)
with open("{record}", "a") as record:
    record.write(json.dumps(arguments) + "\\n")
'''


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each block of a page, in order."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def section(text: str, name: str) -> str:
    """A section of an AWS config file, with its head."""
    found = re.search(rf"^\[{re.escape(name)}\]\n(?:(?!\[).*\n)*", text, re.MULTILINE)
    assert found is not None, name
    return found[0].rstrip() + "\n\n"


class Metadata(BaseHTTPRequestHandler):
    """What an EC2 instance reads of itself (IMDSv2): the credentials of its role."""

    def do_PUT(self) -> None:
        self._answer("token")

    def do_GET(self) -> None:
        credentials = {
            "Code": "Success",
            "AccessKeyId": BOOTSTRAP_KEY,
            "SecretAccessKey": SECRET_KEY,
            "Token": "of-the-instance",
            "Expiration": "2099-01-01T00:00:00Z",
        }
        self._answer("cmdb-run" if self.path.endswith("/") else json.dumps(credentials))

    def _answer(self, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Machine:
    """A fresh clone on a machine that has not seen the product.

    Attributes:
        ids: the account of the simulated organisation by the page's.
        printed: what each block of commands printed.
    """

    folder: Path
    environment: dict[str, str]
    simulator: Simulator | None = None
    ids: dict[str, str] = field(default_factory=dict)
    printed: list[str] = field(default_factory=list)

    @property
    def clone(self) -> Path:
        return self.folder / "clone"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def run(self, commands: str) -> str:
        """Run commands as they stand on the page; the first that fails ends the test."""
        done = subprocess.run(
            ["sh", "-e", "-c", commands],
            cwd=self.clone,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}{done.stderr}"
        self.printed.append(done.stdout)
        return done.stdout

    def configure(self, text: str) -> None:
        """Write sections to the AWS config file, with the ids of the simulated organisation."""
        for shown, real in self.ids.items():
            text = text.replace(shown, real)
        with (self.home / ".aws" / "config").open("a") as file:
            file.write(text + "\n")

    def recorded(self) -> list[list[str]]:
        """The calls of the AWS command line."""
        return [json.loads(line) for line in (self.folder / "aws.ndjson").read_text().splitlines()]

    def policy(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.clone / f"{name}.json").read_text())
        return found


def copy_tracked(target: Path) -> None:
    """A clone: what belongs to the repository, as it is now."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (REPOSITORY / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(REPOSITORY / name, target / name)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    kept = {name: value for name, value in os.environ.items() if not is_foreign(name) and name != "DAGSTER_HOME"}
    here = Machine(
        tmp_path,
        {
            **kept,
            "HOME": str(tmp_path / "home"),
            "PATH": f"{tmp_path / 'bin'}:{kept['PATH']}",
            "PYTHONPATH": str(tmp_path / "clone"),
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{server.server_port}/",
        },
    )
    copy_tracked(here.clone)
    (here.home / ".aws").mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    # The packages are those of this environment: tests/test_installed.py shows what an installation of its own has.
    (here.clone / ".venv" / "bin").mkdir(parents=True)
    (here.clone / ".venv" / "bin" / "cmdb").write_text(
        f'#!/bin/sh\nexec {sys.executable} -P -m pipelines.cli.main "$@"\n'
    )
    (here.clone / ".venv" / "bin" / "cmdb").chmod(0o755)
    wanted = "cat requirements/run.txt pyproject.toml | cksum > .venv/.installed-run"
    subprocess.run(["sh", "-c", wanted], cwd=here.clone, check=True)
    yield here
    if here.simulator is not None:
        here.simulator.stop()
    server.shutdown()


def begin_organisation(machine: Machine) -> None:
    """Start the organisation: its roles have the policies that the page's commands printed."""
    policies = {role: machine.policy(role) for role in ("management", "operations", "billing")}
    machine.simulator = simulator = start(
        machine.folder / "simulator",
        policies | {"workload": policy("workload")},
        accounts=3,
        resources=1,
        trail_passes=True,
    )
    accounts = simulator.truth("listings")["accounts"]
    of_kind = {account["kind"]: account["account_id"] for account in accounts if account["kind"] != "workload"}
    first = next(account for account in accounts if account["profile"] == "acme-payments-prod")
    machine.ids = {
        "111111111111": of_kind["management"],
        "222222222222": of_kind["operations"],
        "333333333333": of_kind["billing"],
        "444444444444": first["account_id"],
    }
    proxies = {name: value for name, value in simulator.env.items() if name.lower() in ("http_proxy", "no_proxy")}
    machine.environment |= proxies | {"AWS_ENDPOINT_URL": f"http://{INVALID_HOST}"}
    program = machine.folder / "bin" / "aws"
    program.write_text(
        AWS.format(
            python=sys.executable,
            tokens=simulator.directory / ".aws" / "sso" / "cache",
            record=machine.folder / "aws.ndjson",
        )
    )


@pytest.mark.large
@pytest.mark.timeout(1800)
def test_the_page_leads_from_a_fresh_clone_to_a_published_run(machine: Machine) -> None:
    began = time.monotonic()
    program = machine.folder / "bin" / "aws"
    program.write_text(AWS.format(python=sys.executable, tokens="", record=machine.folder / "aws.ndjson"))
    program.chmod(0o755)
    sign_in = dict(enumerate(text for kind, text in blocks(SIGN_IN_PAGE) if kind == "ini"))[0]
    for kind, text in blocks(PAGE):
        if kind == "sh":
            machine.run(text)
            continue
        assert kind == "ini", kind
        if machine.simulator is None:
            begin_organisation(machine)
            # The payer's profile is a person's: the sections are those of the page on IAM Identity Center.
            own = section(sign_in, "profile acmeManagement").replace("Management", "Billing")
            own = own.replace("111111111111", "333333333333").replace("cmdb-management", "cmdb-billing")
            text = text.replace(section(text + "\n\n", "profile acmeBilling").rstrip(), own)
            machine.configure(section(sign_in, "sso-session acme") + text)
            machine.run(
                next(line for _, block in blocks(SIGN_IN_PAGE) for line in block.splitlines() if "sso login" in line)
            )
        else:
            machine.configure(text)
    assert time.monotonic() - began < 15 * 60

    # What was granted is what the contract grants.
    created = [call[call.index("--role-name") + 1] for call in machine.recorded() if "create-role" in call]
    assert created == ["cmdb-management", "cmdb-operations", "cmdb-billing"]
    for role in ("management", "operations", "billing"):
        assert machine.policy(role) == policy(role)  # type: ignore[arg-type]  # the roles are a literal type
    (reader,) = [one for one in machine.policy("reader")["Resources"].values() if one["Type"] == "AWS::IAM::Role"]
    assert [one["PolicyDocument"] for one in reader["Properties"]["Policies"]] == [policy("workload")]

    # The first contact showed what it found, and wrote what the nights read: nothing was exported.
    printed = "\n".join(machine.printed)
    assert "1 of 6 active accounts are reached by a workload profile" in printed
    assert printed.count("[profile acme-payments-dev]") == 1, "reviewed, then added to the file"
    assert "role/aws-org-cmdb-reader" in (machine.home / ".aws" / "config").read_text()
    assert "first load, 12 months of the bill: at most" in printed
    settings = (machine.clone / "cmdb.env").read_text()
    assert "AWS_BILLING_PROFILE=acmeBilling" in settings
    assert "AWS_BILLING_PROFILE" not in machine.environment

    # Two nights are published, and the second one reached every account that has the role.
    database = machine.clone / "warehouse" / "aws_org.duckdb"
    assert printed.count(f"Published {database}") == 2
    assert machine.run(".venv/bin/cmdb status").startswith("✓")
    assert machine.simulator is not None
    accounts = {account["account_id"]: account for account in machine.simulator.truth("listings")["accounts"]}
    reached = query(database, "select account_id from org.account where has_profile")
    assert {account for (account,) in reached} >= {
        one for one, account in accounts.items() if account["kind"] == "workload" and account["state"] == "ACTIVE"
    }
    (instances,) = query(database, "select count(*) from cmdb.resource where resource_type = 'AWS::EC2::Instance'")
    assert instances[0] > 0


def test_every_block_of_the_page_is_of_a_kind_that_is_tried() -> None:
    kinds = [kind for kind, _ in blocks(PAGE)]
    assert set(kinds) == {"sh", "ini"}
    assert kinds.count("ini") == 2
    commands = "\n".join(text for kind, text in blocks(PAGE) if kind == "sh")
    for command in ("setup run", "cmdb policy", "cmdb init", "cmdb nightly", "cmdb profiles", "cmdb confirm"):
        assert command in commands
