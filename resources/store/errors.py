"""Errors of a warehouse as sentences: which file, what stays unchanged, and what to do.

This module knows the error messages of DuckDB and the file system; it opens no files.
"""

import errno
import os
import re
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import duckdb

LOCK_CONFLICT = "Could not set lock on file"
"""The beginning of DuckDB's error where another process has a file open."""

QUERY_INTERRUPTED = "Query interrupted"
"""What DuckDB raises, as a RuntimeError, in place of what a signal's handler raised during a query."""


_VERSIONS = "versions"
"""The folder of the published files (`Paths.versions_folder`)."""

_TORN = ("Corrupt database", "has been invalidated", "Could not read enough bytes")
_OF_DAMAGE = ("not a valid DuckDB database", "checksum", *_TORN)


class WarehouseError(Exception):
    """The warehouse cannot be used: the message says why, and what to do.

    Attributes:
        exit_code: 2 where a setting or the installation has to change, else 1.
    """

    def __init__(self, message: str, exit_code: int = 1):
        super().__init__(message)
        self.exit_code = exit_code


class LockHeld(WarehouseError):
    """Another run works on this warehouse."""


class OlderSchema(WarehouseError):
    """A file of the warehouse has the schema of an older release; the next run brings it up to date."""


class StillOpen(WarehouseError):
    """A connection of this process to the working file is in use, so the file cannot be detached."""


_WITHOUT_MEMORY = ("failed to allocate", "could not allocate", "failed to pin")


def lacks_memory(error: Exception) -> bool:
    """Whether memory was too little: of a commit or checkpoint DuckDB says so by an error of another kind."""
    return isinstance(error, duckdb.Error) and any(words in str(error) for words in _WITHOUT_MEMORY)


def _require_memory(error: Exception) -> None:
    """Raise a `duckdb.OutOfMemoryException` where memory was too little: the error itself, if it is one."""
    if isinstance(error, duckdb.OutOfMemoryException):
        raise error
    if lacks_memory(error):
        raise duckdb.OutOfMemoryException(str(error)) from error


def sentence_of(error: Exception, path: Path) -> WarehouseError | None:
    """The explanation of an error by DuckDB or the file system; None where the error is not about the file."""
    text = str(error)
    if LOCK_CONFLICT in text:
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
    if any(words in text for words in _OF_DAMAGE):
        if path.parent.name == _VERSIONS:
            return WarehouseError(
                f"{path}, which was published, is damaged or not a DuckDB file ({first_line(text)}). Nothing was "
                "changed. Lead readers to another version with `cmdb rollback VERSION`; `cmdb rollback --list` has "
                "them."
            )
        return WarehouseError(
            f"{path} is damaged or not a DuckDB file ({first_line(text)}). What is published stays as it "
            "was. Move the damaged file away: where a version is published, the next run starts from that."
        )
    if "replaying WAL file" in text and "does not match" in text:
        return WarehouseError(
            f"{path}.wal is the log of another state of {path}: one of the two was restored or replaced without the "
            "other. Nothing was changed. Restore both from one backup, or move the log away and lose what it alone "
            "holds, then run again."
        )
    if "newer version of DuckDB" in text or "storage version" in text:
        return WarehouseError(
            f"{path} was written for a newer DuckDB than {duckdb.__version__}. Nothing was changed. Install "
            "the pinned requirements, then run again.",
            exit_code=2,
        )
    if re.search(r"Cannot open file|Permission denied", text) and str(path) in text:
        return WarehouseError(f"{path} cannot be opened: {first_line(text)}.", exit_code=2)
    return None


def first_line(text: str) -> str:
    """The first line of a DuckDB error, as a part of a sentence."""
    return text.strip().splitlines()[0].removeprefix("IO Error: ").rstrip(".!") if text.strip() else "no reason given"


@contextmanager
def interruptible(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """A block with queries of a connection, which a signal ends as it ends other Python code.

    By itself DuckDB raises a RuntimeError instead, and that only once its other threads have ended: in a long query,
    never.

    Raises:
        KeyboardInterrupt: an interrupt came during a query.
    """
    with _raised_as_python_does(), _signals_end_queries(connection):
        yield


_elsewhere: list[tuple[int, duckdb.DuckDBPyConnection]] = []
"""The connections of the interruptible blocks of threads other than the main one, each with its thread."""


def end_queries(threads: Iterable[int]) -> None:
    """End the queries that run now in interruptible blocks of these threads, which are not the main one."""
    wanted = set(threads)
    for thread, connection in tuple(_elsewhere):
        if thread in wanted:
            # It may be closed by now.
            with suppress(duckdb.Error):
                connection.interrupt()


@contextmanager
def _raised_as_python_does() -> Iterator[None]:
    """A block in which an interrupt that reached DuckDB during a query is a KeyboardInterrupt."""
    try:
        yield
    except RuntimeError as error:
        if QUERY_INTERRUPTED in str(error):
            raise KeyboardInterrupt from None
        raise


@contextmanager
def _signals_end_queries(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """A block in which a handler of SIGINT or SIGTERM that raises ends all threads of the connection's query.

    Python runs handlers in the main thread alone; queries of another thread are ended by `end_queries`.
    """
    if threading.current_thread() is not threading.main_thread():
        own = (threading.get_ident(), connection)
        _elsewhere.append(own)
        try:
            yield
        finally:
            _elsewhere.remove(own)
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def ends(number: int, frame: FrameType | None) -> None:
        handler = before[signal.Signals(number)]
        try:
            if callable(handler):
                handler(number, frame)
        except BaseException:
            # One that only notes the signal, as asyncio's, lets the query go on, as it does other Python code.
            # Where blocks do not end in the order in which they began, a handler outlives its connection.
            with suppress(duckdb.Error):
                connection.interrupt()
            raise

    ours = [number for number, handler in before.items() if callable(handler)]
    for number in ours:
        signal.signal(number, ends)
    try:
        yield
    finally:
        for number in ours:
            if signal.getsignal(number) is ends:
                signal.signal(number, before[number])


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """A block of work on a file or folder of the warehouse, whose errors are raised as explained sentences.

    Raises:
        WarehouseError: the disk is full or cannot be written, or the file is damaged, locked or too new.
        duckdb.OutOfMemoryException: memory was too little.
    """
    try:
        with _raised_as_python_does():
            yield
    except (OSError, duckdb.Error) as error:
        _require_memory(error)
        sentence = sentence_of(error, path)
        if sentence is None:
            raise
        raise sentence from error


@contextmanager
def own_statements(path: Path) -> Iterator[None]:
    """A block of the caller's own statements: only errors about the file are raised as explained sentences.

    Raises:
        duckdb.OutOfMemoryException: memory was too little, also for the commit.
    """
    try:
        yield
    except duckdb.Error as error:
        _require_memory(error)
        text = str(error)
        if any(words in text for words in ("No space left", *_TORN)):
            sentence = sentence_of(error, path)
            if sentence is not None:
                raise sentence from error
        raise
