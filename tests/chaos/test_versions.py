"""The published file is read by the oldest and the newest DuckDB, each installed beside the product."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from nights import DATABASE, cmdb, program

from chaos.tables import contents, differing
from pipelines.cli.simulation import simulated

VERSIONS = ("1.4.4", "1.5.5", "2.0.1")

# One worker publishes, for all of them.
pytestmark = pytest.mark.xdist_group("versions")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run of the demo publishes."""
    database = tmp_path_factory.mktemp("versions") / DATABASE
    with simulated(os.environ) as (_, environment):
        done = cmdb({**environment, "CMDB_DATABASE": str(database)}, "nightly")
    assert done.returncode == 0, done.stderr
    return database


def read(database: Path, packages: Path | None = None) -> str:
    """What a version of DuckDB reads: that of a folder of packages, or the product's."""
    started = program("read_everything", database)
    started["env"] |= {"PYTHONPATH": str(packages)} if packages else {}
    done = subprocess.run(**started, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr[-600:]
    return str(done.stdout)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_reads_every_table_and_view_and_in_them_the_same_rows(
    published: Path, tmp_path: Path, version: str
) -> None:
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(tmp_path)]
    subprocess.run([*install, f"duckdb=={version}"], check=True)
    theirs, ours = contents(read(published, tmp_path)), contents(read(published))
    assert {"cmdb.resource", "cost.daily"} < theirs.keys()
    assert differing(theirs, ours) == []
