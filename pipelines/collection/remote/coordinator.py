"""The coordinator's side: gives the parts of a step to workers, and takes in what they landed."""

import hashlib
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pipelines.collection.batches import AccountBatch
from pipelines.collection.collector import Collector
from pipelines.collection.parts import Judged, ThisProcess, collect_part, is_paid
from pipelines.collection.progress import note
from pipelines.collection.remote import broker
from pipelines.collection.remote.briefing import Sender, brief
from pipelines.collection.remote.broker import QueueUnreachable
from pipelines.collection.remote.fitness import CLOCKS_DIFFER, configuration_fingerprint, release_fingerprint
from pipelines.collection.remote.manifest import Manifest, WrongPackage, take_in
from pipelines.collection.remote.names import PartFolder, step_folder
from pipelines.collection.remote.problem import Problem
from pipelines.collection.remote.signing import ForgedMessage, opened, sealed
from pipelines.collection.state import StepState
from pipelines.settings import Settings
from pipelines.trust.gate import refuse
from resources.audit.coverage import NO_ACCOUNT
from resources.audit.identities import record_callers_where_held
from resources.aws.listing import Listing
from resources.identity_rules import Caller
from resources.objects.errors import ObjectStoreError
from resources.objects.object_store import ObjectStore

if TYPE_CHECKING:
    from celery import Celery

SHORTEST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
"""Seconds between two looks at what has come."""

PAUSE_SHARE = 0.05
"""Such a share of the time since the last part came passes until the next look, so that no part waits long for it."""

SENT_AGAIN = 5
"""In so many equal spaces of the patience: after one without a part what is missing is put into the queue anew."""

STORE_CLOCK = (
    "The clock of the object store is wrong by {:.0f} s; what workers return counts all the same. Set its clock."
)

UNFIT_AT_MOST, FAILED_AT_MOST = 20, 3
"""Attempts at a part by workers that may not collect it, or fail at it, until the coordinator takes it over."""


@dataclass(frozen=True)
class Claim:
    """Stands in the place of the manifest of a part that the coordinator collects itself."""


class QueuedWorkers:
    """Workers on other machines, which get parts by a queue and their briefings by an object store.

    Args:
        settings: the coordinator's own.
        objects: the object store.
    """

    are_remote = True

    def __init__(self, settings: Settings, objects: ObjectStore) -> None:
        self.part_cells = settings.part_cells
        self._settings = settings
        self._objects = objects
        self._app = broker.application(settings)

    def count(self, listings: Sequence[Listing]) -> int:
        """The workers that the queue counts; one where AWS charges for a listing, since such a step stays here."""
        return 1 if is_paid(listings) else broker.worker_count(self._app)

    def run(self, collector: Collector, parts: Sequence[AccountBatch], judged: Judged) -> None:
        """As `Workers.run`. Parts of central accounts are collected here, while workers have the others.

        Raises:
            dagster.Failure: what a worker returned is forged or another part's, or a part has killed several workers.
        """
        state = collector.state
        given = [] if is_paid(state.listings) else [part for part in parts if _may_leave(part)]
        here = [part for part in parts if part not in given]
        if len(given) < 2:
            ThisProcess(self.part_cells).run(collector, parts, judged)
        else:
            # The largest first: what comes last keeps the others waiting.
            given.sort(key=_account_count, reverse=True)
            _Round(self._settings, self._objects, self._app, collector, judged).run(given, here)


def _may_leave(part: AccountBatch) -> bool:
    """Whether a part has workload accounts only: the three central roles never leave the coordinator."""
    reached = part.reached
    return reached is not None and part.part is not None and bool(reached.profile_of) and not part.is_central


def _account_count(part: AccountBatch) -> int:
    return 0 if part.reached is None else len(part.reached.profile_of)


@dataclass
class _Given:
    """A part that workers have to collect.

    Attributes:
        digest: SHA-256 of its briefing.
        put: when the putting of its briefing began and ended, by the coordinator's clock.
        counts: number of problems by kind.
    """

    share: AccountBatch
    folder: PartFolder
    digest: str
    put: tuple[datetime, datetime]
    counts: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def part(self) -> str:
        """As text: `part 2 of 7`."""
        return str(self.share.part)

    def store_is_ahead(self, put_at: datetime) -> timedelta:
        """How far the object store's clock is at least ahead of the coordinator's; below zero where it is behind.

        Args:
            put_at: when the briefing was put, by the object store's clock.
        """
        began, ended = self.put
        return min(max(timedelta(), put_at - ended), put_at - began)


class _Round:
    """One execution of a step: its parts are given away, awaited and taken in."""

    def __init__(
        self, settings: Settings, objects: ObjectStore, app: "Celery", collector: Collector, judged: Judged
    ) -> None:
        self._settings = settings
        self._objects = objects
        self._app = app
        self._collector = collector
        self._judged = judged
        self._step = uuid.uuid4().hex
        self._missing: dict[str, _Given] = {}
        self._unsent: set[str] = set()
        self._seen: set[str] = set()
        self._callers: dict[str, dict[str, Caller]] = defaultdict(dict)
        self._queue_responds = self._store_responds = True
        self._clock_noted = False
        self._configuration = configuration_fingerprint(settings)
        self._total = 0

    @property
    def _state(self) -> StepState:
        return self._collector.state

    def run(self, parts: Sequence[AccountBatch], here: Sequence[AccountBatch]) -> None:
        """Give parts away, collect the others here, and wait until all are in.

        Args:
            parts: those that may leave.
            here: those that stay, with the central accounts.
        """
        base = step_folder(self._state.run_id, self._step)
        try:
            staying = [*here, *(share for share in parts if not self._give(share))]
            self._total = len(self._missing)
            for share in staying:
                self._judged(collect_part(self._collector, share))
            try:
                self._await(base)
            except ObjectStoreError as error:
                self._note(f"{error} What has not come is collected here.")
                for given in list(self._missing.values()):
                    self._collect_here(given)
        finally:
            # A worker that is at it finds no briefing at its next part, and what it puts counts for nobody.
            try:
                self._objects.delete(base)
            except ObjectStoreError as error:
                self._note(f"{base} of the object store was not removed: {error}")
            self._state.begin(NO_ACCOUNT)
            self._record_callers()

    def _give(self, share: AccountBatch) -> bool:
        """Give a part away, unless it has cells of a central role, such as those of an account that was one.

        Raises:
            dagster.Failure: the object store may not be used as it is set.
        """
        if not self._store_responds:
            return False
        state = self._state
        assert share.part is not None, "only a numbered part is given away"
        folder = PartFolder.of(state.run_id, self._step, share.part.number)
        sender = Sender(
            state.run_id,
            self._step,
            release_fingerprint(),
            self._configuration,
            datetime.now(UTC),
        )
        state.begin(share.whose, share.part)
        if any(cell.role != "workload" for cell in state.earlier.values()):
            return False
        message = sealed(folder.briefing, brief(state, share, sender), self._settings.worker_key)
        began = datetime.now(UTC)
        try:
            self._objects.put(folder.briefing, message)
        except ObjectStoreError as error:
            if error.exit_code == 2:
                raise refuse(f"{error} Nothing of this step was stored.", exit_code=2) from error
            self._note(f"{error} What no worker has is collected here.")
            self._store_responds = False
            return False
        digest = hashlib.sha256(message).hexdigest()
        self._missing[folder.path] = _Given(share, folder, digest, (began, datetime.now(UTC)))
        self._unsent.add(folder.path)
        if self._queue_responds:
            self._send()
        return True

    def _send(self) -> bool:
        """Put what is not in the queue into it; returns whether it takes all of it."""
        for path in sorted(self._unsent & self._missing.keys()):
            try:
                broker.send(self._app, path)
            except QueueUnreachable as error:
                if self._queue_responds:
                    self._note(f"The queue takes no part ({error}). What no worker has is collected here.")
                self._queue_responds = False
                return False
            self._queue_responds = True
            self._unsent.discard(path)
        return True

    def _await(self, base: str) -> None:
        patience = float(self._settings.worker_patience)
        moved = sent = time.monotonic()
        while self._missing:
            put_at = self._objects.changed_at(base)
            names = put_at.keys()
            arrived = [given for given in self._missing.values() if given.folder.manifest in names]
            for given in arrived:
                self._take(given, put_at)
            self._look_at_problems(names)
            now = time.monotonic()
            if arrived:
                moved = now
            elif now - max(moved, sent) > patience / SENT_AGAIN:
                self._note(f"Nothing has come for {now - moved:.0f} s: {len(self._missing)} parts are sent again.")
                self._unsent |= {given.folder.path for given in self._not_begun(names)}
                sent = now
            is_sent = self._send()
            left = self._not_begun(names) if not is_sent else list(self._missing.values()) * (now - moved > patience)
            if left:
                # The last one: of those that were sent before it a worker is more likely to have begun one.
                self._take_over(left[-1])
            elif not arrived:
                time.sleep(min(LONGEST_PAUSE, max(SHORTEST_PAUSE, PAUSE_SHARE * (now - moved))))

    def _not_begun(self, names: Set[str]) -> list[_Given]:
        """The parts that no worker has begun."""
        begun = {name.partition("/started/")[0] for name in names if "/started/" in name}
        return [given for path, given in self._missing.items() if path not in begun]

    def _look_at_problems(self, names: Set[str]) -> None:
        """Send a part again that a worker had to leave; collect it here where workers left it too often.

        Raises:
            dagster.Failure: it has killed several workers, and would kill this process.
        """
        for name in sorted(name for name in names - self._seen if "/problems/" in name):
            path = name.partition("/problems/")[0]
            given = self._missing.get(path)
            if given is None:
                continue
            self._seen.add(name)
            try:
                problem = opened(name, self._objects.get(name), Problem, self._settings.worker_key)
            except ForgedMessage:
                self._note(f"{name} is not a worker's, and counts for nothing.")
                continue
            given.counts[problem.kind] += 1
            self._unsent.add(path)
            self._note(f"{given.part}, {problem.worker}: {problem.sentence}")
            if problem.kind == "killed":
                self._refuse(f"{given.part} cannot be collected by any worker. {problem.worker}: {problem.sentence}")
            if given.counts["unfit"] >= UNFIT_AT_MOST or given.counts["failed"] >= FAILED_AT_MOST:
                self._take_over(given)

    # ------------------------------------------------------------------------------------- what has come

    def _take(self, given: _Given, put_at: Mapping[str, datetime]) -> None:
        """Take in what a worker has landed.

        Args:
            put_at: when each object of the step was put, by its name.

        Raises:
            dagster.Failure: it is forged, or answers another briefing. Nothing of the step is stored.
        """
        manifest = self._manifest(given, put_at)
        if manifest is None:
            self._collect_here(given)
            return
        self._state.begin(given.share.whose, given.share.part)
        with tempfile.TemporaryDirectory(prefix="cmdb-part-", dir=self._state.store.folder) as place:
            package = Path(place) / "package.gz"
            if self._objects.get_file(manifest.package, package) != manifest.package_digest:
                self._refuse(f"The package of {given.part} by {manifest.worker} is not that of its manifest.")
            try:
                take_in(self._state, manifest, package)
            except (WrongPackage, EOFError, OSError, ValueError) as error:
                self._refuse(f"The package of {given.part} by {manifest.worker} cannot be used: {error}.")
        self._callers[manifest.worker] |= {caller.profile: caller for caller in manifest.callers}
        del self._missing[given.folder.path]
        self._note(f"{self._total - len(self._missing)} of {self._total} parts are in, the last by {manifest.worker}.")

    def _manifest(self, given: _Given, put_at: Mapping[str, datetime]) -> Manifest | None:
        """The manifest of a part; None where its worker's clock is wrong, so that the part is collected here."""
        try:
            name = given.folder.manifest
            manifest = opened(name, self._objects.get(name), Manifest, self._settings.worker_key)
        except ForgedMessage as error:
            self._refuse(f"What came of {given.part} is no worker's: {error}")
        if manifest.briefing != given.digest:
            self._refuse(f"{manifest.worker} returned another part than {given.part}.")
        began = put_at.get(given.folder.attempt_of(manifest.package))
        if began is None:
            self._refuse(f"{manifest.worker} returned of {given.part} what it did not begin.")
        ahead = given.store_is_ahead(put_at[given.folder.briefing])
        if abs(ahead) > CLOCKS_DIFFER and not self._clock_noted:
            self._clock_noted = True
            self._note(STORE_CLOCK.format(ahead.total_seconds()))
        wrong = max(abs(manifest.began_at - (began - ahead)), manifest.ended_at - datetime.now(UTC))
        if wrong > CLOCKS_DIFFER:
            self._note(
                f"The clock of {manifest.worker} is wrong by {wrong.total_seconds():.0f} s, so what it returned of "
                f"{given.part} does not count. Set its clock."
            )
            return None
        return manifest

    def _take_over(self, given: _Given) -> None:
        """Collect a part here, unless a worker has ended it by now; what a worker returns later counts for nothing."""
        claim = sealed(given.folder.manifest, Claim(), self._settings.worker_key)
        if not self._objects.put_once(given.folder.manifest, claim):
            return
        self._note(f"No worker has ended {given.part}: it is collected here.")
        self._collect_here(given)

    def _collect_here(self, given: _Given) -> None:
        del self._missing[given.folder.path]
        self._judged(collect_part(self._collector, given.share))

    def _record_callers(self) -> None:
        """Record who the workers' profiles turned out to be, once for all parts: each transaction takes long."""
        resource = self._state.resources["workload"]
        for worker, callers in self._callers.items():
            record_callers_where_held(
                self._state.store,
                self._state.run_id,
                callers.values(),
                expectation=resource.central.expectation,
                waiver=None,
                config_hash=self._settings.config_hash,
                worker=worker,
            )

    # ----------------------------------------------------------------------------------------- sentences

    def _note(self, sentence: str) -> None:
        self._state.log(sentence)
        note(sentence)

    def _refuse(self, what: str) -> NoReturn:
        raise refuse(
            f"{what} Nothing of this step was stored, and what is published is as it was. Look at the workers' log, "
            "then start a new run: `cmdb nightly`; or unset CMDB_BROKER_URL, and this machine collects alone."
        )
