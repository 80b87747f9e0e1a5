"""A real browser, Debian's Chromium, over its debugging pipe: no driver, no port, nothing to install beside it."""

from __future__ import annotations

import base64
import fcntl
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from nights import DATABASE

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
WITHOUT = "There is no Chromium on the PATH, so no page was looked at; on Debian: apt-get install chromium."

PHONE, DESK = (390, 844), (1280, 900)
QUIET = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
)


class Browser:
    """One tab. What it was asked for and what it complained of is kept."""

    def __init__(self, to_browser: int, from_browser: int):
        self._write, self._read = to_browser, from_browser
        self._pending = b""
        self._numbers = itertools.count(1)
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Ask the browser for something and wait for its answer, a minute at most."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._pending:
            part = os.read(self._read, 1 << 20)
            if not part:
                raise RuntimeError("the browser has gone")
            self._pending += part
        line, _, self._pending = self._pending.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self.events.append(message)
        return message

    def open(self, page: Path, *, size: tuple[int, int] = DESK, dark: bool = False, printed: bool = False) -> None:
        """Show a file and wait until it is there."""
        self.show_as(size=size, dark=dark, printed=printed)
        self.events.clear()
        self.call("Page.navigate", url=page.as_uri())
        deadline = time.monotonic() + 600
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            assert time.monotonic() < deadline, "the page did not load within ten minutes"
            self._next()

    def show_as(self, *, size: tuple[int, int] = DESK, dark: bool = False, printed: bool = False) -> None:
        """Choose the screen or the paper."""
        width, height = size
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        self.call(
            "Emulation.setEmulatedMedia",
            media="print" if printed else "screen",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )

    def run(self, script: str) -> Any:
        """The value of an expression in the page, which the page's own policy does not hinder."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def asked(self) -> list[str]:
        """Every address that was asked for since the page was opened."""
        return [
            event["params"]["request"]["url"] for event in self.events if event["method"] == "Network.requestWillBeSent"
        ]

    def complaints(self) -> list[str]:
        """What stands in the browser's console."""
        return [
            str(event["params"])
            for event in self.events
            if event["method"] in ("Log.entryAdded", "Runtime.exceptionThrown", "Runtime.consoleAPICalled")
        ]

    def picture(self, path: Path) -> Path:
        """The whole page as PNG."""
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)["data"]
        path.write_bytes(base64.b64decode(data))
        return path

    def paper(self, path: Path) -> Path:
        """The page as it is printed, a PDF."""
        self.call("Emulation.clearDeviceMetricsOverride")
        self.call("Emulation.setEmulatedMedia", media="", features=[])
        data = self.call("Page.printToPDF", printBackground=False, preferCSSPageSize=True)["data"]
        path.write_bytes(base64.b64decode(data))
        return path


@contextmanager
def browser(*flags: str) -> Iterator[Browser]:
    """A browser of its own, which is ended afterwards; `flags` are further ones of Chromium."""
    assert CHROMIUM is not None, WITHOUT
    there, our_end = os.pipe()
    ours, their_end = os.pipe()
    # Out of the way of 3 and 4, which the shell makes of them.
    low = (there, their_end)
    there, their_end = (fcntl.fcntl(end, fcntl.F_DUPFD, 20) for end in low)
    for end in low:
        os.close(end)
    with tempfile.TemporaryDirectory(prefix="cmdb-browser-", ignore_cleanup_errors=True) as profile:
        # It reads commands from descriptor 3 and answers on 4.
        process = subprocess.Popen(
            [
                "bash",
                "-c",
                f'exec 3<&{there} 4>&{their_end}; exec "$0" "$@"',
                CHROMIUM,
                "--remote-debugging-pipe",
                *QUIET,
                *flags,
                f"--user-data-dir={profile}",
            ],
            pass_fds=(there, their_end),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(there)
        os.close(their_end)
        try:
            yield Browser(our_end, ours)
        finally:
            os.close(our_end)
            os.close(ours)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip(WITHOUT)
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def page_file(truthful_night: Path) -> Path:
    """The report that the night itself made."""
    from pipelines.report.writing import report_path

    return report_path(truthful_night / DATABASE)
