"""`cmdb sql`: query the published file in SQL, once or in a shell."""

import csv
import io
import json
import shutil
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from math import isfinite
from typing import IO, TYPE_CHECKING, Any

import click

from pipelines.cli.command import (
    Command,
    InvalidRequest,
    Misused,
    can_ask,
    demo_option,
    json_option,
    plainly,
    say,
    store_of,
)
from pipelines.cli.slices import summed_across_slices
from pipelines.plain_text import as_csv_cell, as_json, as_markdown, plain

if TYPE_CHECKING:
    import duckdb

    from resources.store.history.manifest import Publication
    from resources.store.store import Store

ON_A_TERMINAL = 200
"""Rows that a table shows on a terminal; a pipe or a file gets all of them."""

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


@click.command(cls=Command)
@click.argument("query", required=False)
@click.option(
    "--file",
    "file",
    type=click.File(encoding="utf-8"),
    metavar="FILE",
    help="Run the queries of a file; - is standard input.",
)
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "csv", "json", "markdown"]),
    default="table",
    show_default=True,
)
@click.option(
    "--as-of",
    "as_of",
    metavar="NIGHT",
    help="Answer as the file published then did: a day such as 2026-03-31, a time, or a run.",
)
@json_option
@click.option("--raw", is_flag=True, help="With --format csv: values exactly as stored, for programs.")
@demo_option
@plainly
def sql(
    query: str | None, file: IO[str] | None, output: str, as_of: str | None, as_json: bool, raw: bool, demo: bool
) -> None:
    """Query the published file in SQL; a query cannot change anything.

    Without a query it reads standard input; on a terminal it is a shell, where a query ends with a semicolon.

    The output is safe for terminals and spreadsheets. A CSV cell that would be a formula begins with an apostrophe, and
    an invisible character appears as its code point.

    With --as-of, a day means the last run published by its end (UTC); standard error says which. `cmdb history` lists
    what can be asked.

    Example: cmdb sql "select account_id, account_name, ou_path from org.account"
    """
    if raw and (as_json or output != "csv"):
        raise Misused("--raw is for --format csv: nothing else changes a value that a program reads. No query ran.")
    if query is not None and file is not None:
        raise Misused("Give a query or --file, not both. No query ran.")
    output = "json" if as_json else output
    store = store_of(demo=demo)
    publication = None if as_of is None else store.history.find(as_of)
    if publication is not None:
        say(f"As of {publication}.", err=True)
    if query is None and file is None and can_ask():
        _shell(store, output, publication, raw=raw)
        return
    _print(store, query if query is not None else (file or sys.stdin).read(), output, publication, raw=raw)


def _shell(store: "Store", output: str, publication: "Publication | None", *, raw: bool) -> None:
    """Read queries from a terminal until Ctrl-D. A refused query prints its sentence, and the shell goes on."""
    # With the module loaded, `input` has editing keys, and a history of what was typed.
    import readline  # noqa: F401

    if publication is None:
        store.require_current_schema()
    say(
        "Queries end with a semicolon and cannot change anything. Ctrl-D ends; `cmdb tables WORD` finds tables.",
        err=True,
    )
    while True:
        try:
            _print(store, _typed(), output, publication, raw=raw)
        except EOFError:
            click.echo()
            return
        except KeyboardInterrupt:
            # Ends what is typed or runs, not the shell.
            click.echo()
        except click.ClickException as error:
            error.show()


def _typed() -> str:
    """Lines from the terminal up to one that ends with a semicolon.

    Raises:
        EOFError: Ctrl-D.
    """
    lines: list[str] = []
    while not lines or not lines[-1].rstrip().endswith(";"):
        line = input("  ... " if lines else "cmdb> ")
        if lines or line.strip():
            lines.append(line)
    return "\n".join(lines)


def _print(store: "Store", query: str, output: str, publication: "Publication | None", *, raw: bool) -> None:
    is_terminal = output == "table" and sys.stdout.isatty()
    results = run_queries(store, query, ON_A_TERMINAL if is_terminal else None, publication)
    if len(results) > 1 and output in ("csv", "json"):
        raise Misused(f"{len(results)} queries do not fit into one {output} document: ask one at a time.")
    width = shutil.get_terminal_size().columns if is_terminal else None
    # Without colour, click would drop escape sequences from piped output, although they are part of a raw value.
    click.echo(
        "\n\n".join(shown(result, output, raw=raw, width=width) for result in results), color=True if raw else None
    )
    if any(result.left_out for result in results):
        click.echo(f"Only the first {ON_A_TERMINAL} rows are shown; --format csv, or a pipe, gives all.", err=True)


def run_queries(
    store: "Store", query: str, most: int | None = None, publication: "Publication | None" = None
) -> list[Result]:
    """The results of one or more queries on the published file, in their order.

    Args:
        most: rows that are kept of each; None for all.
        publication: the earlier publication that is asked; None for the published file.

    Raises:
        InvalidRequest: there is no query, or DuckDB refused one; the message is DuckDB's own.
        KeyboardInterrupt: Ctrl-C was pressed while one ran.
    """
    import duckdb

    results = []
    with _connected(store, query, publication) as connection:
        try:
            statements = connection.extract_statements(query)
            if publication is not None:
                _require_selects(statements)
            for statement in statements:
                doubt = summed_across_slices(connection, statement.query)
                if doubt:
                    say(f"Warning: {doubt}", err=True)
                results.append(_result(connection, statement, most))
        except duckdb.Error as error:
            raise InvalidRequest(f"DuckDB refused the query: {error} Nothing was changed.") from error
    if not results:
        raise InvalidRequest("There is no query in what was given, so nothing ran. Write one, such as: select 1")
    return results


@contextmanager
def _connected(store: "Store", query: str, publication: "Publication | None") -> "Iterator[duckdb.DuckDBPyConnection]":
    """A connection to the published file, or to the tables of an earlier publication that the query names."""
    if publication is None:
        with store.published_current() as connection:
            yield connection
        return
    with store.history.opened(publication) as as_of:
        as_of.prepare(query)
        yield as_of.connection


def _require_selects(statements: "Sequence[duckdb.Statement]") -> None:
    """Refuse everything but SELECT: this connection's COPY could write into the history.

    Raises:
        InvalidRequest: there is another statement. None ran.
    """
    import duckdb

    for statement in statements:
        if statement.type != duckdb.StatementType.SELECT:
            raise InvalidRequest(
                f"With --as-of only SELECT runs (also DESCRIBE, SUMMARIZE, SHOW), and this is {statement.type.name}. "
                "No query ran."
            )


def _result(connection: "duckdb.DuckDBPyConnection", statement: "duckdb.Statement", most: int | None) -> Result:
    """The result of one statement.

    DuckDB looks for signals only now and then, so the statement runs in a thread: Python notices Ctrl-C while it waits.
    """
    is_interrupted = False
    with ThreadPoolExecutor(max_workers=1) as threads:
        running = threads.submit(_fetched, connection, statement, most)
        while True:
            try:
                if is_interrupted:
                    # Again and again, since an interrupt that comes before the statement has begun does nothing.
                    connection.interrupt()
                if wait([running], timeout=0.1 if is_interrupted else None).done:
                    break
            except KeyboardInterrupt:
                is_interrupted = True
    if is_interrupted:
        raise KeyboardInterrupt
    return running.result()


def _fetched(connection: "duckdb.DuckDBPyConnection", statement: "duckdb.Statement", most: int | None) -> Result:
    cursor = connection.execute(statement)
    names = [column[0] for column in cursor.description or ()]
    rows = cursor.fetchall() if most is None else cursor.fetchmany(most + 1)
    return Result(names, rows[:most], most is not None and len(rows) > most)


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
        return _csv(names, rows, raw=raw)
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


def _csv(names: list[str], rows: list[tuple[Any, ...]], *, raw: bool) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names if raw else [_csv_cell(name) for name in names])
    writer.writerows([_csv_value(value, raw=raw) for value in row] for row in rows)
    return text.getvalue().removesuffix("\n")


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
