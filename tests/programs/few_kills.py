"""The store killed at random moments; prints the outcome. Usage: few_kills.py FOLDER [KILLS] [idle].

With `idle` the process that is killed does nothing, as on a machine too busy to let it come to anything.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from chaos import store_kills


def idle(database: Path, number: int, tell: Callable[..., None]) -> None:
    """Say that nothing is there, and do nothing."""
    tell(found=0)
    time.sleep(600)


if __name__ == "__main__":
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    if "idle" in sys.argv[3:]:
        store_kills._nights_for_ever, store_kills.PATIENCE = idle, 2.0
    try:
        print(store_kills.random_kills(folder, kills, 1))
    except pytest.skip.Exception as reason:
        print(f"not tried: {reason}")
