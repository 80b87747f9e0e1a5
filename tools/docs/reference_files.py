"""The page of the reference files, `docs/reference/reference-files.md`: generated from their schema and SQL headers.

`python -m tools.docs.reference_files` writes it, `--check` fails when it is stale.
"""

import sys

from pipelines.models.reference_guide import guide
from pipelines.settings import REPOSITORY
from tools.docs.dictionary import settle

PAGE = REPOSITORY / "docs" / "reference" / "reference-files.md"

INTRODUCTION = """# Reference files

Generated from `pipelines/reference_schema.py` and the headers of `warehouse/ref/*.sql` by `make docs`; do not edit.

What only your organisation knows is in a folder of your own, which `CMDB_REFERENCE` names; [how to begin
it](../howto/reference-files.md). A file that is absent there means that you have none of these. Text is UTF-8, cells
are separated by commas, and the header is exactly the columns below. `cmdb reference check` names file, line and column
of everything that no run could read, and every run checks the same before its first request.

"""


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` say whether it is current."""
    return settle(PAGE, INTRODUCTION + guide(), "docs/reference/reference-files.md", check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
