"""`cmdb bill-month`: fetch months of the bill again whole, then build and publish."""

import os
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import click

from pipelines.cli.command import Command, Misused, demo_option, json_option, plainly, print_json, settings_of
from pipelines.cli.dagster_home import prepare_dagster_home
from pipelines.cli.run import ending, run_with_progress
from pipelines.cli.simulation import simulates_demo

if TYPE_CHECKING:
    from pipelines.collection.bill_months import ReadMonth
    from pipelines.settings import Settings
    from resources.store.store import Store


@click.command("bill-month", cls=Command)
@click.argument("first", metavar="MONTH")
@click.argument("last", metavar="[LAST]", required=False)
@demo_option
@json_option
@plainly
@simulates_demo
def bill_month(first: str, last: str | None, demo: bool, as_json: bool) -> None:
    """Fetch a month of the bill again whole, or all months up to LAST, then build and publish.

    Every slice of the month is requested, whatever is known of it, and so is another closed month whose total AWS has
    changed. Where today's limit of Cost Explorer requests has no room for all of them, no month is requested.

    Example: cmdb bill-month 2026-08 2026-10
    """
    from pipelines import reference
    from pipelines.cli.terminal import console, marked
    from pipelines.collection import bill_months
    from pipelines.collection.bill_month_assets import BILL_MONTH
    from resources.store.store import Store

    settings = settings_of(demo=demo)
    months = _months(first, last or first)
    reason = bill_months.refusal(months, datetime.now(UTC).date(), settings.cost_months)
    if reason:
        raise Misused(f"{reason} Nothing was requested.")
    reference.require(settings.reference)
    store = Store(settings.database)
    if not store.working.exists():
        raise Misused(f"{store.working} does not exist: there was no run yet. Nothing was requested. Run cmdb nightly.")
    prepare_dagster_home(os.environ)
    run = run_with_progress(store, BILL_MONTH, months=(months[0], months[-1]), on_stderr=as_json)
    with ending(run, BILL_MONTH, settings, console(on_stderr=True), demo=demo):
        fetched = _fetched(store, settings, run.run_id)
        if as_json:
            outcome = {"run_id": run.run_id, "published": run.published, "exit_code": run.exit_code}
            print_json(outcome | {"months": fetched, "sentences": run.sentences, "warnings": run.warnings})
            return
        screen = console()
        state = f"Published {settings.database}" if run.published else f"{settings.database} is as it was."
        of_months = (
            f"{one['month']}{'' if one['is_whole'] else ', not whole'}: {one['requests']} requests, "
            f"US${one['requests_cost_usd']}."
            for one in fetched
        )
        for line in (*of_months, *(f"! {one}" for one in run.warnings), *(f"✗ {one}" for one in run.sentences), state):
            screen.print(marked(line))


def _months(first: str, last: str) -> list[str]:
    """The names of all months from the first to the last.

    Raises:
        Misused: one is no month, or the last comes before the first.
    """
    from pipelines.collection.cost_slices import first_of

    for name in (first, last):
        if re.fullmatch(r"20[0-9]{2}-(0[1-9]|1[0-2])", name) is None:
            raise Misused(f"{name!r} is no month. Nothing was requested. Write it as 2026-08.")
    if last < first:
        raise Misused(f"{last} comes before {first}. Nothing was requested. Name the earlier month first.")
    start, months = date.fromisoformat(f"{first}-01"), [first]
    while months[-1] < last:
        start = first_of(start, -1)
        months.append(f"{start:%Y-%m}")
    return months


def _fetched(store: "Store", settings: "Settings", run_id: str) -> list[dict[str, Any]]:
    """What the run requested of each month; `is_whole` is False where a slice of it is missing."""
    from pipelines.collection import bill_months
    from pipelines.collection.seeds import every_slice
    from resources.store.errors import WarehouseError

    try:
        with store.read() as connection:
            found: Sequence[ReadMonth] = list(
                bill_months.read_in_run(connection, run_id, every_slice(settings.reference)).values()
            )
    except WarehouseError:
        # The run could not even open the working file; the failure of its step says why.
        return []
    return [
        {
            "month": one.name,
            "is_whole": not one.missing,
            "requests": one.request_count,
            "requests_cost_usd": str(one.cost_usd),
        }
        for one in found
    ]
