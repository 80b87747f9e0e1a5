"""The history of one warehouse, for the rest of the product."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from resources.store.errors import own_statements
from resources.store.history import reading
from resources.store.history.choosing import NoSuchPublication, chosen
from resources.store.history.manifest import HistoryFolder, Manifest, Publication
from resources.store.history.reading import AsOf
from resources.store.history.recording import Recorder, unrecorded
from resources.store.history.restoring import restore
from resources.store.lock import Lock
from resources.store.paths import Paths
from resources.store.versions import Versions


@dataclass(frozen=True)
class History:
    """What each published file held."""

    paths: Paths
    lock: Lock
    versions: Versions

    @property
    def _folder(self) -> HistoryFolder:
        return HistoryFolder(self.paths)

    def publications(self) -> tuple[Publication, ...]:
        """The published versions that the history has, oldest first.

        Raises:
            WarehouseError: the history is damaged.
        """
        return self._folder.read().publications

    def find(self, wanted: str) -> Publication:
        """The publication that a day, a time or a run means, as `choosing.chosen` says.

        Raises:
            NoSuchPublication: there is none; the message names the nearest.
            WarehouseError: the history is damaged.
        """
        manifest = self._folder.read()
        return chosen(manifest.publications, wanted, unrecorded(manifest, self.versions.all()))

    def catch_up(self, most: int) -> list[Publication]:
        """Record the published versions that are not yet recorded; keep the newest `most`.

        Raises:
            WarehouseError: the lock is not held, the disk is full, or the history is damaged. What is published and
                what is recorded are as they were.
        """
        return Recorder(self.paths, self.lock, self.versions, self._folder).catch_up(most)

    @contextmanager
    def opened(self, publication: Publication) -> Iterator[AsOf]:
        """A connection that answers as the file of one publication did; call `prepare` before a query.

        It reads files that the next publication leaves in their place.

        Raises:
            NoSuchPublication: the history has forgotten it meanwhile.
        """
        folder = self._folder
        manifest = self._manifest(publication)
        with own_statements(folder.folder), folder.explained(), reading.opened(folder, manifest, publication) as found:
            yield found

    @contextmanager
    def compared(self, before: Publication, after: Publication) -> Iterator[tuple[AsOf, AsOf]]:
        """Two publications in one connection, with tables `before.<schema>.<table>` and `after.<schema>.<table>`."""
        folder = self._folder
        manifest = self._manifest(before, after)
        opened = reading.compared(folder, manifest, before, after)
        with own_statements(folder.folder), folder.explained(), opened as found:
            yield found

    def restore(self, publication: Publication, target: Path) -> int:
        """Write one publication as a DuckDB file of its own; returns how many tables and views it has.

        Raises:
            WarehouseError: the file exists, or cannot be written. Nothing was written.
        """
        return restore(self.paths, self._folder, self._manifest(publication), publication, target)

    def _manifest(self, *wanted: Publication) -> Manifest:
        """The manifest as it is now, which still has these publications."""
        manifest = self._folder.read()
        for publication in wanted:
            if publication not in manifest.publications:
                raise NoSuchPublication(
                    f"The history no longer has {publication}: a run that published since has forgotten it. No query "
                    "ran. `cmdb history` lists what it has."
                )
        return manifest
