"""The paths of a warehouse's files, and the links by which analysts read it."""

import os
from dataclasses import dataclass
from pathlib import Path

PUBLISHED_NAME = "aws_org.duckdb"
"""Default name of the file that analysts open. DuckDB's clients name the catalog after the file, and refuse queries of
a schema with the catalog's name as ambiguous. So this is not the name of any schema."""

FORMER_NAME = "cmdb.duckdb"
"""Name of the published file in older releases. It stays a link to the present name for one release; the next release
removes it."""


@dataclass(frozen=True)
class Paths:
    """The files of one warehouse, all in one folder.

    Attributes:
        database: path of the published file for analysts; a symlink. All other files are beside it, with its `stem` in
            their names.
    """

    database: Path

    @property
    def folder(self) -> Path:
        """The folder of all files."""
        return self.database.parent.resolve()

    @property
    def stem(self) -> str:
        """First part of the names of the working file, of versions and of the report.

        It is the stem of the published file, but `cmdb` for the default name, as in older releases. So the upgrade
        renames nothing, and an older release still finds its files.
        """
        return Path(FORMER_NAME).stem if self.database.name == PUBLISHED_NAME else self.database.stem

    @property
    def working(self) -> Path:
        """The file that runs write. Not for analysts."""
        return self.folder / f"{self.stem}.work.duckdb"

    @property
    def journal(self) -> Path:
        """Copies of the blocks that a checkpoint of the working file may overwrite."""
        return self.folder / f".{self.stem}.work.journal"

    @property
    def versions_folder(self) -> Path:
        """The folder of the published files."""
        return self.folder / "versions"

    @property
    def history_folder(self) -> Path:
        """The folder of what earlier published files held."""
        return self.folder / f"{self.stem}.history"

    @property
    def landing(self) -> Path:
        """The folder of AWS's verbatim responses, by run."""
        return self.folder / "landing"

    @property
    def lock_file(self) -> Path:
        """The file whose `flock` a run holds from start to end."""
        return self.folder / ".lock"

    @property
    def has_two_names(self) -> bool:
        """Whether the former name is a link to the present one, or has to become such a link."""
        present = self.folder / PUBLISHED_NAME
        return self.database.name == PUBLISHED_NAME or (self.database.name == FORMER_NAME and present.is_symlink())

    @property
    def link(self) -> Path:
        """The one link that publishing swaps; the former name is a link to it, so both change at the same moment."""
        return self.folder / (PUBLISHED_NAME if self.has_two_names else self.database.name)

    @property
    def serving(self) -> Path:
        """The link that was swapped last. It is the former name's if an older release swapped last."""
        former = self.folder / FORMER_NAME
        if self.has_two_names and former.is_symlink() and not is_link_to(former, PUBLISHED_NAME):
            version = former.resolve()
            ours = version.parent == self.versions_folder.resolve()
            if ours and (version.exists() or not os.path.lexists(self.link)):
                return former
        return self.link

    @property
    def spill(self) -> Path:
        """The folder for DuckDB's data that does not fit into the memory of this process."""
        return self.folder / f".{self.stem}.spill-{os.getpid()}"

    @property
    def spill_of_readers(self) -> Path:
        """The same for its readers of the published file: each DuckDB needs a folder of its own."""
        return self.spill.with_name(f"{self.spill.name}-reading")


def with_wal(path: Path) -> tuple[Path, Path]:
    """A DuckDB file and the path of its log."""
    return path, path.with_name(path.name + ".wal")


def is_link_to(link: Path, target: str) -> bool:
    """Whether a symlink exists at `link` and contains exactly this target."""
    try:
        return link.readlink() == Path(target)
    except OSError:
        return False
