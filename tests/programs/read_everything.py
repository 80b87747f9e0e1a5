"""Prints of every table and view how many rows it has and what they hash to. Usage: read_everything.py DATABASE

It runs with any DuckDB that is found first, and needs nothing else.
"""

from __future__ import annotations

import hashlib
import json
import sys

import duckdb


def contents(database: str) -> dict[str, tuple[int, str]]:
    """Rows and hash of every table and view."""
    connection = duckdb.connect()
    # What takes long would write its progress where the answer is read.
    connection.execute("set enable_progress_bar = false")
    # A long union as it stands in stage.observed_resource loses rows in 1.4 where their order is kept.
    connection.execute("set preserve_insertion_order = false")
    # Under a name of its own, which the query below looks for whatever the file is called.
    connection.execute(f"attach '{database}' as dataset (read_only)")
    connection.execute("use dataset")
    connection.execute("set TimeZone = 'UTC'")
    relations = connection.execute(
        "select schema_name, view_name from duckdb_views() where database_name = 'dataset' and not internal union all "
        "select schema_name, table_name from duckdb_tables() where database_name = 'dataset' order by all"
    ).fetchall()
    found = {}
    for schema, name in relations:
        try:
            # As JSON, which every version writes alike: as text a struct or a map is quoted by some and not by others.
            rows = connection.execute(f'select to_json(whole)::varchar from "{schema}"."{name}" as whole').fetchall()
        except duckdb.Error as error:
            sys.exit(f"{schema}.{name}: {error}")
        text = "\n".join(sorted(row for (row,) in rows))
        found[f"{schema}.{name}"] = (len(rows), hashlib.sha256(text.encode()).hexdigest())
    return found


if __name__ == "__main__":
    print(json.dumps(contents(sys.argv[1])))
