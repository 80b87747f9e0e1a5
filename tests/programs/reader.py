"""Reads the published file until a file is there; prints how often. Usage: reader.py DATABASE STOP ROWS"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from resources.store.store import Store

store, stop = Store(Path(sys.argv[1])), Path(sys.argv[2])
print("ready", flush=True)
reads, seen = 0, set()
while not stop.exists():
    with store.published() as connection:
        rows = connection.execute("select run_id, count(*) from stage.night group by run_id").fetchall()
        time.sleep(0.01)
        again = connection.execute("select run_id, count(*) from stage.night group by run_id").fetchall()
    assert rows == again and len(rows) == 1 and rows[0][1] == int(sys.argv[3]), (rows, again)
    reads += 1
    seen.add(rows[0][0])
print(reads, len(seen), flush=True)
