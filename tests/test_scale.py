"""The whole pipeline, as a process of its own, on more accounts than it would if each cost memory."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from nights import REPOSITORY, query

from simulator.client import is_foreign

if TYPE_CHECKING:
    from conftest import MakeOrganisation

ACCOUNTS = 60
REGIONS = ("ap-southeast-2", "eu-north-1", "us-east-1")
INSTANCES = 8
"""For each account and region: two pages of five."""

MEGABYTE = 1024 * 1024


@dataclass(frozen=True)
class Ran:
    """A night as a child process: how it ended, what it said, how much memory it held at most, how long it took."""

    code: int
    said: str
    peak: int
    seconds: float


def resident(process: psutil.Process) -> tuple[int, int]:
    """Bytes that a process holds in memory now, alone and with all its children."""
    alone = process.memory_info().rss
    held = alone
    for child in process.children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            held += child.memory_info().rss
    return alone, held


def most(readings: list[tuple[int, int]]) -> int:
    """The most that was held: children count once they were there for three readings.

    Between fork and exec a child that is being started is a copy of its parent on paper, and shares every page.
    """
    lasting = [min(held for _, held in readings[i : i + 3]) for i in range(len(readings) - 2)]
    return max([alone for alone, _ in readings] + lasting, default=0)


def run(environment: dict[str, str], *arguments: str) -> Ran:
    """`cmdb` with its memory watched every twentieth of a second."""
    began = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", *arguments],
        cwd=REPOSITORY,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    readings: list[tuple[int, int]] = []
    ended = threading.Event()

    def watch() -> None:
        try:
            process = psutil.Process(child.pid)
            while not ended.wait(0.05):
                readings.append(resident(process))
        except psutil.NoSuchProcess:
            return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        said, _ = child.communicate(timeout=240)
    finally:
        ended.set()
        watcher.join()
        child.kill()
    return Ran(child.returncode, said, most(readings), time.monotonic() - began)


def test_a_child_counts_when_it_lasts_and_not_while_it_is_a_copy_of_its_parent_on_paper() -> None:
    assert most([(5, 5), (5, 10), (5, 5), (6, 6)]) == 6
    assert most([(5, 5), (5, 9), (5, 10), (5, 9), (5, 5)]) == 9


@pytest.mark.timeout(300)
def test_sixty_accounts_are_collected_whole_in_little_memory_and_the_run_says_what_it_asked(
    make_organisation: MakeOrganisation, tmp_path: Path
) -> None:
    organisation = make_organisation(accounts=ACCOUNTS, regions=REGIONS, resources=INSTANCES)
    database = tmp_path / "warehouse" / "cmdb.duckdb"
    database.parent.mkdir()
    ours = {name: value for name, value in os.environ.items() if not is_foreign(name)}
    night = run(
        ours
        | organisation.env
        | {
            "CMDB_DATABASE": str(database),
            "CMDB_COST_MONTHS": "1",
            "DAGSTER_HOME": str(tmp_path / "dagster"),
            "NO_COLOR": "1",
        },
        "nightly",
    )
    assert night.code == 0, night.said

    # Whole: every instance once, by owner, region and id; and of as many accounts and regions as there are.
    truth = organisation.truth()
    there = sorted(places(truth))
    assert len(there) > ACCOUNTS * len(REGIONS) * INSTANCES / 2
    found = query(database, "select account_id, region, instance_id from aws.ec2_instance order by all")
    assert found == there
    items = "select account_id, region, resource_id from cmdb.resource where resource_type = $type order by all"
    assert query(database, items, {"type": "AWS::EC2::Instance"}) == there
    assert query(database, "select count(*) from aws.ec2_instance where is_stale") == [(0,)]

    # What it asked is on the terminal, in the table, and is what AWS was asked.
    (counted,) = query(database, "select request_count from audit.run")
    # An SSO token becomes credentials by a request that nobody signs, in no session of ours.
    asked = len([call for call in organisation.log() if call["service"] != "sso"])
    assert counted[0] == asked
    assert f"{asked:,}" in next(line for line in night.said.splitlines() if line.strip().startswith("requests"))
    # Each of the two roles that ask says a line of its own.
    progress = dict(re.findall(r"ec2_instance: ([\d,]+) of \1 cells, ([\d,]+) records", night.said))
    assert sum(int(records.replace(",", "")) for records in progress.values()) == len(there), night.said

    print(json.dumps({"seconds": round(night.seconds, 1), "megabytes": night.peak // MEGABYTE, "requests": asked}))
    assert night.peak < 400 * MEGABYTE


def places(truth: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Owner, region and id of every instance that a workload profile or the operations account's own can see."""
    asked = {*truth["reachable"], truth["central"]["operations"]}
    return [
        (instance["account_id"], instance["region"], instance["instance_id"])
        for instance in truth["instances"]
        if instance["account_id"] in asked
    ]
