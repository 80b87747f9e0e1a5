"""Parts collected by workers with a queue and an object store between: the same rows as one machine's, or a refusal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import kombu
import psutil
import pytest
from nights import DATABASE, REPOSITORY, copy_of, query, run_night
from remote_parts import KEY, NAMES, ONE_PLACE, of_one_process, rows
from scaleout_services import BUCKET, S3, Broker, Redis, awaited, rabbitmq
from steps import asked
from test_parts import everything

from pipelines.collection.remote import broker, coordinator
from pipelines.settings import read_settings
from simulator.client import Simulator

pytestmark = pytest.mark.scaleout


@pytest.fixture(scope="module")
def queue(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """RabbitMQ, or what a test says: `BOTH` are all that there are."""
    start = getattr(request, "param", rabbitmq)
    with start(tmp_path_factory.mktemp("queue") / "server") as server:
        yield server


BOTH = pytest.mark.parametrize("queue", [rabbitmq, Redis], ids=["rabbitmq", "redis"], indirect=True)


class Workers:
    """Workers in mount namespaces of their own, and the settings by which a coordinator finds them."""

    def __init__(self, folder: Path, simulator: Simulator, s3: S3, queue: Broker, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self._s3 = s3
        objects = s3.environment(folder.name)
        credentials = {name: objects.pop(name) for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        for name, value in credentials.items():
            patch.setenv(name, value)
        self.settings = {
            **objects,
            "CMDB_BROKER_URL": queue.url,
            "CMDB_WORKER_KEY": KEY,
            "CMDB_PART_CELLS": "12",
        }
        self.environment = {**simulator.env, **credentials, **self.settings}
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, name: str, **settings: str) -> subprocess.Popen[bytes]:
        """Start a worker and wait until it takes parts."""
        place = self.folder / name
        place.mkdir()
        log = place / "log"
        # Nothing of the tests' warehouses is to be seen from there: its own folder is all there is of them.
        program = (
            f"mount -t tmpfs none {self.folder / 'warehouses'} && exec {sys.executable} -m pipelines.cli.main worker"
        )
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(place), "TMPDIR": str(place), "PYTHONPATH": str(REPOSITORY),
            **self.environment, "CMDB_DATABASE": str(place / "none.duckdb"), **settings,
        }  # fmt: skip
        with log.open("ab") as written:
            worker = subprocess.Popen(
                ["unshare", "--mount", "sh", "-c", program],
                cwd=place,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=written,
                stderr=written,
                start_new_session=True,
            )
        self.running.append(worker)
        assert awaited(lambda: " ready." in log.read_text(errors="replace") or worker.poll() is not None)
        assert worker.poll() is None, log.read_text(errors="replace")[-3000:]
        return worker

    def objects(self, part: str) -> int:
        """Number of objects of this test whose name has a part."""
        found = self._s3.client().list_objects_v2(Bucket=BUCKET, Prefix=f"{self.folder.name}/")
        return sum(part in entry["Key"] for entry in found.get("Contents", ()))

    def counted(self) -> int:
        """The workers that the queue counts."""
        return broker.worker_count(broker.application(read_settings(self.environment)))

    def log(self, name: str) -> str:
        return (self.folder / name / "log").read_text(errors="replace")

    def kill(self) -> None:
        for worker in self.running:
            with suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        self.running.clear()


@contextmanager
def workers_on(
    folder: Path, simulator: Simulator, s3: S3, queue: Broker, patch: pytest.MonkeyPatch
) -> Iterator[Workers]:
    (folder / "warehouses").mkdir()
    workers = Workers(folder, simulator, s3, queue, patch)
    try:
        yield workers
    finally:
        workers.kill()


@pytest.fixture
def workers(
    organisation: Simulator, tmp_path: Path, s3: S3, queue: Broker, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Workers]:
    with workers_on(tmp_path, organisation, s3, queue, monkeypatch) as made:
        yield made


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`--seeds`: at how many moments each thing is killed."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", range(metafunc.config.getoption("seeds")))


@pytest.fixture
def in_one_go(organisation: Simulator, truthful_night: Path, tmp_path: Path) -> dict[str, Any]:
    return of_one_process(organisation, truthful_night, tmp_path)


@pytest.fixture
def database(truthful_night: Path, workers: Workers) -> Path:
    return copy_of(truthful_night, workers.folder / "warehouses" / "home")


def collected(simulator: Simulator, database: Path, workers: Workers, **settings: str) -> dict[str, Any]:
    with asked(simulator, database, *NAMES, **ONE_PLACE, **{**workers.settings, **settings}):
        pass
    return rows(database)


@contextmanager
def meanwhile(what: Callable[[], None]) -> Iterator[None]:
    """Do something in a thread beside the block; what it raises is raised at the end."""
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(what)
        yield
        done.result()


@BOTH
@pytest.mark.parametrize("count", [1, 2, 4])
def test_the_rows_are_those_of_one_machine(
    organisation: Simulator, database: Path, workers: Workers, in_one_go: dict[str, Any], count: int, queue: Broker
) -> None:
    # Redis cannot say how many there are.
    is_counted = not isinstance(queue, Redis)
    for number in range(count):
        assert workers.counted() == number * is_counted
        workers.start(f"worker-{number}")
    assert workers.counted() == count * is_counted

    assert collected(organisation, database, workers, CMDB_PART_CELLS="4") == in_one_go

    took = [workers.log(f"worker-{number}").count(" requests.") for number in range(count)]
    assert all(took), took
    assert sum(took) > 3
    proved = query(
        database,
        """
        select count(distinct worker), count(distinct caller_account_id) from audit.caller_identity where worker <> ''
        """,
        of="working",
    )
    assert proved[0][0] == count
    assert proved[0][1] > 3


def test_whole_steps_with_what_was_found_before_and_what_is_kept(
    organisation: Simulator, truthful_night: Path, tmp_path: Path, database: Path, workers: Workers
) -> None:
    workers.start("worker")
    alone = everything(organisation, copy_of(truthful_night, tmp_path / "one"))
    found = everything(organisation, database, **workers.settings)
    assert "requests." in workers.log("worker")
    for name, value in alone.items():
        assert found[name] == value, name


NIGHTS = {
    "cells": """
        select role, account_id, region, listing, outcome, is_trusted, record_count, skip_reason, error_code, profile
        from audit.coverage order by all
    """,
    "items": """
        select
            * exclude (first_seen_at, last_seen_at, collected_at, run_id, missing_since, retired_at),
            missing_since is null, retired_at is null
        from cmdb.resource order by all
    """,
    "relations": "select from_arn, relation, to_arn, source, is_stale, listing from cmdb.relationship order by all",
}
"""What a night has published, but for times and the run."""


def test_a_whole_first_night_with_workers_is_that_of_one_machine(
    organisation: Simulator, truthful_night: Path, workers: Workers
) -> None:
    for number in range(2):
        workers.start(f"worker-{number}")
    database = workers.folder / "warehouses" / "aws_org.duckdb"
    night = run_night({**workers.environment, "CMDB_PART_CELLS": "300"}, database)
    assert night.published, night.sentences
    assert sum(workers.log(f"worker-{number}").count(" requests.") for number in range(2)) > 3
    for name, text in NIGHTS.items():
        assert query(database, text) == query(truthful_night / DATABASE, text), name


def a_whole_worker(workers: Workers, s3: S3, queue: Broker) -> None:
    os.killpg(workers.running[0].pid, signal.SIGKILL)


def the_process_with_the_part(workers: Workers, s3: S3, queue: Broker) -> None:
    """Celery's own child; the worker starts another one."""
    for child in psutil.Process(workers.running[0].pid).children(recursive=True):
        if not child.children():
            child.kill()


def the_broker(workers: Workers, s3: S3, queue: Broker) -> None:
    queue.kill()
    time.sleep(2)
    queue.start()


def the_store_for_ten_seconds(workers: Workers, s3: S3, queue: Broker) -> None:
    s3.kill()
    time.sleep(10)
    s3.start()


def what_is_in_the_queue(workers: Workers, s3: S3, queue: Broker) -> None:
    with kombu.Connection(queue.url) as connection:
        broker_queue = kombu.Queue("cmdb")(connection.default_channel)
        broker_queue.purge()


@BOTH
@pytest.mark.parametrize(
    "kill", [a_whole_worker, the_process_with_the_part, the_broker, the_store_for_ten_seconds, what_is_in_the_queue]
)
def test_whatever_is_killed_the_rows_are_the_same(
    organisation: Simulator,
    database: Path,
    workers: Workers,
    in_one_go: dict[str, Any],
    s3: S3,
    queue: Broker,
    kill: Callable[[Workers, S3, Broker], None],
    seed: int,
) -> None:
    for number in range(2):
        workers.start(f"worker-{number}")

    def break_it() -> None:
        assert awaited(lambda: workers.objects("/started/") > 0)
        time.sleep(Random(f"{kill.__name__} {seed}").uniform(0, 3))
        kill(workers, s3, queue)

    with meanwhile(break_it):
        found = collected(organisation, database, workers, CMDB_PART_CELLS="4", CMDB_WORKER_PATIENCE="60")
    assert found == in_one_go


def test_a_coordinator_that_is_killed_changes_nothing_and_the_next_run_is_whole(
    organisation: Simulator, database: Path, workers: Workers, in_one_go: dict[str, Any], seed: int
) -> None:
    workers.start("worker")
    killed = subprocess.Popen(
        [sys.executable, REPOSITORY / "tests" / "programs" / "collects_remotely.py", database, *NAMES],
        env={**os.environ, **organisation.env, **ONE_PLACE, **workers.settings, "CMDB_PART_CELLS": "4", "PYTHONPATH":
             f"{REPOSITORY}:{REPOSITORY / 'tests'}"},
    )  # fmt: skip
    try:
        assert awaited(lambda: workers.objects("/started/") > 1)
        assert killed.poll() is None
        time.sleep(Random(f"coordinator {seed}").uniform(0, 3))
    finally:
        killed.kill()
        killed.wait()
    # It has committed all of it or nothing, and may be killed after that too.
    committed = rows(database)
    assert committed == in_one_go or (killed.returncode != 0 and not committed["cells"])
    assert collected(organisation, database, workers) == in_one_go


def test_a_worker_with_another_region_collects_nothing_and_is_named(
    organisation: Simulator,
    database: Path,
    workers: Workers,
    in_one_go: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(coordinator, "note", said.append)
    workers.start("worker", AWS_DEFAULT_REGION="eu-west-1")
    assert collected(organisation, database, workers, CMDB_WORKER_PATIENCE="20") == in_one_go
    assert any("may not collect: its AWS config file, AWS_DEFAULT_REGION or endpoints differ" in one for one in said)
    assert " requests." not in workers.log("worker")


def test_a_worker_opens_no_warehouse(organisation: Simulator, database: Path, workers: Workers) -> None:
    worker = workers.start("worker")
    opened: set[str] = set()
    over = threading.Event()

    def look() -> None:
        while not over.is_set():
            for process in (psutil.Process(worker.pid), *psutil.Process(worker.pid).children(recursive=True)):
                with suppress(psutil.Error):
                    opened.update(file.path for file in process.open_files())
            time.sleep(0.02)

    with meanwhile(look):
        try:
            collected(organisation, database, workers)
        finally:
            over.set()
    assert any(path.endswith(".ndjson.part") for path in opened), opened
    assert not any(".duckdb" in path for path in opened), opened


def test_a_worker_without_its_settings_says_what_it_lacks(organisation: Simulator, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "pipelines.cli.main", "worker"],
        env={**os.environ, **organisation.env},
        capture_output=True,
        text=True,
        cwd=REPOSITORY,
    )
    assert ended.returncode == 2
    assert "CMDB_BROKER_URL is not set" in ended.stderr
    assert "Traceback" not in ended.stderr
