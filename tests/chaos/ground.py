"""What each case stands on: a simulated organisation, and runs over it in processes of their own."""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from chaos.processes import Child, Ended, apart, begin, command
from resources.contract import ROLES, policy
from resources.store.store import Store
from simulator.client import Simulator, start


@dataclass
class Ground:
    """An organisation and a folder to work in; each worker has its own.

    Attributes:
        settings: variables of every run.
        hasten: is called in the process of every run.
    """

    simulator: Simulator
    scratch: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    hasten: Callable[[], None] = lambda: None

    def environment(self, database: Path, **settings: str) -> dict[str, str]:
        """What leads a command to the organisation and to a warehouse."""
        return {
            **self.simulator.env,
            "HOME": os.environ["HOME"],
            "CMDB_SETTINGS": os.devnull,
            "CMDB_DATABASE": str(database),
            "CMDB_COST_MONTHS": "1",
            # The nights of a case are all of one day, and nobody pays for them.
            "CMDB_COST_REQUEST_LIMIT": "100000",
            "DAGSTER_HOME": str(self.scratch / "dagster"),
            # A sentence is never cut for want of room.
            "COLUMNS": "1000",
            **self.settings,
            **settings,
        }

    def truthful(self) -> None:
        """Every lie ends, and nobody remembers what was refused meanwhile, CloudTrail neither."""
        self.simulator.stop_lying()
        self.simulator.configure(org_mode="silent-zero", trail_passes=True, trail_passed_minutes=0)
        self.simulator.clear_log()

    def night(self, database: Path, *, prepare: Callable[[], None] = lambda: None, **settings: str) -> Ended:
        """`cmdb nightly` in a process of its own."""

        def begin() -> None:
            self.hasten()
            prepare()

        return apart(command("nightly", prepare=begin), self.scratch, self.environment(database, **settings))

    def confirm(self, database: Path, **settings: str) -> Ended:
        """`cmdb confirm` in a process of its own."""
        work = command("confirm", prepare=self.hasten)
        return apart(work, self.scratch, self.environment(database, **settings))

    def begin_night(self, database: Path, *, prepare: Callable[[], None] = lambda: None, **settings: str) -> Child:
        """The same, not waited for."""
        return begin(command("nightly", prepare=prepare), self.scratch, self.environment(database, **settings))


@contextlib.contextmanager
def grounded(scratch: Path, **options: Any) -> Iterator[Ground]:
    """A ground with an organisation of its own; HOME holds the sign-in tokens of all of them.

    CloudTrail's look-ups come late enough, unless `trail_passes=False` is said.
    """
    options = {"trail_passes": True, **options}
    scratch.mkdir(parents=True, exist_ok=True)
    documents: dict[str, dict[str, Any]] = {role: policy(role, optional=True) for role in ROLES}
    with start(scratch / "organisation", documents, **options) as simulator:
        cache = Path(".aws", "sso", "cache")
        shutil.copytree(simulator.directory / cache, Path(os.environ["HOME"]) / cache, dirs_exist_ok=True)
        yield Ground(simulator, scratch)


def copy_of(database: Path, folder: Path) -> Path:
    """A warehouse of one's own, links and modes kept; returns its published path."""
    shutil.copytree(database.parent, folder, symlinks=True)
    return folder / database.name


def served_run(database: Path) -> str:
    """The run whose version is published."""
    return next(version.run_id for version in Store(database).versions() if version.is_current)


DISK_MB = 800


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own; the test is skipped where none may be mounted."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0750", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("a tmpfs may not be mounted here, so there is no small disk to fill")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)
        folder.rmdir()
