"""Pictures of what people look at: report, explorer, Dagster UI, a refused run. Made with Debian's Chromium.

`make screenshots` runs two nights of the simulated organisation (a truthful one, and one in which AWS lies), opens the
Dagster UI over them on a free port of 127.0.0.1, and writes the pictures into `build/screenshots`; the two that README
shows also into `docs/pictures`. The explorer is among them where `make explorer` has built its page, and the report's
printed pages where there is `pdftoppm`.
"""

from __future__ import annotations

import base64
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from browser import CHROMIUM, DESK, PHONE, WITHOUT, Browser, browser
from nights import DATABASE, REPOSITORY, environment_of, run_night

from pipelines.explorer.folder import PARTS, STATIC, export_explorer
from pipelines.explorer.server import listening
from pipelines.report.writing import report_path
from resources.contract import ROLES, policy
from resources.store.store import Store
from simulator.client import start

WIDE = (1440, 900)
IN_README = {"graph": "ui.png", "report": "report.png"}
MOST_BYTES = 300_000
"""Of a picture that the repository keeps."""

SECONDS = 90
"""How long a page may take until it shows what it is about."""


@dataclass(frozen=True)
class Shot:
    """One picture.

    Attributes:
        address: below the address of the UI, or a file.
        shows: what stands in the page once it is there.
        at: the element that is scrolled to.
    """

    name: str
    address: str
    shows: str
    size: tuple[int, int] = WIDE
    dark: bool = False
    at: str = ""


@dataclass(frozen=True)
class Stage:
    """What there is to look at: a published night, and one that was refused."""

    environment: Mapping[str, str]
    report: Path
    published_run: str
    refused_run: str


def shots(stage: Stage, url: str, explorer: str = "") -> list[Shot]:
    """Every picture there is; those of the explorer where it is served at an address."""
    report = stage.report.as_uri()
    sections = [
        Shot(f"report-{section}{'-dark' if dark else ''}", report, "Cost and configuration", DESK, dark, f"#{section}")
        for dark in (False, True)
        for section in ("spend", "savings", "applications", "health")
    ]
    return [
        Shot("report", report, "Cost and configuration", DESK),
        Shot("report-dark", report, "Cost and configuration", DESK, dark=True),
        Shot("report-phone", report, "Cost and configuration", PHONE),
        *sections,
        # All groups fit on it.
        Shot("graph", f"{url}/asset-groups", "published", (1440, 1200)),
        Shot("asset", f"{url}/assets/cost/daily", "never sum across slices", (1440, 1300)),
        Shot("checks", f"{url}/assets/cost/daily?view=checks", "key_is_unique"),
        Shot("partitions", f"{url}/assets/bill_month/daily?view=partitions", "Partitions"),
        Shot("refused", f"{url}/runs/{stage.refused_run}", "may not be built upon"),
        *(explored(explorer) if explorer else ()),
    ]


def explored(address: str) -> list[Shot]:
    """The pictures of the explorer."""
    return [
        Shot("explorer", address, "show the rows", DESK),
        Shot("explorer-dark", address, "show the rows", DESK, dark=True),
        Shot("explorer-phone", address, "show the rows", PHONE),
        Shot("explorer-rows", f"{address}#rows=1", "Who said so?", DESK),
        Shot("explorer-items", f"{address}#view=items", "AWS::EC2::Instance", DESK),
        Shot("explorer-cells", f"{address}#view=cells", "Outcome", DESK),
        Shot("explorer-tables", f"{address}#view=tables", "audit.claim", DESK),
    ]


@contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    """Two nights in a folder of their own: a truthful one that publishes, and one about which AWS lies.

    Raises:
        RuntimeError: a night did not come out as it should.
    """
    database = folder / "warehouse" / DATABASE
    with start(folder / "organisation", {role: policy(role, optional=True) for role in ROLES}) as simulator:
        environment = {
            **simulator.env,
            "DAGSTER_HOME": str(folder / "dagster"),
            "CMDB_DATABASE": str(database),
            "CMDB_COST_MONTHS": "13",
            "CMDB_COST_REQUEST_LIMIT": "100000",
        }
        truthful = run_night(environment, database)
        if not truthful.published:
            raise RuntimeError(f"The truthful night was refused: {truthful.sentences}")
        simulator.lie("silent_zero")
        refused = run_night(environment, database)
        if refused.published:
            raise RuntimeError("The night in which AWS lies was published.")
        yield Stage(environment, report_path(database), truthful.run_id, refused.run_id)


@contextmanager
def served(environment: Mapping[str, str]) -> Iterator[str]:
    """The Dagster UI over a history, read-only, on a free port; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).parent / "dagster-webserver"
    with environment_of(environment):
        process = subprocess.Popen(
            [program, "--read-only", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)],
            cwd=REPOSITORY,
            env=dict(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    try:
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.3)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def take(tab: Browser, shot: Shot, target: Path) -> Path:
    """One picture, once the page shows what it is about.

    Raises:
        TimeoutError: it did not.
    """
    tab.show_as(size=shot.size, dark=shot.dark)
    # The picture before may be of the same page, and shows what this one waits for.
    for address in ("about:blank", shot.address):
        tab.call("Page.navigate", url=address)
    deadline = time.monotonic() + SECONDS
    shown = f"document.readyState == 'complete' && document.body.innerText.includes({shot.shows!r})"
    while not tab.run(shown):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{shot.name}: {shot.address} does not show {shot.shows!r}")
        time.sleep(0.3)
    if shot.at:
        tab.run(f"document.querySelector({shot.at!r}).scrollIntoView()")
    # What is drawn step by step, such as the graph, has to come to rest.
    time.sleep(0.5 if shot.address.startswith("file:") else 4)
    data = tab.call("Page.captureScreenshot", format="png")["data"]
    path = target / f"{shot.name}.png"
    path.write_bytes(base64.b64decode(data))
    return path


@contextmanager
def explorer_of(stage: Stage) -> Iterator[str]:
    """The explorer of the published night on a free port, its address; empty where its page is not built."""
    if not all((STATIC / part).is_file() for part in PARTS):
        yield ""
        return
    with tempfile.TemporaryDirectory(prefix="cmdb-explorer-") as folder, listening(0) as server:
        store = Store(Path(stage.environment["CMDB_DATABASE"]))
        server.show(export_explorer(Path(folder, "out"), store).folder)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server.address
        finally:
            server.shutdown()


def printed(tab: Browser, report: Path, target: Path) -> list[Path]:
    """The report's pages on paper, a picture each; none where nothing here draws a PDF."""
    program = shutil.which("pdftoppm")
    if program is None:
        return []
    tab.open(report, printed=True)
    paper = tab.paper(target / "report-paper.pdf")
    subprocess.run([program, "-r", "80", "-png", paper, paper.with_suffix("")], check=True)
    return sorted(target.glob("report-paper-*.png"))


def pictures(stage: Stage, target: Path) -> list[Path]:
    """All pictures of a stage, in a folder."""
    target.mkdir(parents=True, exist_ok=True)
    with served(stage.environment) as url, explorer_of(stage) as explorer, browser() as tab:
        made = [take(tab, shot, target) for shot in shots(stage, url, explorer)]
        return [*made, *printed(tab, stage.report, target)]


def main() -> int:
    """Make the pictures, or say in one sentence why there are none."""
    if CHROMIUM is None:
        print(WITHOUT, file=sys.stderr)
        return 2
    target, kept = REPOSITORY / "build" / "screenshots", REPOSITORY / "docs" / "pictures"
    with (
        tempfile.TemporaryDirectory(prefix="cmdb-pictures-", ignore_cleanup_errors=True) as folder,
        staged(Path(folder)) as stage,
    ):
        made = pictures(stage, target)
    kept.mkdir(exist_ok=True)
    for path in made:
        print(f"{path} ({path.stat().st_size:,} bytes)")
        if path.stem in IN_README:
            shutil.copyfile(path, kept / IN_README[path.stem])
    return 0


if __name__ == "__main__":
    sys.exit(main())
