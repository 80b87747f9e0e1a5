"""What the tables need of AWS's records, found in their own queries: `pipelines.collection.record_rules` holds it.

A record must have what the columns of a table's key are made of, its owner, what an item of it needs, and what the
table as a whole declares NOT NULL; each member that a query reads must be of the type that `landing` gives it, and the
entries of a map must have keys. A column counts through every table between it and the record, as long as each row of
the record becomes one: what is joined or left out on the way says nothing about the record.
"""

import functools
import itertools
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from pipelines.collection.record_rules import EACH, Keys, Need, Path, RecordRule, Split, Step, Typed
from pipelines.collection.record_types import Shape
from pipelines.errors import SqlFileError
from pipelines.models import resource_union
from pipelines.models.lineage import LINE, landed, sources_of
from pipelines.models.model import CELL_COLUMNS, Model, made_by
from pipelines.models.queries import argument, parsed
from resources.store.migrations import MIGRATIONS

if TYPE_CHECKING:
    from pathlib import Path as File

Member = tuple[str, Path]
"""A member of a listing's record."""

Options = tuple[frozenset[Member], ...]
"""What makes a value: all members of one of these. No option at all: nothing is known to make it."""

ALWAYS: Options = (frozenset(),)
NEVER: Options = ()

TAG_MAP = "tag_map"
"""The macro that makes a map of AWS's tags, each of a `Key` and a `Value`."""

_NOT_NULL = re.compile(r'^\s+"?(\w+)"? .*\bnot null\b', re.IGNORECASE | re.MULTILINE)
_CREATE = re.compile(r"^create table (\w+\.\w+) \((.*?)^\)", re.IGNORECASE | re.MULTILINE | re.DOTALL)


def record_rules_of(models: Mapping[str, Model], migrations: "File" = MIGRATIONS) -> dict[str, RecordRule]:
    """What the tables need of the records of each listing, by its name.

    Args:
        migrations: where the tables that outlast a run are declared.
    """
    declared = not_null(file.read_text(encoding="utf-8") for file in sorted(migrations.glob("[!.]*.sql")))
    queries = Queries(models)
    types: dict[str, list[Typed]] = defaultdict(list)
    needs: dict[str, dict[tuple[tuple[Path, ...], ...], Need]] = defaultdict(dict)
    keys: dict[str, dict[Path, Keys]] = defaultdict(dict)
    collected = {model.relation for model in models.values() if model.listings}
    for model in models.values():
        # What is put together further on has been counted, joined and left out.
        for column in _required(model, declared) if model.listings or model.uses & collected else ():
            for options in queries.made_of(model.relation, column):
                listings = {listing for option in options for listing, _ in option}
                if len(listings) != 1 or frozenset() in options:
                    continue
                paths = tuple(tuple(path for _, path in sorted(option, key=repr)) for option in options)
                needs[listings.pop()].setdefault(paths, Need(f"{model.relation}.{column}", paths))
        if model.listings:
            reading = _Reading(queries, model)
            for listing, shape in reading.types():
                types[listing].append(Typed(model.relation, shape))
            for listing, path, key, column in reading.map_keys():
                keys[listing].setdefault(path, Keys(f"{model.relation}.{column}", path, key))
    return {
        name: RecordRule(
            tuple(types[name]), tuple(needs[name].values()), tuple(keys[name].values()), made_by(name, models)
        )
        for name in types
    }


def not_null(migrations: Iterable[str]) -> dict[str, set[str]]:
    """The columns that tables declare NOT NULL, by table."""
    found: dict[str, set[str]] = defaultdict(set)
    for sql in migrations:
        for table, body in _CREATE.findall(sql):
            found[table] |= set(_NOT_NULL.findall(body))
    return found


def _required(model: Model, declared: Mapping[str, set[str]]) -> list[str]:
    """The columns of a relation that no row may lack."""
    columns = [*model.key, *([model.owner] if model.owner else []), *sorted(declared.get(model.relation, ()))]
    if resource_union.ENTRY in model.header.entries:
        columns += resource_union.required(
            resource_union.Table(model.name, model.header, model.listings), declared.get("cmdb.resource", ())
        )
    return [name for name in dict.fromkeys(columns) if name not in CELL_COLUMNS]


class Queries:
    """What the columns of models are made of, down to the records of AWS."""

    def __init__(self, models: Mapping[str, Model]) -> None:
        self._models = models
        self._scopes: dict[str, Scope | None] = {}
        self._open: set[tuple[str, str]] = set()

    def scope(self, relation: str) -> Scope | None:
        """The query of a model."""
        if relation not in self._scopes:
            self._scopes[relation] = build_scope(parsed(self._models[relation].sql))
        return self._scopes[relation]

    def made_of(self, relation: str, column: str) -> list[Options]:
        """What makes a column: once for each query of a union."""
        if relation not in self._models or (relation, column) in self._open:
            return [ALWAYS]
        self._open.add((relation, column))
        try:
            scope = self.scope(relation)
            return [ALWAYS] if scope is None else self.column_of(scope, column)
        finally:
            self._open.discard((relation, column))

    def column_of(self, scope: Scope, column: str) -> list[Options]:
        """What makes a column of a query."""
        if scope.set_operation_scopes:
            return [found for part in scope.set_operation_scopes for found in self.column_of(part, column)]
        for projection in scope.expression.args.get("expressions") or []:
            if projection.alias_or_name == column:
                return self.value(projection, scope)
        for projection in scope.expression.args.get("expressions") or []:
            star = projection.find(exp.Star) if isinstance(projection, exp.Column | exp.Star) else None
            if star is None or any(name.name == column for name in argument(star, "except") or ()):
                continue
            for replaced in argument(star, "replace") or ():
                if replaced.alias_or_name == column:
                    return self.value(replaced, scope)
            owner = projection.table if isinstance(projection, exp.Column) else _root(scope)
            if owner == _root(scope):
                return self._from(scope, owner, [column])
        return [ALWAYS]

    def value(self, node: exp.Expression, scope: Scope) -> list[Options]:
        """What makes the value of an expression."""
        if isinstance(node, exp.Alias | exp.Paren | exp.Cast | exp.TryCast | exp.Nullif | exp.SplitPart):
            return self.value(node.this, scope)
        if isinstance(node, exp.Null) or (isinstance(node, exp.Anonymous) and node.name.lower() == "error"):
            return [NEVER]
        if isinstance(node, exp.Column | exp.Dot | exp.Bracket | exp.Explode | exp.Split):
            return self._place(node, scope)
        if isinstance(node, exp.Coalesce):
            return _either(self.value(part, scope) for part in (node.this, *node.expressions))
        if isinstance(node, exp.Case):
            branches = [branch.args["true"] for branch in node.args["ifs"]]
            return _either(self.value(part, scope) for part in (*branches, node.args.get("default") or exp.null()))
        if isinstance(node, exp.If):
            return _either(
                self.value(part, scope) for part in (node.args["true"], node.args.get("false") or exp.null())
            )
        if isinstance(node, exp.DPipe | exp.Substring | exp.RegexpReplace | exp.Anonymous | exp.Lower | exp.Upper):
            parts = [child for child in node.iter_expressions() if isinstance(child, exp.Expression)]
            return _together(self.value(part, scope) for part in parts)
        return [ALWAYS]

    def _place(self, node: exp.Expression, scope: Scope) -> list[Options]:
        """What makes a column, a member of it or a place in it."""
        inner, steps = _steps(node)
        parts = _parts(inner)
        if not parts:
            return [ALWAYS]
        own = sources_of(scope)
        if len(parts) > 1 and parts[0] in own:
            found = self._from(scope, parts[0], parts[1:])
        else:
            having = [name for name in own if self._has(own[name], parts[0])]
            found = self._from(scope, having[0], parts) if len(having) == 1 else [ALWAYS]
        return [
            tuple(frozenset((listing, (*path, *steps)) for listing, path in option) for option in options)
            for options in found
        ]

    def _has(self, source: exp.Table | Scope, column: str) -> bool:
        if isinstance(source, Scope):
            first = source
            while first.set_operation_scopes:
                first = first.set_operation_scopes[0]
            names = [part.alias_or_name for part in first.expression.args.get("expressions") or []]
            return column in names
        if landed(source):
            return column in ("item", "cell", *LINE)
        relation = f"{source.db}.{source.name}"
        return relation in self._models and column in self._models[relation].columns

    def _from(self, scope: Scope, alias: str, parts: list[str]) -> list[Options]:
        """What makes a column of one of the tables of a query, and its members."""
        source = sources_of(scope).get(alias)
        if isinstance(source, exp.Table) and landed(source):
            if parts[0] != "item" or len(parts) < 2:
                return [ALWAYS]
            return [(frozenset({(landed(source), tuple(_written(source, parts[1:])))}),)]
        if source is None or alias != _root(scope):
            # What a join does not find is not the record's fault.
            return [ALWAYS]
        if isinstance(source, Scope):
            made = self.column_of(source, parts[0])
        else:
            where = scope.expression.args.get("where")
            made = [ALWAYS] if where is not None else self.made_of(f"{source.db}.{source.name}", parts[0])
        more: tuple[Step, ...] = tuple(parts[1:])
        return [
            tuple(frozenset((listing, (*path, *more)) for listing, path in option) for option in options)
            for options in made
        ]


class _Reading:
    """What one model reads of the landing: the types of its members, and what becomes of them."""

    def __init__(self, queries: Queries, model: Model) -> None:
        self._queries = queries
        self._model = model

    def types(self) -> Iterator[tuple[str, Shape]]:
        """The type of a record by listing, with what the query casts a text to."""
        casts = dict(self._casts())
        for scope in self._scopes():
            for source in sources_of(scope).values():
                if isinstance(source, exp.Table) and (listing := landed(source)):
                    yield listing, _shape(_declared(source), listing, (), casts)

    def _casts(self) -> Iterator[tuple[Member, exp.DataType]]:
        for scope in self._scopes():
            for cast in scope.find_all(exp.Cast):
                if isinstance(cast, exp.TryCast) or not isinstance(cast.this, exp.Column | exp.Dot):
                    continue
                for options in self._queries.value(cast.this, scope):
                    for member in itertools.chain.from_iterable(options):
                        yield member, cast.to

    def map_keys(self) -> Iterator[tuple[str, Path, str, str]]:
        """What becomes a map: its listing, the way to its entries, the member that is the key, and the column."""
        for scope in self._scopes():
            for node in scope.find_all(exp.Anonymous, exp.MapFromEntries):
                entries, name = _entries(node)
                if entries is None:
                    continue
                above = node.find_ancestor(exp.Alias)
                column = above.alias if above is not None else "its map"
                for options in self._queries.value(entries, scope):
                    for listing, path in itertools.chain.from_iterable(options):
                        yield listing, path, name, column

    def _scopes(self) -> Iterator[Scope]:
        scope = self._queries.scope(self._model.relation)
        if scope is not None:
            yield from scope.traverse()


def _entries(node: "exp.Expr") -> tuple[exp.Expression | None, str]:
    """The list that becomes a map, and the member that is the key."""
    if isinstance(node, exp.Anonymous):
        return (node.expressions[0], "Key") if node.name.lower() == TAG_MAP and node.expressions else (None, "")
    made = node.this
    if not isinstance(made, exp.Transform) or not isinstance(made.expression, exp.Lambda):
        return None, ""
    first = next(iter(made.expression.this.expressions), None)
    if not isinstance(first, exp.PropertyEQ) or not isinstance(first.expression, exp.Dot):
        return None, ""
    source = made.this.this if isinstance(made.this, exp.Coalesce) else made.this
    return source, first.expression.expression.name


def _either(parts: Iterable[list[Options]]) -> list[Options]:
    return _combined(parts, lambda chosen: _least(itertools.chain.from_iterable(chosen)))


def _together(parts: Iterable[list[Options]]) -> list[Options]:
    def joined(chosen: tuple[Options, ...]) -> Options:
        return _least(frozenset[Member]().union(*one) for one in itertools.product(*chosen))

    return _combined(parts, joined)


def _combined(parts: Iterable[list[Options]], join: Callable[[tuple[Options, ...]], Options]) -> list[Options]:
    return [join(chosen) for chosen in itertools.product(*parts)]


def _least(options: Iterable[frozenset[Member]]) -> Options:
    """Options without those that ask for more than another one."""
    every = list(dict.fromkeys(options))
    return tuple(option for option in every if not any(other < option for other in every))


def _root(scope: Scope) -> str:
    """The table of a query that each of its rows comes from."""
    first = argument(scope.expression, "from")
    return first.this.alias_or_name if first is not None else ""


def _steps(node: exp.Expression) -> tuple[exp.Expression, tuple[Step, ...]]:
    """A column, and the steps from it on: `item."Keys"[1]` is the first of the keys."""
    if isinstance(node, exp.Explode):
        inner, steps = _steps(node.this)
        return inner, (*steps, EACH)
    if isinstance(node, exp.Split):
        inner, steps = _steps(node.this)
        return inner, (*steps, Split(node.expression.name))
    if isinstance(node, exp.Bracket):
        inner, steps = _steps(node.this)
        place = node.expressions[0]
        if isinstance(place, exp.Literal) and not place.is_string:
            return inner, (*steps, int(place.name))
        return inner, steps
    return node, ()


def _parts(node: exp.Expression) -> list[str]:
    """The names of a column and its members; the parser cannot tell which is a table."""
    if isinstance(node, exp.Dot):
        return [*_parts(node.this), node.expression.name] if isinstance(node.expression, exp.Identifier) else []
    return [part.name for part in node.parts] if isinstance(node, exp.Column) else []


def _declared(table: exp.Table) -> exp.DataType:
    """The type that `landing(listing, type)` gives a record."""
    return _type(table.this.expressions[1].name)


@functools.cache
def _type(text: str) -> exp.DataType:
    return exp.DataType.build(text, dialect="duckdb")


def _written(table: exp.Table, parts: Iterable[str]) -> Iterator[str]:
    """Members as AWS writes them: DuckDB takes any case."""
    kind: exp.DataType | None = _declared(table)
    for part in parts:
        members = {member.name.lower(): member for member in (kind.expressions if kind is not None else ())}
        found = members.get(part.lower())
        yield found.name if found is not None else part
        kind = found.args["kind"] if isinstance(found, exp.ColumnDef) else None


def _shape(kind: exp.DataType, listing: str, path: Path, casts: Mapping[Member, exp.DataType]) -> Shape:
    """What a value of a type of DuckDB's must be."""
    cast = casts.get((listing, path))
    match kind.this:
        case exp.DataType.Type.STRUCT:
            return {
                member.name: _shape(member.args["kind"], listing, (*path, member.name), casts)
                for member in kind.expressions
            }
        case exp.DataType.Type.ARRAY | exp.DataType.Type.LIST:
            return ["list", _shape(kind.expressions[0], listing, (*path, EACH), casts)]
        case exp.DataType.Type.MAP:
            return ["map", _shape(kind.expressions[1], listing, path, {})]
        case exp.DataType.Type.TEXT | exp.DataType.Type.VARCHAR if cast is not None:
            return "document" if cast.this == exp.DataType.Type.JSON else _scalar(cast)
        case _:
            return _scalar(kind)


def _scalar(kind: exp.DataType) -> Shape:
    """What a value of a type without members must be.

    Raises:
        SqlFileError: no rule is known for the type.
    """
    whole = {exp.DataType.Type.INT: 31, exp.DataType.Type.BIGINT: 63}
    match kind.this:
        case exp.DataType.Type.TEXT | exp.DataType.Type.VARCHAR:
            return "text"
        case exp.DataType.Type.JSON:
            return "anything"
        case exp.DataType.Type.BOOLEAN:
            return "truth"
        case exp.DataType.Type.TIMESTAMPTZ | exp.DataType.Type.DATE:
            return "time"
        case exp.DataType.Type.DOUBLE:
            return "double"
        case exp.DataType.Type.DECIMAL:
            if len(kind.expressions) == len(("digits", "decimals")):
                digits, decimals = (int(part.name) for part in kind.expressions)
                most = 10 ** (digits - decimals) - 1
                return ["number", -most, most, False]
        case size if size in whole:
            return ["number", -(2 ** whole[size]), 2 ** whole[size] - 1, True]
    raise SqlFileError(
        f"A SQL file reads {kind.sql('duckdb')} from records of AWS, and no rule says which values that type takes. "
        "Nothing was requested. Write another type, or add it to _scalar in pipelines/models/record_requirements.py."
    )
