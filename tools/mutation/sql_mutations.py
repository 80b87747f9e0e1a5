"""Mutants of SQL: one comparison, condition, join, fallback or constant of a query that is another, or is not there.

A query is a file of its own or stands in a Python file.
"""

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress

import sqlglot
from sqlglot import exp

from tools.mutation.mutations import OTHER_WORD, Ground, Mutant, is_in, numbered

DIALECT = "duckdb"

_OTHERS: dict[type[exp.Expr], tuple[type[exp.Expr], ...]] = {
    exp.EQ: (exp.NEQ,),
    exp.NEQ: (exp.EQ,),
    exp.LT: (exp.LTE, exp.GTE),
    exp.LTE: (exp.LT, exp.GT),
    exp.GT: (exp.GTE, exp.LTE),
    exp.GTE: (exp.GT, exp.LT),
    exp.NullSafeEQ: (exp.NullSafeNEQ,),
    exp.NullSafeNEQ: (exp.NullSafeEQ,),
    exp.And: (exp.Or,),
    exp.Or: (exp.And,),
    exp.Add: (exp.Sub,),
    exp.Sub: (exp.Add,),
    exp.Min: (exp.Max,),
    exp.Max: (exp.Min,),
}
"""To what an operator or a function of the same arguments is changed."""


def sql_mutants(path: str, source: str, only: Collection[str] = ()) -> list[Mutant]:
    """Every mutant of a SQL file, whose header stays as it is.

    Args:
        path: below the repository.
        only: names of common table expressions and columns, `cte.column`; all where empty.
    """
    kept = _header(source)
    found = []
    for where, change, query in changes(source):
        if is_in(where, only):
            lines = range(1, source.count("\n") + 2)
            found.append(Mutant(path, where, change, f"{kept}{query}\n", lines, where))
    return numbered({mutant.text: mutant for mutant in found}.values())


def _header(source: str) -> str:
    """The comment that opens a SQL file, which the product reads."""
    found = re.match(r"(?:--[^\n]*\n)*", source)
    return found[0] if found else ""


def embedded_mutants(path: str, source: str, only: Collection[str] = ()) -> list[Mutant]:
    """Every mutant of the queries that stand in a Python file, but of those that sqlglot cannot take apart.

    Args:
        path, only: as of `python_mutants`.
    """
    tree = ast.parse(source)
    ground = Ground(tree, source)
    found = []
    for start, end, query, prefix, names in _queries(tree, ground):
        where = ground.around(start)
        if is_in(where, only):
            for inside, said, text in changes(query):
                change = f"{inside}: {said}" if inside else said
                text = ground.spliced(start, end, prefix + _quoted(text, names))
                lines = range(ground.line(start), ground.line(end) + 1)
                found.append(Mutant(path, where, _with_names(change, names), text, lines, inside))
    return numbered({mutant.text: mutant for mutant in found}.values())


def rewritten(path: str, source: str, only: Collection[str] = ()) -> str:
    """The file with its queries as sqlglot writes them, which must be the same to every test."""
    if path.endswith(".sql"):
        return f"{_header(source)}{unchanged(source)}\n"
    tree = ast.parse(source)
    ground = Ground(tree, source)
    whole = source.encode()
    for start, end, query, prefix, names in sorted(_queries(tree, ground), reverse=True):
        if is_in(ground.around(start), only):
            whole = whole[:start] + (prefix + _quoted(unchanged(query), names)).encode() + whole[end:]
    return whole.decode()


_BEGINS = re.compile(r"\s*(select|with|insert|update|delete|create)\s", re.IGNORECASE)

_Query = tuple[int, int, str, str, tuple[str, ...]]
"""From where to where it reaches, the query with a name in the place of each value of Python, the letter before the
quotes, and those values."""


def _queries(tree: ast.Module, ground: Ground) -> Iterator[_Query]:
    nodes = list(ast.walk(tree))
    # The pieces of a formatted text are no texts of their own.
    pieces = {id(value) for node in nodes if isinstance(node, ast.JoinedStr) for value in node.values}
    for node in nodes:
        if id(node) in pieces:
            continue
        parts: list[str] = []
        names: list[str] = []
        prefix = ""
        if isinstance(node, ast.JoinedStr):
            prefix = "f"
            for value in node.values:
                if isinstance(value, ast.Constant):
                    parts.append(str(value.value))
                elif isinstance(value, ast.FormattedValue):
                    parts.append(f"{_VALUE}{len(names)}_")
                    names.append(ast.unparse(value.value))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            parts.append(node.value)
        query = "".join(parts)
        if _BEGINS.match(query):
            with suppress(sqlglot.errors.SqlglotError):
                unchanged(query)
                yield *ground.span(node), query, prefix, tuple(names)


_VALUE = "value_of_python_"


def _quoted(query: str, names: Iterable[str]) -> str:
    """The query as a literal of Python, with the values where they were."""
    text = query.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    if names:
        text = text.replace("{", "{{").replace("}", "}}")
    return f'"""{_with_names(text, names)} """'


def _with_names(text: str, names: Iterable[str]) -> str:
    for number, name in enumerate(names):
        text = text.replace(f"{_VALUE}{number}_", f"{{{name}}}")
    return text


def unchanged(source: str) -> str:
    """The statements as sqlglot writes them: what each mutant differs from in one thing."""
    return ";\n".join(tree.sql(dialect=DIALECT, comments=False) for tree in _parsed(source))


def changes(source: str) -> Iterator[tuple[str, str, str]]:
    """Where, what, and all statements with that change; what is said about a column is left alone."""
    trees = _parsed(source)
    said = [tree.sql(dialect=DIALECT, comments=False) for tree in trees]
    for at, tree in enumerate(trees):
        if not isinstance(tree, exp.Comment):
            for where, change, text in _changes(tree):
                if text != said[at]:
                    yield where, change, ";\n".join([*said[:at], text, *said[at + 1 :]])


def _parsed(source: str) -> list[exp.Expr]:
    return [tree for tree in sqlglot.parse(source, dialect=DIALECT) if tree is not None]


def _changes(tree: exp.Expr) -> Iterator[tuple[str, str, str]]:
    for number, node in enumerate(tree.walk()):
        for other in _others(node):
            changed = tree.copy()
            place = next(one for at, one in enumerate(changed.walk()) if at == number)
            after = _said(other) if other is not None else "nothing"
            if other is None:
                place.pop()
            elif place is changed:
                continue
            else:
                place.replace(other)
            yield _where(node), f"{_said(node)} → {after}", changed.sql(dialect=DIALECT, comments=False)


def _said(node: exp.Expr) -> str:
    return " ".join(node.sql(dialect=DIALECT, comments=False).split())


def _where(node: exp.Expr) -> str:
    """The common table expression and the column that a node belongs to."""
    names = []
    inner: exp.Expr | None = node
    while inner is not None:
        if isinstance(inner, exp.CTE) or (
            isinstance(inner, exp.Alias) and isinstance(inner.parent, exp.Select | exp.Star)
        ):
            names.append(inner.alias)
        elif isinstance(inner, exp.Where | exp.Join | exp.Qualify | exp.Order) and not names:
            names.append(inner.key)
        inner = inner.parent
    return ".".join(reversed(names))


def _others(node: exp.Expr) -> Iterator[exp.Expr | None]:
    """What may stand in the place of a node; None where nothing does."""
    for other in _OTHERS.get(type(node), ()):
        yield other(**{name: _copied(value) for name, value in node.args.items()})
    yield from _conditions(node)
    yield from _choices(node)
    yield from _constants(node)
    if isinstance(node, exp.Join):
        yield from _joins(node)
    if isinstance(node, exp.Ordered):
        turned = node.copy()
        turned.set("desc", not node.args.get("desc"))
        yield turned
    if isinstance(node, exp.Distinct) or (isinstance(node, exp.Order) and len(node.expressions) > 1):
        yield from _shorter(node)


def _copied(value: object) -> object:
    return value.copy() if isinstance(value, exp.Expr) else value


def _conditions(node: exp.Expr) -> Iterator[exp.Expr | None]:
    if isinstance(node, exp.And | exp.Or):
        yield node.left.copy()
        if not isinstance(node.left, type(node)):
            yield node.right.copy()
    if isinstance(node, exp.Not):
        yield exp.paren(node.this.copy())
    if isinstance(node, exp.Is | exp.In | exp.Exists | exp.Like) and not isinstance(node.parent, exp.Not):
        yield exp.Not(this=exp.paren(node.copy()))
    if isinstance(node, exp.Where) and not isinstance(node.parent, exp.Filter):
        yield None
    if isinstance(node, exp.In) and len(node.expressions) > 1:
        yield from _shorter(node)
    if isinstance(node, exp.Filter):
        yield node.this.copy()


def _choices(node: exp.Expr) -> Iterator[exp.Expr | None]:
    if isinstance(node, exp.Coalesce):
        values = [node.this, *node.expressions]
        for left_out in range(len(values)):
            rest = [value.copy() for at, value in enumerate(values) if at != left_out]
            yield exp.Coalesce(this=rest[0], expressions=rest[1:]) if len(rest) > 1 else rest[0]
    if isinstance(node, exp.Case):
        if len(node.args["ifs"]) > 1:
            for left_out in range(len(node.args["ifs"])):
                shorter = node.copy()
                shorter.args["ifs"][left_out].pop()
                yield shorter
        if node.args.get("default") is not None:
            shorter = node.copy()
            shorter.set("default", None)
            yield shorter
    if isinstance(node, exp.If) and not isinstance(node.parent, exp.Case):
        yield node.args["true"].copy()
        yield node.args["false"].copy() if node.args.get("false") is not None else exp.null()


def _constants(node: exp.Expr) -> Iterator[exp.Expr | None]:
    # How a list is sorted is written in no query, although sqlglot knows it.
    if isinstance(node, exp.Boolean) and not isinstance(node.parent, exp.ArraySort):
        yield exp.Boolean(this=not node.this)
    if isinstance(node, exp.Literal) and not isinstance(node.parent, exp.JSONPathKey):
        if node.this.isdigit():
            yield exp.Literal(this=str(int(node.this) + 1), is_string=node.is_string)
        elif node.is_string:
            yield exp.Literal.string(OTHER_WORD)


def _joins(node: exp.Join) -> Iterator[exp.Expr | None]:
    changed = node.copy()
    if node.kind == "ANTI":
        changed.set("kind", "SEMI")
    elif node.side == "LEFT":
        changed.set("side", None)
    elif node.kind in ("", "INNER") and (node.args.get("on") is not None or node.args.get("using")):
        changed.set("side", "LEFT")
    else:
        return
    yield changed
    using = node.args.get("using") or []
    if len(using) > 1:
        for left_out in range(len(using)):
            shorter = node.copy()
            shorter.set("using", [one.copy() for at, one in enumerate(using) if at != left_out])
            yield shorter


def _shorter(node: exp.Expr) -> Iterator[exp.Expr | None]:
    for left_out in range(len(node.expressions)):
        shorter = node.copy()
        shorter.set("expressions", [one.copy() for at, one in enumerate(node.expressions) if at != left_out])
        yield shorter
