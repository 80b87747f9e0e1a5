"""The copy of the published file in the operator's object store, and the pointer by which readers find it.

A version is put under a name of its own and read back. Only then is the pointer, `current.json`, swapped onto it, by
one who knows what it said: it never leads to half a file, and of two who publish at once one is refused.

The pointer is claimed before a version is linked here. A run that another one has overtaken is refused at that point,
and what is published stays as it is in both places.
"""

import json
import re
import uuid
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from resources.audit.runs import known_runs
from resources.objects.errors import ObjectMissing, ObjectStoreError
from resources.objects.object_store import ObjectStore
from resources.store.errors import WarehouseError
from resources.store.store import Store
from resources.store.versions import KEEP, Version

POINTER = "current.json"
FOLDER = "versions"

CLAIM_LASTS = timedelta(minutes=30)
"""How long others wait for a run that has claimed the pointer. After that it passes for dead."""


class Overtaken(Exception):
    """The pointer is somebody else's: the message says whose, and what to do."""


@dataclass(frozen=True)
class Pointer:
    """What `current.json` says.

    Attributes:
        version: the name of the object that readers take; None before the first.
        sha256: of its content, in hex.
        size: of its content in bytes.
        run_id: the run that made it.
        published_at: when, in UTC.
        schema_version: the number of its newest migration.
        claimed_by: the run that is about to publish; None where none is.
        changed_at: when the pointer was swapped, in UTC.
        nonce: different in each pointer, so that no two have the same ETag.
    """

    version: str | None = None
    sha256: str | None = None
    size: int | None = None
    run_id: str | None = None
    published_at: str | None = None
    schema_version: int | None = None
    claimed_by: str | None = None
    changed_at: str = ""
    nonce: str = ""


@dataclass(frozen=True)
class PublishedCopy:
    """The copy below the address of an object store."""

    objects: ObjectStore

    def claim(self, run_id: str, known: Collection[str]) -> None:
        """Swap the pointer for one that leads to the same version and says that this run is about to publish.

        Args:
            known: the runs that the warehouse here has gone through. Where the run that has published there is none of
                them, this one does not follow it, and would take its rows away.

        Raises:
            Overtaken: a run that is not known here has published there, or is about to.
            ObjectStoreError: nobody can tell what the pointer says.
        """
        pointer, e_tag = self._pointer()
        self._refuse_unknown(pointer, known)
        self._swap(_renewed(pointer, claimed_by=run_id), e_tag)

    def put_version(self, version: Version, schema_version: int, known: Collection[str] | None) -> Pointer:
        """Put a published version where it is not there yet, and swap the pointer onto it; returns the new pointer.

        Args:
            schema_version: the number of the version's newest migration.
            known: as of `claim`; None to replace what anybody has published.

        Raises:
            Overtaken: a run that is not known here has published there, or is about to. The pointer is as it was.
            ObjectStoreError: the object store cannot be used, or gives back other bytes than were put. The pointer
                leads to what it led to, or nobody can tell.
        """
        pointer, e_tag = self._pointer()
        if known is not None:
            self._refuse_unknown(pointer, known)
        name, sha256 = f"{FOLDER}/{version.name}", version.sha256
        if not self._holds(name, sha256):
            with version.unopened() as path:
                self.objects.put_file(name, path)
            if not self._holds(name, sha256):
                raise ObjectStoreError(
                    f"{self.objects.url}/{name} has other bytes than {version.path}, right after they were put there. "
                    f"{POINTER} leads to what it led to. Find out who else writes there, then run `cmdb publish-copy`."
                )
        is_same = (pointer.version, pointer.sha256) == (name, sha256)
        new = _renewed(
            Pointer(
                version=name,
                sha256=sha256,
                size=version.path.stat().st_size,
                run_id=version.run_id,
                # A file that was restored has lost its time.
                published_at=pointer.published_at if is_same else version.published_at.isoformat(timespec="seconds"),
                schema_version=schema_version,
            )
        )
        self._swap(new, e_tag)
        return new

    def copy_current(self, store: Store, *, take_over: bool = False) -> Pointer:
        """Copy the version that analysts read here. Only where this process holds the warehouse.

        Args:
            take_over: replace what anybody has published there.

        Raises:
            Overtaken: as of `put_version`.
            ObjectStoreError: as of `put_version`.
            WarehouseError: nothing is published here.
        """
        known = None if take_over else runs_of(store)
        return self.put_version(current_version(store), store.published_schema(), known)

    def prune(self, stem: str) -> list[str]:
        """Remove all versions but the newest, as many as stay on disk, and the one that readers are led to.

        Args:
            stem: the first part of the versions' names; what is named otherwise is another program's, and stays.

        Raises:
            ObjectStoreError: they cannot be removed. Who reads the current one notices nothing.
        """
        pointer, _ = self._pointer()
        own = re.compile(rf"{FOLDER}/{re.escape(stem)}-[^/]+\.duckdb")
        others = {name: at for name, at in self.objects.changed_at(FOLDER).items() if own.fullmatch(name)}
        others.pop(pointer.version or "", None)
        gone = sorted(others, key=lambda name: (others[name], name), reverse=True)[KEEP - 1 :]
        for name in gone:
            self.objects.delete(name)
        return gone

    def require_ours(self, known: Collection[str]) -> None:
        """Check that no run that is not known here has published there, or is about to.

        Raises:
            Overtaken: one has, or is.
            ObjectStoreError: nobody can tell what the pointer says.
        """
        pointer, _ = self._pointer()
        self._refuse_unknown(pointer, known)

    def _pointer(self) -> tuple[Pointer, str | None]:
        """The pointer and its ETag, None where there is none."""
        try:
            found = self.objects.read(POINTER)
        except ObjectMissing:
            return Pointer(), None
        try:
            pointer = Pointer(**json.loads(found.data))
            if pointer.claimed_by is not None:
                _claimed_at(pointer)
        except (ValueError, TypeError) as error:
            raise ObjectStoreError(
                f"{self.objects.url}/{POINTER} is not what `cmdb` writes, so nobody can tell what is published there. "
                "It was left as it is. Look who wrote it; set CMDB_OBJECTS_URL to another prefix, or remove it.",
                exit_code=2,
            ) from error
        return pointer, found.e_tag

    def _refuse_unknown(self, pointer: Pointer, known: Collection[str]) -> None:
        if pointer.run_id is not None and pointer.run_id not in known:
            raise Overtaken(
                self._overtaken(
                    f"run {pointer.run_id}, which this warehouse does not know, has published there at "
                    f"{pointer.published_at}"
                )
            )
        if pointer.claimed_by is None or pointer.claimed_by in known:
            return
        since = _claimed_at(pointer)
        # The clock that dated a claim far ahead was wrong, and the claim must not last until then.
        if abs(datetime.now(UTC) - since) < CLAIM_LASTS:
            raise Overtaken(
                self._overtaken(
                    f"run {pointer.claimed_by}, which this warehouse does not know, is publishing since "
                    f"{pointer.changed_at}, and has until {since + CLAIM_LASTS:%Y-%m-%d %H:%M} UTC"
                )
            )

    def _swap(self, pointer: Pointer, e_tag: str | None) -> None:
        """Put the pointer in the place of exactly the one that was read.

        Raises:
            Overtaken: there is another one by now.
        """
        if not self.objects.swap(POINTER, json.dumps(asdict(pointer), indent=2).encode(), e_tag):
            now, _ = self._pointer()
            raise Overtaken(self._overtaken(f"run {now.claimed_by or now.run_id} has swapped it in this moment"))

    def _overtaken(self, why: str) -> str:
        return (
            f"{self.objects.url}/{POINTER} is another coordinator's: {why}. It was left as it is. Go on where that run "
            "was made, or start here from what it published (docs/howto/scale.md); `cmdb publish-copy --take-over` "
            "replaces it by what is published here."
        )

    def _holds(self, name: str, sha256: str) -> bool:
        try:
            return self.objects.sha256(name) == sha256
        except ObjectMissing:
            return False


def current_version(store: Store) -> Version:
    """The version that analysts read here.

    Raises:
        WarehouseError: nothing is published yet.
    """
    for version in store.versions():
        if version.is_current:
            return version
    raise WarehouseError(f"Nothing is published at {store.database} yet. Run `cmdb nightly` first.")


def runs_of(store: Store) -> set[str]:
    """Every run that the warehouse here has gone through, as far as its files can be read.

    A working file that is damaged, or of a newer release, is what a rollback is for; one that was moved away must not
    be made anew from the version that is left. Then the published versions count.
    """
    if store.working.exists():
        with suppress(WarehouseError), store.read() as connection:
            return known_runs(connection)
    known = {version.run_id for version in store.versions()}
    with suppress(WarehouseError), store.published() as connection:
        known |= known_runs(connection)
    return known


def _claimed_at(pointer: Pointer) -> datetime:
    """When the pointer was claimed, in UTC; ValueError where its time is none, or has no zone."""
    at = datetime.fromisoformat(pointer.changed_at)
    if at.tzinfo is None:
        raise ValueError(pointer.changed_at)
    return at.astimezone(UTC)


def _renewed(pointer: Pointer, claimed_by: str | None = None) -> Pointer:
    """A pointer of this moment that leads to the same version."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Pointer(**asdict(pointer) | {"claimed_by": claimed_by, "changed_at": now, "nonce": uuid.uuid4().hex})
