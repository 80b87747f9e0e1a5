"""The simulator writes JSON as moto would have written it, and loads a model once, whoever asks for it."""

from __future__ import annotations

import datetime as dt
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import botocore.model
import moto.core.utils
import pytest
from moto.core.routing import get_service_router
from moto.core.serialize import JSONSerializer
from werkzeug.test import EnvironBuilder

from simulator import wire
from simulator.app import OWN_FAILURE, Simulation
from simulator.asked import Asked
from simulator.json_writer import PlainJsonSerializer
from simulator.ledger import METRICS, SHARES, Sum
from simulator.wire import AwsError, Call, Response, service_model
from simulator.world import World


def world() -> World:
    return World(workloads=1, regions=("us-east-1",), per_region=1, seed=1, today=dt.date(2026, 10, 15))


def operations() -> Iterator[str]:
    """Every operation that the simulator answers itself, in JSON."""
    for service, operation in sorted(Simulation(world, {}, 5).apis.handlers):
        if "json" in service_model(service).metadata.get("protocols", ()):
            yield f"{service}:{operation}"


def repeated(value: Any) -> Any:
    """An answer of which each structure is one of the request."""
    if isinstance(value, dict):
        return Asked({name: repeated(inner) for name, inner in value.items()})
    return [repeated(inner) for inner in value] if isinstance(value, list) else value


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
    # Nor about what an answer repeats of its request.
    assert [said(PlainJsonSerializer, call, repeated(answer)) for answer in cases[:8]] == expected[:8]


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
    at_once(lambda: service_model("billing"))
    assert loaded == ["billing"]


def at_once(ask: Callable[[], object]) -> list[object]:
    """What eight threads get that ask at the same time; an exception is what one got too."""
    begin = threading.Barrier(8)

    def asked() -> object:
        begin.wait()
        return ask()

    with ThreadPoolExecutor(8) as threads:
        futures = [threads.submit(asked) for _ in range(8)]
    return [future.exception() or future.result() for future in futures]


MAPPINGS = "/2015-03-31/event-source-mappings/"


def lambda_call() -> Call:
    """ListEventSourceMappings: its path says which operation it is."""
    scope = "AWS4-HMAC-SHA256 Credential=ASIA/20261015/us-east-1/lambda/aws4_request"
    environ = EnvironBuilder(MAPPINGS, headers=[("Authorization", scope)]).get_environ()
    return Call({**environ, "RAW_URI": MAPPINGS}, b"")


def test_the_first_requests_of_a_service_are_understood_also_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Moto keeps botocore's model of an operation for a moment, in place of its own: here the moment is long.
    really = botocore.model.ServiceModel.operation_model

    def slowly(self: Any, name: str) -> Any:
        try:
            return really(self, name)
        finally:
            time.sleep(0.001)

    for cached in (wire.service_model, moto.core.utils.get_service_model, get_service_router):
        cached.cache_clear()
    monkeypatch.setattr(botocore.model.ServiceModel, "operation_model", slowly)

    def understood() -> object:
        call = lambda_call()
        assert call.read_scope()
        service_model(call.service)
        return call.read_operation() and call.operation

    assert at_once(understood) == ["ListEventSourceMappings"] * 8


def test_a_failure_of_the_simulator_is_answered_and_logged_as_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    simulation = Simulation(world, {}, 5)
    monkeypatch.setattr(Call, "read_operation", lambda _: 1 / 0)
    answer = simulation.handle(lambda_call().environ)
    assert isinstance(answer, Response)
    assert answer.status == 500
    (entry,) = simulation.trail.records()
    assert (entry["error_code"], entry["status"]) == (OWN_FAILURE, 500)
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_a_sum_is_that_of_its_lines_to_the_last_digit() -> None:
    cost = Sum({"Usage": 12_345_678_901_234_567_890, "SavingsPlanNegation": -333, "Usage, tiny": 1})
    for position, metric in enumerate(METRICS):
        assert cost.amount(metric) == sum(n * SHARES[share][position] for share, n in cost.units.items()) // 100
    assert Sum().amount("UnblendedCost") == 0
