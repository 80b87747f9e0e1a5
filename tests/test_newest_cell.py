"""`audit.coverage` tells from `audit.newest_cell` what a look at all nights would, whatever has happened to them."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pipelines import publish
from pipelines.operator import NoSuchQuestion, accept_zero
from resources import evidence
from resources.answer import Outcome
from resources.evidence import Cell
from resources.warehouse import MIGRATIONS, Store

if TYPE_CHECKING:
    import duckdb

BEGAN = datetime(2026, 10, 1, 14, 30, tzinfo=UTC)

OUTCOMES: tuple[Outcome, ...] = (
    "found", "found", "empty_verified", "empty_suspect", "empty_suspect", "denied", "wrong_account", "failed",
    "skipped",
)  # fmt: skip

PLACES = [(account, region) for account in ("000000000001", "000000000002") for region in ("eu-west-1", "us-east-1")]

LISTINGS = ("ec2_vpc", "ec2_volume", "s3_bucket_tag:one", "s3_bucket_tag:two")

NEWEST = "0015_newest_cell.sql"


def by_all_nights() -> str:
    """The query that `audit.coverage` was before: a group over every cell that was ever written."""
    text = (MIGRATIONS / "0012_coverage_in_every_version.sql").read_text(encoding="utf-8")
    _, _, query = text.partition("create or replace view audit.coverage as")
    return query.partition("comment on view")[0].rstrip().removesuffix(";")


BY_ALL_NIGHTS = by_all_nights()


def covered(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    """What a query says of every cell, in one order."""
    return connection.execute(f"select * from ({query}) order by role, account_id, region, listing").fetchall()


def same(store: Store) -> list[tuple[Any, ...]]:
    """What stands in `audit.coverage`, which is what all nights say."""
    with store.read() as connection:
        found = covered(connection, "select * from audit.coverage")
        assert found == covered(connection, BY_ALL_NIGHTS)
    return found


class Nights:
    """Nights of a small organisation, each of what chance makes of it."""

    def __init__(self, store: Store, folder: Path, seed: int) -> None:
        self.store = store
        self.folder = folder
        self.chance = random.Random(seed)
        self.run = 0
        self.at = BEGAN

    def cells(self, listings: Iterable[str]) -> list[Cell]:
        """Answers of a run to these listings, each a moment after the one before."""
        return [self.cell(account, region, name) for name in listings for account, region in PLACES]

    def cell(self, account: str, region: str, listing: str) -> Cell:
        outcome = self.chance.choice(OUTCOMES)
        at = self.at + timedelta(seconds=self.chance.randrange(600))
        reasons = ("region_not_enabled", "not_offered", "no_longer_asked", "account_left", "no_profile")
        return Cell(
            run_id=f"run-{self.run:03}",
            role="workload",
            account_id=account,
            region=region,
            listing=listing,
            outcome=outcome,
            is_trusted=outcome in ("found", "empty_verified"),
            zero_sense="witnessed",
            started_at=at,
            ended_at=at,
            profile=self.chance.choice(["one", "two", None]),
            record_count=self.chance.randrange(1, 99) if outcome == "found" else 0,
            attempt_count=self.chance.randrange(3),
            error_code="AccessDenied" if outcome == "denied" else None,
            error_message="No." if outcome in ("denied", "failed") else None,
            skip_reason=self.chance.choice(reasons) if outcome == "skipped" else None,
        )

    def write(self, cells: Iterable[Cell], *, killed: bool = False) -> None:
        """Load cells as a step does; one that is killed before its end leaves nothing."""
        path = self.folder / "cells.ndjson"
        path.write_text("".join(json.dumps(evidence.cell_line(cell)) + "\n" for cell in cells), encoding="utf-8")
        run = f"run-{self.run:03}"
        with self.store.holding(run, "a night"), suppress(InterruptedError), self.store.transaction() as connection:
            evidence.record_run(connection, run, "test")
            evidence.load_cells(connection, [path])
            if killed:
                raise InterruptedError

    def asked(self) -> list[Cell]:
        """A new run, which asks some of the listings."""
        self.run += 1
        self.at += timedelta(days=1)
        return self.cells(self.chance.sample(LISTINGS, self.chance.randrange(1, len(LISTINGS) + 1)))

    # ---------------------------------------------------------------------------------- what may happen

    def a_night(self) -> None:
        self.write(self.asked())

    def a_night_that_leaves_some_out(self) -> None:
        cells = self.asked()
        self.write(self.chance.sample(cells, len(cells) // 2))

    def a_killed_step(self) -> None:
        before = same(self.store)
        self.write(self.asked(), killed=True)
        assert same(self.store) == before

    def a_step_twice_in_one_run(self) -> None:
        cells = self.asked()
        self.write(cells)
        again = self.chance.sample(cells, len(cells) // 2)
        self.write([self.cell(cell.account_id, cell.region, cell.listing) for cell in again])

    def an_answer_of_an_earlier_time(self) -> None:
        """As if the clock had been set back within a run, which nothing notices before the next one."""
        self.write([replace(cell, ended_at=cell.ended_at - timedelta(days=3, hours=1)) for cell in self.asked()])

    def somebody_accepts_a_zero(self) -> None:
        account, region = self.chance.choice(PLACES)
        try:
            accept_zero(self.store, account, region, self.chance.choice(LISTINGS), "It moved.", "kim")
        except NoSuchQuestion:
            self.a_night()

    def what_is_old_is_forgotten(self) -> None:
        before = same(self.store)
        with self.store.holding("prune", "test"):
            publish.prune(self.store)
        assert same(self.store) == before

    def go_on(self, times: int) -> None:
        """So many things happen, one after the other."""
        events: list[Callable[[], None]] = [
            self.a_night, self.a_night, self.a_night_that_leaves_some_out, self.a_killed_step,
            self.a_step_twice_in_one_run, self.an_answer_of_an_earlier_time, self.somebody_accepts_a_zero,
            self.somebody_accepts_a_zero, self.what_is_old_is_forgotten,
        ]  # fmt: skip
        self.a_night()
        for _ in range(times):
            self.chance.choice(events)()
            same(self.store)


def live(folder: Path, seed: int, times: int, monkeypatch: pytest.MonkeyPatch) -> Nights:
    monkeypatch.setattr(publish, "RUNS_KEPT", 3)
    nights = Nights(Store(folder / "cmdb.duckdb"), folder, seed)
    nights.go_on(times)
    return nights


@pytest.mark.parametrize("seed", range(2))
def test_the_newest_cells_are_those_of_all_nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    live(tmp_path, seed, 14, monkeypatch)


@pytest.mark.large
@pytest.mark.parametrize("seed", range(100, 140))
def test_the_newest_cells_are_those_of_many_nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    live(tmp_path, seed, 40, monkeypatch)


def test_what_is_there_is_told_when_the_table_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nights = live(tmp_path, 7, 10, monkeypatch)
    older = tmp_path / "migrations"
    shutil.copytree(MIGRATIONS, older, ignore=lambda _, names: [name for name in names if name >= NEWEST])
    with nights.store.read() as connection:
        written = connection.execute("select * from audit.collection").fetchall()
    store = Store(tmp_path / "older" / "cmdb.duckdb", older)
    with store.holding("older", "test"), store.transaction() as connection:
        marks = ", ".join("?" for _ in written[0])
        connection.executemany(f"insert into audit.collection values ({marks})", written)
        before = covered(connection, "select * from audit.coverage")
    newer = Store(store.database)
    with newer.holding("newer", "test"):
        assert same(newer) == before == same(nights.store)


def test_what_somebody_changes_by_hand_shows_when_it_is_told_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights = live(tmp_path, 3, 4, monkeypatch)
    store = nights.store
    with store.holding("hand", "test"):
        with store.transaction() as connection:
            connection.execute("update audit.collection set outcome = 'denied', is_trusted = false")
            connection.execute("delete from audit.collection where region = 'us-east-1'")
        with pytest.raises(AssertionError):
            same(store)
        with store.transaction() as connection:
            evidence.renew_coverage(connection)
        assert {row[2] for row in same(store)} == {"eu-west-1"}


def test_an_acceptance_that_ended_stays_ended_when_what_ended_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "RUNS_KEPT", 2)
    nights = Nights(Store(tmp_path / "cmdb.duckdb"), tmp_path, 0)
    place = (*PLACES[0], "ec2_vpc")

    def night(outcome: Outcome) -> None:
        nights.run += 1
        nights.at += timedelta(days=1)
        trusted = outcome in ("found", "empty_verified")
        nights.write([replace(nights.cell(*place), outcome=outcome, is_trusted=trusted)])

    night("empty_suspect")
    accept_zero(nights.store, *place, "It moved.", "kim")
    night("found")
    for _ in range(5):
        night("empty_verified")
    night("empty_suspect")
    with nights.store.holding("prune", "test"):
        assert publish.prune(nights.store)["cells_removed"] > 0
        with nights.store.transaction() as connection:
            evidence.renew_coverage(connection)
        with nights.store.read() as connection:
            told = connection.execute("select is_trusted, accepted_by from audit.coverage").fetchall()
    assert told == [(False, None)]
