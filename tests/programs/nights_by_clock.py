"""Whole nights in one process, each when a line of standard input asks for it: JSON of its environment and database.

Loading Dagster takes longer than a night of a small organisation. After each night a line of JSON says what came of it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from nights import run_night

for line in sys.stdin:
    asked = json.loads(line)
    ended = run_night(asked["environment"], Path(asked["database"]))
    said = {"published": ended.published, "sentences": ended.sentences, "warnings": ended.warnings}
    print("\x1e" + json.dumps(said), flush=True)
