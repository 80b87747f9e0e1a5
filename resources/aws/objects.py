"""Downloads one object of S3, and proves that it is the object that a listing of its bucket showed."""

from dataclasses import dataclass
from typing import IO, Any

from botocore.exceptions import BotoCoreError

from resources.aws.errors import Failed
from resources.aws.identity import Identities
from resources.aws.messages import Request
from resources.aws.profile_errors import ProfileError
from resources.aws.retry import RetryingSender, outcome_of
from resources.aws.sessions import Sessions
from resources.contract import Role, check

ATTEMPTS = 3
"""Downloads of one object, where its content breaks off; errors before the content are retried as of every request."""

PIECE_BYTES = 1 << 20

BROKEN = "BrokenContent"
"""Error code of content that broke off."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a listing of its bucket shows it.

    Attributes:
        etag: with its quotes, as S3 sends it. It changes with the content.
        size: in bytes.
    """

    bucket: str
    key: str
    etag: str
    size: int


class Objects:
    """Downloads objects for one role.

    Args:
        role: the role whose clause has to cover s3:GetObject.
        sessions: provides clients and credentials.
        requests: sends the request, with retries.
        identities: finds the account of a profile.
    """

    def __init__(self, role: Role, sessions: Sessions, requests: RetryingSender, identities: Identities) -> None:
        self._role: Role = role
        self._sessions = sessions
        self._requests = requests
        self._identities = identities

    def download(self, request: Request, region: str, stored: StoredObject, into: IO[bytes]) -> int:
        """Write the content of an object into a file, from its beginning; returns the number of HTTP requests.

        Args:
            request: the cell whose profile signs, and to whose account that profile must lead.
            region: the bucket's region.
            stored: the object. Another content under its key is refused.
            into: an empty file that can be written and rewound.

        Raises:
            ContractViolation: the role's clause does not cover s3:GetObject. Nothing was sent.
            Failed: the content did not arrive whole, is not that of the listing, or the profile leads elsewhere.
        """
        check(self._role, "s3", "GetObject")
        self._check_account(request)
        with self._sessions.signing_as(request.profile) as context:
            client = self._sessions.client(request.profile, "s3", region)
            parameters = {"Bucket": stored.bucket, "Key": stored.key, "IfMatch": stored.etag}
            attempt = 0
            while True:
                attempt += 1
                page = self._requests.send(context, client, "GetObject", parameters)
                try:
                    _check(page, stored)
                    into.seek(0)
                    into.truncate()
                    _copy(page["Body"], stored, into)
                except Failed as failure:
                    if attempt == ATTEMPTS or failure.code != BROKEN:
                        raise
                else:
                    return context.requests

    def _check_account(self, request: Request) -> None:
        try:
            found = self._identities.identify(request.profile).account_id
        except ProfileError as error:
            raise Failed(outcome_of(error), error.error_code or error.reason, str(error)) from error
        if found != request.account_id:
            message = f"Profile {request.profile} is {found}, not {request.account_id}. Nothing was requested."
            raise Failed("wrong_account", "WrongAccount", message)


def _check(page: dict[str, Any], stored: StoredObject) -> None:
    if page.get("ETag") != stored.etag:
        message = f"s3:GetObject returned {stored.key} with the ETag {page.get('ETag')}, not {stored.etag}."
        raise Failed("failed", "OtherContent", message)


def _copy(content: Any, stored: StoredObject, into: IO[bytes]) -> None:
    size = 0
    try:
        # botocore compares the length with the header, and the checksum where the object has one.
        while piece := content.read(PIECE_BYTES):
            size += into.write(piece)
    except BotoCoreError as error:
        raise Failed("failed", BROKEN, f"The content of {stored.key} did not arrive whole: {error}") from error
    finally:
        content.close()
    if size != stored.size:
        raise Failed("failed", BROKEN, f"Of {stored.key}, {size:,} of {stored.size:,} bytes arrived.")
