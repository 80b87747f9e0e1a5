"""What one SELECT reads of money that stands several times, and how far its conditions narrow that."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field

from sqlglot import exp

from pipelines.cli.repeated_money import SLICES, VIEWS

BILLS = frozenset({"cost.daily", "stage.reported_cost"})
"""Relations that hold every slice of the bill, of which VIEWS show one each."""

HAVE_TOTALS = frozenset({"cost.export_reconciliation"})
"""Relations in which totals are the rows that have no value of the column."""

Key = tuple[str, str]
"""A column, by the alias of its source and its name."""


@dataclass(frozen=True)
class Part:
    """Rows of a relation among those of a source.

    Attributes:
        money: what several relations show parts of.
        column: the column of the relation by whose values the money stands several times.
        shown: what the source calls this column; empty where it does not show it.
        value: the one value that is let through; empty where there may be several.
    """

    relation: str
    money: str
    column: str
    shown: str
    value: str = ""


PARTS = {
    relation: frozenset(
        Part(relation, "the bill" if relation in BILLS else relation, column, column) for column in columns
    )
    for relation, columns in SLICES.items()
} | {view: frozenset({Part(view, "the bill", "slice", "", value)}) for view, value in VIEWS.items()}


@dataclass
class Sources:
    """What one SELECT reads.

    Attributes:
        parts: of each source, by its alias.
        only_asked: sources of semi and anti joins, whose rows are in no sum.
        values: columns that have one value.
        empties: columns of which it is known whether they are NULL.
        equal: of each column those that it is equal to.
    """

    parts: dict[str, frozenset[Part]] = field(default_factory=dict)
    only_asked: set[str] = field(default_factory=set)
    values: dict[Key, str] = field(default_factory=dict)
    empties: dict[Key, str] = field(default_factory=dict)
    equal: dict[Key, set[Key]] = field(default_factory=dict)

    def each(self) -> Iterator[tuple[str, Part]]:
        """Every part, with the alias of its source."""
        for alias, parts in self.parts.items():
            if alias not in self.only_asked:
                for part in sorted(parts, key=lambda part: (part.relation, part.column, part.value)):
                    yield alias, part

    def shows(self, name: str) -> list[str]:
        """The aliases of the sources that show the column of a part by this name."""
        return [alias for alias, parts in self.parts.items() if any(part.shown == name for part in parts)]

    def keys_of(self, nodes: "Iterable[exp.Expr]") -> frozenset[Key]:
        """The columns among expressions."""
        found: set[Key] = set()
        for node in nodes:
            if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
                name = node.name.lower()
                aliases = [node.table.lower()] if node.table else self.shows(name) or [""]
                found |= {(alias, name) for alias in aliases}
        return frozenset(found)

    def reached(self, key: Key) -> set[Key]:
        """A column, with those that it is equal to."""
        found, waiting = {key}, [key]
        while waiting:
            more = self.equal.get(waiting.pop(), set()) - found
            found |= more
            waiting += more
        return found

    def value(self, alias: str, part: Part) -> str:
        """The one value of the column of a part that the conditions let through; empty where there may be several."""
        if part.value or not part.shown:
            return part.value
        reached = sorted(self.reached((alias, part.shown)))
        known = self.empties if part.relation in HAVE_TOTALS else {}
        return next((found for key in reached if (found := self.values.get(key) or known.get(key))), "")

    def equate(self, one: Key, other: Key, narrowed: Collection[str]) -> None:
        """Record that two columns are equal in the rows that are left, which those of `narrowed` have to be."""
        if one[0] in narrowed:
            self.equal.setdefault(one, set()).add(other)
        if other[0] in narrowed:
            self.equal.setdefault(other, set()).add(one)

    def narrow(self, condition: "exp.Expr", narrowed: Collection[str] | None = None) -> None:
        """Record what every row has to meet.

        Args:
            narrowed: the sources whose rows have to; None for all.
        """
        within = {*self.parts, ""} if narrowed is None else narrowed
        for one in conjuncts(condition):
            match one:
                case exp.EQ() | exp.NullSafeEQ():
                    self._compare(one.this.unnest(), one.expression.unnest(), within)
                case exp.In() if len(one.expressions) == 1:
                    self._compare(one.this.unnest(), one.expressions[0].unnest(), within)
                case exp.Is() | exp.Not(this=exp.Is()):
                    compared = one.this if isinstance(one, exp.Is) else one.this.this
                    for key in self.keys_of([compared]):
                        if key[0] in within:
                            self.empties[key] = one.sql()

    def _compare(self, left: "exp.Expr", right: "exp.Expr", within: Collection[str]) -> None:
        for column, other in ((left, right), (right, left)):
            for key in self.keys_of([column]):
                if _is_one(other) and key[0] in within:
                    self.values[key] = other.name or other.sql()
        for one in self.keys_of([left]):
            for another in self.keys_of([right]):
                self.equate(one, another, within)


@dataclass(frozen=True)
class Groups:
    """By what a sum is made: columns, or every column that there is."""

    keys: frozenset[Key] = frozenset()
    is_all: bool = False

    def hold(self, sources: Sources, alias: str, part: Part) -> bool:
        """Whether a group has one value of the column of a part."""
        return bool(part.shown) and (self.is_all or bool(sources.reached((alias, part.shown)) & self.keys))


def conjuncts(condition: "exp.Expr") -> "Iterator[exp.Expr]":
    """The conditions of which each has to be met."""
    condition = condition.unnest()
    if isinstance(condition, exp.And):
        yield from conjuncts(condition.this)
        yield from conjuncts(condition.expression)
    else:
        yield condition


def _is_one(node: "exp.Expr") -> bool:
    """Whether an expression has one value in all rows: a literal, a parameter, or a subquery in place of one."""
    return isinstance(node.this if isinstance(node, exp.Cast) else node, exp.Literal | exp.Placeholder | exp.Query)
