"""What a worker returns of a part: one package with all that it landed, and a manifest that describes it.

The package is one gzip file with the lines of all landing files of the part, one file after the other. Totals are not
in the manifest: whoever takes the package in counts them from the cells.
"""

import gzip
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pipelines.collection.landing import CHUNK
from pipelines.collection.state import StepState
from resources.audit.cells import lines_of
from resources.contract import Role
from resources.identity_rules import Caller

COMPRESSION = 1
"""gzip's level: the network is fast, and the next one up takes twice the time."""

Kind = Literal["planned", "cells", "records"]


class WrongPackage(Exception):
    """A package does not hold what its manifest says. The message says what differs."""


@dataclass(frozen=True)
class Segment:
    """One landing file within the package: its length in bytes and number of lines."""

    listing: str
    kind: Kind
    byte_count: int
    line_count: int


@dataclass(frozen=True)
class Manifest:
    """What a worker returns of a part.

    Attributes:
        briefing: SHA-256 of the briefing that it answers.
        worker: host and process.
        began_at: when the part began, by the worker's clock, UTC.
        ended_at: when its last cell was judged.
        package: name of the package in the object store.
        package_digest: SHA-256 of the package, and so of every byte in it.
        recorded: the kinds of call in CloudTrail's events.
        kept: listing, role and account of which a response of an earlier run is kept.
        callers: the identity of each profile by STS.
    """

    briefing: str
    worker: str
    began_at: datetime
    ended_at: datetime
    package: str
    package_digest: str
    segments: tuple[Segment, ...]
    recorded: frozenset[str]
    kept: tuple[tuple[str, Role, str], ...]
    callers: tuple[Caller, ...]
    request_count: int
    throttle_count: int


# ----------------------------------------------------------------------------------------------- the worker


def pack(state: StepState, package: Path) -> tuple[Segment, ...]:
    """Write all landing files of a part into one package; returns what is in it.

    Raises:
        WrongPackage: a file is not as it was written. Nothing of the part may count.
    """
    segments = []
    with gzip.open(package, "wb", compresslevel=COMPRESSION) as packed:
        for listing in state.listings:
            writer = state.writer(listing)
            files: tuple[tuple[Kind, Path], ...] = (
                ("planned", writer.planned_part),
                ("cells", writer.cells_part),
                ("records", writer.records_part),
            )
            for kind, path in files:
                digest, lines, size = hashlib.sha256(), 0, 0
                with path.open("rb") as file:
                    while chunk := file.read(CHUNK):
                        packed.write(chunk)
                        if kind == "records":
                            digest.update(chunk)
                        lines += chunk.count(b"\n")
                        size += len(chunk)
                if kind == "records" and (lines, size, digest.hexdigest()) != writer.landed:
                    raise WrongPackage(f"the records of {listing.name} are not as they were written")
                if size:
                    segments.append(Segment(listing.name, kind, size, lines))
            for path, present, written in writer.changed():
                raise WrongPackage(f"of {written:,} bytes of {listing.name}, {present:,} are in {path.name}")
    return tuple(segments)


# ------------------------------------------------------------------------------------------ the coordinator


def take_in(state: StepState, manifest: Manifest, package: Path) -> None:
    """Append what a part has landed to the landing of the step, and count its cells.

    Raises:
        WrongPackage: it is not what the manifest says. Some of it may have been appended, so the step must end.
    """
    writers = {listing.name: state.writer(listing) for listing in state.listings}
    expected: Counter[str] = Counter()
    present: Counter[str] = Counter()
    with gzip.open(package, "rb") as packed:
        for segment in manifest.segments:
            writer = writers.get(segment.listing)
            if writer is None:
                raise WrongPackage(f"it holds {segment.listing}, which the step does not request")
            lines = _Lines(packed, segment)
            if segment.kind == "records":
                writer.take_chunks(lines, segment.line_count)
                writer.received += segment.line_count
                present[segment.listing] += segment.line_count
            elif segment.kind == "planned":
                writer.take_planned(b"".join(lines))
            else:
                text = b"".join(lines)
                expected[segment.listing] += _count(state, segment.listing, text)
                writer.take_cells(text)
            lines.require_whole()
        if packed.read(1):
            raise WrongPackage("it holds more than its manifest says")
    for listing, count in expected.items():
        # More may be there: a response that turned out to be another account's landed its records, and counts for none.
        if present[listing] < count:
            raise WrongPackage(f"it holds {present[listing]:,} of {count:,} records of {listing}")
    state.recorded |= manifest.recorded
    for listing, role, account in manifest.kept:
        state.kept_places[listing].add((role, account))
    state.client("workload").counter.add(manifest.request_count, manifest.throttle_count)


def _count(state: StepState, listing: str, text: bytes) -> int:
    """Count the cells of a part in the step's totals; returns the number of records that they have."""
    lines = lines_of(text)
    for line in lines:
        name, account = line["listing"].partition(":")[0], line["account_id"]
        if line["run_id"] != state.run_id or name != listing or account not in state.batch.accounts:
            raise WrongPackage(f"it holds a cell of {name} in {account} that is not of this part")
    state.stats[listing].take_lines(lines)
    return sum(line["record_count"] for line in lines if line["outcome"] == "found")


class _Lines:
    """The lines of one segment, in pieces."""

    def __init__(self, packed: gzip.GzipFile, segment: Segment) -> None:
        self._packed = packed
        self._segment = segment
        self._left = segment.byte_count
        self._lines = 0

    def __iter__(self) -> Iterator[bytes]:
        while self._left and (chunk := self._packed.read(min(CHUNK, self._left))):
            self._left -= len(chunk)
            self._lines += chunk.count(b"\n")
            yield chunk

    def require_whole(self) -> None:
        """Raise WrongPackage where the segment was another one."""
        segment = self._segment
        if self._left or self._lines != segment.line_count:
            raise WrongPackage(f"its {segment.kind} of {segment.listing} are not those of its manifest")
