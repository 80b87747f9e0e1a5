"""The landing folder: AWS's verbatim records as newline-delimited JSON, one folder for each run and listing.

A line is `{"run_id", "role", "account_id", "region", "listing", "parameter", "item"}`. Files have a temporary name
until every cell of the listing has been judged, so a file with its final name is complete.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import orjson

from resources.audit.cells import Cell, cell_line
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


class LandingWriter:
    """Writes one listing of one run. Threads may call `append` concurrently.

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
        self.longest = 0
        with explained(landing):
            make_folder(self.folder)
            self._file: IO[bytes] = _private(self.records_part)
            self._cells: IO[bytes] = _private(self.cells_part)
            self._planned: IO[bytes] = _private(self.planned_part)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._cells.close()
        self._planned.close()

    def plan(self, keys: Iterable[CellKey]) -> None:
        """Write the keys of cells that have to come, before their requests are sent."""
        lines = [
            orjson.dumps({"role": key.role, "account_id": key.account_id, "region": key.region, "listing": key.listing})
            + b"\n"
            for key in keys
        ]
        with explained(self._landing):
            _write(self._planned, b"".join(lines))

    def append(self, key: CellKey, records: Iterable[dict[str, Any]]) -> None:
        """Write the records of one cell, or none of them.

        Raises:
            Failed: a record holds text that JSON files cannot hold.
        """
        lines = b"".join(self.line(key, record) for record in records)
        with self._lock, explained(self._landing):
            _write(self._file, lines)

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

    def take(self, spooled: IO[bytes]) -> None:
        """Append the lines of a spool file."""
        spooled.seek(0)
        with self._lock, explained(self._landing):
            while chunk := spooled.read(CHUNK):
                _write(self._file, chunk)

    def keep(self, cells: Iterable[Cell]) -> None:
        """Write judged cells. `longest` is the length in bytes of the longest line so far."""
        lines = [orjson.dumps(cell_line(cell)) + b"\n" for cell in cells]
        self.longest = max(self.longest, max(map(len, lines), default=0))
        with explained(self._landing):
            _write(self._cells, b"".join(lines))

    def commit(self, cells: Iterable[Cell] = ()) -> Path:
        """Write the last cells, give the files their names, and return the cells' path."""
        self.keep(cells)
        with explained(self._landing):
            self._file.close()
            self._cells.close()
            self._planned.close()
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
            self._writer.take(self._file)
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
            self._writer.take(kept)
        return self._count

    def _spill(self, file: IO[bytes] | None = None) -> None:
        self._writer.spill(file or self._file, b"".join(self._lines))
        self._lines, self._bytes = [], 0


def records_path(landing: Path, run_id: str, listing: str) -> Path:
    """The path of a run's records of a listing, which is named without its parameter."""
    return landing / run_id / listing / RECORDS


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
