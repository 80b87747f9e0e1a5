"""Trials: the tests of a target over one mutant, in a fork of this process that has loaded all that it does not touch.

A mutated module is loaded in the place of its file and nothing is written; a mutated SQL file reads as mutated, in that
process alone. The fork that tries the unchanged product also notes which statements each test reaches, so that a mutant
is tried by the tests that can see it.
"""

import ast
import contextlib
import functools
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import math
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any
from unittest import mock

from tools.mutation.mutations import Mutant
from tools.mutation.watch import GRACE, PATIENCE, REPOSITORY, TIMES, Watch, end_never, is_of_a_decorator, statement

_ENDED = (signal.SIGXCPU, signal.SIGPROF, signal.SIGALRM, signal.SIGKILL)
"""The signals that end a trial which uses or takes too much."""


class TrialError(Exception):
    """The tests cannot be run over the unchanged product, so no mutant can be judged."""


@dataclass
class Known:
    """What the unchanged product's tests did.

    Attributes:
        seconds: of each test.
        calls: the functions that each test calls, as `file:qualified name`, and the lines of them that it executes, as
            `file:number`; before Python 3.12 no lines.
        modules: what is loaded after them.
    """

    seconds: dict[str, float] = field(default_factory=dict)
    calls: dict[str, set[str]] = field(default_factory=dict)
    modules: list[str] = field(default_factory=list)

    @functools.cached_property
    def _called(self) -> set[str]:
        return {call for calls in self.calls.values() for call in calls}

    def of(self, mutant: Mutant) -> list[str]:
        """The tests that can see a mutant, the fast ones first."""
        lines = {f"{mutant.path}:{line}" for line in statement(mutant)}
        places = lines if lines & self._called else {f"{mutant.path}:{mutant.where}"}
        is_called = bool(places & self._called) and not is_of_a_decorator(mutant)
        seen = [test for test, calls in self.calls.items() if not is_called or places & calls]
        return sorted(seen, key=lambda test: self.seconds[test])


def apart(*works: Callable[[], None]) -> None:
    """Do each work in a fork of its own, all at once: what they load is not loaded here.

    Raises:
        TrialError: one of them failed; why was printed.
    """
    children = [_fork(work) for work in works]
    if any([os.waitpid(child, 0)[1] for child in children]):
        raise TrialError("The mutants of a file could not all be tried; what was found of the others is kept.")


def _fork(work: Callable[[], None]) -> int:
    """The id of a process that does the work and ends."""
    sys.stdout.flush()
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        work()
        code = 0
    except TrialError as error:
        print(error, file=sys.stderr)
    except BaseException:  # noqa: BLE001  # whatever it is, a fork must not go on as its parent
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def learn(
    tests: Sequence[str], paths: Sequence[str], scratch: Path, *, once: str = "", kept: Path | None = None
) -> Known:
    """Run the tests over the unchanged product.

    Args:
        paths: the files of which it is noted what is reached.
        once: as of `ready`.
        kept: where what is learned is kept: where it is there, the tests are not run again.

    Raises:
        TrialError: one of them fails.
    """
    if kept is not None and kept.exists():
        answer = json.loads(kept.read_text(encoding="utf-8"))
    else:
        ready(once)
        answer = forked(scratch, 1200, lambda report: _run(tests, report, traced=paths))
        if answer is None or answer["failed"] or not answer["seconds"]:
            said = (scratch / "output").read_text(encoding="utf-8", errors="replace")[-3000:]
            raise TrialError(f"The tests fail over the unchanged product, so no mutant was tried.\n{said}")
        if kept is not None:
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(json.dumps(answer), encoding="utf-8")
    calls = {test: set(calls) for test, calls in answer["calls"].items()}
    return Known(answer["seconds"], calls, answer["modules"])


def ready(once: str) -> None:
    """Call what is to be called before all trials, a function beside the tests: `module:name`; nothing where empty."""
    module, _, name = once.partition(":")
    if module:
        sys.path.append(str(REPOSITORY / "tests"))
        getattr(importlib.import_module(module), name)()


def load(known: Known, changed: str) -> None:
    """Load, for all trials, what the tests load and no mutant of a file touches."""
    for name in unaffected(known.modules, [changed]):
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    # A fork's collections of garbage need not go through all that was loaded before it.
    gc.freeze()


def try_out(mutant: Mutant, tests: Sequence[str], expected: Mapping[str, float], scratch: Path) -> str:
    """Run the tests over a mutant until one fails: that one, `timeout` where they did not end, or empty.

    A test that does not fail over it again failed by chance, as on a busy machine.

    Args:
        expected: seconds that each takes over the unchanged product.
    """
    return killer(
        tests,
        lambda some: _failing(mutant, some, expected, scratch),
        lambda test: bool(_failing(mutant, [test], expected, scratch)),
    )


def killer(tests: Sequence[str], failing: Callable[[Sequence[str]], str], is_sure: Callable[[str], bool]) -> str:
    """The first test of which it is sure that a mutant fails it, or what else ends the tests; empty where none does.

    Args:
        failing: the first of some tests that fails, what else ended them, or empty.
        is_sure: whether a test that failed did so for the mutant.
    """
    left = list(tests)
    while left:
        failed = failing(left)
        if failed not in left or is_sure(failed):
            return failed
        left = left[left.index(failed) + 1 :]
    return ""


def _failing(mutant: Mutant, tests: Sequence[str], expected: Mapping[str, float], scratch: Path) -> str:
    def work(report: Path) -> None:
        put_in_place(mutant)
        _run(tests, report, expected=expected)

    answer = forked(scratch, limit(expected), work)
    return "timeout" if answer is None else str(answer["failed"])


def limit(expected: Mapping[str, float]) -> float:
    """How many seconds of a processor a trial may use."""
    return TIMES * sum(expected.values()) + GRACE


def forked(scratch: Path, limit: float, work: Any) -> dict[str, Any] | None:
    """Do the work in a fork with temporary files of its own; what it reported, or None where it had to be ended.

    Args:
        limit: seconds of a processor that it may use. Where it uses none, it may take `PATIENCE` times as long.
    """
    folder = Path(tempfile.mkdtemp(dir=scratch))
    report = folder / "report.json"

    def alone() -> None:
        os.setsid()
        most = math.ceil(limit)
        resource.setrlimit(resource.RLIMIT_CPU, (most, most + 1))
        output = os.open(scratch / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.environ["TMPDIR"] = str(folder)
        tempfile.tempdir = None
        work(report)

    child = _fork(alone)
    try:
        if _signal_of(child, PATIENCE * limit) in _ENDED:
            return None
        if not report.exists():
            said = (scratch / "output").read_text(encoding="utf-8", errors="replace")[-3000:]
            raise TrialError(f"A trial ended without a word, so no more were made.\n{said}")
        found: dict[str, Any] = json.loads(report.read_text())
        return found
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)


def _signal_of(child: int, seconds: float) -> int:
    """The signal that ended a process, 0 for none; it is killed where it goes on for longer than that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
        time.sleep(0.01)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return signal.SIGKILL


class _Mutated(importlib.machinery.SourceFileLoader):
    """Loads a module from a text instead of its file, and keeps nothing of it."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self._text = text

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._text, self.path, "exec", dont_inherit=True)


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, mutant: Mutant) -> None:
        self._path = str(REPOSITORY / mutant.path)
        self.name = mutant.path.removesuffix(".py").replace("/", ".")
        self._text = mutant.text

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self.name:
            return None
        return importlib.util.spec_from_file_location(
            fullname, self._path, loader=_Mutated(fullname, self._path, self._text)
        )


def put_in_place(mutant: Mutant) -> None:
    """Let this process load or read the mutant, to its end."""
    if mutant.path.endswith(".py"):
        finder = _Finder(mutant)
        if finder.name in sys.modules:
            raise TrialError(f"{finder.name} was loaded before it could be changed.")
        sys.meta_path.insert(0, finder)
        return
    changed = REPOSITORY / mutant.path
    text, data = Path.read_text, Path.read_bytes

    def read_text(self: Path, *arguments: Any, **options: Any) -> str:
        return mutant.text if self == changed else text(self, *arguments, **options)

    def read_bytes(self: Path) -> bytes:
        return mutant.text.encode() if self == changed else data(self)

    # In this process alone, to its end.
    mock.patch.multiple(Path, read_text=read_text, read_bytes=read_bytes).start()


def _loadable() -> list[str]:
    """The modules of this process, but for those that pytest loads in its own way."""
    own = REPOSITORY / "tests"
    return [
        name
        for name, module in list(sys.modules.items())
        if not (file := getattr(module, "__file__", None)) or not Path(file).is_relative_to(own)
    ]


def unaffected(modules: Sequence[str], paths: Sequence[str]) -> list[str]:
    """The modules that do not import one of the files, however far away: those are loaded by each trial."""
    imports = {name: _imports(name) for name in modules}
    affected = {path.removesuffix(".py").replace("/", ".") for path in paths}
    while more := {name for name, used in imports.items() if name not in affected and used & affected}:
        affected |= more
    return [name for name in modules if name not in affected]


def _imports(name: str) -> set[str]:
    """The modules of the repository that one of them imports, packages included; of other people's none."""
    place = REPOSITORY / name.replace(".", "/")
    file = next((one for one in (place.with_suffix(".py"), place / "__init__.py") if one.is_file()), None)
    if file is None:
        return set()
    # The package around a module is loaded before it.
    found = {name.rpartition(".")[0]}
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


_WITHOUT = ("cacheprovider", "randomly", "xdist", "unraisableexception", "threadexception", "faulthandler")

TRIED = "not chaos and not whole_run and not scaleout"
"""Marks of the tests that a trial may run: whole runs take minutes."""

QUIET = ("-q", "--no-header", "-m", TRIED, *(f"-pno:{name}" for name in _WITHOUT))
"""How pytest is called in a trial: a push leaves out cases that hold a rule too."""


def settle_hypothesis() -> None:
    """The same examples every time, none kept, and the first that fails is enough."""
    from hypothesis import Phase, settings

    phases = (Phase.explicit, Phase.generate)
    settings.register_profile("mutants", derandomize=True, database=None, phases=phases)
    settings.load_profile("mutants")


def _run(
    tests: Sequence[str], report: Path, traced: Sequence[str] = (), expected: Mapping[str, float] | None = None
) -> None:
    import pytest

    settle_hypothesis()
    watch = Watch(traced, expected or {})
    if traced:
        watch.trace()
    code = pytest.main([*QUIET, *(["--tb=short"] if traced else ["--tb=no", "-x"]), *tests], plugins=[watch])
    end_never()
    failed = watch.failed or ("" if code == 0 else f"pytest ended with {int(code)}")
    report.write_text(
        json.dumps(
            {
                "failed": failed,
                "seconds": watch.seconds,
                "calls": watch.finished() if traced else {},
                "modules": _loadable() if traced else [],
            }
        )
    )
