"""The parsers of AWS's answers: botocore's, which take nothing for an answer that is none.

Those of XML and JSON that a night's many answers go through have a reader for each shape.
"""

import re
from typing import Any

from botocore.parsers import ResponseParserError, ResponseParserFactory

from resources.aws.fast.json_parser import JsonAnswers, RestJsonAnswers
from resources.aws.fast.shape_readers import ForeignAnswer, operation_of
from resources.aws.fast.xml_parser import EC2Answers, QueryAnswers, RestXmlAnswers

_LOCATION = re.compile(r"https?://(?:[^/?#@]*@)?([\w.-]{1,253})(?:[:/?#]|$)")

DEEPEST = 100
"""Levels of nesting in an error, which is kept as it is: no error of AWS's has ten."""


class Parser:
    """Reads answers with a parser of botocore's, and says of what is none why it is none.

    Args:
        inner: botocore's parser.
    """

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def parse(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        """An answer, or an error, as botocore gives it.

        Raises:
            botocore.parsers.ResponseParserError: it is neither. What else botocore's parsers raise is in
                `credentials.UNREADABLE`.
        """
        status = response["status_code"]
        try:
            if 300 <= status < 400:
                return self._redirect(response, shape)
            parsed: dict[str, Any] = self._inner.parse(response, shape)
        except RecursionError:
            raise ForeignAnswer("with something that is nested too deep to be AWS's") from None
        if status >= 300 and _is_deeper(parsed, DEEPEST):
            raise ForeignAnswer("with an error that is nested too deep to be AWS's")
        return parsed

    def _redirect(self, response: dict[str, Any], shape: Any) -> dict[str, Any]:
        status = response["status_code"]
        try:
            said = self._inner.parse({**response, "status_code": max(status, 301)}, shape).get("Error") or {}
            code, message = said.get("Code"), said.get("Message")
        except (ResponseParserError, ValueError, TypeError, LookupError, AttributeError):
            code = message = None
        headers = {name.lower(): value for name, value in response["headers"].items()}
        # Without the path: it may hold what somebody signed in with.
        host = _LOCATION.match(headers.get("location", ""))
        place = f" to {host[1]}" if host else ""
        region = headers.get("x-amz-bucket-region", "")
        lies = f" The bucket lies in {region}." if re.fullmatch(r"[\w-]+", region) else ""
        named = code if isinstance(code, str) and re.fullmatch(r"[A-Za-z]+", code) else ""
        quoted = f" It said: {message}" if named and isinstance(message, str) and message else ""
        sentence = (
            f"{operation_of(response)} was redirected{place} (status {status}). Nobody followed: a signature is for "
            "where it was asked. Check endpoint_url and the proxy, and whether the network wants a sign-in."
            f"{lies}{quoted}"
        )
        metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers}
        return {"Error": {"Code": named or "Redirected", "Message": sentence}, "ResponseMetadata": metadata}


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether a value is nested deeper than that. Never by recursion."""
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


class Parsers(ResponseParserFactory):  # type: ignore[misc]  # botocore publishes no types
    """One parser of each protocol, for all threads.

    Args:
        settings: of botocore's parsers, such as `timestamp_parser`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.set_parser_defaults(**settings)
        self._made = {
            "ec2": Parser(EC2Answers(**settings)),
            "json": Parser(JsonAnswers(**settings)),
            "query": Parser(QueryAnswers(**settings)),
            "rest-json": Parser(RestJsonAnswers(**settings)),
            "rest-xml": Parser(RestXmlAnswers(**settings)),
        }

    def create_parser(self, protocol_name: str) -> Parser:
        """The parser of a protocol.

        Raises:
            ValueError: nobody has said how to tell an answer in it from anything else.
        """
        parser = self._made.get(protocol_name)
        if parser is None:
            raise ValueError(f"resources/aws/fast/parsers.py has no parser of the protocol {protocol_name}.")
        return parser
