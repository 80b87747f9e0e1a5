"""All questions that the documentation answers, generated from its pages.

Their index is `docs/questions/README.md`; the prompts of `cmdb mcp` are a file of its own, since the pages are not
installed. `python -m tools.docs.questions` writes both, `--check` fails when one is stale.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.settings import REPOSITORY
from tools.docs.dictionary import settle

FOLDER = REPOSITORY / "docs" / "questions"
INDEX = FOLDER / "README.md"
PROMPTS = REPOSITORY / "pipelines" / "cli" / "mcp" / "questions.json"

INTRODUCTION = """# Questions that people ask

Generated from the pages beside it by `make docs`; do not edit. Each question stands on its page with the query that
answers it from the published file, and a test runs every one. Run each with `cmdb sql QUERY`; the [data
dictionary](../reference/dictionary.md) has every table and column. New here? [Ten minutes for an
analyst](../tutorial/analyst.md).
"""


@dataclass(frozen=True)
class Question:
    """A question of a page.

    Attributes:
        heading: as it stands, with its number.
        sql: the query that answers it; empty where the page has none.
        remarks: what the page says between the two, as one paragraph of text without links.
    """

    heading: str
    sql: str
    remarks: str = ""

    @property
    def anchor(self) -> str:
        """What leads to the heading: small letters, hyphens for blanks, no other punctuation."""
        return re.sub(r"[^\w\- ]", "", self.heading.lower()).replace(" ", "-")


def questions_of(page: Path) -> Iterator[Question]:
    """Every question of a page, in order."""
    for part in re.split(r"^### ", page.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
        heading, _, text = part.partition("\n")
        remarks = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", " ".join(text.partition("```sql\n")[0].split()))
        yield Question(heading.strip(), part.partition("```sql\n")[2].partition("```")[0], remarks)


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


def prompts(folder: Path = FOLDER) -> str:
    """The questions with their queries as JSON."""
    found = []
    for page in pages(folder):
        for asked in questions_of(page):
            number, _, heading = asked.heading.partition(". ")
            found.append(
                {
                    "page": page.stem,
                    "number": int(number),
                    "heading": heading,
                    "remarks": asked.remarks,
                    "sql": asked.sql,
                }
            )
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Write both, or with `--check` say whether they are current."""
    check = "--check" in arguments
    stale = settle(INDEX, index(), "docs/questions/README.md", check=check)
    return settle(PROMPTS, prompts(), "pipelines/cli/mcp/questions.json", check=check) or stale


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
