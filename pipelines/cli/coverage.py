"""`cmdb coverage`: show which cells are trusted."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from pipelines.cli.command import Command, demo_option, json_option, plainly, print_json, store_of
from pipelines.plain_text import plain

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
        screen.print(plain(f"✗ {sentence}"), markup=False)


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
    import pandas as pd

    if not blocked:
        store.require_current_schema()
    source = store.read() if blocked else store.published()
    with source as connection:
        cursor = connection.execute(
            """
            select
                role, account_id, region, listing, outcome, is_trusted, last_trusted_at, record_count,
                coalesce(error_message, skip_reason, '') as why
            from audit.coverage order by all
            """
        )
        frame = pd.DataFrame(cursor.fetchall(), columns=[column[0] for column in cursor.description or ()])
        refusals = [
            str(sentence)
            for (sentence,) in connection.execute(
                """
                select observed from audit.check_result
                where
                    not passed and severity = 'ERROR'
                    and run_id = (select arg_max(run_id, started_at) from audit.run)
                order by checked_at
                """
            ).fetchall()
        ]
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
    # A field of the matrix shows the worst outcome of its listings.
    frame["rank"] = frame["outcome"].map({outcome: rank for rank, outcome in enumerate(WORST_FIRST)})
    worst = frame.pivot_table(index=["role", "account_id"], columns="region", values="rank", aggfunc="min")
    rows = [
        [*map(str, index), *("" if pd.isna(rank) else WORST_FIRST[int(rank)] for rank in ranks)]
        for index, ranks in zip(worst.index, worst.to_numpy(), strict=True)
    ]
    cells = [{str(name): value for name, value in row.items()} for row in frame.drop(columns="rank").to_dict("records")]
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
    return Coverage(["role", "account_id", *map(str, worst.columns)], rows, doubtful, cells, refusals)
