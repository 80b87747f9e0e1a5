"""Makes untrusted text harmless where it is shown: terminals, files, spreadsheets, Markdown, JSON.

Whoever may tag a resource or refuse a request writes names, tags and error sentences. Stored rows keep such text as it
is; only displayed text goes through here. The module imports nothing of the product, so every place can use it.
"""

import json
import re
import unicodedata
from typing import Any

HIDDEN = frozenset({"Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"})
"""Unicode categories of characters that move a cursor, reverse the text around them, or are invisible."""

FORMULA = tuple("=+-@＝＋－＠﹢﹣﹦﹫")
"""Characters that make a spreadsheet read a cell as a formula, also after leading spaces."""

BLANK = "\t\r\n"
"""Characters that some spreadsheets drop from the start of a cell, or treat as the cell's end."""

_NOT_ASCII_PRINTABLE = re.compile(r"[^ -~]")
_JOINER = "\u200d"
_ACTIVE = re.compile(r"[\\\[]")
_ADDRESS = re.compile(r"(?<=[A-Za-z]):(?=//)|(?<=www)(?=\.)|(?<=[\w.+-])(?=@)", re.IGNORECASE)


def plain(value: object, longest: int | None = None, *, lines: bool = False) -> str:
    """A value as one line of text, in which every hidden or reversing character is replaced by its code point.

    Args:
        value: anything.
        longest: maximum length in characters; None for no limit.
        lines: whether line feeds stay, for text that has several lines.
    """
    text = str(value)
    if _NOT_ASCII_PRINTABLE.search(text):
        text = "".join(character if _is_plain(character, lines) else _code_point(character) for character in text)
    return text if longest is None or len(text) <= longest else f"{text[: longest - 1]}…"


def _is_plain(character: str, lines: bool) -> bool:
    return (lines and character == "\n") or unicodedata.category(character) not in HIDDEN


def _code_point(character: str) -> str:
    # The joiner merges several emoji into one; without it they appear side by side.
    return "" if character == _JOINER else f"⟨U+{ord(character):04X}⟩"


def as_json(facts: Any, **how: Any) -> str:
    """JSON whose strings hold no terminal control characters; programs read the same values."""
    text = json.dumps(facts, indent=2, default=str, ensure_ascii=False, **how)
    return "".join(
        character if character == "\n" or unicodedata.category(character) not in HIDDEN else _escape(character)
        for character in text
    )


def _escape(character: str) -> str:
    return json.dumps(character)[1:-1]


def as_markdown(text: str) -> str:
    """Text for places where Dagster renders Markdown: it yields no link, image or element and stays readable.

    Dagster's Markdown links every bare address, so a space breaks an address without making it unreadable.
    """
    label = plain(text).replace("&", "&amp;").replace("<", "&lt;")
    return _ADDRESS.sub(lambda found: f"{found.group()} ", _ACTIVE.sub(lambda found: f"\\{found.group()}", label))


def as_csv_cell(text: str) -> str:
    """A CSV cell that no spreadsheet evaluates: an apostrophe stands before text that would become a formula."""
    first = next((one for one in text if not one.isspace() and unicodedata.category(one) not in HIDDEN), "")
    return f"'{text}" if text and (text[0] in BLANK or first in FORMULA) else text
