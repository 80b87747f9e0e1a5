"""What each step of a run took: wall by Dagster's events, CPU, memory and disk by the samples of its processes.

    python -m bench.steps

prints the steps of the newest run below `DAGSTER_HOME` with their begin and end, as JSON. Steps of a run follow one
another in one process, so what its tree takes meanwhile is the step's.
"""

import json
import subprocess
import sys
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
import numpy as np

from bench.side_by_side import MEGABYTE, Refused, Target
from bench.stage import REPOSITORY
from bench.tree import Sample

BETWEEN = "(outside the steps)"
"""Start of the process, plan, publishing and report."""

SHOWN = 0.01
"""A step with so much of the CPU or wall of its night is shown by itself."""

JUDGED = 0.02
"""A step with so much of the CPU of its night is held to the target: what is shorter is mostly start."""

SLOPE = 1.2
"""Target: how much more a cell may cost in the larger organisation."""

COLUMNS = ("step", "wall", "CPU", "most memory", "disk", "CPU a cell", "against the smaller")


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        wall: seconds; `cpu` seconds of CPU of the whole tree.
        peak: bytes of memory of the tree; `disk` bytes that the warehouse grew by.
    """

    name: str
    wall: float
    cpu: float
    peak: int
    disk: int


def times(environment: Mapping[str, str]) -> dict[str, tuple[float, float]]:
    """When each step of the newest run began and ended, in seconds since 1970 by the clock of that run.

    Raises:
        Refused: they could not be read.
    """
    said = subprocess.run(
        [sys.executable, "-m", "bench.steps"],
        env=dict(environment), cwd=REPOSITORY, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    if said.returncode != 0:
        raise Refused(f"Dagster's events of the run could not be read: {said.stderr[-500:]}")
    return {name: (began, ended) for name, began, ended in json.loads(said.stdout)}


def steps(samples: Sequence[Sample], found: Mapping[str, tuple[float, float]], ahead: float) -> list[Step]:
    """The steps of a run in their order, and what is left outside them.

    Args:
        ahead: seconds by which the clock of the run was ahead of that of the samples.
    """
    moments = [sample.at for sample in samples]
    cpu, disk = [sample.cpu for sample in samples], [sample.disk for sample in samples]

    def between(name: str, began: float, ended: float) -> Step:
        """What the tree took from one moment to another; between two samples it grows evenly."""
        during = samples[max(bisect_left(moments, began) - 1, 0) : bisect_left(moments, ended) + 1]
        return Step(
            name,
            ended - began,
            float(np.interp(ended, moments, cpu) - np.interp(began, moments, cpu)),
            max(sample.memory for sample in during),
            round(np.interp(ended, moments, disk) - np.interp(began, moments, disk)),
        )

    inside = [
        between(name, began - ahead, ended - ahead)
        for name, (began, ended) in sorted(found.items(), key=lambda step: step[1])
    ]
    whole = between(BETWEEN, moments[0], moments[-1])
    outside = Step(
        BETWEEN,
        whole.wall - sum(step.wall for step in inside),
        whole.cpu - sum(step.cpu for step in inside),
        whole.peak,
        whole.disk - sum(step.disk for step in inside),
    )
    return [*inside, outside]


def report(
    title: str, larger: Sequence[Step], cells: int, smaller: Sequence[Step], fewer: int
) -> tuple[list[list[str]], list[Target]]:
    """The rows of the steps of the larger organisation, and what they are held to.

    Args:
        title: of the night, for the targets.
        cells: of the larger organisation; `fewer` those of the smaller one.
    """
    wall, cpu = sum(step.wall for step in larger), sum(step.cpu for step in larger)
    known = {step.name: step for step in smaller}
    rows, held = [], []
    for step in sorted(larger, key=lambda step: -step.cpu):
        if step.cpu < SHOWN * cpu and step.wall < SHOWN * wall:
            continue
        before = known.get(step.name)
        ratio = (step.cpu / cells) / (before.cpu / fewer) if before is not None and before.cpu > 0 else None
        rows.append(
            [
                f"`{step.name}`", f"{step.wall:.1f} s", f"{step.cpu:.1f} s", f"{step.peak / MEGABYTE:.0f} MB",
                f"{step.disk / MEGABYTE:.0f} MB", f"{step.cpu / cells * 1e6:.0f} µs",
                "" if ratio is None else f"{ratio:.2f}",
            ]
        )  # fmt: skip
        if ratio is not None and step.cpu >= JUDGED * cpu:
            held.append(Target(f"CPU a cell of {step.name}, {title}", ratio, SLOPE, at_least=False))
    return rows, held


def main() -> int:
    """Print the steps of the newest run."""
    with dg.DagsterInstance.get() as instance:
        (record,) = instance.get_run_records(limit=1)
        found = instance.get_run_step_stats(record.dagster_run.run_id)
    print(json.dumps([[one.step_key, one.start_time, one.end_time] for one in found if one.end_time is not None]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
