"""The warehouse as a Dagster resource: a `Store` bound to the run that uses it."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from resources.audit import paid_requests
from resources.audit.runs import begin_run, finish_run, record_paid_requests
from resources.coordinator_lock import CoordinatorLock
from resources.store.readable import require_readable
from resources.store.store import Store


class Warehouse(dg.ConfigurableResource):  # type: ignore[type-arg]  # Dagster's base is generic over what it hands out; this hands out itself
    """The DuckDB working file of one run.

    The lock is taken when the first asset of the run opens the file, not when Dagster sets resources up. A second run
    then fails in a step, with its sentence in the event log.
    """

    database: str
    code_version: str = ""

    _run_id: str = PrivateAttr(default="")
    _begun: bool = PrivateAttr(default=False)
    _lock: CoordinatorLock | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Remember the run. Nothing is opened yet."""
        self._run_id = context.run_id or ""

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Close the run's row if the run did not publish, and release the lock."""
        if not self._begun:
            return
        self._begun = False
        store = self.store
        try:
            with store.transaction() as connection:
                # Includes the requests of a step that failed before it recorded them.
                record_paid_requests(connection, paid_requests.all_counts(store))
                row = connection.execute(
                    """
                    select
                        outcome,
                        exists (
                            select 1 from audit.check_result
                            where run_id = $run_id and not passed and severity = 'ERROR'
                        )
                    from audit.run where run_id = $run_id
                    """,
                    {"run_id": self._run_id},
                ).fetchone()
                if row is not None and row[0] == "running":
                    finish_run(connection, self._run_id, "refused" if row[1] else "incomplete")
        finally:
            store.release(self._run_id)
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    @property
    def store(self) -> Store:
        """The files and the lock."""
        return Store(Path(self.database))

    @property
    def run_id(self) -> str:
        """The run that this resource serves."""
        return self._run_id

    def begin(self, what: str, lock: CoordinatorLock | None = None) -> Store:
        """Take the lock for this run, once, open its row in `audit.run`, and close the rows of runs that died.

        Args:
            lock: of several coordinators, which is taken too.

        Raises:
            LockHeld: another run works on this warehouse; the message names it.
            WarehouseError: the working file cannot be used, or another user closed what earlier runs left; the
                message says why and what to do.
        """
        store = self.store
        if not self._begun:
            require_readable(Path(self.database))
            store.hold(self._run_id, what, stays_attached=True)
            if lock is not None:
                try:
                    lock.take(self._run_id)
                except BaseException:
                    store.release(self._run_id)
                    raise
                self._lock = lock
            self._begun = True
            published = [version.run_id for version in store.versions()]
            with store.transaction() as connection:
                begin_run(connection, self._run_id, self.code_version, published)
                # Includes the requests of runs that died, and of `cmdb ask`, which does not take the lock.
                record_paid_requests(connection, paid_requests.all_counts(store))
        return store

    def require_alone(self) -> None:
        """Check that no other coordinator can have begun a run meanwhile.

        Raises:
            WarehouseError: the lock of several coordinators was lost. Nothing may be published.
        """
        if self._lock is not None:
            self._lock.require_held()

    def now(self) -> datetime:
        """The current time, by which the age of evidence is measured."""
        return datetime.now(UTC)
