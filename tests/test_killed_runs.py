"""A run that is killed: what the next one says of it, and what the report takes for the night before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from nights import apart

from resources.store.process import FAULT_POINTS

PUBLISHING = tuple(point for point in FAULT_POINTS if point.startswith("publish."))
WORKING, CONFIRMING = "while it works", "before it confirms"

KILLED = """
import functools, json, os, signal, sys
from pathlib import Path
from types import SimpleNamespace
from faults.ground import apart, begin, copy_of
from pipelines.publishing import assets as publish
from pipelines.report.figures import QUERIES

from resources.audit.organization import stamp
from resources.store.process import PROCESS
from resources.store.store import Store
from resources.warehouse import Warehouse

def night(database, run, point=""):
    def kill(passed):
        if passed == point:
            os.kill(os.getpid(), signal.SIGKILL)

    PROCESS.fault_hook = kill
    bound = Warehouse(database=str(database))
    bound.setup_for_execution(SimpleNamespace(run_id=run))
    store = bound.begin("a test")
    stamp(store, "o-1", "1")
    with store.transaction() as connection:
        connection.execute("create table if not exists ref.setting as select 'NZD' as reporting_currency")
        connection.execute("insert into cmdb.resource_version select 'arn:' || $run, now(), null, true, 'type', '1', "
                           "'present', 'discovered', [], '{}', 1, $run, 'listing'", {"run": run})
    kill("while it works")
    plain = store.publish

    def publish_and_die(self, *of):
        version = plain(*of)
        kill("before it confirms")
        return version

    Store.publish = publish_and_die
    publish.publish(store, run, [])
    bound.teardown_after_execution(None)

def seen(database):
    with Store(database).published() as connection:
        read = lambda name: connection.execute((QUERIES / f"{name}.sql").read_text()).fetchall()
        return {
            "runs": dict(connection.execute("select run_id, outcome from audit.run").fetchall()),
            "without_end": [run for (run,) in connection.execute(
                "select run_id from audit.run where finished_at is null").fetchall()],
            "before": read("run")[0][6],
            "changes": [row[2] for row in read("changes")],
        }

def story(yesterday, folder, point, rolled_back):
    database = copy_of(yesterday, folder)
    killed = begin(functools.partial(night, database, "run-2", point), scratch)
    code = killed.wait()
    versions = apart(lambda: [v.run_id for v in Store(database).versions()], scratch)
    back = apart(lambda: Store(database).rollback("run-1").run_id, scratch) if rolled_back else ""
    apart(functools.partial(night, database, "run-3"), scratch)
    left = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.name.startswith("."))
    return {"code": code, "said": killed.said, "versions": versions, "back": back, "left": left,
            **apart(lambda: seen(database), scratch)}

scratch = Path(sys.argv[1])
yesterday = scratch / "yesterday" / "aws_org.duckdb"
yesterday.parent.mkdir()
apart(functools.partial(night, yesterday, "run-1"), scratch)
print(json.dumps([story(yesterday, scratch / str(number), *of) for number, of in enumerate(json.loads(sys.argv[2]))]))
"""

Story = tuple[str, bool]
"""Where run-2 is killed, and whether run-1's version is rolled back to before run-3 publishes."""

FEW: list[Story] = [
    (WORKING, False),
    ("publish.copying", False),
    ("publish.versioned", True),
    ("publish.swapped", False),
]
REST: list[Story] = [
    (point, rolled_back)
    for point in (WORKING, *PUBLISHING, CONFIRMING)
    for rolled_back in (False, True)
    if (point, rolled_back) not in FEW
]


def told(stories: list[Story], folder: Path) -> dict[Story, dict[str, Any]]:
    """What came of each, from one process."""
    printed = apart(KILLED, folder, json.dumps(stories), timeout=300)
    return dict(zip(stories, json.loads(printed), strict=True))


def must_hold(told: dict[str, Any], point: str, *, rolled_back: bool) -> None:
    """Published are the nights that were, and the report counts from the last of them."""
    assert told["code"] == -9, told["said"]
    published = point == CONFIRMING or point in PUBLISHING[PUBLISHING.index("publish.swapped") :]
    assert told["versions"] == (["run-2", "run-1"] if published else ["run-1"])
    assert told["back"] == ("run-1" if rolled_back else "")
    assert told["runs"] == {"run-1": "published", "run-2": "published" if published else "died", "run-3": "published"}
    assert told["without_end"] == ([] if published else ["run-2"])
    assert told["before"] == ("run-2" if published else "run-1")
    assert told["changes"] == (["arn:run-3"] if published else ["arn:run-2", "arn:run-3"])
    assert told["left"] == [".lock"]


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> dict[Story, dict[str, Any]]:
    return told(FEW, tmp_path_factory.mktemp("killed"))


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> dict[Story, dict[str, Any]]:
    return told(REST, tmp_path_factory.mktemp("killed"))


@pytest.mark.parametrize(("point", "rolled_back"), FEW)
def test_of_a_run_that_was_killed_the_next_says_what_came_of_it(
    few: dict[Story, dict[str, Any]], point: str, rolled_back: bool
) -> None:
    must_hold(few[point, rolled_back], point, rolled_back=rolled_back)


@pytest.mark.large
@pytest.mark.parametrize(("point", "rolled_back"), REST)
def test_so_it_does_wherever_that_was(rest: dict[Story, dict[str, Any]], point: str, rolled_back: bool) -> None:
    must_hold(rest[point, rolled_back], point, rolled_back=rolled_back)
