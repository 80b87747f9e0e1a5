"""Runs a worker: a Celery process that takes one part after the other from the queue."""

import os
import socket
from collections.abc import Mapping
from typing import Any

from pipelines.collection.record_rules import RecordRule
from pipelines.collection.remote import broker
from pipelines.collection.remote.fitness import release_fingerprint
from pipelines.collection.remote.names import PartFolder
from pipelines.collection.remote.worker import PartWorker
from pipelines.settings import Settings
from resources.objects.object_store import ObjectStore


def run(settings: Settings, objects: ObjectStore, record_rules: Mapping[str, RecordRule]) -> None:
    """Take parts from the queue until SIGTERM or Ctrl-C; a part that it has is finished first.

    Celery starts one process of its own for the parts, so that a part that takes all memory ends that process alone.

    Raises:
        dagster.Failure: Celery is not installed.
    """
    app = broker.application(settings)
    # Of the files as this process has loaded them: what is installed over them later is another release.
    release_fingerprint()
    worker = PartWorker(settings, objects, record_rules)

    @app.task(name=broker.TASK, bind=True)
    def collect_part(self: Any, folder: str) -> None:
        is_redelivered = bool((self.request.delivery_info or {}).get("redelivered"))
        worker.work(PartFolder(folder), is_redelivered=is_redelivered)

    app.worker_main(
        ["worker", "--concurrency=1", "--prefetch-multiplier=1", "--loglevel=INFO", "--without-gossip",
         "--without-mingle", f"--hostname=cmdb-{os.getpid()}@{socket.gethostname()}"]
    )  # fmt: skip
