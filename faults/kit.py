"""The parts of the kit."""

from collections.abc import Callable, Sequence
from pathlib import Path

from faults import broken_nights, crashes, history, versions
from faults.ground import grounded, shown
from faults.report import Part, Shown

Work = Callable[[Path, float], list[Shown]]
"""From a folder to work in and the moment (of `time.monotonic`) after which nothing new is begun."""


def _nights(scratch: Path, deadline: float) -> list[Shown]:
    with grounded(scratch) as ground:
        known: list[history.Known] = []

        def remember() -> str:
            known.append(history.remember(ground))
            return f"{len(known[0].tonight)} tables, {sum(len(rows) for _, rows in known[0].tonight.values()):,} rows."

        first = shown("nights", "two truthful nights", "both publish", remember)
        return [first, *(broken_nights.run(ground, known[0], deadline) if known else [])]


PARTS: dict[str, tuple[str, str, Work]] = {
    "crashes": (
        "Crashes",
        "The store's process is killed with SIGKILL at seeded random moments, in transactions and in publishing, "
        "while another process reads.",
        crashes.run,
    ),
    "nights": (
        "Broken nights",
        "Whole nights are killed or find no room, each on a copy of yesterday's warehouse. The world has moved on "
        "since, and what is published afterwards is compared row for row with that of a truthful night.",
        _nights,
    ),
    "versions": (
        "Versions of DuckDB",
        "A night of the simulated organisation is published; every table and view of the file is read with the "
        "oldest and the newest DuckDB that an analyst may have.",
        versions.run,
    ),
}
"""Title, what it shows, and the work, by name."""


def run(names: Sequence[str], scratch: Path, deadline: float) -> list[Part]:
    """Run the parts of these names."""
    return [
        Part(name, title, what, work(scratch / name, deadline))
        for name, (title, what, work) in PARTS.items()
        if name in names
    ]
