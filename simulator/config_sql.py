"""The SQL of AWS Config's advanced queries: `SELECT … [WHERE …] [GROUP BY …] [ORDER BY …]`, without FROM.

Fields are dotted paths into the JSON of a resource; a path through a list means any of its items.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

Resource = dict[str, Any]
Predicate = Callable[[Resource], bool]
COUNT = "COUNT(*)"

_TOKEN = re.compile(r"\s*(?:('(?:[^']|'')*')|(<>|!=|<=|>=|[=<>(),*])|([\w.:/@-]+))")
_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: bool(a == b),
    "<>": lambda a, b: bool(a != b),
    "!=": lambda a, b: bool(a != b),
    "<": lambda a, b: bool(a < b),
    "<=": lambda a, b: bool(a <= b),
    ">": lambda a, b: bool(a > b),
    ">=": lambda a, b: bool(a >= b),
}


class ExpressionError(ValueError):
    """An expression that Config does not accept; the message says where."""


@dataclass(frozen=True)
class Query:
    """A parsed expression."""

    fields: list[str]
    where: Predicate
    group_by: list[str]
    order_by: list[tuple[str, bool]]

    def run(self, resources: list[Resource]) -> list[Resource]:
        """The rows, each a JSON object of the selected fields; fields without a value are left out."""
        found = [resource for resource in resources if self.where(resource)]
        if COUNT not in self.fields and not self.group_by:
            return [_selected(resource, self.fields) for resource in self._ordered(found)]
        groups: dict[tuple[str, ...], list[Resource]] = {}
        for resource in found:
            key = tuple(str(_first(resource, name)) for name in self.group_by)
            groups.setdefault(key, []).append(resource)
        if not self.group_by:
            groups = {(): found}
        plain = [name for name in self.fields if name != COUNT]
        counted = [
            ({**_selected(there[0], plain), COUNT: len(there)} if there else {COUNT: 0}) for there in groups.values()
        ]
        if COUNT not in self.fields:
            counted = [{name: value for name, value in row.items() if name != COUNT} for row in counted]
        return self._ordered(counted)

    def _ordered(self, rows: list[Resource]) -> list[Resource]:
        for name, descending in reversed(self.order_by):
            rows = sorted(
                rows,
                key=lambda row: row[COUNT] if name == COUNT else str(_first(row, name)),
                reverse=descending,
            )
        return rows


def values(resource: Any, path: str) -> Iterator[Any]:
    """What a path leads to, through every list on its way."""
    if isinstance(resource, list):
        for item in resource:
            yield from values(item, path)
    elif not path:
        yield resource
    elif isinstance(resource, dict):
        name, _, rest = path.partition(".")
        if name in resource:
            yield from values(resource[name], rest)


def _first(resource: Resource, path: str) -> Any:
    return next(values(resource, path), None)


def _selected(resource: Resource, fields: list[str]) -> Resource:
    chosen: Resource = {}
    for path in fields:
        parts = path.split(".")
        source, target = resource, chosen
        for part in parts[:-1]:
            if not isinstance(source.get(part), dict):
                break
            source, target = source[part], target.setdefault(part, {})
        else:
            if parts[-1] in source:
                target[parts[-1]] = source[parts[-1]]
    return chosen


def parse(expression: str) -> Query:
    """The query of an expression.

    Raises:
        ExpressionError: it is not one.
    """
    return _Parser(expression).query()


def _always(_resource: Resource) -> bool:
    return True


class _Parser:
    def __init__(self, expression: str) -> None:
        self._tokens: list[str] = []
        position, text = 0, expression.strip().rstrip(";")
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise ExpressionError(f"unexpected character at {text[position : position + 10]!r}")
            self._tokens.append(match.group().strip())
            position = match.end()
        self._at = 0

    # ------------------------------------------------------------------ tokens

    def _peek(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _next(self) -> str:
        token = self._peek()
        if not token:
            raise ExpressionError("unexpected end of the expression")
        self._at += 1
        return token

    def _accept(self, *words: str) -> bool:
        ahead = self._tokens[self._at : self._at + len(words)]
        if [token.upper() for token in ahead] != list(words):
            return False
        self._at += len(words)
        return True

    def _expect(self, *words: str) -> None:
        if not self._accept(*words):
            raise ExpressionError(f"expected {' '.join(words)} at {self._peek()!r}")

    def _field(self) -> str:
        token = self._next()
        if not re.fullmatch(r"[A-Za-z_][\w.:/@-]*", token):
            raise ExpressionError(f"{token!r} is not a property")
        return token

    def _literal(self) -> Any:
        token = self._next()
        if token.startswith("'"):
            return token[1:-1].replace("''", "'")
        if token.lower() in {"true", "false"}:
            return token.lower() == "true"
        if re.fullmatch(r"-?\d+(\.\d+)?", token):
            return float(token)
        raise ExpressionError(f"{token!r} is not a value")

    # ------------------------------------------------------------------ grammar

    def query(self) -> Query:
        self._expect("SELECT")
        fields = self._list(self._column)
        where = self._either() if self._accept("WHERE") else _always
        group_by = self._list(self._field) if self._accept("GROUP", "BY") else []
        order_by = self._list(self._order) if self._accept("ORDER", "BY") else []
        if self._peek():
            raise ExpressionError(f"unexpected {self._peek()!r}")
        if (group_by or COUNT in fields) and (stray := {*fields} - {*group_by, COUNT}):
            raise ExpressionError(f"{', '.join(sorted(stray))} is neither counted nor grouped by")
        return Query(fields, where, group_by, order_by)

    def _list(self, item: Callable[[], Any]) -> list[Any]:
        found = [item()]
        while self._accept(","):
            found.append(item())
        return found

    def _column(self) -> str:
        return COUNT if self._accept("COUNT", "(", "*", ")") else self._field()

    def _order(self) -> tuple[str, bool]:
        name = self._column()
        descending = self._accept("DESC")
        return name, descending or (self._accept("ASC") and False)

    def _either(self) -> Predicate:
        parts = [self._both()]
        while self._accept("OR"):
            parts.append(self._both())
        return lambda resource: any(part(resource) for part in parts)

    def _both(self) -> Predicate:
        parts = [self._condition()]
        while self._accept("AND"):
            parts.append(self._condition())
        return lambda resource: all(part(resource) for part in parts)

    def _condition(self) -> Predicate:
        if self._accept("NOT"):
            inner = self._condition()
            return lambda resource: not inner(resource)
        if self._accept("("):
            inside = self._either()
            self._expect(")")
            return inside
        name = self._field()
        negated = self._accept("NOT")
        test = self._test()
        return lambda resource: any(test(value) for value in values(resource, name)) is not negated

    def _test(self) -> Callable[[Any], bool]:
        if self._accept("IN"):
            self._expect("(")
            wanted = self._list(self._literal)
            self._expect(")")
            return lambda value: value in wanted
        if self._accept("LIKE"):
            pattern = str(self._literal()).replace("%", "*").replace("_", "?")
            return lambda value: fnmatchcase(str(value), pattern)
        if self._accept("BETWEEN"):
            least = self._literal()
            self._expect("AND")
            most = self._literal()
            return lambda value: isinstance(value, type(least)) and least <= value <= most
        operator = self._next()
        if operator not in _COMPARISONS:
            raise ExpressionError(f"{operator!r} is not a comparison")
        compare, right = _COMPARISONS[operator], self._literal()
        return lambda value: isinstance(value, type(right)) and compare(value, right)
