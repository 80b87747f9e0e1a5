"""`cmdb demo` in a checkout of its own: the demo's folder is fixed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from nights import REPOSITORY

from simulator.client import is_foreign


def checkout_in(folder: Path) -> Path:
    """The product and the simulator, without anybody's warehouse."""
    for package in ("pipelines", "resources", "simulator", "warehouse"):
        shutil.copytree(
            REPOSITORY / package,
            folder / package,
            ignore=lambda where, names: [
                name
                for name in names
                if name in ("__pycache__", "demo", "landing", "versions") or name.endswith((".duckdb", ".wal", ".lock"))
            ],
        )
    for name in ("pyproject.toml", "workspace.yaml"):
        shutil.copyfile(REPOSITORY / name, folder / name)
    return folder


def demo(checkout: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """A `cmdb` command of a checkout."""
    environment = {name: value for name, value in os.environ.items() if not is_foreign(name) and name != "DAGSTER_HOME"}
    return subprocess.run(
        [sys.executable, "-m", "pipelines.cli.main", *arguments],
        # Settings of the real thing, which the demo must not follow.
        env={
            **environment,
            "PYTHONPATH": str(checkout),
            "AWS_MANAGEMENT_PROFILE": "real",
            "AWS_CONFIG_FILE": "/nonexistent",
            "CMDB_DATABASE": str(checkout / "real.duckdb"),
            **settings,
        },
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=7200,
        check=False,
    )
