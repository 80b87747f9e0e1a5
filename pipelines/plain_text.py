"""Text that others wrote, made harmless for where it is shown: terminals, files, spreadsheets, Markdown, JSON.

Names, tags and error sentences are written by whoever may tag or refuse. Stored rows keep them as they are; only what
is shown goes through here. Depends on nothing, so that every place that shows text can use it.
"""

import json
import re
import unicodedata
from typing import Any

HIDDEN = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})
"""Categories of Unicode that move a cursor, turn their neighbours round, or cannot be seen."""

FORMULA = tuple("=+-@＝＋－＠﹢﹣﹦﹫")
"""What a spreadsheet takes the rest of a cell for a formula after, also where space stands before it."""

BLANK = "\t\r\n"
"""What some spreadsheets drop from the front of a cell, or take for the end of it."""

_NOT_ASCII_PRINTABLE = re.compile(r"[^ -~]")
_JOINER = "\u200d"
_ACTIVE = re.compile(r"[\\\[]")
_ADDRESS = re.compile(r"(?<=[A-Za-z]):(?=//)|(?<=www)(?=\.)|(?<=[\w.+-])(?=@)", re.IGNORECASE)


def plain(value: object, longest: int | None = None, *, lines: bool = False) -> str:
    """A value as one line of text: what would hide or turn round its neighbours stands as its code point.

    Args:
        value: anything.
        longest: cut after so many characters; never where it is None.
        lines: whether line feeds stay, for text that has lines of its own.
    """
    text = str(value)
    if _NOT_ASCII_PRINTABLE.search(text):
        text = "".join(character if _is_plain(character, lines) else _code_point(character) for character in text)
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"


def _is_plain(character: str, lines: bool) -> bool:
    return (lines and character == "\n") or unicodedata.category(character) not in HIDDEN


def _code_point(character: str) -> str:
    # The joiner makes one picture of several; without it they stand side by side.
    return "" if character == _JOINER else f"⟨U+{ord(character):04X}⟩"


def as_json(facts: Any, **how: Any) -> str:
    """JSON whose strings hold nothing that a terminal would obey; programs read the same values."""
    text = json.dumps(facts, indent=2, default=str, ensure_ascii=False, **how)
    return "".join(
        character if character == "\n" or unicodedata.category(character) not in HIDDEN else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    return json.dumps(character)[1:-1]


def as_markdown(text: str) -> str:
    """Text for where Dagster shows Markdown: no link, picture or element comes of it, and little of it changes.

    An address stays readable, and a space keeps it from becoming a link: Dagster's Markdown links every bare one.
    """
    told = plain(text).replace("&", "&amp;").replace("<", "&lt;")
    return _ADDRESS.sub(lambda found: f"{found.group()} ", _ACTIVE.sub(lambda found: f"\\{found.group()}", told))


def as_csv_cell(text: str) -> str:
    """A cell of a CSV that no spreadsheet runs: an apostrophe stands before what it would take for a formula."""
    first = next((one for one in text if not one.isspace() and unicodedata.category(one) not in HIDDEN), "")
    return f"'{text}" if text and (text[0] in BLANK or first in FORMULA) else text
