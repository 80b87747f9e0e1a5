"""Credentials of named profiles, the sentences for those that lead nowhere, and what an answer is worth."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickle
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
import pytest
from botocore.client import ClientCreator
from botocore.utils import parse_timestamp
from scripted_aws import (
    INSTANCES,
    Call,
    Reply,
    ScriptedAws,
    as_json,
    ec2_error,
    json_error,
    key_of,
    query_error,
    reservations,
    scripted,
    static,
    write_profiles,
    xml,
)

from pipelines.catalogue.registry import listings
from resources.aws.client import AwsClient
from resources.aws.dispatch import look_up_all
from resources.aws.errors import EXPIRED_CODES, UNKNOWN_KEY_CODES, AwsError, Failed, is_throttle
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import OPTIONAL_GRANT, REQUEST_LIMIT, Identity, Lookup, Request, Response, TrailEvents
from resources.aws.meter import Unmetered
from resources.aws.profile_errors import ProfileError
from resources.aws.profiles import AwsConfigError, available_profiles
from resources.aws.retry import Retry
from resources.aws.value_text import iso_text
from resources.contract import CONTRACT, ROLES, Role
from simulator.client import Simulator

ONE, TWO = "011122223333", "044455556666"
REGION = "us-east-1"
HASTE = Retry(seconds=2.0, transient_attempts=3, first_delay=0.01, longest_delay=0.05)

COSTS = Listing(
    "cost_daily",
    "ce:GetCostAndUsage",
    roles=("billing",),
    zero="witnessed",
    records="ResultsByTime[].Groups",
    carry=("TimePeriod", "Estimated"),
    scope="global",
    token=("NextPageToken", "NextPageToken"),
    parameters={"Metrics": ["UnblendedCost"], "Granularity": "DAILY"},
)
PERIOD = {"TimePeriod": {"Start": "2026-10-01", "End": "2026-10-02"}}
ACCOUNTS = Listing(
    "organizations_account",
    "organizations:ListAccounts",
    roles=("management",),
    zero="impossible",
    records="Accounts",
    owner="Arn",
    scope="global",
)


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedAws]:
    monkeypatch.setenv("HOME", str(tmp_path))
    with scripted(tmp_path, monkeypatch) as server:
        write_profiles(tmp_path, server.url, {"one": static(ONE), "two": static(TWO)})
        yield server


MakeReach = Callable[..., AwsClient]


@pytest.fixture
def make_reach() -> Iterator[MakeReach]:
    made: list[AwsClient] = []

    def make(role: Role = "workload", retry: Retry = HASTE, **settings: Any) -> AwsClient:
        made.append(AwsClient(role, home_region=REGION, retry=retry, **settings))
        return made[-1]

    yield make
    for reach in made:
        reach.close()


def question(
    listing: Listing = INSTANCES, profile: str = "one", account: str = ONE, region: str = REGION, **more: Any
) -> Request:
    return Request(profile, account, region, listing, listing.roles[0], **more)


def pages(*replies: Reply) -> Callable[[Call], Reply | None]:
    """Answer the calls that are not STS's one after the other; the last one for ever."""
    left = list(replies)

    def script(call: Call) -> Reply | None:
        if call.service == "sts":
            return None
        return left.pop(0) if len(left) > 1 else left[0]

    return script


def refused(reach: AwsClient, profile: str) -> ProfileError:
    with pytest.raises(ProfileError) as caught:
        reach.identify(profile)
    error = caught.value
    sentence = str(error)
    assert sentence.endswith((".", ")")) or error.error_code or error.reason in ("refused", "no_credentials")
    assert error.hint
    assert "secret-" not in sentence + error.hint
    assert error.profile == profile
    return error


# ------------------------------------------------------------------------------------- whose credentials


def test_the_environment_never_lends_its_keys(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profiles(tmp_path, aws.url, {"default": static(TWO), "one": static(ONE), "bare": {}})
    monkeypatch.setenv("AWS_PROFILE", "default")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key_of(TWO))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{aws.url}/container")
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"{aws.url}/metadata")
    monkeypatch.setenv("AWS_ROLE_ARN", f"arn:aws:iam::{TWO}:role/R")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", __file__)
    reach = make_reach()
    assert reach.identify("one").account_id == ONE
    assert {call.account for call in aws.log} == {ONE}
    aws.log.clear()
    error = refused(reach, "bare")
    assert error.reason == "no_credentials"
    assert aws.log == []


@pytest.mark.parametrize("role", ROLES)
def test_a_profile_is_always_named(
    role: Role, aws: ScriptedAws, make_reach: MakeReach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "one")
    error = refused(make_reach(role), "")
    assert error.reason == "not_named"
    assert CONTRACT[role].profile_env in str(error)
    assert aws.log == []


def of_a_role(aws: ScriptedAws, folder: Path) -> None:
    """A profile `role` of account TWO, which the profile `one` assumes."""
    role = {"role_arn": f"arn:aws:iam::{TWO}:role/R", "source_profile": "one"}
    write_profiles(folder, aws.url, {"one": static(ONE), "role": role})


def test_an_assumed_role_signs_as_the_role(aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path) -> None:
    of_a_role(aws, tmp_path)
    identity = make_reach().identify("role")
    assert identity.account_id == TWO
    assert identity.arn == f"arn:aws:sts::{TWO}:assumed-role/Reader/cmdb"
    assert [(call.operation, call.account) for call in aws.log] == [
        ("AssumeRole", ONE),
        ("GetCallerIdentity", TWO),
    ]


def test_credential_source_may_mean_the_environment(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    role = {"role_arn": f"arn:aws:iam::{TWO}:role/R", "credential_source": "Environment"}
    write_profiles(tmp_path, aws.url, {"role": role})
    reach = make_reach()
    assert refused(reach, "role").reason == "no_credentials"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key_of(ONE))
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert make_reach().identify("role").account_id == TWO


def accounts_of(found: Iterable[Identity | ProfileError]) -> list[str]:
    """The accounts of identities; an error has none."""
    return [one.account_id for one in found if isinstance(one, Identity)]


class Metadata:
    """The metadata service of an instance of account ONE, as a script; it throttles as long as `is_busy`."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.is_busy = False

    def __call__(self, call: Call) -> Reply | None:
        if not call.operation.startswith("/latest/"):
            return None
        self.requests.append(call.operation)
        if self.is_busy:
            return Reply("", 429)
        until = datetime.now(UTC) + timedelta(hours=6)
        keys = {"AccessKeyId": f"ASIA{ONE}", "SecretAccessKey": "s", "Token": "t", "Expiration": f"{until:%FT%TZ}"}
        return Reply({"token": "t", "": "runner", "runner": json.dumps(keys)}[call.operation.rpartition("/")[2]])


@pytest.fixture
def metadata(aws: ScriptedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Metadata:
    source = {"credential_source": "Ec2InstanceMetadata"}
    roles = {f"role-{n}": {"role_arn": f"arn:aws:iam::{n:012}:role/R"} | source for n in range(40)}
    write_profiles(tmp_path, aws.url, roles)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.url)
    aws.script = Metadata()
    return aws.script


def test_many_roles_of_one_instance_request_its_credentials_once(metadata: Metadata, make_reach: MakeReach) -> None:
    found = make_reach(concurrency=16).identify_all(f"role-{n}" for n in range(40))
    assert accounts_of(found.values()) == [f"{n:012}" for n in range(40)]
    folder = "/latest/meta-data/iam/security-credentials/"
    assert metadata.requests == ["/latest/api/token", folder, f"{folder}runner"]


def test_a_metadata_service_that_throttles_is_tried_again_a_little_later(
    metadata: Metadata, make_reach: MakeReach, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata.is_busy = True
    reach = make_reach()
    found = reach.identify_all(f"role-{n}" for n in range(40))
    assert {type(error) for error in found.values()} == {ProfileError}
    assert len(metadata.requests) <= 3
    metadata.is_busy = False
    monkeypatch.setattr("resources.aws.credentials.ABSENT_SECONDS", 0.0)
    monkeypatch.setattr("resources.aws.identity.REFUSAL_AGE", timedelta(0))
    assert reach.identify("role-1").account_id == f"{1:012}"


def credential_process(directory: Path, body: str) -> dict[str, str]:
    program = directory / "vault.py"
    program.write_text(body)
    return {"credential_process": f'"{sys.executable}" -I -S "{program}"'}


def test_many_roles_of_one_source_resolve_it_once(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    create_client = ClientCreator.create_client

    def counting(self: Any, service_name: str, *args: Any, **settings: Any) -> Any:
        made.append(service_name)
        return create_client(self, service_name, *args, **settings)

    monkeypatch.setattr(ClientCreator, "create_client", counting)
    runs = tmp_path / "runs"
    source = credential_process(
        tmp_path,
        f"open({str(runs)!r}, 'a').write('x'); import json;"
        f"print(json.dumps({{'Version': 1, 'AccessKeyId': {key_of(ONE)!r}, 'SecretAccessKey': 's'}}))",
    )
    roles = {f"role-{n}": {"role_arn": f"arn:aws:iam::{n:012}:role/R", "source_profile": "source"} for n in range(40)}
    write_profiles(tmp_path, aws.url, {"source": source, **roles})
    reach = make_reach(concurrency=16)
    found = reach.identify_all(roles)
    assert [found[name].account_id for name in roles] == [f"{n:012}" for n in range(40)]  # type: ignore[union-attr]
    assert runs.read_text() == "x"
    # One client assumes all the roles, one asks who they are: nothing is made per profile.
    assert made == ["sts", "sts"]


def write_hub(aws: ScriptedAws, folder: Path, hub: dict[str, str]) -> list[str]:
    """40 roles whose source profile is a role of account TWO itself; their names."""
    roles = {f"role-{n}": {"role_arn": f"arn:aws:iam::{n:012}:role/R", "source_profile": "hub"} for n in range(40)}
    base = {"role_arn": f"arn:aws:iam::{TWO}:role/Hub", "source_profile": "one"}
    write_profiles(folder, aws.url, {"one": static(ONE), "hub": base | hub, **roles})
    return list(roles)


def assumed(aws: ScriptedAws) -> list[str]:
    return [call.parameters["RoleArn"] for call in aws.log if call.operation == "AssumeRole"]


def test_a_role_that_is_the_source_of_many_is_assumed_once(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    names = write_hub(aws, tmp_path, {})
    reach = make_reach(concurrency=16)
    found = reach.identify_all([*names, "hub"])
    assert accounts_of(found[name] for name in names) == [f"{n:012}" for n in range(40)]
    # Once as a source, and once as a profile of its own.
    assert assumed(aws).count(f"arn:aws:iam::{TWO}:role/Hub") == 2
    assert len(assumed(aws)) == 42
    assert {call.account for call in aws.log if call.operation == "AssumeRole"} == {ONE, TWO}


def test_a_role_that_is_the_source_of_many_is_renewed(aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path) -> None:
    names = write_hub(aws, tmp_path, {})
    aws.session_seconds = 60.0
    make_reach().identify_all(names[:3])
    signers = [call.key for call in aws.log if call.operation == "AssumeRole" and "/R" in call.parameters["RoleArn"]]
    assert len(set(signers)) == len(signers) == 3


def test_a_source_role_that_wants_an_mfa_code_says_so_for_each_of_its_roles(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    names = write_hub(aws, tmp_path, {"mfa_serial": "arn:mfa"})
    errors = make_reach(concurrency=4).identify_all(names)
    assert {str(error) for error in errors.values()} == {
        f"Profile {name} wants an MFA code, which nobody is there to type." for name in names
    }


@pytest.mark.parametrize("chain", ["aba", "abcb", "abb", "aa"])
def test_a_loop_of_roles_is_not_complete(chain: str, aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path) -> None:
    links = {name: {"role_arn": f"arn:aws:iam::{TWO}:role/R", "source_profile": to} for name, to in pairwise(chain)}
    write_profiles(tmp_path, aws.url, links)
    reach = make_reach()
    for _ in range(2):
        for error in reach.identify_all(links).values():
            assert isinstance(error, ProfileError)
            assert (error.reason, "infinite" in str(error).lower()) == ("no_credentials", True)


def of_short_sessions(aws: ScriptedAws, folder: Path) -> None:
    """A profile `role` of account TWO whose sessions botocore renews before every request: they are short."""
    of_a_role(aws, folder)
    aws.session_seconds = 60.0


def answered_once(
    aws: ScriptedAws, make_reach: MakeReach, folder: Path, listing: Listing = INSTANCES
) -> tuple[AwsClient, Request]:
    """A question to a profile of short sessions, after it has been answered with one instance."""
    of_short_sessions(aws, folder)
    aws.script = pages(reservations(TWO, "i-1"))
    reach, asked = make_reach(), question(listing, profile="role", account=TWO)
    assert reach.fetch(asked).outcome == "found"
    return reach, asked


def test_credentials_are_renewed_when_they_expire(aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path) -> None:
    reach, asked = answered_once(aws, make_reach, tmp_path)
    assert reach.fetch(asked).outcome == "found"
    keys = [call.key for call in aws.operations("ec2")]
    assert len(set(keys)) == 2
    assert {call.account for call in aws.operations("ec2")} == {TWO}


def test_renewed_credentials_of_another_account_are_found_out_though_no_record_names_its_account(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    reach, asked = answered_once(aws, make_reach, tmp_path, replace(INSTANCES, owner=None))
    aws.renewed_account = ONE
    for what in ("Its response does not count.", "Nothing was requested."):
        answer = reach.fetch(asked)
        assert (answer.outcome, answer.caller_account_id, answer.records) == ("wrong_account", ONE, [])
        assert answer.error_message == f"Profile role is {ONE}, not {TWO}. {what}"


def test_renewed_credentials_that_sts_refuses_spoil_the_response(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    reach, asked = answered_once(aws, make_reach, tmp_path)
    first = aws.script

    def script(call: Call) -> Reply | None:
        refuses = call.operation == "GetCallerIdentity"
        return query_error("ExpiredToken", status=403) if refuses else first(call)

    aws.script = script
    answer = reach.fetch(asked)
    assert (answer.outcome, answer.error_code, answer.records) == ("denied", "ExpiredToken", [])


GONE = replace(INSTANCES, owner=None, skip_codes={"NoSuchThing": "parent_gone"})


@pytest.mark.parametrize("code", ["NoSuchThing", "UnauthorizedOperation", "Odd"])
def test_an_error_for_renewed_credentials_of_another_account_is_not_the_account_s_own(
    code: str, aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    reach, asked = answered_once(aws, make_reach, tmp_path, GONE)
    aws.renewed_account = ONE
    aws.script = pages(ec2_error(code))
    answer = reach.fetch(asked)
    assert (answer.outcome, answer.skip_reason, answer.caller_account_id) == ("wrong_account", None, ONE)
    assert answer.error_message == f"Profile role is {ONE}, not {TWO}. Its response does not count."


@pytest.mark.parametrize(
    ("code", "outcome", "reported"),
    [("NoSuchThing", "denied", "ExpiredToken"), ("Odd", "failed", "Odd")],
)
def test_nothing_is_skipped_for_renewed_credentials_that_sts_refuses(
    code: str, outcome: str, reported: str, aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    reach, asked = answered_once(aws, make_reach, tmp_path, GONE)
    refusal, error = query_error("ExpiredToken", status=403), ec2_error(code)
    aws.script = lambda call: {"GetCallerIdentity": refusal, "AssumeRole": None}.get(call.operation, error)
    answer = reach.fetch(asked)
    assert (answer.outcome, answer.skip_reason, answer.error_code) == (outcome, None, reported)


def test_an_error_for_the_same_credentials_costs_no_request_to_sts(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    reach, asked = answered_once(aws, make_reach, tmp_path, GONE)
    aws.session_seconds = 3600.0
    reach.fetch(asked)
    before = len(aws.operations("sts"))
    aws.script = pages(ec2_error("NoSuchThing"))
    answer = reach.fetch(asked)
    assert (answer.outcome, answer.skip_reason) == ("skipped", "parent_gone")
    assert len(aws.operations("sts")) == before


def test_credentials_that_last_are_not_requested_again(aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path) -> None:
    of_a_role(aws, tmp_path)
    aws.script = pages(reservations(TWO, "i-1"))
    reach = make_reach()
    for _ in range(3):
        reach.fetch(question(profile="role", account=TWO))
    assert [call.operation for call in aws.operations("sts")] == ["AssumeRole", "GetCallerIdentity"]


def test_profiles_of_other_settings_get_clients_of_their_own(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_directory = tmp_path / "other"
    other_directory.mkdir()
    with scripted(other_directory, monkeypatch) as other:
        monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
        away = {**static(TWO), "endpoint_url": other.url, "region": "eu-west-1"}
        near = {**static(TWO), "region": "eu-west-1", "output": "text"}
        write_profiles(tmp_path, aws.url, {"one": static(ONE), "near": near, "away": away})
        reach = make_reach()
        for name in ("one", "near", "away"):
            reach.identify(name)
        assert [call.account for call in aws.log] == [ONE, TWO]
        assert [call.account for call in other.log] == [TWO]
        assert reach.sessions.client_count == 2


def test_available_profiles_are_those_of_both_files(aws: ScriptedAws, tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[three]\naws_access_key_id = a\naws_secret_access_key = b\n")
    assert available_profiles() == ["one", "two", "three"]
    (tmp_path / "credentials").unlink()
    (tmp_path / "config").unlink()
    assert available_profiles() == []


# ------------------------------------------------------------------------------------------ the sentences


def test_no_config_file(aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path) -> None:
    (tmp_path / "config").unlink()
    error = refused(make_reach(), "one")
    assert error.reason == "no_config_file"
    assert str(tmp_path / "config") in str(error)


def test_an_unknown_profile_names_its_neighbours(aws: ScriptedAws, make_reach: MakeReach) -> None:
    error = refused(make_reach(), "onne")
    assert error.reason == "unknown_profile"
    assert "Did you mean one?" in error.hint


def test_a_malformed_config_file(aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[profile one\nkey")
    assert "malformed" in str(refused(make_reach(), "one"))
    with pytest.raises(AwsConfigError, match="malformed"):
        available_profiles()


@pytest.mark.parametrize("is_utf_8", [True, False])
def test_a_file_that_the_locale_cannot_read_is_refused_with_what_helps(tmp_path: Path, is_utf_8: bool) -> None:
    config = tmp_path / "config"
    config.write_text("# für alle\n[profile one]\nregion = eu-central-1\n", "utf-8")
    code = (
        "from resources.aws.profiles import AwsConfig, AwsConfigError\n"
        "try: print(sorted(AwsConfig.now().whole['profiles']))\n"
        "except AwsConfigError as error: print(error.hint)\n"
    )
    locale = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "1" if is_utf_8 else "0"}
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "AWS_CONFIG_FILE": str(config), **locale},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ("one" in done.stdout, "PYTHONUTF8=1" in done.stdout) == (is_utf_8, not is_utf_8)


@pytest.mark.parametrize(
    ("variable", "value"), [("AWS_DEFAULTS_MODE", "fast"), ("AWS_REQUEST_CHECKSUM_CALCULATION", "never")]
)
def test_a_value_that_botocore_refuses_is_named(
    aws: ScriptedAws, make_reach: MakeReach, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    error = refused(make_reach(), "one")
    assert value in error.sentence
    assert "variable" in error.hint


@pytest.fixture
def open_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that others may enter, with a config file in it; this process has no rights but those of the others."""
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        own = folder / ".aws"
        own.mkdir()
        (own / "config").write_text("[profile one]\n")
        monkeypatch.setenv("AWS_CONFIG_FILE", str(own / "config"))
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(own / "credentials"))
        yield own
        if is_root:
            os.seteuid(0)
        own.chmod(0o700)


def become_another(*unreadable: Path) -> None:
    """Give up the right to these files and folders."""
    for path in unreadable:
        path.chmod(0o000)
    if os.geteuid() == 0:
        os.seteuid(65534)


@pytest.mark.parametrize("what", ["config", "credentials", ""])
def test_a_file_without_the_right_to_read_it(what: str, open_folder: Path, make_reach: MakeReach) -> None:
    (open_folder / "credentials").write_text("[one]\n")
    become_another(open_folder / what)
    error = refused(make_reach(), "one")
    assert (error.reason, str(error)) == (
        "failed",
        f"{open_folder / (what or 'config')} cannot be read: Permission denied.",
    )
    assert "AWS_CONFIG_FILE" in error.hint
    with pytest.raises(AwsConfigError, match=r"cannot be read: Permission denied\."):
        available_profiles()


def test_another_users_home_counts_for_nothing_where_the_config_lies_elsewhere(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = open_folder / "home"
    closed.mkdir()
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(closed / ".aws" / "credentials"))
    become_another(closed)
    assert available_profiles() == ["one"]


def test_another_users_home_counts_for_nothing_where_the_credentials_lie_elsewhere(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = open_folder / "home"
    closed.mkdir()
    (open_folder / "credentials").write_text("[two]\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(closed / ".aws" / "config"))
    become_another(closed)
    assert available_profiles() == ["two"]


def test_a_file_that_is_none_has_no_profile(aws: ScriptedAws, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    assert available_profiles() == ["one", "two"]
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null/config")
    assert available_profiles() == []


def sso(directory: Path, url: str, token: dict[str, str] | None) -> None:
    account = {"sso_session": "corp", "sso_account_id": ONE, "sso_role_name": "R"}
    write_profiles(
        directory,
        url,
        {
            "sso-session corp": {"sso_start_url": "https://corp.example/start", "sso_region": REGION},
            "signed-in": account,
            "role": {"role_arn": f"arn:aws:iam::{TWO}:role/R", "source_profile": "signed-in"},
        },
    )
    cache = directory / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    name = hashlib.sha1(b"corp", usedforsecurity=False).hexdigest()
    if token is not None:
        (cache / f"{name}.json").write_text(json.dumps(token))


@pytest.mark.parametrize("profile", ["signed-in", "role"])
@pytest.mark.parametrize("state", ["expired", "never made", "revoked"])
def test_an_sso_session_that_has_ended(
    state: str, profile: str, aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    expires = {"expired": "2020-01-01T00:00:00Z", "revoked": "2100-01-01T00:00:00Z"}.get(state)
    sso(tmp_path, aws.url, {"accessToken": "secret-1", "expiresAt": expires} if expires else None)
    aws.script = lambda call: as_json({"message": "no"}, 401) if "federation" in call.operation else None
    if state == "revoked":
        unauthorised = Reply("{}", 401, "application/json", headers={"x-amzn-ErrorType": "UnauthorizedException"})
        aws.script = lambda call: unauthorised if "federation" in call.operation else None
    error = refused(make_reach(), profile)
    assert error.reason == "expired"
    # A role's own profile cannot sign in: its source can.
    assert "`aws sso login --profile signed-in`" in error.hint


THROTTLED_CREDENTIALS = {
    "signed-in": Reply("{}", 429, "application/json", headers={"x-amzn-ErrorType": "TooManyRequestsException"}),
    "role": query_error("Throttling", "Rate exceeded", 400),
}
"""How the service that gives a profile its credentials throttles."""


def throttling_credentials(profile: str, times: int) -> Callable[[Call], Reply | None]:
    left = times
    good = role_credentials(3600)

    def script(call: Call) -> Reply | None:
        nonlocal left
        is_sso = "federation" in call.operation
        if left and (call.operation == "AssumeRole" if profile == "role" else is_sso):
            left -= 1
            return THROTTLED_CREDENTIALS[profile]
        return good if is_sso else None

    return script


def role_credentials(seconds: float) -> Reply:
    """What a sign-in gives for account ONE, valid for so long."""
    keys = {
        "accessKeyId": f"ASIA{ONE}",
        "secretAccessKey": "s",
        "sessionToken": "t",
        "expiration": int((time.time() + seconds) * 1000),
    }
    return as_json({"roleCredentials": keys})


@pytest.fixture
def signed_in(aws: ScriptedAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sign-in that lasts, and a botocore that repeats without a pause."""
    monkeypatch.setattr("botocore.retryhandler.delay_exponential", lambda *_, **__: 0.0)
    sso(tmp_path, aws.url, {"accessToken": "secret-1", "expiresAt": "2100-01-01T00:00:00Z"})


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize("profile", ["signed-in", "role"])
def test_credentials_that_are_throttled_are_requested_again(
    profile: str, aws: ScriptedAws, make_reach: MakeReach
) -> None:
    # botocore itself tries five times.
    aws.script = throttling_credentials(profile, 12)
    reach = make_reach(retry=replace(HASTE, seconds=60.0))
    assert reach.identify(profile).account_id == {"signed-in": ONE, "role": TWO}[profile]


@pytest.mark.usefixtures("signed_in")
@pytest.mark.parametrize("profile", ["signed-in", "role"])
def test_credentials_that_are_throttled_for_ever_end_as_such(
    profile: str, aws: ScriptedAws, make_reach: MakeReach
) -> None:
    aws.script = throttling_credentials(profile, 1_000_000)
    reach = make_reach(retry=replace(HASTE, seconds=0.5))
    error = refused(reach, profile)
    code = {"signed-in": "TooManyRequestsException", "role": "Throttling"}[profile]
    assert (error.reason, error.error_code) == ("throttled", code)
    assert "may be down" not in error.hint
    answer = reach.fetch(question(profile=profile, account={"signed-in": ONE, "role": TWO}[profile]))
    assert (answer.outcome, answer.error_code) == ("failed", code)


def test_an_sso_session_that_is_good(aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path) -> None:
    sso(tmp_path, aws.url, {"accessToken": "secret-1", "expiresAt": "2100-01-01T00:00:00Z"})
    given = role_credentials(3600)
    aws.script = lambda call: given if "federation" in call.operation else None
    assert make_reach().identify("signed-in").account_id == ONE
    assert make_reach().identify("role").account_id == TWO


def renewable(aws: ScriptedAws, home: Path, ends: datetime) -> None:
    """A sign-in that is renewed because it ends soon."""
    token = {"accessToken": "old", "expiresAt": f"{ends:%Y-%m-%dT%H:%M:%SZ}", "refreshToken": "r1", "clientId": "c"}
    registration = {"clientSecret": "s", "registrationExpiresAt": "2100-01-01T00:00:00Z"}
    sso(home, aws.url, token | registration)
    given = throttling_credentials("signed-in", 0)
    renewed = {"accessToken": "new", "expiresIn": 3600, "refreshToken": "r2", "tokenType": "Bearer"}
    aws.script = lambda call: as_json(renewed) if call.operation.startswith("/token") else given(call)


def test_a_renewed_sign_in_is_written_as_other_aws_tools_read_it(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    ends = datetime.now(UTC) + timedelta(minutes=5)
    renewable(aws, tmp_path, ends)
    assert make_reach().identify("signed-in").account_id == ONE
    (file,) = (tmp_path / ".aws" / "sso" / "cache").iterdir()
    written = json.loads(file.read_text())
    assert written["accessToken"] == "new"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", written["expiresAt"])
    assert datetime.fromisoformat(written["expiresAt"]) > ends


@pytest.mark.parametrize("code", sorted(EXPIRED_CODES))
def test_expired_keys(code: str, aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = lambda call: query_error(code, status=403)
    error = refused(make_reach(), "one")
    assert (error.reason, error.error_code) == ("expired", code)
    assert "profile one" in error.hint


@pytest.mark.parametrize("code", sorted(UNKNOWN_KEY_CODES))
def test_keys_that_aws_does_not_know(code: str, aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = lambda call: query_error(code, status=403)
    assert refused(make_reach(), "one").reason == "refused"


def test_a_role_that_may_not_be_assumed(aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path) -> None:
    of_a_role(aws, tmp_path)
    aws.script = lambda call: query_error("AccessDenied", "is not authorized", 403)
    error = refused(make_reach(), "role")
    assert error.reason == "refused"
    assert "AssumeRole" in str(error)
    assert "is not authorized" in str(error)
    assert "trust policy" in error.hint


def test_an_endpoint_that_nobody_responds(aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path) -> None:
    write_profiles(tmp_path, "http://127.0.0.1:1", {"one": static(ONE)})
    error = refused(make_reach(), "one")
    assert error.reason == "unreachable"
    assert "endpoint_url" in error.hint


def test_a_proxy_that_does_not_respond(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_profiles(tmp_path, "http://aws.invalid", {"one": static(ONE)})
    monkeypatch.setenv("HTTP_PROXY", "http://user:secret-1@127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://user:secret-1@127.0.0.1:1")
    error = refused(make_reach(), "one")
    assert error.reason == "unreachable"
    assert "proxy" in str(error)


@pytest.mark.parametrize(
    "reply",
    [
        Reply("<html><body>Welcome to your router</body></html>", 200, "text/html"),
        Reply("no page here", 404, "text/html"),
        Reply("<?xml version='1.0'?><broken", 200),
    ],
)
def test_an_endpoint_that_is_not_aws(reply: Reply, aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = lambda call: reply
    error = refused(make_reach(), "one")
    assert error.reason == "wrong_endpoint"
    assert "not from AWS" in str(error)


@pytest.mark.parametrize(
    "program",
    [
        "import sys; print('secret-on-stdout'); sys.exit('secret-on-stderr')",
        "print('secret- not JSON')",
        'print(\'{"Version": 1, "SecretAccessKey": "secret-1"}\')',
        "print('[\"secret-1\"]')",
    ],
)
def test_a_credential_process_that_fails_keeps_its_secrets(
    program: str, aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    process = credential_process(tmp_path, program)
    role = {"role_arn": f"arn:aws:iam::{TWO}:role/R", "source_profile": "process"}
    write_profiles(tmp_path, aws.url, {"process": process, "role": role})
    for profile in ("process", "role"):
        error = refused(make_reach(), profile)
        assert error.reason == "failed"
        assert "credential_process" in str(error)
        assert error.__suppress_context__
    assert "secret-" not in caplog.text


def test_a_credential_process_that_fails_later_keeps_its_secrets(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    marker = tmp_path / "second time"
    process = credential_process(
        tmp_path,
        f"import sys, json, pathlib; p = pathlib.Path({str(marker)!r})\n"
        "if p.exists(): sys.exit('secret-on-stderr')\n"
        "p.write_text('')\n"
        f"print(json.dumps({{'Version': 1, 'AccessKeyId': {key_of(ONE)!r}, 'SecretAccessKey': 's',"
        " 'SessionToken': 't', 'Expiration': '2020-01-01T00:00:00Z'}))",
    )
    write_profiles(tmp_path, aws.url, {"one": process})
    assert refused(make_reach(), "one").reason == "failed"
    assert "Refreshing temporary credentials failed" in caplog.text
    assert "secret-" not in caplog.text


def test_expired_credentials_of_a_process_are_to_be_sought_there(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    expiring = "'SessionToken': 't', 'Expiration': '2020-01-01T00:00:00Z'"
    keys = f"'Version': 1, 'AccessKeyId': {key_of(ONE)!r}, 'SecretAccessKey': 's'"
    hint = "Run the credential_process by hand: `aws configure get credential_process --profile process` shows it."
    for members in (f"{keys}, {expiring}", keys):
        process = credential_process(tmp_path, f"import json; print(json.dumps({{{members}}}))")
        role = {"role_arn": f"arn:aws:iam::{TWO}:role/R", "source_profile": "process"}
        write_profiles(tmp_path, aws.url, {"process": process, "role": role})
        aws.script = lambda call: query_error("ExpiredToken", status=403)
        for profile in ("process", "role"):
            error = refused(make_reach(), profile)
            assert (error.reason, error.hint) == ("expired", hint)


def test_a_credential_process_that_does_not_end_is_killed_with_all_that_it_started(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.aws.credential_process.PROCESS_SECONDS", 1.0)
    # As in a scheduled run, wherever the test runs.
    monkeypatch.setattr(os, "ctermid", lambda: str(tmp_path / "no terminal"))
    started = tmp_path / "started"
    process = credential_process(
        tmp_path,
        "import pathlib, subprocess, sys\n"
        "child = subprocess.Popen([sys.executable, '-I', '-S', '-c', 'import time; time.sleep(600)'])\n"
        f"with open({str(started)!r}, 'a') as file: print(child.pid, file=file)\n"
        "child.wait()\n",
    )
    roles = {f"role-{n}": {"role_arn": f"arn:aws:iam::{n:012}:role/R", "source_profile": "source"} for n in range(40)}
    # Profiles with clients of their own have the command too.
    others = {"direct": process, "patient": process | {"max_attempts": "7"}}
    write_profiles(tmp_path, aws.url, {"source": process, "one": static(ONE), **roles, **others})
    found = make_reach().identify_all(["one", *roles])
    assert isinstance(one := found.pop("one"), Identity)
    assert one.account_id == ONE
    assert {str(error) for error in found.values()} == {
        f"The credential_process of profile {name} did not end in 60 s; it may wait for somebody to type."
        for name in roles
    }
    # It is not waited for once more for each role or client.
    assert {type(error) for error in make_reach().identify_all(others).values()} == {ProfileError}
    (pid,) = started.read_text().split()
    await_end(int(pid))


def await_end(pid: int) -> None:
    """Wait until a process is gone; whose parent was killed, is cleared away by another soon after."""
    for _ in range(200):
        state = subprocess.run(
            ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
        ).stdout
        if not state.strip() or state.startswith("Z"):
            return
        time.sleep(0.05)
    raise AssertionError(f"process {pid} still runs")


def test_a_credential_process_does_not_read_the_input_of_the_command(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    body = (
        "import json, sys\n"
        f"keys = {{'Version': 1, 'AccessKeyId': {key_of(ONE)!r}, 'SecretAccessKey': 's'}}\n"
        "print(json.dumps(keys if not sys.stdin.read() else {}))\n"
    )
    write_profiles(tmp_path, aws.url, {"one": credential_process(tmp_path, body)})
    reading, writing = os.pipe()
    os.write(writing, b"a message for the command\n")
    os.close(writing)
    own = os.dup(0)
    os.dup2(reading, 0)
    try:
        assert make_reach().identify("one").account_id == ONE
    finally:
        os.dup2(own, 0)
        os.close(own)
        os.close(reading)


def test_a_token_file_that_is_missing_is_named(aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path) -> None:
    token = tmp_path / "eks" / "token"
    role = {"role_arn": f"arn:aws:iam::{ONE}:role/R", "web_identity_token_file": str(token)}
    write_profiles(tmp_path, aws.url, {"web": role, "role": {"role_arn": role["role_arn"], "source_profile": "web"}})
    for profile in ("web", "role"):
        error = refused(make_reach(), profile)
        assert str(token) in str(error)
        assert "credential_process" not in str(error) + error.hint


def test_a_sign_in_that_cannot_be_written_names_its_folder(
    aws: ScriptedAws, make_reach: MakeReach, open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = open_folder.parent
    monkeypatch.setenv("HOME", str(home))
    renewable(aws, home, datetime.now(UTC) + timedelta(minutes=5))
    cache = open_folder / "sso" / "cache"
    monkeypatch.setenv("AWS_CONFIG_FILE", str(home / "config"))
    cache.chmod(0o555)
    become_another()
    error = refused(make_reach(), "signed-in")
    assert f"'{cache}/" in str(error)
    assert "credential_process" not in str(error) + error.hint


def test_a_role_that_wants_an_mfa_code(aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path) -> None:
    role = {"role_arn": f"arn:aws:iam::{TWO}:role/R", "source_profile": "one", "mfa_serial": "arn:mfa"}
    write_profiles(tmp_path, aws.url, {"one": static(ONE), "role": role})
    assert "MFA" in str(refused(make_reach(), "role"))


@pytest.mark.parametrize(
    "settings",
    [
        {"role_arn": "arn:aws:iam::044455556666:role/R"},
        {"role_arn": "arn:aws:iam::044455556666:role/R", "source_profile": "nobody"},
        {"role_arn": "arn:aws:iam::044455556666:role/R", "source_profile": "one"},
        {"aws_access_key_id": "AKIA011122223333"},
        {"sso_account_id": ONE},
    ],
)
def test_a_profile_that_is_not_complete(
    settings: dict[str, str], aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    write_profiles(tmp_path, aws.url, {"one": settings})
    assert refused(make_reach(), "one").reason == "no_credentials"


def test_a_profile_error_survives_pickling(aws: ScriptedAws, make_reach: MakeReach) -> None:
    error = refused(make_reach(), "nobody")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.reason, again.hint) == (str(error), error.reason, error.hint)


# ---------------------------------------------------------------------------------------------- identity


def test_an_identity_is_kept_and_a_refusal_is_requested_again(
    aws: ScriptedAws, make_reach: MakeReach, monkeypatch: pytest.MonkeyPatch
) -> None:
    reach = make_reach()
    first = reach.identify("one")
    assert reach.identify("one") is first
    assert len(aws.log) == 1
    monkeypatch.setattr("resources.aws.identity.IDENTITY_AGE", timedelta(0))
    assert reach.identify("one").checked_at > first.checked_at
    aws.script = lambda call: query_error("ExpiredToken", status=403)
    assert refused(reach, "two").reason == "expired"
    aws.script = lambda call: None
    assert refused(reach, "two").reason == "expired"
    monkeypatch.setattr("resources.aws.identity.REFUSAL_AGE", timedelta(0))
    assert reach.identify("two").account_id == TWO


def test_all_identities_at_once(aws: ScriptedAws, make_reach: MakeReach) -> None:
    found = make_reach().identify_all(["one", "nobody", "two", "one"])
    assert list(found) == ["one", "nobody", "two"]
    kinds = [getattr(who, "account_id", None) or who.reason for who in found.values()]  # type: ignore[union-attr]
    assert kinds == [ONE, "unknown_profile", TWO]


def test_many_threads_request_one_identity_once(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.delay = 0.05
    reach = make_reach()
    threads = [threading.Thread(target=reach.identify, args=("one",)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(aws.log) == 1


# ----------------------------------------------------------------------------------------------- answers


def test_every_page_is_read_and_an_empty_one_is_not_the_end(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(
        reservations(ONE, "i-1", token="a"),
        reservations(ONE, token="b"),
        reservations(ONE, token="c"),
        reservations(ONE, "i-2", "i-3"),
    )
    answer = make_reach().fetch(question())
    assert answer.outcome == "found"
    assert [record["InstanceId"] for record in answer.records] == ["i-1", "i-2", "i-3"]
    assert {record["OwnerId"] for record in answer.records} == {ONE}
    assert (answer.record_count, answer.page_count, answer.request_count) == (3, 4, 4)
    assert (answer.caller_account_id, answer.caller_arn) == (
        ONE,
        f"arn:aws:sts::{ONE}:assumed-role/Reader/cmdb",
    )
    assert answer.raw_response is None
    assert [call.parameters.get("NextToken") for call in aws.operations("ec2")] == [None, "a", "b", "c"]


def test_a_zero_is_suspect_and_keeps_the_response(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(reservations(ONE))
    answer = make_reach().fetch(question())
    assert answer.outcome == "empty_unconfirmed"
    assert answer.raw_response is not None
    assert answer.raw_response["Reservations"] == []
    assert answer.raw_response["ResponseMetadata"]["RequestId"].startswith("r-")
    assert (answer.page_count, answer.record_count) == (1, 0)


def test_an_empty_response_without_a_request_id_says_that_it_has_none(aws: ScriptedAws, make_reach: MakeReach) -> None:
    # Without an id no event of CloudTrail can be its own: it must not pass for one with an id.
    empty = Reply("<DescribeInstancesResponse><reservationSet/></DescribeInstancesResponse>")
    aws.script = lambda call: None if call.service == "sts" else empty
    answer = make_reach("workload").fetch(question(INSTANCES))
    assert (answer.outcome, answer.request_ids) == ("empty_unconfirmed", ("",))


def test_records_may_be_taken_as_they_come_and_are_not_held_then(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(reservations(ONE, "i-1", token="a"), reservations(ONE, "i-2"))
    taken: list[dict[str, Any]] = []
    answer = make_reach().fetch(question(), taken.append)
    assert [record["InstanceId"] for record in taken] == ["i-1", "i-2"]
    assert (answer.outcome, answer.records, answer.record_count) == ("found", [], 2)


def test_pages_are_kept_verbatim_for_those_who_request_so(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(reservations(ONE, "i-1", token="a"), reservations(ONE, "i-2"))
    answer = make_reach().fetch(question(verbatim=True))
    assert answer.raw_response is not None
    assert list(answer.raw_response) == ["pages"]
    kept = answer.raw_response["pages"]
    assert [page["Reservations"][0]["Instances"][0]["InstanceId"] for page in kept] == ["i-1", "i-2"]
    assert kept[0]["NextToken"] == "a"


@pytest.mark.parametrize("tokens", ["a", "ab", "abc"])
def test_a_token_that_comes_again_is_a_loop(tokens: str, aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(*(reservations(ONE, "i-1", token=token) for token in tokens * 10))
    answer = make_reach().fetch(question())
    assert (answer.outcome, answer.error_code, answer.records) == ("failed", "Loop", [])
    assert len(aws.operations("ec2")) == len(tokens) + 1


def test_pages_that_botocore_knows_nothing_of(aws: ScriptedAws, make_reach: MakeReach) -> None:
    def day(number: int, **more: str) -> Reply:
        period = {"Start": f"2026-10-{number:02}", "End": f"2026-10-{number + 1:02}"}
        groups = [{"Keys": ["Amazon EC2"], "Metrics": {"UnblendedCost": {"Amount": "1.10", "Unit": "USD"}}}]
        return as_json({"ResultsByTime": [{"TimePeriod": period, "Estimated": True, "Groups": groups}], **more})

    aws.script = pages(day(1, NextPageToken="x"), day(2))
    answer = make_reach("billing").fetch(question(COSTS, region=GLOBAL_REGION, parameters=PERIOD), meter=Counting())
    assert [record["TimePeriod"]["Start"] for record in answer.records] == ["2026-10-01", "2026-10-02"]
    assert answer.records[0]["Metrics"]["UnblendedCost"]["Amount"] == "1.10"
    assert [call.parameters.get("NextPageToken") for call in aws.operations("ce")] == [None, "x"]
    assert aws.operations("ce")[0].region == "us-east-1"


def test_more_pages_without_a_known_token_are_not_overlooked(aws: ScriptedAws, make_reach: MakeReach) -> None:
    untold = Listing(
        "cost_daily",
        "ce:GetCostAndUsage",
        roles=("billing",),
        zero="ordinary",
        records="ResultsByTime",
        parameters=COSTS.parameters,
    )
    aws.script = pages(as_json({"ResultsByTime": [{"Groups": []}], "NextPageToken": "x"}))
    answer = make_reach("billing").fetch(question(untold, parameters=PERIOD), meter=Counting())
    assert (answer.outcome, answer.error_code) == ("failed", "UnreadPages")


def test_where_one_page_resolves_the_question_no_other_is_requested(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(reservations(ONE, "i-1", token="a"), reservations(ONE, "i-2"))
    answer = make_reach().fetch(question(replace(INSTANCES, first_page_only=True)))
    assert [record["InstanceId"] for record in answer.records] == ["i-1"]
    assert (answer.outcome, answer.request_count) == ("found", 1)


def test_a_page_may_be_requested_with_times_too(aws: ScriptedAws, make_reach: MakeReach) -> None:
    prices = Listing(
        "ec2_spot_price",
        "ec2:DescribeSpotPriceHistory",
        roles=("workload",),
        zero="ordinary",
        records="SpotPriceHistory",
        parameters={"StartTime": datetime(2026, 1, 1, tzinfo=UTC)},
    )
    replies = [
        xml(
            "DescribeSpotPriceHistory",
            f"<spotPriceHistorySet><item><spotPrice>{price}</spotPrice></item></spotPriceHistorySet>{more}",
        )
        for price, more in (("0.1", "<nextToken>a</nextToken>"), ("0.2", ""))
    ]
    aws.script = pages(*replies)
    answer = make_reach().fetch(question(prices))
    assert [record["SpotPrice"] for record in answer.records] == ["0.1", "0.2"]


class Counting:
    """A meter that allows so many requests."""

    def __init__(self, limit: int = 100) -> None:
        self.limit = limit
        self.reserved: list[str] = []
        self.throttled: list[str] = []
        self.units: list[tuple[int, int]] = []

    def reserve(self, service: str, operation: str, units: int = 1) -> None:
        if len(self.reserved) == self.limit:
            raise Failed("failed", REQUEST_LIMIT, "Two it was.")
        self.reserved.append(f"{service}:{operation}")
        self.units.append((units, 0))

    def turned_away(self, service: str, operation: str, units: int = 1) -> None:
        self.throttled.append(f"{service}:{operation}")
        self.units.append((0, units))


def test_a_meter_is_reported_of_each_request_before_it_is_sent_and_can_end_the_question(
    aws: ScriptedAws, make_reach: MakeReach
) -> None:
    aws.script = pages(reservations(ONE, "i-1", token="a"), reservations(ONE, "i-2", token="b"), reservations(ONE))
    limited = make_reach().fetch(question(), meter=Counting(2))
    assert (limited.outcome, limited.error_code, limited.records) == ("failed", REQUEST_LIMIT, [])
    assert len(aws.operations("ec2")) == 2
    skipping = Listing(**{**vars(INSTANCES), "skip_codes": {REQUEST_LIMIT: "request_limit"}})
    aws.script = pages(reservations(ONE, "i-1", token="a"), reservations(ONE, "i-2", token="b"), reservations(ONE))
    skipped = make_reach().fetch(question(skipping), meter=Counting(2))
    assert (skipped.outcome, skipped.skip_reason, skipped.records) == ("skipped", "request_limit", [])
    assert skipped.error_message == "Two it was."


def test_a_meter_counts_retries_and_is_reported_which_were_throttled(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(ec2_error("RequestLimitExceeded", "slowly", 503), reservations(ONE, "i-1"))
    meter = Counting()
    answer = make_reach().fetch(question(), meter=meter)
    assert (answer.outcome, answer.request_count, answer.throttle_count) == ("found", 2, 1)
    assert (meter.reserved, meter.throttled) == (["ec2:DescribeInstances"] * 2, ["ec2:DescribeInstances"])


@pytest.mark.parametrize("code", ["UnauthorizedOperation", "IllegalLocationConstraintException"])
def test_what_aws_refuses_was_not_turned_away_and_is_paid_for(
    code: str, aws: ScriptedAws, make_reach: MakeReach
) -> None:
    aws.script = pages(ec2_error(code, "no", 400))
    meter = Counting()
    answer = make_reach().fetch(question(), meter=meter)
    outcome = "denied" if code == "UnauthorizedOperation" else "failed"
    assert (answer.outcome, answer.error_code, answer.error_message) == (outcome, code, "no")
    assert (meter.reserved, meter.throttled) == (["ec2:DescribeInstances"], [])


def test_a_meter_counts_metrics_and_not_requests_of_them(aws: ScriptedAws, make_reach: MakeReach) -> None:
    metrics = Listing(
        "cloudwatch_metric", "cloudwatch:GetMetricData", ("workload",), "ordinary", records="MetricDataResults"
    )
    stat = {"Metric": {"Namespace": "AWS/EC2", "MetricName": "CPUUtilization"}, "Period": 300, "Stat": "Average"}
    wanted = {
        "MetricDataQueries": [{"Id": f"m{number}", "MetricStat": stat} for number in range(3)],
        "StartTime": datetime(2026, 11, 1, tzinfo=UTC),
        "EndTime": datetime(2026, 11, 2, tzinfo=UTC),
    }
    aws.script = pages(json_error("Throttling", "slowly", 400), as_json({"MetricDataResults": []}))
    meter = Counting()
    answer = make_reach().fetch(question(metrics, parameters=wanted), meter=meter)
    assert (answer.outcome, meter.units) == ("empty_unconfirmed", [(3, 0), (0, 3), (3, 0)])


def test_what_aws_charges_for_is_not_sent_where_nobody_counts_it(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(as_json({"ResultsByTime": []}))
    reach = make_reach("billing")
    with pytest.raises(Unmetered, match=r"Nothing was sent"):
        reach.fetch(question(COSTS, region=GLOBAL_REGION, parameters=PERIOD))
    with pytest.raises(Unmetered, match=r"billing was about to send ce:GetCostAndUsage"):
        reach.call("one", "ce", "GetCostAndUsage", "us-east-1", **PERIOD)
    assert aws.operations("ce") == []


def test_a_code_that_means_not_offered_skips(aws: ScriptedAws, make_reach: MakeReach) -> None:
    listing = Listing(**{**vars(INSTANCES), "skip_codes": {"OptInRequired": "region_not_enabled"}})
    aws.script = pages(ec2_error("OptInRequired", "not subscribed", 401))
    reach = make_reach()
    answer = reach.fetch(question(listing))
    assert (answer.outcome, answer.skip_reason, answer.error_code) == (
        "skipped",
        "region_not_enabled",
        "OptInRequired",
    )
    assert reach.fetch(question()).outcome == "denied"


AGGREGATOR = listings()["config_aggregator"]
"""Which the operations role may list by an optional grant alone."""


def test_a_refusal_of_what_only_an_optional_grant_covers_is_no_failure(aws: ScriptedAws, make_reach: MakeReach) -> None:
    reach = make_reach("operations")
    aws.script = pages(json_error("AccessDeniedException", "no"))
    answer = reach.fetch(question(AGGREGATOR))
    assert (answer.outcome, answer.skip_reason) == ("skipped", OPTIONAL_GRANT)
    # A listing that has a word of its own for the refusal keeps it.
    aware = replace(AGGREGATOR, skip_codes={"AccessDeniedException": "not_offered"})
    assert reach.fetch(question(aware)).skip_reason == "not_offered"


@pytest.mark.parametrize(
    ("code", "outcome"),
    [*((code, "denied") for code in sorted(EXPIRED_CODES | UNKNOWN_KEY_CODES)), ("ValidationException", "failed")],
)
def test_credentials_that_are_not_good_any_more_and_failures_are_no_missing_grant(
    code: str, outcome: str, aws: ScriptedAws, make_reach: MakeReach
) -> None:
    aws.script = pages(json_error(code, "no"))
    answer = make_reach("operations").fetch(question(AGGREGATOR))
    assert (answer.outcome, answer.skip_reason, answer.error_code) == (outcome, None, code)


@pytest.mark.parametrize("code", ["AccessDenied", "ExpiredToken"])
def test_a_role_that_cannot_be_assumed_again_is_no_missing_grant(
    code: str, aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    of_short_sessions(aws, tmp_path)
    reach = make_reach("operations")
    reach.identify("role")
    aws.script = lambda call: query_error(code, "no", 403)
    for listing in (AGGREGATOR, replace(AGGREGATOR, skip_codes={code: "not_offered"})):
        answer = reach.fetch(question(listing, profile="role", account=TWO))
        assert (answer.outcome, answer.skip_reason, answer.error_code) == ("denied", None, code)
    assert aws.operations("config") == []


def test_a_sign_in_that_ends_during_a_run_is_no_missing_grant(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    sso(tmp_path, aws.url, {"accessToken": "secret-1", "expiresAt": "2100-01-01T00:00:00Z"})
    soon = role_credentials(60)
    aws.script = lambda call: soon if "federation" in call.operation else None
    reach = make_reach("operations")
    reach.identify("signed-in")
    ended = Reply("{}", 401, "application/json", headers={"x-amzn-ErrorType": "UnauthorizedException"})
    aws.script = lambda call: ended if "federation" in call.operation else None
    answer = reach.fetch(question(AGGREGATOR, profile="signed-in"))
    assert (answer.outcome, answer.skip_reason, answer.error_code) == ("denied", None, "expired")


def test_another_account_than_the_cells_is_not_requested(aws: ScriptedAws, make_reach: MakeReach) -> None:
    answer = make_reach().fetch(question(account=TWO))
    assert answer.outcome == "wrong_account"
    assert answer.caller_account_id == ONE
    assert answer.error_code == "WrongAccount"
    assert answer.error_message == f"Profile one is {ONE}, not {TWO}. Nothing was requested."
    assert (answer.request_count, answer.throttle_count) == (0, 0)
    assert aws.operations("ec2") == []


def test_a_record_of_another_account_spoils_the_cell(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(reservations(ONE, "i-1", token="a"), reservations(TWO, "i-2"))
    answer = make_reach().fetch(question())
    assert (answer.outcome, answer.error_code, answer.records) == ("wrong_account", "ForeignRecord", [])
    assert TWO in str(answer.error_message)


def test_an_owner_within_an_arn(aws: ScriptedAws, make_reach: MakeReach) -> None:
    def account(owner: str) -> dict[str, str]:
        return {"Id": TWO, "Arn": f"arn:aws:organizations::{owner}:account/o-1/{TWO}"}

    aws.script = pages(as_json({"Accounts": [account(ONE)]}))
    reach = make_reach("management")
    assert reach.fetch(question(ACCOUNTS, region=GLOBAL_REGION)).outcome == "found"
    aws.script = pages(as_json({"Accounts": [account(ONE), account(TWO)]}))
    assert reach.fetch(question(ACCOUNTS, region=GLOBAL_REGION)).outcome == "wrong_account"


@pytest.mark.parametrize("body", [{}, {"Accounts": None}, {"Message": "hello"}, {"Accounts": [], "x": 1}])
def test_a_list_that_is_missing_is_no_zero(body: dict[str, Any], aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(as_json(body))
    answer = make_reach("management").fetch(question(ACCOUNTS, region=GLOBAL_REGION))
    there = body.get("Accounts") is not None
    assert answer.outcome == ("empty_unconfirmed" if there else "failed")
    assert answer.error_code == (None if there else "UnreadableAnswer")


def test_the_same_for_costs(aws: ScriptedAws, make_reach: MakeReach) -> None:
    for body, outcome in (
        ({}, "failed"),
        ({"ResultsByTime": [{"TimePeriod": {}}]}, "failed"),
        ({"ResultsByTime": []}, "empty_unconfirmed"),
        ({"ResultsByTime": [{"Groups": []}]}, "empty_unconfirmed"),
    ):
        aws.script = pages(as_json(body))
        assert make_reach("billing").fetch(question(COSTS, parameters=PERIOD), meter=Counting()).outcome == outcome


def test_a_flattened_list_has_no_element_when_it_is_empty(aws: ScriptedAws, make_reach: MakeReach) -> None:
    objects = Listing(
        "s3_object",
        "s3:ListObjectsV2",
        roles=("workload",),
        zero="ordinary",
        records="Contents",
        required=("KeyCount",),
        parameters={"Bucket": "b"},
    )
    reach = make_reach()
    aws.script = pages(Reply("<ListBucketResult><Name>b</Name><KeyCount>0</KeyCount></ListBucketResult>"))
    assert reach.fetch(question(objects)).outcome == "empty_unconfirmed"
    aws.script = pages(Reply("<html><p>hello</p></html>"))
    assert reach.fetch(question(objects)).outcome == "failed"


@pytest.mark.parametrize(
    ("reply", "code", "tries"),
    [
        (Reply("<html><body>sorry</body></html>", 503, "text/html"), "503", 3),
        (Reply("<html><body>hello</body></html>", 200, "text/html"), "UnreadableAnswer", 1),
        (Reply(b"\x00\xff garbage <<<", 200), "UnreadableAnswer", 3),
        (Reply(reservations(ONE, "i-1").body, cut=120), "ConnectionClosedError", 3),
        (Reply("x", cut=0), "ConnectionClosedError", 3),
        (ec2_error("InternalError", status=500), "InternalError", 3),
    ],
)
def test_half_a_response_keeps_nothing(
    reply: Reply, code: str, tries: int, aws: ScriptedAws, make_reach: MakeReach
) -> None:
    aws.script = pages(reservations(ONE, "i-1", token="a"), reply)
    answer = make_reach(retry=replace(HASTE, seconds=60.0)).fetch(question())
    assert (answer.outcome, answer.records, answer.record_count) == ("failed", [], 0)
    assert answer.error_code == code
    assert answer.request_count == 1 + tries


def test_an_outage_that_passes_is_not_noticed(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(
        Reply("x", cut=0),
        Reply("<html/>", 503, "text/html"),
        reservations(ONE, "i-1", token="a"),
        reservations(ONE),
    )
    answer = make_reach().fetch(question())
    assert (answer.outcome, answer.request_count, answer.page_count) == ("found", 4, 2)


def test_nobody_responds(aws: ScriptedAws, make_reach: MakeReach) -> None:
    reach = make_reach()
    reach.identify("one")
    aws.stop()
    reach.close()
    answer = reach.fetch(question())
    assert (answer.outcome, answer.error_code) == ("failed", "unreachable")


THROTTLES = [
    ("billing", COSTS, json_error("LimitExceededException")),
    ("management", ACCOUNTS, json_error("TooManyRequestsException")),
    ("management", ACCOUNTS, json_error("ThrottlingException")),
    ("management", ACCOUNTS, json_error("ThrottledException")),
    ("workload", INSTANCES, ec2_error("RequestLimitExceeded", status=503)),
    ("workload", INSTANCES, ec2_error("Throttling")),
    ("workload", INSTANCES, ec2_error("SlowDown", status=503)),
    ("workload", INSTANCES, ec2_error("SomethingNewThatIs429", status=429)),
]


@pytest.mark.parametrize(("role", "listing", "throttle"), THROTTLES)
def test_throttled_twice_then_found(
    role: Role, listing: Listing, throttle: Reply, aws: ScriptedAws, make_reach: MakeReach
) -> None:
    good = {
        COSTS.name: as_json({"ResultsByTime": [{"Groups": [{"Keys": ["a"]}]}]}),
        ACCOUNTS.name: as_json({"Accounts": [{"Arn": f"arn:aws:organizations::{ONE}:account/o/1"}]}),
        INSTANCES.name: reservations(ONE, "i-1"),
    }[listing.name]
    aws.script = pages(throttle, throttle, good)
    parameters = PERIOD if listing is COSTS else {}
    reach = make_reach(role)
    answer = reach.fetch(question(listing, parameters=parameters), meter=Counting())
    assert (answer.outcome, answer.request_count) == ("found", 3)
    assert (answer.throttle_count, reach.counter.throttles) == (2, 2)


def test_a_throttle_that_cannot_be_read_is_tried_again(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(Reply("", 429), Reply("", 429), reservations(ONE, "i-1"))
    answer = make_reach().fetch(question())
    assert (answer.outcome, answer.request_count, answer.throttle_count) == ("found", 3, 0)


@pytest.mark.parametrize("error", [None, "", "a field that is called so", {}, {"Code": "Odd"}])
def test_a_good_response_with_a_field_that_is_called_error_is_no_throttle(error: Any) -> None:
    assert not is_throttle({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 200}})
    assert is_throttle({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 429}})


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (ec2_error("RequestTimeout", status=400), 3),
        (ec2_error("SomethingNewThatIs500", status=500), 3),
        (ec2_error("SomethingNewThatIs499", status=499), 1),
        (ec2_error("SomethingNewThatIs428", status=428), 1),
        (ec2_error("SomethingNewThatIs430", status=430), 1),
    ],
)
def test_only_what_may_pass_is_tried_again(error: Reply, tries: int, aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(error)
    answer = make_reach(retry=replace(HASTE, seconds=60.0)).fetch(question())
    assert (answer.outcome, answer.request_count, answer.throttle_count) == ("failed", tries, 0)


def test_what_responds_slowly_uses_up_patience_too(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(ec2_error("InternalError", status=500))
    aws.delay = 0.4
    reach = make_reach(retry=Retry(seconds=5.0, transient_attempts=50, first_delay=0.001, longest_delay=0.001))
    answer = reach.fetch(question())
    assert answer.outcome == "failed"
    assert 1 < answer.request_count < 20


def test_nobody_waits_for_what_there_is_no_patience_left_for(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(ec2_error("RequestLimitExceeded", status=503))
    reach = make_reach(retry=Retry(seconds=2.0, first_delay=10.0, longest_delay=10.0))
    assert reach.fetch(question()).request_count == 1


def test_patience_ends_when_the_run_is_stopped(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(ec2_error("RequestLimitExceeded", status=503))
    stopping = threading.Event()
    stopping.set()
    answer = make_reach().fetch(question(), stopping=stopping)
    assert (answer.outcome, answer.error_code, answer.request_count) == ("failed", "RequestLimitExceeded", 1)


def test_a_service_that_nobody_responds_for_is_tried_again(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    write_profiles(tmp_path, aws.url, {"one": {**static(ONE), "services": "away"}})
    with (tmp_path / "config").open("a") as config:
        config.write("[services away]\nec2 =\n  endpoint_url = http://127.0.0.1:1\n")
    answer = make_reach(retry=replace(HASTE, seconds=60.0)).fetch(question())
    assert (answer.outcome, answer.error_code, answer.request_count) == ("failed", "EndpointConnectionError", 3)


def test_throttled_for_ever_ends(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(ec2_error("RequestLimitExceeded", "slow down", 503))
    began = time.monotonic()
    answer = make_reach(retry=Retry(seconds=1.0, first_delay=0.05, longest_delay=0.2)).fetch(question())
    assert time.monotonic() - began > 0.5
    assert (answer.outcome, answer.error_code) == ("failed", "RequestLimitExceeded")
    assert answer.error_message == "slow down"
    assert answer.request_count == answer.throttle_count > 4


REFUSED = [
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "AuthFailure",
    "UnrecognizedClientException",
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidClientTokenId",
    "SubscriptionRequiredException",
    "OptInRequired",
    "SomethingNewThatIs403",
    "SomethingNewThatIs401",
]


@pytest.mark.parametrize("code", REFUSED)
def test_a_refusal_in_the_middle_is_denied_and_keeps_nothing(
    code: str, aws: ScriptedAws, make_reach: MakeReach
) -> None:
    message = "with an explicit deny in a service control policy: arn:aws:organizations::1:policy/o/p"
    aws.script = pages(reservations(ONE, "i-1", token="a"), ec2_error(code, message, 401 if "401" in code else 403))
    answer = make_reach().fetch(question())
    assert (answer.outcome, answer.error_code, answer.error_message) == ("denied", code, message)
    assert (answer.records, answer.page_count, answer.request_count) == ([], 1, 2)
    assert answer.raw_response is not None
    assert answer.raw_response["Error"]["Code"] == code


def test_an_error_that_is_no_refusal_is_failed(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(ec2_error("InvalidParameterValue", "no"))
    answer = make_reach().fetch(question())
    assert (answer.outcome, answer.error_code, answer.request_count) == ("failed", "InvalidParameterValue", 1)


def test_parameters_that_do_not_fit_are_failed_and_not_sent(aws: ScriptedAws, make_reach: MakeReach) -> None:
    answer = make_reach().fetch(question(parameters={"NoSuch": 1}))
    assert (answer.outcome, answer.error_code) == ("failed", "ParamValidationError")
    assert aws.operations("ec2") == []


def test_credentials_that_end_in_the_middle(aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path) -> None:
    of_short_sessions(aws, tmp_path)

    def script(call: Call) -> Reply | None:
        if call.operation == "AssumeRole" and aws.operations("ec2"):
            return query_error("ExpiredToken", status=403)
        return reservations(TWO, "i-1", token="a") if call.service == "ec2" else None

    aws.script = script
    answer = make_reach().fetch(question(profile="role", account=TWO))
    assert (answer.outcome, answer.error_code, answer.records) == ("denied", "ExpiredToken", [])


def test_credentials_that_cannot_be_renewed_in_the_middle(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    soon = datetime.now(UTC) + timedelta(seconds=60)
    process = credential_process(
        tmp_path,
        f"import sys, json, pathlib\nif pathlib.Path({str(gone)!r}).exists(): sys.exit('no')\n"
        f"print(json.dumps({{'Version': 1, 'AccessKeyId': {key_of(ONE)!r}, 'SecretAccessKey': 's',"
        f" 'SessionToken': 't', 'Expiration': {soon.isoformat()!r}}}))",
    )
    write_profiles(tmp_path, aws.url, {"one": process})

    def script(call: Call) -> Reply | None:
        if call.service == "sts":
            return None
        gone.touch()
        return reservations(ONE, "i-1", token="a")

    aws.script = script
    answer = make_reach().fetch(question())
    assert (answer.outcome, answer.error_code, answer.records) == ("failed", "failed", [])
    assert "credential_process" in str(answer.error_message)


def test_a_role_that_may_not_be_assumed_is_a_refusal(aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path) -> None:
    of_a_role(aws, tmp_path)
    aws.script = lambda call: query_error("AccessDenied", "is not authorized", 403)
    answer = make_reach().fetch(question(profile="role", account=TWO))
    assert (answer.outcome, answer.error_code) == ("denied", "AccessDenied")


def test_a_profile_that_leads_nowhere_is_a_response(aws: ScriptedAws, make_reach: MakeReach) -> None:
    answer = make_reach().fetch(question(profile="nobody"))
    assert (answer.outcome, answer.error_code, answer.caller_account_id) == (
        "failed",
        "unknown_profile",
        None,
    )
    assert "nobody" in str(answer.error_message)
    aws.script = lambda call: query_error("ExpiredToken", status=403)
    answer = make_reach().fetch(question())
    assert (answer.outcome, answer.error_code) == ("denied", "ExpiredToken")


def test_a_question_to_the_wrong_role_is_a_mistake(aws: ScriptedAws, make_reach: MakeReach) -> None:
    with pytest.raises(ValueError, match="was requested through billing"):
        make_reach("billing").fetch(question())


@pytest.mark.parametrize("call", ["ec3:DescribeInstances", "ec2:DescribeNonsense"])
def test_a_call_that_does_not_exist_is_a_mistake(call: str, aws: ScriptedAws, make_reach: MakeReach) -> None:
    with pytest.raises(ValueError, match="botocore knows no"):
        make_reach().fetch(question(Listing(**{**vars(INSTANCES), "call": call})))


def test_where_a_global_listing_is_requested(aws: ScriptedAws) -> None:
    regions = Listing(
        "ec2_region",
        "ec2:DescribeRegions",
        roles=("workload",),
        zero="impossible",
        records="Regions",
        scope="global",
    )
    reach = AwsClient("workload", home_region="ap-southeast-2", retry=HASTE)
    aws.script = pages(xml("DescribeRegions", "<regionInfo><item><regionName>x</regionName></item></regionInfo>"))
    assert reach.fetch(question(regions, region=GLOBAL_REGION)).outcome == "found"
    assert [call.region for call in aws.log] == ["ap-southeast-2", "ap-southeast-2"]
    aws.log.clear()
    management = AwsClient("management", home_region="ap-southeast-2", retry=HASTE)
    aws.script = pages(as_json({"Accounts": []}))
    management.fetch(question(ACCOUNTS, region=GLOBAL_REGION))
    assert [(call.service, call.region) for call in aws.log] == [
        ("sts", "ap-southeast-2"),
        ("organizations", "us-east-1"),
    ]


def test_one_call(aws: ScriptedAws, make_reach: MakeReach) -> None:
    reach = make_reach("management")
    aws.script = pages(as_json({"Organization": {"Id": "o-1"}}))
    assert reach.call("one", "organizations", "DescribeOrganization", REGION)["Organization"] == {"Id": "o-1"}
    aws.script = pages(json_error("AccountNotFoundException", "gone"))
    with pytest.raises(AwsError) as caught:
        reach.call("one", "organizations", "DescribeAccount", REGION, AccountId=ONE)
    assert caught.value.code == "AccountNotFoundException"
    assert "gone" in str(caught.value)
    with pytest.raises(ProfileError):
        reach.call("nobody", "organizations", "DescribeOrganization", REGION)


# -------------------------------------------------------------------------------------------- timestamps


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ("2025-01-06T11:40:53.000Z", "2025-01-06T11:40:53.000Z"),
        ("2025-01-06T11:40:53+13:00", "2025-01-06T11:40:53+13:00"),
        (1736163653, "2025-01-06T11:40:53Z"),
        (1736163653.25, "2025-01-06T11:40:53.250000Z"),
        (1736163653.0, "2025-01-06T11:40:53Z"),
        ("1736163653", "2025-01-06T11:40:53Z"),
        ("Mon, 06 Jan 2025 11:40:53 GMT", "2025-01-06T11:40:53Z"),
    ],
)
def test_timestamps_are_text_that_duckdb_reads(sent: Any, text: str) -> None:
    assert iso_text(sent) == text
    with duckdb.connect() as connection:
        row = connection.execute("select epoch(cast(? as timestamptz))", [iso_text(sent)]).fetchone()
    assert row is not None
    assert abs(row[0] - 1736163653) in (0.0, 0.25, 13 * 3600.0)


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia"])
def test_seconds_are_the_time_that_botocore_takes_them_for(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        # Whole days across a year, so that the nights are among them in which clocks are set.
        for seconds in [0, -1.5, 0.0000005, 253402214400, *(1735689600 + 1800 * n + 0.25 for n in range(17_520))]:
            theirs = parse_timestamp(seconds).astimezone(UTC).isoformat().replace("+00:00", "Z")
            assert iso_text(seconds) == theirs
    finally:
        monkeypatch.undo()
        time.tzset()


def test_timestamps_in_xml_and_json_records(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(reservations(ONE, "i-1"))
    assert make_reach().fetch(question()).records[0]["LaunchTime"] == "2025-01-06T11:40:53.000Z"
    account = {"Arn": f"arn:aws:organizations::{ONE}:account/o/1", "JoinedTimestamp": 1736163653.25}
    aws.script = pages(as_json({"Accounts": [account]}))
    joined = make_reach("management").fetch(question(ACCOUNTS)).records[0]["JoinedTimestamp"]
    assert joined == "2025-01-06T11:40:53.250000Z"


# -------------------------------------------------------------------------------------------- CloudTrail

EC2 = ("ec2.amazonaws.com", "DescribeInstances")
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


def lookup(profile: str, account: str, region: str, since: datetime, calls: set[tuple[str, str]]) -> Lookup:
    kinds = {(source, name): f"{source.partition('.')[0]}:{name}" for source, name in calls}
    return Lookup("workload", profile, account, region, since, kinds)


def trail_of(reach: AwsClient, wanted: Lookup) -> TrailEvents:
    (found,) = look_up_all({"workload": reach}, [wanted])
    return found


def event(
    number: int,
    code: str | None = None,
    arn: str = f"arn:aws:sts::{ONE}:assumed-role/Reader/cmdb",
    **more: str,
) -> dict[str, Any]:
    detail = {"userIdentity": {"arn": arn}} | ({"errorCode": code} if code else {})
    return {
        "EventId": f"e-{number}",
        "EventTime": 1767225600 + number,
        "EventSource": EC2[0],
        "EventName": EC2[1],
        "CloudTrailEvent": json.dumps(detail),
        **more,
    }


def test_refusals_are_found_on_every_page(
    aws: ScriptedAws, make_reach: MakeReach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.aws.cloudtrail.TRAIL_SECONDS", 0.0)
    aws.script = pages(
        as_json({"Events": [event(1), event(2, arn="arn:aws:sts::1:assumed-role/Other/cmdb")], "NextToken": "a"}),
        as_json({"Events": [], "NextToken": "b"}),
        as_json(
            {
                "Events": [
                    event(6, "AccessDenied", arn="arn:aws:sts::1:assumed-role/Other/cmdb"),
                    event(5, "InvalidParameter"),
                    event(4, "AccessDenied", EventName="DescribeVolumes"),
                    event(3, "Client.UnauthorizedOperation"),
                ]
            }
        ),
    )
    found = trail_of(make_reach(), lookup("one", ONE, "eu-west-1", SINCE, {EC2}))
    assert found.available
    assert found.refused == [
        {
            "event_id": "e-3",
            "time": "2026-01-01T00:00:03Z",
            "source": EC2[0],
            "name": EC2[1],
            "error_code": "Client.UnauthorizedOperation",
        }
    ]
    assert (found.event_count, found.request_count, found.since) == (4, 3, SINCE)
    assert found.newest_event_at == datetime(2026, 1, 1, 0, 0, 5, tzinfo=UTC)
    asked = aws.operations("cloudtrail")
    assert {call.region for call in asked} == {"eu-west-1"}
    attribute = {"AttributeKey": "Username", "AttributeValue": "cmdb"}
    assert [call.parameters["LookupAttributes"] for call in asked] == [[attribute]] * 3
    assert all(call.parameters["StartTime"] == SINCE.timestamp() for call in asked)
    assert all(abs(call.parameters["EndTime"] - found.until.timestamp()) < 0.001 for call in asked)
    assert {call.parameters["MaxResults"] for call in asked} == {50}


def test_the_calls_that_are_looked_for_are_reported_by_their_request_ids(
    aws: ScriptedAws, make_reach: MakeReach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.aws.cloudtrail.TRAIL_SECONDS", 0.0)

    def seen(number: int, request_id: str, code: str | None = None, name: str = EC2[1]) -> dict[str, Any]:
        made = event(number, code, EventName=name)
        return made | {"CloudTrailEvent": json.dumps(json.loads(made["CloudTrailEvent"]) | {"requestID": request_id})}

    pages_of = [
        as_json({"Events": [seen(4, "r-4"), seen(3, "r-3", "Client.Unavailable")], "NextToken": "a"}),
        as_json({"Events": [seen(2, "r-2"), seen(1, "r-1", name="DescribeVpcs")], "NextToken": "b"}),
        as_json({"Events": [seen(0, "r-0")]}),
    ]
    aws.script = pages(*pages_of)
    wanted = replace(lookup("one", ONE, "eu-west-1", SINCE, {EC2}), request_ids=frozenset({"r-2", "r-3"}))
    found = trail_of(make_reach(), wanted)
    assert found.recorded == {"r-2": None, "r-3": "Client.Unavailable"}
    assert (found.available, found.refused) == (True, [])
    assert found.kinds == {"ec2:DescribeInstances"}
    # All that was looked for is there, so the third page is not read.
    assert found.request_count == 2
    aws.script = pages(*pages_of)
    missing = trail_of(make_reach(), replace(wanted, request_ids=frozenset({"r-2", "r-9"})))
    assert (missing.recorded, missing.request_count) == ({"r-2": None}, 3)


@pytest.mark.parametrize("codes", [("AccessDenied", None), (None, "AccessDenied")])
def test_a_call_that_is_recorded_twice_was_refused_if_either_says_so(
    codes: tuple[str | None, str | None], aws: ScriptedAws, make_reach: MakeReach
) -> None:
    twice = [event(number, code) for number, code in enumerate(codes)]
    for one in twice:
        one["CloudTrailEvent"] = json.dumps(json.loads(one["CloudTrailEvent"]) | {"requestID": "r-1"})
    aws.script = pages(as_json({"Events": twice}))
    wanted = replace(lookup("one", ONE, REGION, SINCE, {EC2}), request_ids=frozenset({"r-1"}))
    assert trail_of(make_reach(), wanted).recorded == {"r-1": "AccessDenied"}


def test_a_call_of_an_earlier_run_is_looked_up_by_its_own_caller_and_until_its_own_time(
    aws: ScriptedAws, make_reach: MakeReach
) -> None:
    before, until = f"arn:aws:sts::{ONE}:assumed-role/Former/kim", SINCE + timedelta(hours=1)
    aws.script = pages(as_json({"Events": [event(1, arn=before), event(2)]}))
    found = trail_of(make_reach(), replace(lookup("one", ONE, REGION, SINCE, {EC2}), caller_arn=before, until=until))
    assert (found.event_count, found.newest_event_at, found.until) == (1, SINCE + timedelta(seconds=1), until)
    (asked,) = aws.operations("cloudtrail")
    assert asked.parameters["LookupAttributes"] == [{"AttributeKey": "Username", "AttributeValue": "kim"}]
    assert asked.parameters["EndTime"] == until.timestamp()


def test_no_refusals(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(as_json({"Events": []}))
    found = trail_of(make_reach(), lookup("one", ONE, GLOBAL_REGION, SINCE, {EC2}))
    assert (found.available, found.refused, found.newest_event_at) == (True, [], None)
    assert aws.operations("cloudtrail")[0].region == "us-east-1"


def test_events_that_renewed_credentials_of_another_account_saw_are_no_evidence(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    of_short_sessions(aws, tmp_path)
    aws.script = lambda call: as_json({"Events": []}) if call.service == "cloudtrail" else None
    reach = make_reach()
    assert trail_of(reach, lookup("role", TWO, REGION, SINCE, {EC2})).available
    aws.renewed_account = ONE
    found = trail_of(reach, lookup("role", TWO, REGION, SINCE, {EC2}))
    assert (found.available, found.reason) == (False, f"Profile role is {ONE}, not {TWO}.")


@pytest.mark.parametrize(
    ("resource", "name"), [("root", "root"), ("user/people/kim", "kim"), ("assumed-role/Reader/cmdb", "cmdb")]
)
def test_the_trail_is_asked_for_what_it_calls_the_caller(
    resource: str, name: str, aws: ScriptedAws, make_reach: MakeReach
) -> None:
    caller = f"arn:aws:iam::{ONE}:{resource}"
    identity = (
        f"<GetCallerIdentityResponse><GetCallerIdentityResult><Account>{ONE}</Account><Arn>{caller}</Arn>"
        "<UserId>u</UserId></GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    aws.script = lambda call: Reply(identity) if call.service == "sts" else as_json({"Events": []})
    assert trail_of(make_reach(), lookup("one", ONE, REGION, SINCE, {EC2})).available
    (asked,) = aws.operations("cloudtrail")
    assert asked.parameters["LookupAttributes"] == [{"AttributeKey": "Username", "AttributeValue": name}]


@pytest.mark.parametrize("code", ["AccessDenied", "Client.AccessDenied", "Server.AccessDenied"])
def test_a_refusal_is_one_whatever_its_code_is_prefixed_with(
    code: str, aws: ScriptedAws, make_reach: MakeReach
) -> None:
    aws.script = pages(as_json({"Events": [event(1, code)]}))
    found = trail_of(make_reach(), lookup("one", ONE, REGION, SINCE, {EC2}))
    assert [refusal["error_code"] for refusal in found.refused] == [code]


def test_an_event_name_with_the_version_of_its_interface(aws: ScriptedAws, make_reach: MakeReach) -> None:
    versioned = event(1, "AccessDenied", EventName="ListFunctions20150331", EventSource="lambda.amazonaws.com")
    aws.script = pages(as_json({"Events": [versioned]}))
    found = trail_of(make_reach(), lookup("one", ONE, REGION, SINCE, {("lambda.amazonaws.com", "ListFunctions")}))
    assert [refusal["name"] for refusal in found.refused] == ["ListFunctions20150331"]


@pytest.mark.parametrize(
    ("reply", "why", "is_denied"),
    [
        (json_error("AccessDeniedException", "not allowed"), "AccessDeniedException: not allowed", True),
        # A session that has ended is no grant that is missing: the next run may look it up.
        (json_error("ExpiredTokenException"), "ExpiredTokenException", False),
        (json_error("UnrecognizedClientException"), "UnrecognizedClientException", False),
        (json_error("ThrottlingException"), "ThrottlingException", False),
        (
            as_json({}),
            "failed with UnreadableAnswer: LookupEvents returned a response without any of its members",
            False,
        ),
        (as_json({"Events": [{**event(1), "CloudTrailEvent": "{"}]}), "could not be read", False),
        (as_json({"Events": [], "NextToken": "a"}), "same page token", False),
    ],
)
def test_a_trail_that_cannot_be_read_is_no_evidence(
    reply: Reply,
    why: str,
    is_denied: bool,
    aws: ScriptedAws,
    make_reach: MakeReach,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("resources.aws.cloudtrail.TRAIL_SECONDS", 0.0)
    aws.script = pages(reply)
    found = trail_of(make_reach(), lookup("one", ONE, REGION, SINCE, {EC2}))
    assert (found.available, found.is_denied) == (False, is_denied)
    assert why in found.reason


def test_a_trail_for_which_a_role_cannot_be_assumed_again_is_not_refused(
    aws: ScriptedAws, make_reach: MakeReach, tmp_path: Path
) -> None:
    of_short_sessions(aws, tmp_path)
    reach = make_reach()
    reach.identify("role")
    aws.script = lambda call: query_error("AccessDenied", "no", 403)
    found = trail_of(reach, lookup("role", TWO, REGION, SINCE, {EC2}))
    assert (found.available, found.is_denied) == (False, False)
    assert "AccessDenied" in found.reason


def test_a_trail_without_end_is_no_evidence(
    aws: ScriptedAws, make_reach: MakeReach, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("resources.aws.cloudtrail.TRAIL_SECONDS", 0.0)
    monkeypatch.setattr("resources.aws.cloudtrail.TRAIL_PAGES", 20)
    aws.script = pages(*(as_json({"Events": [], "NextToken": str(n)}) for n in range(40)))
    found = trail_of(make_reach(), lookup("one", ONE, REGION, SINCE, {EC2}))
    assert (found.available, found.request_count) == (False, 20)
    assert "20 pages" in found.reason


def test_the_trail_of_another_account_is_no_evidence(aws: ScriptedAws, make_reach: MakeReach) -> None:
    found = trail_of(make_reach(), lookup("one", TWO, REGION, SINCE, {EC2}))
    assert (found.available, found.reason, found.request_count) == (False, f"Profile one is {ONE}, not {TWO}.", 0)
    assert aws.operations("cloudtrail") == []


def test_without_credentials_the_trail_is_no_evidence(aws: ScriptedAws, make_reach: MakeReach) -> None:
    found = trail_of(make_reach(), lookup("nobody", ONE, REGION, SINCE, {EC2}))
    assert (found.available, found.request_count) == (False, 0)
    assert "nobody" in found.reason


def test_cloudtrail_is_requested_twice_a_second_at_most(aws: ScriptedAws, make_reach: MakeReach) -> None:
    aws.script = pages(*(as_json({"Events": [], "NextToken": str(n)}) for n in range(3)), as_json({"Events": []}))
    began = time.monotonic()
    assert trail_of(make_reach(), lookup("one", ONE, REGION, SINCE, {EC2})).available
    assert time.monotonic() - began >= 1.5


def test_the_pace_of_cloudtrail_is_kept_from_its_responses_on(aws: ScriptedAws, make_reach: MakeReach) -> None:
    reach = make_reach()
    reach.identify("one")
    aws.script = pages(as_json({"Events": [], "NextToken": "a"}), as_json({"Events": []}))
    aws.delay = 0.4
    began = time.monotonic()
    assert trail_of(reach, lookup("one", ONE, REGION, SINCE, {EC2})).available
    assert time.monotonic() - began >= 0.4 + 0.5 + 0.4


PLACES = [
    (profile, account, region) for profile, account in (("one", ONE), ("two", TWO)) for region in (REGION, "eu-west-1")
]


def test_look_ups_that_wait_for_their_pace_hold_up_no_others(aws: ScriptedAws, make_reach: MakeReach) -> None:
    """Each place has three pages, and one thread sends them all; that of another place is sent while one waits."""
    sent: list[tuple[str, str]] = []
    arrived: dict[tuple[str, str], list[float]] = defaultdict(list)

    def script(call: Call) -> Reply | None:
        if call.service == "sts":
            return None
        place = call.account, call.region
        sent.append(place)
        arrived[place].append(time.monotonic())
        arn = f"arn:aws:sts::{call.account}:assumed-role/Reader/cmdb"
        token = {"NextToken": str(len(arrived[place]))} if len(arrived[place]) < 3 else {}
        return as_json({"Events": [event(1, arn=arn)], **token})

    aws.script = script
    reach = make_reach(concurrency=1)
    for profile in ("one", "two"):
        reach.identify(profile)
    wanted = [lookup(*place, SINCE, {EC2}) for place in PLACES]
    found = look_up_all({"workload": reach}, wanted)
    assert [(one.available, one.event_count, one.request_count) for one in found] == [(True, 3, 3)] * len(PLACES)
    # Every first page came before any second one: a thread that waited would send the pages of a place in a row.
    places = {(account, region) for _, account, region in PLACES}
    assert [set(sent[n : n + len(places)]) for n in range(0, len(sent), len(places))] == [places] * 3
    for times in arrived.values():
        assert min(after - before for before, after in pairwise(times)) >= 0.5


def test_all_look_ups_of_a_place_keep_one_pace(aws: ScriptedAws, make_reach: MakeReach) -> None:
    arrived: list[float] = []

    def script(call: Call) -> Reply | None:
        if call.service == "sts":
            return None
        arrived.append(time.monotonic())
        return as_json({"Events": []})

    aws.script = script
    wanted = [
        replace(lookup("one", ONE, REGION, SINCE, {EC2}), caller_arn=f"arn:aws:iam::{ONE}:user/u{n}") for n in range(4)
    ]
    found = look_up_all({"workload": make_reach()}, wanted)
    assert [one.available for one in found] == [True] * 4
    assert min(after - before for before, after in pairwise(arrived)) >= 0.5


# ------------------------------------------------------------------------------- the simulated organisation


def ask_instances(organisation: Simulator) -> tuple[AwsClient, Response, dict[str, Any]]:
    profile = organisation.env["AWS_PROFILE"]
    reach = AwsClient("workload", home_region=REGION, retry=HASTE)
    account = reach.identify(profile).account_id
    answer = reach.fetch(question(profile=profile, account=account))
    return reach, answer, {"profile": profile, "account": account}


def test_the_organisations_three_kinds_of_identity(organisation: Simulator) -> None:
    for role in ("management", "operations", "billing"):
        profile = organisation.env[CONTRACT[role].profile_env]
        identity = AwsClient(role, home_region=REGION, retry=HASTE).identify(profile)
        assert f":{identity.account_id}:" in identity.arn


@pytest.mark.parametrize(
    ("action", "outcome"),
    [
        ("empty", "empty_unconfirmed"),
        ("empty_page", "found"),
        ("denied", "denied"),
        ("expired", "denied"),
        ("throttle", "failed"),
        ("html503", "failed"),
        ("reset", "failed"),
        ("cut", "failed"),
        ("garbage", "failed"),
    ],
)
def test_faults_of_the_organisation(action: str, outcome: str, organisation: Simulator) -> None:
    organisation.faults([{"action": action, "service": "ec2"}])
    reach, answer, _ = ask_instances(organisation)
    assert answer.outcome == outcome
    assert bool(answer.records) == (outcome == "found")
    reach.close()


def test_a_refusal_is_in_the_organisations_trail(organisation: Simulator) -> None:
    since = datetime.now(UTC) - timedelta(minutes=5)
    organisation.faults([{"action": "denied", "service": "ec2", "times": 1}])
    reach, answer, who = ask_instances(organisation)
    assert answer.outcome == "denied"
    found = trail_of(reach, lookup(who["profile"], who["account"], REGION, since, {EC2}))
    assert found.available, found.reason
    assert [refusal["name"] for refusal in found.refused] == ["DescribeInstances"]
    other = trail_of(reach, lookup(who["profile"], who["account"], REGION, since, {("ec2.amazonaws.com", "Other")}))
    assert other.available
    assert other.refused == []


def test_requests_are_counted_as_the_server_counts_them(organisation: Simulator) -> None:
    organisation.clear_log()
    organisation.faults([{"action": "throttle", "service": "ec2", "times": 2}])
    reach, answer, who = ask_instances(organisation)
    assert answer.outcome == "found"
    trail_of(reach, lookup(who["profile"], who["account"], REGION, datetime.now(UTC), {EC2}))
    log = organisation.log()
    assert reach.counter.requests == len(log)
    assert answer.request_count == sum(call["service"] == "ec2" for call in log)
    assert answer.throttle_count == 2
    throttled = {"RequestLimitExceeded", "Throttling", "ThrottlingException"}
    assert reach.counter.throttles == sum(call["error_code"] in throttled for call in log)
