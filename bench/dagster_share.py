"""What Dagster takes of a night of the demo, in process: all that is not inside the body of a step.

    python -m bench.dagster_share FIGURES.json

runs `cmdb nightly` in this process and writes what it took. Counted as Dagster's is everything from the start of the
process to its end but the bodies of the steps: Python and imports, definitions, the plan, events, and what the command
says at the end. So it is never less than Dagster's share.
"""

import inspect
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import Any

import psutil

from bench.side_by_side import Refused, Target
from bench.stage import REPOSITORY

COLUMNS = (
    "night", "steps", "wall", "CPU", "in steps", "CPU in steps", "Dagster's share", "CPU of it", "start and imports",
    "definitions", "run", "end",
)  # fmt: skip

LIMIT = 7.0
"""Seconds of a night that Dagster may take."""


@dataclass(frozen=True)
class Share:
    """What one night took, in seconds.

    Attributes:
        cpu: of the whole tree; `bodies_cpu` of what ran while a body did.
        bodies: inside the bodies of the steps.
        start: from the start of the process until definitions were wanted.
        definitions: reading SQL files, making assets and the job.
        run: the run without the bodies: plan, resources, events.
        end: what the command said, and the end of the process.
        steps: how many bodies were entered.
    """

    wall: float
    cpu: float
    bodies: float
    bodies_cpu: float
    start: float
    definitions: float
    run: float
    end: float
    steps: int

    @property
    def dagster(self) -> float:
        """Everything outside the bodies."""
        return self.wall - self.bodies

    @property
    def dagster_cpu(self) -> float:
        """Its CPU, which other load on the machine disturbs less."""
        return self.cpu - self.bodies_cpu


@dataclass
class Clock:
    """Adds up what the parts of this process take.

    Attributes:
        spent: seconds by part; `cpu` those of CPU, of ended child processes too.
        began: when each part was entered first, by `time.time()`.
    """

    spent: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    began: dict[str, float] = field(default_factory=dict)
    entered: int = 0

    @contextmanager
    def within(self, part: str) -> Iterator[None]:
        """Around a piece of a part."""
        self.began.setdefault(part, time.time())
        since, spent = time.perf_counter(), sum(os.times()[:4])
        try:
            yield
        finally:
            self.spent[part] = self.spent.get(part, 0.0) + time.perf_counter() - since
            self.cpu[part] = self.cpu.get(part, 0.0) + sum(os.times()[:4]) - spent

    def around(self, part: str, work: Callable[..., Any]) -> Callable[..., Any]:
        """A function that counts as a part."""

        @wraps(work)
        def timed(*given: Any, **named: Any) -> Any:
            with self.within(part):
                return work(*given, **named)

        return timed

    def bodies(self, decorator: Callable[..., Any]) -> Callable[..., Any]:
        """Dagster's decorator of steps, so that it counts what happens inside them."""
        return lambda *given, **named: lambda body: decorator(*given, **named)(self._counted(body))

    def _counted(self, body: Callable[..., Any]) -> Callable[..., Any]:
        if not inspect.isgeneratorfunction(body):
            return self.around("bodies", body)

        @wraps(body)
        def counted(*given: Any, **named: Any) -> Iterator[Any]:
            self.entered += 1
            results = body(*given, **named)
            while True:
                # What Dagster does with a result is its own.
                with self.within("bodies"):
                    result = next(results, self)
                if result is self:
                    return
                yield result

        return counted


def measure() -> tuple[int, dict[str, float]]:
    """Run `cmdb nightly` here; returns its exit code, and what it took but for the end of the process."""
    clock = Clock()
    import dagster as dg

    for name in ("asset", "multi_asset"):
        setattr(dg, name, clock.bodies(getattr(dg, name)))
    from pipelines import definitions
    from pipelines.cli import run
    from pipelines.cli.main import main

    for part, owner, name in (
        ("definitions", definitions, "build_defs"),
        ("definitions", dg.Definitions, "resolve_job_def"),
        ("night", run, "run_nightly"),
    ):
        setattr(owner, name, clock.around(part, getattr(owner, name)))
    code = main(["nightly", "--json"], standalone_mode=False) or 0
    started = psutil.Process().create_time()
    return code, {
        "bodies": clock.spent["bodies"],
        "bodies_cpu": clock.cpu["bodies"],
        "start": clock.began["night"] - started,
        "definitions": clock.spent["definitions"],
        "run": clock.spent["night"] - clock.spent["definitions"] - clock.spent["bodies"],
        "steps": clock.entered,
    }


def night(folder: Path, environment: dict[str, str]) -> Share:
    """One night in a process of its own, in a warehouse of its own below a folder.

    Raises:
        Refused: it was not published.
    """
    figures = folder / "figures.json"
    own = environment | {"CMDB_DATABASE": str(folder / "aws_org.duckdb"), "DAGSTER_HOME": str(folder / "dagster")}
    began = time.monotonic()
    child = subprocess.Popen(
        [sys.executable, "-m", "bench.dagster_share", str(figures)],
        env=own, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert child.stderr is not None, "it is a pipe"
    complained = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    wall = time.monotonic() - began
    if child.returncode != 0:
        raise Refused(f"A night of the demo ended with {child.returncode}: {complained[-1500:]}")
    took = json.loads(figures.read_text())
    end = wall - sum(took[part] for part in ("bodies", "start", "definitions", "run"))
    return Share(wall=wall, cpu=usage.ru_utime + usage.ru_stime, end=end, **took)


def nights(count: int) -> list[Share]:
    """First nights on one simulated organisation, each in a warehouse of its own.

    Raises:
        Refused: one was not published.
    """
    from pipelines.cli.simulation import simulated

    with tempfile.TemporaryDirectory(prefix="cmdb-share-") as name, simulated(os.environ) as (_, environment):
        found = []
        for number in range(count):
            folder = Path(name, str(number))
            folder.mkdir()
            found.append(night(folder, environment))
        return found


def report(found: list[Share]) -> tuple[list[list[str]], list[Target]]:
    """The rows of the table, and what they are held to: the least, since other load makes all of them longer."""
    rows = [
        [
            str(number), str(one.steps), f"{one.wall:.1f} s", f"{one.cpu:.1f} s", f"{one.bodies:.1f} s",
            f"{one.bodies_cpu:.1f} s", f"{one.dagster:.1f} s", f"{one.dagster_cpu:.1f} s",
            *(f"{part:.1f} s" for part in (one.start, one.definitions, one.run, one.end)),
        ]
        for number, one in enumerate(found, 1)
    ]  # fmt: skip
    least = min(one.dagster for one in found)
    return rows, [Target("s of a night of the demo that are Dagster's", least, LIMIT, at_least=False)]


if __name__ == "__main__":
    ended, spent = measure()
    Path(sys.argv[1]).write_text(json.dumps(spent))
    sys.exit(ended)
