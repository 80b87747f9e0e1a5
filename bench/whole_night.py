"""Whole nights of organisations of different sizes on the stub, what a cell costs in each, and what each step took.

A cell is a question that a night has an answer to: role, account, region and listing. A first night requests all of
them; a later one, on the next day, those that are due. The last night has the machine's clock, those before it have
one that is days behind (`bench/clock`).
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench import certificate, steps, tree
from bench.side_by_side import MEGABYTE, NIGHT, Reading, Refused, Target, measure
from bench.stage import REPOSITORY, Stage, staged
from bench.steps import Step

COUNTED = """
    select
        (select count(*) from audit.coverage where outcome <> 'skipped') as cells,
        (
            select count(*) from audit.collection
            where outcome <> 'skipped' and run_id = (select max_by(run_id, started_at) from audit.run)
        ) as requested,
        (select count(*) from cmdb.resource) as items
"""

LARGEST = 2000, 17
"""Accounts and regions for which a usual night has targets of its own."""

LARGEST_SECONDS, LARGEST_MEMORY = 1800.0, 1000.0
"""Targets of that night: seconds of wall, MB of the whole tree."""

LONGEST = 4 * 3600.0
"""Seconds after which a night is given up."""

COLUMNS = (
    "accounts × regions", "night", "cells", "requested", "items", "requests", "wall", "CPU", "peak memory", "disk",
    "wall a cell", "CPU a cell", "memory a cell",
)  # fmt: skip


@dataclass(frozen=True)
class Night:
    """One night of one size of organisation.

    Attributes:
        number: 1 for the first one.
        cells: questions that have an answer; what is skipped is none. `requested` those of this night.
        items: configuration items that were published.
        disk: bytes of the warehouse at its end.
        steps: what each step took.
    """

    accounts: int
    regions: int
    number: int
    cells: int
    requested: int
    items: int
    disk: int
    reading: Reading
    steps: Sequence[Step] = ()

    def a_cell(self, value: Callable[[Reading], float]) -> float:
        """What each cell took of it."""
        return value(self.reading) / self.cells


MEASURES: dict[str, Callable[[Reading], float]] = {
    "Wall": lambda reading: reading.ran.wall,
    "CPU": lambda reading: reading.ran.cpu,
    "Memory": lambda reading: reading.ran.peak,
}


def night(stage: Stage, number: int = 1, count: int = 1) -> Night:
    """Run one of `count`, the first from nothing: Dagster, models, checks and publishing included.

    Raises:
        Refused: it was not published.
        TimeoutError: it took longer than four hours.
    """
    behind = count - number
    clock = stage.set_back(behind)
    warehouse = stage.folder / "warehouse"
    peer = replace(NIGHT, environment={**NIGHT.environment, **clock})
    reading, _ = measure(peer, stage, LONGEST, is_first=number == 1, watched=warehouse)
    said = subprocess.run(
        [sys.executable, "-m", "pipelines.cli.main", "sql", COUNTED, "--json"],
        env=stage.environment, cwd=REPOSITORY, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    if said.returncode != 0:
        raise Refused(f"What was published could not be counted: {said.stderr}")
    (counted,) = json.loads(said.stdout)
    return Night(
        len(stage.accounts),
        len(stage.regions),
        number,
        counted["cells"],
        counted["requested"],
        counted["items"],
        tree.size_of(warehouse),
        reading,
        steps.steps(reading.ran.samples, steps.times(stage.environment), -behind * 86400),
    )


def nights(
    accounts: Sequence[int], regions: Sequence[str], latency: float, count: int = 1, processes: int = 1
) -> list[Night]:
    """So many nights of each size, one size after the other; `latency` in seconds, `processes` of each night.

    Raises:
        Refused: one was not published.
        TimeoutError: one took longer than four hours.
    """
    found = []
    with tempfile.TemporaryDirectory(prefix="cmdb-nights-") as name:
        pair = certificate.make(Path(name))
        for size in accounts:
            with staged(Path(name, str(size)), pair, size, list(regions), latency) as stage:
                stage.environment["CMDB_PROCESSES"] = str(processes)
                found += [night(stage, number, count) for number in range(1, count + 1)]
    return found


def report(found: Sequence[Night]) -> tuple[list[list[str]], list[Target]]:
    """The rows of the table, and what they are held to: a cell costs no more in the largest than in the smallest."""
    wall, cpu, memory = MEASURES.values()
    rows = [
        [
            f"{one.accounts:,} × {one.regions}", str(one.number), f"{one.cells:,}", f"{one.requested:,}",
            f"{one.items:,}", f"{one.reading.requests:,}", f"{wall(one.reading):.1f} s", f"{cpu(one.reading):.1f} s",
            f"{memory(one.reading) / MEGABYTE:.0f} MB", f"{one.disk / MEGABYTE:.0f} MB",
            f"{one.a_cell(wall) * 1000:.1f} ms", f"{one.a_cell(cpu) * 1000:.1f} ms",
            f"{one.a_cell(memory) / 1024:.0f} KB",
        ]
        for one in found
    ]  # fmt: skip
    held = []
    for first, last in _ends(found):
        held += [
            Target(
                f"{name} a cell of a whole night, {last.accounts:,} against {first.accounts:,} accounts{_which(last)}",
                last.a_cell(value) / first.a_cell(value),
                1,
                at_least=False,
            )
            for name, value in MEASURES.items()
        ]
    for one in found:
        if (one.accounts, one.regions) == LARGEST and one.number > 1:
            title = f"of night {one.number}, {one.accounts:,} × {one.regions}"
            held += [
                Target(f"s of wall {title}", wall(one.reading), LARGEST_SECONDS, at_least=False),
                Target(f"MB {title}", memory(one.reading) / MEGABYTE, LARGEST_MEMORY, at_least=False),
            ]
    return rows, held


def by_step(found: Sequence[Night]) -> list[tuple[str, list[list[str]], list[Target]]]:
    """For each night of the largest organisation its title, the rows of its steps and what they are held to."""
    tables = []
    for first, last in _ends(found):
        title = f"{last.accounts:,} × {last.regions} against {first.accounts:,}, night {last.number}"
        rows, held = steps.report(title, last.steps, last.cells, first.steps, first.cells)
        tables.append((title, rows, held))
    return tables


def _ends(found: Sequence[Night]) -> list[tuple[Night, Night]]:
    """The night of the smallest and that of the largest organisation, first nights, second nights and so on."""
    numbers = sorted({one.number for one in found})
    each = [[one for one in found if one.number == number] for number in numbers]
    return [(ones[0], ones[-1]) for ones in each if len(ones) > 1]


def _which(night: Night) -> str:
    return f", night {night.number}" if night.number > 1 else ""
