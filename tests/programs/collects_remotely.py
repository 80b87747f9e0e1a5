"""Collects one step with workers, to be killed in the middle of it.

    python collects_remotely.py DATABASE LISTING…

The settings and what leads to the organisation stand in the environment.
"""

import os
import sys
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
from resources.audit.runs import record_run
from resources.store.store import Store

RUN = "another-night"


def main() -> None:
    """Collect, store, and end."""
    database, *names = sys.argv[1:]
    wanted = [listings()[name] for name in names]
    settings = read_settings({**os.environ, "CMDB_DATABASE": database})
    store = Store(Path(database))
    roles: Any = {
        role: one for role, one in aws_roles(settings).items() if any(role in entry.roles for entry in wanted)
    }
    with store.holding(RUN, "test"):
        with store.transaction() as connection:
            record_run(connection, RUN, "test")
        state = StepState(store, RUN, roles, wanted, settings, print, record_rules=record_rules())
        collector = Collector(state)
        collect(collector, "test", lambda cells: None, workers_of(settings))
        collector.commit()


if __name__ == "__main__":
    main()
