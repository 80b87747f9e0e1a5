"""Seeds that the collection itself goes by. All others are read by their SQL files alone."""

import csv

from pipelines.cost import TagKey
from pipelines.settings import WAREHOUSE_FOLDER


def tag_keys() -> tuple[TagKey, ...]:
    """The keys of `ref.tag_key`: from the file, since the bill is asked before the table is built."""
    return tuple(TagKey(row["tag_key"], row["is_cut_by_service"] == "true") for row in _rows("tag_key"))


def services_of_listings() -> tuple[str, ...]:
    """The billing services of `ref.service_listing`: those whose resources are collected."""
    return tuple(dict.fromkeys(row["service"] for row in _rows("service_listing")))


def _rows(name: str) -> list[dict[str, str]]:
    with (WAREHOUSE_FOLDER / "ref" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
