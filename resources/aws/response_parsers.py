"""One strict parser per protocol, and the errors for redirects and for errors that are nested too deep."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from botocore.parsers import ResponseParserError, ResponseParserFactory

from resources.aws.responses import BodyParser, ForeignResponse, JsonParser, RestXmlParser, XmlParser, operation_of

DEEPEST = 100
"""Levels of nesting in an error that is kept verbatim: no error of AWS's has ten."""

_LOCATION = re.compile(r"https?://(?:[^/?#@]*@)?([\w.-]{1,253})(?:[:/?#]|$)")


class Parser:
    """Parses responses of one protocol, and reports why an invalid one is invalid.

    Args:
        inner: the parser of the bodies.
    """

    def __init__(self, inner: BodyParser) -> None:
        self._inner = inner

    def parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        """A response or an error, as botocore parses it.

        Raises:
            botocore.parsers.ResponseParserError: the body is neither. `errors.UNREADABLE` has the other exceptions of
                botocore's parsers.
        """
        status = response["status_code"]
        try:
            if 300 <= status < 400:
                return self._redirect(response, shape)
            parsed = self._inner.parse(response, shape)
        except RecursionError:
            raise ForeignResponse("with something that is nested too deep to be AWS's") from None
        if status >= 300 and _is_deeper(parsed, DEEPEST):
            raise ForeignResponse("with an error that is nested too deep to be AWS's")
        return parsed

    def _redirect(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        status = response["status_code"]
        try:
            details = self._inner.parse({**response, "status_code": max(status, 301)}, shape).get("Error") or {}
            code, message = details.get("Code"), details.get("Message")
        except (ResponseParserError, ValueError, TypeError, LookupError, AttributeError):
            code = message = None
        headers = {name.lower(): value for name, value in response["headers"].items()}
        # Without the path: it may hold credentials of a sign-in.
        host = _LOCATION.match(headers.get("location", ""))
        place = f" to {host[1]}" if host else ""
        region = headers.get("x-amz-bucket-region", "")
        where = f" The bucket lies in {region}." if re.fullmatch(r"[\w-]+", region) else ""
        named = code if isinstance(code, str) and re.fullmatch(r"[A-Za-z]+", code) else ""
        quoted = f" It reported: {message}" if named and isinstance(message, str) and message else ""
        sentence = (
            f"{operation_of(response)} was redirected{place} (status {status}). The redirect was not followed: a "
            "signature is valid for one host. Check endpoint_url and the proxy, and whether the network wants a "
            f"sign-in.{where}{quoted}"
        )
        metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers}
        return {"Error": {"Code": named or "Redirected", "Message": sentence}, "ResponseMetadata": metadata}


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether a value is nested deeper than this many levels. Iterative, since recursion would hit Python's limit."""
    level = [value]
    while level and levels >= 0:
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        levels -= 1
    return bool(level)


STRICT: Mapping[str, Callable[[BodyParser], BodyParser]] = MappingProxyType(
    {"ec2": XmlParser, "json": JsonParser, "query": XmlParser, "rest-json": JsonParser, "rest-xml": RestXmlParser}
)
"""The check of each protocol's bodies that runs before botocore's parser."""


class Parsers(ResponseParserFactory):  # type: ignore[misc]  # botocore publishes no types
    """One strict parser per protocol, shared by all threads.

    Args:
        settings: of botocore's parsers, such as `timestamp_parser`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.set_parser_defaults(**settings)
        self._parsers = {
            protocol: Parser(self.body_parser(protocol, strict(super(Parsers, self).create_parser(protocol))))
            for protocol, strict in STRICT.items()
        }

    def body_parser(self, protocol: str, strict: BodyParser) -> BodyParser:
        """The parser of a protocol's bodies: the strict parser, or one with the same results."""
        return strict

    def create_parser(self, protocol_name: str) -> Parser:
        """The parser of a protocol.

        Raises:
            ValueError: there is no strict parser of this protocol.
        """
        parser = self._parsers.get(protocol_name)
        if parser is None:
            raise ValueError(f"resources/aws/response_parsers.py has no parser of the protocol {protocol_name}.")
        return parser
