"""What lies in deploy/scaleout: no container runs here, so it is held against the product and the other units."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from commands import commands_of
from nights import REPOSITORY, environment_of, night_environment
from scaleout_services import PostgreSQL, postgresql
from test_deploy import SYSTEMD, WITHOUT_SYSTEMD, settings_of

from pipelines.cli.main import main
from pipelines.definitions import NIGHTLY, build_defs, execute
from pipelines.preflight_assets import PREFLIGHT_KEY
from pipelines.settings import Settings
from simulator.client import Simulator

SCALEOUT = REPOSITORY / "deploy" / "scaleout"
COMPOSE = yaml.safe_load((SCALEOUT / "compose.yaml").read_text(encoding="utf-8"))
WORKER = SCALEOUT / "cmdb-worker@.service"
NOT_SETTINGS = {
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "CMDB_PASSWORD",
    "DAGSTER_HOME",
    "DAGSTER_POSTGRES_URL",
}


def test_dagsters_file_differs_from_that_of_one_machine_in_its_storage_alone() -> None:
    ours = yaml.safe_load((REPOSITORY / "pipelines" / "dagster.yaml").read_text(encoding="utf-8"))
    theirs = yaml.safe_load((SCALEOUT / "dagster.yaml").read_text(encoding="utf-8"))
    del ours["event_log_storage"]
    assert theirs.pop("storage") == {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}}
    assert theirs == ours


def test_what_the_containers_are_given_exists() -> None:
    known = {str(field.validation_alias) for field in Settings.model_fields.values()} | NOT_SETTINGS
    given = {name for service in COMPOSE["services"].values() for name in service.get("environment", {})}
    assert {name for name in given if name.startswith(("AWS_", "CMDB_", "DAGSTER_"))} - known == set()
    assert set(COMPOSE["services"]) == {"rabbitmq", "s3", "postgres", "coordinator", "worker"}
    worker = COMPOSE["services"]["worker"]
    assert worker["command"] == "cmdb worker"
    assert "worker" in commands_of(main)
    # The warehouse, the lock and Dagster's records are the coordinator's alone.
    assert not any("warehouse" in volume for volume in worker["volumes"])
    assert {"CMDB_DATABASE", "CMDB_LOCK_URL", "DAGSTER_POSTGRES_URL"} & set(worker["environment"]) == set()
    assert not any("ports" in service for service in COMPOSE["services"].values())


def test_the_image_holds_what_the_wheel_is_made_of_and_no_data() -> None:
    lines = (SCALEOUT / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "*"
    for line in lines:
        if line.startswith("!"):
            assert list(REPOSITORY.glob(line.removeprefix("!"))), line
    warehouse = [line for line in lines if "warehouse" in line and line.startswith("!")]
    assert warehouse == ["!warehouse/*/*.csv", "!warehouse/*/*.sql"]
    dockerfile = (SCALEOUT / "Dockerfile").read_text(encoding="utf-8")
    copied = re.findall(r"^COPY (?:--chown=\w+ )?(\S+) ", dockerfile, re.MULTILINE)
    assert copied
    assert [path for path in copied if not (REPOSITORY / path).exists()] == []


def test_a_worker_is_no_more_than_a_run_is_and_has_no_warehouse() -> None:
    found, run = settings_of(WORKER), settings_of(REPOSITORY / "deploy" / "systemd" / "cmdb-nightly.service")
    own = {"Description", "Documentation", "OnSuccess", "ExecStart", "Type", "TimeoutStartSec", "ReadWritePaths"}
    assert {name: value for name, value in run.items() if name not in own and found.get(name) != value} == {}
    assert found["ExecStart"] == "/srv/cmdb/.venv/bin/cmdb worker"
    assert "ReadWritePaths" not in found
    hidden = [Path(path.removeprefix("-")) for path in found["InaccessiblePaths"].split()]
    assert hidden == [Path(f"/srv/cmdb/{name}") for name in ("warehouse/versions", "warehouse/landing", ".dagster")]
    # The SQL that a worker reads is not among it.
    for sql in (REPOSITORY / "warehouse").rglob("*.sql"):
        assert not any((Path("/srv/cmdb") / sql.relative_to(REPOSITORY)).is_relative_to(path) for path in hidden)
    assert found["KillMode"] == "mixed"


def test_systemd_reads_the_unit_and_finds_little_exposed(tmp_path: Path) -> None:
    if SYSTEMD is None:
        pytest.skip(WITHOUT_SYSTEMD)
    security = [SYSTEMD, "security", "--offline=yes", "--threshold=25", "--no-pager", WORKER]
    done = subprocess.run(security, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr).splitlines()[-1]
    text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", WORKER.read_text(encoding="utf-8"), flags=re.MULTILINE)
    unit = tmp_path / WORKER.name
    unit.write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE))
    verify = [SYSTEMD, "verify", "--man=no", "--recursive-errors=no", unit]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if "cmdb-" in line] == []


# ------------------------------------------------------------------------------------------ Dagster on PostgreSQL


@pytest.fixture
def server() -> Iterator[PostgreSQL]:
    with postgresql() as running:
        yield running


@pytest.mark.scaleout
def test_dagster_keeps_its_records_in_postgresql(server: PostgreSQL, organisation: Simulator, tmp_path: Path) -> None:
    server.run("create database dagster")
    home = tmp_path / "dagster"
    home.mkdir(mode=0o750)
    shutil.copy(SCALEOUT / "dagster.yaml", home)
    environment = night_environment(organisation, tmp_path / "house" / "aws_org.duckdb") | {
        "DAGSTER_HOME": str(home),
        "DAGSTER_POSTGRES_URL": server.url("dagster").replace("postgresql://", "postgresql+psycopg2://"),
        "CMDB_LOCK_URL": server.url("dagster"),
    }
    with environment_of(environment):
        job = build_defs(environment).resolve_job_def(NIGHTLY).get_subset(asset_selection={PREFLIGHT_KEY})
        result: Any = execute(job, {})
        assert result.success
        with dg.DagsterInstance.get() as instance:
            record = instance.get_run_record_by_id(result.run_id)
            assert record is not None
            assert record.dagster_run.status is dg.DagsterRunStatus.SUCCESS
    assert server.run("select status from runs", "dagster") == [("SUCCESS",)]
    ((events,),) = server.run("select count(*) from event_logs", "dagster")
    assert events > 10
    # Nothing of it lies in files, and the lock of the run is free.
    assert [path.name for path in home.rglob("*") if path.suffix == ".db"] == []
    assert server.run("select count(*) from pg_locks where locktype = 'advisory'") == [(0,)]
