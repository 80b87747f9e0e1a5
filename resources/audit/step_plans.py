"""What each step of a run was to request, and that all of it came: the rows of `audit.step_plan`.

A step writes down the accounts that it is about to request before its first request, and each key before the request of
it is sent. Its cells are stored only if they have exactly these keys. Of the file with its records, length and digest
are kept, so that no table is built of another one.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple

from resources.audit.json_rows import json_rows
from resources.aws.messages import CellKey
from resources.contract import Role

if TYPE_CHECKING:
    import duckdb

Place = tuple[Role, str]
"""A role, and the account in which it requests a listing."""

SHOWN = 100
"""The most keys of a comparison that are returned by name."""


class LandedRecords(NamedTuple):
    """Number of records in a landing file, and its length in bytes and SHA-256."""

    record_count: int
    byte_count: int
    digest: str


class Arrival(NamedTuple):
    """What a step stored of a listing: number and digest of the planned keys, and the landed records."""

    cell_count: int
    key_digest: str
    records: LandedRecords


class WrongKey(NamedTuple):
    """A key with more or fewer cells than were planned."""

    fault: Literal["missing", "not planned", "twice"]
    key: CellKey


@dataclass
class Comparison:
    """What a step planned beside what came.

    Attributes:
        planned: number of planned keys and their digest, by listing name.
        places: the places from which a cell came, by listing name.
        wrong: the first keys that differ.
        wrong_count: number of keys that differ.
        planned_count: number of planned keys.
    """

    planned: dict[str, tuple[int, str]] = field(default_factory=dict)
    places: dict[str, set[Place]] = field(default_factory=dict)
    wrong: list[WrongKey] = field(default_factory=list)
    wrong_count: int = 0
    planned_count: int = 0


def place_digest(places: Iterable[Place]) -> str:
    """The SHA-256 of role and account of each place, one a line, sorted."""
    return hashlib.sha256("\n".join(sorted(f"{role} {account}" for role, account in places)).encode()).hexdigest()


def begin_plans(
    connection: "duckdb.DuckDBPyConnection",
    run_id: str,
    places: Mapping[str, set[Place]],
    fingerprints: Mapping[str, str] = MappingProxyType({}),
) -> list[str]:
    """Write down the accounts of each listing, before the first request.

    Returns the listings for which an earlier attempt of the same run wrote down other accounts. Their rows stay.

    Args:
        fingerprints: of the listing and of the queries that read its records, by listing name.
    """
    digests = {name: place_digest(own) for name, own in places.items()}
    before = dict(
        connection.execute(
            """
            select listing, account_digest from audit.step_plan
            where run_id = $run and list_contains($listings, listing)
            """,
            {"run": run_id, "listings": list(places)},
        ).fetchall()
    )
    rows = [
        {
            "listing": name,
            "account_count": len({account for _, account in own}),
            "account_digest": digests[name],
            "listing_fingerprint": fingerprints.get(name),
        }
        for name, own in places.items()
        if name not in before
    ]
    if rows:
        columns = {
            "listing": "VARCHAR",
            "account_count": "INTEGER",
            "account_digest": "VARCHAR",
            "listing_fingerprint": "VARCHAR",
        }
        connection.execute(
            f"""
            insert into audit.step_plan by name
            select $run as run_id, $now as planned_at, row.* from ({json_rows(columns)})
            """,
            {"run": run_id, "now": datetime.now(UTC), "rows": json.dumps(rows)},
        )
    return [name for name, digest in before.items() if digest != digests[name]]


def stored_listings(connection: "duckdb.DuckDBPyConnection", run_id: str, listings: Iterable[str]) -> list[str]:
    """Those of the listings whose cells an earlier attempt of the same run has stored."""
    rows = connection.execute(
        """
        select listing from audit.step_plan
        where run_id = $run and arrived_at is not null and list_contains($listings, listing)
        """,
        {"run": run_id, "listings": list(listings)},
    ).fetchall()
    return [name for (name,) in rows]


def compare(
    connection: "duckdb.DuckDBPyConnection",
    run_id: str,
    planned: Sequence[Path],
    landed: Sequence[Path],
    stored: Sequence[str],
    longest: int,
) -> Comparison:
    """Compare the keys that were planned with those of the cells that were landed.

    Args:
        planned: files with the planned keys.
        landed: files with the cells.
        stored: listings whose cells an earlier attempt of the run has stored: each one that was requested has to come
            again, because its records are replaced.
        longest: length of the longest line of the landed files in bytes.
    """
    columns = "{role: 'VARCHAR', account_id: 'VARCHAR', region: 'VARCHAR', listing: 'VARCHAR'}"
    connection.execute(
        f"""
        create or replace temp table planned_key as
        select distinct role, account_id, region, listing
        from (
            from read_json($paths, format = 'newline_delimited', columns = {columns})
            union all
            select role, account_id, region, listing from audit.collection
            where
                len($stored::varchar[]) > 0 and run_id = $run and attempt_count > 0
                and list_contains($stored::varchar[], split_part(listing, ':', 1))
        )
        """,
        {"paths": [str(path) for path in planned], "run": run_id, "stored": list(stored)},
    )
    connection.execute(
        f"""
        create or replace temp table landed_key as
        select role, account_id, region, listing, count(*) as cells
        from read_json(
            $paths, format = 'newline_delimited', maximum_object_size = $longest, columns = {columns}
        )
        group by all
        """,
        {"paths": [str(path) for path in landed], "longest": max(longest, 1 << 20)},
    )
    found = Comparison()
    for fault, role, account, region, listing, total in connection.execute(
        f"""
        select *, count(*) over () from (
            select 'missing' as fault, * from planned_key
            anti join landed_key using (role, account_id, region, listing)
            union all
            select 'not planned', * exclude (cells) from landed_key
            anti join planned_key using (role, account_id, region, listing)
            union all
            select 'twice', * exclude (cells) from landed_key where cells > 1
        )
        order by all
        limit {SHOWN}
        """
    ).fetchall():
        found.wrong.append(WrongKey(fault, CellKey(role, account, region, listing)))
        found.wrong_count = total
    for name, role, account in connection.execute(
        "select distinct split_part(listing, ':', 1), role, account_id from landed_key"
    ).fetchall():
        found.places.setdefault(name, set()).add((role, account))
    if found.wrong:
        (found.planned_count,) = connection.execute("select count(*) from planned_key").fetchone() or (0,)
    else:
        found.planned = {
            name: (count, digest)
            for name, count, digest in connection.execute(
                """
                select name, count(*), sha256(string_agg(line, chr(10) order by line))
                from (
                    select
                        split_part(listing, ':', 1) as name,
                        concat_ws(' ', role, account_id, region, listing) as line
                    from planned_key
                )
                group by name
                """
            ).fetchall()
        }
    return found


def record_arrival(connection: "duckdb.DuckDBPyConnection", run_id: str, arrived: Mapping[str, Arrival]) -> None:
    """Record that the cells of these listings came as planned, in the transaction that stores them."""
    rows = [
        {
            "listing": name,
            "cell_count": arrival.cell_count,
            "key_digest": arrival.key_digest,
            "record_count": arrival.records.record_count,
            "record_bytes": arrival.records.byte_count,
            "record_digest": arrival.records.digest,
        }
        for name, arrival in arrived.items()
    ]
    columns = {
        "listing": "VARCHAR",
        "cell_count": "BIGINT",
        "key_digest": "VARCHAR",
        "record_count": "BIGINT",
        "record_bytes": "BIGINT",
        "record_digest": "VARCHAR",
    }
    connection.execute(
        f"""
        update audit.step_plan as p
        set
            cell_count = a.cell_count, key_digest = a.key_digest, arrived_at = $now,
            record_count = a.record_count, record_bytes = a.record_bytes, record_digest = a.record_digest
        from (select row.* from ({json_rows(columns)})) as a
        where p.run_id = $run and p.listing = a.listing
        """,
        {"run": run_id, "now": datetime.now(UTC), "rows": json.dumps(rows)},
    )


def landed_records(
    connection: "duckdb.DuckDBPyConnection", listing: str, runs: Sequence[str]
) -> dict[str, tuple[LandedRecords, datetime]]:
    """What these runs landed of a listing and when, by run id; nothing of a run that did not record it."""
    rows = connection.execute(
        """
        select run_id, record_count, record_bytes, record_digest, arrived_at from audit.step_plan
        where listing = $listing and list_contains($runs::varchar[], run_id) and record_digest is not null
        """,
        {"listing": listing, "runs": list(runs)},
    ).fetchall()
    return {run: (LandedRecords(*landed), arrived_at) for run, *landed, arrived_at in rows}


def unfinished(connection: "duckdb.DuckDBPyConnection", run_id: str, listings: Iterable[str]) -> list[str]:
    """Those of the listings that a step of this run planned and has not stored."""
    rows = connection.execute(
        """
        select listing from audit.step_plan
        where run_id = $run and arrived_at is null and list_contains($listings, listing)
        order by listing
        """,
        {"run": run_id, "listings": list(listings)},
    ).fetchall()
    return [name for (name,) in rows]
