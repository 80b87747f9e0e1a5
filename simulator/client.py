"""Start and steer a simulator from another process. Standard library only."""

from __future__ import annotations

import datetime as dt
import json
import os
import select
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})


class SimulatorError(Exception):
    """The simulator did not start, or refused a control call; the message is its sentence."""


def is_foreign(name: str) -> bool:
    """Whether an environment variable could lead an AWS client, or the product, somewhere else."""
    return name.startswith(("AWS_", "CMDB_", "MOTO_")) or name.lower() in _PROXIES


class Simulator:
    """A running simulator. A context manager: leaving it ends the process.

    Attributes:
        url: `http://127.0.0.1:PORT`.
        env: variables that lead an AWS client and the product to it.
        directory: HOME of that environment, with `.aws/` in it.
        seconds: how long the start took.
    """

    def __init__(self, process: subprocess.Popen[str], ready: Mapping[str, Any]) -> None:
        self._process = process
        self.url: str = ready["url"]
        self.pid: int = ready["pid"]
        self.env: dict[str, str] = dict(ready["env"])
        self.directory = Path(ready["directory"])
        self.seconds: float = ready["seconds"]
        # Control calls go to the loopback directly, whatever proxies the environment names.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def environment(self, base: Mapping[str, str]) -> dict[str, str]:
        """`base` without anything that leads elsewhere, and with what leads here."""
        return {**{name: value for name, value in base.items() if not is_foreign(name)}, **self.env}

    # ------------------------------------------------------------------ control

    def control(self, method: str, path: str, data: Any = None, **query: str) -> Any:
        """One call of the control path, such as `control("GET", "/truth")`.

        Raises:
            SimulatorError: it was refused.
        """
        url = f"{self.url}/_sim{path}" + (f"?{urlencode(query)}" if query else "")
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(url, data=body, method=method)
        try:
            with self._opener.open(request, timeout=120) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise SimulatorError(json.loads(error.read())["error"]) from error

    def truth(self, *parts: str) -> dict[str, Any]:
        """What there really is: accounts, units and instances, with every part or those that are named.

        Parts are `ledger`, `budgets` (with the cost allocation tags), `governance`, `network`, `storage`, `addressing`,
        `hub`, `config`, `others`, `search`, `metrics`, `databases`, `buckets`, `functions` and `listings` (what is no
        more than listed): naming few is quicker in a large organisation.
        """
        query = {"parts": ",".join(parts)} if parts else {}
        found: dict[str, Any] = self.control("GET", "/truth", **query)
        return found

    def ledger(self, start: dt.date, end: dt.date) -> list[dict[str, Any]]:
        """Every line of the bill on every day of a half-open period."""
        rows: list[dict[str, Any]] = self.control("GET", "/ledger", start=start.isoformat(), end=end.isoformat())[
            "rows"
        ]
        return rows

    def ledger_sums(self, start: dt.date, end: dt.date, *by: str) -> list[dict[str, str]]:
        """The ledger's lines on every day of a half-open period, added up by some of its columns.

        `by` names columns of `ledger`, `month` or `tag:KEY` (empty where there is no value).
        """
        rows: list[dict[str, str]] = self.control(
            "GET", "/ledger/sums", start=start.isoformat(), end=end.isoformat(), by=",".join(by)
        )
        return rows

    def metrics(self, start: dt.date, end: dt.date) -> list[dict[str, Any]]:
        """Every CloudWatch statistic of every instance, metric and day of a half-open period."""
        rows: list[dict[str, Any]] = self.control("GET", "/metrics", start=start.isoformat(), end=end.isoformat())
        return rows

    def log(self, since: int = 0) -> list[dict[str, Any]]:
        """Every call after a record's number, oldest first."""
        records: list[dict[str, Any]] = self.control("GET", "/log", since=str(since))
        return records

    def clear_log(self) -> None:
        """Forget the calls so far, also for CloudTrail."""
        self.control("DELETE", "/log")

    def lie(self, name: str, **targets: str) -> dict[str, Any]:
        """Begin a lie; who is lied about, and how."""
        told: dict[str, Any] = self.control("POST", "/lie", {"name": name, **targets})
        return told

    def lies(self) -> list[dict[str, Any]]:
        """The lies that are being told; `told` is how often, by each of its rules that a night can meet."""
        found: list[dict[str, Any]] = self.control("GET", "/lie")
        return found

    def stop_lying(self) -> None:
        """End every lie."""
        self.control("DELETE", "/lie")

    def faults(self, rules: Sequence[Mapping[str, Any]]) -> None:
        """Add fault rules (`simulator.faults.Rule`) after those in force."""
        self.control("POST", "/faults", [dict(rule) for rule in rules])

    def change(self, do: str, **arguments: Any) -> dict[str, Any]:
        """Change the world for later nights, such as `change("terminate_instance", instance_id=…)`."""
        outcome: dict[str, Any] = self.control("POST", "/change", {"do": do, **arguments})
        return outcome

    def move_on(self, day: dt.date | None = None) -> list[dict[str, Any]]:
        """Let everything happen that `simulator.second_night` plans, on a day or today; each entry that did.

        An entry has its kind and sentence, its changes, and what the next run publishes of it.
        """
        query = {"day": day.isoformat()} if day else {}
        happened: list[dict[str, Any]] = self.control("POST", "/second-night", query)
        return happened

    def configure(self, **settings: Any) -> None:
        """Set what `Simulation` knows: pages, sessions, CloudTrail's delay and rate, Organizations, `today`.

        The names are `page_size`, `page_sizes` (by `service:Operation`), `session_seconds`,
        `trail_delay_seconds` (a number, or the least and the most), `trail_passed_minutes` (since the last call),
        `trail_passes` (each look-up comes late enough), `unrecorded_calls` (`service:Operation`, never shown),
        `lookups_a_second` (0: any number), `org_mode` (`silent-zero`, `access-denied`),
        `policy_types` (by type: `policies`, `empty`, `not_enabled`), `disabled_policy_types` (`refused`,
        `empty`), `delegation_policy` (whether there is one), `refused_actions` (IAM action patterns by role),
        `policy_wording` (what a refusal says of the SCP behind it: `arn`, `words`, `bare`)
        and `today`, and those of the bill that `simulator.ledger` explains.
        """
        self.control("POST", "/config", settings)

    def reset(self) -> None:
        """As it was at the start: no lies, no faults, no log, no changes."""
        self.control("POST", "/reset")

    # ------------------------------------------------------------------ end

    def stop(self) -> None:
        """End the process; closing its standard input is enough."""
        if self._process.stdin:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout:
            self._process.stdout.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()


def start(
    directory: Path,
    policies: Mapping[str, Mapping[str, Any]],
    *,
    accounts: int = 10,
    regions: Sequence[str] = (),
    resources: int = 8,
    page_size: int = 5,
    seed: int = 1,
    tenant: str = "acme",
    tree: str = "default",
    payer: str = "billing",
    today: dt.date | None = None,
    trail_passes: bool = False,
    port: int = 0,
    timeout: float = 120,
) -> Simulator:
    """Start a simulator and wait until it answers; it ends with this process, however that ends.

    Args:
        directory: gets the AWS config files, `policies.json` and the process's own log.
        policies: an IAM policy document for each role.
        accounts: workload accounts, beside the three central ones.
        regions: enabled regions; the default world has three.
        resources: instances for each account and region.
        page_size: items on a page where AWS pages.
        seed: another seed is another organisation.
        tenant: what profile names begin with.
        tree: of organisational units: `default`, `flat` (none) or `deep` (five levels).
        payer: the account that the bill is read in: `billing`, one of its own, or `management` or `operations`.
        today: the day that the bill ends before; the current day in UTC by default.
        trail_passes: whoever looks up in CloudTrail comes late enough to see every event; else each is shown five to
            fifteen minutes after its call.
        port: on 127.0.0.1; 0 takes a free one.
        timeout: seconds to wait for the ready line.

    Raises:
        SimulatorError: it ended, or said nothing in time.
    """
    directory.mkdir(parents=True, exist_ok=True)
    policy_file, log_file = directory / "policies.json", directory / "simulator.log"
    policy_file.write_text(json.dumps(policies))
    # -P: a folder named simulator where the caller happens to be is not this package.
    command = [sys.executable, "-P", "-m", "simulator", "--until-stdin-closes"]
    options: dict[str, object] = {
        "dir": directory,
        "policies": policy_file,
        "port": port,
        "accounts": accounts,
        "resources": resources,
        "page-size": page_size,
        "seed": seed,
        "tenant": tenant,
        "tree": tree,
        "payer": payer,
    }
    if regions:
        options["regions"] = ",".join(regions)
    if today:
        options["today"] = today.isoformat()
    if trail_passes:
        command.append("--trail-passes")
    for name, value in options.items():
        command += [f"--{name}", str(value)]
    root = str(Path(__file__).resolve().parent.parent)
    environment = {name: value for name, value in os.environ.items() if not is_foreign(name)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [root, environment.get("PYTHONPATH")]))
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env=environment,
            # An interrupt at the terminal is for the parent, which may still want answers while it ends.
            start_new_session=True,
        )
    line = _first_line(process, timeout)
    if not line:
        process.kill()
        process.wait()
        said = log_file.read_text(errors="replace").strip()
        raise SimulatorError(f"the simulator did not start: {said or f'nothing came within {timeout:.0f} s'}")
    return Simulator(process, json.loads(line))


def _first_line(process: subprocess.Popen[str], timeout: float) -> str:
    until = time.monotonic() + timeout
    while process.stdout and time.monotonic() < until:
        if select.select([process.stdout], [], [], 0.2)[0]:
            return process.stdout.readline()
        if process.poll() is not None:
            break
    return ""
