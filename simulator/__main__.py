"""`python -m simulator`: start the organisation and say in one JSON line how to reach it."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import NoReturn

TREES = ("default", "flat", "deep")
PAYERS = ("billing", "management", "operations")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m simulator", description=__doc__)
    parser.add_argument("--dir", type=Path, required=True, help="where the AWS config files go; becomes HOME")
    parser.add_argument("--policies", type=Path, required=True, help="JSON of IAM policy documents by role")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    parser.add_argument("--accounts", type=int, default=10, help="workload accounts")
    parser.add_argument("--regions", help="enabled regions, separated by commas")
    parser.add_argument("--resources", type=int, default=8, help="instances for each account and region")
    parser.add_argument("--page-size", type=int, default=5, help="items on a page where AWS pages")
    parser.add_argument("--tree", choices=TREES, default="default", help="of organisational units")
    parser.add_argument("--payer", choices=PAYERS, default="billing", help="the account that the bill is read in")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tenant", default="acme")
    parser.add_argument("--today", type=dt.date.fromisoformat, help="the day that the bill ends before")
    parser.add_argument(
        "--trail-passes", action="store_true", help="CloudTrail's look-ups come late enough to see every event"
    )
    parser.add_argument(
        "--until-stdin-closes", action="store_true", help="end with the process that holds standard input"
    )
    return parser.parse_args()


def _end_with_parent() -> None:
    """Wait for the end of standard input, which comes even when the parent was killed."""
    while os.read(0, 4096):
        pass
    os._exit(0)


def main() -> None:
    """Start, print the ready line, serve until SIGTERM."""
    began = time.monotonic()
    arguments = _arguments()
    # moto reads these when it is imported. Its default images take 52 ms for each account and region; its
    # default bucket rule lets any account read any bucket; an account id set here would override all others.
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"
    os.environ["MOTO_S3_ALLOW_CROSSACCOUNT_ACCESS"] = "false"
    for name in [*os.environ]:
        if name == "MOTO_ACCOUNT_ID" or name.startswith("AWS_"):
            del os.environ[name]

    from simulator.access import PolicyError, read_policies
    from simulator.app import Simulation
    from simulator.profiles import ConfigFile, write_profiles
    from simulator.server import make_http_server
    from simulator.world import DEFAULT_REGIONS, OLDEST_TODAY, World

    try:
        policies = read_policies(json.loads(arguments.policies.read_text()))
    except (OSError, ValueError, PolicyError, KeyError) as error:
        _refuse(f"--policies {arguments.policies}: {error}. `cmdb policy ROLE` prints such documents.")
    regions = tuple(arguments.regions.split(",")) if arguments.regions else DEFAULT_REGIONS
    today = arguments.today or dt.datetime.now(dt.UTC).date()
    if today < OLDEST_TODAY:
        _refuse(f"--today {today} lies before {OLDEST_TODAY}, when the youngest instance was started")

    def make_world() -> World:
        world = World(
            workloads=arguments.accounts,
            regions=regions,
            per_region=arguments.resources,
            seed=arguments.seed,
            tenant=arguments.tenant,
            tree=arguments.tree,
            payer=arguments.payer,
            today=today,
        )
        world.parts.append(ConfigFile(arguments.dir))
        return world

    simulation = Simulation(make_world, policies, arguments.page_size, trail_passes=arguments.trail_passes)
    server = make_http_server(simulation, arguments.port)
    environment = write_profiles(arguments.dir, simulation.access, server.server_port)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    if arguments.until_stdin_closes:
        threading.Thread(target=_end_with_parent, daemon=True).start()
    ready = {
        "url": f"http://127.0.0.1:{server.server_port}",
        "pid": os.getpid(),
        "directory": environment["HOME"],
        "env": environment,
        "seconds": round(time.monotonic() - began, 2),
    }
    print(json.dumps(ready, ensure_ascii=True), flush=True)
    server.serve_forever()


def _refuse(sentence: str) -> NoReturn:
    print(f"simulator: {sentence}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
