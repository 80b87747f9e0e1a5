"""What was shown: one line a case on the terminal, and one result a case in a file that git ignores.

`make reliability` makes the page of the results (`faults.reliability`).
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

REPOSITORY = Path(__file__).resolve().parent.parent

RESULTS = REPOSITORY / ".ci" / "results" / "faults.json"
"""What each case showed when it was tried last, on this machine."""

PARTS = {
    "history": "Nothing: two truthful runs, between which the world moves on",
    "crashes": "The store's process is killed at seeded random moments while another reads",
    "gating": "A live Dagster with UI, daemon and command line starts every step on every state of the evidence",
    "nights": "Whole runs are killed at named points, or find a full disk",
    "clocks": "The clock is set back between two runs or during one, or passes midnight and daylight saving",
    "versions": "The published file is read by the oldest and the newest DuckDB",
    "lies": "AWS answers wrongly, refuses or breaks off, alone and in pairs",
    "held": "Promises that no whole run is broken for, by their tests",
}
"""The parts of the kit in the order of the page, and what each breaks."""

Key = tuple[str, str]
"""The part and the case."""

NEVER = ""
"""Before every date."""


@dataclass(frozen=True)
class Shown:
    """One case: what was done, what must come of it, and what came.

    Attributes:
        part: of the kit, such as `lies`.
        case: what was done, in a few words.
        expected: what must come of it.
        said: the sentence or the figures that were seen.
        failure: what differed from the expectation; empty where nothing did.
        skipped: why it could not be shown on this machine.
        seconds: of wall time.
    """

    part: str
    case: str
    expected: str
    said: str = ""
    failure: str = ""
    skipped: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether it came as expected, or could not be tried."""
        return not self.failure

    def line(self) -> str:
        """For the terminal."""
        mark = "✗" if self.failure else "–" if self.skipped else "✓"
        what = self.failure or self.skipped or self.said
        return f"{mark} {self.part}: {self.case} ({self.seconds:.1f} s). {self.expected}. {what}".rstrip()


@dataclass(frozen=True)
class Part:
    """A part of the kit, and what was shown.

    Attributes:
        cases: the names of all that it has, where they are known before they are run: the result of any other is gone.
    """

    name: str
    shown: Sequence[Shown]
    cases: Collection[str] | None = None


@dataclass(frozen=True)
class Result:
    """What a case showed when it was tried last.

    Attributes:
        outcome: `not tried` where this machine never could, or the time was up.
        said: the figures, the failure, or why it was not tried.
        date: in UTC, as `2026-11-25`.
        commit: with a + where something was not committed; empty where git knows none.
        versions: of Python and of the libraries that it ran with.
    """

    part: str
    case: str
    expected: str
    outcome: Literal["passed", "failed", "not tried"]
    said: str
    seconds: float
    date: str
    commit: str
    versions: str

    @property
    def line(self) -> str:
        """For the terminal, of a case that was not tried now."""
        mark = {"passed": "=", "failed": "✗", "not tried": "–"}[self.outcome]
        return f"{mark} {self.part}: {self.case} ({self.outcome} on {self.date}). {self.said}".rstrip()


def read(path: Path) -> dict[Key, Result]:
    """The results by part and case; none where there is no file."""
    if not path.exists():
        return {}
    found = [Result(**entry) for entry in json.loads(path.read_text(encoding="utf-8"))]
    return {(result.part, result.case): result for result in found}


def write(path: Path, results: Mapping[Key, Result]) -> None:
    """Write them whole: a run that is killed meanwhile leaves those of before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_suffix(".part")
    entries = [asdict(results[key]) for key in sorted(results)]
    half.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    half.replace(path)


def renewed(
    known: Mapping[Key, Result], parts: Iterable[Part], *, date: str, commit: str, versions: str
) -> dict[Key, Result]:
    """The results with what these parts showed in place of what the same cases had shown; cases that are gone leave."""
    results = dict(known)
    for part in parts:
        for shown in part.shown:
            key = (shown.part, shown.case)
            if not shown.skipped or key not in results:
                said = shown.failure or shown.skipped or shown.said
                results[key] = Result(
                    shown.part,
                    shown.case,
                    shown.expected,
                    "failed" if shown.failure else "not tried" if shown.skipped else "passed",
                    said,
                    round(shown.seconds, 1),
                    date,
                    commit,
                    versions,
                )
        if part.cases is not None:
            results = {key: result for key, result in results.items() if key[0] != part.name or key[1] in part.cases}
    return results


def kept(known: Mapping[Key, Result], parts: Iterable[Part]) -> list[str]:
    """A line for each case of these parts that was tried before and not now."""
    found = []
    for part in parts:
        tried = {case.case for case in part.shown if not case.skipped}
        for (name, case), result in known.items():
            is_there = part.cases is None or case in part.cases
            if name == part.name and is_there and case not in tried and result.outcome != "not tried":
                found.append(result.line)
    return found


def dates(known: Mapping[Key, Result]) -> dict[Key, str]:
    """When a case was last as expected; NEVER for the others."""
    return {key: result.date if result.outcome == "passed" else NEVER for key, result in known.items()}
