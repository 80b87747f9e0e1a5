"""Which tests are unit tests, found in what they use: `make test-fast` runs those that are marked `unit`.

A unit test starts nothing: no process, no server, no Dagster, no warehouse on disk, no copy of the repository. Whether
it does is read from its own code, its fixtures, and the functions beside the product that these name, so that nobody
keeps a list of tests. The product is not followed: what of it starts something stands in `STARTING`, and `Guard` fails
a unit test that starts a process or a server in a way that is not found.
"""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent

FOLLOWED = tuple(REPOSITORY / name for name in ("tests", "bench", "tools"))

STARTING = frozenset(
    {
        # Processes and servers. A chart is drawn in a process of its own.
        "subprocess",
        "multiprocessing",
        "os.fork",
        "socket",
        "socketserver.BaseServer",
        "simulator.client.start",
        "pipelines.alerts.send",
        "pipelines.charts.drawing",
        "pipelines.explorer.server.listening",
        # Dagster, and our commands.
        "dagster",
        "pipelines.definitions.build_defs",
        "click.testing.CliRunner",
        # A warehouse on disk, a copy of the repository. A fixture imports the former when it is asked for.
        "resources.store.store.Store",
        "given.house",
        "shutil.copytree",
    }
)
"""Modules, functions and classes. Who names one of them, what is in one, or a class that inherits from one starts
something."""


def is_unit(item: pytest.Item) -> bool:
    """Whether a test starts nothing, and `make test` runs it with all its examples.

    To find it out for all tests takes seconds, so it is asked only where it matters.
    """
    if not isinstance(item, pytest.Function) or any(
        item.get_closest_marker(name) for name in ("large", "chaos", "whole_run", "property", "scaleout")
    ):
        return False
    fixtures = [one.func for several in item._fixtureinfo.name2fixturedefs.values() for one in several]
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    used = [item.function, *fixtures, *(value for value in parameters if isinstance(value, FunctionType | type))]
    return not any(map(starts, used))


@functools.cache
def starts(value: Any) -> bool:
    """Whether a function or a class names what starts something, itself or through others that are followed."""
    seen, todo = set(), [value]
    while todo:
        one = _inner(todo.pop())
        if id(one) in seen or not isinstance(one, FunctionType | ModuleType | property | type):
            continue
        seen.add(id(one))
        if _names_starting(one):
            return True
        if not isinstance(one, ModuleType) and _is_followed(one):
            todo += _named_by(one)
    return False


@functools.cache
def _is_starting(name: str) -> bool:
    parts = name.split(".")
    return any(".".join(parts[:length]) in STARTING for length in range(1, len(parts) + 1))


def _inner(value: Any) -> Any:
    """The function that decorators, hypothesis and `property` are wrapped around."""
    if isinstance(value, property):
        return value.fget
    try:
        value = inspect.unwrap(value)
        return inspect.unwrap(value.hypothesis.inner_test)
    except (AttributeError, ValueError):
        return value


@functools.cache
def _names_starting(value: Any) -> bool:
    """Whether a module, a function or a class itself names what starts something."""
    return any(map(_is_starting, _names(value)))


def _names(value: Any) -> set[str]:
    """The whole names of a module, a class and its bases, or of a function and of what its code imports."""
    if isinstance(value, ModuleType):
        return {value.__name__}
    if isinstance(value, type):
        return {f"{base.__module__}.{base.__qualname__}" for base in value.__mro__}
    found = {f"{value.__module__}.{value.__qualname__}"}
    for code in _codes(value.__code__):
        found |= {*code.co_names, *(f"{one}.{other}" for one in code.co_names for other in code.co_names)}
    return found


def _is_followed(value: Any) -> bool:
    module = value if isinstance(value, ModuleType) else sys.modules.get(getattr(value, "__module__", None) or "")
    return _lies_beside_the_product(getattr(module, "__file__", None) or "/")


@functools.cache
def _lies_beside_the_product(file: str) -> bool:
    return any(Path(file).is_relative_to(folder) for folder in FOLLOWED)


@functools.cache
def _named_by(value: Any) -> tuple[Any, ...]:
    """What stands in a class, or what the code of a function names and holds."""
    return tuple(_found_in(value))


def _found_in(value: Any) -> Iterator[Any]:
    if isinstance(value, type):
        for base in value.__mro__:
            yield from vars(base).values() if _is_followed(base) else ()
        return
    for cell in value.__closure__ or ():
        yield cell.cell_contents
    for code in _codes(value.__code__):
        found = [value.__globals__[name] for name in code.co_names if name in value.__globals__]
        yield from found
        for module in found:
            if isinstance(module, ModuleType) and _is_followed(module):
                yield from (vars(module)[name] for name in code.co_names if name in vars(module))


def _codes(code: CodeType) -> Iterator[CodeType]:
    """A function's code, and that of the functions and comprehensions within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


class Guard:
    """Fails a unit test that starts something after all: what led to it lacks in `STARTING`."""

    EVENTS = frozenset({"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn", "os.exec", "socket.bind"})

    def __init__(self) -> None:
        self._heard: list[str] = []
        sys.addaudithook(self._hear)  # for as long as the process lives

    def _hear(self, event: str, _: tuple[Any, ...]) -> None:
        if event in self.EVENTS and not _is_importing():
            self._heard.append(event)

    @contextmanager
    def watching(self, item: pytest.Item) -> Iterator[None]:
        """Within it nothing may be started, where the test is a unit test.

        Raises:
            AssertionError: something was.
        """
        self._heard.clear()
        yield
        if self._heard and is_unit(item):
            what = ", ".join(self._heard)
            raise AssertionError(f"{item.nodeid} counts as a unit test and starts something ({what}): see {__file__}.")


def _is_importing() -> bool:
    """Whether a module is being loaded: croniter, for one, starts a program then, in whichever test needs it first."""
    frame = inspect.currentframe()
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None
