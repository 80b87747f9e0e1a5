"""A live Dagster: its daemon, its webserver and our code location, started and asked as people do.

Every launch goes through GraphQL, as the UI sends it; what came of a run is read there too.
"""

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_graphql.client.query import (
    LAUNCH_PARTITION_BACKFILL_MUTATION,
    LAUNCH_PIPELINE_EXECUTION_MUTATION,
    LAUNCH_PIPELINE_REEXECUTION_MUTATION,
)
from nights import REPOSITORY, environment_of, fingerprint

from pipelines.catalogue.names import ACCOUNT
from pipelines.models.model import SCHEMAS, read_models
from resources.audit.cells import renew_coverage
from resources.store.store import Store
from simulator.client import is_foreign

PROGRAMS = Path(sys.executable).parent

TARGET = "cmdb/resource"
"""What most launches ask for: it reads the workload accounts' instances, and through them everything before."""

STUMBLE = "somebodys/stumble"
"""Somebody's asset; in a run that Dagster may try again it fails once."""

INSTANCES = "ec2_instance"

READ = tuple(schema for schema in SCHEMAS if schema != "audit")
"""The schemas of tables that people or models read; the evidence is compared apart."""

MARK = "marked before the launch"

WAY_TAG = "live/way"
"""Carried by every run that is launched here: what launched it."""

# ------------------------------------------------------------------------------------------------- the world


@dataclass
class World:
    """A warehouse of one's own, and what leads a launch to it."""

    database: Path
    environment: dict[str, str]

    def change(self, sql: str) -> None:
        """Change stored evidence, as no product code would."""
        store = Store(self.database)
        with store.holding(f"test-{uuid.uuid4()}", "a test"), store.transaction() as connection:
            connection.execute(sql)
            renew_coverage(connection)

    def mark(self) -> None:
        """Write into the target what only a rebuild takes out again."""
        self.change(f"update cmdb.resource set name = '{MARK}' where arn = (select min(arn) from cmdb.resource)")

    @property
    def is_marked(self) -> bool:
        """Whether the target still is what `mark` made of it."""
        with Store(self.database).read() as connection:
            found = connection.execute(f"select count(*) from cmdb.resource where name = '{MARK}'").fetchall()
        return found == [(1,)]

    def tables(self, *schemas: str) -> dict[str, tuple[int, int]]:
        """Number and hash of the rows of every table that people or models read, and of views that people read.

        Views of `stage` and of the evidence show a refused run too; what is built of them stays as it was.
        """
        of_evidence = views_of_evidence()
        found = {}
        with Store(self.database).read() as connection:
            for schema, table in connection.execute(
                "select table_schema, table_name from information_schema.tables where table_schema in "
                f"({', '.join(repr(schema) for schema in schemas or READ)}) "
                "and (table_schema <> 'stage' or table_type = 'BASE TABLE') order by all"
            ).fetchall():
                if f"{schema}.{table}" in of_evidence:
                    continue
                rows = connection.execute(
                    f'select count(*), coalesce(sum(hash(t)::hugeint), 0) from "{schema}"."{table}" as t'
                ).fetchall()
                found[f"{schema}.{table}"] = rows[0]
        return found

    def landed(self) -> dict[str, str]:
        """Every landed file with its SHA-256."""
        landing = Store(self.database).landing
        return {
            str(path.relative_to(landing)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(landing.rglob("*"))
            if path.is_file() and path.name != ".empty.ndjson"
        }

    def state(self) -> tuple[Any, ...]:
        """Everything that a refused launch must leave as it was: tables, cells, landed answers, what is published."""
        with Store(self.database).read() as connection:
            cells = connection.execute("select count(*), sum(hash(c)::hugeint) from audit.collection as c").fetchall()
        return self.tables(), cells, self.landed(), fingerprint(self.database)


def changed(before: tuple[Any, ...], after: tuple[Any, ...]) -> str:
    """What of a state is another one, in words; empty where nothing is."""
    tables, others = before[0], after[0]
    found = sorted(name for name in {*tables, *others} if tables.get(name) != others.get(name))
    found += [
        what
        for what, one, other in zip(("cells", "landed files", "what is published"), before[1:], after[1:], strict=True)
        if one != other
    ]
    return f"changed: {', '.join(found)}" if found else ""


NEVER = "delete from audit.check_result where scope = 'pre-flight'"
FAILED = """
    update audit.check_result set passed = false, observed = 'Two roles reach account 012345678901.'
    where scope = 'pre-flight' and check_name = 'accounts_are_distinct'
"""
OLD = "update audit.check_result set checked_at = checked_at - interval 27 hours where scope = 'pre-flight'"
FOREIGN = "update audit.check_result set config_hash = 'of-other-profiles' where scope = 'pre-flight'"
SILENT = f"""
    update audit.collection set outcome = 'empty_suspect', is_trusted = false, record_count = 0,
        error_message = 'Empty, but the last trusted count was 40.'
    where listing = '{INSTANCES}' and outcome = 'found'
        and (account_id, region) = (
            select min((account_id, region)) from audit.collection where listing = '{INSTANCES}' and outcome = 'found'
        )
"""
NO_ACCOUNTS = f"""
    update audit.collection set outcome = 'denied', is_trusted = false, error_code = 'AccessDeniedException',
        error_message = 'management may not list accounts any more'
    where listing = '{ACCOUNT}'
"""

SILENTLY = "what it reads failed silently"

UNLISTED = "the list of accounts is not trusted"

STATES = {
    "no pre-flight was ever made": (NEVER, "No pre-flight is recorded."),
    "the pre-flight failed": (
        FAILED,
        "The pre-flight failed. accounts_are_distinct: Two roles reach account 012345678901.",
    ),
    "the pre-flight is too old": (OLD, "min old; at most 26 h 0 min is allowed here."),
    "the pre-flight judged another configuration": (
        FOREIGN,
        "The last pre-flight judged another configuration than this one.",
    ),
    SILENTLY: (SILENT, f"{INSTANCES}: empty_suspect in account "),
    UNLISTED: (NO_ACCOUNTS, f"{ACCOUNT}: denied in account "),
}
"""What the stored evidence says, and the words of the rule that refuses because of it."""

BAD_PREFLIGHTS = [state for state in STATES if "pre-flight" in state]


def readers() -> list[str]:
    """The tables that rest upon the listing of instances."""
    return [name for name, model in read_models().items() if INSTANCES in model.sources]


def views_of_evidence() -> set[str]:
    """The views that show the evidence, or read a view that does."""
    found: set[str] = set()
    for name, model in read_models().items():
        if model.materialized == "view" and any(used.startswith("audit.") or used in found for used in model.uses):
            found.add(name)
    return found


COMMANDS = {
    "`dagster asset materialize`": (
        "dagster",
        "asset",
        "materialize",
        "-m",
        "pipelines.definitions",
        "--select",
        TARGET,
    ),
    "`dg launch`": ("dg", "launch", "--assets", TARGET),
}

# ------------------------------------------------------------------------------------------------- programs

LOCATION = "cmdb"

LAUNCHES = REPOSITORY / "tests" / "programs" / "launches.py"
"""A code location of ours in which somebody has written a sensor, a schedule and an asset that fails once."""


def child_environment(world: World, **more: str) -> dict[str, str]:
    """What a program outside this process gets."""
    kept = {name: value for name, value in os.environ.items() if not is_foreign(name)}
    return {**kept, **world.environment, **more}


def home_of(folder: Path) -> Path:
    """A `DAGSTER_HOME` with our `dagster.yaml`, but a queue that is looked at often."""
    folder.mkdir(parents=True)
    text = (REPOSITORY / "pipelines" / "dagster.yaml").read_text(encoding="utf-8")
    hurried = text.replace("max_concurrent_runs: 1", "max_concurrent_runs: 1\n  dequeue_interval_seconds: 1")
    assert hurried != text
    (folder / "dagster.yaml").write_text(hurried, encoding="utf-8")
    # Its databases are made once, before several programs would make them at once.
    with environment_of({"DAGSTER_HOME": str(folder)}), dg.DagsterInstance.get() as instance:
        instance.get_runs(limit=1)
        instance.all_instigator_state()
        instance.all_asset_keys()
    return folder


@contextlib.contextmanager
def running(*command: str, environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A program of the virtual environment, ended with all that it started."""
    with log.open("ab") as out:
        process = subprocess.Popen(
            [str(PROGRAMS / command[0]), *command[1:]],
            env=dict(environment),
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


# ------------------------------------------------------------------------------------------------- what came of it

RUNS = """
query($filter: RunsFilter!) {
  runsOrError(filter: $filter) {
    __typename
    ... on Runs { results { runId status } }
    ... on PythonError { message }
  }
}
"""

EVENTS = """
query($runId: ID!, $afterCursor: String) {
  logsForRun(runId: $runId, afterCursor: $afterCursor) {
    __typename
    ... on EventConnection {
      cursor
      hasMore
      events {
        __typename
        ... on ExecutionStepFailureEvent { stepKey error { message } failureMetadata { description } }
        ... on ExecutionStepSuccessEvent { stepKey }
        ... on MaterializationEvent { assetKey { path } }
        ... on AssetCheckEvaluationEvent { evaluation { checkName success assetKey { path } } }
      }
    }
  }
}
"""

ENDED = ("SUCCESS", "FAILURE", "CANCELED")

PATIENCE = 1800.0
"""Seconds after which a run that has not ended is a failure of its own; a whole night is one."""


@dataclass(frozen=True)
class Run:
    """What the UI shows of a run that has ended.

    Attributes:
        sentences: of the failed steps, by step.
        built: assets that it materialised.
        checked: checks that passed.
    """

    run_id: str
    status: str
    sentences: dict[str, str]
    built: list[str]
    checked: list[str]

    @property
    def said(self) -> str:
        """All sentences in one text."""
        return " ".join(self.sentences.values())


@dataclass
class Ui:
    """A webserver on 127.0.0.1 over a world, with the folder of its instance and its code location."""

    world: World
    folder: Path
    port: int

    def call(self, path: str, data: Any) -> Any:
        """POST JSON, as a browser or anybody on the machine can."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            data=json.dumps(data).encode(),
            headers={"Content-Type": "application/json"},
        )
        with opener.open(request, timeout=60) as response:
            return json.load(response)

    def ask(self, text: str, expected: str, **variables: Any) -> Any:
        """A GraphQL query or mutation, which must answer with the expected type."""
        answer = self.call("/graphql", {"query": text, "variables": variables})
        assert answer.get("data"), answer
        (value,) = answer["data"].values()
        assert value["__typename"] == expected, answer
        return value

    # --------------------------------------------------------------------------------------------- launches

    def launch(
        self,
        job: str,
        *assets: str,
        checks: Collection[tuple[str, str]] | None = None,
        way: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Launch a job as the UI does; the run's id.

        Args:
            assets: only these; all where neither they nor `checks` are given.
            checks: only these, as asset and name; all of the assets where `None`.
        """
        selector: dict[str, Any] = {
            "repositoryLocationName": LOCATION,
            "repositoryName": "__repository__",
            "pipelineName": job,
        }
        if assets or checks is not None:
            selector["assetSelection"] = [{"path": asset.split("/")} for asset in assets]
        if checks is not None:
            selector["assetCheckSelection"] = [
                {"assetKey": {"path": asset.split("/")}, "name": check} for asset, check in checks
            ]
        launched = self.ask(
            LAUNCH_PIPELINE_EXECUTION_MUTATION,
            "LaunchRunSuccess",
            executionParams={
                "selector": selector,
                "runConfigData": "{}",
                "mode": "default",
                "executionMetadata": {"tags": _pairs({WAY_TAG: way, **(tags or {})})},
            },
        )
        run_id: str = launched["run"]["runId"]
        return run_id

    def again_from_failure(self, run_id: str, way: str) -> str:
        """What failed of a run once more, as the UI's button does; the new run's id."""
        launched = self.ask(
            LAUNCH_PIPELINE_REEXECUTION_MUTATION,
            "LaunchRunSuccess",
            reexecutionParams={
                "parentRunId": run_id,
                "strategy": "FROM_FAILURE",
                "extraTags": _pairs({WAY_TAG: way}),
            },
        )
        again: str = launched["run"]["runId"]
        return again

    def backfill(self, asset: str, way: str = "") -> None:
        """Ask the daemon for a backfill of an asset."""
        self.ask(
            LAUNCH_PARTITION_BACKFILL_MUTATION,
            "LaunchBackfillSuccess",
            backfillParams={
                "partitionsByAssets": [{"assetKey": {"path": asset.split("/")}}],
                "tags": _pairs({WAY_TAG: way}),
            },
        )

    def tell(self, kind: str, way: str) -> None:
        """Let somebody's `sensor` or `schedule` ask for the target, once."""
        asks = self.folder / "asks"
        (asks / f".{kind}").write_text(way, encoding="utf-8")
        (asks / f".{kind}").rename(asks / kind)

    def forge(self, *assets: str, checks: Collection[tuple[str, str]]) -> None:
        """Report that assets were materialised and that checks passed, as anybody on the machine can."""
        for asset in assets:
            self.call(f"/report_asset_materialization/{asset}", {})
        for asset, check in checks:
            self.call(f"/report_asset_check/{asset}", {"check_name": check, "passed": True})

    # --------------------------------------------------------------------------------------------- what came of it

    def ended(self, run_id: str, seconds: float = PATIENCE) -> Run:
        """What came of a run, once it has ended."""

        def is_it() -> str | None:
            ((_, status),) = [
                (run["runId"], run["status"]) for run in self.ask(RUNS, "Runs", filter={"runIds": [run_id]})["results"]
            ]
            return status if status in ENDED else None

        status = awaited(is_it, f"run {run_id} has not ended", seconds)
        sentences, built, checked = {}, [], []
        for event in self._events(run_id):
            kind = event["__typename"]
            if kind == "ExecutionStepFailureEvent":
                told = event["failureMetadata"] or {}
                sentences[event["stepKey"]] = told.get("description") or event["error"]["message"].strip()
            elif kind == "MaterializationEvent":
                built.append("/".join(event["assetKey"]["path"]))
            elif kind == "AssetCheckEvaluationEvent" and event["evaluation"]["success"]:
                checked.append(event["evaluation"]["checkName"])
        return Run(run_id, status, sentences, built, checked)

    def ended_by(self, way: str, number: int = 1, seconds: float = PATIENCE) -> Run:
        """The n-th run that was launched in a way, once it is there and has ended."""

        def is_there() -> str | None:
            found = self.ask(RUNS, "Runs", filter={"tags": _pairs({WAY_TAG: way})})["results"]
            # The newest comes first.
            return found[-number]["runId"] if len(found) >= number else None

        return self.ended(awaited(is_there, f"there is no run {number} of {way}", seconds), seconds)

    def _events(self, run_id: str) -> Iterator[dict[str, Any]]:
        cursor, more = None, True
        while more:
            page = self.ask(EVENTS, "EventConnection", runId=run_id, afterCursor=cursor)
            yield from page["events"]
            cursor, more = page["cursor"], page["hasMore"]

    @contextlib.contextmanager
    def daemon(self) -> Iterator[None]:
        """The daemon at work."""
        with running(
            *("dagster-daemon", "run", "-w", str(self.folder / "workspace.yaml")),
            environment=child_environment(self.world),
            log=self.folder / "daemon.log",
        ):
            yield


def awaited(look: Callable[[], str | None], what: str, seconds: float) -> str:
    """What a look gives, as soon as it gives something.

    Raises:
        AssertionError: it gave nothing for so long.
    """
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = look()
        if found is not None:
            return found
        time.sleep(0.3)
    raise AssertionError(f"{what} after {seconds:.0f} s")


def _pairs(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"key": key, "value": value} for key, value in tags.items()]


@contextlib.contextmanager
def served(folder: Path, world: World) -> Iterator[Ui]:
    """The webserver and the code server of a world; what they share is the instance of its `DAGSTER_HOME`."""
    (folder / "asks").mkdir()
    code, ui = free_port(), Ui(world, folder, free_port())
    (folder / "workspace.yaml").write_text(
        f"load_from:\n  - grpc_server:\n      host: 127.0.0.1\n      port: {code}\n      location_name: {LOCATION}\n",
        encoding="utf-8",
    )
    environment = child_environment(world, LIVE_ASKS=str(folder / "asks"))
    code_server = (
        *("dagster", "api", "grpc", "--python-file", str(LAUNCHES), "--location-name", LOCATION),
        *("--host", "127.0.0.1", "--port", str(code)),
    )
    webserver = (
        *("dagster-webserver", "--workspace", str(folder / "workspace.yaml")),
        *("--host", "127.0.0.1", "--port", str(ui.port)),
    )
    with running(*code_server, environment=environment, log=folder / "code.log") as process:
        _answers(lambda: socket.create_connection(("127.0.0.1", code), 5).close(), process, folder / "code.log")
        with running(*webserver, environment=environment, log=folder / "webserver.log") as process:
            _answers(lambda: ui.call("/graphql", {"query": "{version}"}), process, folder / "webserver.log")
            yield ui


def _answers(look: Callable[[], Any], program: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a program answers.

    Raises:
        AssertionError: it has ended, or does not; the message has its last words.
    """

    def answers() -> str | None:
        assert program.poll() is None, "it has ended"
        try:
            look()
        except OSError:
            return None
        return "yes"

    try:
        awaited(answers, "it does not answer", 120)
    except AssertionError as error:
        raise AssertionError(f"{log.stem}: {error}. {log.read_text(encoding='utf-8')[-2000:]}") from error
