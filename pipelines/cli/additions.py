"""Finds in the text of a query what adds up rows in which the same money stands several times.

Such rows are followed from where they are read, through joins, common table expressions, subqueries and unions. They
may be added up where each occurrence of the relation is narrowed to one value of the column that repeats the money, or
where the sum is by that column. What cannot be decided counts as added up several times.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace

import sqlglot
from sqlglot import exp

from pipelines.cli.added_sources import PARTS, Groups, Key, Part, Sources, conjuncts
from pipelines.cli.repeated_money import LIST_SUMS, SUMS
from pipelines.models.queries import argument

DIMENSIONS = frozenset(
    {
        "account_id", "arn", "bill_domain", "budget_name", "currency", "dimension_value", "listing", "month",
        "record_type", "region", "reporting_currency", "rule", "scope", "service", "slice", "tag_key", "tag_value",
        "usage_date", "usage_type", "written_value",
    }
)  # fmt: skip
"""Columns without an amount: of their distinct values nothing is added up."""

Known = Mapping[str, frozenset[Part]]
"""What the common table expressions hold that may be named."""


def added_up(query: str, read: Mapping[str, int]) -> dict[str, str]:
    """The relations whose money a query may add up several times, each with the column that repeats it.

    Args:
        read: how often each relation is read, as DuckDB parses the query.
    """
    everything = {name: min(part.column for part in PARTS[name]) for name in read.keys() & PARTS.keys()}
    try:
        statement = sqlglot.parse_one(query, dialect="duckdb")
    except sqlglot.errors.SqlglotError:
        return everything
    tables = Counter(f"{table.db}.{table.name}".lower() for table in statement.find_all(exp.Table))
    if any(tables[name] != read[name] for name in everything):
        return everything
    reader = _Reader()
    reader.of_query(statement, {})
    return reader.found


@dataclass
class _Reader:
    """Follows the rows through a query.

    Attributes:
        found: the money that is added up several times: its relation, and the column that repeats it.
    """

    found: dict[str, str] = field(default_factory=dict)

    def of_query(self, node: "exp.Expr", known: Known) -> frozenset[Part]:
        """What the rows of a query hold."""
        ctes = argument(node, "with")
        for cte in ctes.expressions if ctes is not None else ():
            parts = self.of_query(cte.this, known)
            known = {**known, cte.alias.lower(): _hidden(parts) if cte.alias_column_names else parts}
        match node:
            case exp.Select():
                return self._of_select(node, known)
            case exp.SetOperation():
                left, right = self.of_query(node.this, known), self.of_query(node.expression, known)
                return _united(left, right) if isinstance(node, exp.Union) else left
            case exp.Subquery() | exp.Table():
                sources = Sources()
                self._add(sources, node, known)
                return frozenset(part for _, part in sources.each())
            case exp.Pivot():
                return self._pivoted(node, self.of_query(node.this, known))
        return _hidden(frozenset(part for query in _queries([node]) for part in self.of_query(query, known)))

    def _of_select(self, select: exp.Select, known: Known) -> frozenset[Part]:
        sources = Sources()
        begin = argument(select, "from")
        for first in [*([begin.this] if begin is not None else []), *(select.args.get("laterals") or [])]:
            self._add(sources, first, known)
        for join in select.args.get("joins") or ():
            self._join(sources, join, known)
        where, group = select.args.get("where"), select.args.get("group")
        if where is not None:
            sources.narrow(where.this)
        shown = [*select.expressions, *(select.args.get(name) for name in ("having", "qualify", "order"))]
        for query in _queries([*shown, where, group]):
            self.of_query(query, known)
        groups = _groups(select, group, sources)
        functions = [node for node in _here(shown) if isinstance(node, exp.Func)]
        for node in functions:
            if _is_sum(node):
                self._weigh(node, sources, groups)
        is_grouped = group is not None or any(isinstance(n, exp.AggFunc) and _window(n) is None for n in functions)
        return frozenset(_shown(select, sources, groups if is_grouped else None))

    def _add(self, sources: Sources, node: "exp.Expr", known: Known) -> list[str]:
        """Add what stands in a FROM or a JOIN; returns its aliases."""
        alias = node.alias_or_name.lower() or f"#{len(sources.parts)}"
        aliases = [alias]
        if isinstance(node, exp.Table):
            name = node.name.lower()
            parts = PARTS.get(f"{node.db}.{name}".lower(), frozenset()) if node.db else known.get(name, frozenset())
        elif isinstance(node, exp.Subquery) and isinstance(node.this, exp.Table | exp.Subquery) and not node.alias:
            # Parentheses alone.
            aliases = self._add(sources, node.this, known)
            parts = sources.parts.pop(alias, frozenset())
        elif isinstance(node, exp.Subquery | exp.Lateral):
            parts = self.of_query(node.this, known)
        else:
            parts = frozenset(part for query in _queries([node]) for part in self.of_query(query, known))
            parts = _hidden(parts)
        if node.alias_column_names:
            parts = _hidden(parts)
        for pivot in node.args.get("pivots") or ():
            parts = self._pivoted(pivot, parts)
        sources.parts[alias] = parts
        for join in node.args.get("joins") or ():
            aliases += self._join(sources, join, known)
        return aliases

    def _pivoted(self, pivot: "exp.Expr", parts: frozenset[Part]) -> frozenset[Part]:
        """What is left of parts in a pivot: it groups by every column that is shown and not pivoted itself."""
        if any(_is_sum(node) for node in pivot.find_all(exp.Func)):
            for part in parts:
                if not part.value and (not part.shown or pivot.args.get("group") is not None):
                    self._report(part)
        return _hidden(parts)

    def _join(self, sources: Sources, join: exp.Join, known: Known) -> list[str]:
        before = set(sources.parts)
        added = self._add(sources, join.this, known)
        kind, side = str(join.kind).upper(), str(join.side).upper()
        # Of which sources a row is left out that does not meet the condition.
        narrowed = {"LEFT": set(added), "RIGHT": before, "FULL": set[str]()}.get(side, before | set(added))
        if kind in ("SEMI", "ANTI"):
            sources.only_asked |= set(added)
            narrowed = before if kind == "SEMI" else set()
        names = {identifier.name.lower() for identifier in join.args.get("using") or ()}
        if str(join.args.get("method") or "").upper() == "NATURAL":
            names = {part.shown for _, part in sources.each() if part.shown}
        for name in names:
            for one in before:
                for other in added:
                    sources.equate((one, name), (other, name), narrowed)
        if (condition := join.args.get("on")) is not None:
            sources.narrow(condition, narrowed)
            for query in _queries([condition]):
                self.of_query(query, known)
        return added

    def _weigh(self, node: "exp.Expr", sources: Sources, groups: Groups) -> None:
        """Report the money that one sum counts several times."""
        window = _window(node)
        if window is not None:
            groups = Groups(sources.keys_of(window.args.get("partition_by") or ()))
        narrowed = deepcopy(sources)
        conditions = [node.parent.expression.this] if isinstance(node.parent, exp.Filter) else []
        for condition in [*conditions, *_cases(node)]:
            narrowed.narrow(condition)
        for alias, part in sources.each():
            if not narrowed.value(alias, part) and not groups.hold(sources, alias, part):
                self._report(part)

    def _report(self, part: Part) -> None:
        self.found.setdefault(part.relation, part.column)


def _groups(select: exp.Select, group: exp.Group | None, sources: Sources) -> Groups:
    """By what a select groups; what stands in ROLLUP and its like is no group, since a row goes beyond it."""
    if group is None:
        return Groups()
    shown = [item.unalias() for item in select.expressions]
    named = {item.alias.lower(): item.unalias() for item in select.expressions if item.alias}
    wanted = [item for item in shown if not any(isinstance(f, exp.AggFunc) for f in _here([item]))]
    if not group.args.get("all"):
        wanted = []
        for item in group.expressions:
            if isinstance(item, exp.Literal) and not any(one.is_star for one in shown):
                wanted += shown[int(item.name) - 1 : int(item.name)]
            elif isinstance(item, exp.Column) and not item.table and not sources.shows(item.name.lower()):
                wanted.append(named.get(item.name.lower(), item))
            else:
                wanted.append(item)
    is_all = any(isinstance(item, exp.Star) and not any(item.args.values()) for item in wanted)
    return Groups(sources.keys_of(wanted), is_all)


def _shown(select: exp.Select, sources: Sources, groups: Groups | None) -> Iterator[Part]:
    """What the rows of a select hold; `groups` is None where it does not group."""
    if groups is None and select.args.get("distinct") is not None and _is_of_dimensions(select):
        return
    newest = _newest(select, sources)
    for alias, part in sources.each():
        value = sources.value(alias, part) or ("newest" if sources.reached((alias, part.shown)) & newest else "")
        if value or groups is None or groups.hold(sources, alias, part):
            yield replace(part, shown=_name(select, sources, alias, part), value=value)


def _name(select: exp.Select, sources: Sources, alias: str, part: Part) -> str:
    """What a select calls the column of a part; empty where it does not show it."""
    if not part.shown:
        return ""
    reached = sources.reached((alias, part.shown))
    for item in select.expressions:
        column = item.unalias()
        if column.is_star:
            star = column if isinstance(column, exp.Star) else column.this
            named = [one for name in ("except", "rename", "replace") for one in argument(star, name) or ()]
            is_changed = part.shown in {str(one.alias_or_name).lower() for one in named} or any(
                one.find(exp.Column) and one.find(exp.Column).name.lower() == part.shown for one in named
            )
            of_this = isinstance(column, exp.Star) or column.table.lower() == alias
            if of_this and not is_changed:
                return part.shown
        elif isinstance(column, exp.Column) and sources.keys_of([column]) & reached:
            return str(item.alias_or_name).lower()
    return ""


def _newest(select: exp.Select, sources: Sources) -> frozenset[Key]:
    """The columns of which QUALIFY lets one value through: the first in an order, or the greatest."""
    qualify = select.args.get("qualify")
    found: set[Key] = set()
    for condition in conjuncts(qualify.this) if qualify is not None else ():
        window = condition.find(exp.Window) if isinstance(condition, exp.EQ) else None
        if window is None:
            continue
        other = condition.expression if condition.this is window else condition.this
        partition = sources.keys_of(window.args.get("partition_by") or ())
        order = window.args.get("order")
        if isinstance(window.this, exp.RowNumber | exp.Rank | exp.DenseRank) and other.sql() == "1" and order:
            found |= sources.keys_of([order.expressions[0].this]) - partition
        elif isinstance(window.this, exp.Max | exp.Min) and window.this.this == other and order is None:
            found |= sources.keys_of([other]) - partition
    return frozenset(found)


def _is_of_dimensions(select: exp.Select) -> bool:
    columns = [column for item in select.expressions for column in item.find_all(exp.Column)]
    return not any(item.find(exp.Star) for item in select.expressions) and all(
        column.name.lower() in DIMENSIONS for column in columns
    )


def _hidden(parts: frozenset[Part]) -> frozenset[Part]:
    return frozenset(replace(part, shown="") for part in parts)


def _united(left: frozenset[Part], right: frozenset[Part]) -> frozenset[Part]:
    """What a union holds: one value on both sides stays one, and two of them are several."""
    found = set()
    kinds = {(part.money, part.column) for part in left | right}
    for kind in kinds:
        those = {part for part in left | right if (part.money, part.column) == kind}
        is_one = len({part.value for part in those}) == 1
        shown = those.pop().shown if len({part.shown for part in those}) == 1 else ""
        those = {part for part in left | right if (part.money, part.column) == kind}
        found |= {replace(part, shown=shown, value=part.value if is_one else "") for part in those}
    return frozenset(found)


def _here(nodes: "Iterable[exp.Expr | None]") -> "Iterator[exp.Expr]":
    """What stands in a select itself, without its subqueries."""
    for node in nodes:
        if node is not None:
            yield from node.walk(prune=lambda one: isinstance(one, exp.Query))


def _queries(nodes: "Iterable[exp.Expr | None]") -> "list[exp.Expr]":
    """The subqueries that stand in nodes, without those in them."""
    return [node for node in _here(nodes) if isinstance(node, exp.Query)]


def _window(node: "exp.Expr") -> exp.Window | None:
    """The window that an aggregate is over."""
    holder = node.parent.parent if isinstance(node.parent, exp.Filter) else node.parent
    return holder if isinstance(holder, exp.Window) and node in (holder.this, holder.this.this) else None


def _is_sum(node: "exp.Expr") -> bool:
    if isinstance(node, exp.Sum | exp.Avg):
        return True
    name = str(node.this).lower() if isinstance(node, exp.Anonymous) else ""
    return name in SUMS or (name in LIST_SUMS and node.find(exp.ArrayAgg) is not None)


def _cases(node: "exp.Expr") -> "list[exp.Expr]":
    """The conditions that each amount of a sum has to meet, where it is chosen by CASE or IF alone."""
    case = node.this.unnest() if isinstance(node.this, exp.Expression) else None
    if isinstance(case, exp.If):
        choices, default = [case], case.args.get("false")
    elif isinstance(case, exp.Case):
        choices, default = case.args["ifs"], case.args.get("default")
    else:
        return []
    if len(choices) > 1 or not (default is None or default.sql() in ("NULL", "0")):
        return []
    compared = choices[0].this
    return [exp.EQ(this=case.this, expression=compared) if isinstance(case, exp.Case) and case.this else compared]
