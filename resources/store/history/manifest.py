"""The manifest: which publications, tables and segments the history has. It is replaced whole, or not at all."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from resources.store.errors import WarehouseError
from resources.store.files import atomic_write, sync
from resources.store.paths import Paths

FORMAT = 1
"""Version of the layout; a reader refuses any other."""

RELATIONS = "history.relation"
"""The table of the published tables and views themselves: kind, SQL of a view, comments."""


@dataclass(frozen=True)
class Publication:
    """One published version.

    Attributes:
        number: its place in the history, from 1 on; a forgotten number is not used again.
        published_at: when it was copied from the working file, to the second, UTC.
        version: name of its file.
        is_after_gap: versions that the history lacks may have been published between the one before and this one.
    """

    number: int
    run_id: str
    published_at: datetime
    version: str
    is_after_gap: bool = False

    def __str__(self) -> str:
        return f"run {self.run_id}, published {self.published_at:%Y-%m-%d %H:%M:%S} UTC"

    def as_data(self) -> dict[str, str]:
        """For programs."""
        return {"run_id": self.run_id, "published_at": f"{self.published_at:%Y-%m-%dT%H:%M:%SZ}"}


@dataclass(frozen=True)
class Layout:
    """A table, as long as its columns are the same ones.

    Attributes:
        number: part of the names of its files.
        name: with its schema, such as `cost.daily`.
        first, last: the publications that have it; `last` is None as long as the newest one has it.
        columns: names and DuckDB types, in order.
        stamps: the columns that change for many rows at once, such as `collected_at`. They are kept by groups of rows.
        row_count, group_count, stamp_count: numbers given so far to its rows, groups and rows of stamps.
        checksum: of its newest content, with the DuckDB version that computed it.
    """

    number: int
    name: str
    first: int
    last: int | None
    columns: tuple[tuple[str, str], ...]
    stamps: tuple[str, ...] = ()
    row_count: int = 0
    group_count: int = 0
    stamp_count: int = 0
    checksum: tuple[str, ...] = ()

    @property
    def kept(self) -> tuple[tuple[str, str], ...]:
        """The columns that are kept by row."""
        return tuple(column for column in self.columns if column[0] not in self.stamps)

    @property
    def stamped(self) -> tuple[tuple[str, str], ...]:
        """The columns that are kept by group of rows."""
        return tuple(column for column in self.columns if column[0] in self.stamps)

    def is_of(self, number: int) -> bool:
        """Whether a publication has the table in this layout."""
        return self.first <= number and (self.last is None or number <= self.last)


@dataclass(frozen=True)
class Segment:
    """A folder of Parquet files about the publications from `first` to `last`; `files` are names without ending."""

    folder: str
    first: int
    last: int
    files: tuple[str, ...]

    @property
    def span(self) -> int:
        """How many publications it covers."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Manifest:
    """What the history has.

    Attributes:
        publications: oldest first.
        segments: oldest first, without gaps.
        layout_count: numbers given to layouts so far.
        cleared: number of the oldest publication when rows were last removed as forgotten.
    """

    publications: tuple[Publication, ...] = ()
    layouts: tuple[Layout, ...] = ()
    segments: tuple[Segment, ...] = ()
    layout_count: int = 0
    cleared: int = 0

    @property
    def newest(self) -> int:
        """Number of the newest publication; 0 where there is none."""
        return self.segments[-1].last if self.segments else 0

    def layouts_of(self, number: int) -> Mapping[str, Layout]:
        """The tables that a publication has, by name."""
        return {layout.name: layout for layout in self.layouts if layout.is_of(number)}


@dataclass(frozen=True)
class HistoryFolder:
    """The folder of the history of one warehouse."""

    paths: Paths

    @property
    def folder(self) -> Path:
        """The folder that holds the manifest and the segments."""
        return self.paths.history_folder

    @property
    def _file(self) -> Path:
        return self.folder / "manifest.json"

    def read(self) -> Manifest:
        """The manifest; an empty one where there is no history yet.

        Raises:
            WarehouseError: the manifest is damaged, or of a newer version of the product.
        """
        try:
            found = json.loads(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return Manifest()
        except OSError as error:
            raise WarehouseError(
                f"{self._file} cannot be read ({error.strerror or error}), so no earlier night can. What is published "
                "and what is recorded are as they were. Let this user read it.",
                exit_code=2,
            ) from error
        except ValueError as error:
            raise self._unusable(f"is damaged ({error})") from error
        if isinstance(found, dict) and found.get("format", FORMAT) != FORMAT:
            raise WarehouseError(
                f"{self._file} is of another version of the product, so no earlier night can be read. What is "
                "published and what is recorded are as they were. Use the version that wrote it.",
                exit_code=2,
            )
        if not isinstance(found, dict) or "format" not in found:
            raise self._unusable("is damaged (it has no format)")
        try:
            return _manifest(found)
        except (KeyError, TypeError, ValueError) as error:
            raise self._unusable(f"is damaged ({error})") from error

    def published(self) -> Mapping[str, datetime]:
        """When each run was published, oldest first; nothing where the manifest cannot be read."""
        try:
            return {publication.run_id: publication.published_at for publication in self.read().publications}
        except WarehouseError:
            return {}

    def write(self, manifest: Manifest) -> None:
        """Replace the manifest. Its segments are on disk before it names them."""
        with atomic_write(self._file) as file:
            json.dump({"format": FORMAT} | asdict(manifest), file, default=_text, separators=(",", ":"))
        sync(self.folder)

    @contextmanager
    def explained(self) -> Iterator[None]:
        """A block whose errors about files of the history are raised as one sentence.

        Raises:
            WarehouseError: a file is missing, or is damaged, which DuckDB may report as invalid input.
        """
        try:
            yield
        except (duckdb.IOException, duckdb.InvalidInputException) as error:
            if str(self.folder) not in str(error):
                raise
            raise WarehouseError(
                f"A file of {self.folder} cannot be read ({str(error).splitlines()[0]}), so this night cannot. What is "
                "published is as it was. Restore the folder from a backup; or move it away, and the next run begins a "
                "new history."
            ) from error

    def strangers(self, manifest: Manifest) -> list[Path]:
        """What lies in the folder and is of no segment: segments that were merged, and what killed runs left."""
        known = {self._file.name, *(segment.folder for segment in manifest.segments)}
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if path.name not in known)

    def _unusable(self, why: str) -> WarehouseError:
        return WarehouseError(
            f"{self._file} {why}, so no earlier night can be read. What is published is as it was. Restore the folder "
            "from a backup; or move it away, and the next run begins a new history."
        )


def without_forgotten(manifest: Manifest, most: int) -> Manifest:
    """The manifest without publications older than the newest `most`, and without tables that only those had."""
    kept = manifest.publications[-most:]
    oldest = kept[0].number if kept else 0
    layouts = tuple(layout for layout in manifest.layouts if layout.last is None or layout.last >= oldest)
    return replace(manifest, publications=kept, layouts=layouts)


def _text(value: Any) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def _manifest(found: Mapping[str, Any]) -> Manifest:
    return Manifest(
        publications=tuple(
            Publication(**entry | {"published_at": datetime.fromisoformat(entry["published_at"])})
            for entry in found["publications"]
        ),
        layouts=tuple(
            Layout(
                **entry
                | {
                    "columns": tuple((name, type_) for name, type_ in entry["columns"]),
                    "stamps": tuple(entry["stamps"]),
                    "checksum": tuple(entry["checksum"]),
                }
            )
            for entry in found["layouts"]
        ),
        segments=tuple(Segment(**entry | {"files": tuple(entry["files"])}) for entry in found["segments"]),
        layout_count=found["layout_count"],
        cleared=found["cleared"],
    )
