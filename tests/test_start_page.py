"""The UI of Dagster as `cmdb` starts it and fills it: its start page, and how it ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from pipelines.definitions import NIGHTLY, execute, job_of
from tests.nights import dagster_home, environment_of
from tests.screenshots import served

REPOSITORY = Path(__file__).resolve().parent.parent

RUNS_BY_JOB = (
    "{ repositoriesOrError { ... on RepositoryConnection { nodes { jobs { name runs(limit: 9) { runId } } } } } }"
)


def asked(url: str, query: str) -> Any:
    """The data that the webserver returns for a query."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=600)
    connection.request("POST", "/graphql", json.dumps({"query": query}), headers={"Content-Type": "application/json"})
    data = json.load(connection.getresponse())["data"]
    connection.close()
    return data


@pytest.mark.large
def test_a_run_of_the_command_line_is_listed_with_its_job(tmp_path: Path) -> None:
    # Without profiles the pre-flight refuses; Dagster keeps such a run as any other.
    environment = {"DAGSTER_HOME": str(dagster_home()), "CMDB_DATABASE": str(tmp_path / "cmdb.duckdb")}
    with environment_of(environment):
        run_id = execute(job_of(os.environ, NIGHTLY), {}).run_id
    with served(environment) as url:
        (repository,) = asked(url, RUNS_BY_JOB)["repositoriesOrError"]["nodes"]
    listed = {job["name"]: [run["runId"] for run in job["runs"]] for job in repository["jobs"]}
    assert run_id in listed[NIGHTLY]
    assert run_id not in listed["confirm"]


def is_open(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.large
@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_nothing_of_the_ui_is_left_when_it_is_ended(ended_by: signal.Signals, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        "HOME": str(tmp_path),
        "PATH": os.environ["PATH"],
        "DAGSTER_HOME": str(tmp_path / "dagster"),
        "CMDB_SETTINGS": os.devnull,
        "CMDB_PORT": str(port),
    }
    with subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli.main", "dev"], cwd=REPOSITORY, env=environment, stderr=subprocess.DEVNULL
    ) as command:
        try:
            deadline = time.monotonic() + 240
            while not is_open(port):
                assert command.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.5)
            started = psutil.Process(command.pid).children(recursive=True)
            # dg, dagster, webserver, daemon, code server, simulator
            assert len(started) >= 5
            command.send_signal(ended_by)
            command.wait()
            gone, left = psutil.wait_procs(started)
        finally:
            command.kill()
    assert [process.cmdline() for process in left] == []
    assert not is_open(port)
    assert len(gone) == len(started)
