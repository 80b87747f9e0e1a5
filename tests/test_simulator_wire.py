"""The simulator writes JSON as moto would have written it, and loads a model once, whoever asks for it."""

from __future__ import annotations

import datetime as dt
import random
import threading
from collections.abc import Iterator
from typing import Any

import moto.core.utils
import pytest
from moto.core.serialize import JSONSerializer

from simulator import wire
from simulator.app import Simulation
from simulator.json_writer import PlainJsonSerializer
from simulator.ledger import METRICS, SHARES, Sum
from simulator.wire import AwsError, service_model
from simulator.world import World


def world() -> World:
    return World(workloads=1, regions=("us-east-1",), per_region=1, seed=1, today=dt.date(2026, 10, 15))


def operations() -> Iterator[str]:
    """Every operation that the simulator answers itself, in JSON."""
    for service, operation in sorted(Simulation(world, {}, 5).apis.handlers):
        if "json" in service_model(service).metadata.get("protocols", ()):
            yield f"{service}:{operation}"


class Writer:
    """Makes an answer of a shape: what it has is left to chance, and so is what is odd in it."""

    def __init__(self, seed: int, odd: float) -> None:
        self.chance = random.Random(seed)
        self.odd = odd

    def value(self, shape: Any, depth: int = 0) -> Any:
        kind = shape.type_name
        if depth and self.chance.random() < self.odd:
            return self.chance.choice((None, True, 7, 1.5, "8", [], {}, ("a",), dt.date(2026, 1, 2)))
        if kind == "structure":
            names = [name for name in shape.members if depth < 6 and self.chance.random() < 0.7]
            self.chance.shuffle(names)
            return {name: self.value(shape.members[name], depth + 1) for name in names} | {"NotInTheModel": 1}
        if kind == "list":
            return [self.value(shape.member, depth + 1) for _ in range(self.chance.randint(0, 3))]
        if kind == "map":
            return {self.chance.choice("abc"): self.value(shape.value, depth + 1) for _ in range(2)}
        if kind == "boolean":
            return self.chance.random() < 0.5
        if kind in ("integer", "long"):
            return self.chance.choice((0, -1, 2**63))
        if kind in ("float", "double"):
            return self.chance.choice((0, 0.1, 1e300))
        if kind == "timestamp":
            at = dt.datetime(2026, 11, 25, 1, 2, 3, tzinfo=dt.UTC)
            return self.chance.choice((at, at.replace(microsecond=123_999), at.isoformat(), 1764032400, 1764032400.5))
        return self.chance.choice(("", "ein Wörtchen", '"\u2028', "0.0000000001"))


def said(serializer: type[JSONSerializer], call: str, answer: Any) -> Any:
    service, _, operation = call.partition(":")
    try:
        made = serializer(operation_model=service_model(service).operation_model(operation)).serialize(answer)
        return made["body"], made["headers"], made["status_code"]
    except (TypeError, ValueError, AttributeError, RuntimeError) as error:
        return type(error), str(error)


@pytest.mark.parametrize("call", operations())
def test_a_response_is_what_moto_writes(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service, _, operation = call.partition(":")
    shape = service_model(service).operation_model(operation).output_shape
    cases = [Writer(seed, 0.0 if seed < 8 else 0.02).value(shape) for seed in range(16)]
    expected = [said(JSONSerializer, call, answer) for answer in cases]
    assert len({body for body, *_ in expected}) > 1
    assert [said(PlainJsonSerializer, call, answer) for answer in cases] == expected
    # What has the form of its model, moto is not asked about.
    monkeypatch.setattr(JSONSerializer, "_serialize", lambda *_: pytest.fail("moto was asked"))
    assert [said(PlainJsonSerializer, call, answer) for answer in cases[:8]] == expected[:8]


@pytest.mark.filterwarnings("ignore:Exception.* does not match an error shape")
def test_a_refusal_is_motos() -> None:
    refusal = AwsError("AccessDeniedException", "no", 400)
    for call in ("ce:GetCostAndUsage", "budgets:DescribeBudgets"):
        assert said(PlainJsonSerializer, call, refusal) == said(JSONSerializer, call, refusal)


def test_a_model_is_loaded_once_by_whoever_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    really = moto.core.utils._load_service_model

    def load(service: str, kind: str) -> Any:
        loaded.append(service)
        return really(service, kind)

    monkeypatch.setattr(moto.core.utils, "_load_service_model", load)
    wire.service_model.cache_clear()
    moto.core.utils.get_service_model.cache_clear()
    begin = threading.Barrier(8)

    def ask() -> None:
        begin.wait()
        service_model("billing")

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert loaded == ["billing"]


def test_a_sum_is_that_of_its_lines_to_the_last_digit() -> None:
    cost = Sum({"Usage": 12_345_678_901_234_567_890, "SavingsPlanNegation": -333, "Usage, tiny": 1})
    for position, metric in enumerate(METRICS):
        assert cost.amount(metric) == sum(n * SHARES[share][position] for share, n in cost.units.items()) // 100
    assert Sum().amount("UnblendedCost") == 0
