"""What is known of mutants from earlier runs, kept in `tools/mutation/known/`, so that a fresh clone knows it too.

It holds for as long as the function that is changed and the test that killed it or, where none did, all the tests of
its target stay as they are.
"""

import ast
import functools
import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from tools.mutation.mutations import Mutant
from tools.mutation.watch import REPOSITORY

KEPT = REPOSITORY / "tools" / "mutation" / "known"
"""A file a target. `a1b2c3 TEST` gives a test its short name; below the place that is changed, a line has the digest of
a mutant's key, that of what its verdict rests on, and its killer, `-` for none."""

STATE = REPOSITORY / ".mutants"
"""What a run has found of a target that it has not finished, and what the tests of a file call; git ignores it."""

NOBODY = "-"
TEST_DIGITS, DIGITS = 6, 12
"""Two tests of one short name would make what they killed count as not tried, no more."""


@dataclass(frozen=True)
class _Entry:
    """What came of a trial: the place of the mutant, the test that killed it or none, and what that rests on."""

    place: str
    killer: str
    evidence: str


class Memory:
    """What is known of the mutants of one target from earlier runs."""

    def __init__(self, name: str) -> None:
        self._kept = KEPT / f"{name}.txt"
        self._journal = STATE / f"{name}.jsonl"
        self._known: dict[str, _Entry] = {}
        if self._kept.exists():
            self._known |= _read(self._kept.read_text(encoding="utf-8"))
        if self._journal.exists():
            for line in self._journal.read_text(encoding="utf-8").splitlines():
                key, *entry = json.loads(line)
                self._known[key] = _Entry(*entry)

    def killer(self, mutant: Mutant) -> str:
        """The test that killed a mutant of this key last; empty where none did or it was never tried."""
        known = self._known.get(_digest(mutant.key))
        return known.killer if known is not None else ""

    def kills(self) -> Counter[str]:
        """How many mutants each test killed last."""
        return Counter(known.killer for known in self._known.values())

    def is_current(self, mutant: Mutant, tests: Sequence[str]) -> bool:
        """Whether a trial would find what is known."""
        known = self._known.get(_digest(mutant.key))
        return known is not None and known.evidence == evidence(mutant, known.killer, tests)

    def keep(self, mutant: Mutant, killer: str, tests: Sequence[str]) -> None:
        """Remember the end of a trial, at once."""
        key = _digest(mutant.key)
        entry = _Entry(_place(mutant), killer, evidence(mutant, killer, tests))
        self._known[key] = entry
        STATE.mkdir(exist_ok=True)
        with self._journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps([key, entry.place, entry.killer, entry.evidence], ensure_ascii=False) + "\n")

    def settle(self, mutants: Iterable[Mutant]) -> None:
        """Keep in the repository what the trials have found; of mutants that are not there any more nothing."""
        if not self._journal.exists():
            return
        keys = {_digest(mutant.key) for mutant in mutants}
        self._known = {key: entry for key, entry in self._known.items() if key in keys}
        self._kept.parent.mkdir(parents=True, exist_ok=True)
        self._kept.write_text(_written(self._known), encoding="utf-8")
        self._journal.unlink()


def _written(known: dict[str, _Entry]) -> str:
    tests = sorted({entry.killer for entry in known.values() if entry.killer})
    lines = [f"{_digest(test, TEST_DIGITS)} {test}" for test in tests]
    places: defaultdict[str, list[str]] = defaultdict(list)
    for key, entry in known.items():
        killer = _digest(entry.killer, TEST_DIGITS) if entry.killer else NOBODY
        places[entry.place].append(f"  {key} {entry.evidence} {killer}")
    for place in sorted(places):
        lines += ["", place, *sorted(places[place])]
    return "\n".join(lines) + "\n"


def _read(text: str) -> dict[str, _Entry]:
    lines = iter(text.splitlines())
    tests = {NOBODY: ""} | dict(line.split(" ", 1) for line in takewhile(bool, lines))
    known = {}
    place = ""
    for line in lines:
        if line.startswith("  "):
            key, rests_on, killer = line.split()
            known[key] = _Entry(place, tests[killer], rests_on)
        elif line:
            place = line
    return known


def _place(mutant: Mutant) -> str:
    return f"{mutant.path} {mutant.where or 'module'}"


def _digest(text: str, digits: int = DIGITS) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


def evidence(mutant: Mutant, killer: str, tests: Sequence[str]) -> str:
    """What a verdict rests on: the change, the function around it, and the test that killed it or all that did not."""
    parts = [mutant.key, _scope(mutant.path, mutant.where)]
    parts += [_function(killer) if "::" in killer else source_of(killer)] if killer else map(source_of, tests)
    return _digest("\0".join(parts))


@functools.cache
def source_of(test: str) -> str:
    """The text of a file below the repository, or of the file of a test; empty where there is none."""
    path = REPOSITORY / test.partition("::")[0]
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@functools.cache
def _function(test: str) -> str:
    """The source of a test function and of its cases, without those around it."""
    name = test.partition("::")[2].partition("[")[0]
    return _found(source_of(test), [name])


@functools.cache
def _scope(path: str, where: str) -> str:
    """The source of the function or class that is changed; of SQL and of what stands in none, the whole file."""
    text = source_of(path)
    return (where and path.endswith(".py") and _found(text, where.split("."))) or text


def _found(text: str, names: Sequence[str]) -> str:
    """The source of a function or class within others; empty where there is none."""
    inside: list[ast.stmt] = ast.parse(text).body
    first, last = 0, 0
    for name in names:
        found = [
            node
            for node in inside
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name
        ]
        if not found:
            return ""
        node = found[-1]
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        last, inside = node.end_lineno or node.lineno, node.body
    return "\n".join(text.splitlines()[first - 1 : last])
