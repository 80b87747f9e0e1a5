"""The product away from its checkout: a wheel, an environment that holds nothing else, an empty folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from nights import REPOSITORY

from simulator.client import is_foreign


def clean(**more: str) -> dict[str, str]:
    kept = {n: v for n, v in os.environ.items() if not is_foreign(n) and n not in ("DAGSTER_HOME", "PYTHONPATH")}
    return kept | more


def run(*command: str | Path, cwd: Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=clean(**more),
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from what git knows, beside a warehouse in use, of which nothing may get into the wheel."""
    source = tmp_path_factory.mktemp("source")
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=REPOSITORY).stdout
    for name in filter(None, listed.split("\0")):
        if (REPOSITORY / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REPOSITORY / name, source / name)
    for name in ("cmdb.duckdb", "landing/run_1/ec2/records.ndjson", "fx/rates.csv", "demo/cmdb.duckdb", "demo/own.sql"):
        (source / "warehouse" / name).parent.mkdir(parents=True, exist_ok=True)
        (source / "warehouse" / name).write_text("somebody's data")
    folder = tmp_path_factory.mktemp("wheel")
    # Without isolation: setuptools is pinned beside everything else, and no index is asked.
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    done = run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, source, cwd=folder)
    assert done.returncode == 0, done.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Its folder of packages: the wheel's, and those that this environment has, but for the product."""
    folder = tmp_path_factory.mktemp("installed")
    assert run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder).returncode == 0
    packages = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    with ZipFile(wheel) as archive:
        archive.extractall(packages)
    # Only the folder is put on the path: no .pth in it is read, and with it not the editable installation.
    (packages / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n{sysconfig.get_path('platlib')}\n")
    yield folder
    # Nothing was written where the product is, but what Python keeps compiled.
    with ZipFile(wheel) as archive:
        shipped = {name for name in archive.namelist() if not name.endswith("/")}
    found = {str(path.relative_to(packages)) for path in packages.rglob("*") if path.is_file()}
    assert {name for name in found - shipped if not name.endswith(".pyc")} == {"libraries.pth"}


def cmdb(environment: Path, cwd: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    start = "from pipelines.cli.main import main; main(prog_name='cmdb')"
    done = run(environment / "bin" / "python", "-P", "-c", start, *arguments, cwd=cwd, **more)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def counted(python: Path | str, cwd: Path) -> dict[str, object]:
    done = run(python, REPOSITORY / "tests" / "programs" / "what_is_installed.py", cwd=cwd)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def test_an_installation_holds_what_the_checkout_does_and_works_where_it_is_started(
    environment: Path, tmp_path: Path
) -> None:
    ours, theirs = counted(sys.executable, REPOSITORY), counted(environment / "bin" / "python", tmp_path)
    assert ours.pop("code") == str(REPOSITORY)
    assert str(theirs.pop("code")).startswith(str(environment))
    there, here = ours.pop("working"), theirs.pop("working")
    names = ("warehouse/demo/aws_org.duckdb", "warehouse/aws_org.duckdb", "x.duckdb")
    assert there == [str(REPOSITORY / name) for name in names]
    assert here == [str(tmp_path / name) for name in names]
    assert all(ours.values())
    assert theirs == ours


def test_nobodys_data_is_in_the_wheel(wheel: Path) -> None:
    with ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if name.startswith("warehouse/")]
    assert names
    assert {Path(name).suffix for name in names} == {".sql", ".csv"}
    assert [name for name in names if "demo" in name or "fx/" in name or "landing" in name] == []


def test_commands_that_need_no_warehouse_work_in_an_empty_folder(environment: Path, tmp_path: Path) -> None:
    assert "Usage: cmdb" in cmdb(environment, tmp_path, "--help").stdout
    policy = json.loads(cmdb(environment, tmp_path, "policy", "billing").stdout)
    assert policy["Version"] == "2012-10-17"
    assert [*tmp_path.iterdir()] == []


def test_the_demo_says_which_extra_it_needs(environment: Path, tmp_path: Path) -> None:
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text("import sys\nsys.modules['moto'] = None\n")
    folder = tmp_path / "empty"
    folder.mkdir()
    done = cmdb(environment, folder, "demo", PYTHONPATH=str(tmp_path / "hidden"))
    assert done.returncode == 2
    assert "moto is not installed. Nothing was run." in done.stderr
    assert 'pip install "aws-org-cmdb[simulator]"' in done.stderr
    assert [*folder.iterdir()] == []


def test_the_pinned_set_for_runs_is_that_of_the_demo_without_the_simulator() -> None:
    pinned = {
        name: set((REPOSITORY / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines())
        for name in ("run", "demo")
    }
    assert pinned["run"] < pinned["demo"]
    names = {line.partition("==")[0].partition("[")[0] for line in pinned["run"]}
    assert {"boto3", "botocore", "dagster", "duckdb"} <= names
    assert not names & {"moto", "flask", "flask-cors", "werkzeug", "docker", "pytest"}


@pytest.mark.large
def test_the_demo_runs_with_it_and_leaves_its_data_where_it_was_started(environment: Path, tmp_path: Path) -> None:
    done = cmdb(environment, tmp_path, "demo")
    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [".dagster", "warehouse"]
    assert (tmp_path / "warehouse" / "demo" / "aws_org.duckdb").is_file()
    assert (tmp_path / "warehouse" / "demo" / "cmdb.report.html").is_file()
