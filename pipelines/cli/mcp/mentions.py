"""What a query names in its text: types, ARNs, names, accounts, regions, days and tag keys."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import sqlglot
from sqlglot import exp

YEARS = range(1990, 2101)
"""Numbers of four digits that are taken for years where no month follows."""

ARN = "arn:"
"""Beginning of every Amazon Resource Name."""

TAG = "tag:"
"""Beginning of the slices of the bill by tag key."""

SEARCHES = (
    exp.EQ, exp.NullSafeEQ, exp.In, exp.Like, exp.ILike, exp.SimilarTo, exp.Glob, exp.RegexpLike, exp.RegexpILike,
    exp.RegexpFullMatch, exp.RegexpExtract, exp.StartsWith, exp.EndsWith, exp.Contains, exp.StrPosition,
    exp.ArrayContains, exp.Dot,
)  # fmt: skip
"""Comparisons of a column with literals; of Dot, `column.contains('text')`."""

SEARCHES_BY_NAME = frozenset({"prefix", "suffix", "like_escape", "ilike_escape", "regexp_extract_all"})
"""Others that the parser knows by name alone."""

RESOURCE_TYPE = re.compile(r"(\w+_)?resource_type")

NAMES = re.compile(r"(\w+_)?(arn|resource_id)|name")
"""Columns by which people look for a resource."""

OUR_TIMES = re.compile("first_seen_at|last_seen_at|missing_since|retired_at|began_at|ended_at|collected_at")
"""Columns with the time at which a run saw something, not at which AWS did something."""

ORDERS = (exp.EQ, exp.NullSafeEQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.In)

MOST_ALTERNATIVES = 100
"""Alternatives of a regular expression that are looked at one by one."""

_DAY = re.compile(r"^(\d{4})(?!\d)(?:[-/](\d{1,2})(?:[-/](\d{1,2}))?)?")
_ACCOUNT = re.compile(r"\d{12}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-\d")
_TYPE = re.compile(r"AWS::\w+::\w+")


@dataclass(frozen=True)
class Mentions:
    """What a query names.

    Attributes:
        types: resource types, wherever they stand, and what `resource_type` is compared with, also as patterns.
        accounts: whatever has twelve digits.
        regions: regions, wherever they stand, and what a column `region` is compared with, also as patterns.
        days: dates, months or years, as the first day that each is about.
        seen_days: of these, days that a time of ours is compared with; of "before" a day, the day before it.
        uses_now: whether it reckons from the present moment.
        leaves_out: whether it leaves rows out that it found, by LIMIT 0, a limit inside, OFFSET or a sample.
        strange: an ARN or id of a kind that the inventory has nothing of.
        tags: keys by which the bill would be cut.
        arns: ARNs and beginnings of ARNs, wherever they stand, also as patterns.
        texts: what ARNs, ids, names, tags or attributes are searched for.
    """

    types: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    days: frozenset[date] = frozenset()
    seen_days: frozenset[date] = frozenset()
    uses_now: bool = False
    leaves_out: bool = False
    strange: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    arns: frozenset[str] = frozenset()
    texts: frozenset[str] = frozenset()


def mentions_of(sql: str) -> Mentions:
    """What a query names; where its text cannot be read here, it may name anything that is beyond the file."""
    try:
        statement = sqlglot.parse_one(sql, dialect="duckdb")
    except sqlglot.errors.SqlglotError:
        return Mentions(uses_now=True, leaves_out=True)
    literals = statement.find_all(exp.Literal)
    texts = {str(node.this) for node in literals if not isinstance(node.parent, exp.Limit | exp.Offset)}
    limits = statement.find_all(exp.Limit)
    names = set(_compared(statement, NAMES))
    arns = {text.strip("%") for text in texts | names if text.strip("%").startswith(ARN)}
    return Mentions(
        types=frozenset({*_compared(statement, RESOURCE_TYPE), *filter(_TYPE.fullmatch, texts)}),
        accounts=frozenset(filter(_ACCOUNT.fullmatch, texts)),
        regions=frozenset({*_compared(statement, re.compile("region")), *filter(_REGION.fullmatch, texts)}),
        days=frozenset(day for text in texts if (day := _day(text)) is not None),
        seen_days=frozenset(_seen_days(statement)),
        uses_now=_uses_now(statement),
        leaves_out=statement.find(exp.Offset, exp.TableSample) is not None
        or any(limit.parent is not statement or limit.expression.sql() == "0" for limit in limits),
        tags=frozenset(
            {
                *_compared(statement, re.compile("tag_key"), with_patterns=False),
                *(text.removeprefix(TAG) for text in texts if text.startswith(TAG)),
            }
        ),
        arns=frozenset(arns),
        texts=frozenset(text for text in names if not text.strip("%").startswith(ARN)),
    )


def _uses_now(statement: "exp.Expr") -> bool:
    moments = (exp.CurrentDate, exp.CurrentTimestamp, exp.CurrentTime, exp.CurrentDatetime)
    called = {node.name.lower() for node in statement.find_all(exp.Anonymous, exp.Column)}
    words = {"now", "today", "current_date", "current_timestamp", "get_current_timestamp", "localtimestamp"}
    return next(statement.find_all(*moments), None) is not None or bool(called & words)


def _seen_days(statement: "exp.Expr") -> Iterator[date]:
    for node in statement.find_all(*ORDERS):
        sides = list(node.iter_expressions())
        are_ours = [any(map(OUR_TIMES.fullmatch, _columns(side))) for side in sides]
        if not any(are_ours):
            continue
        is_before = (are_ours[0] and isinstance(node, exp.LT)) or (are_ours[-1] and isinstance(node, exp.GT))
        for literal in node.find_all(exp.Literal):
            if (day := _day(str(literal.this))) is not None:
                yield day - timedelta(days=1) if is_before and day > date.min else day


def _compared(statement: "exp.Expr", column: re.Pattern[str], *, with_patterns: bool = True) -> Iterator[str]:
    """The literals that a column is compared with, wherever that stands, as patterns of LIKE."""
    for node in statement.find_all(*(SEARCHES if with_patterns else (exp.EQ, exp.In)), exp.Anonymous):
        if isinstance(node, exp.Anonymous) and str(node.this).lower() not in SEARCHES_BY_NAME:
            continue
        sides = list(node.iter_expressions())
        those = [side for side in sides if any(map(column.fullmatch, _columns(side)))]
        if isinstance(node, exp.Dot) and not (those and isinstance(node.expression, exp.Func)):
            continue
        is_whole = all(isinstance(side.unnest(), exp.Column) for side in those)
        for side in sides if those else ():
            if side not in those:
                for literal in side.find_all(exp.Literal):
                    if literal.is_string:
                        yield from _patterns(node, str(literal.this), is_whole=is_whole)


def _columns(side: "exp.Expr") -> list[str]:
    kind = exp.Identifier if isinstance(side, exp.Identifier | exp.Dot) else exp.Column
    return [found.name.lower() for found in side.find_all(kind)]


def _patterns(node: "exp.Expr", text: str, *, is_whole: bool) -> list[str]:
    """What a comparison lets through, as patterns of LIKE; one without a % is compared for equality.

    Args:
        is_whole: whether the column itself is compared, and not what a function makes of it.
    """
    match node:
        case exp.Like() | exp.ILike():
            return [text]
        case exp.Glob():
            return [re.sub(r"\[[^]]*\]|\?", "_", text).replace("*", "%")]
        case exp.RegexpLike() | exp.RegexpILike() | exp.RegexpFullMatch() | exp.RegexpExtract() | exp.SimilarTo():
            return _of_regexp(text)
        case exp.EQ() | exp.NullSafeEQ() | exp.In() | exp.ArrayContains() if is_whole:
            return [text]
    return [f"%{text}%"]


def _of_regexp(text: str) -> list[str]:
    """A pattern of LIKE for each alternative of a regular expression, which lets through at least what that does."""
    text = re.sub(r"\\.|\[[^]]*\]|\(\?\w+\)|\?:", "%", text)
    # What may be missing is no part of a name.
    text = re.sub(r"(\([^()]*\)|\w)?([?*]|\{[^}]*\})", "%", text)
    found: list[str] = []
    waiting = [text]
    while waiting and len(found) + len(waiting) < MOST_ALTERNATIVES:
        one = waiting.pop()
        if (group := re.search(r"\(([^()]*)\)", one)) is not None:
            waiting += [f"{one[: group.start()]}{each}{one[group.end() :]}" for each in group[1].split("|")]
        else:
            found += one.split("|")
    return [re.sub(r"[^\w:/-]+", "%", f"%{one}%") for one in found]


def _day(text: str) -> date | None:
    found = _DAY.match(text)
    if found is None or not (found[2] or int(found[1]) in YEARS):
        return None
    try:
        return date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
    except ValueError:
        return None
