"""The index of all questions that the documentation answers, `docs/questions/README.md`: generated from its pages.

`python -m tools.docs.questions` writes it, `--check` fails when it is stale.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.settings import REPOSITORY
from tools.docs.dictionary import settle

FOLDER = REPOSITORY / "docs" / "questions"
INDEX = FOLDER / "README.md"

INTRODUCTION = """# Questions that people ask

Generated from the pages beside it by `make docs`; do not edit. Each question stands on its page with the query that
answers it from the published file, and a test runs every one. New here? [Ten minutes for an
analyst](../tutorial/analyst.md).
"""


@dataclass(frozen=True)
class Question:
    """A question of a page.

    Attributes:
        heading: as it stands, with its number.
        sql: the query that answers it; empty where the page has none.
    """

    heading: str
    sql: str

    @property
    def anchor(self) -> str:
        """What leads to the heading: small letters, hyphens for blanks, no other punctuation."""
        return re.sub(r"[^\w\- ]", "", self.heading.lower()).replace(" ", "-")


def questions_of(page: Path) -> Iterator[Question]:
    """Every question of a page, in order."""
    for part in re.split(r"^### ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        yield Question(part.partition("\n")[0].strip(), part.partition("```sql\n")[2].partition("```")[0])


def pages(folder: Path = FOLDER) -> list[Path]:
    """The pages of questions, by name."""
    return [path for path in sorted(folder.glob("*.md")) if path.name != INDEX.name]


def index(folder: Path = FOLDER) -> str:
    """The index as Markdown."""
    lines = [INTRODUCTION]
    for page in pages(folder):
        title = page.read_text(encoding="utf-8").partition("\n")[0].removeprefix("# ")
        lines.append(f"## [{title}]({page.name})\n")
        lines += [f"- [{asked.heading}]({page.name}#{asked.anchor})" for asked in questions_of(page)]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def main(arguments: list[str]) -> int:
    """Write the index, or with `--check` say whether it is current."""
    return settle(INDEX, index(), "docs/questions/README.md", check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
