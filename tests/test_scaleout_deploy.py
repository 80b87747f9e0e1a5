"""What lies in deploy/scaleout: Dagster keeps its records in PostgreSQL, and all else as on one machine."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from nights import REPOSITORY, environment_of, night_environment
from scaleout_services import PostgreSQL, postgresql

from pipelines.definitions import NIGHTLY, build_defs, execute
from pipelines.preflight_assets import PREFLIGHT_KEY
from simulator.client import Simulator

SCALEOUT = REPOSITORY / "deploy" / "scaleout"


def test_dagsters_file_differs_from_that_of_one_machine_in_its_storage_alone() -> None:
    ours = yaml.safe_load((REPOSITORY / "pipelines" / "dagster.yaml").read_text(encoding="utf-8"))
    theirs = yaml.safe_load((SCALEOUT / "dagster.yaml").read_text(encoding="utf-8"))
    del ours["event_log_storage"]
    assert theirs.pop("storage") == {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}}
    assert theirs == ours


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
