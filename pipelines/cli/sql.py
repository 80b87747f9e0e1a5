"""`cmdb sql`: query the published file in SQL."""

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import click

from pipelines.cli.command import (
    Command,
    InvalidRequest,
    Misused,
    demo_option,
    json_option,
    plainly,
    store_of,
)
from pipelines.plain_text import as_csv_cell, as_json, as_markdown, plain

if TYPE_CHECKING:
    from resources.store.store import Store


@click.command(cls=Command)
@click.argument("query")
@click.option(
    "--format",
    "output",
    type=click.Choice(["table", "csv", "json", "markdown"]),
    default="table",
    show_default=True,
)
@json_option
@click.option("--raw", is_flag=True, help="With --format csv: values exactly as stored, for programs.")
@demo_option
@plainly
def sql(query: str, output: str, as_json: bool, raw: bool, demo: bool) -> None:
    """Query the published file in SQL; a query cannot change anything.

    The output is safe for terminals and spreadsheets. A CSV cell that would be a formula begins with an apostrophe, and
    an invisible character appears as its code point.

    Example: cmdb sql "select account_id, account_name, ou_path from org.account"
    """
    if raw and (as_json or output != "csv"):
        raise Misused("--raw is for --format csv: nothing else changes a value that a program reads. No query ran.")
    output_text = run_query(store_of(demo=demo), query, "json" if as_json else output, raw=raw)
    # Without colour, click would drop escape sequences from piped output, although they are part of a raw value.
    click.echo(output_text, color=True if raw else None)


def run_query(store: "Store", query: str, output: str, *, raw: bool = False) -> str:
    """The result of a query on the published file, as text.

    Money stays decimal: the frame holds Python objects, not pandas' floats.

    Args:
        output: table, csv, json or markdown.
        raw: return a CSV's values as stored: for programs, never for a terminal or a spreadsheet.

    Raises:
        InvalidRequest: DuckDB refused the query; the message is DuckDB's own.
    """
    import duckdb
    import pandas as pd

    store.require_current_schema()
    with store.published() as connection:
        try:
            cursor = connection.execute(query)
            names = [column[0] for column in cursor.description or ()]
            rows = cursor.fetchall()
        except duckdb.Error as error:
            raise InvalidRequest(f"DuckDB refused the query: {error} Nothing was changed.") from error
    if output == "csv":
        names = names if raw else [_csv_cell(name) for name in names]
        cells = rows if raw else [[_csv_cell(value) for value in row] for row in rows]
        return pd.DataFrame(cells, columns=names, dtype=object).to_csv(index=False).rstrip("\n")
    if output == "json":
        frame = pd.DataFrame(rows, columns=names, dtype=object)
        return as_json([{str(name): value for name, value in row.items()} for row in frame.to_dict("records")])
    if output == "markdown":
        return _markdown(names, rows)
    names = [plain(name) for name in names]
    if not rows:
        return "  ".join(names) + "\n(no rows)"
    frame = pd.DataFrame([[_text(value) for value in row] for row in rows], columns=names, dtype=object)
    return frame.to_string(index=False, na_rep="", max_colwidth=None)


def _text(value: Any) -> Any:
    """A value as displayed text; numbers, lists and maps keep the form that pandas gives them."""
    match value:
        case None | bool() | int() | float() | Decimal():
            return value
        case list() | tuple():
            return [_text(part) for part in value]
        case dict():
            return {_text(name): _text(part) for name, part in value.items()}
        case _:
            return plain(value)


def _csv_cell(value: Any) -> Any:
    """A value that is safe in a spreadsheet: a line feed stays a line feed, a number a number."""
    if value is None or isinstance(value, bool | int | float | Decimal):
        return value
    return as_csv_cell(plain(value, lines=True))


def _markdown(names: list[str], rows: list[tuple[Any, ...]]) -> str:
    def line(values: Any) -> str:
        texts = ("" if value is None else _markdown_cell(value) for value in values)
        return f"| {' | '.join(texts)} |"

    return "\n".join([line(names), f"|{' --- |' * len(names)}", *(line(row) for row in rows)])


def _markdown_cell(value: Any) -> str:
    return as_markdown(" ".join(str(value).split("\n"))).replace("|", "\\|")
