"""Every published row, in a form in which two runs can be compared."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from resources.store.store import Store

Row = tuple[Any, ...]
Tables = dict[str, tuple[tuple[str, ...], list[Row]]]

TONIGHT = "tonight"


def tables(database: Path, before: datetime, runs: Mapping[str, str]) -> Tables:
    """Every published row of every table that analysts read, in an order of its own.

    What tonight wrote differs from one night to the next in its times and its run: those are put as `tonight`.

    Args:
        before: times after it are tonight's.
        runs: names of the runs before tonight; every other is tonight's.
    """
    found: Tables = {}
    with Store(database).published() as connection:
        relations: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for schema, name, column, kind in connection.execute(
            """
            select table_schema, table_name, column_name, data_type
            from information_schema.columns
            where table_schema in ('org', 'aws', 'cost', 'cmdb', 'ref')
            order by table_schema, table_name, ordinal_position
            """
        ).fetchall():
            relations.setdefault((schema, name), []).append((column, kind))
        for (schema, name), columns in relations.items():
            rows = connection.execute(f'select * from "{schema}"."{name}"').fetchall()
            moments = [place for place, (_, kind) in enumerate(columns) if kind == "TIMESTAMP WITH TIME ZONE"]
            known = [place for place, (column, _) in enumerate(columns) if column == "run_id"]
            if moments or known:
                rows = [_plain(row, moments, known, before, runs) for row in rows]
            found[f"{schema}.{name}"] = (tuple(column for column, _ in columns), sorted(rows, key=repr))
    return found


CELL = ("role", "caller_account_id", "cell_region", "listing")
"""Columns that name the cell that a row came from."""

AS_OF = "as_of"
"""The column of since when a row is known, where that rests on other cells than its own too."""

TIMES = (AS_OF, "collected_at", "last_discovered", "last_seen_at")
"""Columns of when something was requested, in tables whose rows name no cell."""


def as_kept(found: Tables, kept: Tables, anew: Tables) -> Tables:
    """The tables found, with a cell's rows of `kept` in place of those of `anew`.

    A night keeps cells that are not due, and days of the bill; after a broken night some of them are requested again.
    Either is true, as long as it is so of the whole cell. Rows of several cells may say either time.
    """
    made = dict(found)
    for name, (columns, rows) in found.items():
        if name not in anew:
            continue
        is_of_cells = "listing" in columns
        times = {AS_OF} if is_of_cells else {*TIMES}
        keys = [[column for column in CELL if column in columns]] if is_of_cells else []
        if times.intersection(columns):
            keys.append([column for column in columns if column not in times])
        for key in keys:
            places = [columns.index(column) for column in key]
            rows = _chosen(*(_grouped(of, places) for of in (rows, kept[name][1], anew[name][1])))
        made[name] = (columns, rows)
    return made


Groups = dict[Row, list[Row]]


def _grouped(rows: Sequence[Row], places: Sequence[int]) -> Groups:
    """Rows in their order, by some of their values."""
    found: Groups = {}
    for row in rows:
        found.setdefault(tuple(repr(row[place]) for place in places), []).append(row)
    return found


def _chosen(found: Groups, kept: Groups, anew: Groups) -> list[Row]:
    """The rows found, and of groups that are as in `anew` those of `kept`."""
    chosen = {key: kept if found.get(key) == anew.get(key) else found for key in found.keys() | kept.keys()}
    return sorted((row for key, side in chosen.items() for row in side.get(key, [])), key=repr)


def runs_told(database: Path) -> dict[str, str]:
    """The runs that the published file takes for published or for alive, and what it says of them."""
    with Store(database).published() as connection:
        return dict(
            connection.execute(
                "select run_id, outcome from audit.run where outcome in ('published', 'publishing', 'running')"
            ).fetchall()
        )


def _plain(row: Row, moments: Sequence[int], known: Sequence[int], before: datetime, runs: Mapping[str, str]) -> Row:
    values = list(row)
    for place in moments:
        if values[place] is not None and values[place] > before:
            values[place] = TONIGHT
    for place in known:
        if values[place] is not None:
            values[place] = runs.get(values[place], TONIGHT)
    return tuple(values)


def difference(left: Tables, right: Tables) -> str:
    """The first table and row in which two datasets differ; empty where they are the same."""
    if left.keys() != right.keys():
        return f"tables {sorted(left.keys() ^ right.keys())} are only on one side"
    for name, (columns, rows) in left.items():
        others = right[name][1]
        if rows != others:
            ours, theirs = {repr(row) for row in rows}, {repr(row) for row in others}
            first = next(iter(sorted(ours - theirs)), "") or next(iter(sorted(theirs - ours)), "a row stands twice")
            return (
                f"{name} has {len(rows)} rows, expected {len(others)}; {len(ours - theirs)} are new and "
                f"{len(theirs - ours)} missing, such as {first[:400]} of {', '.join(columns)[:200]}"
            )
    return ""


# ------------------------------------------------------------------------------------------ as each DuckDB reads them

Contents = dict[str, tuple[int, str]]
"""Rows and hash of every table and view."""


def contents(printed: str | bytes) -> Contents:
    """What tests/programs/read_everything.py has printed."""
    return {name: (rows, hashed) for name, (rows, hashed) in json.loads(printed).items()}


def differing(one: Contents, other: Contents) -> list[str]:
    """The tables and views that two versions read otherwise, or that only one of them has."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
