"""Collects the parts of a step, here or on other machines.

A part is requested, judged and landed by itself, and belongs to whole accounts. Whoever collects the parts, the cells
of a step are stored together, and only if all that were planned came (`completeness`).
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from pipelines.catalogue.names import COST_EXPORT
from pipelines.collection.batches import AccountBatch
from pipelines.collection.collector import Collector
from pipelines.collection.cost_collector import collect_costs
from pipelines.collection.data_export import collect_export
from pipelines.collection.plan import Plan, central_plan, workload_plan
from resources.audit.cells import Cell
from resources.aws.listing import Listing

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
    """Collects one part after the other in this process.

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
        """As `Workers.run`."""
        for part in parts:
            judged(collect_part(collector, part))


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
