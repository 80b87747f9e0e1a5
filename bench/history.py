"""What the questions of a night cost when many nights lie behind it: `python -m bench.scale --parts history`.

Cells of fourteen listings, loaded night after night as a step loads them; then a process of its own asks of the working
file what gates, models, collection and publishing ask in every night.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bench import tree
from bench.canned import workload_accounts
from bench.side_by_side import MEGABYTE, Target
from pipelines.catalogue.registry import listings
from pipelines.collection import previous
from pipelines.collection.completeness import LOADED_AT_ONCE
from pipelines.collection.storing import LOADING_MEMORY
from pipelines.models.build import trusted_cells
from pipelines.publishing.retention import prune
from pipelines.settings import PART_CELLS, Settings
from pipelines.trust.gate import listing_checks
from resources.audit.cells import Cell, cell_line, load_cells
from resources.audit.coverage import Accounts, standing
from resources.store.store import Store

REGIONS = 17
FIRST_NIGHT = datetime(2026, 10, 1, 14, 30, tzinfo=UTC)
ROUNDS = 3
NAMES = sorted(name for name, listing in listings().items() if "workload" in listing.roles and listing.each is None)[
    :14
]
COLUMNS = ("question", "night 1, CPU", "night {nights}, CPU", "ratio")


def night_of_cells(cells: int) -> dict[str, list[Cell]]:
    """One night's cells by listing: most found something, a third was empty, some were refused."""
    made: dict[str, list[Cell]] = {name: [] for name in NAMES}
    accounts = workload_accounts(-(-cells // (REGIONS * len(NAMES))))
    places = [(account, f"region-{number:02}") for account in accounts for number in range(REGIONS)]
    for place, (account, region) in enumerate(places):
        for name in NAMES:
            number = place + len(made[name]) * 7
            outcome: Any = "denied" if number % 200 == 0 else "empty_verified" if number % 3 == 0 else "found"
            is_empty = outcome == "empty_verified"
            at = FIRST_NIGHT + timedelta(milliseconds=place)
            made[name].append(
                Cell(
                    run_id="night-000", role="workload", account_id=account, region=region, listing=name,
                    outcome=outcome, is_trusted=outcome != "denied", empty_policy="witnessed",
                    started_at=at, ended_at=at, profile=f"acme-{account}", caller_account_id=account,
                    record_count=number % 50 + 1 if outcome == "found" else 0, page_count=1, request_count=1,
                    evidence={"caller_account_id": account, "pages": 1, "confirmed": False} if is_empty else None,
                    raw_response=json.dumps({"ResponseMetadata": {"RequestId": f"{place:032x}"}}) if is_empty else None,
                )
            )  # fmt: skip
    return made


@dataclass(frozen=True)
class Asked:
    """What the questions of a night took after so many nights.

    Attributes:
        cpu: seconds by question, the least of the rounds.
        peak: bytes of the process that asked.
    """

    nights: int
    cpu: dict[str, float]
    peak: int
    file: int


def least(work: Callable[[], object]) -> float:
    """Seconds of CPU, the least of some rounds."""
    took = []
    for _ in range(ROUNDS):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return min(took)


def ask(store: Store) -> dict[str, float]:
    """Put the questions to a working file; seconds of CPU by question."""

    def reading(work: Callable[[Any], object]) -> Callable[[], None]:
        def read() -> None:
            with store.read() as connection:
                work(connection)

        return read

    settings = Settings()
    known = [listings()[name] for name in NAMES]
    part = Accounts(before=workload_accounts(max(1, PART_CELLS // (REGIONS * len(NAMES))))[-1])
    return {
        "a gate of one listing": least(reading(lambda c: listing_checks(c, NAMES[:1], settings))),
        "a gate of all listings": least(reading(lambda c: listing_checks(c, NAMES, settings))),
        "publishing: how old the answers are": least(reading(lambda c: standing(c, NAMES))),
        "a model: the cells whose rows it holds": least(reading(lambda c: trusted_cells(c, NAMES[:1]))),
        "collection: what is known of a part": least(lambda: previous.earlier_cells(store, known, part)),
        "collection: which accounts were asked": least(lambda: previous.requested_accounts(store, known)),
    }


@contextmanager
def nights_of(cells: int, folder: Path) -> Iterator[Callable[[Store, int], float]]:
    """Loads a night into a store, by its number; gives back seconds of CPU."""
    texts = {
        name: "".join(json.dumps(cell_line(cell)) + "\n" for cell in made)
        for name, made in night_of_cells(cells).items()
    }
    path = folder / "cells.ndjson"
    longest = max(len(line) for text in texts.values() for line in text.splitlines())

    def load(store: Store, night: int) -> float:
        day = f"{FIRST_NIGHT + timedelta(days=night):%Y-%m-%d}"
        took = 0.0
        for text in texts.values():
            written = text.replace("night-000", f"night-{night:03}").replace(f"{FIRST_NIGHT:%Y-%m-%d}", day)
            path.write_text(written, encoding="utf-8")
            began = time.process_time()
            memory = LOADING_MEMORY + 8 * longest if len(written) > LOADED_AT_ONCE else None
            with store.transaction(memory) as connection:
                load_cells(connection, [path], longest)
            took += time.process_time() - began
        return took

    yield load
    path.unlink(missing_ok=True)


def history(cells: int, nights: int, say: Callable[[str], None]) -> tuple[list[Asked], int]:
    """Load night after night, and ask after the first and after the last.

    Raises:
        RuntimeError: the process that asks failed.
    """
    found = []
    with tempfile.TemporaryDirectory(prefix="cmdb-history-") as name:
        folder = Path(name)
        store = Store(folder / "aws_org.duckdb")
        with store.holding("bench", "bench"), nights_of(cells, folder) as load:
            for night in range(nights):
                loading = load(store, night)
                if night not in (0, nights - 1):
                    continue
                ran = tree.run([sys.executable, "-m", "bench.history", str(store.database)], os.environ, folder)
                if ran.code:
                    raise RuntimeError(f"the questions of night {night + 1} failed: {ran.complained[-1500:]}")
                cpu = {"loading the cells": loading, **json.loads(ran.said)}
                began = time.process_time()
                prune(store)
                cpu["publishing: what is old is forgotten"] = time.process_time() - began
                found.append(Asked(night + 1, cpu, ran.peak, store.working.stat().st_size))
                say(f"history, night {night + 1}: {sum(cpu.values()):.2f} s CPU, {ran.peak / MEGABYTE:.0f} MB")
    return found, sum(map(len, night_of_cells(cells).values()))


def report(found: Sequence[Asked], cells: int) -> tuple[tuple[str, ...], list[list[str]], list[Target]]:
    """Columns and rows of the table, and what it is held to."""
    first, last = found[0], found[-1]
    rows = [
        [name, f"{took:.2f} s", f"{last.cpu[name]:.2f} s", f"{last.cpu[name] / max(took, 0.001):.1f}"]
        for name, took in first.cpu.items()
    ]
    for name, one, other in (
        ("most memory of the process that asked", first.peak, last.peak),
        ("working file", first.file, last.file),
    ):
        rows.append([name, f"{one / MEGABYTE:.0f} MB", f"{other / MEGABYTE:.0f} MB", f"{other / one:.1f}"])
    gate = "a gate of all listings"
    held = [
        Target(
            f"CPU of {gate}, night {last.nights} against the first",
            last.cpu[gate] / first.cpu[gate],
            1.5,
            at_least=False,
        ),
        Target(
            f"memory of the questions, night {last.nights} against the first",
            last.peak / first.peak,
            1.25,
            at_least=False,
        ),
    ]
    # Fewer tell what a statement costs, not a cell.
    return tuple(column.format(nights=last.nights) for column in COLUMNS), rows, held if cells >= 10_000 else []


if __name__ == "__main__":
    print(json.dumps(ask(Store(Path(sys.argv[1])))))
