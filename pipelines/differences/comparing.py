"""Comparing two published runs: the queries of this package, run over both in one connection."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from resources import release
from resources.store.errors import WarehouseError
from resources.store.sql import named_rows

if TYPE_CHECKING:
    from resources.store.history.manifest import Publication
    from resources.store.history.reading import AsOf
    from resources.store.store import Store

QUERIES = Path(__file__).parent / "queries"

SIDES = ("item", "version", "verdict", "doubt", "cost", "cell")
"""What is read of each of the two files; the other queries compare `item_before` with `item_after`, and so on."""

SECTIONS = ("items", "rules", "cost", "coverage")

LEFT_OUT = {"verdict": "rules", "doubt": "rules"}
"""The section without which the rest can be compared, by what it reads; the rest rests on all else."""

UNKNOWN = "unknown since"

KNOWN = "known now"

Row = Mapping[str, Any]

_READ = re.compile(r"\b(?:from|join) (\w+\.\w+)")


@dataclass(frozen=True)
class Comparison:
    """What differs between two published runs.

    Attributes:
        rows: by section; each row of items, rules and coverage has its `kind`.
        scope: how much of each run was judged, in cells, and through which day its bill goes.
        left_out: by section that is not compared, the reason as a sentence; it has no rows.
    """

    before: "Publication"
    after: "Publication"
    rows: Mapping[str, tuple[Row, ...]]
    scope: Row
    left_out: Mapping[str, str]

    def kinds(self, section: str) -> dict[str, int]:
        """How many rows of a section are of each kind, in the order of the rows."""
        return Counter(row["kind"] for row in self.rows[section])

    @cached_property
    def doubt(self) -> str:
        """What was not judged, as a sentence; empty where every cell of both was."""
        parts = [
            f"{self.scope[f'unknown_{side}']:,} of "
            f"{self.scope[f'unknown_{side}'] + self.scope[f'judged_{side}']:,} cells in run {publication.run_id}"
            for side, publication in (("before", self.before), ("after", self.after))
            if self.scope[f"unknown_{side}"]
        ]
        if not parts:
            return ""
        return (
            f"Not judged: {' and '.join(parts)}. What they hold may differ, and nothing in them counts as gone or "
            "resolved."
        )


def compare(store: "Store", before: "Publication", after: "Publication") -> Comparison:
    """What differs from one published run to a later one.

    Raises:
        WarehouseError: the history is damaged, or one of the two runs lacks what all sections rest on.
    """
    left_out: dict[str, str] = {}
    with store.history.compared(before, after) as (old, new):
        for side in SIDES:
            for as_of, named in ((old, "before"), (new, "after")):
                lacking = _read_side(as_of, side, named)
                if lacking and side not in LEFT_OUT:
                    raise WarehouseError(
                        f"{lacking} Name nights of one release, or read each with `cmdb sql --as-of`.", exit_code=2
                    )
                if lacking:
                    left_out[LEFT_OUT[side]] = lacking
        rows = {section: () if section in left_out else _rows(old, section) for section in SECTIONS}
        (scope,) = _rows(old, "scope")
    return Comparison(before, after, rows, scope, left_out)


def _query(name: str) -> str:
    release.require("pipelines/differences/queries")
    return (QUERIES / f"{name}.sql").read_text(encoding="utf-8")


def _read_side(as_of: "AsOf", side: str, named: str) -> str:
    """Read one side of the comparison into a table of the connection.

    Returns:
        What the run lacks that the query reads, as a sentence: it is of another release. Empty where it was read.
    """
    query = _query(f"side_{side}")
    as_of.connection.execute(f"use {as_of.catalog}")
    try:
        as_of.prepare(query)
        as_of.connection.execute(f"create temp table {side}_{named} as {query}")
    except (duckdb.CatalogException, duckdb.BinderException):
        read = set(_READ.findall(query))
        lacking = sorted(read - as_of.relations.keys()) or [f"column of {' or '.join(sorted(read))} that is read"]
        run_id = as_of.publication.run_id
        return f"Not compared: run {run_id} is of another release of cmdb and has no {', '.join(lacking)}."
    return ""


def _rows(as_of: "AsOf", name: str) -> tuple[Row, ...]:
    return tuple(named_rows(as_of.connection.execute(_query(name))))
