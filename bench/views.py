"""What the views of a published file take to be read whole.

    python -m bench.views [FILE] [--rounds 5] [--write docs/performance.md]

FILE is a published file; the demo's where none is named. Each view is read once a round, in turn, into a table that is
thrown away, beside the largest table of the same rows: on a busy machine the ratio to it tells more than the
milliseconds do. Prints a table in Markdown, or writes it into a page. Exits with 1 where a view misses the target on a
machine that nobody else uses by more than a tenth.
"""

import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from importlib.metadata import version

import duckdb

from bench.side_by_side import MISSED_BY, pressure, write
from bench.startup import asked

MARKS = "<!-- views:begin -->", "<!-- views:end -->"

BESIDE = "cost.daily"
"""The largest table that the views of the bill read."""

TARGET = 200.0
"""Milliseconds."""

SHOWN = 50.0
"""A view that takes so many milliseconds is shown by itself."""


def views_of(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The public views of a file."""
    rows = connection.execute(
        "select schema_name || '.' || view_name from duckdb_views() "
        "where not internal and schema_name not in ('stage', 'main') order by all"
    ).fetchall()
    return [name for (name,) in rows]


def read(connection: duckdb.DuckDBPyConnection, name: str) -> float:
    """Milliseconds that a view takes to be read whole."""
    began = time.perf_counter()
    connection.execute(f"create or replace temp table read as from {name}")
    return (time.perf_counter() - began) * 1000


def table(taken: Mapping[str, Sequence[float]]) -> list[str]:
    """The slow views in Markdown, the slowest first, and how many others there are."""
    medians = {name: statistics.median(each) for name, each in taken.items()}
    beside = medians[BESIDE]
    views = sorted((name for name in medians if name != BESIDE), key=lambda name: -medians[name])
    slow = [name for name in views if medians[name] >= SHOWN]
    return [
        f"| view | min | median | × {BESIDE} |",
        "| --- | --: | --: | --: |",
        *(
            f"| `{name}` | {min(taken[name]):.0f} ms | {medians[name]:.0f} ms | {medians[name] / beside:.1f} |"
            for name in [*slow, BESIDE]
        ),
        f"| {len(views) - len(slow)} others, each | | below {SHOWN:.0f} ms | |",
    ]


def main() -> int:
    """Measure and print."""
    arguments = asked(__doc__, 5)
    before = pressure()
    taken: dict[str, list[float]] = defaultdict(list)
    with duckdb.connect(str(arguments.file), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        # The first round reads from the disk what the others have in memory.
        for number in range(arguments.rounds + 1):
            for name in [BESIDE, *views_of(connection)]:
                milliseconds = read(connection, name)
                if number:
                    taken[name].append(milliseconds)
    measured = f"Measured by `python -m bench.views`, {arguments.rounds} rounds. duckdb {version('duckdb')}."
    text = "\n".join([measured, "", f"CPU pressure before: {before}; after: {pressure()}.", "", *table(taken)])
    if arguments.write:
        write(arguments.write, text, *MARKS)
    print(text)
    missed = [name for name, each in taken.items() if name != BESIDE and min(each) > TARGET * MISSED_BY]
    for name in missed:
        print(f"{name}: {min(taken[name]):.0f} ms at least, at most {TARGET:.0f}: missed", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
