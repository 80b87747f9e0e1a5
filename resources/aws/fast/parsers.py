"""Faster parsers of the protocols that most responses of a run use."""

from typing import Any

from resources.aws.fast.json_parser import FastJsonParser
from resources.aws.fast.xml_parser import FastXmlParser
from resources.aws.response_parsers import Parsers
from resources.aws.responses import BodyParser

PROTOCOLS = ("ec2", "json", "query")


class FastParsers(Parsers):
    """One parser per protocol, shared by all threads; those of `PROTOCOLS` have one reader per shape.

    Args:
        settings: of botocore's parsers, such as `timestamp_parser`.
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        super().__init__(**settings)

    def body_parser(self, protocol: str, strict: BodyParser) -> BodyParser:
        """The parser of a protocol's bodies."""
        if protocol == "json":
            return FastJsonParser(strict, **self._settings)
        if protocol in PROTOCOLS:
            return FastXmlParser(strict, is_ec2=protocol == "ec2", **self._settings)
        return strict
