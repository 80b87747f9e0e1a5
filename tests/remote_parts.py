"""What tests of remote parts share: an object store in memory, and a worker beside the coordinator in one process.

In each push no S3 server and no queue run, so the store is a dictionary there and the queue is a call. Real servers
and workers in processes of their own: tests/test_scaleout_workers.py.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from given import record_rules
from nights import copy_of, query
from steps import RUN, asked, landed

from pipelines.collection.remote import broker
from pipelines.collection.remote.names import PartFolder
from pipelines.collection.remote.worker import PartWorker
from pipelines.settings import Settings, read_settings
from resources.objects.errors import ObjectMissing
from resources.objects.object_store import ObjectStore
from simulator.client import Simulator

KEY = "a key that only coordinator and workers know"

SETTINGS = {
    "CMDB_BROKER_URL": "amqp://nobody.invalid//",
    "CMDB_OBJECTS_URL": "s3://nobody-s-bucket",
    "CMDB_WORKER_KEY": KEY,
    "CMDB_PART_CELLS": "12",
    "CMDB_WORKER_PATIENCE": "30",
}


NAMES = ("ec2_instance", "ec2_volume", "s3_bucket", "s3_bucket_tag")

ONE_PLACE = {"CMDB_REGIONS": "us-east-1"}

ALONE: dict[str, Any] = {}
"""The rows of one process, the same for all tests."""


def rows(database: Path) -> dict[str, Any]:
    """Every cell of the run but its times, and every landed record."""
    cells = query(
        database,
        """
        select role, account_id, region, listing, profile, caller_account_id, outcome, is_trusted, record_count,
            page_count, request_count, attempt_count, error_code, error_message, skip_reason, empty_policy
        from audit.collection where run_id = $run order by all
        """,
        {"run": RUN},
        of="working",
    )
    return {"cells": cells, "records": landed(database)}


def of_one_process(simulator: Simulator, night: Path, folder: Path) -> dict[str, Any]:
    """The rows that one process collects."""
    if not ALONE:
        database = copy_of(night, folder / "one")
        with asked(simulator, database, *NAMES, **ONE_PLACE):
            pass
        ALONE.update(rows(database))
    return ALONE


class InMemory(ObjectStore):
    """An object store that is a dictionary."""

    def __init__(self) -> None:
        super().__init__("s3://nobody-s-bucket", "us-east-1")
        object.__setattr__(self, "held", {})
        object.__setattr__(self, "since", {})
        object.__setattr__(self, "ahead", dt.timedelta())

    held: dict[str, bytes]
    since: dict[str, dt.datetime]
    ahead: dt.timedelta

    def put(self, name: str, data: bytes) -> None:
        self.held[name] = data
        self.since[name] = dt.datetime.now(dt.UTC) + self.ahead

    def put_file(self, name: str, path: Path) -> None:
        self.put(name, path.read_bytes())

    def put_once(self, name: str, data: bytes) -> bool:
        if name not in self.held:
            self.put(name, data)
        return self.held[name] == data

    def changed_at(self, prefix: str = "") -> dict[str, dt.datetime]:
        return {name: self.since[name] for name in self.names(prefix)}

    def get(self, name: str) -> bytes:
        if name not in self.held:
            raise ObjectMissing(f"{name} is not there.")
        return self.held[name]

    def get_file(self, name: str, path: Path) -> str:
        path.write_bytes(self.get(name))
        return hashlib.sha256(self.get(name)).hexdigest()

    def names(self, prefix: str = "") -> set[str]:
        return {name for name in self.held if name.startswith(f"{prefix}/")}

    def delete(self, prefix: str) -> None:
        for name in self.names(prefix) | ({prefix} & self.held.keys()):
            del self.held[name]


class Beside:
    """A coordinator's store and queue in this process, and a worker that takes each part at once.

    Attributes:
        objects: the store.
        sent: the parts that were put into the queue.
        works: what the worker does with a part.
    """

    def __init__(self, patch: pytest.MonkeyPatch, environment: Mapping[str, str]) -> None:
        self.objects = InMemory()
        self.sent: list[str] = []
        own = {name: value for name, value in environment.items() if name != "CMDB_DATABASE"}
        self.settings: Settings = read_settings({**own, **SETTINGS})
        self.worker = PartWorker(self.settings, self.objects, record_rules())
        self.worker.pause = 0
        self.works: Callable[[PartFolder], None] = self.worker.work
        patch.setattr(Settings, "objects", property(lambda _: self.objects))
        patch.setattr(broker, "send", self._send)
        patch.setattr(broker, "worker_count", lambda app: 0)

    def _send(self, app: Any, folder: str) -> None:
        self.sent.append(folder)
        self.works(PartFolder(folder))

    def manifests(self) -> Iterator[tuple[str, bytes]]:
        yield from ((name, data) for name, data in self.objects.held.items() if name.endswith("/manifest"))
