"""`cmdb coverage`: show which cells are trusted."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from pipelines.cli.command import Command, as_typed, demo_option, json_option, plainly, print_json, store_of
from pipelines.plain_text import plain
from resources.audit.checks import failed_checks
from resources.store.sql import named_rows

if TYPE_CHECKING:
    from resources.store.store import Store

WORST_FIRST = (
    "wrong_account", "empty_suspect", "denied", "failed", "empty_unconfirmed", "empty_verified", "found", "skipped"
)  # fmt: skip
"""Outcomes from worst to best. `skipped` comes last, so that an unused listing hides no other listing's outcome."""


@click.command(cls=Command)
@demo_option
@json_option
@click.option("--blocked", is_flag=True, help="Read the working file: what stopped the last run.")
@plainly
def coverage(demo: bool, as_json: bool, blocked: bool) -> None:
    """Show which cells are trusted: accounts by regions, and the untrusted cells by name.

    Example: cmdb coverage --blocked
    """
    from pipelines.cli.terminal import console, rows_table

    found = read_coverage(store_of(demo=demo), blocked=blocked)
    if as_json:
        print_json(found.cells)
        return
    screen = console()
    screen.print(rows_table(found.matrix_columns, found.matrix_rows))
    if found.untrusted:
        screen.print()
        screen.print(rows_table(found.untrusted[0], [list(row.values()) for row in found.untrusted]))
    for sentence in found.refusals:
        screen.print(plain(as_typed(f"✗ {sentence}", demo=demo)), markup=False)


@dataclass(frozen=True)
class Coverage:
    """The newest cells as a matrix of accounts by regions, and a list of the untrusted ones.

    Attributes:
        untrusted: one row for each untrusted cell. Where the working file is read, also trusted cells that a failed
            check of the last run names.
    """

    matrix_columns: list[str]
    matrix_rows: list[list[str]]
    untrusted: list[dict[str, Any]]
    cells: list[dict[str, Any]]
    refusals: list[str]


def read_coverage(store: "Store", *, blocked: bool) -> Coverage:
    """Read the newest cells from the published file, or from the working file if `blocked` is set."""
    source = store.read() if blocked else store.published_current()
    with source as connection:
        cells = named_rows(
            connection.execute(
                """
                select
                    role, account_id, region, listing, outcome, is_trusted, last_trusted_at, record_count,
                    coalesce(error_message, skip_reason, '') as why
                from audit.coverage order by all
                """
            )
        )
        newest = connection.execute("select arg_max(run_id, started_at) from audit.run").fetchone()
        refusals = [sentence for *_, sentence in failed_checks(connection, newest[0] if newest else "", "ERROR")]
        disputed = (
            connection.execute(
                """
                select role, account_id, region, listing, outcome, check_name, d.scope
                from audit.disputed_cell as d
                join audit.coverage as v using (role, account_id, region, listing)
                where v.is_trusted
                order by all
                """
            ).fetchall()
            if blocked
            else []
        )
    rank = {outcome: number for number, outcome in enumerate(WORST_FIRST)}
    regions = sorted({cell["region"] for cell in cells})
    # A field of the matrix shows the worst outcome of its listings.
    worst: dict[tuple[str, str], dict[str, str]] = {}
    for cell in cells:
        field = worst.setdefault((cell["role"], cell["account_id"]), {})
        known = field.get(cell["region"])
        if known is None or rank[cell["outcome"]] < rank[known]:
            field[cell["region"]] = cell["outcome"]
    rows = [[*key, *(field.get(region, "") for region in regions)] for key, field in sorted(worst.items())]
    doubtful = [
        {name: cell[name] for name in ("role", "account_id", "region", "listing", "outcome", "why")}
        for cell in cells
        if not cell["is_trusted"] and cell["outcome"] != "skipped"
    ]
    doubtful += [
        {
            "role": role,
            "account_id": account,
            "region": region,
            "listing": listing,
            "outcome": outcome,
            "why": f"{check} of {scope} refused what was built of it",
        }
        for role, account, region, listing, outcome, check, scope in disputed
    ]
    return Coverage(["role", "account_id", *regions], rows, doubtful, cells, refusals)
