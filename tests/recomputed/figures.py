"""What a table has to show, and who recomputes it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal, getcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from recomputed.world import World

getcontext().prec = 60

Row = Mapping[str, Any]

TEN = Decimal("1e-10")


@dataclass(frozen=True)
class Figures:
    """The rows of one table.

    Attributes:
        key: columns that tell its rows apart.
        rows: every row that it has to have, with these columns and those that are recomputed.
        near: how far a column may be off, in its unit, where a double takes part in it; others are equal.
        where: which rows of the table are recomputed; all of them where it is empty.
        query: what is compared in place of the table's own rows, such as sums over them.
    """

    key: tuple[str, ...]
    rows: list[Row]
    near: Mapping[str, Decimal] = field(default_factory=dict)
    where: str = ""
    query: str = ""

    def sql(self, relation: str) -> str:
        """The query of the rows that are compared."""
        if self.query:
            return self.query
        named = sorted({name for row in self.rows for name in row} | set(self.key))
        columns = ", ".join(f'"{name}"' for name in named)
        return f"select {columns} from {relation}" + (f" where {self.where}" if self.where else "")


Recompute = Callable[["World"], Figures]

RECOMPUTED: dict[str, Recompute] = {}
"""Who recomputes a table, by its name."""


def recomputes(*relations: str) -> Callable[[Recompute], Recompute]:
    """Register a function for the tables that it says the rows of."""

    def register(function: Recompute) -> Recompute:
        RECOMPUTED.update(dict.fromkeys(relations, function))
        return function

    return register


def rounded(amount: Decimal) -> Decimal:
    """To the ten decimals that money has, half away from zero."""
    return amount.quantize(TEN, ROUND_HALF_UP)


def units(amount: Decimal) -> int:
    """Money in whole units of 1e-10."""
    return int(amount.scaleb(10))


def shared_out(total: Decimal, weights: Mapping[str, int]) -> dict[str, Decimal]:
    """A sum by weights, each part rounded down; those that lost most by that get a unit of what is left."""
    whole, all_of_them = abs(units(total)), sum(weights.values())
    parts = {name: divmod(whole * weight, all_of_them) for name, weight in weights.items()}
    left = whole - sum(part for part, _ in parts.values())
    first = sorted(parts, key=lambda name: (-parts[name][1], name))[:left]
    sign = -1 if total < 0 else 1
    return {name: Decimal(sign * (part + (name in first))).scaleb(-10) for name, (part, _) in parts.items()}


def differences(wanted: Figures, found: Iterable[Row]) -> list[str]:
    """What a table shows otherwise, a sentence each."""

    def by_key(rows: Iterable[Row]) -> dict[tuple[Any, ...], Row]:
        return {tuple(row[name] for name in wanted.key): row for row in rows}

    rows = list(found)
    expected, shown = by_key(wanted.rows), by_key(rows)
    said = [f"{len(rows) - len(shown)} rows stand twice"] if len(rows) != len(shown) else []
    said += [f"{len(wanted.rows) - len(expected)} rows are expected twice"] * (len(wanted.rows) != len(expected))
    said += [f"no row {key}: {dict(expected[key])}" for key in sorted(expected.keys() - shown.keys(), key=str)]
    said += [f"a row {key} too many: {dict(shown[key])}" for key in sorted(shown.keys() - expected.keys(), key=str)]
    for key in sorted(expected.keys() & shown.keys(), key=str):
        for name, value in expected[key].items():
            if not _same(value, shown[key][name], wanted.near.get(name)):
                said.append(f"{key}: {name} is {shown[key][name]!r}, not {value!r}")
    return said


def _same(one: Any, other: Any, near: Decimal | None) -> bool:
    if near is None or one is None or other is None:
        return bool(one == other)
    return abs(Decimal(one) - Decimal(other)) <= near
