"""Keeps copies of the blocks that DuckDB is about to overwrite, so that an interrupted checkpoint can be undone.

A DuckDB checkpoint writes into free blocks, and last the header that names them: until then the file is unchanged.
There is one exception. DuckDB overwrites partly filled blocks of its catalogue in place, and a block has one checksum.
A process killed during such a write leaves a broken block that the header still names. DuckDB then refuses the file
with all committed data. So these blocks are copied before, and restored while the header is still the one that they
belong to. Seen with DuckDB 2.0.1, in one of some hundred kills on a busy disk.
"""

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

HEADERS = 12_288
"""Bytes before the first block: DuckDB's main header, and two alternating ones."""

_logger = logging.getLogger(__name__)


def keep(journal: Path, descriptor: int, blocks: Sequence[int], block_size: int) -> str:
    """Copy blocks of a file to the journal; the copies are on disk when this returns.

    Args:
        descriptor: of the file, opened before DuckDB opened it: closing another descriptor would drop DuckDB's lock.
        blocks: ids of the blocks.

    Returns:
        A hash of the headers for as long as which the journal holds, as `headers_of` has it.

    Raises:
        OSError: there is no space for the copies.
    """
    headers = headers_of(descriptor)
    header = {"headers": headers, "blocks": list(blocks), "block_size": block_size}
    part = journal.with_name(journal.name + ".part")
    try:
        with part.open("wb") as file:
            file.write(json.dumps(header).encode() + b"\n")
            for block in blocks:
                file.write(os.pread(descriptor, block_size, HEADERS + block * block_size))
            file.flush()
            os.fsync(file.fileno())
        part.rename(journal)
    except OSError:
        part.unlink(missing_ok=True)
        raise
    return headers


def undo(journal: Path, path: Path) -> None:
    """Restore the kept blocks after an interrupted checkpoint, then remove the journal.

    DuckDB must not have the file open in this process.
    """
    if not journal.exists():
        return
    with suppress(FileNotFoundError), journal.open("rb") as kept:
        header = json.loads(kept.readline())
        descriptor = os.open(path, os.O_RDWR)
        try:
            if headers_of(descriptor) == header["headers"]:
                size = header["block_size"]
                for block in header["blocks"]:
                    was, at = kept.read(size), HEADERS + block * size
                    if os.pread(descriptor, size, at) != was:
                        _logger.warning("Block %s of %s was broken off in the middle; it is put back.", block, path)
                        os.pwrite(descriptor, was, at)
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
    journal.unlink()


def headers_of(descriptor: int) -> str:
    """A hash of the file's headers; a checkpoint changes it, last of all."""
    return hashlib.sha256(os.pread(descriptor, HEADERS, 0)).hexdigest()
