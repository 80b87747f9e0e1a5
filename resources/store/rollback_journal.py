"""Keeps the blocks that DuckDB is about to write over, so that a checkpoint that is broken off can be taken back.

A checkpoint of DuckDB writes into free blocks, and last the header that names them: until then the file is what it was.
There is one exception. The blocks of its catalogue that have room left are written over where they stand, and a block
has one checksum: whoever is killed in the middle of that leaves a block that is neither, which the header still names,
and DuckDB refuses the file with all that was committed. So these blocks are copied before, and put back while the
header is the one that they belong to. Seen with DuckDB 2.0.1, in one of some hundred kills on a disk that is kept busy.
"""

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

HEADERS = 12_288
"""Bytes before the first block: DuckDB's own header, and two that take turns."""

_logger = logging.getLogger(__name__)


def keep(journal: Path, descriptor: int, blocks: Sequence[int], block_size: int) -> None:
    """Copy blocks of a file, on disk when this returns.

    Args:
        descriptor: of the file, opened before DuckDB opened it: to close another one takes its lock away.
        blocks: their ids.

    Raises:
        OSError: there is no room for them.
    """
    header = {"headers": _hash(descriptor), "blocks": list(blocks), "block_size": block_size}
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


def undo(journal: Path, path: Path) -> None:
    """Put the kept blocks back, where a checkpoint wrote over them and did not come to its end; then forget them.

    DuckDB must not have the file open in this process.
    """
    if not journal.exists():
        return
    with suppress(FileNotFoundError), journal.open("rb") as kept:
        header = json.loads(kept.readline())
        descriptor = os.open(path, os.O_RDWR)
        try:
            if _hash(descriptor) == header["headers"]:
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


def _hash(descriptor: int) -> str:
    return hashlib.sha256(os.pread(descriptor, HEADERS, 0)).hexdigest()
