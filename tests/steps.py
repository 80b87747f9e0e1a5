"""One step of the collection over the simulated organisation, without Dagster around it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from given import record_rules

from pipelines.catalogue.registry import listings
from pipelines.collection.collector import Collector
from pipelines.collection.remote import workers_of
from pipelines.collection.state import StepState
from pipelines.collection.step import collect
from pipelines.settings import read_settings
from pipelines.trust.role_resources import aws_roles
from resources.audit.cells import Cell, renew_coverage
from resources.audit.runs import record_run
from resources.aws.listing import Listing
from resources.store.store import Store
from simulator.client import Simulator

RUN = "another-night"


def age(database: Path, listing: str) -> None:
    """Make the cells of a listing a day older: metrics that were fetched today (UTC) are not requested again."""
    store = Store(database)
    with store.holding("age", "a test"), store.transaction() as connection:
        connection.execute(
            """
            update audit.collection
            set started_at = started_at - interval 1 day, ended_at = ended_at - interval 1 day
            where listing = $listing
            """,
            {"listing": listing},
        )
        renew_coverage(connection)


def landed(database: Path) -> dict[str, list[str]]:
    """The records that the run landed, by listing, in an order of their own."""
    return {
        file.parent.name: sorted(json.dumps(json.loads(line), sort_keys=True) for line in file.open())
        for file in (Store(database).landing / RUN).glob("*/records.ndjson")
    }


@contextmanager
def asked(
    simulator: Simulator,
    database: Path,
    *names: str | Listing,
    only_untrusted: bool = False,
    is_by_cadence: bool = False,
    run: str = RUN,
    kept_since: datetime | None = None,
    **settings: str,
) -> Iterator[list[Cell]]:
    """The cells of one step of these listings on a warehouse with a night in it; stored once the test is done."""
    catalogue = listings()
    wanted = [catalogue[name] if isinstance(name, str) else name for name in names]
    read = read_settings({**simulator.env, "CMDB_DATABASE": str(database), **settings})
    store = Store(database)
    roles = aws_roles(read)
    resources: Any = {
        role: resource for role, resource in roles.items() if any(role in listing.roles for listing in wanted)
    }
    with store.holding(run, "test"):
        with store.transaction() as connection:
            record_run(connection, run, "test")
        state = StepState(
            store,
            run,
            resources,
            wanted,
            read,
            lambda _: None,
            only_untrusted=only_untrusted,
            is_by_cadence=is_by_cadence,
            kept_since=kept_since,
            record_rules=record_rules(),
        )
        collector = Collector(state)
        try:
            cells: list[Cell] = []
            collect(collector, "test", cells.extend, workers_of(read))
            yield cells
            collector.commit()
        finally:
            collector.close()
            for resource in roles.values():
                resource.close()
