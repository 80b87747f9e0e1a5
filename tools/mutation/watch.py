"""What tests do: which fails first, how long each takes, and what each reaches of the files that are to be changed."""

import ast
import functools
import signal
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from tools.mutation.mutations import Mutant

REPOSITORY = Path(__file__).resolve().parents[2]

TIMES = 5
"""How much more of a processor than the unchanged product took in all a mutant may use, beside `GRACE` seconds of it,
before it counts as killed."""
GRACE = 60.0
TEST_GRACE, WAITING_GRACE = 5.0, 20.0
"""What a single test may use, and how long it may wait, beside `TIMES` of what it took: a mutant that goes on without
end ends with its test."""
PATIENCE = 10
"""How many seconds may pass for each of them: a busy machine gives a trial a part of its processors."""


def end_after(seconds: float) -> None:
    """End this process once it has used so many seconds of a processor, or `PATIENCE` times as many have passed.

    Either has its grace, which does not grow with the other: what waits for ever uses no processor.
    """
    signal.setitimer(signal.ITIMER_PROF, seconds + TEST_GRACE)
    signal.setitimer(signal.ITIMER_REAL, PATIENCE * seconds + WAITING_GRACE)


def end_never() -> None:
    """Take back `end_after`."""
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.setitimer(signal.ITIMER_REAL, 0)


def _within(code: CodeType) -> Iterator[CodeType]:
    """The functions of a module, before they are there."""
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield inner
            yield from _within(inner)


class Watch:
    """A plugin of pytest: the first test that fails, the time of each, and the functions and lines that each reaches.

    Where it is known how long each takes, one that takes far longer ends the process.

    Attributes:
        is_shared: whether what the tests of a session share was made before.
    """

    def __init__(self, traced: Sequence[str], expected: Mapping[str, float], *, is_shared: bool = False) -> None:
        self._expected = expected
        self._is_shared = is_shared
        self._begun: set[str] = set()
        self.failed = ""
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, set[str]] = defaultdict(set)
        self._files = {str(REPOSITORY / path): path for path in traced}
        self._now: set[str] = set()
        self._shared: dict[str, list[set[str]]] = defaultdict(list)

    def trace(self) -> None:
        """Note from now on, in every thread, which functions of the files are called."""
        if sys.version_info >= (3, 12):
            # What is called elsewhere is reported once and no more: the tests take hardly longer than without.
            watch, events, tool = sys.monitoring, sys.monitoring.events, sys.monitoring.PROFILER_ID

            def started(code: CodeType, _: int) -> object:
                if code.co_name == "<module>" and code.co_filename in self._files:
                    for inner in _within(code):
                        watch.set_local_events(tool, inner, events.LINE)
                return None if self._note(code) else watch.DISABLE

            watch.use_tool_id(tool, "mutants")
            watch.register_callback(tool, events.PY_START, started)
            watch.register_callback(tool, events.LINE, self._reached)
            watch.set_events(tool, events.PY_START)
        else:

            def called(frame: FrameType, event: str, _: object) -> None:
                if event == "call":
                    self._note(frame.f_code)

            threading.setprofile(called)
            sys.setprofile(called)

    def _reached(self, code: CodeType, line: int) -> None:
        self._now.add(f"{self._files[code.co_filename]}:{line}")

    def _note(self, code: CodeType) -> bool:
        path = self._files.get(code.co_filename)
        if path:
            self._now.add(f"{path}:{code.co_qualname.replace('.<locals>', '')}")
        return bool(path)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """The time of a test, and whether it is the first that failed."""
        self.seconds[report.nodeid] += report.duration
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        """Whether a file of tests could be loaded."""
        if report.failed and not self.failed:
            self.failed = f"{report.nodeid} could not be loaded"

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """What is reached from now on is reached by this test, which ends soon."""
        self._now = self.calls[nodeid]
        if self._expected:
            file = nodeid.partition("::")[0]
            of_file = [seconds for test, seconds in self._expected.items() if test.startswith(f"{file}::")]
            # The first test of a file makes what all of them share.
            shared = 0.0 if self._is_shared or file in self._begun else max(of_file, default=0.0)
            self._begun.add(file)
            end_after(TIMES * (self._expected.get(nodeid, 0.0) + shared))

    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> None:
        """What a fixture of a module calls is there for every test of it."""
        if fixturedef.scope != "function":
            self._shared[request.node.nodeid.partition("::")[0]].append(self._now)

    def finished(self) -> dict[str, list[str]]:
        """The calls of each test, with those of the fixtures that it shares."""
        return {
            test: sorted(calls.union(*self._shared[""], *self._shared[test.partition("::")[0]]))
            for test, calls in self.calls.items()
        }


def statement(mutant: Mutant) -> range:
    """The lines of the statement that a mutant changes, of a compound one those of its head.

    A test that reaches none of them cannot see it. Empty where it is not that simple: of SQL, of a module, and of the
    head of a function or class, which runs when that is made.
    """
    if not mutant.path.endswith(".py") or not mutant.where:
        return range(0)
    line = mutant.lines.start
    # The innermost is the last, since a walk comes to what is within after what is around it.
    around = [node for node in _statements(mutant.path) if _first(node) <= line <= (node.end_lineno or 0)]
    if not around or isinstance(around[-1], ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return range(0)
    body = getattr(around[-1], "body", None)
    last = _first(body[0]) - 1 if body and line < _first(body[0]) else around[-1].end_lineno or 0
    return range(_first(around[-1]), last + 1)


def is_of_a_decorator(mutant: Mutant) -> bool:
    """Whether a mutant changes a decorator, whose outcome a test may see without a call of the function."""
    if not mutant.path.endswith(".py"):
        return False
    line = mutant.lines.start
    return any(
        _first(node) <= line < node.lineno
        for node in _statements(mutant.path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    )


_Statement = ast.stmt | ast.ExceptHandler


@functools.cache
def _statements(path: str) -> list[_Statement]:
    tree = ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))
    return [node for node in ast.walk(tree) if isinstance(node, _Statement)]


def _first(node: _Statement) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(one.lineno for one in decorators)])
