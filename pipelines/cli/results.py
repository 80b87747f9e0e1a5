"""How results of queries are printed: as a table, CSV, JSON or Markdown."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import IO, Any

from pipelines.cli.command import Misused
from pipelines.plain_text import as_csv_cell, as_json, as_markdown, plain

NARROWEST = 24
"""Characters that a column of text keeps on a terminal that is too narrow for the whole row."""


@dataclass(frozen=True)
class Result:
    """What one query returned.

    Attributes:
        left_out: whether there are more rows than were asked for.
    """

    names: list[str]
    rows: list[tuple[Any, ...]]
    left_out: bool = False


def shown(result: Result, output: str, *, raw: bool = False, width: int | None = None) -> str:
    """A result as text. Money stays decimal.

    Args:
        output: table, csv, json or markdown.
        raw: return a CSV's values as stored: for programs, never for a terminal or a spreadsheet.
        width: of the terminal that a table has to fit, in columns; None where it may be as wide as it is.

    Raises:
        Misused: two columns have one name, which JSON cannot hold.
    """
    names, rows = result.names, result.rows
    if output == "csv":
        text = io.StringIO()
        write_csv(text, names, [rows], raw=raw)
        return text.getvalue().removesuffix("\n")
    if output == "json":
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            raise Misused(
                f"Two columns are called {plain(twice[0])}, of which JSON would keep one, so nothing was printed: give "
                "one of them an alias."
            )
        return as_json([dict(zip(names, map(_json, row), strict=True)) for row in rows])
    if output == "markdown":
        return _markdown(names, rows)
    return _table([plain(name) for name in names], rows, width)


def write_csv(file: IO[str], names: list[str], batches: Iterable[list[tuple[Any, ...]]], *, raw: bool) -> None:
    """Write rows as CSV, as `shown` returns them, while they come."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names if raw else [_csv_cell(name) for name in names])
    for rows in batches:
        writer.writerows([_csv_value(value, raw=raw) for value in row] for row in rows)


def _csv_value(value: Any, *, raw: bool) -> Any:
    """A value as a cell: lists, structures and maps as JSON, which other programs can read."""
    if isinstance(value, dict | list | tuple):
        value = json.dumps(_json(value), default=str, ensure_ascii=False)
    return value if raw else _csv_cell(value)


def _json(value: Any) -> Any:
    """A value whose maps have text as keys, whatever DuckDB's have; JSON has no NaN, so that is text."""
    if isinstance(value, float) and not isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(name): _json(part) for name, part in value.items()}
    return [_json(part) for part in value] if isinstance(value, list | tuple) else value


def _csv_cell(value: Any) -> Any:
    """A value that is safe in a spreadsheet: a line feed stays a line feed, a number a number."""
    if value is None or isinstance(value, bool | int | float | Decimal):
        return value
    return as_csv_cell(plain(value, lines=True))


def _table(names: list[str], rows: list[tuple[Any, ...]], width: int | None) -> str:
    """Columns with blanks between; numbers stand at the right, so that their digits do."""
    from rich.cells import cell_len

    if not rows:
        return "  ".join(names) + "\n(no rows)"
    cells = [[_text(value) for value in row] for row in rows]
    sizes = [max(cell_len(line[index]) for line in [names, *cells]) for index in range(len(names))]
    left_out: list[str] = []
    if width is not None and _width(sizes) > width:
        sizes = [min(size, max(NARROWEST, cell_len(name))) for size, name in zip(sizes, names, strict=True)]
        while _width(sizes) > width and len(sizes) > 1:
            sizes.pop()
        left_out = names[len(sizes) :]
        names, cells = names[: len(sizes)], [line[: len(sizes)] for line in cells]
    numeric = [all(isinstance(row[index], int | float | Decimal | None) for row in rows) for index in range(len(names))]
    lines = [_line(line, sizes, numeric) for line in [names, *cells]]
    if left_out:
        lines.append(f"… and {len(left_out)} more columns: {', '.join(left_out)}")
    return "\n".join(lines)


def _width(sizes: Sequence[int]) -> int:
    return sum(sizes) + 2 * (len(sizes) - 1)


def _line(texts: Sequence[str], sizes: Sequence[int], numeric: Sequence[bool]) -> str:
    from rich.cells import cell_len, set_cell_size

    def placed() -> Iterator[str]:
        for text, size, is_number in zip(texts, sizes, numeric, strict=True):
            cut = text if cell_len(text) <= size else f"{set_cell_size(text, size - 1).rstrip()}…"
            blanks = " " * (size - cell_len(cut))
            yield blanks + cut if is_number else cut + blanks

    return "  ".join(placed()).rstrip()


def _text(value: Any) -> str:
    """A value as displayed text; lists and maps as Python writes them."""
    match value:
        case None:
            return ""
        case list() | tuple():
            return f"[{', '.join(_text(part) for part in value)}]"
        case dict():
            return f"{{{', '.join(f'{plain(name)}: {_text(part)}' for name, part in value.items())}}}"
        case _:
            return plain(value)


def _markdown(names: list[str], rows: list[tuple[Any, ...]]) -> str:
    def line(values: Any) -> str:
        texts = ("" if value is None else _markdown_cell(value) for value in values)
        return f"| {' | '.join(texts)} |"

    return "\n".join([line(names), f"|{' --- |' * len(names)}", *(line(row) for row in rows)])


def _markdown_cell(value: Any) -> str:
    return as_markdown(" ".join(str(value).split("\n"))).replace("|", "\\|")
