"""The parts of the kit. What was shown longest ago is begun first, so that the deadline cuts off what is newest."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from faults import broken_nights, clocks, crashes, gating, held, lies, streams, versions
from faults.ground import load, shown
from faults.history import Case, against_the_world
from faults.report import NEVER, Key, Part, Shown
from faults.streams import Piece, Stream

Work = Callable[[Path, float], list[Shown]]
"""From a folder to work in and the moment (of `time.monotonic`) after which nothing new is begun."""

HISTORY = "history"

PARTS: dict[str, Work | Sequence[Case]] = {
    HISTORY: (),
    "crashes": crashes.run,
    "gating": gating.run,
    "nights": broken_nights.CASES,
    "clocks": clocks.CASES,
    "versions": versions.run,
    "lies": lies.CASES,
    "held": held.run,
}
"""The work by name (`report.PARTS` says what each is): a part is done whole, or case by case where it has cases."""


def run(
    names: Sequence[str], scratch: Path, deadline: float, dates: Mapping[Key, str], *, holding: str = ""
) -> list[Part]:
    """Run the parts of these names.

    Args:
        dates: when a case was last as expected (`report.dates`).
        holding: only the cases whose name holds this.
    """
    chosen = _chosen(names)
    if HISTORY in chosen:
        load()
    todo = pieces(names, scratch, dates, holding=holding)
    found = streams.run(todo, scratch, deadline)
    parts = []
    for name, work in chosen.items():
        came = [
            _without(scratch, case)
            for piece, cases in zip(todo, found, strict=True)
            if piece.skipped.part == name
            for case in cases
        ]
        parts.append(Part(name, came, _names(name, work, came)))
    return parts


def _names(name: str, work: Work | Sequence[Case], came: Sequence[Shown]) -> list[str] | None:
    """All cases of a part. What one that is done whole has is known once it has gone through."""
    if not callable(work):
        return None if name == HISTORY else [case.name for case in work]
    is_through = all(case.passed and not case.skipped for case in came)
    return [case.case for case in came] if is_through else None


def _without(scratch: Path, case: Shown) -> Shown:
    """A case without the name of the folder that it was tried in, which nobody else has."""
    return replace(case, said=case.said.replace(str(scratch), "…"), failure=case.failure.replace(str(scratch), "…"))


def _chosen(names: Sequence[str]) -> dict[str, Work | Sequence[Case]]:
    chosen = {name: PARTS[name] for name in PARTS if name in names}
    if any(not callable(work) for work in chosen.values()):
        return {HISTORY: PARTS[HISTORY], **chosen}
    return chosen


def pieces(names: Sequence[str], scratch: Path, dates: Mapping[Key, str], *, holding: str = "") -> list[Piece]:
    """What there is to do for the parts of these names, in its order; as for `run`."""
    found = [piece for name, work in _chosen(names).items() for piece in _pieces(name, work, scratch, holding)]
    found.sort(key=lambda piece: _since(piece, dates))
    # While one stream makes the two nights, the other does what needs none.
    whole = next((place for place, piece in enumerate(found) if callable(PARTS[piece.skipped.part])), 0)
    if whole:
        found.insert(1, found.pop(whole))
    return found


def _since(piece: Piece, dates: Mapping[Key, str]) -> str:
    """When it was shown; of a part that is done whole, what of it was shown longest ago."""
    name = piece.skipped.part
    if callable(PARTS[name]):
        return min((date for (part, _), date in dates.items() if part == name), default=NEVER)
    return NEVER if name == HISTORY else dates.get((name, piece.skipped.case), NEVER)


def _pieces(name: str, work: Work | Sequence[Case], scratch: Path, holding: str) -> list[Piece]:
    late = "the time was up"
    if name == HISTORY:
        return [Piece(_remember, Shown(name, "two truthful nights", "both publish what is true", skipped=late))]
    if callable(work):
        whole = Shown(name, "the whole part", "see the part", skipped=late)
        return [Piece(lambda stream: work(scratch / name, stream.deadline), whole)]
    return [
        Piece(functools.partial(_one, name, case), Shown(name, case.name, case.expected, skipped=late))
        for case in work
        if holding in case.name
    ]


def _remember(stream: Stream) -> list[Shown]:
    def nights() -> str:
        known = stream.begin_with_nights()
        return against_the_world(known.tonight, stream.stand()[0].simulator)

    return [shown(HISTORY, "two truthful nights", "both publish what is true", nights)]


def _one(name: str, case: Case, stream: Stream) -> list[Shown]:
    return [shown(name, case.name, case.expected, lambda: case.work(*stream.stand()))]
