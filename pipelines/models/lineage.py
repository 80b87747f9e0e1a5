"""Which columns a column of a SQL model comes from, found in the model's own query.

Only what is shown counts, as in a spreadsheet's formula: columns by which rows are joined, filtered or sorted are no
source of a value. What is read of `landing(listing, type)` is named by its path in AWS's own record.
"""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from pipelines.models.model import Model
from pipelines.models.queries import argument, parsed
from pipelines.models.sources import LANDING, NONE, Source, Sources

LINE = ("account_id", "region", "parameter")
"""What stands beside AWS's own record (`item`) in a line that was landed."""


class Lineage:
    """The lineage of all models."""

    def __init__(self, models: Mapping[str, Model]):
        self._models = models
        self._given: dict[str, dict[str, Sources]] = {}
        for relation in models:
            self.of(relation)

    def of(self, relation: str) -> dict[str, Sources]:
        """Every column of a relation in the order of its query, with its sources; none of a constant or a count.

        Raises:
            UnreadableQueryError: the query is none that can be parsed.
        """
        if relation not in self._given:
            model = self._models[relation]
            documented = dict.fromkeys(model.documented, NONE)
            scope = build_scope(parsed(model.sql))
            # A table that remembers reads itself: it has what is documented, and what the rest of its query gives.
            self._given[relation] = documented
            if scope is not None:
                if relation in model.uses:
                    self._given[relation] = dict.fromkeys(_Query(self).columns(scope), NONE) | documented
                found = _Query(self).columns(scope)
                # `cell.*` is no table: what a collected row carries of its cell is documented with every such model.
                self._given[relation] = (documented if model.listings else {}) | found
        return self._given[relation]

    def columns(self, table: exp.Expression) -> dict[str, Source]:
        """The columns of a table of a query, where it is the table of a model."""
        relation = f"{table.db}.{table.name}" if isinstance(table, exp.Table) and table.db else ""
        if relation not in self._models:
            return {}
        model = self._models[relation]
        return {name: Source((model.schema, model.name), name) for name in self.of(relation)}


@dataclass
class _Query:
    """One walk through a query: what each of its parts gives, by column."""

    lineage: Lineage
    _known: dict[int, dict[str, Sources]] = field(default_factory=dict)

    def columns(self, scope: Scope) -> dict[str, Sources]:
        """What a query gives, by the names of its columns."""
        key = id(scope.expression)
        if key not in self._known:
            # A recursive query reads itself: while it is looked at, nothing is known of it.
            self._known[key] = {}
            if isinstance(scope.expression, exp.UDTF):
                self._known[key] = self._unnested(scope.expression, scope)
                return self._known[key]
            self._known[key] = _renamed(
                self._union(scope) if scope.set_operation_scopes else self._select(scope), scope.outer_columns
            )
        return self._known[key]

    def _unnested(self, call: exp.UDTF, scope: Scope) -> dict[str, Sources]:
        """What a function in the place of a table gives, such as `unnest(…) as t(a)`: what went in."""
        alias = call.args.get("alias")
        names = [column.name for column in alias.columns] if alias is not None else []
        went_in = NONE.union(*(self._of(argument, scope, {}) for argument in call.expressions))
        return dict.fromkeys(names or [call.alias_or_name], went_in)

    def _union(self, scope: Scope) -> dict[str, Sources]:
        parts = [self.columns(part) for part in scope.set_operation_scopes]
        by_name = scope.expression.args.get("by_name")
        names = list(parts[0]) if parts else []
        if by_name:
            names = list(dict.fromkeys(itertools.chain.from_iterable(parts)))
            return {name: NONE.union(*(part.get(name, NONE) for part in parts)) for name in names}
        places = [list(part.values()) for part in parts]
        return {
            name: NONE.union(*(place[index] for place in places if index < len(place)))
            for index, name in enumerate(names)
        }

    def _select(self, scope: Scope) -> dict[str, Sources]:
        given: dict[str, Sources] = {}
        for projection in scope.expression.args.get("expressions") or []:
            star = projection.find(exp.Star) if isinstance(projection, exp.Column | exp.Star) else None
            if star is None:
                given[projection.alias_or_name] = self._of(projection, scope, given)
                continue
            hidden = {name.name for name in argument(star, "except") or []}
            replaced = {alias.alias_or_name: self._of(alias, scope, given) for alias in argument(star, "replace") or []}
            renamed = {alias.this.name: alias.alias_or_name for alias in star.args.get("rename") or []}
            owner = projection.table if isinstance(projection, exp.Column) else ""
            for name, sources in self._starred(scope, owner):
                if name not in hidden:
                    given.setdefault(renamed.get(name, name), replaced.get(name, sources))
        return given

    def _starred(self, scope: Scope, owner: str) -> Iterator[tuple[str, Sources]]:
        for alias, source in sources_of(scope).items():
            if owner and alias != owner:
                continue
            if isinstance(source, Scope):
                yield from self.columns(source).items()
            else:
                for name, column in self.lineage.columns(source).items():
                    yield name, frozenset({column})

    def _of(self, expression: "exp.Expr", scope: Scope, earlier: Mapping[str, Sources]) -> Sources:
        """The sources of an expression; a subquery within counts for what it gives."""
        inner = {id(part.expression): part for part in scope.subquery_scopes}
        found: set[Source] = set()
        for node in expression.walk(prune=lambda node: id(node) in inner or isinstance(node, exp.Column)):
            if id(node) in inner:
                found.update(*self.columns(inner[id(node)]).values())
            elif isinstance(node, exp.Column):
                found |= self._column(node, scope, earlier)
        return frozenset(found)

    def _column(self, column: exp.Column, scope: Scope, earlier: Mapping[str, Sources]) -> Sources:
        parts = [part.name for part in column.parts]
        # `item.State.Name` may be columns of a table, or fields of a column: the parser cannot know.
        above = column.parent
        while isinstance(above, exp.Dot) and above.this is not None and isinstance(above.expression, exp.Identifier):
            parts.append(above.expression.name)
            above = above.parent
        level: Scope | None = scope
        while level is not None:
            own = sources_of(level)
            if len(parts) > 2 and parts[0] not in own and isinstance(own.get(parts[1]), exp.Table):
                # `org.account.state`: the schema says nothing that the table does not.
                parts = parts[1:]
            if len(parts) > 1 and parts[0] in own:
                return self._from(own[parts[0]], parts[1:], level)
            found = NONE.union(*(self._from(source, parts, level) for source in own.values()))
            if found:
                return found
            # What a subquery does not find among its own tables, it takes from those around it.
            level = level.parent
        return earlier.get(parts[0], NONE)

    def _from(self, source: exp.Expression | Scope, parts: list[str], scope: Scope) -> Sources:
        if isinstance(source, Scope):
            return self.columns(source).get(parts[0], NONE)
        if not isinstance(source, exp.Table):
            return NONE
        listing = landed(source)
        if listing:
            path = parts[1:] if parts[0] == "item" else parts if parts[0] in LINE else []
            return frozenset({Source((LANDING, listing), ".".join(path))} if path else ())
        known = self.lineage.columns(source)
        if known:
            return frozenset({known[parts[0]]} if parts[0] in known else ())
        if isinstance(source.this, exp.Func) and not source.db:
            # A function in the place of a table, such as unnest(…): what goes in comes out.
            return self._of(source.this, scope, {}) if _is_named(source, parts[0]) else NONE
        return NONE


def landed(table: exp.Table) -> str:
    """The listing that `landing(…)` reads; empty where it is another table."""
    call = table.this
    if isinstance(call, exp.Anonymous) and call.name.lower() == LANDING and call.expressions:
        return str(call.expressions[0].name)
    return ""


def sources_of(scope: Scope) -> dict[str, exp.Table | Scope]:
    """What a query reads, by alias; of its common table expressions only those that it names."""
    if isinstance(scope.expression, exp.UDTF):
        return {}
    return {alias: source for alias, (_, source) in scope.selected_sources.items()}


def _renamed(given: dict[str, Sources], names: list[str]) -> dict[str, Sources]:
    """The columns under the names that the query around gives them: `(select …) as t(a, b)`."""
    return dict(zip([*names, *list(given)[len(names) :]], given.values(), strict=True))


def _is_named(table: exp.Table, name: str) -> bool:
    alias = table.args.get("alias")
    names = [column.name for column in alias.columns] if alias is not None else []
    return name in names or (not names and name == table.alias_or_name)
