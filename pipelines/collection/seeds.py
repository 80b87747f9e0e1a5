"""Seeds that the collection itself reads. Only SQL files read all others."""

import csv
from pathlib import Path

from pipelines import reference
from pipelines.collection.cost_slices import SERVICE, Dimension, Slice, TagKey, slices
from pipelines.settings import WAREHOUSE_FOLDER
from resources import release


def tag_keys(own: Path | None) -> tuple[TagKey, ...]:
    """The keys of `ref.tag_key`, from the CSV file, since the bill is requested before the table is built.

    Args:
        own: the folder of the organisation's own reference files (`Settings.reference`).

    Raises:
        ReferenceFileError: a reference file cannot be used.
    """
    rows = reference.rows(own, "tag_key")
    return tuple(TagKey(row["tag_key"], row["is_cut_by_service"] == "true") for row in rows)


def cost_dimensions() -> tuple[Dimension, ...]:
    """The rows of `ref.cost_slice`, in their order.

    Raises:
        ProductFileError: the first row is not the slice by service, with which all others must agree.
    """
    rows = _rows("cost_slice", "slice", "dimension", "is_probed")
    found = tuple(Dimension(row["slice"], row["dimension"], row["is_probed"] == "true") for row in rows)
    if not found or (found[0].slice, found[0].name) != (SERVICE.name, "SERVICE"):
        raise release.ProductFileError(
            "warehouse/ref/cost_slice.csv does not begin with the slice service, with which all others must agree. "
            "Nothing was requested. Put the row `service,SERVICE,false,…` first."
        )
    return found


def every_slice(own: Path | None) -> tuple[Slice, ...]:
    """Every slice of the bill by `ref.cost_slice` and `ref.tag_key`, in the order in which they are requested.

    Args:
        own: the folder of the organisation's own reference files (`Settings.reference`).
    """
    return slices(cost_dimensions(), tag_keys(own))


def services_of_listings() -> tuple[str, ...]:
    """The billing services of `ref.service_listing` that map to their listings without doubt."""
    rows = _rows("service_listing", "service", "is_witness")
    return tuple(dict.fromkeys(row["service"] for row in rows if row["is_witness"] == "true"))


def _rows(name: str, *columns: str) -> list[dict[str, str]]:
    """The rows of a seed.

    Raises:
        ProductFileError: the file is missing, or lacks one of the columns. An empty file is an error too, not a seed
            without rows.
    """
    release.require("warehouse/ref")
    with (WAREHOUSE_FOLDER / "ref" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        lacking = [column for column in columns if column not in (reader.fieldnames or ())]
        if lacking:
            raise release.ProductFileError(
                f"warehouse/ref/{name}.csv lacks the column(s) {', '.join(lacking)}. Nothing was requested. Begin it "
                "with a line of its column names."
            )
        return list(reader)
