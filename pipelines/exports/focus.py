"""The bill in the words of FOCUS, as Parquet."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.exports.files import ExportedFile, published_name, replaced, scopes
from pipelines.exports.parquet import write_relation
from pipelines.exports.relations import read_relations

if TYPE_CHECKING:
    from resources.store.store import Store

RELATIONS = {"1.2": "cost.focus_cost_and_usage"}
"""The view of each version of FOCUS."""


def export_focus(folder: Path, store: "Store", version: str) -> list[ExportedFile]:
    """Write the view of this version of FOCUS as `cost.focus_cost_and_usage/data_0.parquet`.

    Raises:
        ExportError: the folder cannot be written to, or holds something else. What was there is unchanged.
        WarehouseError: nothing is published yet.
    """
    name = RELATIONS[version]
    described = {"format": "focus", "version": version}
    with replaced(folder, described) as part, store.exporting(part) as connection:
        described["published"] = published_name(connection)
        scope = scopes(connection).get(name)
        (relation,) = (relation for relation in read_relations(connection) if relation.name == name)
        rows = write_relation(connection, part, relation, scope)
    return [ExportedFile.of(folder / name, rows, scope)]
