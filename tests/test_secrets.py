"""Credentials are kept nowhere: not in what is said of a failure, and not in what Dagster captures of a step."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from nights import REPOSITORY, night_environment
from scripted_aws import INSTANCES, ScriptedAws, ec2_error, query_error, scripted, static, write_profiles
from test_managed import CREDENTIALS, keeping

from resources.aws.client import AwsClient
from resources.aws.messages import Request
from resources.aws.profile_errors import ProfileError
from simulator.client import Simulator, is_foreign

ACCOUNT = "011122223333"
TOKEN = "canary+token/" + "IQoJb3JpZ2lu" * 20 + "=="


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAws]:
    with scripted(tmp_path, monkeypatch) as server:
        write_profiles(tmp_path, server.url, {"one": static(ACCOUNT) | {"aws_session_token": TOKEN}})
        yield server


@pytest.fixture
def reach(aws: ScriptedAws) -> Iterator[AwsClient]:
    made = AwsClient("workload", home_region="us-east-1")
    yield made
    made.close()


# AWS repeats the headers that it would have signed, the token among them.
REPEATED = (
    "The request signature we calculated does not match the signature you provided. The Canonical String for this "
    f"request should have been 'POST / host:x x-amz-security-token:{TOKEN} host;x-amz-security-token' or "
    f"?X-Amz-Security-Token={quote(TOKEN, safe='')} with {static(ACCOUNT)['aws_secret_access_key']}"
)
SECRETS = (TOKEN, quote(TOKEN, safe=""), static(ACCOUNT)["aws_secret_access_key"])


def told(error: BaseException) -> str:
    """All that Dagster would store of an exception."""
    return "".join(traceback.format_exception(error)) + repr(error.args)


@pytest.mark.parametrize("status", [400, 403, 500])
def test_a_token_that_aws_repeats_is_in_no_response_and_no_exception(
    aws: ScriptedAws, reach: AwsClient, status: int
) -> None:
    reach.identify("one")
    aws.script = lambda call: ec2_error("SignatureDoesNotMatch", f"{REPEATED} and {TOKEN}", status)

    answer = reach.fetch(Request("one", ACCOUNT, "us-east-1", INSTANCES, "workload"))
    assert answer.error_code == "SignatureDoesNotMatch"
    assert "The request signature we calculated does not match" in (answer.error_message or "")
    assert not [secret for secret in SECRETS if secret in repr(answer)]

    with pytest.raises(Exception, match="SignatureDoesNotMatch") as caught:
        reach.call("one", "ec2", "DescribeVpcs", "us-east-1")
    error: BaseException | None = caught.value
    seen = []
    while error is not None:
        # Nor in those behind it, for whoever looks there.
        assert not [secret for secret in SECRETS if secret in told(error)]
        seen.append(type(error).__name__)
        error = error.__cause__ or error.__context__
    assert seen[-1] == "ClientError"


def test_a_token_that_sts_repeats_is_in_no_sentence(aws: ScriptedAws, reach: AwsClient, tmp_path: Path) -> None:
    role = {"role_arn": f"arn:aws:iam::{ACCOUNT}:role/R", "source_profile": "one"}
    write_profiles(tmp_path, aws.url, {"one": static(ACCOUNT) | {"aws_session_token": TOKEN}, "role": role})
    aws.script = lambda call: query_error("AccessDenied", REPEATED.rpartition(" with ")[0], 403)
    for profile in ("one", "role"):
        with pytest.raises(ProfileError, match="The request signature we calculated does not match") as caught:
            reach.identify(profile)
        assert not [secret for secret in SECRETS[:2] if secret in told(caught.value)]


@pytest.mark.large
def test_no_credential_is_in_captured_output_or_events(organisation: Simulator, tmp_path: Path) -> None:
    """A step whose standard output Dagster captures, which our dagster.yaml leaves off: also of one that is refused."""
    home = tmp_path / "home"
    home.mkdir()
    ours = (REPOSITORY / "pipelines" / "dagster.yaml").read_text(encoding="utf-8")
    captured = re.sub(r"compute_logs:\n(  .*\n)+", "", ours)
    assert captured != ours
    (home / "dagster.yaml").write_text(captured, encoding="utf-8")
    program = (sys.executable, "-m", "dagster", "asset", "materialize", "-m", "pipelines.definitions")
    for billing, code in (("", 0), ("acmeExpired", 1)):
        settings = {"AWS_BILLING_PROFILE": billing} if billing else {}
        database = tmp_path / f"warehouse{code}" / "cmdb.duckdb"
        environment = night_environment(organisation, database, DAGSTER_HOME=str(home), **settings)
        kept = {name: value for name, value in os.environ.items() if not is_foreign(name)}
        done = subprocess.run(
            [*program, "--select", "audit/caller_identity"],
            env=kept | environment,
            cwd=REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        assert not [canary for canary in CREDENTIALS if canary in (done.stdout + done.stderr).encode()]
        assert keeping(database.parent, CREDENTIALS) == set()
    logs = [path for path in home.rglob("*") if path.suffix in (".err", ".out") and path.stat().st_size]
    assert any(b"accounts_are_distinct" in path.read_bytes() for path in logs), logs
    assert keeping(home, CREDENTIALS) == set()
