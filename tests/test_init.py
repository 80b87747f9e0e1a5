"""`cmdb init`, from an AWS config file to the settings that every command reads, over the simulated organisation."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner
from demos import checkout_in, demo
from nights import DATABASE, REPOSITORY, cmdb_here, environment_of

from pipelines.cli import init as command
from pipelines.cli import run
from pipelines.cli.main import main
from pipelines.cli.summary import RunSummary
from pipelines.settings_file import load
from simulator.client import Simulator

OURS = ("AWS_MANAGEMENT_PROFILE", "AWS_OPERATIONS_PROFILE", "AWS_BILLING_PROFILE", "AWS_PROFILE", "AWS_DEFAULT_REGION")
ELSEWHERE = ("CMDB_SETTINGS", "CMDB_DATABASE", "DAGSTER_HOME")
PROFILES = ("--management", "acmeManagement", "--operations", "acmeOperations", "--billing", "acmeBilling")

LITTLE = {"CMDB_COST_REQUEST_LIMIT": "50"}
"""Without tag keys the first load takes 60 requests."""


def fresh(simulator: Simulator, tmp_path: Path) -> dict[str, str]:
    """What a machine has before the first contact: the AWS config file, and no setting of the product."""
    foreign = {
        name: value for name, value in simulator.env.items() if name not in OURS and not name.startswith("CMDB_")
    }
    return foreign | {
        "CMDB_SETTINGS": str(tmp_path / "cmdb.env"),
        "CMDB_DATABASE": str(tmp_path / "w" / DATABASE),
        "DAGSTER_HOME": str(tmp_path / "dagster"),
    }


def lines(tmp_path: Path) -> dict[str, str]:
    text = (tmp_path / "cmdb.env").read_text()
    return dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))


def asked(
    environment: Mapping[str, str], typed: str, monkeypatch: pytest.MonkeyPatch, *options: str
) -> tuple[int, str]:
    """The command at a terminal where somebody types."""
    monkeypatch.setattr(command, "can_ask", lambda: True)
    with environment_of(environment):
        result = CliRunner().invoke(main, ["init", *options], input=typed)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def nothing_was_written(tmp_path: Path) -> bool:
    return not list(tmp_path.iterdir())


# --------------------------------------------------------------------------------------------------- by options


def test_the_file_that_it_writes_is_all_that_the_other_commands_need(small: Simulator, tmp_path: Path) -> None:
    environment = fresh(small, tmp_path)
    assert "which is not there" in cmdb_here(environment, "preflight").stderr
    small.clear_log()
    done = cmdb_here(environment, "init", *PROFILES, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    truth = small.truth("ledger")
    for words in (
        "2 of 5 active accounts are reached by a workload profile",
        "workload: s3:ListBuckets is answered by 2 of 2",
        "each night after that",
        f"Written: {tmp_path / 'cmdb.env'}",
        "Next: .venv/bin/cmdb nightly",
    ):
        assert words in done.stdout
    # How many requests it takes depends on the days that the month has so far.
    (load,) = re.findall(r"first load, 12 months of the bill: at most \d\.\d\d USD", done.stdout)
    services = {call["service"] for call in small.log()}
    assert not services & {"ce", "cloudwatch", "monitoring"}, "what AWS charges for is not tried"
    written = lines(tmp_path)
    assert written["AWS_MANAGEMENT_PROFILE"] == "acmeManagement"
    assert written["CMDB_WORKLOAD_PROFILES"] == "'acme-*'"
    assert written["CMDB_DATABASE"] == environment["CMDB_DATABASE"], "a scheduled run needs it too"
    central = {account["account_id"] for account in truth["accounts"] if account["kind"] in ("operations", "billing")}
    assert {written["CMDB_OPERATIONS_ACCOUNT"], written["CMDB_BILLING_ACCOUNT"]} == central
    assert "canary" not in (tmp_path / "cmdb.env").read_text()
    assert (tmp_path / "cmdb.env").stat().st_mode & 0o027 == 0
    later = cmdb_here(environment, "preflight")
    assert later.returncode == 0, later.stdout
    assert "as CMDB_BILLING_ACCOUNT states" in later.stdout
    assert load in later.stdout, "the same cost"


def test_no_secret_is_written_and_what_is_written_can_be_read(small: Simulator, tmp_path: Path) -> None:
    secret = {
        "CMDB_BROKER_URL": "redis://:the-password@h",
        "CMDB_WORKER_KEY": "the-key-" * 4,
        "CMDB_LOCK_URL": "postgresql://cmdb:the-password@h/cmdb",
        "CMDB_NOTIFY": "slack://the-token",
    }
    environment = fresh(small, tmp_path)
    done = cmdb_here(environment | secret | {"CMDB_OBJECTS_URL": "s3://acme"}, "init", *PROFILES, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " and ".join(sorted(secret)) + " can hold a secret" in done.stdout
    assert "the-" not in (tmp_path / "cmdb.env").read_text() + done.stdout
    assert lines(tmp_path)["CMDB_OBJECTS_URL"] == "s3://acme"
    load(dict(environment))


def test_after_the_documented_set_up_every_unit_finds_the_folders_that_it_writes(
    small: Simulator, tmp_path: Path
) -> None:
    page = (REPOSITORY / "docs" / "howto" / "deploy.md").read_text(encoding="utf-8")
    block = page.partition("```sh\n")[2].partition("systemctl enable")[0]
    steps = re.findall(r"^sudo -u cmdb (.*)$", block, re.MULTILINE)
    assert steps == ["git clone URL /srv/cmdb", "sh scripts/setup run", ".venv/bin/cmdb init"]
    checkout = checkout_in(tmp_path / "srv")
    done = demo(checkout, "init", *PROFILES, "--yes", **{**fresh(small, tmp_path), **dict.fromkeys(ELSEWHERE, "")})
    assert done.returncode == 0, done.stdout + done.stderr
    units = "".join(unit.read_text(encoding="utf-8") for unit in REPOSITORY.glob("deploy/systemd/*.service"))
    named = {
        folder for folders in re.findall(r"^ReadWritePaths=(.*)$", units, re.MULTILINE) for folder in folders.split()
    }
    assert len(named) == 2
    assert [folder for folder in named if not Path(folder.replace("/srv/cmdb", str(checkout))).is_dir()] == []
    with environment_of({"DAGSTER_HOME": str(checkout / ".dagster")}), dg.DagsterInstance.get() as instance:
        assert instance.telemetry_enabled is False


def test_what_a_scheduled_run_needs_is_named_from_every_folder(
    small: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = fresh(small, tmp_path)
    config = Path(environment["AWS_CONFIG_FILE"])
    monkeypatch.chdir(config.parent)
    done = cmdb_here(environment | {"AWS_CONFIG_FILE": config.name}, "init", *PROFILES, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    assert lines(tmp_path)["AWS_CONFIG_FILE"] == str(config)


def test_a_file_that_is_there_stays_unless_it_is_forced(small: Simulator, tmp_path: Path) -> None:
    environment = fresh(small, tmp_path)
    (tmp_path / "cmdb.env").write_text("CMDB_COST_MONTHS=2\n")
    small.clear_log()
    done = cmdb_here(environment, "init", *PROFILES, "--yes")
    assert done.returncode == 2
    assert "is there already. Nothing was tried." in done.stderr
    assert small.log() == []
    assert lines(tmp_path) == {"CMDB_COST_MONTHS": "2"}
    assert cmdb_here(environment, "init", *PROFILES, "--yes", "--force").returncode == 0
    assert "CMDB_COST_MONTHS" not in lines(tmp_path)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--billing", "acmeNoSuchRole"), ("✗", "billing: AWS refused AssumeRole", "Nothing was written.")),
        (("--billing", "acmeGone"), ("acmeGone", "Nothing was written.")),
        (("--operations", "acmeExpired"), ("acmeExpired", "Nothing was written.")),
        (("--operations", "acmeOperationsInManagement"), ("--shared management+operations", "Nothing was written.")),
        (("--management", "acmeOperations", "--workload", "acme-*"), ("Nothing was written.",)),
        (("--workload", "nobody-*"), ("No workload profile reaches an account", "Nothing was written.")),
    ],
)
def test_profiles_that_may_not_be_used_leave_nothing_behind(
    small: Simulator, tmp_path: Path, options: tuple[str, ...], words: tuple[str, ...]
) -> None:
    done = cmdb_here(fresh(small, tmp_path), "init", *PROFILES, *options, "--yes")
    assert done.returncode == 1, done.stdout
    for word in words:
        assert word in done.stdout + done.stderr
    assert nothing_was_written(tmp_path)


def test_an_account_that_is_shared_on_purpose_is_declared(small: Simulator, tmp_path: Path) -> None:
    options = ("--operations", "acmeOperationsInManagement", "--shared", "management+operations")
    done = cmdb_here(fresh(small, tmp_path), "init", *PROFILES, *options, "--yes")
    assert done.returncode == 0, done.stdout
    assert lines(tmp_path)["CMDB_SHARED_ACCOUNTS"] == "management+operations"


def test_without_a_terminal_nothing_is_guessed(small: Simulator, tmp_path: Path) -> None:
    environment = fresh(small, tmp_path)
    done = cmdb_here(environment, "init")
    assert done.returncode == 2
    assert "No management profile is named. Nothing was tried. Name it with --management" in done.stderr
    named = {"AWS_MANAGEMENT_PROFILE": "acmeManagement", "AWS_OPERATIONS_PROFILE": "acmeOperations"}
    assert "No billing profile is named" in cmdb_here(environment | named, "init").stderr
    assert nothing_was_written(tmp_path)


def test_without_an_aws_config_file_the_next_step_is_named(tmp_path: Path) -> None:
    gone = {"AWS_CONFIG_FILE": str(tmp_path / "none"), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
    done = cmdb_here({**gone, "CMDB_SETTINGS": str(tmp_path / "cmdb.env")}, "init", *PROFILES, "--yes")
    assert done.returncode == 2
    assert "The AWS config file has no profile." in done.stderr


def test_what_a_role_lacks_is_named_before_the_first_run(small: Simulator, tmp_path: Path) -> None:
    environment = fresh(small, tmp_path)
    small.configure(refused_actions={"workload": ["rds:Describe*"], "operations": ["tag:GetResources"]})
    done = cmdb_here(environment, "init", *PROFILES, "--yes")
    assert done.returncode == 0, "a gap in an account is a warning, as in a run"
    assert "✗ workload: rds:DescribeDBInstances is answered by 0 of 2" in done.stdout
    assert "(acme-payments-prod): " in done.stdout
    assert "✗ operations: resourcegroupstaggingapi:GetResources is answered by 0 of 1" in done.stdout
    assert "✓ workload: s3:ListBuckets is answered by 2 of 2" in done.stdout
    tried = cmdb_here(environment, "preflight", "--accounts")
    assert tried.returncode == 1
    assert "✗ workload: rds:DescribeDBInstances is answered by 0 of 2" in tried.stdout
    shown = cmdb_here(environment, "preflight", "--accounts", "--json")
    assert [check["passed"] for check in json.loads(shown.stdout)] == [True] * 6
    small.configure(refused_actions={})
    assert cmdb_here(environment, "preflight", "--accounts").returncode == 0


GOVERNMENT_ROLE = (
    "[profile m]\nrole_arn = arn:aws-us-gov:iam::011122223333:role/R\nsource_profile = base\n[profile base]\n"
)
SOVEREIGN_ROLE = GOVERNMENT_ROLE.replace("aws-us-gov", "aws-eusc")


@pytest.mark.parametrize(
    ("config", "region"),
    [
        ("[profile m]\nregion = eu-west-1\nsource_profile = base\n[profile base]\nregion = eu-north-1\n", "eu-west-1"),
        (f"{GOVERNMENT_ROLE}region = us-gov-east-1\n", "us-gov-east-1"),
        (GOVERNMENT_ROLE, "us-gov-west-1"),
        ("[profile m]\nsso_session = corp\n[sso-session corp]\nsso_region = cn-north-1\n", "cn-northwest-1"),
        ("[profile m]\nsso_region = cn-north-1\n", "cn-northwest-1"),
        ("[profile m]\nsso_session = corp\n[sso-session corp]\nsso_region = eu-west-1\n", "us-east-1"),
        ("[profile m]\naws_access_key_id = AKIA011122223333\n", "us-east-1"),
        ("[profile other]\n", "us-east-1"),
        (SOVEREIGN_ROLE, ""),
    ],
    ids=["own", "source", "role", "session", "sso", "sso in aws", "keys", "no profile", "partition without one"],
)
def test_the_home_region_is_one_of_the_partition_of_the_management_profile(
    config: str, region: str, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text(config)
    with environment_of({"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}):
        assert command._region_of("m") == region


def test_profiles_without_a_config_file_have_the_usual_region(tmp_path: Path) -> None:
    (tmp_path / "credentials").write_text("[m]\naws_access_key_id = a\naws_secret_access_key = b\n")
    files = {
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
    }
    with environment_of(files):
        assert command._region_of("m") == "us-east-1"


def test_a_partition_without_a_usual_region_is_not_guessed(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(SOVEREIGN_ROLE)
    files = {"AWS_CONFIG_FILE": str(tmp_path / "config"), "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}
    named = ("--management", "m", "--operations", "m", "--billing", "m", "--workload", "m", "--yes")
    with environment_of(files | {"CMDB_SETTINGS": str(tmp_path / "cmdb.env")}):
        result = CliRunner().invoke(main, ["init", *named])
    assert (result.exit_code, [path.name for path in tmp_path.iterdir()]) == (2, ["config"])
    assert "Name the home region with --region." in result.output


# --------------------------------------------------------------------------------------------- at a terminal


def test_it_requests_and_offers_what_the_config_file_suggests(
    small: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Enter takes each offer: three profiles, the region, the workload profiles, the spread load, the file.
    code, said = asked(fresh(small, tmp_path) | LITTLE, "\n" * 7, monkeypatch)
    assert code == 0, said
    assert "[acmeManagement]" in said
    assert "[acme-*]" in said
    offered = r"Load the bill's history in one go, with at most \d+ requests today \(\d\.\d\d USD\), in place of 2 runs"
    assert re.search(offered, said)
    assert "Next: .venv/bin/cmdb nightly\n" in said
    assert lines(tmp_path)["AWS_BILLING_PROFILE"] == "acmeBilling"


def test_it_requests_whether_an_account_is_shared_on_purpose_and_loads_at_once_where_that_is_agreed(
    small: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = "\nacmeOperationsInManagement\n\n\n\ny\ny\n\n"
    code, said = asked(fresh(small, tmp_path) | LITTLE, typed, monkeypatch)
    assert code == 0, said
    assert "management+operations lead to one account. Is that on purpose?" in said
    # How many it takes depends on the days that the month has so far.
    offered = re.search(r"Load the bill's history in one go, with at most (\d+) requests today", said)
    assert offered is not None, said
    assert f"Next: .venv/bin/cmdb nightly --cost-requests {offered[1]}\n" in said
    assert lines(tmp_path)["CMDB_SHARED_ACCOUNTS"] == "management+operations"


@pytest.mark.parametrize("typed", ["\n\n\n\n\n\nn\n", "\nacmeOperationsInManagement\n\n\n\nn\n"])
def test_a_no_writes_nothing(small: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    code, said = asked(fresh(small, tmp_path) | LITTLE, typed, monkeypatch)
    assert code == 1
    assert "Nothing was written." in said
    assert nothing_was_written(tmp_path)


# ---------------------------------------------------------------------------------------- a first load in one go


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The environments of the runs that were begun; none is run."""
    begun: list[dict[str, Any]] = []

    def begin(environment: Mapping[str, str], *_: object, **__: object) -> RunSummary:
        begun.append(dict(environment))
        return RunSummary("a", False, 1, ["Only a test."])

    monkeypatch.setattr(run, "run_nightly", begin)
    return begun


def test_the_price_of_a_load_in_one_go_is_shown_and_agreed(
    tmp_path: Path, runs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {"CMDB_DATABASE": str(tmp_path / "w" / DATABASE), "DAGSTER_HOME": str(tmp_path / "dagster")}
    done = cmdb_here(environment, "nightly", "--cost-requests", "400")
    assert done.returncode == 2
    assert "400 requests, at most 4.00 USD, in place of the 100 of CMDB_COST_REQUEST_LIMIT" in done.stderr
    assert "Agree with --yes" in done.stderr
    assert runs == []
    assert cmdb_here(environment, "nightly", "--cost-requests", "400", "--yes").returncode == 1
    assert [begun["CMDB_COST_REQUEST_LIMIT"] for begun in runs] == ["400"]
    assert cmdb_here(environment, "nightly").returncode == 1
    assert "CMDB_COST_REQUEST_LIMIT" not in runs[-1], "the next run has the setting's limit again"
    assert "CMDB_COST_REQUEST_LIMIT" not in os.environ
