"""Real servers for the tests marked `scaleout`: S3, RabbitMQ, Redis, PostgreSQL; on 127.0.0.1, in folders of their own.

Each is a context manager. It starts the server, waits until it answers, and ends it by its process id.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import pytest

from resources.objects.object_store import ObjectStore

PATIENCE = 90.0
"""Seconds within which a server has to answer."""

GRPC = 10_000
"""What SeaweedFS adds to a port for a second one."""

ACCESS_KEY, SECRET_KEY = "AKIACMDBTESTSONLY000", "cmdb-secret-of-the-tests"
BUCKET = "cmdb-tests"


def free_port() -> int:
    """A port of 127.0.0.1 that nobody uses, as nobody does the one ten thousand further."""
    for _ in range(1000):
        with socket.socket() as one, socket.socket() as other:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            if port + GRPC > 65_535:
                continue
            with suppress(OSError):
                other.bind(("127.0.0.1", port + GRPC))
                return port
    raise AssertionError("no pair of free ports was found")


def program(name: str, *folders: str) -> str:
    """The path of a program; the test is skipped where it is not installed."""
    found = shutil.which(name, path=os.pathsep.join([*folders, os.environ.get("PATH", "")]))
    if found is None:
        pytest.skip(f"{name} is not installed; docs/dev/testing.md says where it comes from")
    return found


class Service(ABC):
    """A server in a process of its own, in a session of its own, so that it can be killed with what it has started.

    Attributes:
        folder: where it keeps its data and its log; it outlives `kill` and `start`.
    """

    def __init__(self, folder: Path, command: list[str], environment: Mapping[str, str], user: str | None = None):
        self.folder = folder
        self._command = command
        self._environment = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment}
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=self._user,
                start_new_session=True,
            )
        until = time.monotonic() + PATIENCE
        while not self.answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"{self._command[0]} does not answer: {self._last_words()}")
            time.sleep(0.1)

    @abstractmethod
    def answers(self) -> bool:
        """Whether it can be used."""

    def kill(self) -> None:
        """As a power cut would, with what it has started."""
        if self._process is not None:
            # PostgreSQL's processes are each in a session of their own.
            with suppress(psutil.NoSuchProcess):
                for started in psutil.Process(self._process.pid).children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        started.kill()
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """It accepts connections and answers nothing from now on."""
        os.killpg(self.pid, signal.SIGSTOP)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()

    def _last_words(self) -> str:
        return (self.folder / "log").read_text(errors="replace")[-2000:]


# ------------------------------------------------------------------------------------------------- S3


class S3(Service):
    """SeaweedFS, an S3 server with conditional puts.

    Attributes:
        endpoint: `http://127.0.0.1:PORT`.
        environment: variables by which the product finds `prefix` of its bucket.
    """

    def __init__(self, folder: Path) -> None:
        weed = program("weed", str(Path(sys.executable).parent))
        data, config = folder / "data", folder / "s3.json"
        data.mkdir(parents=True)
        config.write_text(
            json.dumps(
                {
                    "identities": [
                        {
                            "name": "tests",
                            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
                            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
                        }
                    ]
                }
            )
        )
        ports = [free_port() for _ in range(4)]
        master, volume, filer, self.port = ports
        self.endpoint = f"http://127.0.0.1:{self.port}"
        super().__init__(
            folder,
            [
                weed, "server", "-dir", str(data), "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-master.telemetry=false",
                f"-master.port={master}", f"-volume.port={volume}", f"-filer.port={filer}",
                "-master.volumeSizeLimitMB=64", "-volume.max=20", "-master.electionTimeout=1s",
                "-master.heartbeatInterval=100ms",
                "-s3", f"-s3.port={self.port}", f"-s3.config={config}", "-s3.port.iceberg=0", "-s3.port.lance=0",
                f"-s3.localSocket={folder / 's3.sock'}",
            ],
            {"HOME": str(folder), "TMPDIR": str(folder)},
        )  # fmt: skip

    def answers(self) -> bool:
        """Whether an object can be put: the gateway listens before there is room to write."""
        from botocore.exceptions import BotoCoreError, ClientError

        client = self.client()
        try:
            with suppress(client.exceptions.BucketAlreadyExists, client.exceptions.BucketAlreadyOwnedByYou):
                client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="answers", Body=b"yes")
        except (BotoCoreError, ClientError):
            return False
        return True

    def client(self) -> Any:
        """Another S3 client than the product's."""
        import botocore.session
        from botocore.config import Config

        # Whatever AWS_PROFILE says.
        session = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
        return session.create_client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=2, read_timeout=5, proxies={}),
        )

    def environment(self, prefix: str) -> dict[str, str]:
        """The variables by which the product uses this server, below a prefix, as keys in the environment."""
        return {
            "CMDB_OBJECTS_URL": f"s3://{BUCKET}/{prefix}",
            "CMDB_OBJECTS_ENDPOINT": self.endpoint,
            "CMDB_OBJECTS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        }


def objects_of(server: S3, prefix: str, patch: pytest.MonkeyPatch) -> ObjectStore:
    """The product's object store below a prefix of a server, whose keys are then in the environment."""
    patch.setenv("AWS_ACCESS_KEY_ID", ACCESS_KEY)
    patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET_KEY)
    return ObjectStore(f"s3://{BUCKET}/{prefix}", "us-east-1", server.endpoint)


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """An S3 server with the bucket `BUCKET`; the test is skipped where SeaweedFS is not installed."""
    with S3(tmp_path_factory.mktemp("s3") / "server") as server:
        yield server


# ------------------------------------------------------------------------------------------- RabbitMQ


class RabbitMQ(Service):
    """A RabbitMQ node of its own, with an epmd of its own.

    Attributes:
        url: of the broker, for Celery.
    """

    def __init__(self, folder: Path) -> None:
        server = program("rabbitmq-server", "/usr/lib/rabbitmq/bin", "/usr/sbin")
        folder.mkdir(parents=True)
        port, distribution, self._epmd_port = free_port(), free_port(), free_port()
        self.port = port
        self.url = f"amqp://guest:guest@127.0.0.1:{port}//"
        self._epmd: subprocess.Popen[bytes] | None = None
        (folder / "plugins").write_text("[].\n")
        super().__init__(
            folder,
            [server],
            {
                "HOME": str(folder),
                "RABBITMQ_NODENAME": f"cmdb-{port}@localhost",
                "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
                "RABBITMQ_NODE_PORT": str(port),
                "RABBITMQ_DIST_PORT": str(distribution),
                "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
                "RABBITMQ_LOG_BASE": str(folder / "logs"),
                "RABBITMQ_PID_FILE": str(folder / "pid"),
                "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
                "RABBITMQ_CONFIG_FILE": str(folder / "none"),
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
                "ERL_EPMD_PORT": str(self._epmd_port),
                "ERL_EPMD_ADDRESS": "127.0.0.1",
            },
        )

    def start(self) -> None:
        """Start its epmd first: else it would leave one behind that nobody ends."""
        if self._epmd is None:
            self._epmd = subprocess.Popen(
                [program("epmd"), "-address", "127.0.0.1", "-port", str(self._epmd_port)],
                env=self._environment,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        super().start()

    def answers(self) -> bool:
        """Whether a client is let in."""
        import kombu
        from kombu.exceptions import OperationalError

        try:
            with kombu.Connection(self.url, connect_timeout=5) as connection:
                connection.connect()
        except (OperationalError, OSError):
            return False
        return True

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kill()
        if self._epmd is not None:
            self._epmd.kill()
            self._epmd.wait()


@contextmanager
def rabbitmq(folder: Path) -> Iterator[RabbitMQ]:
    """A broker; the test is skipped where RabbitMQ is not installed."""
    with RabbitMQ(folder) as server:
        yield server


class Redis(Service):
    """A Redis server that writes down each message before it answers.

    Attributes:
        url: of the broker, for Celery.
    """

    def __init__(self, folder: Path) -> None:
        server = program("redis-server", "/usr/bin")
        folder.mkdir(parents=True)
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        command = [server, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder), "--save", ""]
        super().__init__(folder, [*command, "--appendonly", "yes", "--appendfsync", "always"], {"HOME": str(folder)})

    def answers(self) -> bool:
        """Whether a client is let in."""
        import redis

        with redis.Redis.from_url(self.url, socket_timeout=5) as client, suppress(redis.RedisError):
            return bool(client.ping())
        return False


Broker = RabbitMQ | Redis


# ----------------------------------------------------------------------------------------- PostgreSQL


class PostgreSQL(Service):
    """A PostgreSQL cluster with trust for whoever connects from this machine."""

    def __init__(self, folder: Path) -> None:
        versions = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        folders = [str(path) for path in reversed(versions)]
        server, initdb = program("postgres", *folders), program("initdb", *folders)
        self.port = free_port()
        # Neither program runs as root.
        user = "postgres" if os.geteuid() == 0 else None
        if user is not None:
            try:
                owner = pwd.getpwnam(user)
            except KeyError:
                pytest.skip("PostgreSQL does not run as root, and there is no user postgres")
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        data = folder / "data"
        subprocess.run(
            [initdb, "--pgdata", data, "--auth=trust", "--username=cmdb", "--no-sync", "--encoding=UTF8", "--locale=C"],
            check=True,
            capture_output=True,
            user=user,
            cwd=folder,
        )
        super().__init__(
            folder,
            [
                server, "-D", str(data), "-p", str(self.port), "-k", str(folder),
                "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
            ],
            {"HOME": str(folder)},
            user,
        )  # fmt: skip

    def url(self, database: str = "postgres") -> str:
        """The address of a database, as libpq reads it."""
        return f"postgresql://cmdb@127.0.0.1:{self.port}/{database}"

    def answers(self) -> bool:
        """Whether it lets clients in."""
        import psycopg2

        try:
            psycopg2.connect(self.url(), connect_timeout=5).close()
        except psycopg2.OperationalError:
            return False
        return True

    def run(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run a statement by a connection of its own; returns its rows."""
        import psycopg2

        connection = psycopg2.connect(self.url(database), connect_timeout=5)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """A PostgreSQL server; the test is skipped where it is not installed.

    Its folder is not pytest's, which only the user who runs the tests may enter.
    """
    folder = Path(tempfile.mkdtemp(prefix="cmdb-postgres-"))
    try:
        with PostgreSQL(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def awaited(condition: Callable[[], bool], seconds: float = PATIENCE) -> bool:
    """Whether a condition holds within some seconds."""
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True
