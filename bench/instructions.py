"""How many instructions one fixed slice of collection takes: what other load on the machine does not disturb.

    python -m bench.instructions

The slice signs a request of each listing, reads a full and an empty answer to it, checks their owners and makes the
lines of the landing; nothing is sent. Under `valgrind --tool=callgrind` it runs once and eleven times, so that what
starting Python takes cancels out. Exits with 1 when a call takes more than a tenth above what was recorded for this
version of Python in `bench/instructions.json`, which `--record` writes; without valgrind it says so in one sentence.
"""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from botocore.credentials import ReadOnlyCredentials
from botocore.loaders import Loader
from botocore.model import ServiceModel

from bench.canned import LISTINGS, World, workload_accounts
from pipelines.catalogue import registry as catalogue
from pipelines.collection.landing import LandingWriter
from resources.aws.fast.parsers import FastParsers
from resources.aws.fast.sigv4 import SigningKeys, UnsignedRequest, signed
from resources.aws.messages import CellKey
from resources.aws.records import Pages
from resources.aws.service_models import ContractLoader

RECORDED = Path(__file__).with_suffix(".json")
REGION = "us-east-1"
NOW = datetime(2026, 11, 25, 3, 30, tzinfo=UTC)
MORE = 10
"""Further rounds of the longer run."""


def accounts() -> list[str]:
    """One account whose region is medium and one whose region is empty."""
    world = World()
    found = {world.place(account, REGION)[0]: account for account in reversed(workload_accounts(200))}
    return [found["medium"], found["empty"]]


def work(rounds: int) -> int:
    """The slice, so many times; returns how many calls it stands for."""
    world, known = World(), catalogue.listings()
    parsers, keys = FastParsers(timestamp_parser=str, blob_parser=str), SigningKeys()
    loader = ContractLoader(Loader())
    models = {
        name: ServiceModel(loader.load_service_model(name, "service-2"), name)
        for name in {listing.service for listing in LISTINGS}
    }
    credentials = ReadOnlyCredentials("ASIAKEY", "secret", "t" * 360)
    asked = accounts()
    calls = 0
    with tempfile.TemporaryDirectory() as folder, LandingWriter(Path(folder), "run", "listing") as writer:
        for _ in range(rounds):
            for canned in LISTINGS:
                listing, model = known[canned.name], models[canned.service].operation_model(canned.action)
                parser = parsers.create_parser(models[canned.service].resolved_protocol)
                for account in asked:
                    body = f"Action={canned.action}".encode()
                    made = UnsignedRequest(
                        f"https://{canned.service}.{REGION}.amazonaws.com/", f"{canned.service}.{REGION}.amazonaws.com",
                        (("Content-Type", "application/x-www-form-urlencoded"), ("User-Agent", "x")), body,
                        hashlib.sha256(body).hexdigest(), canned.service, REGION,
                    )  # fmt: skip
                    signed(made, credentials, keys, NOW)
                    answer = {
                        "headers": {"x-amzn-RequestId": "bench"}, "status_code": 200, "context": {},
                        "body": world.answer(canned, account, REGION, 0, 100),
                    }  # fmt: skip
                    records: list[dict[str, Any]] = []
                    pages = Pages(listing, account, records.append)
                    pages.take(parser.parse(answer, model.output_shape), model, {})
                    writer.append(CellKey("workload", account, REGION, canned.name), records)
                    calls += 1
    return calls


def counted(rounds: int) -> int:
    """Instructions of a run, as callgrind counts them."""
    with tempfile.TemporaryDirectory() as folder:
        ran = subprocess.run(
            [
                "valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", sys.executable, "-m",
                "bench.instructions", "--rounds", str(rounds),
            ],
            capture_output=True, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": "0"}, timeout=900,
        )  # fmt: skip
    found = re.search(r"Collected : (\d+)", ran.stderr)
    if found is None:
        raise RuntimeError(f"valgrind did not say what it counted: {ran.stderr[-500:]}")
    return int(found[1])


def main(arguments: list[str] | None = None) -> int:
    """Count, tell, judge."""
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__.partition("\n")[0])
    parser.add_argument("--record", action="store_true", help="what a call takes now is what it may take from now on")
    parser.add_argument("--rounds", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.rounds is not None:
        work(asked.rounds)
        return 0
    if shutil.which("valgrind") is None:
        print("valgrind is not installed, so no instructions were counted; on Debian: apt-get install valgrind")
        return 0
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    a_call = (counted(1 + MORE) - counted(1)) // (MORE * work(1))
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    print(f"{a_call:,} instructions a call with Python {python}; recorded: {recorded.get(python, 'nothing')}")
    if asked.record:
        RECORDED.write_text(json.dumps(recorded | {python: a_call}, indent=2) + "\n")
        return 0
    if python in recorded and a_call > recorded[python] * 1.1:
        print(f"Missed: a call takes {a_call / recorded[python]:.2f} times what was recorded.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
