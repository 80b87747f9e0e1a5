"""The product's collection, step by step as a night has it, without Dagster around it.

    python -m bench.ours WORK.json

Accounts and regions are listed, then every family asks what `bench.canned` has of it, each cell is judged with its
evidence, and all is landed and recorded: a DuckDB file and a landing folder are what is left.
"""

import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.canned import LISTINGS
from bench.work import Result, Work
from pipelines.catalogue.names import ACCOUNT, REGION
from pipelines.catalogue.registry import FAMILIES
from pipelines.collection.collector import Collector
from pipelines.collection.record_rules import RecordRule
from pipelines.collection.remote import workers_of
from pipelines.collection.state import StepState
from pipelines.collection.step import collect as collect_step
from pipelines.loading import loading
from pipelines.models.model import read_models
from pipelines.models.query_facts import record_rules_of
from pipelines.settings import Settings, read_settings
from pipelines.trust.role_resources import aws_roles
from resources.audit.runs import record_run
from resources.aws.listing import Listing
from resources.contract import Role
from resources.installation import code_version
from resources.roles import AwsRole
from resources.store.store import Store

RUN = "bench-collection"


def collect(
    store: Store,
    roles: dict[Role, AwsRole],
    settings: Settings,
    listings: Sequence[Listing],
    record_rules: Mapping[str, RecordRule],
    spoken: bool,
) -> None:
    """One step: ask, judge, land, record."""
    needed: dict[Role, AwsRole] = {
        role: resource for role, resource in roles.items() if any(role in listing.roles for listing in listings)
    }
    for resource in needed.values():
        resource.verify()
    log = (lambda line: print(line, file=sys.stderr, flush=True)) if spoken else (lambda line: None)
    collector = Collector(StepState(store, RUN, needed, listings, settings, log, record_rules=record_rules))
    try:
        collect_step(collector, "bench", lambda cells: None, workers_of(settings))
        collector.commit()
    finally:
        collector.close()


def steps(wanted: frozenset[str]) -> list[tuple[Listing, ...]]:
    """The catalogue's families, each with what is wanted of it; accounts and regions first."""
    first = (ACCOUNT, REGION)
    families = [tuple(entry for entry in family.listings if entry.name in wanted) for family in FAMILIES]
    alone = [(entry,) for name in first for family in FAMILIES for entry in family.listings if entry.name == name]
    return alone + [family for family in families if family]


def main() -> int:
    """Collect, and print what was found."""
    accounts = frozenset(Work.load(Path(sys.argv[1])).accounts)
    spoken = "--progress" in sys.argv
    settings = read_settings(os.environ)
    roles: dict[Role, AwsRole] = aws_roles(settings)  # type: ignore[assignment]  # its names are roles
    for resource in roles.values():
        resource.serve(RUN)
    store = Store(settings.database)
    store.folder.mkdir(parents=True, exist_ok=True)
    wanted = frozenset(entry.name for entry in LISTINGS)

    with loading():
        record_rules = record_rules_of(read_models())
    took: dict[str, float] = {}
    computed: dict[str, float] = {}
    with store.holding(RUN, "bench", stays_attached=True):
        with store.transaction() as connection:
            record_run(connection, RUN, code_version())
        for listings in steps(wanted):
            began, computing = time.monotonic(), time.process_time()
            collect(store, roles, settings, listings, record_rules, spoken)
            took[listings[0].name] = round(time.monotonic() - began, 3)
            computed[listings[0].name] = round(time.process_time() - computing, 3)
        with store.read() as connection:
            cells, errors = connection.execute(
                """
                select
                    count(*),
                    count(*) filter (outcome not in ('found', 'empty_verified', 'empty_unconfirmed', 'skipped'))
                from audit.collection
                """
            ).fetchone() or (0, 0)
            # The central accounts are not the peers' work: they have no such resources here.
            found = connection.execute(
                """
                select listing, sum(record_count)::bigint from audit.collection
                where list_contains($accounts, account_id) and list_contains($wanted, listing)
                group by listing
                """,
                {"accounts": sorted(accounts), "wanted": sorted(wanted)},
            ).fetchall()
    for resource in roles.values():
        resource.close()
    print(json.dumps({"cells": cells, "cpu": computed}), file=sys.stderr)
    Result(dict(sorted((dict.fromkeys(wanted, 0) | dict(found)).items())), errors, took).print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
