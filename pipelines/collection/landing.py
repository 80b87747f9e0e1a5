"""The landing folder: AWS's verbatim records as newline-delimited JSON, one folder for each run and listing.

A line is `{"run_id", "role", "account_id", "region", "listing", "parameter", "item"}`. Files have a temporary name
until every cell of the listing has been judged, so a file with its final name is complete.
"""

import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import orjson

from resources.audit.cells import Cell, cell_line
from resources.audit.step_plans import LandedRecords
from resources.aws.distinct import EachOnce
from resources.aws.errors import Failed
from resources.aws.listing import Listing
from resources.aws.messages import CellKey
from resources.store.errors import explained
from resources.store.files import make_folder

RECORDS = "records.ndjson"
CELLS = "cells.ndjson"
PLANNED = "planned.ndjson"
"""The keys that were to be requested, written before their requests were sent."""
CHUNK = 256 * 1024
"""Number of bytes in one write."""
SHORT_LINE = 16 * 1024 * 1024
"""Length in bytes of a line up to which DuckDB reserves no less memory."""


def _private(path: Path) -> IO[bytes]:
    """A new file that other users cannot read, whatever the umask is."""
    path.unlink(missing_ok=True)
    # Unbuffered, since a buffer that a full disk leaves unwritten is flushed again when the file object is freed, and
    # nobody can catch that error.
    return open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "wb", buffering=0)  # noqa: PTH123


def _write(file: IO[bytes], data: bytes) -> None:
    """Write all of the data: a write to an unbuffered file may take only some of it."""
    left = memoryview(data)
    while left:
        left = left[file.write(left) :]


class _Part:
    """A landing file under its temporary name, and what was written to it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.length = 0
        self._file = _private(path)

    def write(self, data: bytes) -> None:
        _write(self._file, data)
        self.length += len(data)

    def close(self) -> None:
        self._file.close()

    @property
    def present(self) -> int:
        """Number of bytes that the file has now."""
        return self.path.stat().st_size if self.path.exists() else 0


class LandingWriter:
    """Writes one listing of one run. Threads may call `append` concurrently.

    Attributes:
        longest: length in bytes of the longest line of a cell so far.
        received: number of records in the responses so far, which have to be as many as were landed.

    Raises:
        WarehouseError: every method raises it where the disk is full or cannot be written.
    """

    def __init__(self, landing: Path, run_id: str, listing: str) -> None:
        self._landing = landing
        self.folder = landing / run_id / listing
        self._run_id = run_id
        self.listing = listing
        self._lock = threading.Lock()
        self.records_part = self.folder / f".{RECORDS}.part"
        self.cells_part = self.folder / f".{CELLS}.part"
        self.planned_part = self.folder / f".{PLANNED}.part"
        self.longest = self.received = 0
        self._count = 0
        self._digest = hashlib.sha256()
        with explained(landing):
            make_folder(self.folder)
            self._records = _Part(self.records_part)
            self._cells = _Part(self.cells_part)
            self._planned = _Part(self.planned_part)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for part in self._parts:
            part.close()

    @property
    def _parts(self) -> tuple[_Part, ...]:
        return self._records, self._cells, self._planned

    @property
    def landed(self) -> LandedRecords:
        """The records so far."""
        return LandedRecords(self._count, self._records.length, self._digest.hexdigest())

    def changed(self) -> list[tuple[Path, int, int]]:
        """The files of another length than was written: path, bytes that are there, bytes that were written."""
        with explained(self._landing):
            return [(part.path, part.present, part.length) for part in self._parts if part.present != part.length]

    def plan(self, keys: Iterable[CellKey]) -> None:
        """Write the keys of cells that have to come, before their requests are sent."""
        lines = [
            orjson.dumps({"role": key.role, "account_id": key.account_id, "region": key.region, "listing": key.listing})
            + b"\n"
            for key in keys
        ]
        with explained(self._landing):
            self._planned.write(b"".join(lines))

    def append(self, key: CellKey, records: Iterable[dict[str, Any]]) -> int:
        """Write the records of one cell, or none of them; returns their number.

        Raises:
            Failed: a record holds text that JSON files cannot hold.
        """
        lines = [self.line(key, record) for record in records]
        with self._lock, explained(self._landing):
            self._land(b"".join(lines))
            self._count += len(lines)
        return len(lines)

    @contextmanager
    def spool(self, key: CellKey, listing: Listing | None = None) -> Iterator["Spool"]:
        """A temporary file for the records of one large cell, until it is known whether the response is complete.

        Args:
            key: the cell's key.
            listing: the listing whose key identifies duplicate records; without one all records are kept.
        """
        # The file is in the landing's own folder, so that it has the landing's permissions and disk.
        with explained(self._landing):
            file = tempfile.TemporaryFile(dir=self.folder, buffering=0)  # noqa: SIM115  # a request meanwhile may fail too
        with file:
            yield Spool(self, key, file, EachOnce.of(listing))

    def line(self, key: CellKey, record: dict[str, Any]) -> bytes:
        """A record as a line of the landing file.

        Raises:
            Failed: the record holds text that JSON files cannot hold, such as half a surrogate pair.
        """
        line = {
            "run_id": self._run_id,
            "role": key.role,
            "account_id": key.account_id,
            "region": key.region,
            "listing": key.listing,
            "parameter": key.suffix,
            "item": record,
        }
        try:
            return orjson.dumps(line) + b"\n"
        except orjson.JSONEncodeError as error:
            message = f"{key.listing} returned what cannot be kept: {error}."
            raise Failed("failed", "UnreadableAnswer", message) from error

    def spill(self, file: IO[bytes], lines: bytes) -> None:
        """Write lines to a file on the landing's disk."""
        with explained(self._landing):
            _write(file, lines)

    def take(self, spooled: IO[bytes], count: int) -> None:
        """Append the lines of a spool file, which has so many."""
        spooled.seek(0)
        self.take_chunks(iter(partial(spooled.read, CHUNK), b""), count)

    def take_chunks(self, chunks: Iterable[bytes], count: int) -> None:
        """Append lines of records, which are so many, in pieces of any length."""
        with self._lock, explained(self._landing):
            for chunk in chunks:
                self._land(chunk)
            self._count += count

    def take_planned(self, lines: bytes) -> None:
        """Append lines of planned keys that another writer wrote."""
        with explained(self._landing):
            self._planned.write(lines)

    def take_cells(self, lines: bytes) -> None:
        """Append lines of judged cells that another writer wrote."""
        self.longest = max(self.longest, max(map(len, lines.splitlines(keepends=True)), default=0))
        with explained(self._landing):
            self._cells.write(lines)

    def _land(self, lines: bytes) -> None:
        self._records.write(lines)
        self._digest.update(lines)

    def keep(self, cells: Iterable[Cell]) -> None:
        """Write judged cells."""
        lines = [orjson.dumps(cell_line(cell)) + b"\n" for cell in cells]
        self.longest = max(self.longest, max(map(len, lines), default=0))
        with explained(self._landing):
            self._cells.write(b"".join(lines))

    def commit(self, cells: Iterable[Cell] = ()) -> Path:
        """Write the last cells, give the files their names, and return the cells' path."""
        self.keep(cells)
        with explained(self._landing):
            for part in self._parts:
                part.close()
            self.records_part.replace(self.folder / RECORDS)
            self.planned_part.replace(self.folder / PLANNED)
            return self.cells_part.replace(self.folder / CELLS)


class Spool:
    """Keeps the records of one cell on disk; they are landed when the cell is complete, or dropped.

    Memory holds eight bytes for each record. The disk is read again only where two of these hashes match, so that a key
    may be there twice.
    """

    def __init__(self, writer: LandingWriter, key: CellKey, file: IO[bytes], once: EachOnce | None) -> None:
        self._writer = writer
        self._key = key
        self._file = file
        self._once = once
        self._lines: list[bytes] = []
        self._bytes = 0
        self._count = 0

    def keep(self, record: dict[str, Any]) -> None:
        """Add a record."""
        line = self._writer.line(self._key, record)
        if self._once is not None:
            self._once.note(record)
        self._count += 1
        self._lines.append(line)
        self._bytes += len(line)
        if self._bytes >= CHUNK:
            self._spill()

    def land(self) -> int:
        """Write the records to the landing, each once; returns their number.

        Raises:
            Failed: two records have the same key and differ. Nothing was landed.
        """
        self._spill()
        if self._once is None or not self._once.may_repeat():
            self._writer.take(self._file, self._count)
            return self._count
        with explained(self._writer.folder):
            kept = tempfile.TemporaryFile(dir=self._writer.folder, buffering=0)  # noqa: SIM115  # as the spool's own
        with kept:
            self._count = 0
            for line in self._once.lines(self._file):
                self._lines.append(line)
                self._bytes += len(line)
                self._count += 1
                if self._bytes >= CHUNK:
                    self._spill(kept)
            self._spill(kept)
            self._writer.take(kept, self._count)
        return self._count

    def _spill(self, file: IO[bytes] | None = None) -> None:
        self._writer.spill(file or self._file, b"".join(self._lines))
        self._lines, self._bytes = [], 0


def records_path(landing: Path, run_id: str, listing: str) -> Path:
    """The path of a run's records of a listing, which is named without its parameter."""
    return landing / run_id / listing / RECORDS


def difference(path: Path, landed: LandedRecords, *, in_length_only: bool = False) -> str:
    """In which way a file of records is another one than was landed, such as `12 of 34 bytes are there`; empty if not.

    Args:
        in_length_only: whether equal lengths are enough, which spares reading the file.
    """
    present = path.stat().st_size
    if present != landed.byte_count:
        return f"{present:,} of {landed.byte_count:,} bytes are there"
    if in_length_only:
        return ""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return "" if digest == landed.digest else "it has other bytes"


def longest_line(path: Path) -> int:
    """An upper limit for the length of a file's lines in bytes: DuckDB reserves memory for several of the longest."""
    if path.stat().st_size <= SHORT_LINE:
        return SHORT_LINE
    with path.open("rb") as file:
        return max(map(len, file))


def prune(landing: Path, keep: int, always: Iterable[str] = ()) -> list[str]:
    """Remove the landing folders of all but the newest `keep` runs; returns the removed run ids.

    Args:
        landing: the landing folder.
        keep: number of runs to keep.
        always: ids of runs to keep besides.
    """
    if not landing.is_dir():
        return []
    folders = sorted(
        (folder for folder in landing.iterdir() if folder.is_dir()),
        key=lambda folder: folder.stat().st_mtime,
        reverse=True,
    )
    kept = set(always)
    gone = [folder for folder in folders[keep:] if folder.name not in kept]
    for folder in gone:
        shutil.rmtree(folder)
    return [folder.name for folder in gone]
