"""A run that works on a warehouse until its input ends. Usage: working_store.py DATABASE open|closed"""

from __future__ import annotations

import sys
from pathlib import Path

from resources.audit.runs import begin_run
from resources.store.store import Store

store = Store(Path(sys.argv[1]))
with store.holding("three", "nightly"):
    with store.transaction() as connection:
        begin_run(connection, "three", "test", [])
    if sys.argv[2] == "open":
        with store.write():
            print("works", flush=True)
            sys.stdin.read()
    else:
        print("works", flush=True)
        sys.stdin.read()
