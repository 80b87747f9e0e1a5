"""Prints, for each change of a small module, the test that kills it in a quick trial. Usage: mutants_quick.py FOLDER

Then how often that was made and taken down which the tests of a session share.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from unittest import mock

from tools.mutation import quick, trials
from tools.mutation.mutations import Mutant

folder = Path(sys.argv[1])
code, test = folder / "quick_code.py", folder / "test_quick.py"
text = """class A:
    limit = 1

    @staticmethod
    def known(a):
        return [
            one for one in a if one > A.limit
        ]


class B:
    def __init__(self):
        self.a = 1
        self.b = 2


def outer(a=2):
    def inner():
        return a + 3

    return inner


KEPT = outer()
"""
code.write_text(text)
query = folder / "quick.sql"
query.write_text("select 1 as a")
test.write_text("""import functools
from pathlib import Path

import pytest
from quick_code import A, B, KEPT, outer

@pytest.fixture(scope="session", autouse=True)
def shared():
    with open("shared.txt", "a") as file:
        print("made", file=file)
    yield
    with open("shared.txt", "a") as file:
        print("taken down", file=file)

def test_known():
    assert A.known([1, 2]) == [2]

def test_set():
    assert B().b == 2

@functools.cache
def query():
    return Path(__file__).with_name("quick.sql").read_text()

def test_query():
    assert "1" in query()

def test_outer():
    assert outer(1)() == 4

def test_kept():
    assert KEPT() == 5
""")
sys.path.insert(0, str(folder))
os.chdir(folder)
tests = [f"{test.name}::test_{name}" for name in ("known", "set", "query", "outer", "kept")]
CHANGES = {
    "inside of a function of a class": ("one > A", "one >= A"),
    "of a function within another": ("a + 3", "a + 4"),
    "that leaves fewer lines": ("[\n            one for one in a if one > A.limit\n        ]", "None"),
    "of what a method sets": ("self.b = 2", "pass"),
    "no test notices": ("one >", "one  >"),
    "of a class": ("limit = 1", "limit = 2"),
    "of a default": ("a=2", "a=3"),
    "of two functions": ("return", "yield"),
}


def work(collected: quick.Collected) -> None:
    for name, (before, after) in CHANGES.items():
        mutant = Mutant(code.name, "", name, text.replace(before, after))
        killer = collected.try_out(mutant, tests, dict.fromkeys(tests, 0.1), folder)
        print(f"{name}: {killer.partition('::')[2] or 'nobody'}", file=sys.stderr)


def work_on_query(collected: quick.Collected) -> None:
    mutant = Mutant(query.name, "", "of a query", "select 2 as a")
    killer = collected.try_out(mutant, tests, dict.fromkeys(tests, 0.1), folder)
    print(f"of a query: {killer.partition('::')[2] or 'nobody'}", file=sys.stderr)


with mock.patch.object(quick, "REPOSITORY", folder), mock.patch.object(trials, "REPOSITORY", folder):
    quick.collect(tests, code.name, work)
    sys.modules.pop("test_quick")
    quick.collect(tests, query.name, work_on_query)
print(*(folder / "shared.txt").read_text().splitlines(), sep=", ", file=sys.stderr)
