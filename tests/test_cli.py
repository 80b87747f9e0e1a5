"""The command line as people meet it: one sentence for what they can mend, the right exit code, nothing lost."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shlex
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from nights import (
    DATABASE,
    REPOSITORY,
    Witness,
    cmdb,
    cmdb_here,
    copy_of,
    fingerprint,
    interrupted_run,
    night_environment,
    program,
    query,
)

from pipelines.cli import accept
from resources.contract import ROLES, policy
from resources.store.store import Store
from simulator.client import Simulator

COMMANDS = (
    "init",
    "preflight",
    "nightly",
    "confirm",
    "demo",
    "diff",
    "digest",
    "coverage",
    "ask",
    "bill-month",
    "explain",
    "explore",
    "export backstage",
    "export duckdb",
    "export explorer",
    "export focus",
    "export openlineage",
    "export parquet",
    "export servicenow",
    "mcp",
    "fx import",
    "history",
    "profiles",
    "accept",
    "policy",
    "publish-copy",
    "sql",
    "rollback",
    "status",
    "tables",
    "completion",
    "reference init",
    "reference check",
    "report",
    "worker",
)

Done = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def house(truthful_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the truthful warehouse that tests only read, or leave as it was."""
    return copy_of(truthful_night, tmp_path_factory.mktemp("house"))


def one_sentence(done: Done, exit_code: int, *words: str) -> str:
    """The command ended with this code and said why: no traceback, nothing but plain lines."""
    said = done.stdout + done.stderr
    assert done.returncode == exit_code, said
    assert "Traceback" not in said
    assert "Error:" not in done.stderr.partition("(")[0], "an exception's name is no sentence"
    for word in words:
        assert word in said
    return said


# ------------------------------------------------------------------------------------------------------- help


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_has_an_example(command: str) -> None:
    done = cmdb_here({}, *command.split(), "--help")
    assert done.returncode == 0
    assert re.search(rf"^  Example: cmdb {command}\b.*\n\n", done.stdout, re.MULTILINE), "on one line, to be copied"


def test_the_help_names_every_command() -> None:
    done = cmdb({}, "--help")
    assert done.returncode == 0
    assert set(re.findall(r"^  ([a-z][a-z-]+)\s{2,}\S", done.stdout, re.MULTILINE)) == {
        command.split()[0] for command in COMMANDS
    }


def test_an_unknown_command_is_wrong_usage() -> None:
    assert cmdb({}, "nightlly").returncode == 2
    assert cmdb({}, "policy", "nobody").returncode == 2


# ----------------------------------------------------------------------------------------------------- policy


@pytest.mark.parametrize("role", ROLES)
def test_the_policy_of_a_role_is_printed_as_json(role: str) -> None:
    done = cmdb_here({}, "policy", role)
    assert json.loads(done.stdout) == policy(role)  # type: ignore[arg-type]  # the roles are a literal type
    actions = {action for statement in json.loads(done.stdout)["Statement"] for action in statement["Action"]}
    assert "cloudtrail:LookupEvents" in actions
    assert not any(action == "*" or action.endswith(":*") for action in actions)


def test_the_policy_with_optional_grants_holds_more() -> None:
    plain, more = cmdb_here({}, "policy", "operations"), cmdb_here({}, "policy", "operations", "--optional")
    assert "cloudwatch:GetMetricData" not in plain.stdout
    assert "cloudwatch:GetMetricData" in more.stdout


# ------------------------------------------------------------------------------------------------ bad settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CMDB_COST_MONTHS", "fourteen"),
        ("CMDB_COST_REQUEST_LIMIT", "0"),
        ("CMDB_UNTRUSTED_TOLERANCE", "0.9"),
        ("CMDB_UNTRUSTED_TOLERANCE", "nan"),
        ("CMDB_CONCURRENCY", "-1"),
        ("CMDB_ZERO_EVIDENCE", "hearsay"),
        ("CMDB_OPERATIONS_ACCOUNT", "123"),
        ("CMDB_SHARED_ACCOUNTS", "management+workload"),
        ("CMDB_REGIONS", "Sydney"),
        ("CMDB_DATABASE", "/nowhere/cmdb.sqlite"),
        ("CMDB_TIMEZONE", "Pacific/Atlantis"),
        ("CMDB_SCHEDULE", "daily"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(tmp_path: Path, name: str, value: str) -> None:
    environment = {"CMDB_DATABASE": str(tmp_path / DATABASE), name: value}
    # `coverage` reads the settings as every command does, and starts faster than a night.
    one_sentence(cmdb_here(environment, "coverage"), 2, f"{name}={value!r} cannot be used", "Nothing was requested")
    assert not list(tmp_path.iterdir())


def test_every_setting_that_cannot_be_used_is_named_at_once(organisation: Simulator, tmp_path: Path) -> None:
    environment = night_environment(organisation, tmp_path / DATABASE, CMDB_COST_MONTHS="x", CMDB_CONCURRENCY="y")
    organisation.clear_log()
    for command in ("nightly", "preflight"):
        one_sentence(cmdb_here(environment, command), 2, "CMDB_COST_MONTHS='x'", "CMDB_CONCURRENCY='y'")
    assert organisation.log() == []


# ------------------------------------------------------------------------------------------------ bad profiles


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"AWS_BILLING_PROFILE": ""}, ("AWS_BILLING_PROFILE is not set", "Set AWS_BILLING_PROFILE")),
        ({"AWS_BILLING_PROFILE": "acmeNobody"}, ("acmeNobody",)),
        ({"AWS_CONFIG_FILE": "/nonexistent/config"}, ("/nonexistent/config",)),
        ({"AWS_OPERATIONS_PROFILE": "acmeExpired"}, ("acmeExpired", "expired")),
        ({"AWS_OPERATIONS_PROFILE": "acmeNoSuchRole"}, ("acmeNoSuchRole",)),
        (
            {"AWS_OPERATIONS_PROFILE": "acmeUnreachable"},
            ("AWS cannot be reached with profile acmeUnreachable", "endpoint_url"),
        ),
        ({"AWS_OPERATIONS_PROFILE": "acmeOperationsMisrouted"}, ("are the same account",)),
    ],
    ids=["not_set", "unknown", "no_config_file", "expired", "no_role", "unreachable", "misrouted"],
)
def test_a_profile_that_cannot_be_used_gets_its_own_sentence_and_cure(
    organisation: Simulator, house: Path, settings: Mapping[str, str], words: tuple[str, ...]
) -> None:
    before = fingerprint(house)
    environment = night_environment(organisation, house) | dict(settings)
    if settings.get("AWS_CONFIG_FILE"):
        environment["AWS_SHARED_CREDENTIALS_FILE"] = "/nonexistent/credentials"
    done = cmdb_here(environment, "preflight")
    said = one_sentence(done, 1, *words, "✗", "→")
    assert fingerprint(house) == before
    marks = [line.split()[0] for line in said.splitlines() if line.strip()[:1] in ("✓", "✗", "!")]
    assert len(marks) == 6, "every fact is shown, also the ones that could not be evaluated"


def test_a_run_with_a_profile_that_cannot_be_used_says_so_and_loses_nothing(
    organisation: Simulator, house: Path
) -> None:
    before = fingerprint(house)
    done = cmdb_here(night_environment(organisation, house, AWS_BILLING_PROFILE="acmeExpired"), "nightly")
    said = one_sentence(done, 1, "acmeExpired", "Refused: run", "is as it was", "Next: ")
    assert len(said.splitlines()) <= 24
    assert fingerprint(house) == before


@pytest.mark.parametrize("to", ["> /dev/full", "2> /dev/full --json > /dev/full", "| true", "--json | true"])
def test_a_run_that_nobody_can_read_alerts_and_ends_with_its_own_exit_code(
    organisation: Simulator, house: Path, tmp_path: Path, to: str
) -> None:
    alert = tmp_path / "alert.json"
    environment = night_environment(
        organisation, house, AWS_BILLING_PROFILE="acmeExpired", CMDB_ALERT_COMMAND=f"tee {alert}"
    )
    run = f"{shlex.quote(sys.executable)} -m pipelines.cli.main nightly"
    done = subprocess.run(
        ["bash", "-c", f"{run} {to}; exit ${{PIPESTATUS[0]}}"],
        env={**os.environ, "CMDB_SETTINGS": os.devnull} | environment,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert any("acmeExpired" in sentence for sentence in json.loads(alert.read_text())["sentences"])


def test_what_the_locale_cannot_write_is_no_error(organisation: Simulator, house: Path) -> None:
    environment = night_environment(organisation, house, AWS_BILLING_PROFILE="acmeExpired")
    done = cmdb(environment | {"PYTHONIOENCODING": "iso-8859-1"}, "nightly")
    one_sentence(done, 1, "\\u2717 ", "acmeExpired", "Refused: run")


def test_a_run_says_that_the_files_name_is_a_schemas_and_goes_on(organisation: Simulator, house: Path) -> None:
    former = house.with_name("cmdb.duckdb")
    for database, warned in ((former, True), (house, False)):
        done = cmdb_here(
            night_environment(organisation, database, AWS_BILLING_PROFILE="acmeExpired"), "nightly", "--json"
        )
        said = json.loads(done.stdout)
        assert any("acmeExpired" in sentence for sentence in said["sentences"])
        named = [sentence for sentence in said["warnings"] if "is called like its schema cmdb" in sentence]
        assert len(named) == warned
        assert all(f"set CMDB_DATABASE to {house}" in sentence for sentence in named)


def test_the_result_of_a_run_as_json_is_alone_on_standard_output(organisation: Simulator, house: Path) -> None:
    done = cmdb_here(night_environment(organisation, house, AWS_BILLING_PROFILE="acmeExpired"), "nightly", "--json")
    said = json.loads(done.stdout)
    assert (said["published"], said["exit_code"], done.returncode) == (False, 1, 1)
    assert any("acmeExpired" in sentence for sentence in said["sentences"])
    # The pre-flight failed: no cell is at fault.
    assert said["next"] == ".venv/bin/cmdb preflight"


# --------------------------------------------------------------------------------------------------- preflight


def test_the_preflight_shows_six_facts_and_remembers_them(organisation: Simulator, house: Path) -> None:
    environment = night_environment(organisation, house)
    done = cmdb_here(environment, "preflight")
    said = one_sentence(done, 0, "every_role_answers", "accounts_are_distinct", "Recorded in")
    assert said.count("✓") == 6
    assert "✗" not in said
    run_id = re.search(r"run (preflight-[\w-]+)", said)
    assert run_id
    recorded = query(
        house,
        "select count(*) from audit.check_result where run_id = $run",
        {"run": run_id.group(1)},
        of="working",
    )
    assert recorded == [(6,)]


def test_the_preflight_as_json(organisation: Simulator, house: Path) -> None:
    environment = night_environment(organisation, house)
    done = cmdb_here(environment, "preflight", "--json")
    facts = json.loads(done.stdout)
    assert [fact["passed"] for fact in facts] == [True] * 6
    done = cmdb_here({**environment, "AWS_BILLING_PROFILE": "acmeExpired"}, "preflight", "--json")
    assert done.returncode == 1
    facts = {fact["check"]: fact for fact in json.loads(done.stdout)}
    assert facts["every_role_answers"]["passed"] is False
    assert "acmeExpired" in facts["every_role_answers"]["sentence"]
    assert facts["every_role_answers"]["hint"]
    for name, old in (("check", "fact"), ("sentence", "said"), ("hint", "cure")):
        assert all(fact[old] == fact[name] for fact in facts.values()), "the old names stay for one version"


def test_the_preflight_of_another_organisation_is_wrong_configuration(
    organisation: Simulator, house: Path, tmp_path: Path
) -> None:
    database = copy_of(house.parent, tmp_path)
    store = Store(database)
    with store.holding("stranger", "a test"), store.transaction() as connection:
        connection.execute("update audit.organization set organization_id = 'o-another'")
    environment = night_environment(organisation, database)
    before = fingerprint(database)
    one_sentence(cmdb_here(environment, "preflight"), 2, "belongs to organisation o-another")
    one_sentence(cmdb_here(environment, "nightly"), 2, "belongs to organisation o-another")
    assert fingerprint(database) == before


# ------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    "arguments",
    [("coverage",), ("sql", "select 1"), ("rollback",), ("coverage", "--blocked")],
    ids=["coverage", "sql", "rollback", "blocked"],
)
def test_before_the_first_run_there_is_nothing_to_read_and_it_says_so(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = cmdb_here({"CMDB_DATABASE": str(tmp_path / "none" / DATABASE)}, *arguments)
    one_sentence(done, 1)
    assert "cmdb nightly" in done.stderr or "no version before" in done.stderr


def test_a_second_run_at_once_names_the_one_that_works(organisation: Simulator, house: Path) -> None:
    before = fingerprint(house)
    environment = night_environment(organisation, house)
    store = Store(house)
    with store.holding("the-first-run", "landing/inventory"):
        said = one_sentence(cmdb(environment, "nightly"), 1, "landing/inventory (run the-first-run, process")
        assert f"process {os.getpid()}" in said
        done = cmdb(environment, "preflight")
        one_sentence(done, 0, "Not recorded: ", "the-first-run")
        # To read is never locked.
        one_sentence(cmdb(environment, "sql", "select 1 as one"), 0, "one")
    assert fingerprint(house) == before


@pytest.fixture
def analyst_on_the_working_file(house: Path) -> Iterator[int]:
    """Someone who opened the working file in a tool of their own."""
    started = program("opens_file", Store(house).working)
    process = subprocess.Popen(**started, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    yield process.pid
    process.communicate()


@pytest.mark.large
def test_a_working_file_that_someone_opened_is_named_with_the_process(
    organisation: Simulator, house: Path, analyst_on_the_working_file: int
) -> None:
    before = fingerprint(house)
    environment = night_environment(organisation, house)
    said = one_sentence(cmdb_here(environment, "nightly"), 1, "cmdb.work.duckdb open")
    assert f"Process {analyst_on_the_working_file}" in said
    one_sentence(cmdb_here(environment, "coverage"), 0)
    assert fingerprint(house) == before


def test_a_working_file_that_is_no_database_is_refused_and_kept(
    organisation: Simulator, house: Path, tmp_path: Path
) -> None:
    database = copy_of(house.parent, tmp_path)
    working = Store(database).working
    working.write_bytes(b"this is no database" * 1000)
    before = fingerprint(database)
    environment = night_environment(organisation, database)
    one_sentence(cmdb_here(environment, "nightly"), 1, "not a DuckDB file", "Move the damaged file away")
    assert working.read_bytes().startswith(b"this is no database")
    assert fingerprint(database) == before
    one_sentence(cmdb_here(environment, "sql", "select count(*) as n from org.account"), 0, "13")


def test_a_published_file_that_is_no_database_is_one_sentence(house: Path, tmp_path: Path) -> None:
    database = copy_of(house.parent, tmp_path)
    version = database.resolve()
    version.chmod(0o640)
    version.write_bytes(b"this is no database" * 1000)
    one_sentence(cmdb_here({"CMDB_DATABASE": str(database)}, "sql", "select 1"), 1, "not a DuckDB file")


def test_a_file_of_ones_own_in_the_place_of_the_link_is_not_overwritten(
    organisation: Simulator, house: Path, tmp_path: Path
) -> None:
    database = copy_of(house.parent, tmp_path)
    content = database.read_bytes()
    database.unlink()
    database.write_bytes(content)
    done = cmdb_here(night_environment(organisation, database), "rollback")
    one_sentence(done, 2, "a file of its own", "is not overwritten")
    assert not database.is_symlink()
    assert database.read_bytes() == content


def older_schema(version: Path) -> None:
    """Give a published version the schema that an older release has."""
    version.chmod(0o640)
    with duckdb.connect(str(version)) as connection:
        connection.execute(
            "delete from audit.schema_migration where number = (select max(number) from audit.schema_migration)"
        )


def test_a_published_file_of_an_older_schema_is_one_sentence(house: Path, tmp_path: Path) -> None:
    database = copy_of(house.parent, tmp_path)
    older_schema(database.resolve())
    for command in (("sql", "select 1"), ("coverage",)):
        one_sentence(cmdb_here({"CMDB_DATABASE": str(database)}, *command), 1, "has schema", "needs", "cmdb nightly")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_wrong_configuration(organisation: Simulator, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    done = cmdb(night_environment(organisation, folder / "house" / DATABASE), "nightly")
    one_sentence(done, 2, "cannot be written", "CMDB_DATABASE")


def test_a_path_below_a_file_is_wrong_configuration(organisation: Simulator, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    done = cmdb_here(night_environment(organisation, tmp_path / "file" / DATABASE), "nightly")
    one_sentence(done, 2, "CMDB_DATABASE")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_is_missing_is_made_and_closed_to_the_world(organisation: Simulator, tmp_path: Path) -> None:
    database = tmp_path / "new" / "house" / DATABASE
    one_sentence(cmdb_here(night_environment(organisation, database), "preflight"), 0, "Recorded in")
    assert stat.S_IMODE(database.parent.stat().st_mode) & 0o007 == 0


# --------------------------------------------------------------------------------------------------------- sql


MONEY = (
    "select usage_date, account_id, dimension_value, unblended_cost from cost.daily "
    "where dimension_value = 'Tax' order by all limit 3"
)


def test_sql_responds_in_four_formats_and_keeps_every_digit(house: Path) -> None:
    environment = {"CMDB_DATABASE": str(house)}
    expected = query(house, MONEY)
    as_csv = list(csv.reader(io.StringIO(cmdb_here(environment, "sql", MONEY, "--format", "csv").stdout)))
    assert as_csv[0] == ["usage_date", "account_id", "dimension_value", "unblended_cost"]
    assert [(row[1], Decimal(row[3])) for row in as_csv[1:]] == [(row[1], row[3]) for row in expected]
    assert all(re.fullmatch(r"\d+\.\d{10}", row[3]) for row in as_csv[1:])
    as_json = json.loads(cmdb_here(environment, "sql", MONEY, "--format", "json").stdout)
    assert [(row["account_id"], row["unblended_cost"]) for row in as_json] == [
        (row[1], str(row[3])) for row in expected
    ]
    as_table = cmdb_here(environment, "sql", MONEY).stdout
    as_markdown = cmdb_here(environment, "sql", MONEY, "--format", "markdown").stdout
    for row in expected:
        for text in (as_table, as_markdown):
            assert row[1] in text
            assert str(row[3]) in text
    assert as_markdown.splitlines()[1] == "| --- | --- | --- | --- |"


def test_sql_shows_awkward_values_as_they_are(house: Path) -> None:
    environment = {"CMDB_DATABASE": str(house)}
    names = "select account_id, account_name from org.account order by account_id"
    expected = query(house, names)
    answer = json.loads(cmdb_here(environment, "sql", names, "--format", "json").stdout)
    assert [(row["account_id"], row["account_name"]) for row in answer] == expected
    reader = csv.reader(io.StringIO(cmdb_here(environment, "sql", names, "--format", "csv").stdout))
    assert [tuple(row) for row in reader][1:] == expected


@pytest.mark.parametrize(
    "statement",
    [
        "delete from org.account",
        "create table mine as select 1",
        "drop table aws.ec2_instance",
        "copy org.account to '{folder}/out.csv'",
        "select * from read_text('{folder}/secret.txt')",
        "select * from '{folder}/secret.txt'",
        "attach '{folder}/other.duckdb'",
        "set enable_external_access = true",
        "install httpfs",
        "select from where",
    ],
)
def test_sql_cannot_write_or_read_anything_else(house: Path, tmp_path: Path, statement: str) -> None:
    (tmp_path / "secret.txt").write_text("a secret")
    before = fingerprint(house)
    done = cmdb_here({"CMDB_DATABASE": str(house)}, "sql", statement.format(folder=tmp_path))
    said = one_sentence_of_duckdb(done)
    assert "a secret" not in said
    assert fingerprint(house) == before
    assert [path.name for path in tmp_path.iterdir()] == ["secret.txt"]


def one_sentence_of_duckdb(done: Done) -> str:
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert "DuckDB refused the query: " in done.stderr
    assert "Traceback" not in said
    return said


def test_sql_of_nothing_says_that_there_are_no_rows(house: Path) -> None:
    done = cmdb_here({"CMDB_DATABASE": str(house)}, "sql", "select account_id from org.account where false")
    assert done.stdout == "account_id\n(no rows)\n"


def test_a_reader_that_goes_away_is_nobodys_error(house: Path) -> None:
    done = subprocess.run(
        [
            "/bin/sh",
            "-c",
            f"{sys.executable} -m pipelines.cli.main sql 'select * from range(200000)' --format csv | head -1",
        ],
        env={**os.environ, "CMDB_DATABASE": str(house)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "range\n"
    assert done.stderr == ""


# ---------------------------------------------------------------------------------------------------- coverage


def test_coverage_shows_accounts_by_regions(witnessed_night: Witness, house: Path) -> None:
    done = cmdb_here({"CMDB_DATABASE": str(house)}, "coverage")
    said = one_sentence(done, 0, "account_id", "aws-global", "ap-southeast-2")
    for account in witnessed_night.truth["reachable"]:
        (line,) = [line for line in said.splitlines() if account in line]
        assert line.split()[:2] == ["workload", account]
        assert {"found", "empty_verified"} >= set(line.split()[2:])


def test_coverage_as_json_is_every_cell(house: Path) -> None:
    cells = json.loads(cmdb_here({"CMDB_DATABASE": str(house)}, "coverage", "--json").stdout)
    assert len(cells) == query(house, "select count(*) from audit.coverage")[0][0]
    assert {"role", "account_id", "region", "listing", "outcome", "is_trusted", "why"} <= set(cells[0])


@pytest.fixture(scope="module")
def blocked_night(
    simulator_process: Simulator, truthful_night: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str, Done, dict[str, str]]:
    """A second night, by the command line, that a silent zero stopped; who was lied about and what was said."""
    database = copy_of(truthful_night, tmp_path_factory.mktemp("blocked"))
    environment = night_environment(simulator_process, database)
    try:
        victim = simulator_process.lie("silent_zero")["account_id"]
        done = cmdb(environment, "nightly")
    finally:
        simulator_process.reset()
    return database, victim, done, environment


@pytest.mark.large
def test_a_refused_run_fits_one_screen_and_names_the_next_command(
    blocked_night: tuple[Path, str, Done, dict[str, str]], truthful_night: Path
) -> None:
    database, victim, done, _ = blocked_night
    said = one_sentence(done, 1, f"empty_suspect in account {victim}", "is as it was")
    lines = said.splitlines()
    screen = lines[next(i for i, line in enumerate(lines) if line.startswith("Refused: ")) :]
    assert len(screen) <= 24
    assert screen[-1] == "Next: .venv/bin/cmdb coverage --blocked"
    assert fingerprint(database) == fingerprint(truthful_night / DATABASE)


def test_coverage_of_a_blocked_run_names_the_cells_at_fault(
    blocked_night: tuple[Path, str, Done, dict[str, str]],
) -> None:
    database, victim, _, _ = blocked_night
    environment = {"CMDB_DATABASE": str(database)}
    said = one_sentence(cmdb_here(environment, "coverage", "--blocked"), 0, "✗", "the bill of the last days")
    fault = [line for line in said.splitlines() if victim in line and "ec2_instance" in line]
    assert len([line for line in fault if line.split()[0] == "workload"]) == 3
    assert "empty_suspect" not in cmdb_here(environment, "coverage").stdout, "the published file knows no lie"
    cells = json.loads(cmdb_here(environment, "coverage", "--blocked", "--json").stdout)
    suspect = [cell for cell in cells if cell["outcome"] == "empty_suspect"]
    assert {cell["account_id"] for cell in suspect} == {victim}
    assert not any(cell["is_trusted"] for cell in suspect)


def test_a_user_id_without_a_name_and_a_home_folder_is_no_traceback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(uid: int) -> None:
        raise KeyError(uid)

    for name in ("HOME", "LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", unknown)
    environment = {"CMDB_DATABASE": str(tmp_path / DATABASE), "AWS_MANAGEMENT_PROFILE": "acmeManagement"}
    cell = ("111122223333", "us-east-1", "ec2_instance")
    one_sentence(cmdb_here(environment, "accept", *cell, "--reason", "gone"), 1, "Nothing is published at")
    assert accept._user() == f"uid {os.getuid()}"
    one_sentence(cmdb_here(environment, "preflight"), 1, "there is no AWS config file at ~/.aws/config")


def test_accept_takes_a_suspect_zero_with_a_reason_and_nothing_else(
    blocked_night: tuple[Path, str, Done, dict[str, str]], tmp_path: Path
) -> None:
    original, victim, _, _ = blocked_night
    environment = {"CMDB_DATABASE": str(copy_of(original.parent, tmp_path))}
    assert cmdb_here(environment, "accept", victim, "us-east-1", "ec2_instance").returncode == 2
    one_sentence(cmdb_here(environment, "accept", victim, "us-east-1", "ec2_instance", "--reason", " "), 2, "--reason")
    one_sentence(
        cmdb_here(environment, "accept", victim, "mars-1", "ec2_instance", "--reason", "x"), 2, "cmdb coverage"
    )
    with Store(Path(environment["CMDB_DATABASE"])).holding("another-run", "landing/inventory"):
        one_sentence(
            cmdb(environment, "accept", victim, "us-east-1", "ec2_instance", "--reason", "x"), 1, "another-run"
        )
    one_sentence(
        cmdb_here(environment, "accept", victim, "us-east-1", "ec2_instance", "--reason", "CHG-1"),
        0,
        "Accepted: ",
        "CHG-1",
        "cmdb nightly",
    )


# --------------------------------------------------------------------------------------------------------- ask


def test_ask_puts_one_question_again_and_shows_the_verbatim_answer(
    organisation: Simulator, witnessed_night: Witness, tmp_path: Path
) -> None:
    account = witnessed_night.truth["reachable"][0]
    environment = night_environment(organisation, tmp_path / DATABASE)
    arguments = ("ask", "workload", "ec2_instance", "--account", account, "--region", "eu-west-1")
    done = cmdb_here(environment, *arguments, "--verbose")
    shown = json.loads(done.stdout)
    assert done.returncode == 0
    assert (shown["outcome"], shown["records"]) == ("found", 8)
    assert shown["requested_at"] == shown["asked_at"], "the old name stays for one version"
    assert shown["identity"]["account_id"] == account
    assert shown["request"]["call"] == "ec2:DescribeInstances"
    assert "Reservations" in json.dumps(shown["response"])
    brief = json.loads(cmdb_here(environment, *arguments).stdout)
    assert "response" not in brief
    assert not list(tmp_path.iterdir()), "nothing is stored"


def test_ask_of_a_zero_shows_it_and_exits_1(organisation: Simulator, witnessed_night: Witness, tmp_path: Path) -> None:
    sandbox = next(a["account_id"] for a in witnessed_night.truth["accounts"] if a["name"] == "sandbox")
    done = cmdb_here(
        night_environment(organisation, tmp_path / DATABASE),
        *("ask", "workload", "ec2_instance", "--account", sandbox, "--region", "eu-west-1", "--verbose"),
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["outcome"] == "empty_unconfirmed"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("billing", "ec2_instance"), ("billing requests no listing 'ec2_instance'", "cost_daily")),
        (("billing", "cost_export"), ("cost_export is files of a bucket, and only a run reads them", "cmdb nightly")),
        (("workload", "ec2_instance"), ("Name one with --account",)),
        (("workload", "ec2_instance", "--account", "000000000000"), ("No workload profile reaches",)),
        (("management", "organizations_account_tag"), ("--parameter",)),
        (("management", "organizations_account", "--account", "000000000000"), ("Nothing was requested",)),
    ],
)
def test_a_question_that_cannot_be_put_says_which_can(
    organisation: Simulator, tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    done = cmdb_here(night_environment(organisation, tmp_path / DATABASE), "ask", *arguments)
    one_sentence(done, 2, *words)


def test_ask_as_somebody_else_is_refused(organisation: Simulator, tmp_path: Path) -> None:
    environment = night_environment(organisation, tmp_path / DATABASE, AWS_OPERATIONS_PROFILE="acmeOperationsMisrouted")
    organisation.clear_log()
    one_sentence(
        cmdb_here(environment, "ask", "management", "organizations_account"), 1, "Nothing was sent", "same account"
    )
    assert not [call for call in organisation.log() if call["service"] == "organizations"]


# ---------------------------------------------------------------------------------------------------- rollback


def test_rollback_to_an_older_release_names_what_can_read_it(house: Path, tmp_path: Path) -> None:
    database = copy_of(house.parent, tmp_path)
    environment = {"CMDB_DATABASE": str(database)}
    older_schema(database.resolve())
    store = Store(database)
    run_id = database.resolve().stem.removeprefix("cmdb-")
    done = cmdb_here(environment, "rollback", database.resolve().name)
    assert "--as-of" not in one_sentence(done, 0, "need the older release that made this version.")
    with store.holding("older", "a test"):
        store.history.catch_up(1)
    done = cmdb_here(environment, "rollback", database.resolve().name)
    said = one_sentence(done, 0, "need the older release", f"`cmdb sql --as-of {run_id}`")
    assert "makes the report" not in said
    one_sentence(cmdb_here(environment, "sql", "select 1"), 1, "has schema")
    assert cmdb_here(environment, "sql", "--as-of", run_id, "select 1").returncode == 0


def test_rollback_gives_analysts_the_version_before(house: Path, tmp_path: Path) -> None:
    database = copy_of(house.parent, tmp_path)
    environment = {"CMDB_DATABASE": str(database)}
    one_sentence(cmdb_here(environment, "rollback"), 1, "There is no version before the current one")
    # A second version, as a night makes it.
    first = database.readlink()
    store = Store(database)
    with store.holding("second", "a test"):
        store.publish("second", lambda _: None)
    assert database.readlink() != first
    listed = one_sentence(cmdb_here(environment, "rollback", "--list"), 0).splitlines()
    assert [line.startswith("* cmdb-second.duckdb") for line in listed].count(True) == 1
    assert len(listed) == 2
    one_sentence(cmdb_here(environment, "rollback"), 0, "is cmdb-", "it was cmdb-second.duckdb")
    assert database.readlink() == first
    one_sentence(cmdb_here(environment, "rollback", "cmdb-nowhere.duckdb"), 2, "has no version cmdb-nowhere.duckdb")
    one_sentence(cmdb_here(environment, "rollback", "cmdb-second.duckdb"), 0)
    assert database.readlink() == Path("versions", "cmdb-second.duckdb")


# --------------------------------------------------------------------------------------------------- endurance


@pytest.mark.parametrize("ended_by", [signal.SIGTERM, signal.SIGKILL])
def test_a_run_that_is_interrupted_frees_the_warehouse_and_loses_nothing(
    organisation: Simulator, house: Path, tmp_path: Path, ended_by: signal.Signals
) -> None:
    database = copy_of(house.parent, tmp_path)
    before = fingerprint(database)
    environment = night_environment(organisation, database)
    organisation.faults([{"action": "delay", "op": "DescribeInstances", "seconds": 3.0}])
    organisation.clear_log()
    returncode, said = interrupted_run(organisation, environment, "DescribeRegions", ended_by)
    assert fingerprint(database) == before, said
    if ended_by == signal.SIGKILL:
        assert returncode == -signal.SIGKILL
    else:
        assert returncode == 130, said
        assert re.search(r"was interrupted: nothing of it counts|was interrupted between two steps", said)
        assert "did not publish" in said
        assert "Traceback" not in said
        assert said.splitlines()[-1] == "Next: .venv/bin/cmdb nightly"
    organisation.reset()
    one_sentence(cmdb_here(environment, "preflight"), 0, "Recorded in")
