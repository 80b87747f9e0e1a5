"""The settings file: every command and Dagster read it, the environment wins, a bad line is named."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from nights import DATABASE, cmdb_here, environment_of

from pipelines import definitions, settings_file
from pipelines.settings import Settings, SettingsError, read_settings
from pipelines.settings_file import load, written


def file(tmp_path: Path, *lines: str) -> dict[str, str]:
    """The environment that names a settings file of these lines."""
    path = tmp_path / "cmdb.env"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return {"CMDB_SETTINGS": str(path)}


def loaded(environment: dict[str, str]) -> dict[str, str]:
    load(environment)
    return environment


# ------------------------------------------------------------------------------------------------------ reading


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("CMDB_SCHEDULE='30 3 * * *'", "30 3 * * *"),
        ('CMDB_SCHEDULE="30 3 * * *"', "30 3 * * *"),
        ("export CMDB_SCHEDULE='30 3 * * *'", "30 3 * * *"),
        ("  CMDB_SCHEDULE = '30 3 * * *'  # at night", "30 3 * * *"),
        ("CMDB_NOTIFY=slack://A/B/C/#aws # whose's", "slack://A/B/C/#aws"),
        ("CMDB_NOTIFY='slack://A/B #/C'\\ #aws #\"", "slack://A/B #/C #aws"),
        ("CMDB_NOTIFY=#aws", "#aws"),
    ],
)
def test_a_line_is_read_as_a_shell_reads_it(tmp_path: Path, line: str, value: str) -> None:
    name = line.removeprefix("export ").partition("=")[0].strip()
    environment = file(tmp_path, "# a comment", "", line)
    assert loaded(dict(environment))[name] == value
    if not line.startswith(" "):
        script = f'. "{environment["CMDB_SETTINGS"]}"; printf %s "${name}"'
        assert subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout == value


def test_what_is_written_is_what_a_shell_and_the_product_read(tmp_path: Path) -> None:
    values = {
        "AWS_MANAGEMENT_PROFILE": "acme Management",
        "CMDB_ALERT_COMMAND": """sh -c 'echo "$1" `whoami` \\ #'""",
        "CMDB_WORKLOAD_PROFILES": "acme-*,it's",
    }
    environment = file(tmp_path, written(values))
    assert {name: loaded(dict(environment))[name] for name in values} == values
    script = f'set -a; . "{environment["CMDB_SETTINGS"]}"; env -0'
    shell = subprocess.run(["sh", "-c", script], env={"PATH": os.environ["PATH"]}, capture_output=True, check=True)
    seen = dict(entry.split("=", 1) for entry in shell.stdout.decode().split("\0") if "=" in entry)
    assert {name: seen[name] for name in values} == values


def test_the_environment_wins_and_an_empty_variable_does_not(tmp_path: Path) -> None:
    environment = file(tmp_path, "CMDB_COST_MONTHS=3", "CMDB_CONCURRENCY=8")
    found = loaded(environment | {"CMDB_COST_MONTHS": "5", "CMDB_CONCURRENCY": " "})
    assert (found["CMDB_COST_MONTHS"], found["CMDB_CONCURRENCY"]) == ("5", "8")


def test_a_line_that_the_environment_overrides_is_not_judged(tmp_path: Path) -> None:
    loaded(file(tmp_path, "CMDB_COST_MONTHS=many") | {"CMDB_COST_MONTHS": "5"})


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("CMDB_COST_MONTHS=fourteen", ("CMDB_COST_MONTHS='fourteen' cannot be used", "a whole number of months")),
        ("CMDB_COST_MONTH=3", ("CMDB_COST_MONTH is no setting", "Did you mean CMDB_COST_MONTHS?")),
        ("AWS_SECRET_ACCESS_KEY=abc", ("AWS_SECRET_ACCESS_KEY is no setting that may stand here",)),
        ("DAGSTER_HOME=/srv", ("DAGSTER_HOME is no setting that may stand here",)),
        ("CMDB_SCHEDULE=30 3 * * *", ("CMDB_SCHEDULE has spaces: put it in quotation marks",)),
        ("CMDB_TIMEZONE='UTC", ("CMDB_TIMEZONE has a quotation mark that is not closed",)),
        ("just words", ("This is no setting: write NAME=value",)),
    ],
)
def test_a_bad_line_is_named_with_its_file(tmp_path: Path, line: str, words: tuple[str, ...]) -> None:
    environment = file(tmp_path, "# one", "CMDB_CONCURRENCY=8", line)
    done = cmdb_here(environment | {"CMDB_DATABASE": str(tmp_path / DATABASE)}, "coverage")
    assert done.returncode == 2
    for word in (f"{environment['CMDB_SETTINGS']}, line 3: ", *words, "Nothing was requested."):
        assert word in done.stderr
    assert "abc" not in done.stderr, "a secret is not repeated"


def test_all_bad_lines_are_named_and_the_good_ones_count(tmp_path: Path) -> None:
    environment = file(tmp_path, "CMDB_COST_MONTHS=0", "CMDB_ALERT_COMMAND=true", "CMDB_TIMEZONE=Mars")
    with pytest.raises(SettingsError, match=r"line 1: .*CMDB_COST_MONTHS.*line 3: .*CMDB_TIMEZONE"):
        load(environment)
    assert environment["CMDB_ALERT_COMMAND"] == "true", "the alert of `cmdb status` is needed now"


@pytest.mark.parametrize("last", range(3))
def test_lines_that_need_each_other_stand_in_any_order(tmp_path: Path, last: int) -> None:
    lines = ["CMDB_BROKER_URL=redis://h", f"CMDB_WORKER_KEY={'k' * 32}", "CMDB_OBJECTS_URL=s3://acme"]
    environment = loaded(file(tmp_path, *lines[last:], *lines[:last]))
    assert read_settings(environment).broker_url == "redis://h"
    with pytest.raises(SettingsError, match="CMDB_BROKER_URL cannot be used without CMDB_OBJECTS_URL"):
        read_settings(loaded(file(tmp_path, *lines[:2])))


def test_a_bad_line_is_alerted(tmp_path: Path) -> None:
    told = tmp_path / "told"
    environment = file(tmp_path, "CMDB_COST_MONTHS=0", f"CMDB_ALERT_COMMAND='tee {told}'")
    assert cmdb_here(environment, "status", "--alert").returncode == 2
    assert "line 1: CMDB_COST_MONTHS" in told.read_text()


def test_a_file_that_is_named_and_missing_is_an_error(tmp_path: Path) -> None:
    done = cmdb_here({"CMDB_SETTINGS": str(tmp_path / "gone.env")}, "coverage")
    assert done.returncode == 2
    assert "gone.env, which is not there" in done.stderr


def test_what_is_found_and_anybody_may_write_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings_file, "WORKING_FOLDER", tmp_path)
    path = Path(file(tmp_path, "CMDB_COST_MONTHS=3")["CMDB_SETTINGS"])
    assert loaded({})["CMDB_COST_MONTHS"] == "3", "found in the working folder"
    path.chmod(0o666)
    with pytest.raises(SettingsError, match="another user may have written it"):
        load({})
    assert loaded({"CMDB_SETTINGS": str(path)})["CMDB_COST_MONTHS"] == "3", "named, so it is trusted"


# ------------------------------------------------------------------------------------------------- who reads it


def test_a_command_reads_it_and_the_demo_does_not(tmp_path: Path) -> None:
    named = tmp_path / "elsewhere" / DATABASE
    environment = file(tmp_path, f"CMDB_DATABASE={named}")
    assert str(named) in cmdb_here(environment, "status").stdout
    assert str(named) not in cmdb_here(environment, "status", "--demo").stdout


def test_dagster_reads_it_and_shows_a_bad_line(tmp_path: Path) -> None:
    def shown(*lines: str) -> Settings:
        with environment_of(file(tmp_path, *lines)):
            resources = definitions.defs().resources
        assert resources is not None
        found = resources["settings"]
        assert isinstance(found, Settings)
        return found

    good = shown("CMDB_SCHEDULE='0 4 * * *'", "AWS_MANAGEMENT_PROFILE=acmeManagement")
    assert (good.schedule, good.management_profile, good.problem) == ("0 4 * * *", "acmeManagement", "")
    assert "line 1: CMDB_SCHEDULE='daily' cannot be used" in shown("CMDB_SCHEDULE=daily").problem
