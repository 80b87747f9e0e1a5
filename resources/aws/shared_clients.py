"""The AWS clients that the resources of one run share, so that connections and identities are created once."""

import threading
from typing import ClassVar
from weakref import WeakValueDictionary

from resources.aws.client import AwsClient
from resources.aws.workers import WorkerPool
from resources.contract import Role


class SharedClients:
    """One client per role, and the worker processes, for all resources of a run.

    Each resource still verifies the identities by itself; only clients and workers are shared.
    """

    # Weak references: an aborted run leaves nothing here.
    _open: ClassVar[WeakValueDictionary[tuple[str, ...], "SharedClients"]] = WeakValueDictionary()
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, key: tuple[str, ...]) -> None:
        self._key = key
        self.users = 0
        self.clients: dict[Role, AwsClient] = {}
        self._processes: WorkerPool | None = None

    @classmethod
    def join(cls, key: tuple[str, ...], *, shared: bool) -> "SharedClients":
        """The shared clients of a run, with one more user counted."""
        with cls._lock:
            clients = cls._open.setdefault(key, cls(key)) if shared else cls(key)
            clients.users += 1
            return clients

    def client(self, role: Role, home_region: str, concurrency: int) -> AwsClient:
        """The client of one role."""
        with self._lock:
            if role not in self.clients:
                self.clients[role] = AwsClient(role, home_region=home_region, concurrency=concurrency)
            return self.clients[role]

    def processes(self, count: int, home_region: str, concurrency: int) -> WorkerPool | None:
        """The worker processes; None where `count` allows this process only."""
        with self._lock:
            if count > 1 and self._processes is None:
                self._processes = WorkerPool(count, home_region=home_region, concurrency=concurrency)
            return self._processes

    def forget(self) -> None:
        """Drop the botocore clients, which are made again where they are needed. Identities and credentials stay."""
        with self._lock:
            for client in self.clients.values():
                client.sessions.forget_clients()

    def leave(self) -> None:
        """Close the connections when the last resource leaves."""
        with self._lock:
            self.users -= 1
            if self.users:
                return
            if self._open.get(self._key) is self:
                del self._open[self._key]
        if self._processes is not None:
            self._processes.close()
        for client in self.clients.values():
            client.close()
