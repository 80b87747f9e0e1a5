"""A coordinator that holds the lock of a subject until its input ends. Usage: coordinator.py DATABASE URL SUBJECT"""

import sys
from types import SimpleNamespace
from typing import Any, cast

from resources.coordinator_lock import CoordinatorLock
from resources.warehouse import Warehouse

bound = Warehouse(database=sys.argv[1])
bound.setup_for_execution(cast(Any, SimpleNamespace(run_id="run-A")))
bound.begin("a test", CoordinatorLock(sys.argv[2], sys.argv[3]))
print("held", flush=True)
sys.stdin.read()
