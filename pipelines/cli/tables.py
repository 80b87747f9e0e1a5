"""`cmdb tables`: search the data dictionary of the published file."""

import difflib
from dataclasses import asdict

import click

from pipelines.cli.command import Command, InvalidRequest, demo_option, json_option, plainly, print_json, store_of


@click.command(cls=Command)
@click.argument("word", default="")
@demo_option
@json_option
@plainly
def tables(word: str, demo: bool, as_json: bool) -> None:
    """List the tables of the published file, or the tables and columns whose name or description has a word.

    The whole name of a table lists its columns.

    Example: cmdb tables owner
    """
    from pipelines.cli.dictionary import entries
    from pipelines.cli.terminal import console, rows_table

    store = store_of(demo=demo)
    with store.published_current() as connection:
        found = entries(connection, word)
        if not found:
            known = [one.relation for one in entries(connection, "")]
            near = difflib.get_close_matches(word.lower(), known, n=3)
            meant = f" Did you mean {' or '.join(near)}?" if near else " `cmdb tables` lists all."
            raise InvalidRequest(f"No table or column has {word!r} in its name or description.{meant}")
    if as_json:
        print_json([asdict(one) for one in found])
        return
    rows = [(one.relation, one.column, one.data_type, one.description) for one in found]
    if not word:
        console().print(rows_table(["table", "description"], [(name, text) for name, _, _, text in rows]))
        return
    console().print(rows_table(["table", "column", "type", "description"], rows))
