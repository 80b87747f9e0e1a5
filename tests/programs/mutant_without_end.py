"""Prints what ends a test without end among tests that take hours. Usage: mutant_without_end.py FOLDER BODY"""

from __future__ import annotations

import sys
from pathlib import Path

from tools.mutation import trials, watch
from tools.mutation.mutations import Mutant

folder = Path(sys.argv[1])
test = folder / "test_small.py"
test.write_text(f"import time\n\ndef test_it():\n    {sys.argv[2]}\n")
watch.TEST_GRACE, watch.WAITING_GRACE = 1.0, 2.0
mutant = Mutant("resources/aws/errors.py", "", "none", (watch.REPOSITORY / "resources/aws/errors.py").read_text())
# Of all tests together a trial may use ten hours.
expected = {f"{test}::test_it": 0.1, "test_other.py::test_other": 3600.0}
print(trials.try_out(mutant, [f"{test}::test_it"], expected, folder))
