"""What it takes to start a command that people type.

    python -m bench.startup [FILE] [--rounds 9] [--write docs/performance.md]

FILE is a published file; the demo's where none is named. Each program runs once a round, in turn, beside a bare Python
and a bare `import duckdb`: on a busy machine the ratio to these tells more than the seconds do. Before it, `chrt -f 1`
takes the core from all others. Prints a table in Markdown, or writes it into a page. Targets are seconds on an idle
core; `tests/test_cli_sql.py` holds what keeps them: which modules are not loaded.
"""

import argparse
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from bench.side_by_side import pressure, write
from pipelines.settings import REPOSITORY

DEMO = REPOSITORY / "warehouse" / "demo" / "aws_org.duckdb"

BARE, ENGINE = "python -c pass", "python -c 'import duckdb'"
"""What the commands are compared with."""


MARKS = "<!-- startup:begin -->", "<!-- startup:end -->"


@dataclass(frozen=True)
class Program:
    """What is started; `target` are seconds on an idle core, None for what it is compared with."""

    name: str
    arguments: tuple[str, ...]
    target: float | None = None


@dataclass(frozen=True)
class Start:
    """One start: seconds by the clock, and of CPU."""

    wall: float
    cpu: float


def programs() -> tuple[Program, ...]:
    """What is measured."""
    command = str(Path(sys.executable).with_name("cmdb"))
    return (
        Program(BARE, (sys.executable, "-c", "pass")),
        Program(ENGINE, (sys.executable, "-c", "import duckdb")),
        Program("cmdb --help", (command, "--help"), 0.3),
        Program("cmdb sql 'select 1'", (command, "sql", "select 1"), 0.6),
        Program("cmdb coverage", (command, "coverage"), 0.8),
    )


def start(program: Program, database: Path) -> Start:
    """Run a program to its end.

    Raises:
        SystemExit: it failed.
    """
    environment = {**os.environ, "CMDB_DATABASE": str(database), "CMDB_SETTINGS": os.devnull}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(program.arguments, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{program.name} ended with {done.returncode}, so nothing was measured: {done.stderr.strip()}")
    return Start(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def table(starts: dict[str, list[Start]]) -> list[str]:
    """The medians as a table in Markdown, with the ratio of CPU to the two bare programs."""
    cpu = {name: statistics.median(each.cpu for each in runs) for name, runs in starts.items()}
    lines = [
        f"| | target, idle core | wall, min | median | CPU, median | × {BARE} | × {ENGINE} |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    for program in programs():
        walls = [each.wall for each in starts[program.name]]
        target = "" if program.target is None else f"{program.target} s"
        taken = cpu[program.name]
        lines.append(
            f"| {program.name} | {target} | {min(walls):.2f} s | {statistics.median(walls):.2f} s | {taken:.2f} s "
            f"| {taken / cpu[BARE]:.1f} | {taken / cpu[ENGINE]:.1f} |"
        )
    return lines


def asked(about: str | None, rounds: int) -> argparse.Namespace:
    """What was asked of a program that measures something of a published file.

    Args:
        about: what its help says.
        rounds: as many, unless others are asked for.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", type=Path, default=DEMO, help="a published file")
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument("--write", type=Path, help="page to put the table into, between its marks")
    arguments = parser.parse_args()
    if not arguments.file.exists():
        parser.error(f"{arguments.file} is not there; `make demo` makes the demo's.")
    return arguments


def main() -> int:
    """Measure and print."""
    arguments = asked(__doc__, 9)
    before = pressure()
    starts: dict[str, list[Start]] = {program.name: [] for program in programs()}
    # The first round reads from the disk what the others have in memory.
    for number in range(arguments.rounds + 1):
        for program in programs():
            begun = start(program, arguments.file)
            if number:
                starts[program.name].append(begun)
    is_ahead = sys.platform == "linux" and os.sched_getscheduler(0) != os.SCHED_OTHER
    ahead = ", ahead of all others on the machine (`chrt -f 1`)" if is_ahead else ""
    measured = (
        f"Measured by `python -m bench.startup`, {arguments.rounds} rounds, each program once a round in turn{ahead}. "
        f"Python {platform.python_version()}, duckdb {version('duckdb')}; {os.cpu_count()} cores."
    )
    loaded = f"CPU pressure before: {before}; after: {pressure()}."
    text = "\n".join([measured, "", loaded, "", *table(starts)])
    if arguments.write:
        write(arguments.write, text, *MARKS)
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
