"""Collects the parts of a step, here or on other machines.

A part is requested, judged and landed by itself, and belongs to whole accounts. Whoever collects the parts, the cells
of a step are stored together, and only if all that were planned came (`completeness`).
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from pipelines.catalogue.names import COST_EXPORT
from pipelines.collection.batches import AccountBatch
from pipelines.collection.collector import Collector
from pipelines.collection.cost_collector import collect_costs
from pipelines.collection.data_export import collect_export
from pipelines.collection.plan import Plan, central_plan, workload_plan
from pipelines.collection.turns import AT_A_TIME, Turns
from resources.audit.cells import Cell
from resources.aws.listing import Listing
from resources.aws.meter import PRICES_USD

Judged = Callable[[Sequence[Cell]], None]
"""Called with the judged cells of each part that this process collects."""


class Workers(Protocol):
    """Those who collect the parts of a step."""

    @property
    def part_cells(self) -> int:
        """Maximum number of cells in a part."""

    @property
    def are_remote(self) -> bool:
        """Whether parts may go to other machines, so that those of the central accounts stay apart."""

    def count(self, listings: Sequence[Listing]) -> int:
        """How many collect a step of these listings at the same time, as far as that is known."""

    def run(self, collector: Collector, parts: Sequence[AccountBatch], judged: Judged) -> None:
        """Collect all parts of a step; each is judged and landed when this returns.

        Raises:
            dagster.Failure: a part cannot be collected. Nothing of the step was stored.
        """


class ThisProcess:
    """Collects a step's parts in this process: one is requested while another one is planned or judged.

    Args:
        part_cells: maximum number of cells in a part.
    """

    are_remote = False

    def __init__(self, part_cells: int) -> None:
        self.part_cells = part_cells

    def count(self, listings: Sequence[Listing]) -> int:
        """One, since further processes of this machine share each part."""
        return 1

    def run(self, collector: Collector, parts: Sequence[AccountBatch], judged: Judged) -> None:
        """As `Workers.run`. Parts of central accounts come first, one by one: their responses decide on others."""
        left = deque(parts)

        def collect_left(collector: Collector) -> None:
            while left:
                judged(collect_part(collector, left.popleft()))

        while left and left[0].is_central:
            judged(collect_part(collector, left.popleft()))
        # What is left of a daily limit is known only once a part was requested.
        if len(left) < AT_A_TIME or is_paid(collector.state.listings):
            collect_left(collector)
        else:
            turns = Turns()
            turns.run(lambda: collect_left(Collector(collector.state.beside(turns))))
            if (processes := collector.state.processes) is not None:
                # After many parts each holds a quarter of a gigabyte, and the tables need it.
                processes.close()


def is_paid(listings: Sequence[Listing]) -> bool:
    """Whether AWS charges for a listing: who holds the meter sends it."""
    return any(listing.service in PRICES_USD for listing in listings)


def collect_part(collector: Collector, part: AccountBatch) -> list[Cell]:
    """Request, judge and land one part; returns its cells."""
    state = collector.state
    state.begin(part.whose, part.part)
    bill = [listing for listing in state.listings if listing.service == "ce"]
    export = [listing for listing in state.listings if listing.name == COST_EXPORT]
    if bill:
        collect_costs(collector, bill)
    for listing in export:
        collect_export(collector, listing)
    plans: list[tuple[Listing, Plan]] = []
    for listing in state.listings:
        for role in listing.roles:
            if role == "workload":
                if part.reached is not None:
                    plans.append((listing, workload_plan(state, listing, part.reached)))
            elif listing not in (*bill, *export) and state.identity(role).account_id in part.whose:
                plans.append((listing, central_plan(state, listing, role)))
    collector.fetch_plans(plans)
    collector.settle()
    return collector.judge()
