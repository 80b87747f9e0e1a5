"""Prints what the history says of runs that died or count as published. Usage: counted_runs.py FOLDER"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from chaos.ground import Ground
from chaos.history import Known, must_show_tonight
from chaos.processes import apart
from chaos.tables import tables

from resources.audit.runs import finish_run, record_run
from resources.store.store import Store
from simulator.client import Simulator

scratch = Path(sys.argv[1])
database = scratch / "house" / "cmdb.duckdb"
database.parent.mkdir()


# It asks nobody.
ground = Ground(cast(Simulator, None), scratch)


def publish(run: str, **runs: str) -> None:
    store = Store(database)
    with store.holding(run, "a test"):
        with store.transaction() as connection:
            for name, outcome in {run.replace("-", "_"): "published", **runs}.items():
                record_run(connection, name.replace("_", "-"), "test")
                finish_run(connection, name.replace("_", "-"), outcome)
        store.publish(run, lambda connection: None)


def seen(**options: Any) -> str:
    try:
        must_show_tonight(database, known, ground, **options)
    except AssertionError as error:
        return str(error)
    return ""


apart(lambda: publish("run-1"), scratch)
before, runs = datetime.now(UTC), {"run-1": "yesterday"}
known = Known(database, before, runs, {}, apart(lambda: tables(database, before, runs), scratch), 1.0)
apart(lambda: publish("run-2", run_3="died"), scratch)
found = [seen(), seen(earlier=["run-3"])]
apart(lambda: publish("run-4", run_5="published"), scratch)
print(json.dumps([*found, seen(earlier=["run-2"]), seen(earlier=["run-2", "run-5"])]))
