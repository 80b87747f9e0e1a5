"""Extracts records from the pages of a response, and checks that the response is valid and of the right account."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from resources.aws.errors import Failed
from resources.aws.listing import Listing
from resources.aws.responses import decoded_json

TOKEN_FIELDS = ("NextToken", "nextToken", "NextPageToken", "NextMarker", "Marker", "PaginationToken")
"""Fields that announce a further page, for calls without a paginator."""


@cache  # equivalent: It spares taking the same path apart again; what comes of it is the same.
def record_path(records: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The path of a listing's records in a page: to the list, and on to the inner list if there is one.

    Raises:
        ValueError: `records` is neither `@`, nor `A.B`, nor `A.B[].C.D`.
    """
    if records == "@":
        return (), ()
    if not re.fullmatch(r"\w+(\.\w+)*(\[\]\.\w+(\.\w+)*)?", records):
        raise ValueError(f"records={records!r} is neither `Key`, `A.B` nor `Outer[].Inner`.")
    outer, _, inner = records.partition("[].")
    return tuple(outer.split(".")), tuple(inner.split(".")) if inner else ()


class Pages:
    """Extracts the records of one request, page by page, and passes them on.

    A response with status 200 but without the members that the listing requires is `failed`, never empty; this holds
    for every service. In XML a flattened list has no element of its own, so an empty one is invisible; such a listing
    requires another member.
    """

    def __init__(self, listing: Listing, account_id: str, keep: Callable[[dict[str, Any]], None]) -> None:
        self.found = 0
        self.count = 0
        self.last: dict[str, Any] | None = None
        self._keep = keep
        self._listing = listing
        self._account_id = account_id

    def take(self, page: dict[str, Any], model: Any, parameters: Mapping[str, Any]) -> None:
        """Add the records of a page.

        Args:
            page: the parsed response.
            model: botocore's model of the operation.
            parameters: the parameters of the request, for `Listing.echo`.

        Raises:
            Failed: the page does not match the listing, or a record belongs to another account.
        """
        self.count += 1
        self.last = page
        for name in self._listing.required:
            if page.get(name) is None:
                raise self._unreadable(f"without {name}", page)
        # equivalent: A listing without such a field has an empty name there, and no answer has a field without a name.
        for error in page.get(self._listing.errors) or () if self._listing.errors else ():
            raise Failed("failed", str(error.get("ErrorCode", "")), str(error.get("Message", "")), page)
        outer, inner = record_path(self._listing.records)
        shape = _member(model.output_shape, outer)
        echoed = {name: parameters[name] for name in self._listing.echo if name in parameters}
        if not inner:
            for record in self._records(page, outer, shape):
                self._add({**echoed, **record})
            return
        inner_shape = _member(getattr(shape, "member", None), inner)
        for group in self._list(page, outer, shape, page):
            carried = echoed | {name: group[name] for name in self._listing.carry if name in group}
            for record in self._list(group, inner, inner_shape, page):
                self._add({**carried, **record})

    def take_refusal(self, code: str, parameters: Mapping[str, Any]) -> None:
        """Add the record of one parent of many that AWS refuses to report on: `Each.own_errors`."""
        self.count += 1
        self.last = {"ErrorCode": code}
        self._add({**{name: parameters[name] for name in self._listing.echo if name in parameters}, "ErrorCode": code})

    def _records(self, page: dict[str, Any], path: tuple[str, ...], shape: Any) -> list[dict[str, Any]]:
        """The records at the end of a path: the entries of a list, or one structure."""
        if shape is None or shape.type_name not in ("structure", "map"):
            return self._list(page, path, shape, page)
        found = _at(page, path)
        if not isinstance(found, dict):
            raise self._unreadable(f"without {self._listing.records}", page)
        if not path:
            return [{name: value for name, value in found.items() if name != "ResponseMetadata"}]
        # The keys of a map are data, not field names.
        return [{path[-1]: found} if shape.type_name == "map" else found]

    def _list(self, value: Any, path: tuple[str, ...], shape: Any, page: dict[str, Any]) -> list[dict[str, Any]]:
        found = _at(value, path)
        flattened = shape is not None and shape.serialization.get("flattened")
        if found is None and flattened and any(name != "ResponseMetadata" for name in value):
            return []
        if self._listing.json_text and isinstance(found, list):
            found = [self._document(text, page) for text in found]
        if not isinstance(found, list) or not all(isinstance(record, dict) for record in found):
            raise self._unreadable(f"without a list of records at {self._listing.records}", page)
        return found

    def _document(self, text: Any, page: dict[str, Any]) -> Any:
        try:
            return decoded_json(text)
        except (TypeError, ValueError, RecursionError):
            raise self._unreadable(f"with something at {self._listing.records} that is no JSON", page) from None

    def _unreadable(self, how: str, page: dict[str, Any]) -> Failed:
        return Failed("failed", "UnreadableAnswer", f"{self._listing.call} returned a response {how}.", page)

    def _add(self, record: dict[str, Any]) -> None:
        owner = self._listing.owner
        if owner is not None:
            self._check_owner(record, owner)
        self.found += 1
        self._keep(record)

    def _check_owner(self, record: dict[str, Any], owner: str) -> None:
        value = _at(record, owner.split("."))
        if value is None and self._listing.is_owner_optional:
            return
        named = _account_of(value)
        if named is None:
            raise Failed(
                "failed",
                "OwnerUnknown",
                f"A record of {self._listing.call} does not name its account at {owner}.",
            )
        # Some services leave the account out of their ARNs: such an ARN cannot name a wrong account.
        if named not in (self._account_id, "aws", ""):
            raise Failed(
                "wrong_account",
                "ForeignRecord",
                f"{self._listing.call} returned a record of {named}, not of {self._account_id}.",
            )


def _at(value: Any, path: Iterable[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _member(shape: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        shape = getattr(shape, "members", {}).get(name)
    return shape


def _account_of(value: Any) -> str | None:
    """The account that an id or ARN names; `aws` for AWS's own resources, empty where an ARN has no account."""
    if not isinstance(value, str):
        return None
    if value.startswith("arn:"):
        # equivalent: The account is the fifth part however many follow.
        parts = value.split(":", 5)
        if len(parts) < 6:
            return None
        value = parts[4]
        if not value:
            return ""
    return value if value == "aws" or re.fullmatch(r"\d{12}", value) else None
