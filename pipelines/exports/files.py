"""What all exports share: the report of a file, the folder that is replaced whole, and the scopes."""

import errno
import glob
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resources.store.files import make_folder, permitted, sync

if TYPE_CHECKING:
    import duckdb

MARK = "cmdb-export.json"
"""The file by which a folder is known as that of an earlier export; it says what the folder holds."""


LEFT_AFTER = 24 * 60 * 60
"""Seconds after which what an export builds is left over by one that was killed."""


class ExportError(Exception):
    """The export could not be written. The message is one sentence and says that nothing was exported."""


@dataclass(frozen=True)
class Scope:
    """How much of what a relation is about is known, from `audit.claim`.

    Attributes:
        judged, unknown: cells whose newest response counts or does not.
        unknown_reason: why they are unknown, with how many each; None where none is.
        as_of: ISO time, UTC, of the oldest response that the relation rests on; None where there is none.
    """

    judged: int
    unknown: int
    unknown_reason: str | None
    as_of: str | None


@dataclass(frozen=True)
class ExportedFile:
    """One exported file or folder of files.

    Attributes:
        rows: how many rows it has, without headers.
        judged, unknown, unknown_reason: as in `Scope`; judged is None where the rows rest on no response of AWS.
    """

    file: str
    rows: int
    judged: int | None
    unknown: int
    unknown_reason: str | None

    @classmethod
    def of(cls, file: Path | str, rows: int, scope: Scope | None) -> "ExportedFile":
        """The report of a file whose relation has this scope."""
        if scope is None:
            return cls(str(file), rows, None, 0, None)
        return cls(str(file), rows, scope.judged, scope.unknown, scope.unknown_reason)

    def __str__(self) -> str:
        """One line: what the file holds, and what it cannot hold."""
        known = f"{self.file}  {self.rows:,} rows"
        if self.judged is not None:
            known += f" of {self.judged:,} judged cells"
        if not self.unknown:
            return known
        return f"{known}; {self.unknown:,} more are unknown ({self.unknown_reason}), so the file may lack what is there"


def scopes(connection: "duckdb.DuckDBPyConnection") -> dict[str, Scope]:
    """The scope of each relation that rests on responses of AWS, by its name."""
    rows = connection.execute(
        """
        select claim, judged, unknown, unknown_reason, strftime(as_of at time zone 'UTC', '%Y-%m-%dT%H:%M:%SZ')
        from audit.claim
        """
    ).fetchall()
    return {claim: Scope(*scope) for claim, *scope in rows}


def published_name(connection: "duckdb.DuckDBPyConnection") -> str:
    """The file name of the published version that the connection reads."""
    row = connection.execute("select path from duckdb_databases() where not internal").fetchone()
    return Path(row[0]).name if row else ""


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn the system's error about the folder into one sentence.

    Raises:
        ExportError: the folder cannot be written to.
    """
    try:
        yield
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise ExportError(
                f"{folder} is a mount point, which no export can replace. Nothing was exported. Name a folder in it."
            ) from error
        reason = error.strerror or str(error)
        raise ExportError(
            f"{folder} cannot be written to: {reason}. Nothing was exported. Name a folder that you may write to."
        ) from error


@contextmanager
def replaced(folder: Path, described: Mapping[str, Any]) -> Iterator[Path]:
    """An empty folder that takes the place of `folder` when the block ends.

    A reader finds the last export or the new one, whole; between the two the name is missing for an instant. A block
    that raises leaves what was there. A symbolic link stays one, and what it leads to is replaced.

    Args:
        described: what the export is; written into `MARK` when the block ends.

    Raises:
        ExportError: the folder cannot be written to, or holds something else than an earlier export.
    """
    folder = folder.resolve()
    with explained(folder):
        if os.path.ismount(folder):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))
        if folder.exists() and not (folder / MARK).is_file() and (not folder.is_dir() or any(folder.iterdir())):
            raise ExportError(
                f"{folder} holds something else than an earlier export. Nothing was exported, and nothing there was "
                "changed. Name a new folder, an empty one, or that of an earlier export."
            )
        make_folder(folder.parent)
        built = f".{folder.name}.cmdb-export-"
        part = Path(tempfile.mkdtemp(prefix=built, dir=folder.parent))
        try:
            yield part
            (part / MARK).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
            _settle(part)
            _exchange(part, folder)
            _remove_left_over(folder.parent, built)
            sync(folder.parent)
        finally:
            shutil.rmtree(part, ignore_errors=True)


def _remove_left_over(parent: Path, built: str) -> None:
    """Remove what exports built that were killed."""
    for path in parent.glob(f"{glob.escape(built)}*"):
        # Another export may end now, and remove its own.
        with suppress(OSError):
            if path.stat().st_mtime < time.time() - LEFT_AFTER:
                shutil.rmtree(path)


def _settle(part: Path) -> None:
    """Flush every file and folder to the disk, and close them to other users."""
    for path in (part, *part.rglob("*")):
        path.chmod(permitted(0o750 if path.is_dir() else 0o640))
        sync(path)


def _exchange(part: Path, folder: Path) -> None:
    if not folder.exists():
        part.rename(folder)
        return
    last = part.with_name(f"{part.name}.last")
    folder.rename(last)
    try:
        part.rename(folder)
    except OSError:
        last.rename(folder)
        raise
    shutil.rmtree(last, ignore_errors=True)
