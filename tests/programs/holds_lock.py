"""Holds a warehouse's lock until its input ends, and says so: `ready`, or the process that it has forked meanwhile.

Usage: holds_lock.py DATABASE RUN [forked]
"""

import os
import sys
import time
from pathlib import Path

from resources.store.store import Store

Store(Path(sys.argv[1])).hold(sys.argv[2], "nightly")
forked = os.fork() if len(sys.argv) > 3 else None
if forked == 0:
    time.sleep(600)
    os._exit(0)
print(forked or "ready", flush=True)
sys.stdin.read()
