"""Where the files of a warehouse stand, and which of its links analysts read by."""

import os
from dataclasses import dataclass
from pathlib import Path

PUBLISHED_NAME = "aws_org.duckdb"
"""What analysts open, by default. DuckDB's clients name the catalog after the file as given, and where a schema has
that name too they refuse every query of it as ambiguous: so it is no schema's name."""

FORMER_NAME = "cmdb.duckdb"
"""What older releases published it as. Stays a link to the present name for one release, and goes in the next."""


@dataclass(frozen=True)
class Paths:
    """The files of one warehouse, all in one folder.

    Attributes:
        database: where analysts find the published file; a symlink. Everything else stands beside it, and has
            its `stem` in its name.
    """

    database: Path

    @property
    def folder(self) -> Path:
        """The folder that everything stands in."""
        return self.database.parent.resolve()

    @property
    def stem(self) -> str:
        """First part of the name of the working file, of versions and of the report.

        That of the published file, but `cmdb` beside the default one: so older releases named them. The upgrade
        renames nothing, and the older release still finds its files.
        """
        return Path(FORMER_NAME).stem if self.database.name == PUBLISHED_NAME else self.database.stem

    @property
    def working(self) -> Path:
        """The file that runs write. Never for analysts."""
        return self.folder / f"{self.stem}.work.duckdb"

    @property
    def journal(self) -> Path:
        """The blocks that a checkpoint of the working file may write over."""
        return self.folder / f".{self.stem}.work.journal"

    @property
    def versions_folder(self) -> Path:
        """The published files."""
        return self.folder / "versions"

    @property
    def landing(self) -> Path:
        """What AWS answered, verbatim, by run."""
        return self.folder / "landing"

    @property
    def lock_file(self) -> Path:
        """The file whose `flock` a run holds from beginning to end."""
        return self.folder / ".lock"

    @property
    def has_two_names(self) -> bool:
        """Whether the former name is a link to the present one, or has to become that."""
        present = self.folder / PUBLISHED_NAME
        return self.database.name == PUBLISHED_NAME or (self.database.name == FORMER_NAME and present.is_symlink())

    @property
    def link(self) -> Path:
        """The one link that publishing swaps; the former name is a link to it, so both change in the same moment."""
        return self.folder / (PUBLISHED_NAME if self.has_two_names else self.database.name)

    @property
    def serving(self) -> Path:
        """The link that was swapped last: the former name's, where an older release was the last to swap one."""
        former = self.folder / FORMER_NAME
        if self.has_two_names and former.is_symlink() and not is_link_to(former, PUBLISHED_NAME):
            version = former.resolve()
            ours = version.parent == self.versions_folder.resolve()
            if ours and (version.exists() or not os.path.lexists(self.link)):
                return former
        return self.link

    @property
    def spill(self) -> Path:
        """Where DuckDB puts what does not fit into the memory of this process."""
        return self.folder / f".{self.stem}.spill-{os.getpid()}"


def with_wal(path: Path) -> tuple[Path, Path]:
    """A file of DuckDB, and where its log stands."""
    return path, path.with_name(path.name + ".wal")


def is_link_to(link: Path, target: str) -> bool:
    """Whether there is a symlink of this name that holds just this text."""
    try:
        return link.readlink() == Path(target)
    except OSError:
        return False
