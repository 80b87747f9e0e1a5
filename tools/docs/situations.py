"""The page of ordinary situations, `docs/concepts/situations.md`: generated from the table that the tests run.

`python -m tools.docs.situations` writes it, `--check` fails when it is stale.
"""

import csv
import sys

from pipelines.settings import REPOSITORY
from tools.docs.dictionary import settle

PAGE = REPOSITORY / "docs" / "concepts" / "situations.md"

TABLE = REPOSITORY / "tests" / "situations.csv"

INTRODUCTION = """# Ordinary situations

Generated from `tests/situations.csv` by `make docs`; do not edit.

What a run does in the situations of a real organisation: whether the first run publishes, what is published then, the
words that name the gap, and what to do. Then the next run publishes. `tests/test_situations.py` runs each row as a
simulated organisation of its own, over at least two runs.

| situation | first run | what is published | words | what to do |
| --- | --- | --- | --- | --- |
"""


def table() -> str:
    """The rows of the table as Markdown."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        rows = [
            (row["situation"], row["first_run"], row["published"], _words(row["words"]), row["to_do"])
            for row in csv.DictReader(file)
        ]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def _words(text: str) -> str:
    """Fragments of sentences, such as the account that one names; code marks of their own are left out."""
    fragments = [
        part.replace("`", "").replace("{account}", "its id").replace("{payer}", "PAYER")
        for part in text.split("|")
        if part
    ]
    return " … ".join(f"“{part}”" for part in fragments) or "–"


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` say whether it is current."""
    return settle(PAGE, INTRODUCTION + table(), "docs/concepts/situations.md", check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
