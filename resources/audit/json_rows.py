"""Many rows in one statement: DuckDB reads a JSON array in a bound parameter as rows of given types."""

import json
from collections.abc import Mapping

from resources.store.sql import literal


def json_rows(columns: Mapping[str, str]) -> str:
    """A query of the objects in the parameter `$rows`, a JSON array, each as a struct called `row`.

    Inserted row by row, the rows of a large organisation take seconds in each step.

    Args:
        columns: DuckDB's type of each column, by name.
    """
    return f"select unnest(from_json($rows::json, {literal(json.dumps([dict(columns)]))})) as row"
