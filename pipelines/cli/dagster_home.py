"""The folder with Dagster's records: its contents, its permissions, and the error where its disk is full."""

import os
import shutil
import stat
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path

import click

from pipelines.plain_text import plain
from resources.installation import PRODUCT_FOLDER, WORKING_FOLDER

CLOSED = 0o027
"""Permission bits that no file of Dagster's gets; the files would be 0644 otherwise."""

DAGSTER_YAML = PRODUCT_FOLDER / "pipelines" / "dagster.yaml"


@contextmanager
def keeping_records(home: Path) -> Iterator[None]:
    """Turn errors of Dagster's own writes, such as a full disk, into a sentence for the operator.

    Raises:
        WarehouseError: Dagster could not write.
    """
    # Imported here, because commands that need no Dagster pass through here too.
    from sqlalchemy.exc import DBAPIError

    from resources.store.errors import WarehouseError

    try:
        yield
    except (OSError, DBAPIError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error.strerror
        is_closed = isinstance(error, PermissionError) or "readonly" in str(reason)
        raise WarehouseError(
            f"Dagster cannot keep its records in {home}, on whose disk {_free(home)} are free: {reason}. The run was "
            f"broken off, and what is published is whole. {'Let this user write' if is_closed else 'Make room'} there, "
            "or set DAGSTER_HOME to another folder, then run again."
        ) from error


def _free(folder: Path) -> str:
    while not folder.exists():
        folder = folder.parent
    return f"{shutil.disk_usage(folder).free / 1e6:,.1f} MB"


def prepare_dagster_home(environment: MutableMapping[str, str]) -> Path:
    """Set `DAGSTER_HOME` if it is unset, and ensure that it holds a `dagster.yaml`: without one telemetry is on.

    New files are closed to other users, since they hold account ids and error sentences. An existing folder that is
    open to others causes a warning on standard error; its owner decides about the permissions.

    Raises:
        WarehouseError: the folder or the file cannot be written.
    """
    # Imported here for the same reason.
    from resources.store.files import atomic_write

    home = Path(environment.get("DAGSTER_HOME") or WORKING_FOLDER / ".dagster").absolute()
    target = home / "dagster.yaml"
    ours = home == WORKING_FOLDER.absolute() / ".dagster"
    with keeping_records(home), closed_to_others():
        home.mkdir(mode=0o750, parents=True, exist_ok=True)
        if not target.exists() or (ours and target.read_bytes() != DAGSTER_YAML.read_bytes()):
            # A half-written file would stay for good, and telemetry would be on.
            with atomic_write(target) as file:
                file.write(DAGSTER_YAML.read_bytes().decode())
        rights = stat.S_IMODE(home.stat().st_mode)
    if rights & stat.S_IRWXO:
        click.echo(
            f"! Everybody on this machine may look into DAGSTER_HOME, {plain(home)} (rights {rights:04o}), which holds "
            f"account ids and error sentences. `chmod -R o-rwx {plain(home)}` closes it.",
            err=True,
        )
    environment["DAGSTER_HOME"] = str(home)
    return home


@contextmanager
def closed_to_others() -> Iterator[None]:
    """Close every new file to all but owner and group, whichever library makes it."""
    before = os.umask(0o077)
    os.umask(before | CLOSED)
    try:
        yield
    finally:
        os.umask(before)
