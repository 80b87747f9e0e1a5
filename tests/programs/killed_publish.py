"""A run that is killed at a point of publishing. Usage: killed_publish.py DATABASE MIGRATIONS POINT"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from test_publish import fill, verify

from resources.store.process import PROCESS, hook_at
from resources.store.store import Store

database, migrations, point = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]

PROCESS.fault_hook = hook_at(point, lambda: os.kill(os.getpid(), 9))
store = Store(database, migrations)
store.hold("run-2", "nightly")
fill(store, "run-2")
store.publish("run-2", verify)
