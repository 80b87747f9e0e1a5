"""The parsers of AWS's answers: botocore's, those of XML and JSON with a reader for each shape."""

from typing import Any

from botocore.parsers import ResponseParserFactory

from resources.json_answers import JsonAnswers
from resources.xml_answers import EC2Answers, QueryAnswers


class Parsers(ResponseParserFactory):  # type: ignore[misc]  # botocore publishes no types
    """One parser of each protocol, for all threads.

    Args:
        settings: of botocore's parsers, such as `timestamp_parser`.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__()
        self.set_parser_defaults(**settings)
        self._made: dict[str, Any] = {
            "ec2": EC2Answers(**settings),
            "json": JsonAnswers(**settings),
            "query": QueryAnswers(**settings),
        }

    def create_parser(self, protocol_name: str) -> Any:
        """The parser of a protocol."""
        parser = self._made.get(protocol_name)
        if parser is None:
            parser = self._made[protocol_name] = super().create_parser(protocol_name)
        return parser
