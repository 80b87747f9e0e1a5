"""CPU of one call by the fast transport and by botocore's own way, side by side, in one thread.

    python -m bench.transport [--accounts 40] [--rounds 3]

Both send the first page of every listing of `bench.canned` for each account and region to the stub, over TLS and
without latency, in turn. Of each call the least of all rounds counts: what other load on the machine adds is no
property of the transport.
"""

import argparse
import gc
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.credentials import CredentialResolver, ReadOnlyCredentials
from botocore.loaders import Loader

from bench import certificate
from bench.canned import LISTINGS, workload_accounts
from bench.plain_boto3 import OWN
from bench.side_by_side import SMALL_REGIONS
from bench.stage import staged
from resources.aws.fast.transport import FastTransport
from resources.aws.guard import Guard
from resources.aws.service_models import ContractLoader
from resources.aws.transport import BotocoreTransport, OperationModels, SessionTransport
from resources.aws.value_text import AS_TEXT
from resources.contract import check

Call = tuple[str, str, str, str, dict[str, Any]]
"""Account, region, service, operation, parameters."""

BLOCK = 40
"""Calls that one way sends before the other has its turn."""


class Asker:
    """The credentials of whoever asks."""

    method = METHOD = "bench"

    def __init__(self) -> None:
        self.now = ReadOnlyCredentials("", "", "")

    def load(self) -> "Asker":
        """Itself: a provider of credentials."""
        return self

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        """The credentials."""
        return self.now

    def get_deferred_property(self, name: str) -> Callable[[], Any]:
        """One part of the credentials, when it is asked for."""
        return lambda: getattr(self.now, name, None)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.now, name)


class Way:
    """A transport with its clients: one a region and service."""

    def __init__(self, transport: SessionTransport) -> None:
        self._transport = transport
        self._asker = Asker()
        self._session = botocore.session.Session()
        self._session.register_component("credential_provider", CredentialResolver([self._asker]))
        self._session.register_component("data_loader", ContractLoader(Loader()))
        once = {"mode": "legacy", "total_max_attempts": 1}
        self._session.set_default_client_config(Config(max_pool_connections=64, retries=once, tcp_keepalive=True))
        Guard("workload").watch(self._session)
        transport.watch(self._session)
        self._clients: dict[tuple[str, str], Any] = {}

    def send(self, call: Call) -> dict[str, Any]:
        """The response to a call."""
        account, region, service, operation, parameters = call
        client = self._clients.get((service, region))
        if client is None:
            client = self._clients[service, region] = self._session.create_client(service, region_name=region)
        self._asker.now = ReadOnlyCredentials(f"ASIA{account}", "s" * 40, "t" * 360)
        request = self._transport.prepare(client, operation, parameters)
        return self._transport.send(request, self._asker.now)


def ways() -> dict[str, Way]:
    """Both."""
    fast = FastTransport(
        lambda name, operation: check("workload", name, operation),
        lambda: None,
        lambda _: None,
        OperationModels(),
        **AS_TEXT,
    )
    return {"fast": Way(fast), "plain": Way(BotocoreTransport(**AS_TEXT))}


def calls(accounts: int, regions: list[str]) -> list[Call]:
    """What is sent."""
    return [
        (account, region, listing.service, listing.action, dict(OWN.get(listing.action, {})))
        for account in workload_accounts(accounts)
        for region in regions
        for listing in LISTINGS
    ]


def measure(sent: list[Call], rounds: int) -> dict[str, float]:
    """Seconds of CPU a call, by way.

    Raises:
        AssertionError: the two do not have the same response to a call.
    """
    made = ways()
    for call in sent:
        fast, plain = (dict(way.send(call)) for way in made.values())
        for response in (fast, plain):
            response.pop("ResponseMetadata")
        assert fast == plain, call
    gc.collect()
    gc.freeze()
    least = {name: [float("inf")] * len(sent) for name in made}
    for _ in range(rounds):
        for begin in range(0, len(sent), BLOCK):
            for name, way in made.items():
                for number in range(begin, min(begin + BLOCK, len(sent))):
                    started = time.process_time()
                    way.send(sent[number])
                    took = time.process_time() - started
                    least[name][number] = min(least[name][number], took)
    return {name: sum(seconds) / len(sent) for name, seconds in least.items()}


@contextmanager
def stub(accounts: int) -> Iterator[None]:
    """Lead this process to a stub of AWS, for as long as it is entered."""
    with tempfile.TemporaryDirectory(prefix="cmdb-bench-") as name:
        folder = Path(name)
        with staged(folder / "stage", certificate.make(folder), accounts, SMALL_REGIONS, 0.0) as stage:
            os.environ.clear()
            os.environ.update(stage.environment)
            yield


def main() -> None:
    """Measure, and print what a call takes."""
    parser = argparse.ArgumentParser(prog="python -m bench.transport", description=__doc__.partition("\n")[0])
    parser.add_argument("--accounts", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--served", action="store_true", help="the environment leads to a stub already")
    asked = parser.parse_args()
    sent = calls(asked.accounts, SMALL_REGIONS)
    with nullcontext() if asked.served else stub(asked.accounts):
        took = measure(sent, asked.rounds)
    figures = {f"{name}_us": round(seconds * 1e6, 1) for name, seconds in took.items()}
    print(json.dumps({"calls": len(sent), **figures, "plain_to_fast": round(took["plain"] / took["fast"], 2)}))


if __name__ == "__main__":
    main()
