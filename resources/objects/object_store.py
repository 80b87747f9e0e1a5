"""Objects of one bucket, below one prefix: put whole, read whole, and swapped only by who knows what is there."""

import hashlib
import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from resources.objects.errors import EXTRA, ObjectMissing, ObjectStoreError

if TYPE_CHECKING:
    from obstore import Bytes
    from obstore.store import S3Store

URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>[A-Za-z0-9][A-Za-z0-9/_.=-]*?))?/?")
"""What an address of an object store looks like."""

CONNECT = timedelta(seconds=5)
REQUEST = timedelta(seconds=120)
"""How long one request may take, with its body."""

MOST_TRIES = 1000
"""More than fit into anybody's patience, which is what ends them."""

LONGEST_PAUSE = timedelta(seconds=3)
"""Between two tries of a request."""

PIECE = 16 * 1024 * 1024
"""Bytes of a large object that one request reads or writes."""

NOT_ACCEPTED = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired")
"""Codes of S3 for credentials that are wrong or have ended; a grant would change nothing."""

NO_BUCKET = "The bucket of {} does not exist, so nothing was read or put there. Create it, or correct CMDB_OBJECTS_URL."

MOST_DELETED = 1000
"""Objects that one request of S3 removes."""


@dataclass(frozen=True)
class Stored:
    """An object as it was read.

    Attributes:
        e_tag: what `swap` has to name to replace exactly this content.
    """

    data: bytes
    e_tag: str


@dataclass(frozen=True)
class ObjectStore:
    """The objects below `url`. Names are relative to it, with `/` between their parts. Thread-safe.

    Attributes:
        url: `s3://bucket` or `s3://bucket/prefix`.
        region: of the bucket.
        endpoint: of a server other than AWS; empty for AWS.
        profile: the profile of its credentials; empty for those of the environment or the machine.
        patience: seconds for which a request is tried again while the server does not respond or reports an error of
            its own.
    """

    url: str
    region: str
    endpoint: str = ""
    profile: str = ""
    patience: float = 45.0

    @cached_property
    def _store(self) -> "S3Store":
        """The store, made at first use, so that nothing loads obstore where no object store is set.

        Raises:
            ObjectStoreError: obstore is not installed, there are no credentials, or the address cannot be used.
        """
        if importlib.util.find_spec("obstore") is None:
            raise ObjectStoreError(
                f"{self.url} needs obstore, which is not installed, so nothing was requested there. `{EXTRA}` installs "
                "it; or unset CMDB_OBJECTS_URL.",
                exit_code=2,
            )
        from obstore.store import S3Store

        from resources.objects.credentials import credential_provider

        found = URL.fullmatch(self.url)
        if found is None:
            raise ObjectStoreError(
                f"{self.url} is no address of an object store. Nothing was requested. Set CMDB_OBJECTS_URL to "
                "s3://BUCKET or s3://BUCKET/PREFIX.",
                exit_code=2,
            )
        # Named in any case: obstore would take AWS_ENDPOINT_URL, which is about the roles' requests.
        endpoint = self.endpoint or f"https://s3.{self.region}.amazonaws.com"
        return S3Store(
            found["bucket"],
            prefix=found["prefix"],
            region=self.region,
            endpoint=endpoint,
            virtual_hosted_style_request=False,
            credential_provider=credential_provider(self.profile, self.url, self.region),
            client_options={
                "allow_http": endpoint.startswith("http://"),
                "connect_timeout": CONNECT,
                "timeout": REQUEST,
            },
            retry_config={
                "max_retries": MOST_TRIES,
                "retry_timeout": timedelta(seconds=self.patience),
                "backoff": {"max_backoff": LONGEST_PAUSE},
            },
        )

    @contextmanager
    def _explained(self, name: str) -> Iterator["S3Store"]:
        """A block of requests about one object or prefix, whose errors are raised as sentences."""
        store = self._store
        from botocore.exceptions import BotoCoreError
        from obstore import exceptions

        where = f"{self.url.rstrip('/')}/{name}"
        try:
            yield store
        except FileNotFoundError as error:
            if "<Code>NoSuchBucket</Code>" in str(error):
                raise ObjectMissing(NO_BUCKET.format(self.url), exit_code=2) from error
            # Where only the head of a response comes, the server says the same of a bucket that is not there.
            raise ObjectMissing(f"{where} is not there, or its bucket is not.") from error
        except (exceptions.AlreadyExistsError, exceptions.PreconditionError):
            raise
        # A number out of range is a ValueError; what a credential provider raises is raised as it is.
        except (exceptions.BaseError, ValueError, OSError, BotoCoreError) as error:
            at = f" at {self.endpoint}" if self.endpoint else ""
            if _is_refusal(error):
                _require_credentials(store)
                raise ObjectStoreError(
                    f"{where}{at} is refused to {self.profile or 'the credentials of the environment'}: "
                    f"{_reason(error)}. {_remedy(error)}",
                    exit_code=2,
                ) from error
            raise ObjectStoreError(
                f"{where}{at} cannot be used: {_reason(error)}. Look whether the object store runs and can be reached "
                "from here, then run again."
            ) from error

    # ------------------------------------------------------------------------------------------------ writing

    def put(self, name: str, data: bytes) -> None:
        """Put an object in the place of what may be there. Readers see the one or the other, whole.

        Raises:
            ObjectStoreError: nobody can tell whether it is there.
        """
        import obstore

        with self._explained(name) as store:
            obstore.put(store, name, data, use_multipart=False)

    def put_file(self, name: str, path: Path) -> None:
        """Put the content of a file, however large. It is there once all of it is, and else not at all.

        Raises:
            ObjectStoreError: nobody can tell whether it is there.
        """
        import obstore

        with self._explained(name) as store:
            obstore.put(store, name, path, chunk_size=PIECE, max_concurrency=4)

    def put_once(self, name: str, data: bytes) -> bool:
        """Put an object where none of this name is yet.

        Returns:
            Whether what is there now is `data`: of those who put one name, the first is right. A response that was lost
            on its way and asked for again is told by the content, so two who put the same are both right.

        Raises:
            ObjectStoreError: nobody can tell whether it is there.
        """
        return self._put_if(name, data, None)

    def swap(self, name: str, data: bytes, e_tag: str | None) -> bool:
        """Put an object in the place of exactly the content that was read with this `e_tag`, None for nothing there.

        Returns:
            Whether what is there now is `data`; else somebody else put another content meanwhile, which stays.

        Raises:
            ObjectStoreError: nobody can tell whether it is there.
        """
        return self._put_if(name, data, e_tag)

    def _put_if(self, name: str, data: bytes, e_tag: str | None) -> bool:
        import obstore
        from obstore.exceptions import AlreadyExistsError, PreconditionError

        try:
            with self._explained(name) as store:
                obstore.put(
                    store, name, data, mode="create" if e_tag is None else {"e_tag": e_tag}, use_multipart=False
                )
        except (AlreadyExistsError, PreconditionError, ObjectMissing) as error:
            # The object that was to be replaced may be gone; where none was to be, it is the bucket that is missing.
            if e_tag is None and isinstance(error, ObjectMissing):
                raise
            with suppress(ObjectMissing):
                return self.get(name) == data
            return False
        return True

    def delete(self, prefix: str) -> None:
        """Remove all objects below a prefix, and the object of this name; nothing happens where there is none.

        Raises:
            ObjectStoreError: nobody can tell whether they are gone.
        """
        import obstore

        names = sorted(self.names(prefix) | {prefix})
        with self._explained(prefix) as store, suppress(FileNotFoundError):
            for begin in range(0, len(names), MOST_DELETED):
                obstore.delete(store, names[begin : begin + MOST_DELETED])

    # ------------------------------------------------------------------------------------------------ reading

    def get(self, name: str) -> bytes:
        """The content of an object.

        Raises:
            ObjectMissing: there is none of this name.
            ObjectStoreError: it cannot be read.
        """
        return self.read(name).data

    def read(self, name: str) -> Stored:
        """The content of an object and what `swap` needs to replace it.

        Raises:
            ObjectMissing: there is none of this name.
            ObjectStoreError: it cannot be read.
        """
        import obstore

        with self._explained(name) as store:
            found = obstore.get(store, name)
            return Stored(bytes(found.bytes()), found.meta["e_tag"] or "")

    def get_file(self, name: str, path: Path) -> str:
        """Write the content of an object, however large, to a new file; returns its SHA-256 in hex.

        Raises:
            ObjectMissing: there is none of this name.
            ObjectStoreError: it cannot be read. The file is incomplete.
        """
        digest = hashlib.sha256()
        with path.open("xb") as file:
            for piece in self._pieces(name):
                digest.update(piece)
                file.write(piece)
        return digest.hexdigest()

    def sha256(self, name: str) -> str:
        """The SHA-256 of an object's content as the server gives it back, in hex.

        Raises:
            ObjectMissing: there is none of this name.
            ObjectStoreError: it cannot be read.
        """
        digest = hashlib.sha256()
        for piece in self._pieces(name):
            digest.update(piece)
        return digest.hexdigest()

    def _pieces(self, name: str) -> Iterator["Bytes"]:
        import obstore

        with self._explained(name) as store:
            size = obstore.head(store, name)["size"]
            for begin in range(0, size, PIECE):
                yield obstore.get_range(store, name, start=begin, end=min(begin + PIECE, size))

    def names(self, prefix: str = "") -> set[str]:
        """The names below a prefix, which ends where a part of a name ends: `parts/1` has `parts/1/a`, not `parts/12`.

        Raises:
            ObjectStoreError: they cannot be listed.
        """
        return set(self.changed_at(prefix))

    def changed_at(self, prefix: str = "") -> dict[str, datetime]:
        """When each object below a prefix was last put, by its name.

        Raises:
            ObjectStoreError: they cannot be listed.
        """
        import obstore

        with self._explained(prefix) as store:
            pages = obstore.list(store, prefix=prefix or None)
            return {entry["path"]: entry["last_modified"] for page in pages for entry in page}


def _is_refusal(error: Exception) -> bool:
    """Whether the server refused; obstore has no exception of its own for a list that is refused."""
    from obstore import exceptions

    return isinstance(error, exceptions.PermissionDeniedError | exceptions.UnauthenticatedError) or bool(
        re.search(r"status code: 40[13]", str(error))
    )


def _require_credentials(store: "S3Store") -> None:
    # obstore takes a provider's error for a refusal; the provider raises it again, as a sentence.
    if store.credential_provider is not None:
        store.credential_provider()


def _remedy(error: Exception) -> str:
    """What to do about a refusal."""
    if any(f"<Code>{code}</Code>" in str(error) for code in NOT_ACCEPTED):
        return "Correct or renew these credentials, or set CMDB_OBJECTS_PROFILE to others."
    return "Grant s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket there."


def _reason(error: Exception) -> str:
    """What an error is about, as a part of a sentence: status and code of a response, else what the client says."""
    text = str(error).strip()
    status = re.search(r"status code: (\d+ [A-Za-z ]+)", text)
    code = re.search(r"<Code>(\w+)</Code>", text)
    if status is not None:
        return f"the server responds {status[1].strip()}{f', {code[1]}' if code is not None else ''}"
    # No error of obstore is without a text.
    return text.splitlines()[0].rpartition(" - ")[2].rstrip(".") if text else type(error).__name__
