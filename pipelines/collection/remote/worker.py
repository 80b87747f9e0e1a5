"""The worker's side: collects one part by its briefing, and returns what it landed."""

import hashlib
import logging
import os
import shutil
import socket
import tempfile
import time
import uuid
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pipelines.catalogue.registry import listings as known_listings
from pipelines.collection.collector import Collector
from pipelines.collection.completeness import require_landed
from pipelines.collection.parts import collect_part
from pipelines.collection.record_rules import RecordRule
from pipelines.collection.remote.briefing import Briefing, KnownFromBriefing, settings_of, share_of
from pipelines.collection.remote.fitness import unfit
from pipelines.collection.remote.manifest import Manifest, pack
from pipelines.collection.remote.names import PartFolder
from pipelines.collection.remote.problem import KILLED_AT_MOST, Problem
from pipelines.collection.remote.signing import ForgedMessage, opened, sealed
from pipelines.collection.state import StepState
from pipelines.settings import Settings
from pipelines.trust.gate import Refused
from pipelines.trust.role_resources import aws_roles
from resources.aws.profiles import AwsConfig
from resources.briefed_roles import BriefedRole, BriefedWorkload
from resources.contract import Role
from resources.objects.errors import ObjectMissing
from resources.objects.object_store import ObjectStore
from resources.roles import AwsRole
from resources.store.store import Store

PAUSE_SECONDS = 60.0

log = logging.getLogger("cmdb.worker")


class PartWorker:
    """Collects parts, one after the other; its AWS clients stay open.

    Args:
        settings: the worker's own.
        objects: the object store that it shares with the coordinator.
        record_rules: what the tables need of the records of each listing.

    Attributes:
        pause: seconds without another part after one that it had to leave.
    """

    def __init__(self, settings: Settings, objects: ObjectStore, record_rules: Mapping[str, RecordRule]) -> None:
        self._settings = settings
        self._objects = objects
        self._rules = record_rules
        self.pause = PAUSE_SECONDS
        self._workload: BriefedWorkload | None = None
        self._config: AwsConfig | None = None

    @property
    def name(self) -> str:
        """Host and process."""
        return f"{socket.gethostname()}:{os.getpid()}"

    def work(self, folder: PartFolder, *, is_redelivered: bool = False) -> None:
        """Collect a part. It may be given twice, and counts once.

        Args:
            folder: the part's objects.
            is_redelivered: whether the queue gave it to a worker before that did not end it.
        """
        attempt = uuid.uuid4().hex
        try:
            message = self._objects.get(folder.briefing)
        except ObjectMissing:
            log.warning("%s is not wanted any more.", folder.path)
            return
        if folder.manifest in self._objects.names(folder.path):
            log.info("%s has been collected already.", folder.path)
            return
        try:
            briefing = opened(folder.briefing, message, Briefing, self._settings.worker_key)
        except ForgedMessage as error:
            # Nothing is reported: who forged it could read the report.
            log.warning("%s was not collected: %s", folder.path, error)
            return
        why = unfit(briefing.sender, self._settings, datetime.now(UTC))
        if why:
            self._report(folder, attempt, Problem("unfit", self.name, f"The worker {self.name} may not collect: {why}"))
            # So that the others get what it leaves.
            time.sleep(self.pause)
            return
        if is_redelivered and self._has_killed_too_many(folder, attempt):
            return
        self._objects.put(f"{folder.started}/{attempt}", self.name.encode())
        try:
            self._collect(folder, attempt, hashlib.sha256(message).hexdigest(), briefing)
        except Exception as error:  # whatever it is, the coordinator says it
            log.exception("%s failed.", folder.path)
            reason = str(error.description) if isinstance(error, Refused) else f"{type(error).__name__}: {error}"
            self._report(folder, attempt, Problem("failed", self.name, reason))
            time.sleep(self.pause)
        finally:
            self._objects.put(f"{folder.ended}/{attempt}", self.name.encode())

    def _has_killed_too_many(self, folder: PartFolder, attempt: str) -> bool:
        """Whether a part has killed as many workers as it may, which is reported."""
        begun = {name.rpartition("/")[2] for name in self._objects.names(folder.started)}
        ended = {name.rpartition("/")[2] for name in self._objects.names(folder.ended)}
        killed = len(begun - ended)
        if killed < KILLED_AT_MOST:
            return False
        self._report(folder, attempt, Problem("killed", self.name, f"{killed} workers were killed while they had it."))
        return True

    def _report(self, folder: PartFolder, attempt: str, problem: Problem) -> None:
        log.error("%s: %s", folder.path, problem.sentence)
        name = f"{folder.problems}/{attempt}"
        self._objects.put(name, sealed(name, problem, self._settings.worker_key))

    def _collect(self, folder: PartFolder, attempt: str, digest: str, briefing: Briefing) -> None:
        began = datetime.now(UTC)
        place = Path(tempfile.mkdtemp(prefix="cmdb-part-"))
        try:
            with closing(self._state(briefing, place)) as state:
                workload = state.resources["workload"]
                assert isinstance(workload, BriefedWorkload), "a worker has no other"
                client = workload.client
                client.counter.take()
                throttles = client.counter.throttles
                callers = workload.prove(sorted(briefing.accounts.profile_of.values()))
                collect_part(Collector(state), share_of(briefing, time.monotonic()))
                require_landed(state)
                segments = pack(state, place / "package.gz")
                manifest = Manifest(
                    briefing=digest,
                    worker=self.name,
                    began_at=began,
                    ended_at=datetime.now(UTC),
                    package=folder.package(attempt),
                    package_digest=_digest(place / "package.gz"),
                    segments=segments,
                    recorded=frozenset(state.recorded),
                    kept=tuple(
                        (listing, role, account)
                        for listing, places in state.kept_places.items()
                        for role, account in sorted(places)
                    ),
                    callers=tuple(callers),
                    request_count=client.counter.take(),
                    throttle_count=client.counter.throttles - throttles,
                )
            if folder.briefing not in self._objects.names(folder.path):
                log.info("%s is not wanted any more.", folder.path)
                return
            self._objects.put_file(manifest.package, place / "package.gz")
        finally:
            shutil.rmtree(place, ignore_errors=True)
        message = sealed(folder.manifest, manifest, self._settings.worker_key)
        if self._objects.put_once(folder.manifest, message):
            log.info("%s: %s requests.", folder.path, manifest.request_count)
        else:
            log.info("%s: another worker was first.", folder.path)
            self._objects.delete(manifest.package)

    def _state(self, briefing: Briefing, place: Path) -> StepState:
        catalogue = known_listings()
        settings = settings_of(self._settings, briefing.options)
        # Nothing opens this path: a worker has no warehouse, and lands in a folder of its own.
        store = Store(place / "none.duckdb")
        state = StepState(
            store,
            briefing.sender.run_id,
            self._resources(briefing),
            [catalogue[name] for name in briefing.listings],
            settings,
            log.info,
            only_untrusted=briefing.options.only_untrusted,
            is_by_cadence=briefing.options.is_by_cadence,
            kept_since=briefing.options.kept_since,
            known=KnownFromBriefing(briefing.known),
            record_rules=self._rules,
        )
        state.left = briefing.accounts.left
        state.regions_of = briefing.regions.regions_of
        state.regions_left_out = briefing.regions.left_out
        state.usual_regions = briefing.regions.usual
        reached = briefing.accounts
        accounts = {*reached.profile_of, *reached.skipped, *(one.account_id for one in reached.broken)}
        for listing in state.listings:
            if "workload" in listing.roles:
                state.planned_places[listing.name] = {("workload", account) for account in accounts}
        return state

    def _resources(self, briefing: Briefing) -> dict[Role, AwsRole]:
        config = AwsConfig.now()
        if self._workload is None or config is not self._config:
            # A client keeps the AWS files as they were at its first request.
            if self._workload is not None:
                self._workload.close()
            like = aws_roles(self._settings.model_copy(update={"processes": 1}))["workload"]
            self._workload, self._config = BriefedWorkload(**_arguments(like)), config
        workload = self._workload
        found: dict[Role, AwsRole] = {
            role: BriefedRole.of(identity, workload) for role, identity in briefing.identities.items()
        }
        return found | {"workload": workload}


def _arguments(role: AwsRole) -> dict[str, Any]:
    return {name: getattr(role, name) for name in AwsRole.model_fields}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
