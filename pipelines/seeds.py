"""Seeds that the collection itself goes by. All others are read by their SQL files alone."""

import csv
from pathlib import Path

from pipelines.cost import TagKey
from pipelines.settings import WAREHOUSE_FOLDER


def tag_keys(folder: Path = WAREHOUSE_FOLDER / "ref") -> tuple[TagKey, ...]:
    """The keys of `ref.tag_key`: from the file, since the bill is asked before the table is built."""
    with (folder / "tag_key.csv").open(encoding="utf-8", newline="") as file:
        return tuple(TagKey(row["tag_key"], row["is_cut_by_service"] == "true") for row in csv.DictReader(file))
