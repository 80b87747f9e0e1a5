"""What the history costs, and what a question of an earlier night takes: `python -m bench.any_night`.

    python -m bench.any_night FILE [--items 100000] [--nights 400] [--compared 20] [--folder DIR]

FILE is a published file, such as the demo's. Its accounts and items are multiplied until it has so many items, then
night after night changes as an organisation does: every cell that is collected again has a new time, one item in a
hundred changes, some come and go, a day of cost is added, the last days and the amounts of the running month change.
Each night is recorded as a run records it. At the end twenty nights are compared with the files that were kept of them,
and every documented question is asked of one night. Prints a table in Markdown; exits with 1 where a target is missed.

400 nights take hours. What stands in DIR is gone on with: the nights that its history has are not done again.
"""

import argparse
import math
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from bench import tree
from pipelines.settings import REPOSITORY
from resources.store.store import Store

SECONDS, TIMES = 2.0, 2.0
"""Targets: seconds for a question, and the storage of history and newest file against the newest file."""

REPLICAS = 8
"""How many times the accounts of the file are there; the items of each are multiplied for the rest."""

FIRST = datetime(2026, 12, 1, 14, 30, tzinfo=UTC)

BY_ITEM = ("aws.", "cmdb.", "cost.resource_", "cost.saving", "stage.decommission_finding")
"""Tables whose rows grow with the items of an account, not only with the accounts."""

SHARED = ("ref.", "audit.run", "audit.schema_migration", "audit.claim_listing", "audit.listing", "audit.relation_build")
"""Tables that do not grow."""

KEPT = ("account_id", "caller_account_id", "run_id", "source_account_id", "ou_id", "account_name")
"""Columns that are the same in all items of an account."""

RELATIONS = 3
"""Relations of an item, as the demo has them."""

COUNTED_TIMES = ("collected_at", "last_seen_at", "judged_at", "fetched_at")


@dataclass(frozen=True)
class Table:
    """A table of the file, with its columns and their types."""

    name: str
    columns: dict[str, str]

    def has(self, *columns: str) -> bool:
        """Whether it has all of these columns."""
        return all(column in self.columns for column in columns)


def say(line: str) -> None:
    """To people; the table goes to standard output."""
    print(line, file=sys.stderr, flush=True)


def tables_of(connection: duckdb.DuckDBPyConnection) -> list[Table]:
    """The tables of the attached file."""
    found: dict[str, dict[str, str]] = {}
    for name, column, type_ in connection.execute(
        "select c.schema_name || '.' || c.table_name, c.column_name, c.data_type from duckdb_columns() as c "
        "join duckdb_tables() using (schema_name, table_name) where not c.internal order by all"
    ).fetchall():
        found.setdefault(name, {})[column] = type_
    return [Table(name, columns) for name, columns in found.items()]


def multiply(connection: duckdb.DuckDBPyConnection, items: int) -> None:
    """Multiply accounts and items of the file until it has so many items."""
    count = connection.execute("select count(*) from cmdb.resource").fetchall()[0][0]
    more = max(1, round(items / count / REPLICAS))
    for table in tables_of(connection):
        if table.name.startswith(SHARED) or not table.has("account_id"):
            continue
        times = REPLICAS * (more if table.name.startswith(BY_ITEM) else 1)
        replaced = [
            f"case when n % {REPLICAS} = 0 then account_id "
            f"else coalesce(lpad((try_cast(account_id as bigint) + n % {REPLICAS})::varchar, 12, '0'), account_id) end "
            "as account_id"
        ]
        replaced += [
            f"if(n >= {REPLICAS}, {column} || '-' || n // {REPLICAS}, {column}) as {column}"
            for column, type_ in table.columns.items()
            if type_ == "VARCHAR" and column.endswith(("arn", "_id", "_name")) and column not in KEPT
        ]
        connection.execute(
            f"insert into {table.name} select t.* replace ({', '.join(replaced)}) "
            f"from {table.name} as t, range(1, {times}) as r(n)"
        )
    _fill(connection, items, "0")


def _fill(connection: duckdb.DuckDBPyConnection, items: int, name: str) -> None:
    """So many items as are missing come, and their relations: copies of some that are there, under other names."""
    for table, columns, count in (
        ("cmdb.resource", ("arn",), items),
        ("cmdb.relationship", ("from_arn", "to_arn"), items * RELATIONS),
    ):
        there = connection.execute(f"select count(*) from {table}").fetchall()[0][0]
        replaced = ", ".join(f"{column} || '-{name}.' || n as {column}" for column in columns)
        connection.execute(
            f"insert into {table} select t.* replace ({replaced}) from {table} as t, "
            f"range({math.ceil(count / there)}) as r(n) limit {max(count - there, 0)}"
        )


def change(connection: duckdb.DuckDBPyConnection, night: int, items: int) -> None:
    """What one night changes; at its end there are so many items again."""
    at = FIRST + timedelta(days=night)
    run = f"00000000-0000-4000-8000-{night:012}"
    salt = random.Random(night).randrange(1 << 30)
    for table in tables_of(connection):
        stamps = [f"{column} = {column} + interval 1 day" for column in COUNTED_TIMES if column in table.columns]
        where = ""
        if table.name.startswith(("cost.", "stage.cost")) and table.has("usage_date"):
            where = f" where usage_date >= date '{(at - timedelta(days=45)).date()}'"
        elif table.name == "cmdb.resource_version" or table.name.startswith(("ref.", "audit.", "org.account_version")):
            continue
        if stamps:
            stamps += [f"run_id = '{run}'"] if "run_id" in table.columns else []
            connection.execute(f"update {table.name} set {', '.join(stamps)}{where}")
        if table.name.startswith("aws.") and "name" in table.columns and table.columns["name"] == "VARCHAR":
            connection.execute(f"update {table.name} set name = 'n-{night}' where hash(rowid, {salt}) % 100 = 0")
    connection.execute(f"update cmdb.resource set state = 's-{night % 7}' where hash(arn, {salt}) % 100 = 0")
    connection.execute(f"delete from cmdb.resource where hash(arn, {salt + 1}) % 500 = 0")
    connection.execute(f"delete from cmdb.relationship where hash(rowid, {salt}) % 500 = 0")
    _fill(connection, items, str(night))
    _add_day(connection, at, run, salt)
    # Everything of the running month has another amount the next night.
    connection.execute(
        f"update cost.resource_cost set cost = cost * (1 + (hash(arn, {salt}) % 1000) / 1e6) "
        "where month = (select max(month) from cost.resource_cost)"
    )
    connection.execute(
        "update cmdb.decommission_signal set estimated_monthly_saving = estimated_monthly_saving "
        f"+ (hash(arn, {salt}) % 3)"
    )
    # The cells of the run, and those of thirty runs stay.
    connection.execute(
        f"insert into audit.collection select * replace ('{run}' as run_id, started_at + interval {night} day as "
        f"started_at, ended_at + interval {night} day as ended_at) from audit.collection "
        "where run_id = (select min(run_id) from audit.run)"
    )
    connection.execute(
        "delete from audit.collection where run_id like '00000000-%' and run_id < "
        f"'00000000-0000-4000-8000-{max(night - 30, 0):012}'"
    )
    connection.execute(
        "update audit.newest_cell set trusted_at = trusted_at + interval 1 day, found_at = found_at + interval 1 day, "
        f"newest = struct_update(newest, ended_at := newest.ended_at + interval 1 day, run_id := '{run}')"
    )


def _add_day(connection: duckdb.DuckDBPyConnection, at: datetime, run: str, salt: int) -> None:
    """One more day of cost; the last three change, and a month that is over is no longer estimated."""
    for table in ("cost.daily", "stage.cost_tag_service_daily"):
        connection.execute(
            f"insert into {table} select * replace (usage_date + 1 as usage_date, true as is_estimated, "
            f"'{run}' as run_id) from {table} where usage_date = (select max(usage_date) from {table})"
        )
        connection.execute(
            f"update {table} set unblended_cost = unblended_cost * (1 + (hash(rowid, {salt}) % 1000) / 1e5) "
            f"where usage_date > (select max(usage_date) - 3 from {table})"
        )
        if at.day == 10:
            connection.execute(
                f"update {table} set is_estimated = false where usage_date < date_trunc('month', timestamptz '{at}')"
            )


def _version(store: Store, night: int) -> str:
    return f"{store.stem}-00000000-0000-4000-8000-{night:012}.duckdb"


def published(store: Store, working: Path, night: int) -> Path:
    """A version of the working file, as a run publishes one."""
    version = store.versions_folder / _version(store, night)
    shutil.copyfile(working, version)
    at = (FIRST + timedelta(days=night)).timestamp()
    os.utime(version, (at, at))
    link = store.folder / ".link"
    link.unlink(missing_ok=True)
    link.symlink_to(Path("versions") / version.name)
    link.replace(store.database)
    return version


def questions() -> Iterator[tuple[str, str]]:
    """The documented questions with their queries."""
    for page in sorted((REPOSITORY / "docs" / "questions").glob("*.md")):
        for part in page.read_text(encoding="utf-8").split("\n### ")[1:]:
            if sql := part.partition("```sql\n")[2].partition("```")[0]:
                yield f"{page.stem} {part.partition('. ')[0]}", sql.strip().rstrip(";")


def unlike(store: Store, night: int, copy: Path) -> list[str]:
    """The tables of a night that the history has otherwise than its file."""
    publication = store.history.find(f"00000000-0000-4000-8000-{night:012}")
    with duckdb.connect(str(copy), read_only=True) as file, store.history.opened(publication) as as_of:
        file.execute("set TimeZone = 'UTC'")
        found = []
        for table in tables_of(file):
            query = f"select count(*), bit_xor(hash(t)), sum(hash(t)) from (from {table.name}) as t"
            as_of.prepare(query)
            if as_of.connection.execute(query).fetchall() != file.execute(query).fetchall():
                found.append(table.name)
        return found


def main(arguments: list[str]) -> int:
    """Run the nights, then compare and ask."""
    parser = argparse.ArgumentParser(prog="python -m bench.any_night")
    parser.add_argument("file", type=Path)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--nights", type=int, default=400)
    parser.add_argument("--compared", type=int, default=20)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args(arguments)
    if given.folder is not None:
        given.folder.mkdir(parents=True, exist_ok=True)
        return _measured(given, given.folder)
    with tempfile.TemporaryDirectory() as folder:
        return _measured(given, Path(folder))


def _measured(given: argparse.Namespace, folder: Path) -> int:
    store = Store(folder / "aws_org.duckdb")
    working = folder / "working.duckdb"
    compared = set(random.Random(11).sample(range(1, given.nights + 1), min(given.compared, given.nights)))
    copies = {int(path.stem[-12:]): path for path in folder.glob(f"{store.stem}-*.duckdb")}
    seconds: list[float] = []
    done = len(store.history.publications())
    if not done:
        shutil.copyfile(given.file, working)
        working.chmod(0o640)
    for night in range(done, given.nights + 1):
        with duckdb.connect(str(working)) as connection:
            connection.execute("set TimeZone = 'UTC'")
            if night:
                change(connection, night, given.items)
            else:
                multiply(connection, given.items)
            items = connection.execute("select count(*) from cmdb.resource").fetchall()[0][0]
        run = f"00000000-0000-4000-8000-{night:012}"
        with store.holding(run, "bench"):
            version = published(store, working, night)
            started = time.process_time()
            store.history.catch_up(given.nights + 1)
            seconds.append(time.process_time() - started)
            if night in compared:
                copies[night] = version.rename(folder / version.name)
                shutil.copyfile(copies[night], version)
            store.prune(1)
        if night % 10 == 0 or night < 3:
            newest, history = _sizes(store)
            say(
                f"night {night}: {items:,} items, file {newest / 1e6:.0f} MB, history {history / 1e6:.0f} MB, "
                f"recorded in {seconds[-1]:.1f} s of CPU"
            )
    newest, history = _sizes(store)
    with duckdb.connect(str(working), read_only=True) as connection:
        items = connection.execute("select count(*) from cmdb.resource").fetchall()[0][0]
    wrong = {night: found for night, copy in copies.items() if (found := unlike(store, night, copy))}
    asked = _asked(store, given.nights // 2)
    slowest = max(asked, key=lambda name: asked[name])
    print(
        "| items | nights | newest file | history | both, times the file | recording, median CPU | slowest question |"
    )
    print("| --: | --: | --: | --: | --: | --: | --: |")
    print(
        f"| {items:,} | {given.nights} | {newest / 1e6:.0f} MB | {history / 1e6:.0f} MB | "
        f"{(newest + history) / newest:.2f} | {statistics.median(seconds or [math.nan]):.1f} s | "
        f"{asked[slowest]:.2f} s ({slowest}) |"
    )
    say(f"{len(copies)} nights compared, unlike: {wrong or 'none'}")
    missed = [bool(wrong), asked[slowest] > SECONDS, newest + history > TIMES * newest]
    return int(any(missed))


def _sizes(store: Store) -> tuple[int, int]:
    """Bytes of the newest file and of the history."""
    return store.database.stat().st_size, tree.size_of(store.folder / "cmdb.history")


def _asked(store: Store, night: int) -> dict[str, float]:
    """Seconds that each question takes of one night, opening included."""
    publication = store.history.find(f"00000000-0000-4000-8000-{night:012}")
    taken = {}
    for name, sql in questions():
        started = time.perf_counter()
        with store.history.opened(publication) as as_of:
            as_of.prepare(sql)
            as_of.connection.execute(sql).fetchall()
        taken[name] = time.perf_counter() - started
    return taken


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
