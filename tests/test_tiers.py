"""Unit tests are told from the others by what they use, however it is reached."""

from __future__ import annotations

import functools
import importlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nights
import pytest
import tiers
from chaos import processes
from hypothesis import given
from hypothesis import strategies as st
from nights import cmdb
from scripted_aws import ScriptedAws
from tiers import Guard, is_unit, starts

from pipelines.trust import zero_rule
from simulator.client import Simulator


def started() -> None:
    subprocess.run(["true"], check=True)


@contextmanager
def kept() -> Iterator[None]:
    started()
    yield


class Base:
    def method(self) -> None:
        started()


class Derived(Base):
    pass


def decorated(function: Callable[[], None]) -> Callable[[], None]:
    @functools.wraps(function)
    def wrapper() -> None:
        function()

    return wrapper


@given(st.none())
def with_examples(_: None) -> None:
    started()


def imports() -> None:
    from resources.store.store import Store

    Store.__name__  # noqa: B018  # named, and nothing more


STARTING: list[Callable[..., Any]] = [
    started,
    lambda: kept(),
    lambda: [started() for _ in range(2)],
    lambda: Derived(),
    decorated(started),
    with_examples,
    imports,
    lambda: os.fork(),
    lambda: cmdb({}),
    lambda: nights.apart("", nights.REPOSITORY),
    lambda: processes.apart(decorated(lambda: None), nights.REPOSITORY),
    lambda: ScriptedAws,
]


@pytest.mark.parametrize("function", STARTING, ids=range(len(STARTING)))
def test_what_starts_something_is_found_however_it_is_reached(function: Callable[..., Any]) -> None:
    assert starts(function)


def test_what_starts_nothing_is_left(request: pytest.FixtureRequest) -> None:
    assert not starts(lambda: zero_rule)
    assert not starts(decorated(lambda: None))
    assert is_unit(request.node)


def test_a_test_whose_fixture_starts_something_is_no_unit_test(
    request: pytest.FixtureRequest, small: Simulator
) -> None:
    assert not is_unit(request.node)


@pytest.mark.parametrize("is_one", [True, False])
def test_a_unit_test_that_starts_something_after_all_fails(*, is_one: bool) -> None:
    item: Any = SimpleNamespace(nodeid="test_x")
    expected = pytest.raises(AssertionError, match="test_x counts as a unit test") if is_one else nullcontext()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(tiers, "is_unit", lambda _: is_one)
        with expected, Guard().watching(item):
            started()


def test_what_a_module_starts_while_it_is_loaded_is_not_the_tests(tmp_path: Path) -> None:
    (tmp_path / "loaded.py").write_text("import subprocess\nsubprocess.run(['true'])\n")
    item: Any = SimpleNamespace(nodeid="test_x")
    with pytest.MonkeyPatch.context() as patched, Guard().watching(item):
        patched.setattr(tiers, "is_unit", lambda _: True)
        patched.syspath_prepend(tmp_path)
        importlib.import_module("loaded")
        del sys.modules["loaded"]
