"""A step of the bill that is killed with its seventh paid request written down. Usage: killed_bill.py."""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from resources.audit.paid_requests import PaidRequests

# tests/conftest.py, which the next import loads, takes out of the environment what leads elsewhere.
ENVIRONMENT = dict(os.environ)

reserve = PaidRequests.reserve
counted: list[tuple[Any, ...]] = []


def and_die(self: PaidRequests, *call: Any) -> None:
    """Reserve as ever, and die after the seventh."""
    reserve(self, *call)
    counted.append(call)
    if len(counted) == 7:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    from test_paid_requests import the_step

    PaidRequests.reserve = and_die  # type: ignore[method-assign, assignment]  # until the process ends
    result = the_step(ENVIRONMENT)
    sys.exit(f"not killed: {[event.step_failure_data.error for event in result.get_step_failure_events()]}")
