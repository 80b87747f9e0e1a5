"""Records what is published in a folder, and prints by how many megabytes the process grew for it."""

import re
import sys
from pathlib import Path

from resources.store.store import Store


def megabytes(what: str) -> int:
    """A line of this process's status: `getrusage` gives the peak of the one that started it, if that is higher."""
    (kilobytes,) = re.findall(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    return int(kilobytes) // 1024


store = Store(Path(sys.argv[1]) / "aws_org.duckdb")
with store.holding("recording", "a test"):
    before = megabytes("VmRSS")
    store.history.catch_up(2)
print(megabytes("VmHWM") - before)
