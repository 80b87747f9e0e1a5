"""Many rows in one statement: a JSON array in a bound parameter, read by DuckDB as rows of the types that are named."""

import json
from collections.abc import Mapping

from resources.store.sql import literal


def json_rows(columns: Mapping[str, str]) -> str:
    """A query of the objects in the parameter `$rows`, a JSON array, each as a struct called `row`.

    Row by row, what a large organisation writes in a step takes seconds.

    Args:
        columns: DuckDB's type of each, by name.
    """
    return f"select unnest(from_json($rows::json, {literal(json.dumps([dict(columns)]))})) as row"
