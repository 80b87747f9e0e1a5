"""`make bench`: the product and others on the same work, side by side, and the verdict.

    python -m bench.side_by_side [--rounds 3] [--write docs/performance.md]

It refuses to report unless all found the same resources by type and nobody failed. It exits with 1 and names what was
missed when a target is missed by more than a tenth, with 2 when nothing could be measured.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

import psutil

from bench import certificate, tree
from bench.canned import LISTINGS, World
from bench.stage import REPOSITORY, Stage, custodian_counts, staged, write_custodian
from bench.work import BASE_PROFILE, Result
from resources.aws.workers import SHARE

CUSTODIAN = REPOSITORY / ".venv-custodian" / "bin" / "c7n-org"

SMALL_REGIONS = ["us-east-1", "eu-west-1"]
LARGE_REGIONS = ["us-east-1", "eu-west-1", "us-west-2", "ap-southeast-2"]
LATENCY = 0.080
THREADS = 64

MISSED_BY = 1.1
"""A target that is missed by more than a tenth fails the command."""

MARK_BEGIN, MARK_END = "<!-- bench:begin -->", "<!-- bench:end -->"

MEGABYTE = 1 << 20


class Refused(Exception):
    """There is nothing to report. The message says why."""


@dataclass(frozen=True)
class Peer:
    """One way of doing the work.

    Attributes:
        command: given the stage, what to run.
        counts: given what it printed, what it found by type and how often it failed; None where it says neither.
    """

    name: str
    command: Callable[[Stage], list[str]]
    counts: Callable[[Stage, tree.Ran], Result] | None
    environment: Mapping[str, str] = field(default_factory=dict)
    concurrency: int = THREADS


@dataclass(frozen=True)
class Reading:
    """One run of a peer."""

    ran: tree.Ran
    requests: int
    connections: int

    @property
    def cpu_per_request(self) -> float:
        """Seconds."""
        return self.ran.cpu / self.requests


@dataclass(frozen=True)
class Contest:
    """The rounds of one size of organisation: readings by peer."""

    title: str
    accounts: int
    regions: int
    readings: Mapping[str, list[Reading]]
    concurrency: Mapping[str, int]
    counts: Mapping[str, int]

    def best(self, peer: str, value: Callable[[Reading], float]) -> float:
        """The least of all rounds: what other load on the machine adds is no property of the peer."""
        return min(value(reading) for reading in self.readings[peer])

    def latency_limit(self, peer: str) -> float:
        """Seconds that waiting for answers takes at the least."""
        return self.readings[peer][0].requests * LATENCY / self.concurrency[peer]

    def limit(self, peer: str) -> float:
        """The larger limit: waiting for answers, or the CPU over all cores."""
        return max(self.latency_limit(peer), self.best(peer, _cpu) / (os.cpu_count() or 1))


def _wall(reading: Reading) -> float:
    return reading.ran.wall


def _cpu(reading: Reading) -> float:
    return reading.ran.cpu


def _peak(reading: Reading) -> float:
    return reading.ran.peak


def _printed(stage: Stage, ran: tree.Ran) -> Result:
    return Result.read(ran.said)


def _python(module: str, *more: str) -> Callable[[Stage], list[str]]:
    return lambda stage: [sys.executable, "-m", module, str(stage.work()), *more]


def _custodian(stage: Stage) -> list[str]:
    accounts, policies = write_custodian(stage.folder, stage.accounts, stage.regions)
    shutil.rmtree(stage.folder / "custodian", ignore_errors=True)
    regions = [word for region in stage.regions for word in ("--region", region)]
    output = str(stage.folder / "custodian")
    return [
        str(CUSTODIAN), "run", "--config", str(accounts), "--use", str(policies), "--output-dir", output,
        "--cache-period", "0", *regions,
    ]  # fmt: skip


def _custodian_found(stage: Stage, ran: tree.Ran) -> Result:
    trouble = re.findall(r"Exception running policy|Error running policy|Access denied", ran.complained)
    return Result(custodian_counts(stage.folder / "custodian"), len(trouble), {})


OURS = Peer("ours", _python("bench.ours"), _printed)
TWO = Peer(
    "ours, two processes", _python("bench.ours"), _printed, {"CMDB_PROCESSES": "2"}, concurrency=(1 + SHARE) * THREADS
)
CUSTODIAN_ORG = Peer(
    "c7n-org",
    _custodian,
    _custodian_found,
    {"AWS_PROFILE": BASE_PROFILE},
    concurrency=4 * (os.cpu_count() or 1),
)
PLAIN = Peer("plain boto3", _python("bench.plain_boto3"), _printed)
RAW = Peer("raw HTTP", lambda stage: [*_python("bench.raw_loop")(stage), str(stage.certificate)], _printed)
NIGHT = Peer("whole night", lambda stage: [sys.executable, "-m", "pipelines.cli.main", "nightly"], None)


def measure(
    peer: Peer, stage: Stage, timeout: float = 900.0, is_first: bool = True, watched: Path | None = None
) -> tuple[Reading, Result | None]:
    """Run one peer once.

    Args:
        timeout: seconds.
        is_first: whether it finds nothing of an earlier run.
        watched: a folder whose size the samples have.

    Raises:
        Refused: it failed.
        TimeoutError: it took longer; it was killed.
    """
    for left in ("warehouse", "dagster") if is_first else ():
        shutil.rmtree(stage.folder / left, ignore_errors=True)
    command = peer.command(stage)
    stage.reset()
    ran = tree.run(command, {**stage.environment, **peer.environment}, stage.folder, timeout, watched)
    counted = stage.counters()
    if ran.code != 0:
        raise Refused(f"{peer.name} ended with {ran.code}: {ran.said[-300:]} {ran.complained[-1500:]}")
    result = None if peer.counts is None else peer.counts(stage, ran)
    if result is not None and result.errors:
        raise Refused(f"{peer.name} had {result.errors} errors: {ran.complained[-1500:]}")
    return Reading(ran, counted["requests"], counted["connections"]), result


def contest(title: str, peers: Sequence[Peer], stage: Stage, rounds: int) -> Contest:
    """Every peer once a round, in turn, so that what else the machine does falls on all of them.

    Raises:
        Refused: they did not find the same, or not what is there.
    """
    world = World()
    there = {listing.name: world.count(listing, stage.accounts, stage.regions) for listing in LISTINGS}
    there = dict(sorted(there.items()))
    readings: dict[str, list[Reading]] = defaultdict(list)
    for number in range(rounds):
        for peer in peers:
            reading, result = measure(peer, stage)
            if result is not None and dict(result.counts) != there:
                wrong = {name: (result.counts.get(name), there[name]) for name in there}
                wrong = {name: pair for name, pair in wrong.items() if pair[0] != pair[1]}
                raise Refused(f"{peer.name} did not find what is there (found, there): {wrong}.")
            readings[peer.name].append(reading)
            _say(f"{title}, round {number + 1}: {peer.name} {reading.ran.wall:.1f} s, {reading.ran.cpu:.1f} s CPU")
    concurrency = {peer.name: peer.concurrency for peer in peers}
    return Contest(title, len(stage.accounts), len(stage.regions), dict(readings), concurrency, there)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Target:
    """One row of what is to be reached; `reached` and `target` in the same unit."""

    measure: str
    reached: float
    target: float
    at_least: bool

    @property
    def missed(self) -> bool:
        """By more than a tenth."""
        if self.at_least:
            return self.reached * MISSED_BY < self.target
        return self.reached > self.target * MISSED_BY

    @property
    def met(self) -> bool:
        """Fully."""
        return self.reached >= self.target if self.at_least else self.reached <= self.target


def targets(small: Contest, large: Contest) -> list[Target]:
    """The rows that decide."""

    def ratio(run: Contest, peer: str, value: Callable[[Reading], float]) -> float:
        return run.best(peer, value) / run.best("ours", value)

    return [
        Target("collection wall against c7n-org, 40 × 2", ratio(small, "c7n-org", _wall), 9, at_least=True),
        Target("CPU of the tree against c7n-org", ratio(small, "c7n-org", _cpu), 12, at_least=True),
        Target("memory of the tree against c7n-org", ratio(small, "c7n-org", _peak), 7, at_least=True),
        Target(
            "64 threads, 200 × 4: wall against the latency limit",
            large.best("ours", _wall) / large.latency_limit("ours"),
            1.5,
            at_least=False,
        ),
        Target("against raw HTTP at the same concurrency", 1 / ratio(large, "raw HTTP", _wall), 1.25, at_least=False),
        Target(
            "two processes: wall against the larger limit",
            large.best(TWO.name, _wall) / large.limit(TWO.name),
            1.75,
            at_least=False,
        ),
        Target(
            "CPU a call in that mix against the raw loop's",
            large.best("ours", lambda r: r.cpu_per_request) / large.best("raw HTTP", lambda r: r.cpu_per_request),
            1.5,
            at_least=False,
        ),
    ]


# -------------------------------------------------------------------------------------------- telling


def table(run: Contest) -> str:
    """Every figure of a contest, in Markdown."""
    lines = [
        f"### {run.title}",
        "",
        f"{run.accounts} accounts × {run.regions} regions, {LATENCY * 1000:.0f} ms an answer; "
        f"{sum(run.counts.values()):,} resources of {len(run.counts)} types, found alike by all.",
        "",
        "| | wall, min | median | CPU of the tree, min | median | peak memory | requests | connections "
        "| CPU a request | limit |",
        "| --- | --: | --: | --: | --: | --: | --: | --: | --: | --: |",
    ]
    for name, readings in run.readings.items():
        walls = [_wall(reading) for reading in readings]
        cpus = [_cpu(reading) for reading in readings]
        lines.append(
            f"| {name} | {min(walls):.1f} s | {statistics.median(walls):.1f} s | {min(cpus):.1f} s "
            f"| {statistics.median(cpus):.1f} s | {max(_peak(r) for r in readings) / MEGABYTE:.0f} MB "
            f"| {readings[0].requests:,} | {readings[0].connections:,} "
            f"| {min(r.cpu_per_request for r in readings) * 1000:.2f} ms | {run.limit(name):.1f} s |"
        )
    return "\n".join(lines)


def verdict_table(rows: Iterable[Target]) -> str:
    """What was to be reached, and what was."""
    lines = ["| measure | target | reached | |", "| --- | --: | --: | --- |"]
    for row in rows:
        sign = "≥" if row.at_least else "≤"
        word = "met" if row.met else "missed" if row.missed else "missed by less than a tenth"
        lines.append(f"| {row.measure} | {sign} {row.target:g} | {row.reached:.2f} | {word} |")
    return "\n".join(lines)


def pressure() -> str:
    """How much others load the machine: the share of time in which something waited for a CPU."""
    file = Path("/proc/pressure/cpu")
    if not file.exists():
        return "not known here"
    found = re.match(r"some avg10=([\d.]+) avg60=([\d.]+)", file.read_text())
    return f"{found[1]} % of the last 10 s, {found[2]} % of the last minute" if found else "not known here"


def versions() -> str:
    """What was measured, and on what."""
    said = subprocess.run([CUSTODIAN.parent / "pip", "freeze"], capture_output=True, text=True, check=True).stdout
    theirs = dict(line.split("==") for line in said.splitlines() if "==" in line)
    ours = [f"{name} {version(name)}" for name in ("boto3", "urllib3", "duckdb", "dagster")]
    memory = psutil.virtual_memory().total / (1 << 30)
    return (
        f"Python {sys.version.split()[0]}, {', '.join(ours)}; c7n-org {theirs['c7n_org']}, c7n {theirs['c7n']}, "
        f"boto3 {theirs['boto3']} for Cloud Custodian; {os.cpu_count()} cores, {memory:.0f} GB."
    )


def report(runs: Sequence[Contest], rows: Sequence[Target], before: str, rounds: int) -> str:
    """All of it, in Markdown."""
    return "\n\n".join(
        [
            f"Measured by `make bench`, {rounds} rounds, each program once a round in turn. {versions()}",
            f"CPU pressure before: {before}; after: {pressure()}.",
            verdict_table(rows),
            *(table(run) for run in runs),
        ]
    )


def write(path: Path, text: str, begin: str = MARK_BEGIN, end: str = MARK_END) -> None:
    """Put the report between the marks of a page."""
    page = path.read_text()
    head, rest = page.split(begin)
    _, tail = rest.split(end)
    path.write_text(f"{head}{begin}\n\n{text}\n\n{end}{tail}")


def main(arguments: list[str] | None = None) -> int:
    """Measure, tell, judge."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=3, help="three or more, for figures that are written down")
    parser.add_argument("--write", type=Path, help="page to put the report into, between its marks")
    asked = parser.parse_args(arguments)
    if not CUSTODIAN.exists():
        print(f"{CUSTODIAN} is missing, so nothing was measured. `make bench` installs it.", file=sys.stderr)
        return 2
    before = pressure()
    try:
        with tempfile.TemporaryDirectory(prefix="cmdb-bench-") as name:
            folder = Path(name)
            pair = certificate.make(folder)
            with staged(folder / "small", pair, 40, SMALL_REGIONS, LATENCY) as stage:
                small = contest("Collection, small", [OURS, CUSTODIAN_ORG, PLAIN, RAW], stage, asked.rounds)
                night = contest("Whole night, small", [NIGHT], stage, asked.rounds)
            with staged(folder / "large", pair, 200, LARGE_REGIONS, LATENCY) as stage:
                large = contest("Collection, large", [OURS, TWO, RAW], stage, asked.rounds)
    except (Refused, TimeoutError) as error:
        print(f"Nothing is reported. {error}", file=sys.stderr)
        return 2
    rows = targets(small, large)
    said = report([small, large, night], rows, before, asked.rounds)
    print(said)
    if asked.write is not None:
        write(asked.write, said)
    missed = [row for row in rows if row.missed]
    for row in missed:
        sign = "at least" if row.at_least else "at most"
        print(f"Missed: {row.measure}: {row.reached:.2f} instead of {sign} {row.target:g}.", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
