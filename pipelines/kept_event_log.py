"""Dagster's own event log on disk, with connections that stay open.

Dagster makes a new engine, a new connection and a checkpoint for each of a run's thousand events, which is most of
Dagster's cost. The files have Dagster's format, so Dagster reads them with or without this class.
"""

import logging
import sqlite3
import tempfile
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    SqliteEventLogStorage,
    SqliteEventLogStorageWatchdog,
)
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from watchdog.observers import Observer

KEPT = 4
"""Number of files that stay open: the index, the current run, and the runs that somebody looks at meanwhile."""


class KeptEventLog(SqliteEventLogStorage):
    """The event log of `DAGSTER_HOME`, in Dagster's default folder."""

    _obs: Any

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, sqlalchemy.Engine] = OrderedDict()
        self._tables: set[str] = set()
        self._indexes: set[str] = set()
        super().__init__(base_dir, inst_data)

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "KeptEventLog":
        """The event log below the folder that `dagster.yaml` gives: `DAGSTER_HOME`."""
        return cls(str(Path(config_value["base_dir"], "history", "runs")), inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sqlalchemy.Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection

    def _engine(self, shard: str) -> sqlalchemy.Engine:
        engine = self._engines.get(shard)
        if engine is None:
            engine = sqlalchemy.create_engine(
                self.conn_string_for_shard(shard), connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
            )
            sqlalchemy.event.listen(engine, "connect", _write_through_at_checkpoints)
            self._engines[shard] = engine
        self._engines.move_to_end(shard)
        while len(self._engines) > KEPT:
            self._engines.popitem(last=False)[1].dispose()
        return engine

    def watch(self, run_id: str, cursor: str | None, callback: Any) -> None:
        """Call back on every event of a run; this watches SQLite's journal too, which has the event first."""
        if not self._obs:
            self._obs = Observer()
            self._obs.start()
        watchdog = _Watchdog(self, run_id, callback, cursor)
        self._watchers[run_id][callback] = (watchdog, self._obs.schedule(watchdog, self._base_dir, recursive=True))

    def has_table(self, table_name: str) -> bool:
        """Whether the log has a table. Dagster checks this for most events; a found table is remembered."""
        return _remembered(self._tables, table_name, super().has_table)

    def has_secondary_index(self, name: str) -> bool:
        """Whether a secondary index is complete; once complete it stays so."""
        return _remembered(self._indexes, name, super().has_secondary_index)

    def dispose(self) -> None:
        """Close every file."""
        super().dispose()
        with self._db_lock:
            while self._engines:
                self._engines.popitem()[1].dispose()

    def try_out(self) -> None:
        """Store an event, follow its run, and read the event back.

        Raises:
            UnfitError: another event came back, or none.
        """
        # Dagster publishes no types for this constructor.
        make: Any = dg.EventLogEntry
        event: dg.EventLogEntry = make(None, logging.INFO, "a word", "a-run", time.time(), job_name="tried_out")
        heard: list[dg.EventLogEntry] = []
        self.store_event(event)
        self.watch(event.run_id, None, callback := lambda said, _: heard.append(said))
        self._watchers[event.run_id][callback][0].on_modified(None)
        self.end_watch(event.run_id, callback)
        read = list(self.get_logs_for_run(event.run_id))
        if (read, heard[:1]) != ([event], [event]):
            raise UnfitError(f"stored {event}, read {read}, heard {heard}")


class UnfitError(Exception):
    """The stored event did not come back."""


def require_fit() -> None:
    """Check in a temporary folder that the installed Dagster is one that this module works with.

    Raises:
        UnfitError: the stored event did not come back. Any other exception means that a private name is gone or
            changed.
    """
    with tempfile.TemporaryDirectory(prefix="cmdb-event-log-") as folder:
        log = KeptEventLog(folder)
        try:
            log.try_out()
        finally:
            log.dispose()


def _remembered(known: set[str], name: str, exists: Callable[[str], bool]) -> bool:
    """Whether something exists; a found one is remembered, a missing one is looked up again at each call."""
    if name not in known and exists(name):
        known.add(name)
    return name in known


def _write_through_at_checkpoints(connection: sqlite3.Connection, _: Any) -> None:
    """Sync SQLite at checkpoints only: a power cut may lose the log's last lines, never the log."""
    connection.execute("pragma synchronous = normal")


class _Watchdog(SqliteEventLogStorageWatchdog):
    def __init__(self, log: KeptEventLog, run_id: str, callback: Any, cursor: str | None) -> None:
        super().__init__(log, run_id, callback, cursor)
        self._patterns = [self._log_path, f"{self._log_path}-wal"]

    def on_modified(self, event: Any) -> None:
        self._process_log()
