"""The store alone, killed at seeded random moments: the next process goes on, and readers notice nothing."""

import functools
import json
import os
import random
import select
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest
from nights import DATABASE

from chaos.processes import apart, begin
from resources.store.process import PROCESS
from resources.store.store import Store

SEED = 20261125

KILLS = 200

PATIENCE = 120.0
"""Seconds in which a process has to look, and the first one to publish."""

ROWS = 2000

READERS = 4

PUBLISHES = 10


# ------------------------------------------------------------------------------------------------- the store


def _fill(store: Store, run_id: str, number: int) -> None:
    with store.transaction() as connection:
        connection.execute("create table if not exists stage.night (run_id varchar, number bigint, filler varchar)")
        connection.execute("create table if not exists stage.counter (number bigint)")
        connection.execute("delete from stage.night")
        connection.execute("insert into stage.night select ?, range, md5(range::varchar) from range(?)", [run_id, ROWS])
        connection.execute("delete from stage.counter")
        connection.execute("insert into stage.counter values (?)", [number])


def _whole(connection: duckdb.DuckDBPyConnection) -> str:
    found = connection.execute("select run_id, count(*) from stage.night group by run_id").fetchall()
    if len(found) != 1 or found[0][1] != ROWS:
        raise RuntimeError(f"a mixture: {found}")
    return str(found[0][0])


def _check_whole(connection: duckdb.DuckDBPyConnection) -> None:
    _whole(connection)


def _nights_for_ever(database: Path, number: int, tell: Callable[..., None]) -> None:
    """Small nights, one after the other; what has been committed and published is reported as soon as it is."""
    store = Store(database)
    PROCESS.fault_hook = lambda point: tell(at=point)
    while True:
        run_id = f"run-{number:06}"
        with store.holding(run_id, "nightly"):
            if store.working.exists():
                with store.read() as connection:
                    known = connection.execute(
                        "select 1 from duckdb_tables() where schema_name = 'stage' and table_name = 'counter'"
                    ).fetchall()
                    (counted,) = (
                        connection.execute("select max(number) from stage.counter").fetchall()[0] if known else (0,)
                    )
            else:
                counted = 0
            tell(found=counted)
            for _ in range(3):
                counted += 1
                tell(at="transaction")
                _fill(store, run_id, counted)
                tell(committed=counted)
            store.publish(run_id, _check_whole)
            tell(published=run_id)
        number += 1


@dataclass
class Reported:
    """What a process said before it was killed."""

    found: int | None = None
    committed: int = 0
    published: str = ""
    at: str = "start"


def _listen(reader: int, until: float, reported: Reported) -> None:
    """Take in what a process tells, until a time."""
    rest = b""
    while (left := until - time.monotonic()) > 0:
        if not select.select([reader], [], [], left)[0]:
            break
        data = os.read(reader, 65536)
        if not data:
            break
        rest = _take(rest + data, reported)


def _take(data: bytes, reported: Reported) -> bytes:
    *lines, rest = data.split(b"\n")
    for line in lines:
        for name, value in json.loads(line).items():
            # The first look is what the killed process before it left behind.
            if name != "found" or reported.found is None:
                setattr(reported, name, value)
    return rest


def random_kills(scratch: Path, count: int, seed: int) -> str:
    """Kill the store's small nights at random moments; what was acknowledged is there afterwards, as is said.

    The test is skipped where nothing was published or read, so that nothing was shown.
    """
    database = scratch / "store" / DATABASE
    database.parent.mkdir(parents=True)
    stop = scratch / "stop"
    reads = begin(functools.partial(_read_for_ever, database, stop), scratch)
    try:
        said = _killed_at_random(database, scratch, count, seed)
    finally:
        stop.touch()
    read = reads.result()
    if not read:
        pytest.skip(f"nothing was published that could be read: {said}")
    return f"{said} acknowledged, none lost; {read} reads meanwhile, none failed and none mixed."


def _killed_at_random(database: Path, scratch: Path, count: int, seed: int) -> str:
    chance = random.Random(seed)
    committed, published, number = 0, "", 0
    phases: Counter[str] = Counter()
    # The first is killed once it has published, the others within the seconds that it took: on a busy machine they
    # come to nothing within fixed ones, and nothing could be lost.
    longest = 0.0
    for done in range(1, count + 1):
        number += 100
        reported = Reported(committed=committed, published=published)
        reader, writer = os.pipe()

        def tell(writer: int = writer, **what: Any) -> None:
            os.write(writer, json.dumps(what).encode() + b"\n")

        child = begin(functools.partial(_nights_for_ever, database, number, tell), scratch)
        os.close(writer)
        # Only from its first look on: before that nothing is written.
        patience = time.monotonic() + PATIENCE
        while reported.found is None and time.monotonic() < patience and not child.ended():
            _listen(reader, time.monotonic() + 0.005, reported)
        if done == 1:
            looked = time.monotonic()
            while not reported.published and time.monotonic() < patience and not child.ended():
                _listen(reader, time.monotonic() + 0.005, reported)
            longest = max(0.4, time.monotonic() - looked)
        else:
            _listen(reader, time.monotonic() + chance.uniform(0.0, longest), reported)
        child.kill()
        code = child.wait()
        _listen(reader, time.monotonic() + 1, reported)
        os.close(reader)
        if code != -signal.SIGKILL:
            raise RuntimeError(f"kill {done}: it ended by itself with {code}: {child.said[-500:]}")
        shutil.rmtree(child.folder, ignore_errors=True)
        assert reported.found is not None and committed <= reported.found <= committed + 1, (
            f"kill {done}: {committed} were committed and {reported.found} are there"
        )
        # The next look may find one more than was acknowledged: it was killed between the commit and its word.
        committed = max(reported.committed, reported.found)
        served = apart(functools.partial(_served, database), scratch)
        assert not reported.published or served >= reported.published, (
            f"kill {done}: {served} after {reported.published}"
        )
        published = reported.published or published
        phases[reported.at.split(".")[0] if reported.at != "transaction" else "transaction"] += 1
        if not published:
            pytest.skip(f"nothing was published within {PATIENCE} s, so nothing could be lost")
    where = ", ".join(f"{times} in {phase}" for phase, times in phases.most_common())
    return f"{count} kills with seed {seed} ({where}): {committed} transactions"


def _served(database: Path) -> str:
    if not database.is_symlink():
        return ""
    with Store(database).published() as connection:
        return _whole(connection)


def _read_for_ever(database: Path, stop: Path) -> int:
    """Read what is published until told to stop; the number of reads."""
    reads = 0
    store = Store(database)
    while not stop.exists():
        if not database.is_symlink():
            time.sleep(0.01)
            continue
        with store.published() as connection:
            first = _whole(connection)
            time.sleep(0.005)
            if _whole(connection) != first:
                raise RuntimeError("a session changed its version")
        reads += 1
    return reads


def readers_during_publishes(scratch: Path) -> None:
    """Four readers while ten versions are published."""
    database = scratch / "readers" / DATABASE
    database.parent.mkdir(parents=True)

    def publish(first: int, count: int) -> None:
        store = Store(database)
        for number in range(first, first + count):
            with store.holding(f"run-{number:06}", "nightly"):
                _fill(store, f"run-{number:06}", number)
                store.publish(f"run-{number:06}", _check_whole)

    apart(lambda: publish(0, 1), scratch)
    stop = scratch / "readers-stop"
    readers = [begin(functools.partial(_read_for_ever, database, stop), scratch) for _ in range(READERS)]
    apart(lambda: publish(1, PUBLISHES), scratch)
    stop.touch()
    reads = [reader.result() for reader in readers]
    assert min(reads) > 0, f"a reader did not read: {reads}"
