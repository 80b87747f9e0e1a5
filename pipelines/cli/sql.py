"""`cmdb sql`: query the published file in SQL, once or in a shell."""

import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from functools import partial
from tempfile import SpooledTemporaryFile
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
from pipelines.cli.results import Result, shown, write_csv
from pipelines.cli.slices import summed_across_slices
from pipelines.plain_text import plain

if TYPE_CHECKING:
    import duckdb

    from resources.store.history.manifest import Publication
    from resources.store.store import Store

ON_A_TERMINAL = 200
"""Rows that a table shows on a terminal; a pipe or a file gets all of them."""

BATCH = 10_000
"""Rows that are held at a time where all are only written."""

IN_MEMORY = 1 << 24
"""Characters, about, of rows on their way to CSV that are held in memory; more of them are in a file."""

Take = Callable[[list[str], Iterable[list[tuple[Any, ...]]]], None]

NO_DOCUMENT = "{count} queries do not fit into one {output} document: ask one at a time."

OUT_OF_RANGE = (
    "A value of the result is beyond what Python holds ({error}), so no row was returned. Cast its column to VARCHAR."
)


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
    _print(store, _given(query, file), output, publication, raw=raw)


def _given(query: str | None, file: IO[str] | None = None) -> str:
    """The text of the queries.

    Raises:
        Misused: it is not UTF-8.
    """
    try:
        text = query if query is not None else (file or sys.stdin).read()
        # Of arguments and of standard input Python keeps bytes that are no UTF-8; DuckDB takes none.
        text.encode()
    except UnicodeError as error:
        source = (file or sys.stdin).name
        name = "The query" if query is not None else "Standard input" if source == "<stdin>" else plain(source)
        raise Misused(
            f"{name} is not UTF-8, as queries have to be. No query ran. "
            + ("Convert it, such as with iconv." if sys.getfilesystemencoding() == "utf-8" else "Set PYTHONUTF8=1.")
        ) from error
    return text


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
            _print(store, _given(_typed()), output, publication, raw=raw)
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
    if output == "csv":
        _print_csv(store, query, publication, raw=raw)
        return
    is_terminal = output == "table" and sys.stdout.isatty()
    results = run_queries(store, query, ON_A_TERMINAL if is_terminal else None, publication)
    if len(results) > 1 and output == "json":
        raise Misused(NO_DOCUMENT.format(count=len(results), output=output))
    width = shutil.get_terminal_size().columns if is_terminal else None
    # Without colour, click would drop escape sequences from piped output, although they are part of a raw value.
    click.echo(
        "\n\n".join(shown(result, output, raw=raw, width=width) for result in results), color=True if raw else None
    )
    if any(result.left_out for result in results):
        click.echo(f"Only the first {ON_A_TERMINAL} rows are shown; --format csv, or a pipe, gives all.", err=True)


def _print_csv(store: "Store", query: str, publication: "Publication | None", *, raw: bool) -> None:
    """Print the rows of one query, however many there are, once all have come: a part of them is no result."""
    with SpooledTemporaryFile(IN_MEMORY, "w+", encoding="utf-8", newline="") as file:
        try:
            run_queries(store, query, None, publication, partial(write_csv, file, raw=raw))
        except OSError as error:
            raise Misused(
                f"The rows could not be kept in the folder for temporary files ({error.strerror}), so none was "
                "printed: name a folder with more room in TMPDIR."
            ) from error
        file.seek(0)
        while part := file.read(IN_MEMORY):
            click.echo(part, nl=False, color=True if raw else None)


def run_queries(
    store: "Store",
    query: str,
    most: int | None = None,
    publication: "Publication | None" = None,
    take: Take | None = None,
) -> list[Result]:
    """The results of one or more queries on the published file, in their order.

    Args:
        most: rows that are kept of each; None for all.
        publication: the earlier publication that is asked; None for the published file.
        take: takes the rows of the only query by batches, so that no result has them.

    Raises:
        Misused: there is more than one query for `take`. None ran.
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
            if take is not None and len(statements) > 1:
                raise Misused(NO_DOCUMENT.format(count=len(statements), output="csv"))
            for statement in statements:
                doubt = summed_across_slices(connection, statement.query)
                if doubt:
                    say(f"Warning: {doubt}", err=True)
                results.append(_result(connection, statement, most, take))
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


def _result(
    connection: "duckdb.DuckDBPyConnection", statement: "duckdb.Statement", most: int | None, take: Take | None
) -> Result:
    """The result of one statement.

    DuckDB looks for signals only now and then, so the statement runs in a thread: Python notices Ctrl-C while it waits.
    """
    is_interrupted = False
    with ThreadPoolExecutor(max_workers=1) as threads:
        running = threads.submit(_fetched, connection, statement, most, take)
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


def _fetched(
    connection: "duckdb.DuckDBPyConnection", statement: "duckdb.Statement", most: int | None, take: Take | None
) -> Result:
    cursor = connection.execute(statement)
    names = [column[0] for column in cursor.description or ()]
    try:
        if take is not None:
            take(names, iter(lambda: cursor.fetchmany(BATCH), []))
            return Result(names, [])
        rows = cursor.fetchall() if most is None else cursor.fetchmany(most + 1)
    except (OverflowError, ValueError) as error:
        raise InvalidRequest(OUT_OF_RANGE.format(error=error)) from error
    return Result(names, rows[:most], most is not None and len(rows) > most)
