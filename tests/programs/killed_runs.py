"""Prints what the next run makes of one that was killed at a point. Usage: killed_runs.py FOLDER STORIES"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from chaos.ground import copy_of
from chaos.processes import apart, begin

from pipelines.publishing import assets as publish
from pipelines.report.figures import QUERIES
from resources.audit.organization import stamp
from resources.store.process import PROCESS
from resources.store.store import Store
from resources.warehouse import Warehouse


def night(database: Path, run: str, point: str = "") -> None:
    def kill(passed: str) -> None:
        if passed == point:
            os.kill(os.getpid(), signal.SIGKILL)

    PROCESS.fault_hook = kill
    bound = Warehouse(database=str(database))
    bound.setup_for_execution(cast(Any, SimpleNamespace(run_id=run)))
    store = bound.begin("a test")
    stamp(store, "o-1", "1")
    with store.transaction() as connection:
        connection.execute("create table if not exists ref.setting as select 'NZD' as reporting_currency")
        connection.execute(
            "insert into cmdb.resource_version select 'arn:' || $run, now(), null, true, 'type', '1', "
            "'present', 'discovered', [], '{}', 1, $run, 'listing'",
            {"run": run},
        )
    kill("while it works")
    plain = store.publish

    def publish_and_die(self: Store, *of: Any) -> Any:
        version = plain(*of)
        kill("before it confirms")
        return version

    Store.publish = publish_and_die  # type: ignore[method-assign, assignment]  # until the process ends
    publish.publish(store, run, [])
    bound.teardown_after_execution(cast(Any, None))


def seen(database: Path) -> dict[str, Any]:
    with Store(database).published() as connection:

        def read(name: str) -> list[tuple[Any, ...]]:
            return connection.execute((QUERIES / f"{name}.sql").read_text()).fetchall()

        return {
            "runs": dict(connection.execute("select run_id, outcome from audit.run").fetchall()),
            "without_end": [
                run
                for (run,) in connection.execute("select run_id from audit.run where finished_at is null").fetchall()
            ],
            "before": read("run")[0][6],
            "changes": [row[2] for row in read("changes")],
        }


def story(yesterday: Path, folder: Path, point: str, rolled_back: bool) -> dict[str, Any]:
    database = copy_of(yesterday, folder)
    killed = begin(functools.partial(night, database, "run-2", point), scratch)
    code = killed.wait()
    versions = apart(lambda: [v.run_id for v in Store(database).versions()], scratch)
    back = apart(lambda: Store(database).rollback("run-1").run_id, scratch) if rolled_back else ""
    apart(functools.partial(night, database, "run-3"), scratch)
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name.startswith("."))
    return {
        "code": code,
        "said": killed.said,
        "versions": versions,
        "back": back,
        "left": left,
        **apart(lambda: seen(database), scratch),
    }


scratch = Path(sys.argv[1])
yesterday = scratch / "yesterday" / "aws_org.duckdb"
yesterday.parent.mkdir()
apart(functools.partial(night, yesterday, "run-1"), scratch)
print(json.dumps([story(yesterday, scratch / str(number), *of) for number, of in enumerate(json.loads(sys.argv[2]))]))
