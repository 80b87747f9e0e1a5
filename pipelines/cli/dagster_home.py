"""The folder where Dagster keeps its records: what is in it, who may look into it, what is said where it is full."""

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
"""Rights that no file of Dagster's has: they would be 0644 otherwise."""

DAGSTER_YAML = PRODUCT_FOLDER / "pipelines" / "dagster.yaml"


@contextmanager
def keeping_records(home: Path) -> Iterator[None]:
    """Around what Dagster writes itself, which it explains to nobody.

    Raises:
        WarehouseError: it could not.
    """
    # Imported here: the commands that need no Dagster come by, too.
    from sqlalchemy.exc import DBAPIError

    from resources.store.errors import WarehouseError

    try:
        yield
    except (OSError, DBAPIError) as error:
        reason = error.orig if isinstance(error, DBAPIError) else error.strerror
        raise WarehouseError(
            f"Dagster cannot keep its records in {home}, on whose disk {_free(home)} are free: {reason}. The night was "
            "broken off, and what is published is whole. Make room there, or set DAGSTER_HOME to another folder, then "
            "run again."
        ) from error


def _free(folder: Path) -> str:
    while not folder.exists():
        folder = folder.parent
    return f"{shutil.disk_usage(folder).free / 1e6:,.1f} MB"


def prepare_dagster_home(environment: MutableMapping[str, str]) -> Path:
    """Set `DAGSTER_HOME` where it is not, and see that it holds a `dagster.yaml`: without one telemetry is on.

    What is made is closed to others: it holds account ids and error sentences. One that others may enter gets a warning
    on standard error; whose it is decides that.

    Raises:
        WarehouseError: it cannot be written.
    """
    # Imported here: as above.
    from resources.store.files import atomic_write

    home = Path(environment.get("DAGSTER_HOME") or WORKING_FOLDER / ".dagster").absolute()
    target = home / "dagster.yaml"
    ours = home == WORKING_FOLDER.absolute() / ".dagster"
    with keeping_records(home), closed_to_others():
        home.mkdir(mode=0o750, parents=True, exist_ok=True)
        if not target.exists() or (ours and target.read_bytes() != DAGSTER_YAML.read_bytes()):
            # A file half written would be there for good, and say nothing of telemetry.
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
    """Files that are made meanwhile, by whichever library, are closed to others than owner and group."""
    before = os.umask(0o077)
    os.umask(before | CLOSED)
    try:
        yield
    finally:
        os.umask(before)
