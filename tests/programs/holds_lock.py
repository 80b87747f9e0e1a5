"""Holds a warehouse's lock until its input ends, and prints `ready`, or the id of a process that was forked from it.

Usage: holds_lock.py DATABASE RUN [forked]
"""

import os
import sys
import time
from pathlib import Path

from resources.store.store import Store

Store(Path(sys.argv[1])).hold(sys.argv[2], "nightly")
forks = len(sys.argv) > 3
if forks and os.fork() == 0:
    # Only the new process knows when it has let go of what it inherited.
    print(os.getpid(), flush=True)
    time.sleep(600)
    os._exit(0)
if not forks:
    print("ready", flush=True)
sys.stdin.read()
