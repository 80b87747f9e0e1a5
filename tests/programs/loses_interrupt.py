"""Gets a signal inside a callback, where Python ignores what its handler raises, and prints whether it ended the work.

Arguments: the signal's name; "again" where what is lost is sent again.
"""

import os
import signal
import sys
import time
import weakref

import dagster as dg
from dagster._utils.interrupts import raise_interrupts_as

from pipelines.lost_interrupts import send_again


class Thing:
    """Something that a weak reference can lead to."""


def sent(number: int) -> None:
    """Get the signal; Python runs its handler in this callback."""
    os.kill(os.getpid(), number)
    for _ in range(100_000):
        pass


name, *mode = sys.argv[1:]
if mode == ["again"]:
    send_again()
    send_again()
thing = Thing()
reference = weakref.ref(thing, lambda _: sent(signal.Signals[name]))
try:
    # As Dagster does around each step.
    with raise_interrupts_as(dg.DagsterExecutionInterruptedError):
        del thing
        time.sleep(0.5)
    print("went on")
except dg.DagsterExecutionInterruptedError:
    print("ended")
