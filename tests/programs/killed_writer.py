"""Commits one row to the working file and is killed before it commits another. Usage: killed_writer.py DATABASE"""

import os
import sys
from pathlib import Path

from resources.store.store import Store

store = Store(Path(sys.argv[1]))
store.hold("run-1", "nightly")
with store.write():
    pass
with store.write() as connection:
    connection.execute("insert into audit.run (run_id) values ('kept')")
    connection.execute("begin")
    connection.execute("insert into audit.run (run_id) values ('lost')")
    os.kill(os.getpid(), 9)
