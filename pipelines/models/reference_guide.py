"""What each reference file of an organisation holds, as Markdown: for its folder's README, and for the documentation.

The columns are those of `pipelines.reference_schema.FILES`. The header of the table's SQL defines each of them, once.
"""

from pipelines.models.sql_files import Header, read_header
from pipelines.reference_schema import FILES, ReferenceFile, Use

WITHOUT: dict[Use, str] = {
    "own": "Without this file the table has no row.",
    "rows": "The product ships rows. A row of yours takes the place of the shipped row with the same key; write only "
    "what differs.",
    "whole": "The product ships rows. This file takes the place of all of them.",
}
"""What holds where a file is absent, or adds to what is shipped."""


def guide() -> str:
    """A section for each file: what it is, its columns, which of them must be filled, and what a cell may hold."""
    return "\n\n".join(_section(file) for file in FILES.values()) + "\n"


def _section(file: ReferenceFile) -> str:
    header = read_header(file.shipped.with_suffix(".sql").read_text(encoding="utf-8"))
    lines = [
        f"## {file.name}.csv",
        "",
        f"{_first_sentence(header)} {WITHOUT[file.use]} Table: `ref.{file.name}`. Key: {', '.join(file.key)}.",
        "",
        "| column | must be filled | takes | what it is |",
        "| --- | --- | --- | --- |",
    ]
    lines += [
        f"| `{column.name}` | {'yes' if column.is_required else 'no'} | {column.expects} | "
        f"{header.entries[column.name]} |"
        for column in file.columns
    ]
    return "\n".join(lines)


def _first_sentence(header: Header) -> str:
    """Up to the sentence that says where the table is read from, which the page says itself."""
    text = header.description
    for begin in ("Read from ", "Seed: "):
        text = text.partition(begin)[0]
    return text.strip()
