"""Where a figure or a gap comes from, told from the evidence; and what an account needs to be asked."""

from __future__ import annotations

import configparser
import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import duckdb
import pytest
from nights import cmdb_here, copy_of, query
from test_cli import one_sentence

from pipelines.catalogue.registry import listings
from pipelines.cli.changes import history_of
from pipelines.cli.explain import SKIPPED
from pipelines.cli.profiles import Unreached, stanzas
from pipelines.trust import outcomes
from resources.audit.cells import renew_coverage
from resources.contract import policy
from resources.store.store import Store
from simulator.client import Simulator


@pytest.fixture(scope="module")
def database(truthful_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A truthful warehouse in whose working file some cells have turned bad since."""
    yield copy_of(truthful_night, tmp_path_factory.mktemp("explained"))


def spoil(database: Path, cell: tuple[str, str, str], **columns: Any) -> None:
    """Give a cell another answer than it had, later than all others."""
    store = Store(database)
    sets = ", ".join(f"{name} = ${name}" for name in columns)
    with store.holding("spoil", "test"), store.transaction() as connection:
        connection.execute(
            f"update audit.collection set is_trusted = false, record_count = null, {sets} "
            "where account_id = $account and region = $region and listing = $listing",
            {"account": cell[0], "region": cell[1], "listing": cell[2], **columns},
        )
        renew_coverage(connection)


def some_cell(database: Path, outcome: str = "found", listing: str = "ec2_instance") -> tuple[str, str, str]:
    rows = query(
        database,
        "select account_id, region, listing from audit.coverage where listing = $listing and outcome = $outcome "
        "and role = 'workload' order by all limit 1",
        {"listing": listing, "outcome": outcome},
        of="working",
    )
    return rows[0][0], rows[0][1], rows[0][2]


def test_a_resource_leads_to_who_was_requested_and_when(database: Path) -> None:
    ((arn, account, run_id),) = query(
        database, "select arn, account_id, run_id from cmdb.resource where role = 'workload' order by arn limit 1"
    )
    done = cmdb_here({"CMDB_DATABASE": str(database)}, "explain", arn)
    assert done.returncode == 0
    for words in (account, run_id, "ec2:Describe", "is account " + account, "trusted", "yes, as of", "status"):
        assert words in done.stdout
    assert "hint" not in done.stdout
    told = json.loads(cmdb_here({"CMDB_DATABASE": str(database)}, "explain", arn, "--json").stdout)
    assert told["resource"]["arn"] == arn
    assert [cell["outcome"] for cell in told["cells"]] == ["found"]
    assert [(version["change"], version["changed_attributes"]) for version in told["versions"]] == [("discovered", [])]
    assert re.search(r"history +\d{4}-\d\d-\d\d \d\d:\d\d UTC discovered", done.stdout)


def test_the_newest_versions_of_an_item_are_named_and_the_others_counted() -> None:
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute("create schema cmdb")
        connection.execute(
            """
            create table cmdb.resource_version as
            select
                'arn:' || n % 2 as arn, timestamptz '2026-11-01 00:00:00Z' + to_days(n::integer) as valid_from,
                if(n < 2, 'discovered', 'changed') as "change", if(n < 2, [], ['state', 'tags']) as changed_attributes
            from range(14) as t(n)
            """
        )
        rows, lines = history_of(connection, "arn:1")
        assert history_of(connection, "arn:2") == ([], [])
    assert len(rows) == 7
    assert lines[0] == "2026-11-14 00:00 UTC changed: state, tags"
    assert lines[4:] == [
        "2026-11-06 00:00 UTC changed: state, tags",
        "2 earlier version(s) stand in cmdb.resource_version",
    ]


def test_a_verified_zero_shows_its_evidence(database: Path) -> None:
    cell = some_cell(database, "empty_verified")
    done = cmdb_here({"CMDB_DATABASE": str(database)}, "explain", *cell)
    assert done.returncode == 0
    assert "empty_verified" in done.stdout
    assert re.search(r"evidence\s+cloudtrail: looked up at ", done.stdout)
    assert re.search(r"evidence\s+request ids: \S+", done.stdout)


@pytest.mark.parametrize(
    ("spoilt", "cure"),
    [
        ({"outcome": "denied", "error_code": "UnauthorizedOperation"}, "`cmdb policy workload` prints the policy"),
        (
            {"outcome": "denied", "error_message": "with an explicit deny in a service control policy"},
            "name the allowed regions in CMDB_REGIONS",
        ),
        ({"outcome": "wrong_account"}, "fix its role_arn"),
        ({"outcome": "empty_suspect", "empty_policy": "witnessed"}, "cmdb accept {} {} {} --reason"),
        ({"outcome": "empty_suspect", "empty_policy": "impossible"}, "this listing is never empty"),
        (
            {"outcome": "failed", "error_code": "ReadTimeout"},
            "cmdb ask workload ec2_instance --account {0} --region {1}",
        ),
        ({"outcome": "skipped", "skip_reason": "no_profile"}, "`cmdb profiles` prints the stanza"),
        ({"outcome": "skipped", "skip_reason": "optional_grant_not_given"}, "`cmdb policy workload --optional`"),
    ],
)
def test_every_gap_ends_in_what_to_do(database: Path, spoilt: dict[str, str], cure: str) -> None:
    cell = some_cell(database)
    before = query(
        database,
        "select outcome, is_trusted, record_count, empty_policy from audit.collection "
        "where account_id = $a and region = $r and listing = $l",
        dict(zip("arl", cell, strict=True)),
        of="working",
    )[0]
    blank = {"error_code": None, "error_message": None, "skip_reason": None}
    spoil(database, cell, **(blank | spoilt))
    try:
        done = cmdb_here({"CMDB_DATABASE": str(database)}, "explain", *cell, "--blocked")
        assert done.returncode == 0
        assert cure.format(*cell) in done.stdout
        assert re.search(r"trusted\s+no; (last trusted|never was)", done.stdout)
        # What is published does not know of it yet.
        assert "hint" not in cmdb_here({"CMDB_DATABASE": str(database)}, "explain", *cell).stdout
    finally:
        outcome, trusted, count, sense = before
        spoil(database, cell, **blank, outcome=outcome, empty_policy=sense)
        store = Store(database)
        with store.holding("mend", "test"), store.transaction() as connection:
            connection.execute(
                "update audit.collection set is_trusted = $trusted, record_count = $count "
                "where account_id = $a and region = $r and listing = $l",
                {"trusted": trusted, "count": count, **dict(zip("arl", cell, strict=True))},
            )
            renew_coverage(connection)


def test_a_listing_that_was_never_requested_is_named_where_it_would_hold_the_resource(
    database: Path, tmp_path: Path
) -> None:
    account, region, _ = some_cell(database)
    copied = copy_of(database.parent, tmp_path)
    with duckdb.connect(str(copied.resolve())) as connection:
        connection.execute("delete from audit.newest_cell where account_id = $1 and listing = 'ec2_volume'", [account])
    gone = f"arn:aws:ec2:{region}:{account}:volume/vol-00000000000000000"
    done = cmdb_here({"CMDB_DATABASE": str(copied)}, "explain", gone)
    one_sentence(done, 2, "Cells that would hold it and are not trusted: ec2_volume (never requested)")


def test_what_is_not_there_is_told_from_the_cells_that_would_hold_it(database: Path) -> None:
    account, region, _ = some_cell(database)
    environment = {"CMDB_DATABASE": str(database)}
    gone = f"arn:aws:ec2:{region}:{account}:instance/i-0000000000000000"
    one_sentence(cmdb_here(environment, "explain", gone), 2, "cmdb.resource has no", "are trusted, so it was not there")
    one_sentence(
        cmdb_here(environment, "explain", f"arn:aws:ec2:{region}:999999999999:instance/i-0"), 2, "has no response about"
    )
    one_sentence(cmdb_here(environment, "explain", "arn:aws:sqs:us-east-1:1:q"), 2, "Nothing of sqs is collected")
    one_sentence(cmdb_here(environment, "explain", "i-0123"), 2, "That is no ARN")
    one_sentence(cmdb_here(environment, "explain", account, "mars-1", "ec2_instance"), 2, "among others")
    one_sentence(cmdb_here(environment, "explain", account, region), 2, "Name a resource by its ARN, or a cell")


def test_every_reason_of_a_skipped_cell_has_its_meaning() -> None:
    named = {reason for entry in listings().values() for reason in entry.skip_codes.values()}
    named |= {entry.each.unlisted for entry in listings().values() if entry.each is not None and entry.each.unlisted}
    assert named | outcomes.CONCLUSIVE_SKIPS | outcomes.RETIRING <= SKIPPED.keys()


def test_every_reason_in_a_run_has_its_meaning(database: Path) -> None:
    found = {reason for (reason,) in query(database, "select distinct skip_reason from audit.coverage")} - {None}
    assert found
    assert found <= SKIPPED.keys()


# ------------------------------------------------------------------------------------------------- profiles


def test_accounts_without_a_profile_get_a_stanza_that_reaches_them(
    database: Path, organisation: Simulator, tmp_path: Path
) -> None:
    environment = organisation.env | {"CMDB_DATABASE": str(database)}
    done = cmdb_here(environment, "profiles")
    assert done.returncode == 0
    written = configparser.ConfigParser(interpolation=None)
    written.read_string(done.stdout)
    without = {
        account
        for (account,) in query(
            database, "select account_id from org.account where state = 'ACTIVE' and not has_profile"
        )
    }
    accounts = organisation.truth("listings")["accounts"]
    central = {account["account_id"] for account in accounts if account["kind"] != "workload"}
    missing = without - central
    assert missing
    assert without & central, "their own roles reach the central accounts"
    assert {re.findall(r"\d{12}", written[name]["role_arn"])[0] for name in written.sections()} == missing
    tenant = environment["AWS_MANAGEMENT_PROFILE"].removesuffix("Management")
    assert all(fnmatchcase(name, f"profile {tenant}-*") for name in written.sections())
    assert f"{len(missing)} active account(s) without a profile" in done.stderr
    listed = json.loads(cmdb_here(environment, "profiles", "--json").stdout)
    assert {row["account_id"] for row in listed} == missing
    every = json.loads(cmdb_here(environment, "profiles", "--central", "--json").stdout)
    assert {row["account_id"] for row in every} == without


def test_a_machine_with_an_identity_of_its_own_needs_no_source_profile(database: Path) -> None:
    """botocore takes no `source_profile` that has nothing but a `credential_source`."""
    done = cmdb_here({"CMDB_DATABASE": str(database)}, "profiles", "--credential-source", "Ec2InstanceMetadata")
    assert done.returncode == 0
    written = configparser.ConfigParser(interpolation=None)
    written.read_string(done.stdout)
    for name in written.sections():
        assert written[name]["credential_source"] == "Ec2InstanceMetadata"
        assert "source_profile" not in written[name]


def test_names_of_accounts_cannot_write_settings() -> None:
    hostile = [
        Unreached("000000000001", "x]\ncredential_process = evil\n[default]", "/a\nb"),
        Unreached("000000000002", "Same Name", "/"),
        Unreached("000000000003", "same-name", "/"),
        Unreached("000000000004", "名前", "/"),
    ]
    written = configparser.ConfigParser(interpolation=None)
    written.read_string(stanzas(hostile, prefix="acme-", region="us-east-1", source_profile="ops"))
    assert written.sections() == [
        "profile acme-x-credential-process-evil-default",
        "profile acme-same-name",
        "profile acme-same-name-000000000003",
        "profile acme-000000000004",
    ]
    assert all(
        set(section) == {"role_arn", "source_profile", "role_session_name", "region"}
        for section in (written[name] for name in written.sections())
    )


def test_what_is_appended_to_the_aws_config_leaves_it_readable(
    database: Path, organisation: Simulator, tmp_path: Path
) -> None:
    """Of the accounts without a profile one has a stanza of yesterday, and another's name is a third one's profile."""
    command = ("profiles", "--central", "--source-profile", "ops")
    environment = {"CMDB_DATABASE": str(database), "AWS_MANAGEMENT_PROFILE": "acmeManagement"}
    config = tmp_path / "config"
    config.touch()
    environment |= {"AWS_CONFIG_FILE": str(config), "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
    first = configparser.ConfigParser(interpolation=None)
    first.read_string(cmdb_here(environment, *command).stdout)
    own, other, *_ = first.sections()
    named = re.findall(r"\d{12}", first[own]["role_arn"])[0]
    person = f"[profile someone]\nrole_arn = {first[other]['role_arn']}\n\n"
    config.write_text(f"{person}[{own}]\nrole_arn = {first[own]['role_arn']}\n\n[{other}]\nsso_account_id = 1\n\n")
    done = cmdb_here(environment, *command)
    assert f"# {named}: {own} is there, and the last run did not reach it.\n" in done.stdout
    with config.open("a") as file:
        file.write(done.stdout)
    whole = configparser.ConfigParser(interpolation=None)
    whole.read_string(config.read_text())
    assert {*first.sections()} < {*whole.sections()}
    assert sum(named in section.get("role_arn", "") for section in whole.values()) == 1
    moved = re.findall(r"\d{12}", first[other]["role_arn"])[0]
    assert moved in whole[f"{other}-{moved}"]["role_arn"], "a person's profile is none of the workload role"


@pytest.mark.parametrize(("region", "partition"), [("us-gov-west-1", "aws-us-gov"), ("eu-west-1", "aws")])
def test_a_role_is_in_the_partition_of_the_home_region(region: str, partition: str) -> None:
    written = stanzas([Unreached("444444444444", "pay", "/")], prefix="acme-", region=region, source_profile="ops")
    assert f"role_arn = arn:{partition}:iam::444444444444:role/" in written


def test_the_role_of_the_template_is_the_contracts() -> None:
    trusted = "arn:aws:iam::111122223333:role/night"
    template = json.loads(cmdb_here({}, "profiles", "--template", "--trusted", trusted).stdout)
    role = template["Resources"]["Reader"]["Properties"]
    assert role["Policies"][0]["PolicyDocument"] == policy("workload")
    parameter = template["Parameters"]["TrustedPrincipalArn"]
    assert parameter["Default"] == trusted
    assert re.fullmatch(parameter["AllowedPattern"], trusted)
    assert not re.fullmatch(parameter["AllowedPattern"], "*")
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"AWS": {"Ref": "TrustedPrincipalArn"}}
    more = json.loads(cmdb_here({}, "profiles", "--template", "--trusted", trusted, "--optional").stdout)
    assert more["Resources"]["Reader"]["Properties"]["Policies"][0]["PolicyDocument"] == policy(
        "workload", optional=True
    )


def test_what_a_stanza_needs_is_said(database: Path, organisation: Simulator) -> None:
    one_sentence(cmdb_here({}, "profiles", "--template"), 2, "name the identity that starts the runs with --trusted")
    one_sentence(cmdb_here({"CMDB_DATABASE": str(database)}, "profiles"), 2, "AWS_OPERATIONS_PROFILE")
    signed_in = cmdb_here({"CMDB_DATABASE": str(database)}, "profiles", "--sso-session", "acme")
    assert signed_in.returncode == 0
    assert "sso_account_id = " in signed_in.stdout
