"""Whole first nights of organisations of different sizes on the stub, and what a cell costs in each.

A cell is a question that a night puts to AWS: role, account, region and listing.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import certificate
from bench.side_by_side import MEGABYTE, NIGHT, Reading, Refused, Target, measure
from bench.stage import REPOSITORY, Stage, staged

COUNTED = """
    select
        (select count(*) from audit.coverage where outcome <> 'skipped') as cells,
        (select count(*) from cmdb.resource) as items
"""

COLUMNS = (
    "accounts × regions", "cells", "items", "requests", "wall", "CPU", "peak memory", "wall a cell", "CPU a cell",
    "memory a cell",
)  # fmt: skip


@dataclass(frozen=True)
class Night:
    """The first night of one size of organisation.

    Attributes:
        cells: questions that were put to AWS; what is skipped is none.
        items: configuration items that were published.
    """

    accounts: int
    regions: int
    cells: int
    items: int
    reading: Reading

    def a_cell(self, value: Callable[[Reading], float]) -> float:
        """What each cell took of it."""
        return value(self.reading) / self.cells


MEASURES: dict[str, Callable[[Reading], float]] = {
    "Wall": lambda reading: reading.ran.wall,
    "CPU": lambda reading: reading.ran.cpu,
    "Memory": lambda reading: reading.ran.peak,
}


def night(stage: Stage) -> Night:
    """Run one from nothing: Dagster, models, checks and publishing included.

    Raises:
        Refused: it was not published.
    """
    reading, _ = measure(NIGHT, stage)
    said = subprocess.run(
        [sys.executable, "-m", "pipelines.cli.main", "sql", COUNTED, "--json"],
        env=stage.environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    if said.returncode != 0:
        raise Refused(f"What was published could not be counted: {said.stderr}")
    (counted,) = json.loads(said.stdout)
    return Night(len(stage.accounts), len(stage.regions), counted["cells"], counted["items"], reading)


def nights(accounts: Sequence[int], regions: Sequence[str], latency: float) -> list[Night]:
    """One night of each size, one after the other; `latency` in seconds.

    Raises:
        Refused: one was not published.
    """
    found = []
    with tempfile.TemporaryDirectory(prefix="cmdb-nights-") as name:
        pair = certificate.make(Path(name))
        for count in accounts:
            with staged(Path(name, str(count)), pair, count, list(regions), latency) as stage:
                found.append(night(stage))
    return found


def report(found: Sequence[Night]) -> tuple[list[list[str]], list[Target]]:
    """The rows of the table, and what they are held to: a cell costs no more in the largest than in the smallest."""
    wall, cpu, memory = MEASURES.values()
    rows = [
        [
            f"{one.accounts:,} × {one.regions}", f"{one.cells:,}", f"{one.items:,}", f"{one.reading.requests:,}",
            f"{wall(one.reading):.1f} s", f"{cpu(one.reading):.1f} s", f"{memory(one.reading) / MEGABYTE:.0f} MB",
            f"{one.a_cell(wall) * 1000:.1f} ms", f"{one.a_cell(cpu) * 1000:.1f} ms",
            f"{one.a_cell(memory) / 1024:.0f} KB",
        ]
        for one in found
    ]  # fmt: skip
    first, last = found[0], found[-1]
    held = [
        Target(
            f"{name} a cell of a whole night, {last.accounts:,} against {first.accounts:,} accounts",
            last.a_cell(value) / first.a_cell(value),
            1,
            at_least=False,
        )
        for name, value in MEASURES.items()
    ]
    return rows, held if len(found) > 1 else []
