"""How the text of a variable becomes the value of a setting. A text that cannot be used is a ValueError."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field

from resources.contract import Role
from resources.identity_rules import CENTRAL_ROLES
from resources.installation import WORKING_FOLDER


def from_text(parse: Callable[[str], Any]) -> BeforeValidator:
    """A validator that parses a variable's text; a value that code passes in stays as it is."""
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


def words(text: str) -> tuple[str, ...]:
    """Words that commas separate, at least one."""
    found = tuple(word.strip() for word in text.split(",") if word.strip())
    if not found:
        raise ValueError(text)
    return found


def folder(text: str) -> Path:
    """The path of a folder; a relative one is in the working folder."""
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        # The path names the home folder of a user that this machine does not know.
        raise ValueError(text) from error
    return path if path.is_absolute() else WORKING_FOLDER / path


def database(text: str) -> Path:
    """The path of a DuckDB file; a relative one is in the working folder."""
    path = folder(text)
    if path.suffix != ".duckdb":
        raise ValueError(text)
    return path


def pairs(text: str) -> frozenset[frozenset[Role]]:
    """Pairs of central roles, such as `management+billing`, that commas separate."""
    found: set[frozenset[Role]] = set()
    for word in words(text):
        named = [part.strip() for part in word.split("+")]
        pair = frozenset(role for role in CENTRAL_ROLES if role in named)
        if len(named) != 2 or len(pair) != 2:
            raise ValueError(word)
        found.add(pair)
    return frozenset(found)


@dataclass(frozen=True)
class ExportPlace:
    """Where AWS Data Exports delivers an export: the folder that holds its `data` and `metadata`."""

    bucket: str
    folder: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.folder}"


def export_place(text: str) -> ExportPlace:
    """The folder that `s3://BUCKET/PREFIX/EXPORT` names."""
    found = re.fullmatch(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/([^*?\s]+?)/?", text)
    if found is None or "" in found[2].split("/"):
        raise ValueError(text)
    return ExportPlace(*found.groups())


def address(text: str) -> str:
    """An address, or several, of a server; what is special in its password has to be escaped."""
    for one in re.split(";(?=[a-z]+://)", text):
        parts = urlsplit(one)
        login, _, hosts = parts.netloc.rpartition("@")
        # Each raises a ValueError where it has a port that is no number.
        _ = [urlsplit(f"//{host}").port for host in hosts.split(",")]
        if "@" in f"{login}{parts.path}{parts.query}{parts.fragment}" or re.search("%(?![0-9A-Fa-f]{2})", one):
            raise ValueError("what is special in its password is not escaped")
    return text


def without_slash(text: str) -> str:
    """An address without the `/` at its end: with and without it the same is meant."""
    return text.rstrip("/")


def yes(text: str) -> bool:
    """Whether the text is yes; else it must be no."""
    if text.lower() not in ("yes", "no"):
        raise ValueError(text)
    return text.lower() == "yes"


def cron(text: str) -> str:
    """A cron line that some day fulfils."""
    # Imported here, so that only processes with a schedule in their environment load it.
    from croniter import croniter

    if len(text.split()) != 5 or not croniter.is_valid(text):
        raise ValueError(text)
    days, months = croniter.expand(text)[0][2:4]
    if months == [2] and days in ([30], [31]):
        raise ValueError(text)
    return text


def timezone(text: str) -> str:
    """The name of a time zone that this machine knows."""
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise ValueError(text) from error
    return text


Account = Annotated[str, Field(pattern="^[0-9]{12}$")]
Region = Annotated[str, Field(pattern="^[a-z0-9-]*[a-z][a-z0-9-]*-[0-9]+$")]
Whole = Annotated[int, from_text(int)]
Words = Annotated[tuple[str, ...], from_text(words)]
