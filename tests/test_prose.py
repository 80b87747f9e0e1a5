"""The pages that people write stay short: how many words there are in all, and how long their sentences.

A page is generated where its first lines say so, and so is what stands between two marks of a page. Nobody can shorten
that by writing less, and nobody reads it from end to end: it is not counted.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.docs import checks, contract, dictionary, operations, questions, reference_files, situations

REPOSITORY = Path(__file__).resolve().parent.parent
DOCS = REPOSITORY / "docs"

MOST_WORDS = 20_000
"""In all hand-written pages below docs/, code blocks left out."""

LONGEST, MEDIAN = 45, 18
"""Words of a sentence, on each page."""

GENERATED = re.compile(r"^(?:<!-- )?(?:Generated from|Written by) [^\n]*(?:\n[^\n]+)*?; do not edit", re.MULTILINE)
BLOCK = re.compile(r"<!-- (\w+):begin -->.*?<!-- \1:end -->", re.DOTALL)


def is_generated(text: str) -> bool:
    """Whether a page says of itself, before its first part, that it is generated."""
    return GENERATED.search(text.partition("\n## ")[0]) is not None


def prose(text: str) -> str:
    """What of a page a person wrote to be read: neither generated blocks nor code; a command in a line is one word."""
    text = BLOCK.sub("", text)
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"^ {4,}.*$", "", text, flags=re.MULTILINE)
    return re.sub(r"`[^`\n]+`", "`code`", text)


def words(text: str) -> int:
    """How many words are in the prose of a page: what has a letter or a digit in it."""
    return sum(any(character.isalnum() for character in word) for word in prose(text).split())


def sentences(text: str) -> Iterator[str]:
    """The sentences of a page, without code, tables, headings, quotations and addresses of links."""
    text = re.sub(r"^[|>#<!].*$", "", prose(text), flags=re.MULTILINE)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    text = re.sub(r"^\s*(?:[-*]|\d+\.) ", "\n\n", text, flags=re.MULTILINE)
    for paragraph in re.split(r"\n\s*\n", text):
        yield from (part for part in re.split(r"(?<=[.!?:])\s+(?=[A-Z`*\[])", " ".join(paragraph.split())) if part)


PAGES = {path: path.read_text(encoding="utf-8") for path in sorted(DOCS.rglob("*.md"))}
WRITTEN = {path: text for path, text in PAGES.items() if not is_generated(text)}
READ = [REPOSITORY / "README.md", REPOSITORY / contract.PAGE, *WRITTEN]
"""The words of the contract's page stand in its generator."""


def test_a_page_is_generated_where_a_generator_writes_it() -> None:
    """A mark on another page would take it out of the count."""
    written = {
        REPOSITORY / contract.PAGE,
        checks.PAGE,
        dictionary.PAGE,
        operations.PAGE,
        questions.INDEX,
        reference_files.PAGE,
        situations.PAGE,
        # What `make mutants` and `make faults` found.
        DOCS / "mutants.md",
        DOCS / "reliability.md",
    }
    assert PAGES.keys() - WRITTEN.keys() == written


def test_the_pages_that_people_write_stay_short() -> None:
    counted = {str(path.relative_to(REPOSITORY)): words(text) for path, text in WRITTEN.items()}
    longest = sorted(counted.items(), key=lambda item: -item[1])[:10]
    assert sum(counted.values()) <= MOST_WORDS, f"{sum(counted.values())} words; the longest pages: {longest}"


def test_words_are_counted_and_code_and_generated_blocks_are_not() -> None:
    code = "```sql\nselect 1\n```\n\n    select 2\n"
    page = (
        f"# A page\n\n| two | words |\n| --- | --- |\n\n{code}\n<!-- x:begin -->\na\n<!-- x:end -->\nand `one more`.\n"
    )
    assert words(page) == 6
    assert not is_generated(page)
    assert is_generated("# A\n\nGenerated from `x` and\n`y` by `make docs`; do not edit.\n")
    assert not is_generated("# A\n\nText.\n\n## B\n\nGenerated from `x`; do not edit.\n")


@pytest.mark.parametrize("page", READ, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_no_sentence_is_longer_than_a_reader_can_hold(page: Path) -> None:
    lengths = {sentence: len(sentence.split()) for sentence in sentences(page.read_text(encoding="utf-8"))}
    assert {sentence: length for sentence, length in lengths.items() if length > LONGEST} == {}
    assert statistics.median(lengths.values()) <= MEDIAN


def test_a_long_sentence_is_noticed() -> None:
    (found,) = sentences("| a | table |\n\n" + "word " * 50 + "end.\n\n```sh\ncode\n```\n")
    assert len(found.split()) == 51
