"""Quick trials: in a fork of a process that has collected the tests, changed code takes the place of what is loaded.

A trial then costs its tests and no more, but what was made before the fork stays as it was: an import's result, a
cached value, what all tests of a session share. So a test that fails here has killed the mutant, if it passes where the
same was done without the change; what none notices is tried again as `trials` does.
"""

import contextlib
import dis
import functools
import gc
import importlib
import io
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise, zip_longest
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from tools.mutation import trials
from tools.mutation.mutations import Mutant
from tools.mutation.watch import REPOSITORY, Watch, end_never

_ATTRIBUTES = (
    *("co_code", "co_names", "co_varnames", "co_freevars", "co_cellvars", "co_flags", "co_name", "co_exceptiontable"),
    *("co_argcount", "co_posonlyargcount", "co_kwonlyargcount"),
)
_IS_FUNCTION = 0x2
"""Of `co_flags`: the code has names of its own, as that of a class has not."""

SOON = 3.0
"""For how many seconds of tests it is tried to kill what needs the file loaded once more."""

SOUND_FOR = 600.0
"""For how many seconds a test that passed over the unchanged product counts as one that passes: what a session shares
grows old."""


def collect(
    tests: Sequence[str], path: str, work: Callable[["Collected"], None], seconds: Mapping[str, float] | None = None
) -> None:
    """Collect the tests, and do the work with them in this process.

    Args:
        path: of the file of which mutants are tried.
        seconds: that each takes, where that is known.
    """
    import pytest

    if path.endswith(".py"):
        importlib.import_module(path.removesuffix(".py").replace("/", "."))
    trials.settle_hypothesis()
    with contextlib.redirect_stdout(io.StringIO()) as said:
        code = pytest.main(
            [*trials.QUIET, "--capture=sys", "--tb=no", *tests], plugins=[_Loop(path, work, seconds or {})]
        )
    if code in (pytest.ExitCode.INTERNAL_ERROR, pytest.ExitCode.USAGE_ERROR):
        raise trials.TrialError(f"The tests could not be collected, so nothing was tried.\n{said.getvalue()[-3000:]}")


class _Loop:
    """A plugin of pytest that does the work where the tests would run."""

    def __init__(self, path: str, work: Callable[["Collected"], None], seconds: Mapping[str, float]) -> None:
        self._path, self._work, self._seconds = path, work, seconds

    def pytest_runtestloop(self, session: Any) -> bool:
        """Do it."""
        self._work(Collected(session, self._path, self._seconds))
        return True


class _Rest:
    """Stands for all tests that follow the last one of a trial: what the session shares is not taken down for them."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def listchain(self) -> list[Any]:
        """What pytest asks of the next test: what is to stay for it."""
        return [self._session]


class Collected:
    """Tests that were collected, over a file that was loaded."""

    def __init__(self, session: Any, path: str, seconds: Mapping[str, float]) -> None:
        self._rest = _Rest(session)
        self._config = session.config
        self._hook = session.config.hook
        self._plugins = session.config.pluginmanager
        self._items = {item.nodeid: item for item in session.items}
        self._file = str(REPOSITORY / path)
        self._text = Path(self._file).read_text(encoding="utf-8")
        self._code = _compiled(self._text if path.endswith(".py") else "", self._file)
        in_order = sorted(session.items, key=lambda item: seconds.get(item.nodeid, 0.0))
        # Last to first, so that of those that share the same the quickest stays.
        kinds = {(item.path, *item.fixturenames): item for item in reversed(in_order)}
        self._sharing = list({_shared(item): item for item in reversed(in_order)}.values())
        self._share(kinds.values())
        # What is frozen is not among the objects.
        gc.unfreeze()
        self._functions = [
            one for one in gc.get_objects() if isinstance(one, FunctionType) and one.__code__.co_filename == self._file
        ]
        self._sound: dict[tuple[str, Callable[[], None]], tuple[bool, float]] = {}
        gc.freeze()

    def _share(self, items: Iterable[Any]) -> None:
        """Run tests over the unchanged product, each of which makes or resets what the session shares."""
        for item in items:
            self._hook.pytest_runtest_protocol(item=item, nextitem=self._rest)

    def try_out(self, mutant: Mutant, tests: Sequence[str], expected: Mapping[str, float], scratch: Path) -> str:
        """The test that fails over a mutant, or `timeout`; empty where none does, or this is no way to find out."""
        changed = self._changed(mutant) if mutant.path.endswith(".py") else None
        unchanged: Callable[[], None] = _nothing
        if changed is not None:
            functions, code = changed

            def put_in_place() -> None:
                for function in functions:
                    function.__code__ = code

        elif mutant.path.endswith(".py"):
            # Who has imported a function keeps the one of before, which finds what it uses among the new. Whether a
            # test notices is soon known: of a constant that was imported itself, or of a class, none does.
            tests = [] if mutant.where else [*_within(SOON, tests, expected)]

            def put_in_place() -> None:
                self._execute(mutant.text)

            unchanged = self._execute_unchanged
        else:

            def put_in_place() -> None:
                trials.put_in_place(mutant)
                _forget()

            unchanged = _forget

        return trials.killer(
            tests,
            lambda some: self._failing(put_in_place, some, expected, scratch),
            lambda test: (
                self._is_sound(test, unchanged, expected, scratch)
                and bool(self._failing(put_in_place, [test], expected, scratch))
            ),
        )

    def _is_sound(self, test: str, unchanged: Callable[[], None], expected: Mapping[str, float], scratch: Path) -> bool:
        """Whether it is the change that a test fails over, and neither the fork nor what else was done in it."""
        is_sound, at = self._sound.get((test, unchanged), (True, -SOUND_FOR))
        if is_sound and time.monotonic() - at >= SOUND_FOR:
            is_sound = not self._failing(unchanged, [test], expected, scratch)
            self._sound[test, unchanged] = is_sound, time.monotonic()
        return is_sound

    def _execute(self, text: str) -> None:
        """Load the file once more, with another text, where it is loaded."""
        module = next(one for one in sys.modules.values() if getattr(one, "__file__", None) == self._file)
        exec(_compiled(text, self._file), vars(module))

    def _execute_unchanged(self) -> None:
        self._execute(self._text)

    def _changed(self, mutant: Mutant) -> tuple[list[FunctionType], CodeType] | None:
        """The loaded functions that a mutant changes, and their code after it; None where it changes more than one."""
        differing = list(_differing(self._code, _compiled(_in_place(self._text, mutant.text), self._file)))
        if len(differing) != 1 or differing[0] is None:
            return None
        before, after = differing[0]
        place = (before.co_qualname, before.co_firstlineno)
        loaded = [one for one in self._functions if (one.__code__.co_qualname, one.__code__.co_firstlineno) == place]
        is_alike = all(one.__code__.co_freevars == after.co_freevars for one in loaded)
        return (loaded, after) if loaded and is_alike else None

    def _failing(
        self, before: Callable[[], None], tests: Sequence[str], expected: Mapping[str, float], scratch: Path
    ) -> str:
        items = [self._items[test] for test in tests if test in self._items]

        def work(report: Path) -> None:
            # A trial has folders of its own.
            self._config._tmp_path_factory._basetemp = None
            before()
            watch = Watch((), expected, is_shared=True)
            self._plugins.register(watch)
            for item, following in zip_longest(items, items[1:], fillvalue=self._rest):
                self._hook.pytest_runtest_protocol(item=item, nextitem=following)
                if watch.failed:
                    break
            end_never()
            report.write_text(json.dumps({"failed": watch.failed}))

        with contextlib.suppress(trials.TrialError):
            answer = trials.forked(scratch, trials.limit(expected), work)
            if answer is not None:
                return str(answer["failed"])
            # What was ended has taken nothing back.
            self._share(self._sharing)
            return "timeout"
        return ""


def _within(seconds: float, tests: Sequence[str], expected: Mapping[str, float]) -> Iterator[str]:
    """The first tests, as many as take so long together."""
    for test in tests:
        seconds -= expected[test]
        if seconds < 0:
            return
        yield test


def _nothing() -> None:
    """What is done to a product that stays as it is."""


def _forget() -> None:
    """Let what functions have kept be made again: an empty warehouse was migrated by the queries of before."""
    gc.unfreeze()
    for one in gc.get_objects():
        if isinstance(one, functools._lru_cache_wrapper):
            one.cache_clear()


def _shared(item: Any) -> frozenset[str]:
    """What of the session a test uses."""
    made = item._fixtureinfo.name2fixturedefs
    return frozenset(name for name, fixtures in made.items() if fixtures[-1].scope == "session")


def _in_place(before: str, after: str) -> str:
    """The text after a change, with empty lines for those that are gone: a class knows in which line it begins."""
    old, new = before.splitlines(), after.splitlines()
    following = 0
    while following < len(new) and new[-1 - following] == old[-1 - following]:
        following += 1
    place = len(new) - following
    return "\n".join([*new[:place], *[""] * (len(old) - len(new)), *new[place:]]) + "\n"


def _compiled(text: str, file: str) -> CodeType:
    return compile(text, file, "exec", dont_inherit=True)


def _differing(before: CodeType, after: CodeType) -> Iterator[tuple[CodeType, CodeType] | None]:
    """The functions of a module or class that differ, as a pair; None for what differs outside of them."""
    if not _alike(before, after, deep=False):
        yield None
        return
    for one, other in zip(_inner(before), _inner(after), strict=True):
        if one.co_flags & _IS_FUNCTION:
            if not _alike(one, other, deep=True):
                yield one, other
        else:
            yield from _differing(one, other)


def _inner(code: CodeType) -> list[CodeType]:
    return [constant for constant in code.co_consts if isinstance(constant, CodeType)]


def _alike(one: CodeType, other: CodeType, *, deep: bool) -> bool:
    """Whether two pieces of code do the same, whatever their lines; what is within them only if deep."""
    if any(getattr(one, name) != getattr(other, name) for name in _ATTRIBUTES):
        return False
    # No code reads which attributes the methods of a class set.
    unread = _set_by_methods(one), _set_by_methods(other)
    pairs = [pair for pair in zip(one.co_consts, other.co_consts, strict=False) if pair != unread]
    if len(one.co_consts) != len(other.co_consts):
        return False
    for mine, theirs in pairs:
        if isinstance(mine, CodeType) and isinstance(theirs, CodeType):
            if deep and not _alike(mine, theirs, deep=True):
                return False
        elif (type(mine), repr(mine)) != (type(theirs), repr(theirs)):
            return False
    return True


def _set_by_methods(code: CodeType) -> tuple[str, ...] | None:
    """What Python 3.13 and later notes of a class: the names of the attributes that its methods set."""
    if "__static_attributes__" not in code.co_names:
        return None
    steps = pairwise(dis.get_instructions(code))
    return next((one.argval for one, store in steps if store.argval == "__static_attributes__"), None)
