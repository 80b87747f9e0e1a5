"""Opens a DuckDB file, says so, and has it open until its input or so many seconds end.

Usage: opens_file.py FILE [SECONDS]
"""

import sys
import threading

import duckdb

connection = duckdb.connect(sys.argv[1])
if len(sys.argv) > 2:
    threading.Timer(float(sys.argv[2]), connection.close).start()
print("ready", flush=True)
sys.stdin.read()
