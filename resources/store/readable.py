"""Whether a run may read what earlier runs left. No content is read here."""

import os
import pwd
import shlex
from collections.abc import Iterator
from pathlib import Path

from resources.store.errors import WarehouseError, explained
from resources.store.paths import Paths


def require_readable(database: Path) -> None:
    """Check that this user may read the published version and the landing of each run.

    A run reads them only after it has requested what AWS charges for. One run by root is enough to close them.

    Raises:
        WarehouseError: a file or folder is closed; the message names the first one and whose it is.
    """
    paths = Paths(database)
    with explained(paths.lock_file):
        for path in (paths.serving.resolve(), *_landings(paths)):
            needed = os.R_OK | os.X_OK if path.is_dir() else os.R_OK
            # Another run may remove one meanwhile, which `is_dir` and `access` report alike.
            if path.exists() and not os.access(path, needed, effective_ids=os.access in os.supports_effective_ids):
                raise _closed(path, paths.folder)


def _landings(paths: Paths) -> Iterator[Path]:
    """The folders of landed runs; none where nothing has landed. What is hidden no later run needs."""
    if not paths.landing.is_dir():
        return
    yield paths.landing
    yield from (path for path in paths.landing.iterdir() if path.is_dir() and not path.name.startswith("."))


def _closed(path: Path, folder: Path) -> WarehouseError:
    owner = path.stat().st_uid
    if owner == os.geteuid():
        whose, remedy = "", f"`chmod -R u+rX {shlex.quote(str(folder))}`, then run again."
    else:
        whose = f"belongs to {_name(owner)} and "
        user = shlex.quote(_name(os.geteuid()))
        remedy = f"`chown -R {user} {shlex.quote(str(folder))}`, and start every run as one user."
    return WarehouseError(f"{path} {whose}cannot be read by this user. Nothing was requested. {remedy}", exit_code=2)


def _name(user: int) -> str:
    """The name of a user; the number where the machine has no name for it, as in a container."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
