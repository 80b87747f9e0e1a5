"""The parsers of the protocols that a night's many responses come in, quicker than the strict ones."""

from typing import Any

from resources.aws.fast.json_parser import FastJsonParser
from resources.aws.fast.xml_parser import FastXmlParser
from resources.aws.response_parsers import Parsers
from resources.aws.responses import BodyParser

PROTOCOLS = ("ec2", "json", "query")


class FastParsers(Parsers):
    """One parser of each protocol, for all threads; those of `PROTOCOLS` have a reader for each shape.

    Args:
        settings: of botocore's parsers, such as `timestamp_parser`.
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        super().__init__(**settings)

    def body_parser(self, protocol: str, strict: BodyParser) -> BodyParser:
        """What reads the bodies of a protocol."""
        if protocol == "json":
            return FastJsonParser(strict, **self._settings)
        if protocol in PROTOCOLS:
            return FastXmlParser(strict, is_ec2=protocol == "ec2", **self._settings)
        return strict
