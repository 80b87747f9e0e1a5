"""What stands in for a part of the product or of Dagster in a test takes the calls that the part takes."""

from __future__ import annotations

import inspect
from typing import Any

import dagster as dg
import pytest
import test_gate_sentences
import test_preflight_step
import test_publish_step
from item_rows import InMemory

from resources.store.store import Store
from resources.warehouse import Warehouse

STAND_INS: list[tuple[type, type]] = [
    (test_gate_sentences.Bound, Warehouse),
    (test_preflight_step.Bound, Warehouse),
    (test_publish_step.Bound, Warehouse),
    (test_publish_step.Instance, dg.DagsterInstance),
    (InMemory, Store),
]


def methods(one: type) -> dict[str, Any]:
    return {name: value for name, value in vars(one).items() if inspect.isfunction(value) and not name.startswith("_")}


def taken(function: Any) -> list[tuple[str, Any]]:
    """The parameters of a function by name and kind, after `self`."""
    return [(each.name, each.kind) for each in inspect.signature(function).parameters.values()][1:]


def differs(stand_in: type, real: type) -> dict[str, str]:
    """Methods that the part does not have, or that take something else there."""
    found = {}
    for name, method in methods(stand_in).items():
        if name == "typed":  # the stand-in under the part's type, for mypy
            continue
        if not hasattr(real, name):
            found[name] = "is not there"
            continue
        ours, theirs = taken(method), taken(getattr(real, name))
        if [kind for _, kind in ours] == [inspect.Parameter.VAR_KEYWORD]:
            continue  # keeps whatever it is called with
        if ours != theirs[: len(ours)]:
            found[name] = f"takes {theirs}, not {ours}"
    return found


@pytest.mark.parametrize(
    ("stand_in", "real"), STAND_INS, ids=[f"{one.__module__}.{one.__qualname__}" for one, _ in STAND_INS]
)
def test_a_stand_in_takes_what_the_part_takes(stand_in: type, real: type) -> None:
    assert methods(stand_in)
    assert differs(stand_in, real) == {}


def test_a_stand_in_that_has_drifted_is_seen() -> None:
    class Drifted:
        def begin(self, what: str, more: int) -> None: ...

        def gone(self) -> None: ...

    assert differs(Drifted, Warehouse).keys() == {"begin", "gone"}
