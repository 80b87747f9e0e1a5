"""The form of every answer, and the sentence that says what it is worth.

"None" is said in one case alone: every cell that the answer rests on was judged.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any, Literal

from pydantic import BaseModel, Field

from pipelines.cli.mcp.names import collected_types
from pipelines.cli.mcp.scope import ListingCells, Scope
from pipelines.plain_text import plain

Verdict = Literal["complete", "none", "incomplete", "unknown", "evidence", "not about AWS"]

LONGEST_TEXT = 4_000
"""Characters of one value that are shown."""

MOST_CHARACTERS = 200_000
"""Characters of all rows of an answer, about."""


class Answer(BaseModel):
    """What every tool returns. Read `answer` first, and never report rows without it."""

    answer: str = Field(description="One sentence: none, unknown and why, or how complete the rows are.")
    verdict: Verdict
    as_of: str | None = Field(description="When the least recent response that counts was complete, UTC.")
    scope: int = Field(description="Cells that the answer rests on: one listing of one account and region.")
    judged: int = Field(description="Of these, how many are known.")
    unknown: int = Field(description="Of these, how many are not known; what they hold is in no row and no total.")
    unknown_reasons: dict[str, int] = Field(default_factory=dict)
    unjudged_rows: dict[str, int] = Field(
        default_factory=dict, description="Rows that could not be judged, by the relation that lists them."
    )
    beyond: list[str] = Field(default_factory=list, description="What the question is about that no cell speaks of.")
    to_mend: list[str] = Field(default_factory=list, description="What makes the unknown cells known, by reason.")
    rests_on: list[str] = Field(default_factory=list, description="The relations that were read.")
    cells: list[str] = Field(default_factory=list, description="The cells of the scope, counted by role and listing.")
    unknown_cells: list[str] = Field(default_factory=list, description="Some that are unknown, of each reason.")
    not_counted: list[str] = Field(default_factory=list, description="Listings beside the scope, with the reason.")
    published_run: str = Field(description="The run whose published file answers.")
    published_at: str | None = None
    columns: list[str] = Field(default_factory=list)
    rows: list[list[Any]] = Field(default_factory=list, description="In the order of `columns`; amounts are text.")
    row_count: int = Field(0, description="Rows that are shown.")
    is_capped: bool = Field(False, description="True where there are more rows, or longer values, than are shown.")


def answer_of(
    scope: Scope,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    published: tuple[str, datetime | None],
    cap: int,
) -> Answer:
    """The answer to a query.

    Args:
        rows: at most one more than are shown: that one says that there are more.
        published: the run of the file, and when it finished.
        cap: rows that are shown.
    """
    shown, is_cut = _shown(rows[:cap])
    is_capped = is_cut or len(rows) > cap
    verdict = verdict_of(scope, rows)
    sentence = _sentence(scope, verdict) + scope.bounds.period
    if is_capped:
        sentence += f" Only {len(shown)} rows are shown, or some values were cut: there is more."
    return Answer(
        answer=sentence,
        verdict=verdict,
        as_of=_moment(scope.as_of) or (_moment(published[1]) if not scope.listings else None),
        scope=scope.judged + scope.unknown,
        judged=scope.judged,
        unknown=scope.unknown,
        unknown_reasons=scope.reasons,
        unjudged_rows=dict(scope.unjudged),
        beyond=list(scope.bounds.beyond),
        to_mend=_remedies(scope) if not scope.is_known else [],
        rests_on=list(scope.rests_on),
        cells=[_counted(entry) for entry in scope.listings],
        unknown_cells=[_named(cell) for cell in scope.unknown_cells],
        not_counted=list(scope.left_out),
        published_run=published[0],
        published_at=_moment(published[1]),
        columns=[plain(name) for name in columns],
        rows=shown,
        row_count=len(shown),
        is_capped=is_capped,
    )


def verdict_of(scope: Scope, rows: Sequence[Sequence[Any]]) -> Verdict:
    """What rows are worth by the cells behind them."""
    if scope.is_evidence:
        return "evidence"
    if not scope.judged and not scope.unknown:
        return "not about AWS" if not any(not name.startswith("ref.") for name in scope.rests_on) else "unknown"
    if not scope.is_known:
        return "unknown" if is_nothing(rows) else "incomplete"
    # False may answer "is there none?", and zeros beside names are a list of those that have none.
    is_none = not rows or (len(rows) == 1 and is_nothing(rows) and not any(isinstance(v, bool | str) for v in rows[0]))
    return "none" if is_none else "complete"


def is_nothing(rows: Sequence[Sequence[Any]]) -> bool:
    """Whether rows say that there is nothing: there are none, or all that they count is zero, false or NULL."""
    counted = [value for row in rows for value in row if not isinstance(value, str)]
    return not rows or (bool(counted) and not any(_is_something(value) for value in counted))


def _is_something(value: Any) -> bool:
    return value is not None and value is not False and value not in (0, [], {}, ())


def _sentence(scope: Scope, verdict: Verdict) -> str:
    is_of_types = any("cmdb." in name for name in scope.rests_on)
    held = f" Only the {len(collected_types())} resource types that are collected were searched." if is_of_types else ""
    cells = f"{scope.judged + scope.unknown:,}"
    all_of = f"all {cells} cells that this rests on were" if scope.judged > 1 else "the one cell that this rests on was"
    at = f", as of {_moment(scope.as_of)}" if scope.as_of else ""
    why = ", ".join(f"{reason} {count:,}" for reason, count in scope.reasons.items())
    reasons = [f"{scope.unknown:,} of {cells} cells are not known ({why})"] if scope.unknown else []
    reasons += [f"{count:,} row(s) of {name} could not be judged" for name, count in scope.unjudged.items()]
    reasons += scope.bounds.beyond
    because = f"because {' and '.join(reasons)}, to mend: {'; '.join(_remedies(scope))}."
    match verdict:
        case "none":
            return f"None: {all_of} judged{at}.{held}"
        case "complete":
            return f"Complete: {all_of} judged{at}."
        case "unknown" if reasons:
            return f"Unknown, {because}"
        case "unknown":
            return (
                "Unknown, because no cell that this rests on was ever to be requested, to mend: the tool coverage "
                "lists the accounts, regions and listings that are."
            )
        case "incomplete":
            return (
                f"Incomplete, {because} The rows are what is known: what they lack may be there, a zero or a total may "
                "be too small, and what they show as missing may not be."
            )
        case "evidence":
            return "These tables list themselves what is unknown; they are as complete as the published file."
        case "not about AWS":
            return "This rests on no response of AWS: on what people maintain (schema ref), or on the query alone."


def _counted(entry: ListingCells) -> str:
    part = f":{entry.part}" if entry.part else ""
    why = ", ".join(f"{reason} {count:,}" for reason, count in entry.reasons.items())
    unknown = f", {entry.unknown:,} unknown ({why})" if why else ""
    at = f", as of {_moment(entry.as_of)}" if entry.as_of else ""
    return f"{entry.role} {entry.listing}{part}: {entry.judged:,} judged{unknown}{at}"


def _named(cell: Mapping[str, Any]) -> str:
    """A cell as `explain` takes it, with what is wrong."""
    before = f", last trusted {_moment(cell['last_trusted_at'])}" if cell["last_trusted_at"] else ""
    account = cell["account_id"] or f"account of the role {cell['role']}"
    return f"{account} {cell['region']} {cell['listing']}: {cell['unknown_reason']}{before}"


def _remedies(scope: Scope) -> list[str]:
    unjudged = (f"{name}: each row says what it waits for" for name in scope.unjudged)
    return [*scope.remedies, *scope.bounds.remedies, *unjudged]


def _shown(rows: Sequence[Sequence[Any]]) -> tuple[list[list[Any]], bool]:
    """Rows as JSON can hold them, as far as an answer has room, and whether anything was cut."""
    found: list[list[Any]] = []
    room, is_cut = MOST_CHARACTERS, False
    for row in rows:
        values = [_value(value) for value in row]
        sizes = [len(str(value)) for value in values]
        for index, size in enumerate(sizes):
            if size > LONGEST_TEXT:
                values[index], is_cut = f"{str(values[index])[:LONGEST_TEXT]}…", True
        room -= sum(min(size, LONGEST_TEXT) for size in sizes)
        if room < 0:
            return found, True
        found.append(values)
    return found, is_cut


def _value(value: Any) -> Any:
    """A value as JSON: money as text with all its decimals, times in UTC, text without invisible characters."""
    match value:
        case None | bool() | int():
            return value
        case float():
            return value if isfinite(value) else str(value)
        case Decimal():
            return f"{value:f}"
        case datetime():
            return _moment(value)
        case date():
            return value.isoformat()
        case dict():
            return {plain(name): _value(part) for name, part in value.items()}
        case list() | tuple():
            return [_value(part) for part in value]
        case _:
            return plain(value, lines=True)


def _moment(at: datetime | None) -> str | None:
    if at is None:
        return None
    return (at if at.tzinfo is None else at.astimezone(UTC)).isoformat(timespec="seconds").replace("+00:00", "Z")
