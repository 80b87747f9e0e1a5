"""Sets the clock of a Python program: Python runs this before a program that has this folder on its path.

`BENCH_BEHIND` has the seconds by which the clock is behind the machine's. Waiting takes as long as ever. libfaketime
would set the clock of DuckDB too, whose threads then wake so often that a night takes several times the CPU.
"""

import os
import time

import time_machine

time_machine.travel(time.time() - float(os.environ["BENCH_BEHIND"]), tick=True).start()
