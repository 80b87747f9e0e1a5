"""Names shortened to the width that a chart has for them, without cutting a character in two.

The drawing library cuts a label by UTF-16 units: it may halve an emoji, and then no chart is drawn at all.
"""

import unicodedata
from collections.abc import Iterator, Sequence

_JOINER = "\u200d"
_SELECTORS = f"\ufe0f{_JOINER}"


def shortened(name: str, widest: int) -> str:
    """A name, or its beginning with an ellipsis.

    Args:
        widest: in the width of a small letter; capitals take 1.4 of it, emoji and Chinese characters two.
    """
    if _width(name) <= widest:
        return name
    return f"{_beginning([*_characters(name)], widest - 1)}…"


def labels(names: Sequence[str], widest: int) -> dict[str, str]:
    """The label of each name: shortened, and no two alike.

    Names that begin alike keep their ends; those that end alike too are numbered.
    """
    cut = {name: shortened(name, widest) for name in names}
    labelled: dict[str, str] = {}
    # What needs no cut keeps its name, whatever it resembles.
    for name in sorted(cut, key=lambda name: cut[name] != name):
        label = cut[name]
        if label != name and [*cut.values()].count(label) > 1:
            characters = [*_characters(name)]
            end = _beginning(characters[::-1], widest // 2, backwards=True)
            label = f"{_beginning(characters, widest - 1 - widest // 2)}…{end}"
        number, free = 2, label
        while free in labelled.values():
            mark = f" ({number})"
            number, free = number + 1, f"{shortened(label, widest - len(mark))}{mark}"
        labelled[name] = free
    return {name: labelled[name] for name in cut}


def _beginning(characters: Sequence[str], widest: float, *, backwards: bool = False) -> str:
    kept: list[str] = []
    for character in characters:
        widest -= _width(character)
        if widest < 0:
            break
        kept.append(character)
    return "".join(reversed(kept) if backwards else kept)


def _width(text: str) -> float:
    return sum(_width_of(letter) for letter in text)


def _width_of(letter: str) -> float:
    if unicodedata.combining(letter) or letter in _SELECTORS:
        return 0
    if unicodedata.east_asian_width(letter) in "WF" or letter in "MW@%":
        return 2
    return 1.4 if letter.isupper() else 1


def _characters(text: str) -> Iterator[str]:
    """The text by the characters that a reader counts: with accents, skin colours and joined emoji; flags are pairs."""
    whole = ""
    for letter in text:
        is_half_flag = _is_flag_letter(letter) and len(whole) == 1 and _is_flag_letter(whole)
        if whole and (is_half_flag or whole.endswith(_JOINER) or _continues(letter)):
            whole += letter
            continue
        if whole:
            yield whole
        whole = letter
    if whole:
        yield whole


def _continues(letter: str) -> bool:
    is_skin_colour = "\U0001f3fb" <= letter <= "\U0001f3ff"
    return letter in _SELECTORS or is_skin_colour or unicodedata.category(letter) in ("Mn", "Me", "Mc")


def _is_flag_letter(letter: str) -> bool:
    return "\U0001f1e6" <= letter <= "\U0001f1ff"
