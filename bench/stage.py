"""What surrounds a measurement: the running stub, the AWS config that leads to it, and Cloud Custodian's files."""

import json
import os
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.canned import BILLING, LISTINGS, MANAGEMENT, OPERATIONS, workload_accounts
from bench.work import BASE_PROFILE, Work, profile_of, role_arn

REPOSITORY = Path(__file__).resolve().parent.parent

CENTRAL = {
    "benchManagement": role_arn(MANAGEMENT, "OrgReader"),
    "benchOperations": role_arn(OPERATIONS, "OpsReader"),
    "benchBilling": role_arn(BILLING, "BillingReader"),
}


@dataclass(frozen=True)
class Stage:
    """A stub that runs, and how to reach it.

    Attributes:
        environment: leads any AWS tool to it, unpatched.
        clock: the file of libfaketime that sets the clock of the stub and of what has `environment`; None where all
            have the machine's.
    """

    folder: Path
    url: str
    certificate: Path
    accounts: list[str]
    regions: list[str]
    latency: float
    environment: dict[str, str]
    clock: Path | None = None

    def counters(self) -> dict[str, Any]:
        """What the stub has counted since the last `reset`."""
        counted: dict[str, Any] = json.loads(self._control("/_bench/counters", "GET"))
        return counted

    def reset(self) -> None:
        """Count from nothing."""
        self._control("/_bench/reset", "POST")

    def advance(self, ahead: timedelta) -> None:
        """Set the clock so far ahead of the machine's."""
        assert self.clock is not None, "the stage has no clock of its own"
        new = self.clock.with_suffix(".new")
        new.write_text(f"{ahead.total_seconds():+.0f}")
        # libfaketime ends a process that finds the file empty.
        new.replace(self.clock)
        # What runs looks at it every second.
        time.sleep(2)

    def _control(self, path: str, method: str) -> bytes:
        context = ssl.create_default_context(cafile=self.certificate)
        request = urllib.request.Request(self.url + path, method=method)
        with urllib.request.urlopen(request, context=context, timeout=30) as answer:
            said: bytes = answer.read()
        return said

    def client(self, service: str, account: str, region: str, **config: Any) -> Any:
        """A client of boto3 that is this account there, and sends each request once.

        Args:
            config: further options of `botocore.config.Config`.
        """
        # The programs that are measured bring their own; only tests need this one.
        import boto3
        from botocore.config import Config

        return boto3.client(
            service,
            region_name=region,
            endpoint_url=self.url,
            verify=str(self.certificate),
            aws_access_key_id=f"ASIA{account}",
            aws_secret_access_key="s",
            config=Config(retries={"total_max_attempts": 1}, **config),
        )

    def work(self, concurrency: int = 64) -> Path:
        """The file that tells a peer what to collect."""
        path = self.folder / "work.json"
        Work(self.url, self.accounts, self.regions, concurrency).save(path)
        return path


def faketime(clock: Path) -> dict[str, str]:
    """The variables by which a process has the clock of a file. Waiting takes as long as ever.

    Raises:
        FileNotFoundError: libfaketime is not installed.
    """
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found:
        raise FileNotFoundError("A second night needs libfaketime (Debian's package of that name), which is missing.")
    return {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
    }


@contextmanager
def staged(
    folder: Path,
    certificate: tuple[Path, Path],
    accounts: int,
    regions: list[str],
    latency: float,
    *more: str,
    has_clock: bool = False,
) -> Iterator[Stage]:
    """Start a stub for so many accounts, and stop it.

    Args:
        latency: seconds.
        more: further arguments of the stub.
        has_clock: whether its clock can be set.

    Raises:
        FileNotFoundError: its clock is to be set, and libfaketime is missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    clock = folder / "clock" if has_clock else None
    by_clock = {} if clock is None else faketime(clock)
    if clock is not None:
        clock.write_text("+0")
    cert, key = certificate
    command = [
        sys.executable, "-m", "bench.stub", "--certificate", str(cert), "--key", str(key), "--accounts", str(accounts),
        "--regions", ",".join(regions), "--latency-ms", str(latency * 1000), *more,
    ]  # fmt: skip
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env={**os.environ, **by_clock}
    )
    try:
        assert process.stdout is not None, "it is a pipe"
        said = json.loads(process.stdout.readline())
        url = said["url"]
        names = workload_accounts(accounts)
        _write_profiles(folder, names)
        environment = _environment(folder, url, said["proxy"], cert) | by_clock
        yield Stage(folder, url, cert, names, regions, latency, environment, clock)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _write_profiles(folder: Path, accounts: list[str]) -> None:
    arns = CENTRAL | {profile_of(account): role_arn(account) for account in accounts}
    lines = [f"[profile {BASE_PROFILE}]", "region = us-east-1", ""]
    for name, arn in arns.items():
        lines += [
            f"[profile {name}]",
            "region = us-east-1",
            f"role_arn = {arn}",
            f"source_profile = {BASE_PROFILE}",
            "",
        ]
    (folder / "config").write_text("\n".join(lines))
    keys = f"[{BASE_PROFILE}]\naws_access_key_id = AKIAbase\naws_secret_access_key = {'s' * 40}\n"
    (folder / "credentials").write_text(keys)


def _environment(folder: Path, url: str, proxy: str, certificate: Path) -> dict[str, str]:
    foreign = ("AWS_", "CMDB_", "DAGSTER_")
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(foreign)}
    kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
    return kept | {
        "HOME": str(folder),
        "AWS_CONFIG_FILE": str(folder / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
        "AWS_ENDPOINT_URL": url,
        # The only endpoint without TLS, so that the proxy is asked for nothing else.
        "AWS_ENDPOINT_URL_S3_CONTROL": "http://s3control.invalid",
        "HTTP_PROXY": proxy,
        "AWS_CA_BUNDLE": str(certificate),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_MANAGEMENT_PROFILE": "benchManagement",
        "AWS_OPERATIONS_PROFILE": "benchOperations",
        "AWS_BILLING_PROFILE": "benchBilling",
        "CMDB_WORKLOAD_PROFILES": f"{profile_of('4')}*",
        "CMDB_COST_MONTHS": "1",
        "CMDB_COST_REQUEST_LIMIT": "100000",
        "CMDB_DATABASE": str(folder / "warehouse" / "aws_org.duckdb"),
        "DAGSTER_HOME": str(folder / "dagster"),
        "NO_COLOR": "1",
    }


def write_custodian(folder: Path, accounts: list[str], regions: list[str]) -> tuple[Path, Path]:
    """Cloud Custodian's accounts and policies, as JSON, which is YAML: a policy a listing, without an action."""
    entries = [
        {"account_id": account, "name": account, "regions": regions, "role": role_arn(account)} for account in accounts
    ]
    policies = [{"name": listing.name, "resource": listing.custodian} for listing in LISTINGS]
    paths = folder / "accounts.yml", folder / "policies.yml"
    paths[0].write_text(json.dumps({"accounts": entries}))
    paths[1].write_text(json.dumps({"policies": policies}))
    return paths


def custodian_counts(output: Path) -> dict[str, int]:
    """How many resources Cloud Custodian wrote, by policy."""
    counts = {listing.name: 0 for listing in LISTINGS}
    for file in output.glob("*/*/*/resources.json"):
        counts[file.parent.name] += len(json.loads(file.read_text()))
    return dict(sorted(counts.items()))
