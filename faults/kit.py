"""The parts of the kit."""

from pathlib import Path

from faults import crashes, versions
from faults.report import Part


def run(scratch: Path, deadline: float) -> list[Part]:
    """Every part."""
    return [
        Part(
            "crashes",
            "Crashes",
            "The store's process is killed with SIGKILL at seeded random moments, in transactions and in publishing, "
            "while another process reads.",
            crashes.run(scratch / "crashes", deadline),
        ),
        Part(
            "versions",
            "Versions of DuckDB",
            "A night of the simulated organisation is published; every table and view of the file is read with the "
            "oldest and the newest DuckDB that an analyst may have.",
            versions.run(scratch / "versions", deadline),
        ),
    ]
