"""The collection with workers on other machines beside the collection by one process, on the stub.

    python -m bench.remote [--accounts 80] [--workers 4] [--latency-ms 700] [--part-cells 1200]

Queue and object store are those that CMDB_BROKER_URL, CMDB_OBJECTS_URL and CMDB_WORKER_KEY name. All workers are
on this machine, so only what waits shows what they gain: the default latency is that of far regions.
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
from contextlib import contextmanager
from pathlib import Path

from bench import certificate, tree
from bench.side_by_side import LARGE_REGIONS, Refused
from bench.stage import REPOSITORY, Stage, staged
from bench.work import Result

READY_SECONDS = 120.0


@contextmanager
def workers(stage: Stage, count: int, settings: Mapping[str, str]) -> Iterator[None]:
    """Start so many workers, each in a folder of its own, and end them."""
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
        yield
    finally:
        for worker in running:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


def collected(stage: Stage, settings: Mapping[str, str]) -> tuple[tree.Ran, dict[str, int], int]:
    """Collect once from nothing: how it went, what was found, and the number of cells.

    Raises:
        Refused: it failed.
    """
    for left in (stage.folder / "warehouse").glob("**/*"):
        if left.is_file():
            left.unlink()
    ran = tree.run(
        [sys.executable, "-m", "bench.ours", str(stage.work())], {**stage.environment, **settings}, stage.folder
    )
    if ran.code != 0:
        raise Refused(f"It ended with {ran.code}: {ran.complained[-1500:]}")
    result = Result.read(ran.said)
    if result.errors:
        raise Refused(f"There were {result.errors} errors.")
    cells = json.loads(ran.complained.strip().rpartition("\n")[2])["cells"]
    return ran, dict(result.counts), int(cells)


def main() -> int:
    """Measure, and print both beside each other."""
    parser = argparse.ArgumentParser(description="Collect by workers and by one process.")
    parser.add_argument("--accounts", type=int, default=80)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--latency-ms", type=float, default=700.0)
    parser.add_argument("--part-cells", type=int, default=1200)
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
    own["CMDB_PART_CELLS"] = str(chosen.part_cells)
    with tempfile.TemporaryDirectory(prefix="cmdb-bench-") as place:
        folder = Path(place)
        made = certificate.make(folder)
        with staged(folder / "stage", made, chosen.accounts, LARGE_REGIONS, chosen.latency_ms / 1000) as stage:
            try:
                alone, found_alone, cells = collected(stage, {})
                with workers(stage, chosen.workers, own):
                    shared, found, cells_shared = collected(stage, own)
            except Refused as refused:
                print(f"Nothing was measured: {refused}", file=sys.stderr)
                return 2
    if found != found_alone or cells != cells_shared:
        print(f"The cells differ: {cells} and {cells_shared}.", file=sys.stderr)
        return 1
    print(f"{cells:,} cells, {chosen.latency_ms:.0f} ms a request, {chosen.workers} workers")
    print(f"one process: {alone.wall:.1f} s, {alone.cpu:.1f} s of CPU")
    print(f"with workers: {shared.wall:.1f} s, {shared.cpu:.1f} s of CPU of the coordinator")
    print(f"wall: {shared.wall / alone.wall:.2f}; CPU of the coordinator: {1000 * shared.cpu / cells:.2f} ms a cell")
    return 0


if __name__ == "__main__":
    sys.exit(main())
