"""The lock of several coordinators: of those that name one PostgreSQL database, one at a time has a run.

The warehouse's own lock belongs to a machine. Where two machines may run for one organisation, a run also holds an
advisory lock of a session: the server frees it when the process or its connection ends, and not before.
"""

import hashlib
import importlib.util
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from resources.objects.errors import EXTRA
from resources.store.errors import LockHeld, WarehouseError
from resources.store.lock import SAME_RUN_WAIT

if TYPE_CHECKING:
    from psycopg2.extensions import connection as Connection

CONNECT_SECONDS = 10
ANSWER_SECONDS = 30.0
"""How long a server may take to say whether the lock is still held."""

KEEPALIVE: dict[str, Any] = {"keepalives": 1, "keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
SERVER_KEEPALIVE = "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3"
"""A machine that is gone without a word frees the lock after a minute; by itself a server waits for two hours."""

LONGEST_NAME = 63
"""Bytes of a session's name that PostgreSQL keeps."""


@dataclass
class CoordinatorLock:
    """The lock in one database.

    Attributes:
        url: of the database, as libpq reads it. It holds a password, so no message has it.
        subject: what is locked; coordinators of different subjects may share a database.
    """

    url: str = field(repr=False)
    subject: str
    _session: "Connection | None" = field(default=None, init=False, repr=False)

    @property
    def key(self) -> int:
        """The number of the lock: PostgreSQL's are of 64 bits, with a sign."""
        digest = hashlib.sha256(f"aws-org-cmdb {self.subject}".encode()).digest()
        return int.from_bytes(digest[:8], "big", signed=True)

    def take(self, run_id: str) -> None:
        """Take the lock for a run. Another process of the same run is waited for, up to a minute.

        Raises:
            LockHeld: another run holds it; the message names it.
            WarehouseError: the database cannot be used. Nothing was started.
        """
        session = self._connect(run_id)
        try:
            self._wait(session, run_id)
        except BaseException:
            session.close()
            raise
        self._session = session

    def _wait(self, session: "Connection", run_id: str) -> None:
        deadline = time.monotonic() + SAME_RUN_WAIT
        while not _one(session, "select pg_try_advisory_lock(%s)", self.key):
            name, since = self._holder(session)
            if not name.startswith(f"{run_id} ") or time.monotonic() > deadline:
                raise LockHeld(
                    f"Run {name} is another coordinator's, since {since} UTC, and one run at a time may. Nothing was "
                    "started. Wait until it has ended, or end it; a process that dies frees the lock by itself."
                )
            time.sleep(0.2)

    def require_held(self) -> None:
        """Check with the server that the session that took the lock still has it.

        Raises:
            WarehouseError: it has not, or the server does not say so within half a minute.
        """
        held: list[bool] = []
        asking = threading.Thread(target=self._look, args=(held,), daemon=True)
        asking.start()
        asking.join(ANSWER_SECONDS)
        if asking.is_alive():
            self._cut_off()
        if held != [True]:
            raise WarehouseError(
                "The lock in CMDB_LOCK_URL was lost during the run, so another coordinator may have begun one. Nothing "
                "was published. Look why PostgreSQL or the way to it was interrupted, then run `cmdb nightly` again."
            )

    def release(self) -> None:
        """End the session, which frees the lock; nothing happens where none was taken."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _cut_off(self) -> None:
        """End the connection below the session, which waits for a response as long as it is there."""
        if self._session is not None:
            with socket.socket(fileno=os.dup(self._session.fileno())) as below, suppress(OSError):
                below.shutdown(socket.SHUT_RDWR)

    def _look(self, held: list[bool]) -> None:
        import psycopg2

        try:
            held.append(self._session is not None and bool(self._is_ours(self._session)))
        except psycopg2.Error:
            held.append(False)

    def _is_ours(self, session: "Connection") -> Any:
        return _one(
            session,
            "select exists (select from pg_locks where pid = pg_backend_pid() and granted and locktype = 'advisory' "
            "and objsubid = 1 and (classid::bigint << 32) | objid::bigint = %s)",
            self.key,
        )

    def _holder(self, session: "Connection") -> tuple[str, str]:
        """The name of the session that holds the lock, and since when it is there. Both are gone as soon as it is."""
        found = _one(
            session,
            "select array[a.application_name, to_char(a.backend_start at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS')] "
            "from pg_locks as l join pg_stat_activity as a using (pid) where l.granted and l.locktype = 'advisory' "
            "and l.objsubid = 1 and (l.classid::bigint << 32) | l.objid::bigint = %s",
            self.key,
        )
        return (str(found[0]), str(found[1])) if found else ("that has just ended", "just now")

    def _connect(self, run_id: str) -> "Connection":
        if importlib.util.find_spec("psycopg2") is None:
            raise WarehouseError(
                f"CMDB_LOCK_URL needs psycopg2, which is not installed, so nothing was started. `{EXTRA}` installs it; "
                "or unset CMDB_LOCK_URL, where there is one coordinator.",
                exit_code=2,
            )
        import psycopg2

        name = f"{run_id} on {socket.gethostname()}".encode()[:LONGEST_NAME].decode(errors="ignore")
        try:
            session: Connection = psycopg2.connect(
                self.url,
                connect_timeout=CONNECT_SECONDS,
                application_name=name,
                options=SERVER_KEEPALIVE,
                **KEEPALIVE,
            )
        except psycopg2.Error as error:
            reason = " ".join(str(error).split()).replace(self.url, "CMDB_LOCK_URL")
            raise WarehouseError(
                f"CMDB_LOCK_URL cannot be used, so nobody can tell whether another coordinator runs: {reason}. Nothing "
                "was started. Correct it, start PostgreSQL, or unset it where there is one coordinator.",
                exit_code=2,
            ) from error
        session.autocommit = True
        return session


def _one(session: "Connection", query: str, *values: Any) -> Any:
    """The only value of a query; None where it has no row."""
    with session.cursor() as cursor:
        cursor.execute(query, values)
        row = cursor.fetchone()
    return None if row is None else row[0]
