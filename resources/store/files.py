"""Files and folders of the product: closed to other users, flushed to disk, and replaced atomically.

This module never reads the bytes of a file that DuckDB has open in this process: closing it would drop DuckDB's lock.
"""

import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TextIO

from resources.store.errors import WarehouseError
from resources.store.paths import with_wal
from resources.store.process import PROCESS, fault_point

# 128 KiB copy as fast as `cp`: 300 MB in 0.3 s, against about 1 s in chunks of 8 MiB.
_COPY_CHUNK = 128 * 1024

SMALL = 256 * 1024 * 1024
"""Size of a working file in bytes from which several threads are worth their memory."""


# ---------------------------------------------------------------------------------------------- permissions


@contextmanager
def private_files() -> Iterator[None]:
    """A block in which files created by DuckDB (also `.wal` and spilled ones) are closed to other users."""
    with PROCESS.lock:
        if PROCESS.private_depth == 0:
            PROCESS.umask_before = os.umask(0o077)
            os.umask(PROCESS.umask_before | 0o027)
        PROCESS.private_depth += 1
    try:
        yield
    finally:
        with PROCESS.lock:
            PROCESS.private_depth -= 1
            if PROCESS.private_depth == 0:
                os.umask(PROCESS.umask_before)


@contextmanager
def not_open_here(path: Path) -> Iterator[None]:
    """A block for reading a published file as bytes, while DuckDB does not have the file open in this process."""
    with PROCESS.lock:
        if PROCESS.reading[path.resolve()]:
            raise WarehouseError(
                f"{path.name} is open in DuckDB in this process, so its bytes may not be read: its lock "
                "would be lost. Close that connection first."
            )
        yield


def permitted(mode: int) -> int:
    """The permissions of a new file: `mode` without the bits that the umask of this process removes."""
    with PROCESS.lock:
        if PROCESS.private_depth:
            umask = PROCESS.umask_before
        else:
            # The umask can only be read by setting it.
            umask = os.umask(0o077)
            os.umask(umask)
    return mode & ~umask


def make_folder(path: Path) -> None:
    """Create a folder and its parents, closed to other users; an existing folder keeps its permissions."""
    if path.is_dir():
        return
    if not path.parent.exists():
        make_folder(path.parent)
    path.mkdir(mode=0o750, exist_ok=True)
    path.chmod(permitted(0o750))


def keeps_rights(folder: Path) -> bool:
    """Whether the file system supports permissions: some mounts show every file as open to all."""
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".rights-") as probe:
            return not Path(probe).stat().st_mode & stat.S_IWOTH
    except OSError:
        return True


# --------------------------------------------------------------------------------------------- bytes on disk


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_write(path: Path) -> Iterator[TextIO]:
    """A text file in UTF-8 that replaces `path` when the block ends.

    Readers of `path` find the old content or the new, never a part of it; this holds through a power cut. A block that
    raises leaves `path` unchanged and no other file; a killed process leaves a hidden file.
    """
    with atomic_writes([path]) as files:
        yield files[0]


@contextmanager
def atomic_writes(paths: Sequence[Path]) -> Iterator[list[TextIO]]:
    """`atomic_write` for several files: none is replaced before all are flushed to the disk."""
    with ExitStack() as stack:
        files: list[TextIO] = []
        parts: list[Path] = []
        for path in paths:
            descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
            parts.append(Path(name))
            stack.callback(_unlink, parts[-1])
            # No newline translation: line ends are the same on every machine.
            files.append(stack.enter_context(os.fdopen(descriptor, "w", encoding="utf-8", newline="")))
        yield files
        for file, part in zip(files, parts, strict=True):
            file.flush()
            os.fsync(file.fileno())
            file.close()
            part.chmod(permitted(0o640))
        for part, path in zip(parts, paths, strict=True):
            part.replace(path)


def _unlink(part: Path) -> None:
    with suppress(OSError):
        part.unlink()


def copy(source: Path, target: Path) -> None:
    """Copy a file that DuckDB does not have open in this process, and flush the copy to the disk."""
    # equivalent: The umask while it publishes gives others nothing.
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    buffer = memoryview(bytearray(_COPY_CHUNK))
    # equivalent (6): It is read and written in pieces that are larger than a buffer and go past it.
    with source.open("rb", buffering=0) as reader, os.fdopen(descriptor, "wb", buffering=0) as writer:
        try:
            # DuckDB's own lock for reading: other processes may read meanwhile, none may write.
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


def remove(path: Path) -> None:
    """Remove a file, or a folder with its content; nothing happens where neither exists."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def is_small(path: Path) -> bool:
    """Whether one thread is enough for a file: each further thread fills up to 30 MB of buffers of its own."""
    return not path.exists() or path.stat().st_size < SMALL


def refuse_log_of(path: Path) -> None:
    """Check that a closed file is complete, without a log beside it: a published file has none."""
    left = with_wal(path)[1]
    if left.exists():
        raise WarehouseError(
            f"{left} is still there after the checkpoint, so {path.name} alone is not complete. "
            "Nothing was published. Run again."
        )
