"""The published versions of a warehouse, and the links by which analysts find the current one.

A published file never changes: a new run publishes a new file, and a symlink is swapped onto it.
"""

import glob
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from resources.store.errors import WarehouseError, explained
from resources.store.files import not_open_here, remove, sync
from resources.store.paths import FORMER_NAME, PUBLISHED_NAME, Paths, is_link_to
from resources.store.process import fault_point

KEEP = 3
"""Number of published versions that stay on disk."""


@dataclass(frozen=True)
class Version:
    """One published file.

    Attributes:
        name: its file name, `cmdb-<run>.duckdb`.
        published_at: when it was copied from the working file.
        is_current: whether analysts who open the warehouse now read this version.
    """

    name: str
    path: Path
    run_id: str
    published_at: datetime
    is_current: bool

    @property
    def sha256(self) -> str:
        """SHA-256 of the file, in hex; computed anew on each access.

        Raises:
            WarehouseError: this process has the file open in DuckDB.
        """
        with self.unopened() as path, path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def unopened(self) -> AbstractContextManager[Path]:
        """A block that may read the file as bytes, for which its path is given.

        Raises:
            WarehouseError: this process has the file open in DuckDB.
        """
        return _unopened(self.path)


@contextmanager
def _unopened(path: Path) -> Iterator[Path]:
    with not_open_here(path):
        yield path


@dataclass(frozen=True)
class Links:
    """The links to the published version; only a run that holds the lock may change them."""

    paths: Paths

    def refuse_plain_file(self) -> None:
        """Check that only a symlink will be replaced. A person put a plain file there, and it may be the only copy."""
        for link in (self.paths.link, self.paths.folder / self.paths.database.name):
            if link.exists() and not link.is_symlink():
                raise WarehouseError(
                    f"{link} is a file of its own, not the symlink to a published version: somebody put it "
                    "there, and it is not overwritten. Nothing was published. Move it away, then run again.",
                    exit_code=2,
                )

    def point_at(self, name: str, during: str = "publish") -> None:
        """Swap the symlink, then make the former name a link to it, which is needed the first time only."""
        self.refuse_plain_file()
        self._swap(self.paths.link, Path(self.paths.versions_folder.name) / name, during)
        former = self.paths.folder / FORMER_NAME
        # A person put a plain file of that name there, and nothing needs its place.
        is_free = former.is_symlink() or not former.exists()
        if self.paths.has_two_names and is_free and not is_link_to(former, PUBLISHED_NAME):
            self._swap(former, Path(PUBLISHED_NAME))
        fault_point(f"{during}.followed")

    def _swap(self, link: Path, target: Path, during: str = "") -> None:
        """Create a symlink or replace one atomically. The link is relative, so that the folder can be moved.

        The change is on disk when this returns: after a power cut the former name must not be newer than the present
        one.
        """
        temporary = self.paths.folder / f".{self.paths.stem}.link-{os.getpid()}"
        remove(temporary)
        temporary.symlink_to(target)
        if during:
            fault_point(f"{during}.linked")
        temporary.replace(link)
        if during:
            fault_point(f"{during}.swapped")
        sync(self.paths.folder)

    def carry_on(self) -> None:
        """Bring both names in step after an older release has swapped the former one.

        If this is interrupted, both names lead to that release's version, and the next run repeats the step.
        """
        if self.paths.serving != self.paths.link:
            self.point_at(self.paths.serving.resolve().name, "carry_on")


@dataclass(frozen=True)
class Versions:
    """The published files of one warehouse.

    Attributes:
        recorded: when the history has each run as published, in their order: a restored file may have lost its time.
    """

    paths: Paths
    recorded: Callable[[], Mapping[str, datetime]] = field(default=dict, compare=False)

    @staticmethod
    def pending_mark(version: Path) -> Path:
        """The mark of an unlinked version. It exists from before the version has its name until the link is swapped."""
        return version.with_name(f".{version.name}.pending")

    def settle(self, version: Path) -> None:
        """Keep a version that the link was swapped onto; remove any other, which nobody has ever read."""
        if self.pending_mark(version).exists():
            if self.paths.link.resolve() != version.resolve():
                remove(version)
            remove(self.pending_mark(version))
            # If a power cut restored the mark after a rollback, the next run would remove this version as never
            # published.
            sync(self.paths.versions_folder)

    def all(self) -> list[Version]:
        """The published versions on disk, newest first. Files of killed runs that were never linked are left out."""
        current = self.paths.serving.resolve()
        prefix = f"{self.paths.stem}-"
        recorded = self.recorded()
        places = {run_id: place for place, run_id in enumerate(recorded)}
        found = []
        for path in self.paths.versions_folder.glob(f"{glob.escape(prefix)}*.duckdb"):
            is_current = path.resolve() == current
            if is_current or not self.pending_mark(path).exists():
                # Another run may prune the file meanwhile.
                with suppress(FileNotFoundError):
                    run_id = path.name.removeprefix(prefix).removesuffix(".duckdb")
                    at = datetime.fromtimestamp(path.stat().st_mtime, UTC)
                    found.append(Version(path.name, path, run_id, recorded.get(run_id, at), is_current))
        last = len(places)
        return sorted(found, key=lambda v: (v.published_at, places.get(v.run_id, last), v.name), reverse=True)

    def named(self, name: str) -> Version:
        """The version with this file name."""
        return next(version for version in self.all() if version.name == name)

    def prune(self, keep: int = KEEP) -> None:
        """Remove all but the newest `keep` versions. The current one counts among them and is never removed."""
        others = [version for version in self.all() if not version.is_current]
        with explained(self.paths.versions_folder):
            for version in others[max(keep - 1, 0) :]:
                version.path.unlink(missing_ok=True)

    def choose(self, version: str | None) -> Version:
        """The version to roll back to, by its name or its run; for None the one before the current version.

        Raises:
            WarehouseError: there is no such version.
        """
        found = self.all()
        names = ", ".join(v.name for v in found) or "none"
        if version is None:
            current = next((index for index, v in enumerate(found) if v.is_current), None)
            if current is None or current + 1 >= len(found):
                raise WarehouseError(
                    f"There is no version before the current one of {self.paths.database}. Nothing was "
                    f"changed. Versions on disk: {names}."
                )
            return found[current + 1]
        match = [v for v in found if version in (v.name, v.run_id)]
        if not match:
            raise WarehouseError(
                f"{self.paths.database} has no version {version}. Nothing was changed. Versions on disk: {names}.",
                exit_code=2,
            )
        # equivalent: Of one name and of one run there is one version.
        return match[0]
