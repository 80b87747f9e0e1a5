"""`cmdb fx`: exchange rates."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from pipelines.cli.command import Command, Group, Misused, demo_option, json_option, plainly, print_json, say, store_of


@click.group(cls=Group)
def fx() -> None:
    """Exchange rates."""


@fx.command(name="import", cls=Command)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--kind",
    type=click.Choice(["invoice", "month_average", "spot", "budget"]),
    help="Of which kind the rates are, where the file does not state it.",
)
@click.option(
    "--base",
    default="NZD",
    show_default=True,
    metavar="CODE",
    help="The currency that a file with a column a currency quotes the others for.",
)
@click.option(
    "--currency", "currencies", multiple=True, metavar="CODE", help="Take this column; all where none is named."
)
@demo_option
@json_option
@plainly
def fx_import(file: Path, kind: Any, base: str, currencies: tuple[str, ...], demo: bool, as_json: bool) -> None:
    """Import the exchange rates of a CSV file, all of them or none.

    The file has either the columns from_currency, to_currency, kind, valid_from and rate, or a date and one column for
    each currency. Central banks publish the second form: how much of each currency one unit of their own currency buys.

    Example: cmdb fx import rates.csv --kind month_average --base NZD --currency USD
    """
    from pipelines.models.fx_rates import FxError, import_rates

    store = store_of(demo=demo)
    try:
        imported = import_rates(store, file, kind=kind, base=base, currencies=currencies)
    except FxError as error:
        raise Misused(str(error)) from error
    if as_json:
        print_json(asdict(imported))
        return
    say(str(imported))
