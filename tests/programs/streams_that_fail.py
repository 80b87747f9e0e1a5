"""Prints what two streams show of cases that hold, fail, die or do not end. Usage: streams_that_fail.py FOLDER"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

from faults.ground import shown
from faults.report import Shown
from faults.streams import Piece, run


def piece(case, work):
    late = Shown("part", case, "it holds", skipped="the time was up")
    return Piece(lambda stream: [shown("part", case, "it holds", work)], late)


def differs():
    raise AssertionError("a row is missing")


def endless():
    started = subprocess.Popen(["sleep", "600"], start_new_session=True)
    Path(sys.argv[1], "started").write_text(str(started.pid))
    time.sleep(600)


pieces = [
    piece("holds", lambda: "so"),
    piece("differs", differs),
    piece("dies", lambda: os._exit(9)),
    piece("comes after", lambda: "so"),
]
found = [
    run(pieces, Path(sys.argv[1]) / "now", time.monotonic() + 60),
    run(pieces[:1], Path(sys.argv[1]) / "late", time.monotonic() - 1),
    run([pieces[0], piece("does not end", endless)], Path(sys.argv[1]) / "long", time.monotonic() + 2, 1),
]
print(json.dumps([[asdict(case) for cases in run for case in cases] for run in found]))
