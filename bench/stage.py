"""What surrounds a measurement: the running stub, the AWS config that leads to it, and Cloud Custodian's files."""

import json
import os
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.canned import BILLING, LISTINGS, MANAGEMENT, OPERATIONS, workload_accounts
from bench.work import BASE_PROFILE, Work, profile_of, role_arn

REPOSITORY = Path(__file__).resolve().parent.parent

CLOCK = REPOSITORY / "bench" / "clock"
"""Where Python finds what sets its clock."""

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
    """

    folder: Path
    url: str
    certificate: Path
    accounts: list[str]
    regions: list[str]
    latency: float
    environment: dict[str, str]

    def counters(self) -> dict[str, Any]:
        """What the stub has counted since the last `reset`."""
        counted: dict[str, Any] = json.loads(self._control("/_bench/counters", "GET"))
        return counted

    def reset(self) -> None:
        """Count from nothing."""
        self._control("/_bench/reset", "POST")

    def set_back(self, days: int) -> dict[str, str]:
        """Set the stub's clock to so many days ago; the variables by which a Python program has the same."""
        seconds = days * 86400
        self._control(f"/_bench/ahead/{-seconds}", "POST")
        return {"PYTHONPATH": str(CLOCK), "BENCH_BEHIND": str(seconds)} if days else {}

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


@contextmanager
def staged(
    folder: Path,
    certificate: tuple[Path, Path],
    accounts: int,
    regions: list[str],
    latency: float,
    *more: str,
) -> Iterator[Stage]:
    """Start a stub for so many accounts, and stop it.

    Args:
        latency: seconds.
        more: further arguments of the stub.
    """
    folder.mkdir(parents=True, exist_ok=True)
    cert, key = certificate
    command = [
        sys.executable, "-m", "bench.stub", "--certificate", str(cert), "--key", str(key), "--accounts", str(accounts),
        "--regions", ",".join(regions), "--latency-ms", str(latency * 1000), *more,
    ]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)
    try:
        assert process.stdout is not None, "it is a pipe"
        said = json.loads(process.stdout.readline())
        url = said["url"]
        names = workload_accounts(accounts)
        _write_profiles(folder, names)
        environment = _environment(folder, url, said["proxy"], cert)
        yield Stage(folder, url, cert, names, regions, latency, environment)
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
