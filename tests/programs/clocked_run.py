"""`cmdb nightly` that waits at a point, or sets the clock. Usage: clocked_run.py POINT wait MOMENT|set CLOCK OFFSET"""

from __future__ import annotations

import functools
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from chaos.points import NIGHT

from pipelines.cli.main import main


def wait(moment: datetime) -> None:
    """Wait until a moment is over."""
    while datetime.now(UTC) < moment:
        time.sleep(0.05)


def put(clock: Path, offset: str) -> None:
    """Set the clock. libfaketime ends a process that finds the file empty."""
    new = clock.with_suffix(".new")
    new.write_text(offset)
    new.replace(clock)


if __name__ == "__main__":
    point, what, *arguments = sys.argv[1:]
    if what == "wait":
        NIGHT[point](functools.partial(wait, datetime.fromisoformat(arguments[0])))
    else:
        NIGHT[point](functools.partial(put, Path(arguments[0]), arguments[1]))
    main.main(["nightly"], prog_name="cmdb")
