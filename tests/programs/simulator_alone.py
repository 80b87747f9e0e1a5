"""Starts a simulator, prints its process, and ends without stopping it. Usage: simulator_alone.py FOLDER POLICIES"""

import json
import os
import sys
from pathlib import Path

from simulator.client import start

simulator = start(Path(sys.argv[1]), json.loads(sys.argv[2]), accounts=1, resources=1)
print(simulator.pid, flush=True)
os._exit(1)
