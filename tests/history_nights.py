"""Published files over several nights, small and awkward, and what the history says of each of them."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from resources.store.history.manifest import Publication
from resources.store.paths import PUBLISHED_NAME
from resources.store.store import Store
from resources.store.versions import Version

FIRST = datetime(2026, 3, 1, 14, 30, tzinfo=UTC)

SCHEMA = """
create schema audit; create schema aws; create schema cost; create schema ref;
create table audit.schema_migration (number integer, name varchar, sha256 varchar, applied_at timestamptz);
create table aws.item (
    id varchar, cell integer, state varchar, tags map(varchar, varchar),
    disks struct(arn varchar, "Order" decimal(18, 4))[], names varchar[], document json, wide hugeint,
    large ubigint, ratio double,
    "order" date, gap interval, run_id varchar, collected_at timestamptz, last_seen_at timestamptz
);
create table cost.daily (
    usage_date date, account_id varchar, unblended_cost decimal(28, 10), is_estimated boolean, run_id varchar,
    collected_at timestamptz
);
create table audit.log (what varchar, seen_at timestamp);
create table audit.newest (
    key varchar, newest struct(ended_at timestamptz, run_id varchar), trusted struct(n bigint)[]
);
create table ref.nothing (a integer, run_id varchar);
create table ref.fixed (a integer primary key, b varchar not null);
insert into ref.fixed select range, md5(range::varchar) from range(200);
create view cost.by_account as
    select account_id, sum(unblended_cost) as "order", bool_or(is_estimated) as is_estimated
    from cost.daily group by all;
create view cost.above as select * from cost.by_account where "order" > 3;
comment on table aws.item is 'An item; it''s awkward.';
comment on column aws.item.wide is 'Wider than Parquet has.';
comment on view cost.above is 'What costs more.';
"""


@dataclass
class Nights:
    """A warehouse of a few small tables, its nights, and a copy of the file that each of them published."""

    folder: Path
    random: random.Random = field(default_factory=lambda: random.Random(7))
    copies: list[tuple[str, Path]] = field(default_factory=list)

    def __post_init__(self) -> None:
        migrations = self.folder / "migrations"
        migrations.mkdir(parents=True, exist_ok=True)
        (migrations / "0001_small.sql").write_text(SCHEMA)
        self.store = Store(self.folder / "house" / PUBLISHED_NAME, migrations)

    def change(self, run_id: str, at: datetime, cells: int = 4) -> None:
        """What a run changes: some items, the stamps of all cells but one, the open days, the log."""
        draw = self.random
        with self.store.transaction() as connection:
            if not connection.execute("select count(*) from aws.item").fetchall()[0][0]:
                connection.execute(
                    """
                    insert into aws.item
                    select
                        'i-' || range, range % 4, 'running',
                        case range % 5 when 0 then null when 1 then map() else map {'a"b': 'é', 'n': null} end,
                        case when range % 3 = 0 then [] else [{'arn': 'x', 'Order': 1.5}, null] end,
                        case when range % 7 = 0 then null else ['', null, 'b'] end, '{"a": [1, 2]}',
                        170141183460469231731687303715884105727 - range, 18446744073709551615,
                        case range % 4 when 0 then 'nan' when 1 then 'inf' else range / 3 end, date '2026-01-01',
                        interval '1 month 2 days', null, null, null
                    from range(60)
                    """
                )
            refused = draw.randrange(cells)
            connection.execute(
                "update aws.item set run_id = ?, collected_at = ?::timestamptz + to_seconds(cell), "
                "last_seen_at = ?::timestamptz + to_seconds(cell) where cell <> ?",
                [run_id, at, at, refused],
            )
            for _ in range(3):
                changed = f"i-{draw.randrange(60)}"
                state = draw.choice(["running", "stopped", "gone"])
                connection.execute("update aws.item set state = ? where id = ?", [state, changed])
            connection.execute("delete from aws.item where id = ?", [f"i-{draw.randrange(60)}"])
            connection.execute(
                "insert into cost.daily select ?::date, range::varchar, range * 1.0000000001, true, null, null "
                "from range(9)",
                [at],
            )
            connection.execute(
                "update cost.daily set is_estimated = usage_date > ?::date - 3, run_id = ?, collected_at = ? "
                "where usage_date >= ?::date - 5",
                [at, run_id, at, at],
            )
            connection.execute(
                "insert into audit.log select 'same', null from range(3) union all select ?, ?", [run_id, at]
            )
            connection.execute("delete from audit.log where seen_at < ?", [at - timedelta(days=4)])
            connection.execute(
                "create or replace table audit.newest as select range::varchar as key, "
                "{'ended_at': ?::timestamptz + to_milliseconds(range), 'run_id': ?::varchar} as newest, "
                "[{'n': range}, null] as trusted from range(20)",
                [at, run_id],
            )

    def publish(self, number: int, *, records: bool = True, changes: bool = True) -> Version:
        """A night that publishes, and where `records` says so is recorded; its file is copied."""
        run_id = f"run-{number:04}"
        at = FIRST + timedelta(days=number - 1)
        with self.store.holding(run_id, "nightly"):
            if changes:
                self.change(run_id, at)
            version = self.store.publish(run_id, lambda _: None)
            # Never on a whole second, which is all that people are shown.
            os.utime(version.path, (at.timestamp() + 0.48, at.timestamp() + 0.48))
            copy = self.folder / f"{run_id}.duckdb"
            shutil.copyfile(version.path, copy)
            self.copies.append((run_id, copy))
            if records:
                self.record(most=400)
        return version

    def record(self, most: int) -> list[Publication]:
        """Record what is published, as a run does that holds the warehouse."""
        with self.store.holding(self.copies[-1][0], "nightly"):
            return self.store.history.catch_up(most)

    def differences(self, run_id: str, copy: Path) -> list[str]:
        """The tables and views that the history shows otherwise than the file of that run does."""
        publication = self.store.history.find(run_id)
        with self.store.history.opened(publication) as as_of:
            as_of.prepare("show tables")
            return differences(copy, as_of.connection)

    def require_equal(self) -> None:
        """Every night that the history has is as its file was."""
        had = {publication.run_id for publication in self.store.history.publications()}
        assert had
        for run, copy in self.copies:
            if run in had:
                assert self.differences(run, copy) == [], run


def relations_of(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    return connection.execute(
        "select schema_name, table_name from duckdb_tables() where database_name <> 'system' and not temporary "
        "union all select schema_name, view_name from duckdb_views() where not internal order by all"
    ).fetchall()


def content(connection: duckdb.DuckDBPyConnection, schema: str, name: str) -> tuple[list[Any], Counter[str]]:
    relation = f'"{schema}"."{name}"'
    described = [row[:2] for row in connection.execute(f"describe {relation}").fetchall()]
    return described, Counter(map(repr, connection.execute(f"from {relation}").fetchall()))


def differences(copy: Path, connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The relations that a connection shows otherwise than a published file does: columns, types or rows."""
    with duckdb.connect(str(copy), read_only=True) as file:
        file.execute("set TimeZone = 'UTC'")
        expected = relations_of(file)
        found = relations_of(connection)
        missing = [f"{schema}.{name} is missing" for schema, name in expected if (schema, name) not in found]
        more = [f"{schema}.{name} is too many" for schema, name in found if (schema, name) not in expected]
        return [*missing, *more] + [
            f"{schema}.{name}"
            for schema, name in expected
            if (schema, name) in found and content(file, schema, name) != content(connection, schema, name)
        ]
