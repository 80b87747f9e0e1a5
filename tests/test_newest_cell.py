"""`audit.coverage` tells from `audit.newest_cell` what a look at all nights would, whatever has happened to them."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from given import blank_file, migrations_before

from pipelines.cli.accept import accept_zero
from pipelines.cli.command import InvalidRequest
from pipelines.publishing import retention
from resources.audit.cells import Cell, cell_line, load_cells, renew_coverage
from resources.audit.runs import record_run
from resources.aws.messages import Outcome
from resources.store.migrations import MIGRATIONS
from resources.store.store import Store

if TYPE_CHECKING:
    import duckdb

BEGAN = datetime(2026, 10, 1, 14, 30, tzinfo=UTC)

OUTCOMES: tuple[Outcome, ...] = (
    "found", "found", "empty_verified", "empty_unconfirmed", "empty_unconfirmed", "empty_suspect", "empty_suspect",
    "denied", "wrong_account", "failed", "skipped",
)  # fmt: skip

PLACES = [(account, region) for account in ("000000000001", "000000000002") for region in ("eu-west-1", "us-east-1")]

LISTINGS = ("ec2_vpc", "ec2_volume", "s3_bucket_tag:one", "s3_bucket_tag:two")

NEWEST = "0015_newest_cell.sql"


def by_all_nights() -> str:
    """The query that `audit.coverage` was before: a group over every cell that was ever written.

    It knows an outcome and a time less than today's: they are put in.
    """
    text = (MIGRATIONS / "0012_coverage_in_every_version.sql").read_text(encoding="utf-8")
    _, _, query = text.partition("create or replace view audit.coverage as")
    query = query.partition("comment on view")[0].rstrip().removesuffix(";")
    for old, new in (
        ("outcome = 'empty_suspect'", "outcome in ('empty_suspect', 'empty_unconfirmed')"),
        ("'ended_at': ended_at", "'ended_at': ended_at, 'confirmed_at': confirmed_at"),
        ("s.newest.ended_at,", "s.newest.ended_at, s.newest.confirmed_at,"),
        ("'zero_sense': zero_sense", "'empty_policy': empty_policy"),
        ("s.newest.zero_sense", "s.newest.empty_policy"),
    ):
        assert old in query
        query = query.replace(old, new)
    return query


BY_ALL_NIGHTS = by_all_nights()


def covered(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    """What a query says of every cell, in one order."""
    # A warehouse of before has no time of a confirmation.
    return connection.execute(
        "select columns(lambda c: c not in ('confirmed_at', 'is_known', 'known_at', 'zero_sense')) "
        f"from ({query}) order by role, account_id, region, listing"
    ).fetchall()


def same(store: Store) -> list[tuple[Any, ...]]:
    """What stands in `audit.coverage`, which is what all nights say."""
    with store.read() as connection:
        found = covered(connection, "select * from audit.coverage")
        assert found == covered(connection, BY_ALL_NIGHTS)
    return found


def warehouse(folder: Path) -> Store:
    """One with nothing in it: to have it made takes longer than most tests."""
    store = Store(folder / "cmdb.duckdb")
    store.working.write_bytes(blank_file())
    return store


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
            empty_policy="witnessed",
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
        path.write_text("".join(json.dumps(cell_line(cell)) + "\n" for cell in cells), encoding="utf-8")
        run = f"run-{self.run:03}"
        with self.store.holding(run, "a night"), suppress(InterruptedError), self.store.transaction() as connection:
            record_run(connection, run, "test")
            load_cells(connection, [path])
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
        except InvalidRequest:
            self.a_night()

    def what_is_old_is_forgotten(self) -> None:
        before = same(self.store)
        with self.store.holding("prune", "test"):
            retention.prune(self.store)
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
    monkeypatch.setattr(retention, "RUNS_KEPT", 3)
    nights = Nights(warehouse(folder), folder, seed)
    nights.go_on(times)
    return nights


@pytest.mark.parametrize("seed", range(2))
def test_the_newest_cells_are_those_of_all_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    live(tmp_path, seed, 14, monkeypatch)


@pytest.mark.large
@pytest.mark.parametrize("seed", range(100, 140))
def test_the_newest_cells_are_those_of_many_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    live(tmp_path, seed, 40, monkeypatch)


def older(store: Store, folder: Path) -> Store:
    """A warehouse of before there was a table of newest cells, with the cells of this one."""
    with store.read() as connection:
        written = connection.execute("select * exclude (confirmed_at) from audit.collection").fetchall()
    found = Store(folder / "older" / "cmdb.duckdb", migrations_before(NEWEST, folder))
    with found.holding("older", "test"), found.transaction() as connection:
        marks = ", ".join("?" for _ in written[0])
        connection.executemany(f"insert into audit.collection values ({marks})", written)
    return found


def migrated(store: Store, folder: Path) -> None:
    """What `audit.coverage` says of the same cells in an older warehouse stays so when that one is migrated.

    An older one knows no zero that waits.
    """
    with store.holding("older-outcomes", "test"), store.transaction() as connection:
        connection.execute("update audit.collection set outcome = 'empty_suspect' where outcome = 'empty_unconfirmed'")
        renew_coverage(connection)
    before = older(store, folder)
    with before.read() as connection:
        shown = covered(connection, "select * rename (zero_sense as empty_policy) from audit.coverage")
    newer = Store(before.database)
    with newer.holding("newer", "test"):
        assert same(newer) == shown == same(store)
    with newer.read() as new, store.read() as kept:
        query = "select * from audit.newest_cell order by rowid"
        rows = new.execute(query).fetchall()
        assert sorted(rows, key=repr) == sorted(kept.execute(query).fetchall(), key=repr)
        keys = [(listing, role, account, region) for role, account, region, listing, *_ in rows]
        assert keys == sorted(keys)


def test_what_is_there_is_reported_when_the_table_is_new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrated(live(tmp_path, 7, 10, monkeypatch).store, tmp_path)


def test_an_empty_policy_has_its_old_name_beside_it_for_one_version(tmp_path: Path) -> None:
    """Cells of the release before the new name, and one that a run of today adds."""
    policies = ("impossible", "ordinary", "witnessed", None)
    before = Store(tmp_path / "cmdb.duckdb", migrations_before("0025", tmp_path))
    with before.holding("before", "test"), before.transaction() as connection:
        for number, policy in enumerate(policies):
            connection.execute(
                """
                insert into audit.collection by name
                select
                    'before' as run_id, 'workload' as role, '000000000001' as account_id, 'eu-west-1' as region,
                    'listing_' || $number as listing, 'empty_suspect' as outcome, false as is_trusted,
                    0 as record_count, $policy as zero_sense, $at as ended_at
                """,
                {"number": number, "policy": policy, "at": BEGAN},
            )
        connection.execute(
            """
            insert into audit.newest_cell by name
            select
                role, account_id, region, listing,
                {
                    'ended_at': ended_at, 'run_id': run_id, 'profile': profile, 'outcome': outcome,
                    'is_trusted': is_trusted, 'record_count': record_count, 'skip_reason': skip_reason,
                    'error_code': error_code, 'error_message': error_message, 'zero_sense': zero_sense,
                    'attempt_count': attempt_count, 'confirmed_at': confirmed_at
                } as newest,
                ended_at as suspected_at
            from audit.collection
            """
        )
    now = Store(before.database)
    cell = Nights(now, tmp_path, 1).cell("000000000002", "eu-west-1", "ec2_vpc")
    landed = tmp_path / "cells.ndjson"
    landed.write_text(json.dumps(cell_line(replace(cell, run_id="now", empty_policy="ordinary"))), encoding="utf-8")
    with now.holding("now", "test"), now.transaction() as connection:
        load_cells(connection, [landed])
        shown = "select empty_policy, zero_sense from audit.coverage order by account_id, listing"
        assert connection.execute(shown).fetchall() == [(policy, policy) for policy in (*policies, "ordinary")]
        renew_coverage(connection)
        assert connection.execute(shown).fetchall() == [(policy, policy) for policy in (*policies, "ordinary")]
        kept = connection.execute("select empty_policy from audit.collection order by account_id, listing").fetchall()
        assert kept == [(policy,) for policy in (*policies, "ordinary")]
        ((comment,),) = connection.execute(
            "select comment from duckdb_columns() where table_name = 'coverage' and column_name = 'zero_sense'"
        ).fetchall()
        assert comment.startswith("Deprecated")


def test_what_somebody_changes_by_hand_shows_when_it_is_reported_anew(
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
            renew_coverage(connection)
        assert {row[2] for row in same(store)} == {"eu-west-1"}


class OneCell(Nights):
    """Nights that ask one question, each with an answer that is wanted."""

    def __init__(self, folder: Path) -> None:
        super().__init__(warehouse(folder), folder, 0)
        self.place = (*PLACES[0], "ec2_vpc")

    def night(self, outcome: Outcome, **other: Any) -> None:
        self.run += 1
        self.at += timedelta(days=1)
        trusted = outcome in ("found", "empty_verified")
        answer = {"outcome": outcome, "is_trusted": trusted, "record_count": 3 if outcome == "found" else 0}
        self.write([replace(self.cell(*self.place), **answer | other)])

    def accept(self, who: str) -> None:
        accept_zero(self.store, *self.place, "It moved.", who)

    def told(self, columns: str) -> tuple[Any, ...]:
        """What the one row of `audit.coverage` says, which is what all nights say."""
        same(self.store)
        with self.store.read() as connection:
            (row,) = connection.execute(f"select {columns} from audit.coverage").fetchall()
        return row


def test_an_acceptance_that_ended_stays_ended_when_what_ended_it_is_old(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "RUNS_KEPT", 2)
    nights = OneCell(tmp_path)
    nights.night("empty_suspect")
    nights.accept("kim")
    nights.night("found")
    for _ in range(5):
        nights.night("empty_verified")
    nights.night("empty_suspect")
    with nights.store.holding("prune", "test"):
        assert retention.prune(nights.store)["cells_removed"] > 0
        with nights.store.transaction() as connection:
            renew_coverage(connection)
        with nights.store.read() as connection:
            told = connection.execute("select is_trusted, accepted_by from audit.coverage").fetchall()
    assert told == [(False, None)]


def test_the_last_find_ends_an_acceptance_and_a_later_one_begins_another(tmp_path: Path) -> None:
    nights = OneCell(tmp_path)
    for who in ("kim", "lee"):
        nights.night("found")
        nights.night("empty_suspect")
        assert nights.told("is_trusted, accepted_by") == (False, None)
        nights.accept(who)
        nights.night("empty_suspect")
        assert nights.told("is_trusted, accepted_by, last_trusted_at = ended_at") == (True, who, True)
    migrated(nights.store, tmp_path)


def test_records_are_compared_with_those_of_the_last_trusted_response_that_was_counted(tmp_path: Path) -> None:
    nights = OneCell(tmp_path)
    for count in (5, 6, None, 8):
        nights.night("found", record_count=count)
    assert nights.told("record_count, previous_record_count") == (8, 6)
    nights.night("denied", record_count=None)
    assert nights.told("record_count, previous_record_count") == (None, 8)
    with nights.store.read() as connection:
        kept = connection.execute("select [t.record_count for t in trusted] from audit.newest_cell").fetchall()
    assert kept == [([8, 6],)]
    migrated(nights.store, tmp_path)


def test_what_two_roles_are_reported_of_the_same_question_are_two_cells(tmp_path: Path) -> None:
    nights = OneCell(tmp_path)
    nights.night("found", role="operations")
    nights.night("denied")
    nights.write([replace(nights.cell(*nights.place), outcome="failed", is_trusted=False)])
    assert [(row[0], row[5]) for row in same(nights.store)] == [("operations", "found"), ("workload", "failed")]
    migrated(nights.store, tmp_path)


def test_cells_lie_by_listing_and_place_in_whatever_order_they_were_answered(tmp_path: Path) -> None:
    nights = Nights(warehouse(tmp_path), tmp_path, 0)
    cells = [replace(cell, role=role) for role in ("workload", "operations") for cell in nights.cells(LISTINGS)]
    nights.chance.shuffle(cells)
    nights.write(cells)
    with nights.store.read() as connection:
        lying = connection.execute(
            "select listing, role, account_id, region from audit.newest_cell order by rowid"
        ).fetchall()
    assert len(lying) == len(cells)
    assert lying == sorted(lying)
    migrated(nights.store, tmp_path)


def test_only_the_listing_that_is_named_is_reported_anew(tmp_path: Path) -> None:
    nights = Nights(warehouse(tmp_path), tmp_path, 0)
    nights.write(nights.cells(["ec2_vpc", "ec2_volume"]))

    def told(listing: str) -> list[tuple[Any, ...]]:
        with nights.store.read() as connection:
            return connection.execute(
                "select account_id, region, run_id from audit.coverage where listing = $listing order by all",
                {"listing": listing},
            ).fetchall()

    before = told("ec2_volume")
    with nights.store.holding("hand", "test"), nights.store.transaction() as connection:
        connection.execute("update audit.collection set run_id = 'another'")
        connection.execute("update audit.collection set account_id = '999999999999' where region = 'us-east-1'")
        renew_coverage(connection, "ec2_vpc")
    assert told("ec2_vpc") == [
        *(("000000000001", "eu-west-1", "another"), ("000000000002", "eu-west-1", "another")),
        *[("999999999999", "us-east-1", "another")],
    ]
    assert told("ec2_volume") == before


@pytest.mark.parametrize(
    ("outcomes", "known_since"),
    [
        (["found"], 0),
        (["found", "empty_verified"], 1),
        (["empty_verified", "empty_unconfirmed"], 0),
        (["empty_verified", "empty_unconfirmed", "empty_unconfirmed"], 0),
        (["found", "empty_unconfirmed"], None),
        (["found", "empty_verified", "empty_unconfirmed"], 1),
        (["empty_verified", "found", "empty_unconfirmed"], None),
        (["empty_unconfirmed"], None),
        (["empty_verified", "empty_suspect"], None),
        (["empty_verified", "denied"], None),
        (["empty_verified", "failed"], None),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_a_zero_that_waits_is_known_where_the_trusted_response_before_it_was_empty(
    tmp_path: Path, outcomes: list[Outcome], known_since: int | None
) -> None:
    """Of a place that was trusted to be empty, the newest zero alone is in doubt; it is known as of the older one."""
    nights = OneCell(tmp_path)
    ended = []
    for outcome in outcomes:
        nights.night(outcome, error_code=None)
        ended += nights.told("ended_at")
    known_at = None if known_since is None else ended[known_since]
    assert nights.told("is_known, known_at") == (known_at is not None, known_at)


def test_a_zero_whose_confirmation_failed_is_not_known(tmp_path: Path) -> None:
    nights = OneCell(tmp_path)
    nights.night("empty_verified")
    nights.night("empty_unconfirmed", error_code="ThrottlingException")
    assert nights.told("is_known, known_at") == (False, None)


def test_an_accepted_zero_that_waits_is_known_as_of_itself(tmp_path: Path) -> None:
    nights = OneCell(tmp_path)
    nights.night("found")
    nights.night("empty_unconfirmed")
    nights.accept("kim")
    assert nights.told("is_trusted, is_known, known_at = ended_at") == (True, True, True)


@pytest.mark.parametrize(
    ("outcome", "recorded", "is_accepted"),
    [
        ("empty_suspect", timedelta(seconds=1), False),
        ("empty_suspect", timedelta(0), True),
        ("empty_suspect", timedelta(seconds=-1), True),
        ("empty_unconfirmed", timedelta(seconds=1), True),
    ],
)
def test_an_acceptance_ends_with_the_refusal_that_cloudtrail_records_after_it(
    tmp_path: Path, outcome: Outcome, recorded: timedelta, is_accepted: bool
) -> None:
    """`confirmed_at` of a suspect zero is when CloudTrail's refusal was seen; of another it says nothing against it."""
    nights = OneCell(tmp_path)
    nights.night("empty_unconfirmed")
    nights.accept("kim")
    nights.night(outcome)
    with nights.store.holding("confirm", "test"), nights.store.transaction() as connection:
        connection.execute(
            """
            update audit.collection set confirmed_at = (select max(accepted_at) from audit.collection) + $recorded
            where run_id = 'run-002'
            """,
            {"recorded": recorded},
        )
        renew_coverage(connection)
        told = connection.execute("select is_trusted, accepted_by from audit.coverage").fetchall()
    assert told == [(is_accepted, "kim" if is_accepted else None)]


def test_an_acceptance_of_the_very_time_of_a_find_does_not_hold(tmp_path: Path) -> None:
    nights = OneCell(tmp_path)
    nights.night("empty_suspect", ended_at=BEGAN)
    nights.accept("kim")
    nights.night("found", ended_at=BEGAN)
    nights.night("empty_suspect")
    assert nights.told("is_trusted, accepted_by") == (False, None)
