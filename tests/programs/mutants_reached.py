"""Prints which functions and lines each test reaches. Usage: mutants_reached.py FOLDER"""

from __future__ import annotations

import sys
from pathlib import Path

from tools.mutation.trials import learn

folder = Path(sys.argv[1])
code, test = folder / "reached_code.py", folder / "test_reached.py"
code.write_text("""def f(a):
    def inner():
        return [
            a,
        ]
    if a:
        return inner()
    return None
""")
test.write_text("""from threading import Thread
from reached_code import f

def test_yes():
    assert f(1) == [1]

def test_no():
    assert f(0) is None

def test_elsewhere():
    thread = Thread(target=f, args=(0,))
    thread.start()
    thread.join()
""")
known = learn([str(test)], [str(code)], folder)
for name, calls in known.calls.items():
    print(name.partition("::")[2], *sorted(call.removeprefix(f"{code}:") for call in calls if str(code) in call))
