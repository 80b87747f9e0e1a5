"""The collection with workers on other machines beside the collection by one process, on the stub.

    python -m bench.remote [--accounts 320] [--regions 4] [--workers 4] [--latency-ms 700] [--part-cells N]

Queue and object store are those that CMDB_BROKER_URL, CMDB_OBJECTS_URL and CMDB_WORKER_KEY name. All workers are
on this machine, so only what waits shows what they gain: the default latency is that of far regions. What limits them
is printed too: requests that wait in so many threads, and what all processes here compute on so many cores.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench import certificate, tree
from bench.canned import LISTINGS
from bench.scale import REGIONS
from bench.side_by_side import Refused
from bench.stage import REPOSITORY, Stage, staged
from bench.work import Result

READY_SECONDS = 120.0

THREADS = 64
"""That send requests, in one process."""


@contextmanager
def workers(stage: Stage, count: int, settings: Mapping[str, str]) -> Iterator[list[int]]:
    """Start so many workers, each in a folder of its own, and end them; gives their process ids."""
    running = []
    try:
        for number in range(count):
            place = stage.folder / f"worker-{number}"
            place.mkdir()
            with (place / "log").open("wb") as log:
                running.append(
                    subprocess.Popen(
                        [sys.executable, "-m", "pipelines.cli.main", "worker"],
                        env={**stage.environment, **settings, "TMPDIR": str(place)},
                        cwd=REPOSITORY,
                        stdin=subprocess.DEVNULL,
                        stdout=log,
                        stderr=log,
                        start_new_session=True,
                    )
                )
        until = time.monotonic() + READY_SECONDS
        for number in range(count):
            log_file = stage.folder / f"worker-{number}" / "log"
            while " ready." not in log_file.read_text(errors="replace"):
                if time.monotonic() > until:
                    raise Refused(f"Worker {number} does not start: {log_file.read_text(errors='replace')[-800:]}")
                time.sleep(0.2)
        yield [worker.pid for worker in running]
    finally:
        for worker in running:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


@dataclass(frozen=True)
class Collected:
    """One collection from nothing.

    Attributes:
        shared, shared_cpu: seconds of wall and CPU of the step that workers share, which has nearly all cells.
        others_cpu: seconds of CPU of the workers and of the stub.
    """

    ran: tree.Ran
    found: dict[str, int]
    cells: int
    requests: int
    shared: float
    shared_cpu: float
    others_cpu: float


def computed_by(pids: list[int]) -> float:
    """Seconds of CPU of these processes and what they have started so far."""
    seconds = 0.0
    for pid in pids:
        with suppress(psutil.Error):
            whole = psutil.Process(pid)
            seconds += sum(sum(one.cpu_times()[:2]) for one in [whole, *whole.children(recursive=True)])
    return seconds


def collected(stage: Stage, settings: Mapping[str, str], workers: list[int]) -> Collected:
    """Collect once from nothing.

    Raises:
        Refused: it failed.
    """
    for left in (stage.folder / "warehouse").glob("**/*"):
        if left.is_file():
            left.unlink()
    stage.reset()
    before = computed_by(workers) + stage.counters()["cpu_seconds"]
    ran = tree.run(
        [sys.executable, "-m", "bench.ours", str(stage.work())], {**stage.environment, **settings}, stage.folder
    )
    if ran.code != 0:
        raise Refused(f"It ended with {ran.code}: {ran.complained[-1500:]}")
    counters = stage.counters()
    result = Result.read(ran.said)
    if result.errors:
        raise Refused(f"There were {result.errors} errors.")
    noted = json.loads(ran.complained.strip().rpartition("\n")[2])
    step = max(result.seconds, key=lambda name: result.seconds[name])
    return Collected(
        ran,
        dict(result.counts),
        int(noted["cells"]),
        int(counters["requests"]),
        result.seconds[step],
        noted["cpu"][step],
        computed_by(workers) + counters["cpu_seconds"] - before,
    )


def report(alone: Collected, shared: Collected, latency: float, workers: int, remote_cells: int) -> list[str]:
    """Both beside each other, and what limits the workers.

    Args:
        latency: of a request, in seconds.
        remote_cells: cells that workers collected.
    """
    cores = os.cpu_count() or 1
    before = shared.ran.wall - shared.shared
    waiting = shared.requests * latency / (THREADS * workers)
    computing = (shared.ran.cpu + shared.others_cpu) / cores
    return [
        f"{alone.cells:,} cells, {remote_cells:,} of them remote; {1000 * latency:.0f} ms a request, {workers} workers",
        f"one process: {alone.ran.wall:.1f} s, {alone.ran.cpu:.1f} s of CPU",
        f"with workers: {shared.ran.wall:.1f} s, {shared.ran.cpu:.1f} s of CPU of the coordinator",
        f"wall: {shared.ran.wall / alone.ran.wall:.2f}; of the step that they share {shared.shared / alone.shared:.2f}",
        f"CPU of the coordinator: {1000 * shared.shared_cpu / remote_cells:.2f} ms a remote cell in that step, "
        f"{1000 * shared.ran.cpu / shared.cells:.2f} ms a cell with start, accounts and regions",
        f"floors of that wall: {before + waiting:.1f} s ({before:.1f} s of other steps, then {waiting:.1f} s of "
        f"requests that wait), and {computing:.1f} s (CPU of all processes on {cores} cores)",
    ]


def main() -> int:
    """Measure, and print both beside each other."""
    parser = argparse.ArgumentParser(description="Collect by workers and by one process.")
    parser.add_argument("--accounts", type=int, default=320)
    parser.add_argument("--regions", type=int, default=4, choices=range(1, len(REGIONS) + 1), metavar="N")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--latency-ms", type=float, default=700.0)
    parser.add_argument("--part-cells", type=int, help="CMDB_PART_CELLS, if another than the product's")
    chosen = parser.parse_args()
    names = ("CMDB_BROKER_URL", "CMDB_OBJECTS_URL", "CMDB_WORKER_KEY")
    lacking = [name for name in names if not os.environ.get(name)]
    if lacking:
        print(
            f"{', '.join(lacking)} must name a queue, an object store and a key. Nothing was measured.", file=sys.stderr
        )
        return 2
    own = {name: value for name, value in os.environ.items() if name in names or name.startswith("CMDB_OBJECTS_")}
    own |= {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY") if name in os.environ}
    if chosen.part_cells:
        own["CMDB_PART_CELLS"] = str(chosen.part_cells)
    latency, regions = chosen.latency_ms / 1000, list(REGIONS[: chosen.regions])
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="cmdb-bench-") as place:
        folder = Path(place)
        made = certificate.make(folder)
        with staged(folder / "stage", made, chosen.accounts, regions, latency) as stage:
            try:
                alone = collected(stage, {}, [])
                with workers(stage, chosen.workers, own) as running:
                    shared = collected(stage, own, running)
            except Refused as refused:
                print(f"Nothing was measured: {refused}", file=sys.stderr)
                return 2
    if (alone.found, alone.cells) != (shared.found, shared.cells):
        print(f"The cells differ: {alone.cells} and {shared.cells}.", file=sys.stderr)
        return 1
    remote_cells = chosen.accounts * len(regions) * len(LISTINGS)
    print("\n".join(report(alone, shared, latency, chosen.workers, remote_cells)))
    print(f"load of this machine: {load:.1f} before, {os.getloadavg()[0]:.1f} after")
    return 0


if __name__ == "__main__":
    sys.exit(main())
