"""What a parser found in the queries that this release ships: `query_facts.json`, which `make docs` writes.

A run parses no query then: the parser and its trees would take some 90 MB of it for the whole night, and a second of
each start. What is kept counts for the very same texts only; of others `query_facts` parses.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("query_facts.json")


@dataclass(frozen=True)
class Facts:
    """The file.

    Attributes:
        models: digest of the queries of all models, for which `lineage` and `record_rules` count.
        reads: relations, listings and cuts of the bill that a query reads, by the digest of its text.
        lineage: by relation and column, each source as `schema/table column`.
        record_rules: what the tables need of the records of each listing, as `query_facts` writes it.
    """

    models: str = ""
    reads: Mapping[str, tuple[list[str], list[str], list[str]]] = field(default_factory=dict)
    lineage: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict)
    record_rules: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


_READ: list[Facts] = []


def facts() -> Facts:
    """The facts of this release; none where the file is missing, which costs time and memory alone."""
    if not _READ:
        try:
            _READ.append(Facts(**json.loads(FILE.read_text(encoding="utf-8"))))
        except FileNotFoundError:
            forget()
    return _READ[0]


def forget() -> None:
    """Let nothing that is kept count in this process: everything is parsed, for whoever writes the file."""
    _READ[:] = [Facts()]


def digest(*texts: str) -> str:
    """What tells texts apart: the beginning of their SHA-256."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]
