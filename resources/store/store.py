"""The warehouse on disk: one working DuckDB file, short connections to it, and publishing.

The only module that opens or copies a `.duckdb` file (a test proves it), because two rules hold only if one
place keeps them: DuckDB's lock is a POSIX lock, which the process loses when it closes *any* descriptor of
the file, so nothing here reads a file as bytes while DuckDB has it open; and a published file never changes,
so a new night is a new file and a symlink swapped onto it.

Knows nothing of Dagster, of AWS, or of what stands in the tables.
"""

import errno
import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import socket
import stat
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from resources import release
from resources.installation import SQL_FOLDER
from resources.store import rollback_journal

MIGRATIONS = SQL_FOLDER / "migrations"

STORAGE_VERSION = "v1.4.0"
"""What the files are written for: analysts' tools back to DuckDB 1.4 can read them."""

PUBLISHED_NAME = "aws_org.duckdb"
"""What analysts open, by default. DuckDB's clients name the catalog after the file as given, and where a schema has
that name too they refuse every query of it as ambiguous: so it is no schema's name."""

FORMER_NAME = "cmdb.duckdb"
"""What older releases published it as. Stays a link to the present name for one release, and goes in the next."""

KEEP = 3
"""Published versions that stay on disk."""

SAME_RUN_WAIT = 60.0
"""Seconds that a process waits for another process of its own run."""

SMALL = 256 * 1024 * 1024
"""Bytes of a working file from which on several threads are worth their memory."""

CATALOG = "warehouse"
"""Name of the working file inside a connection. Not `cmdb`: with a schema of that name, `cmdb.resource` would
be ambiguous."""

FAULT_POINTS = (
    "migration.begun",
    "migration.applied",
    "migration.committed",
    "working.created",
    "publish.begun",
    "publish.checkpointed",
    "publish.detached",
    "publish.copying",
    "publish.copied",
    "publish.sealed",
    "publish.verified",
    "publish.versioned",
    "publish.linked",
    "publish.swapped",
    "publish.followed",
    "publish.pruned",
)
"""The names that `fault_point` is called with, in the order of a first night."""

CARRY_ON_POINTS = ("carry_on.linked", "carry_on.swapped", "carry_on.followed")
"""Its further names where a run finds the warehouse of an older release."""

# As fast as `cp`; measured, 300 MB: 0.3 s at this size, about 1 s with 8 MiB.
_COPY_CHUNK = 128 * 1024
_RUN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_MIGRATION_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_LOCK_CONFLICT = "Could not set lock on file"
_THRIFT = {
    # What a query has freed goes back to the system at once: by default DuckDB keeps up to 128 MB of it.
    "allocator_flush_threshold": "1MB",
    "allocator_bulk_deallocation_flush_threshold": "1MB",
}
_SANDBOX = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # A name in a query means a table, never a Python variable that happens to be in scope.
    "python_enable_replacements": "false",
}


def _no_fault(point: str) -> None:
    """Nothing breaks by itself."""


fault_point: Callable[[str], None] = _no_fault
"""Called around every step that changes a file. Tests set it, to break off exactly there."""


class WarehouseError(Exception):
    """The warehouse cannot be used: what is wrong, and what to do.

    Attributes:
        exit_code: 2 where a setting or the installation has to change, else 1.
    """

    def __init__(self, message: str, exit_code: int = 1):
        super().__init__(message)
        self.exit_code = exit_code


class LockHeld(WarehouseError):
    """Another run works on this warehouse."""


@dataclass(frozen=True)
class Holder:
    """Who holds the lock, as written in the lock file."""

    what: str
    run_id: str
    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"{self.what} (run {self.run_id}, process {self.pid} on {self.host}, since {self.since})"


@dataclass(frozen=True)
class Version:
    """One published file.

    Attributes:
        name: its file name, `cmdb-<run>.duckdb`.
        published_at: when it was copied from the working file.
        is_current: whether analysts read it when they open the warehouse now.
    """

    name: str
    path: Path
    run_id: str
    published_at: datetime
    is_current: bool

    @property
    def sha256(self) -> str:
        """SHA-256 of the file, hexadecimal; read anew at every call.

        Raises:
            WarehouseError: this process has the file open in DuckDB.
        """
        with _state, _plainly(self.path), self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class _Migration:
    number: int
    name: str
    sql: str
    sha256: str


# ------------------------------------------------------------------------- what this process holds and has op


@dataclass
class _Held:
    descriptor: int
    holder: Holder
    depth: int = 1


@dataclass
class _Door:
    """Lets one connection at a time of this process to one working file.

    Two DuckDB instances of one process do not see each other's lock, and the first to close drops it for
    both.
    """

    lock: threading.Lock = field(default_factory=threading.Lock)
    thread: int | None = None


@dataclass(frozen=True)
class _Engine:
    """A DuckDB in memory, which costs ten times what attaching a file to it does.

    Attributes:
        spill: where it puts what does not fit into memory.
        threads: how many work on a query; None for one a core.
        memory: bytes that it may hold; None for as many as DuckDB takes by itself.
    """

    spill: Path
    threads: int | None
    memory: int | None
    root: duckdb.DuckDBPyConnection


_state = threading.RLock()
_held: dict[Path, _Held] = {}
_doors: dict[Path, _Door] = {}
_reading: Counter[Path] = Counter()
_idle: list[_Engine] = []
_inherited: list[_Engine] = []
_private_depth = 0
_umask_before = 0


def _forget_in_child() -> None:
    """A forked child shares the lock's descriptor: unless it lets go, the lock outlives a killed parent."""
    global _state
    for held in _held.values():
        with suppress(OSError):
            os.close(held.descriptor)
    _held.clear()
    _doors.clear()
    _reading.clear()
    # Never closed here: that would wait for threads that only the parent has.
    _inherited.extend(_idle)
    _idle.clear()
    # Another thread of the parent may have had it.
    _state = threading.RLock()


os.register_at_fork(after_in_child=_forget_in_child)


@contextmanager
def _engine(spill: Path, threads: int | None, memory: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection of its own to a DuckDB in memory: what was set or made in it ends with the block.

    The last engine is kept for the next block, unless something went wrong in it, or it has spilled: what it
    spilled is removed only when it closes.
    """
    with _state:
        engine = _idle.pop() if _idle else None
    if engine is not None and (engine.spill, engine.threads, engine.memory) != (spill, threads, memory):
        engine.root.close()
        engine = None
    if engine is None:
        config: dict[str, str | bool | int | float | list[str]] = {**_SANDBOX, **_THRIFT, "temp_directory": str(spill)}
        if threads is not None:
            config["threads"] = str(threads)
        if memory is not None:
            config["memory_limit"] = f"{memory}B"
        engine = _Engine(spill, threads, memory, duckdb.connect(":memory:", config=config))
    try:
        with closing(engine.root.cursor()) as connection:
            yield connection
    except BaseException:
        engine.root.close()
        raise
    with _state:
        if not _idle and not spill.exists():
            _idle.append(engine)
            return
    engine.root.close()


def release_memory() -> None:
    """Close the DuckDB that is kept for the next query: for when other things need the memory more."""
    with _state:
        while _idle:
            _idle.pop().root.close()


@contextmanager
def _private_files() -> Iterator[None]:
    """Files that DuckDB makes meanwhile (also `.wal` and spilled ones) are closed to the world."""
    global _private_depth, _umask_before
    with _state:
        if _private_depth == 0:
            _umask_before = os.umask(0o077)
            os.umask(_umask_before | 0o027)
        _private_depth += 1
    try:
        yield
    finally:
        with _state:
            _private_depth -= 1
            if _private_depth == 0:
                os.umask(_umask_before)


@contextmanager
def _plainly(path: Path) -> Iterator[None]:
    """Make sure that DuckDB does not have the published file open here while it is read as bytes."""
    with _state:
        if _reading[path.resolve()]:
            raise WarehouseError(
                f"{path.name} is open in DuckDB in this process, so its bytes may not be read: its lock "
                "would be lost. Close that connection first."
            )
        yield


def permitted(mode: int) -> int:
    """The rights that a file of ours is given: none that the umask of this process takes away."""
    with _state:
        if _private_depth:
            umask = _umask_before
        else:
            # Nothing else tells it.
            umask = os.umask(0o077)
            os.umask(umask)
    return mode & ~umask


# ------------------------------------------------------------------------------------------------- sentences


def _sentence(error: Exception, path: Path) -> WarehouseError | None:
    """What an error of DuckDB or the file system means to the reader; None where it is not about the file."""
    text = str(error)
    if _LOCK_CONFLICT in text:
        pid = re.search(r"\(PID (\d+)\)", text)
        who = f"Process {pid.group(1)}" if pid else "Another process"
        return WarehouseError(
            f"{who} has {path} open, and DuckDB allows one writer or many readers. Nothing was changed. "
            "Close it there (to look at data, open the published file instead: it is never locked), then run "
            "again."
        )
    code = error.errno if isinstance(error, OSError) else None
    if code in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in text or "Disk quota" in text:
        return WarehouseError(
            f"The disk of {path.parent} is full. What is published stays as it was. Make room there, then run again."
        )
    if code in (errno.EROFS, errno.EACCES, errno.EPERM) or "Read-only file system" in text:
        return WarehouseError(
            f"{path.parent} cannot be written. Nothing was changed. Give this user the right to write there, "
            "or set CMDB_DATABASE to a file in a folder that can be written.",
            exit_code=2,
        )
    if code in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP):
        return WarehouseError(
            f"{path.parent} is not a folder. Set CMDB_DATABASE to a file in a folder that can be written.",
            exit_code=2,
        )
    if code is not None:
        return WarehouseError(f"{path} cannot be used: {os.strerror(code)}. What is published stays as it was.")
    damaged = ("not a valid DuckDB database", "Corrupt database", "checksum", "database has been invalidated")
    if any(words in text for words in damaged):
        return WarehouseError(
            f"{path} is damaged or not a DuckDB file ({_first_line(text)}). What is published stays as it "
            "was. Move the damaged file away: where a version is published, the next run starts from that."
        )
    if "newer version of DuckDB" in text or "storage version" in text:
        return WarehouseError(
            f"{path} was written for a newer DuckDB than {duckdb.__version__}. Nothing was changed. Install "
            "the pinned requirements, then run again.",
            exit_code=2,
        )
    if re.search(r"Cannot open file|Permission denied", text) and str(path) in text:
        return WarehouseError(f"{path} cannot be opened: {_first_line(text)}.", exit_code=2)
    return None


def _first_line(text: str) -> str:
    return text.strip().splitlines()[0].removeprefix("IO Error: ").rstrip(".!") if text.strip() else "no reason given"


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Around work on a file or folder of the warehouse: what the disk or DuckDB says of it is put into our words.

    Raises:
        WarehouseError: the disk is full or cannot be written, or the file is damaged, locked or too new.
    """
    try:
        yield
    except RuntimeError as error:
        _raise_interruption(error)
        raise
    except (OSError, duckdb.Error) as error:
        sentence = _sentence(error, path)
        if sentence is None:
            raise
        raise sentence from error


def _raise_interruption(error: RuntimeError) -> None:
    """Raise what Python itself raises when somebody interrupts, where DuckDB was at a query."""
    if "Query interrupted" in str(error):
        raise KeyboardInterrupt from None


@contextmanager
def _body(path: Path) -> Iterator[None]:
    """Around the caller's own statements: only what DuckDB says about the file is put into our words."""
    try:
        yield
    except RuntimeError as error:
        _raise_interruption(error)
        raise
    except duckdb.Error as error:
        text = str(error)
        if "No space left" in text or "Corrupt database" in text or "has been invalidated" in text:
            sentence = _sentence(error, path)
            if sentence is not None:
                raise sentence from error
        raise


@contextmanager
def _as_one(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """One transaction: all of it when the block ends, nothing of it when the block raises."""
    connection.execute("begin")
    try:
        yield
    except BaseException:
        # After some errors DuckDB has rolled back by itself.
        with suppress(duckdb.Error):
            connection.execute("rollback")
        raise
    connection.execute("commit")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _literal(text: Path | str) -> str:
    """A SQL string: ATTACH takes no bound parameter."""
    return "'" + str(text).replace("'", "''") + "'"


def make_folder(path: Path) -> None:
    """Make a folder, and those above it, that the world cannot enter; one that exists keeps its rights."""
    if path.is_dir():
        return
    if not path.parent.exists():
        make_folder(path.parent)
    path.mkdir(mode=0o750, exist_ok=True)
    path.chmod(permitted(0o750))


def _keeps_rights(folder: Path) -> bool:
    """Whether the file system has rights at all: some mounts show everything as open, whatever is set."""
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".rights-") as probe:
            return not Path(probe).stat().st_mode & stat.S_IWOTH
    except OSError:
        return True


def _copy(source: Path, target: Path) -> None:
    """Copy a file that DuckDB does not have open in this process, and write the copy through to the disk."""
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    buffer = memoryview(bytearray(_COPY_CHUNK))
    with source.open("rb", buffering=0) as reader, os.fdopen(descriptor, "wb", buffering=0) as writer:
        try:
            # What DuckDB itself takes to read: another process may read meanwhile, none may write.
            fcntl.lockf(reader, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise WarehouseError(
                f"Another process opened {source} while it was copied. Nothing was published. Close it "
                "there, then run again."
            ) from None
        while count := reader.readinto(buffer):
            rest = buffer[:count]
            while rest:
                rest = rest[writer.write(rest) :]
            fault_point("publish.copying")
        os.fsync(writer.fileno())
        if os.fstat(reader.fileno()).st_size != os.fstat(writer.fileno()).st_size:
            raise WarehouseError(f"{source} changed while it was copied. Nothing was published. Run again.")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _is_small(path: Path) -> bool:
    """Whether one thread does for a file: each further one fills buffers of its own, up to 30 MB of them."""
    return not path.exists() or path.stat().st_size < SMALL


def _refuse_log_of(path: Path) -> None:
    """Raise where a file that was closed alone is not complete: what is published has no log beside it."""
    left = _with_wal(path)[1]
    if left.exists():
        raise WarehouseError(
            f"{left} is still there after the checkpoint, so {path.name} alone is not complete. "
            "Nothing was published. Run again."
        )


def _with_wal(path: Path) -> tuple[Path, Path]:
    return path, path.with_name(path.name + ".wal")


def _is_link_to(link: Path, target: str) -> bool:
    """Whether there is a symlink of this name that holds just this text."""
    try:
        return link.readlink() == Path(target)
    except OSError:
        return False


def _open_read_only(path: Path, spill: Path | None = None) -> duckdb.DuckDBPyConnection:
    """Open a file that never changes: it alone can be read, nothing written, no setting undone.

    Opened as the database itself, not attached: DuckDB then refuses to attach anything for writing, even this
    file.

    Args:
        path: the file.
        spill: where DuckDB may put what does not fit into memory; nowhere for people, so that no copy of the
            data is left on a disk.
    """
    with _state:
        connection = duckdb.connect(
            str(path),
            read_only=True,
            config={**_SANDBOX, "enable_external_access": "false", "temp_directory": str(spill or "")},
        )
        try:
            row = connection.execute("select current_setting('lock_configuration')").fetchone()
            # Connections to one file share one DuckDB: a further one finds all this done.
            if row is not None and not row[0]:
                connection.execute("set global TimeZone = 'UTC'")
                connection.execute("set lock_configuration = true")
        except BaseException:
            connection.close()
            raise
        _reading[path] += 1
        return connection


def _close_read_only(path: Path, connection: duckdb.DuckDBPyConnection) -> None:
    with _state:
        connection.close()
        _reading[path] -= 1


@dataclass(frozen=True)
class Store:
    """The files of one warehouse. Make any number of these: what is held and open belongs to the process.

    Attributes:
        database: where analysts find the published file; a symlink. Everything else stands beside it, and has
            its `stem` in its name.
        migrations: folder of the numbered SQL files.
        patience: seconds to wait for another process that has the working file open, before the sentence.
    """

    database: Path
    migrations: Path = MIGRATIONS
    patience: float = 10.0

    # ------------------------------------------------------------------------------------------------- paths

    @property
    def folder(self) -> Path:
        """The folder that everything stands in."""
        return self.database.parent.resolve()

    @property
    def stem(self) -> str:
        """First part of the name of the working file, of versions and of the report.

        That of the published file, but `cmdb` beside the default one: so older releases named them. The upgrade
        renames nothing, and the older release still finds its files.
        """
        return Path(FORMER_NAME).stem if self.database.name == PUBLISHED_NAME else self.database.stem

    @property
    def working(self) -> Path:
        """The file that runs write. Never for analysts."""
        return self.folder / f"{self.stem}.work.duckdb"

    @property
    def _journal(self) -> Path:
        return self.folder / f".{self.stem}.work.journal"

    @property
    def versions_folder(self) -> Path:
        """The published files."""
        return self.folder / "versions"

    @property
    def landing(self) -> Path:
        """What AWS answered, verbatim, by run."""
        return self.folder / "landing"

    @property
    def lock_file(self) -> Path:
        """The file whose `flock` a run holds from beginning to end."""
        return self.folder / ".lock"

    @property
    def _has_two_names(self) -> bool:
        """Whether the former name is a link to the present one, or has to become that."""
        present = self.folder / PUBLISHED_NAME
        return self.database.name == PUBLISHED_NAME or (self.database.name == FORMER_NAME and present.is_symlink())

    @property
    def _link(self) -> Path:
        """The one link that publishing swaps; the former name is a link to it, so both change in the same moment."""
        return self.folder / (PUBLISHED_NAME if self._has_two_names else self.database.name)

    @property
    def _serving(self) -> Path:
        """The link that was swapped last: the former name's, where an older release was the last to swap one."""
        former = self.folder / FORMER_NAME
        if self._has_two_names and former.is_symlink() and not _is_link_to(former, PUBLISHED_NAME):
            version = former.resolve()
            ours = version.parent == self.versions_folder.resolve()
            if ours and (version.exists() or not os.path.lexists(self._link)):
                return former
        return self._link

    # -------------------------------------------------------------------------------------------------- lock

    def hold(self, run_id: str, what: str) -> None:
        """Take the warehouse for a run; again for the same run in this process is free, and needs a release.

        Another process of the same run is waited for, up to a minute. Left-overs of killed runs are removed.

        Args:
            run_id: whose the lock is.
            what: what the run does, for the sentence that another run gets: `nightly`.

        Raises:
            LockHeld: another run works here; the message names it.
            WarehouseError: the folder cannot be used, or a plain file stands where the symlink belongs.
        """
        self._check_run_id(run_id)
        with explained(self.lock_file):
            make_folder(self.folder)
            make_folder(self.versions_folder)
            make_folder(self.landing)
            self._refuse_folder_of_everybody()
            self._refuse_plain_file()
            deadline = time.monotonic() + SAME_RUN_WAIT
            while not self._try_hold(run_id, what):
                holder = self._holder()
                if holder is None or holder.run_id != run_id or time.monotonic() > deadline:
                    raise self._lock_held(holder)
                time.sleep(0.1)
        try:
            if _held[self.lock_file].depth == 1:
                with explained(self.lock_file):
                    self._tidy()
        except BaseException:
            self.release(run_id)
            raise

    def release(self, run_id: str) -> None:
        """Give back one `hold` of this run; nothing happens where this process does not hold it."""
        with _state:
            held = _held.get(self.lock_file)
            if held is None or held.holder.run_id != run_id:
                return
            held.depth -= 1
            if held.depth == 0:
                del _held[self.lock_file]
                with suppress(OSError):
                    os.ftruncate(held.descriptor, 0)
                os.close(held.descriptor)

    def is_held_by(self, run_id: str) -> bool:
        """Whether this process holds the warehouse for this run."""
        with _state:
            held = _held.get(self.lock_file)
            return held is not None and held.holder.run_id == run_id

    @contextmanager
    def holding(self, run_id: str, what: str) -> Iterator[None]:
        """`hold` and `release` around a block."""
        self.hold(run_id, what)
        try:
            yield
        finally:
            self.release(run_id)

    def _try_hold(self, run_id: str, what: str) -> bool:
        with _state:
            held = _held.get(self.lock_file)
            if held is not None:
                if held.holder.run_id != run_id:
                    raise self._lock_held(held.holder)
                held.depth += 1
                return True
            descriptor = self._open_lock()
            try:
                os.fchmod(descriptor, permitted(0o640))
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                since = datetime.now(UTC).isoformat(timespec="seconds")
                holder = Holder(what, run_id, os.getpid(), socket.gethostname(), since)
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(asdict(holder)).encode(), 0)
            except BlockingIOError:
                os.close(descriptor)
                return False
            except BaseException:
                os.close(descriptor)
                raise
            _held[self.lock_file] = _Held(descriptor, holder)
            return True

    def _open_lock(self) -> int:
        """The lock file, as a descriptor; it is emptied later, so it must be no other file by another name."""
        try:
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o640)
        except OSError as error:
            if not self.lock_file.is_symlink():
                raise
            raise self._no_lock("a symbolic link") from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise self._no_lock("no plain file")
        return descriptor

    def _no_lock(self, what: str) -> WarehouseError:
        return WarehouseError(
            f"{self.lock_file} is {what}, and the lock has to be a file of its own. Nothing was started, and what it "
            "leads to is as it was. Find out who put it there, then remove it.",
            exit_code=2,
        )

    def _refuse_folder_of_everybody(self) -> None:
        """Raise where any user of this machine could put another file in the place of ours.

        A folder of a group is its members' business. Where all may add files but not touch each other's, as in /tmp,
        what is ours must not be there from somebody else already.
        """
        for folder in (self.folder, self.versions_folder, self.landing):
            mode = folder.stat().st_mode
            if not mode & stat.S_IWOTH or not _keeps_rights(folder):
                continue
            if not mode & stat.S_ISVTX:
                raise WarehouseError(
                    f"Everybody on this machine may write to {folder} (rights {stat.S_IMODE(mode):04o}), and so could "
                    f"change what is published. Nothing was started. Take that right away with `chmod o-w {folder}`, "
                    "or set CMDB_DATABASE to a file in a new folder, which is made closed.",
                    exit_code=2,
                )
            for path in (self.lock_file, self.working, self._link, self.versions_folder, self.landing):
                if os.path.lexists(path) and path.lstat().st_uid not in (os.geteuid(), 0):
                    raise WarehouseError(
                        f"{path} belongs to another user, in a folder that everybody may write to. Nothing was "
                        "started. Set CMDB_DATABASE to a file in a new folder, which is made closed.",
                        exit_code=2,
                    )

    def _holder(self) -> Holder | None:
        """Who holds the lock; the name may follow the lock by a moment."""
        for _ in range(10):
            with suppress(OSError, ValueError, TypeError):
                return Holder(**json.loads(self.lock_file.read_bytes()))
            time.sleep(0.02)
        return None

    def _lock_held(self, holder: Holder | None) -> LockHeld:
        return LockHeld(
            f"{holder or 'Another run'} works on {self.database}, and one run at a time may. Nothing was "
            "started. Wait until it has ended, or end it; a process that dies frees the lock by itself."
        )

    def _require_held(self, run_id: str | None = None) -> None:
        with _state:
            held = _held.get(self.lock_file)
        if held is None or (run_id is not None and held.holder.run_id != run_id):
            raise WarehouseError(
                f"{self.database} is not held by {run_id or 'this process'}, and only the run that holds it "
                "may write. Nothing was written. Call hold() first."
            )

    def _tidy(self) -> None:
        """Remove what a killed run left half done. Only under the lock: what is found belongs to nobody."""
        self._carry_on()
        stem = glob.escape(self.stem)
        for mark in self.versions_folder.glob(f".{stem}-*.duckdb.pending"):
            self._settle(mark.with_name(mark.name.removeprefix(".").removesuffix(".pending")))
        left = [
            *self.versions_folder.glob(f".{stem}-*.part*"),
            # A file that never changes has no log; one beside it would break everybody who opens it.
            *self.versions_folder.glob(f"{stem}-*.duckdb.wal"),
            *self.folder.glob(f".{stem}.work.part*"),
            *self.folder.glob(f".{stem}.work.journal.part"),
            *self.folder.glob(f".{stem}.link-*"),
            *self.folder.glob(f".{stem}.spill*"),
        ]
        for path in left:
            _remove(path)

    # ------------------------------------------------------------------------------------------- connections

    @contextmanager
    def write(self, memory: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """A short connection to the working file, of the newest schema, in UTC; each statement commits alone.

        The file is made when it is missing: from the published version where there is one, else empty.
        Close it before anything slow: nobody else can open the file meanwhile.

        Args:
            memory: bytes that DuckDB may hold, of what it has read and written too; None for its own measure.

        Raises:
            WarehouseError: the lock is not held, the file is open elsewhere, damaged, or of a newer schema.
        """
        self._require_held()
        with self._door(), ExitStack() as stack:
            connection = stack.enter_context(self._attached(writable=True, memory=memory))
            if self._pending(connection):
                self._migrate(connection)
                # What is kept of the file is of before its first checkpoint.
                stack.close()
                connection = stack.enter_context(self._attached(writable=True, memory=memory))
            with _body(self.working):
                yield connection

    @contextmanager
    def transaction(self, memory: int | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """`write` as one transaction: all of it when the block ends, nothing of it when the block raises."""
        with self.write(memory) as connection, _as_one(connection):
            yield connection

    @contextmanager
    def read(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A short read-only connection to the working file, in UTC.

        Where this process holds the lock, the file is first made and migrated, as in `write`.

        Raises:
            WarehouseError: there is no working file yet, another process writes it, it is damaged or of
                another schema.
        """
        with self._door(), ExitStack() as stack:
            held = self._is_held()
            if held and not self.working.exists():
                self._bring_up_to_date()
            if not self.working.exists():
                raise WarehouseError(f"There is no warehouse at {self.database} yet. Run `cmdb nightly` first.")
            connection = stack.enter_context(self._attached(writable=False))
            if self._pending(connection):
                if not held:
                    raise WarehouseError(
                        f"{self.working} has an older schema than this version of the product. The next "
                        "`cmdb nightly` brings it up to date."
                    )
                stack.close()
                self._bring_up_to_date()
                connection = stack.enter_context(self._attached(writable=False))
            with _body(self.working):
                yield connection

    def _is_held(self) -> bool:
        with _state:
            return self.lock_file in _held

    def _bring_up_to_date(self) -> None:
        with self._attached(writable=True) as connection:
            self._migrate(connection)

    @contextmanager
    def _door(self, *, wait: bool = True) -> Iterator[None]:
        """The right of this thread to open or copy the working file."""
        with _state:
            door = _doors.setdefault(self.working, _Door())
        here = threading.get_ident()
        if door.thread == here or not door.lock.acquire(timeout=self.patience if wait else 0):
            raise WarehouseError(
                f"This process has a connection to {self.working.name} open, and a second one could lose "
                "DuckDB's lock. Nothing was changed. Close it first: connections are for single statements, "
                "not for keeping."
            )
        door.thread = here
        try:
            yield
        finally:
            door.thread = None
            door.lock.release()

    @contextmanager
    def _attached(
        self, *, writable: bool, file: Path | None = None, memory: int | None = None
    ) -> Iterator[duckdb.DuckDBPyConnection]:
        """The working file, attached to a DuckDB in memory.

        So that it can be detached: only that raises when the last checkpoint fails, where closing hides it.
        """
        path = file or self.working
        with ExitStack() as stack:
            stack.enter_context(_private_files())
            if writable and file is None:
                self._make_working()
            if file is None and self._is_held():
                with explained(path):
                    rollback_journal.undo(self._journal, path)
            descriptor = None
            if writable and file is None:
                # Open until DuckDB has closed it: whoever closes a file of his takes the locks of his process away.
                with explained(path):
                    descriptor = os.open(path, os.O_RDONLY)
                stack.callback(os.close, descriptor)
            spill = self.folder / f".{self.stem}.spill-{os.getpid()}"
            connection = stack.enter_context(_engine(spill, 1 if _is_small(path) else None, memory))
            with explained(path):
                self._attach(connection, path, writable)
                if descriptor is not None:
                    self._keep_blocks(connection, descriptor)
            yield connection
            with explained(path):
                connection.execute("use memory")
                connection.execute(f"detach {CATALOG}")
                if descriptor is not None:
                    self._journal.unlink()

    def _keep_blocks(self, connection: duckdb.DuckDBPyConnection, descriptor: int) -> None:
        """Copy what the next checkpoint may write over."""
        blocks = connection.execute("select block_id from pragma_metadata_info() where free_blocks > 0").fetchall()
        sizes = connection.execute(
            "select block_size from pragma_database_size() where database_name = $name", {"name": CATALOG}
        ).fetchall()
        rollback_journal.keep(self._journal, descriptor, [block for (block,) in blocks], sizes[0][0])

    def _attach(self, connection: duckdb.DuckDBPyConnection, path: Path, writable: bool) -> None:
        options = f"storage_version {_literal(STORAGE_VERSION)}" if writable else "read_only"
        deadline = time.monotonic() + self.patience
        while True:
            try:
                connection.execute(f"attach {_literal(path)} as {CATALOG} ({options})")
                break
            except duckdb.IOException as error:
                # Others of the product open it for milliseconds.
                if _LOCK_CONFLICT not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        connection.execute(f"use {CATALOG}")
        connection.execute("set TimeZone = 'UTC'")

    def _make_working(self) -> None:
        """Make a working file where there is none, under another name first: DuckDB refuses one half made."""
        with explained(self.working):
            if self.working.exists():
                if self.working.stat().st_mode & 0o007:
                    self.working.chmod(permitted(0o640))
                return
            part = self.folder / f".{self.stem}.work.part"
            for path in _with_wal(part):
                _remove(path)
            published = self._serving.resolve()
            if published.is_file():
                with _plainly(published):
                    _copy(published, part)
            with self._attached(writable=True, file=part) as connection:
                self._migrate(connection)
            part.chmod(permitted(0o640))
            _sync(part)
            fault_point("working.created")
            # A log without its file would be replayed into the new one.
            _remove(_with_wal(self.working)[1])
            part.rename(self.working)
            _sync(self.folder)

    # -------------------------------------------------------------------------------------------- migrations

    def _migrations(self) -> list[_Migration]:
        if self.migrations == MIGRATIONS:
            try:
                release.require("warehouse/migrations")
            except release.ProductFileError as error:
                raise WarehouseError(str(error), exit_code=2) from error
        found: list[_Migration] = []
        for path in sorted(self.migrations.glob("[!.]*.sql")):
            match = _MIGRATION_NAME.fullmatch(path.name)
            if match is None or int(match.group(1)) != len(found) + 1:
                raise WarehouseError(
                    f"{path} is not migration {len(found) + 1:04}: the files are numbered from 0001 without "
                    "gaps, as in 0001_name.sql. Nothing was changed. Restore the folder from the repository.",
                    exit_code=2,
                )
            data = path.read_bytes()
            found.append(_Migration(len(found) + 1, path.name, data.decode(), hashlib.sha256(data).hexdigest()))
        if not found:
            raise WarehouseError(
                f"{self.migrations} holds no migrations, so the schema is unknown. Nothing was changed. Run "
                "from a complete checkout.",
                exit_code=2,
            )
        return found

    def _pending(self, connection: duckdb.DuckDBPyConnection) -> list[_Migration]:
        """Migrations that this file has not had.

        Raises:
            WarehouseError: the file had others than this version of the product knows.
        """
        migrations = self._migrations()
        applied = _applied(connection)
        if len(applied) > len(migrations):
            raise WarehouseError(
                f"{self.database} has schema {len(applied)}, and this version of the product knows "
                f"{len(migrations)}. Nothing was changed. Use the newer version that made it, or roll back "
                "to a version published before.",
                exit_code=2,
            )
        for (name, sha256), migration in zip(applied, migrations, strict=False):
            if (name, sha256) != (migration.name, migration.sha256):
                what = "was changed after it was applied" if name == migration.name else "is missing"
                raise WarehouseError(
                    f"Migration {name} {what}: {self.database} was made by another text of it. Nothing was "
                    f"changed. Restore {name} in {self.migrations} from the repository, and put changes into "
                    "a new migration.",
                    exit_code=2,
                )
        return migrations[len(applied) :]

    def _migrate(self, connection: duckdb.DuckDBPyConnection) -> None:
        for migration in self._pending(connection):
            fault_point("migration.begun")
            connection.execute("begin")
            try:
                connection.execute(migration.sql)
                connection.execute(
                    "insert into audit.schema_migration (number, name, sha256, applied_at) values (?, ?, ?, now())",
                    [migration.number, migration.name, migration.sha256],
                )
                fault_point("migration.applied")
                connection.execute("commit")
            except duckdb.Error as error:
                with suppress(duckdb.Error):
                    connection.execute("rollback")
                raise _sentence(error, self.working) or WarehouseError(
                    f"Migration {migration.name} failed and was taken back: {_first_line(str(error))}. The "
                    "file is as it was before it. Correct the migration, then run again.",
                    exit_code=2,
                ) from error
            fault_point("migration.committed")

    # --------------------------------------------------------------------------------------------- the stamp

    def stamp(self, organisation_id: str, management_account_id: str | None = None) -> None:
        """Say whose warehouse this is: written the first time, compared every other time.

        Raises:
            WarehouseError: it belongs to another organisation (exit code 2). Nothing was written.
        """
        with self.transaction() as connection:
            row = connection.execute("select organization_id from audit.organization").fetchone()
            if row is None:
                connection.execute(
                    """
                    insert into audit.organization (organization_id, management_account_id, first_seen_at)
                    values (?, ?, now())
                    """,
                    [organisation_id, management_account_id],
                )
            elif row[0] != organisation_id:
                raise WarehouseError(
                    f"{self.database} belongs to organisation {row[0]}, and the profiles reach "
                    f"{organisation_id}. Nothing was collected. Set CMDB_DATABASE to another file for this "
                    "organisation, or use the profiles of the other.",
                    exit_code=2,
                )

    # --------------------------------------------------------------------------------------------- publishing

    def publish(
        self,
        run_id: str,
        verify: Callable[[duckdb.DuckDBPyConnection], None],
        seal: Callable[[duckdb.DuckDBPyConnection], None] | None = None,
    ) -> Version:
        """Make what the working file holds the published version, whole or not at all.

        Args:
            run_id: the run, which holds the lock.
            verify: gets a read-only connection to the copy, which cannot read anything else; what it raises
                stops the publishing and is raised here.
            seal: gets a connection that writes the copy before that, in one transaction: for what is true of it
                only when it is published, so that the working file never says so of a run that was killed.

        Raises:
            WarehouseError: the lock is not held, a connection is open, the disk is full, or a plain file
                stands where the symlink belongs. The published version is as it was.
        """
        self._require_held(run_id)
        name = f"{self.stem}-{run_id}.duckdb"
        part = self.versions_folder / f".{self.stem}-{run_id}.part"
        with self._door(wait=False), _private_files():
            try:
                with explained(self.working):
                    self._refuse_plain_file()
                    fault_point("publish.begun")
                    self._checkpoint()
                with explained(part):
                    make_folder(self.versions_folder)
                    for path in _with_wal(part):
                        _remove(path)
                    _copy(self.working, part)
                    fault_point("publish.copied")
                if seal is not None:
                    self._seal(part, seal)
                fault_point("publish.sealed")
                _refuse_log_of(part)
                self._verify(part, verify)
                fault_point("publish.verified")
                with explained(part):
                    part.chmod(permitted(0o440))
                    _sync(part)
                    version = self.versions_folder / name
                    self._pending_mark(version).touch()
                    with _plainly(version):
                        part.rename(version)
                    _sync(self.versions_folder)
                    fault_point("publish.versioned")
                    self._point_at(name)
                    self._settle(version)
            except BaseException:
                with suppress(OSError):
                    for path in _with_wal(part):
                        _remove(path)
                    self._settle(self.versions_folder / name)
                raise
        self.prune()
        fault_point("publish.pruned")
        return self._version(name)

    def _checkpoint(self) -> None:
        """Bring everything into the one file that is copied."""
        with self._attached(writable=True) as connection:
            self._migrate(connection)
            connection.execute(f"checkpoint {CATALOG}")
            fault_point("publish.checkpointed")
        fault_point("publish.detached")
        _refuse_log_of(self.working)

    def _seal(self, part: Path, seal: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
        with self._attached(writable=True, file=part) as connection, _body(part), _as_one(connection):
            seal(connection)

    @staticmethod
    def _pending_mark(version: Path) -> Path:
        """Stands beside a version from before it has its name until the link has been swapped onto it."""
        return version.with_name(f".{version.name}.pending")

    def _settle(self, version: Path) -> None:
        """Keep a version that the link was swapped onto; remove one that it was not, which nobody ever read."""
        if self._pending_mark(version).exists():
            if self._link.resolve() != version.resolve():
                _remove(version)
            _remove(self._pending_mark(version))
            # A mark that came back with a power cut would speak against a version that was rolled back since.
            _sync(self.versions_folder)

    def _verify(self, part: Path, verify: Callable[[duckdb.DuckDBPyConnection], None]) -> None:
        with explained(part):
            connection = _open_read_only(part, self.folder / f".{self.stem}.spill-{os.getpid()}")
        try:
            verify(connection)
        finally:
            _close_read_only(part, connection)

    def _refuse_plain_file(self) -> None:
        """Only a symlink is ever replaced: a file there was put by somebody, and may be the only one."""
        for link in (self._link, self.folder / self.database.name):
            if link.exists() and not link.is_symlink():
                raise WarehouseError(
                    f"{link} is a file of its own, not the symlink to a published version: somebody put it "
                    "there, and it is not overwritten. Nothing was published. Move it away, then run again.",
                    exit_code=2,
                )

    def _point_at(self, name: str, during: str = "publish") -> None:
        """Swap the symlink, then let the former name follow it, which does nothing but the first time."""
        self._refuse_plain_file()
        self._swap(self._link, Path(self.versions_folder.name) / name, during)
        former = self.folder / FORMER_NAME
        # A plain file of that name was put by somebody, and nothing needs its place.
        is_free = former.is_symlink() or not former.exists()
        if self._has_two_names and is_free and not _is_link_to(former, PUBLISHED_NAME):
            self._swap(former, Path(PUBLISHED_NAME))
        fault_point(f"{during}.followed")

    def _swap(self, link: Path, target: Path, during: str = "") -> None:
        """Make a symlink, or put it in the place of one, at once; relative, so that the folder can be moved.

        On disk when this returns: the former name must never outlive a power cut that the present one did not.
        """
        temporary = self.folder / f".{self.stem}.link-{os.getpid()}"
        _remove(temporary)
        temporary.symlink_to(target)
        if during:
            fault_point(f"{during}.linked")
        temporary.replace(link)
        if during:
            fault_point(f"{during}.swapped")
        _sync(self.folder)

    def _carry_on(self) -> None:
        """Bring both names in step where an older release swapped the former one, before or since.

        Killed anywhere in it, both names lead to that release's version, and the next run does it again.
        """
        if self._serving != self._link:
            self._point_at(self._serving.resolve().name, "carry_on")

    def versions(self) -> list[Version]:
        """The published versions on disk, newest first; one that a killed run left without the link is none."""
        current = self._serving.resolve()
        prefix = f"{self.stem}-"
        found = []
        for path in self.versions_folder.glob(f"{glob.escape(prefix)}*.duckdb"):
            is_current = path.resolve() == current
            if is_current or not self._pending_mark(path).exists():
                # Another run may be pruning.
                with suppress(FileNotFoundError):
                    at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                    run_id = path.name.removeprefix(prefix).removesuffix(".duckdb")
                    found.append(Version(path.name, path, run_id, at, is_current))
        return sorted(found, key=lambda version: (version.published_at, version.name), reverse=True)

    def _version(self, name: str) -> Version:
        return next(version for version in self.versions() if version.name == name)

    def prune(self, keep: int = KEEP) -> None:
        """Remove all but the newest versions, never the current one; it counts as one of those kept."""
        self._require_held()
        others = [version for version in self.versions() if not version.is_current]
        with explained(self.versions_folder):
            for version in others[max(keep - 1, 0) :]:
                version.path.unlink(missing_ok=True)

    def rollback(self, version: str | None = None) -> Version:
        """Let analysts read an earlier version again.

        The working file is not rolled back: it goes on from the last run, and the next night publishes anew.

        Args:
            version: name or run of a version; the one published before the current one where None.

        Raises:
            WarehouseError: there is no such version. Nothing was changed.
            LockHeld: a run works on the warehouse; it may be about to publish.
        """
        with self.holding(f"rollback-{os.getpid()}", "rollback"):
            found = self.versions()
            names = ", ".join(v.name for v in found) or "none"
            if version is None:
                current = next((index for index, v in enumerate(found) if v.is_current), None)
                if current is None or current + 1 >= len(found):
                    raise WarehouseError(
                        f"There is no version before the current one of {self.database}. Nothing was "
                        f"changed. Versions on disk: {names}."
                    )
                target = found[current + 1]
            else:
                match = [v for v in found if version in (v.name, v.run_id)]
                if not match:
                    raise WarehouseError(
                        f"{self.database} has no version {version}. Nothing was changed. Versions on disk: {names}.",
                        exit_code=2,
                    )
                target = match[0]
            with explained(self._link):
                self._point_at(target.name)
            return self._version(target.name)

    # --------------------------------------------------------------------------------------------- for people

    @contextmanager
    def published(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A read-only connection to the published version, safe to hand to a person's SQL, in UTC.

        It can read that one file and nothing else of the machine, and stays on it when another version is
        published meanwhile.

        Raises:
            WarehouseError: nothing is published yet, or the version is missing or damaged.
        """
        path, connection = self._open_published()
        try:
            with _body(path):
                yield connection
        finally:
            _close_read_only(path, connection)

    def _open_published(self) -> tuple[Path, duckdb.DuckDBPyConnection]:
        for attempt in range(3):
            serving = self._serving
            if not os.path.lexists(serving):
                raise WarehouseError(f"Nothing is published at {self.database} yet. Run `cmdb nightly` first.")
            path = serving.resolve()
            with explained(path):
                try:
                    return path, _open_read_only(path)
                except duckdb.IOException:
                    # Pruned between the look and the opening: the symlink points to a newer one by now.
                    if path.exists() or attempt == 2:
                        if path.exists():
                            raise
                        break
        raise WarehouseError(
            f"{self.database} points to {path.name}, which is missing. Choose another version with `cmdb "
            "rollback VERSION`, or run `cmdb nightly`."
        )

    def published_schema(self) -> int:
        """Number of the newest migration in the published version."""
        with self.published() as connection:
            return len(_applied(connection))

    def require_current_schema(self) -> None:
        """Refuse to go on where the published version has another schema than this version of the product.

        Raises:
            WarehouseError: it has.
        """
        schema, known = self.published_schema(), len(self._migrations())
        if schema < known:
            raise WarehouseError(
                f"The published version of {self.database} has schema {schema}, and this version of the "
                f"product needs {known}. Nothing was changed. Run `cmdb nightly`, which brings it up to date "
                "and publishes."
            )
        if schema > known:
            raise WarehouseError(
                f"The published version of {self.database} has schema {schema}, and this version of the "
                f"product knows {known}. Use the newer version of the product, or `cmdb rollback`.",
                exit_code=2,
            )

    @staticmethod
    def _check_run_id(run_id: str) -> None:
        if not _RUN_ID.fullmatch(run_id):
            raise WarehouseError(
                f"{run_id!r} cannot be a run id: it names a file, so letters, digits, '.', '_' and '-' only.",
                exit_code=2,
            )


def _applied(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """Name and SHA-256 of the migrations that a file has had, in order; none in an empty file."""
    try:
        return connection.execute("select name, sha256 from audit.schema_migration order by number").fetchall()
    except duckdb.CatalogException:
        return []
