"""A run that is killed at a point of recording. Usage: killed_recording.py FOLDER POINT"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from history_nights import Nights

from resources.store.history import merging
from resources.store.process import PROCESS, hook_at

merging.MERGED_AT_ONCE = 2
nights = Nights(Path(sys.argv[1]))
PROCESS.fault_hook = hook_at(sys.argv[2], lambda: os.kill(os.getpid(), 9))
with nights.store.holding("run-0002", "nightly"):
    nights.store.history.catch_up(400)
