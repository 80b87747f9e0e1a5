"""Prints the runs of a working file that another process may have open: `reads_working.py DATABASE`."""

import sys
from pathlib import Path

from resources.store.store import Store

with Store(Path(sys.argv[1])).read() as connection:
    for (run_id,) in connection.execute("select run_id from audit.run order by all").fetchall():
        print(run_id)
