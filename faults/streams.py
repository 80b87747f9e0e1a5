"""Two streams of work side by side, one a core: each takes the next piece as soon as it is free.

A stream is a process with a ground of its own. What it has shown lies in a file as soon as it has, so that a stream
that dies takes only the piece with it that it was at.
"""

import contextlib
import functools
import os
import pickle
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faults.ground import Child, Ground, NotHere, begin, grounded
from faults.history import Known, move_on, remember
from faults.report import Shown

STREAMS = 2

GRACE = 90.0
"""Seconds after the deadline in which what was begun may end; what has not is killed, and counts as not tried."""

REGIONS = ("us-east-1", "ap-southeast-2")
"""Of the organisation: two, so that one can be lied about and the other not, in nights as short as can be."""


@dataclass
class Stream:
    """What a piece works with.

    Attributes:
        scratch: a folder of this stream alone.
        shared: a folder of all streams.
        deadline: the moment (of `time.monotonic`) after which nothing new is begun.
    """

    scratch: Path
    shared: Path
    deadline: float
    ground: Ground | None = None
    known: Known | None = None
    ends: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def begin_with_nights(self) -> Known:
        """Run the two truthful nights, for this stream and all others."""
        found = self.shared / "known"
        try:
            self.ground = self.ends.enter_context(grounded(self.scratch, regions=REGIONS))
            self.known = remember(self.ground)
            _keep(found, self.known)
        finally:
            if not found.exists():
                _keep(found, None)
        return self.known

    def stand(self) -> tuple[Ground, Known]:
        """The ground of this stream, where the organisation is as it is tonight, and what the two nights published.

        Raises:
            NotHere: there are no two nights.
        """
        if self.ground is None or self.known is None:
            found = self.shared / "known"
            while not found.exists() and time.monotonic() < self.deadline:
                time.sleep(0.1)
            self.known = pickle.loads(found.read_bytes()) if found.exists() else None  # another stream wrote it
            if self.known is None:
                raise NotHere("there are no two truthful nights to compare with")
            self.ground = self.ends.enter_context(grounded(self.scratch, regions=REGIONS))
            move_on(self.ground.simulator)
        return self.ground, self.known


@dataclass(frozen=True)
class Piece:
    """What one stream does in one go: a case, or a part that is not divided.

    Attributes:
        skipped: what is said of it where it is not begun.
    """

    work: Callable[[Stream], list[Shown]]
    skipped: Shown


def run(pieces: Sequence[Piece], scratch: Path, deadline: float, grace: float = GRACE) -> list[list[Shown]]:
    """Do every piece, in this order as far as two streams can; what each of them has shown, in the same order."""
    shared = scratch / "shared"
    shared.mkdir(parents=True)
    take, give = os.pipe()
    os.write(give, b"".join(number.to_bytes(2, "big") for number in range(len(pieces))))
    os.close(give)
    streams = [
        begin(
            functools.partial(_work, take, pieces, Stream(scratch / f"stream-{number}", shared, deadline)),
            scratch,
            aloud=True,
        )
        for number in range(min(STREAMS, len(pieces)))
    ]
    os.close(take)
    late = _waited_for(streams, deadline + grace)
    return [_shown(shared / str(number), piece, late=late) for number, piece in enumerate(pieces)]


def _waited_for(streams: Sequence[Child], end: float) -> bool:
    """Whether some had to be killed, with all that they had started, because they had not ended at that moment."""
    while not all(stream.ended() for stream in streams) and time.monotonic() < end:
        time.sleep(0.05)
    late = [stream for stream in streams if not stream.ended()]
    for stream in late:
        stream.kill_all()
    for stream in streams:
        stream.wait()
    return bool(late)


def _work(take: int, pieces: Sequence[Piece], stream: Stream) -> None:
    with stream.ends:
        while number := os.read(take, 2):
            piece = pieces[int.from_bytes(number, "big")]
            late = time.monotonic() > stream.deadline
            found = [piece.skipped] if late else piece.work(stream)
            _keep(stream.shared / str(int.from_bytes(number, "big")), found)


def _keep(path: Path, value: object) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(pickle.dumps(value))
    part.rename(path)


def _shown(path: Path, piece: Piece, *, late: bool) -> list[Shown]:
    if path.exists():
        found: list[Shown] = pickle.loads(path.read_bytes())  # a stream of ours wrote it
        return found
    lost = piece.skipped
    if late:
        return [lost]
    return [Shown(lost.part, lost.case, lost.expected, failure="its stream ended without a word of it")]
