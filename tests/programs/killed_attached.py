"""Commits twice and is killed while its working file stays attached: `killed_attached.py DATABASE`."""

import os
import signal
import sys
from pathlib import Path

from resources.store.store import Store

store = Store(Path(sys.argv[1]))
store.hold("run-1", "a test", stays_attached=True)
for run_id in ("first", "second"):
    with store.transaction() as connection:
        connection.execute(f"insert into audit.run by name select '{run_id}' as run_id, now() as started_at")
os.kill(os.getpid(), signal.SIGKILL)
