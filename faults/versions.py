"""Versions: what one DuckDB publishes is read by the others, each installed beside the product and run by itself."""

import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from faults.ground import DATABASE, shown
from faults.report import Shown
from pipelines.cli.simulation import simulated

VERSIONS = ("1.4.4", "1.5.5", "2.0.1")
READS_ALL = "it reads every table and view, and in them the same rows"

READ = """
import hashlib, json, sys, duckdb
connection = duckdb.connect()
# What takes long would write its progress where the answer is read.
connection.execute("set enable_progress_bar = false")
# A long union as it stands in stage.observed_resource loses rows in 1.4 where their order is kept.
connection.execute("set preserve_insertion_order = false")
# Under a name of its own, which the query below looks for whatever the file is called.
connection.execute("attach '" + sys.argv[1] + "' as dataset (read_only)")
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
    text = "\\n".join(sorted(row for (row,) in rows))
    found[f"{schema}.{name}"] = [len(rows), hashlib.sha256(text.encode()).hexdigest()]
print(json.dumps(found))
"""
"""Prints of every table and view how many rows it has and what they hash to."""

Contents = dict[str, tuple[int, str]]
"""Rows and hash of every table and view."""


def contents(printed: str | bytes) -> Contents:
    """What `READ` has printed."""
    return {name: (rows, hashed) for name, (rows, hashed) in json.loads(printed).items()}


def differing(one: Contents, other: Contents) -> list[str]:
    """The tables and views that two versions read otherwise, or that only one of them has."""
    return sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))


def run(scratch: Path, deadline: float) -> list[Shown]:
    """Read a published night with each version."""
    scratch.mkdir(parents=True)
    database = scratch / DATABASE
    answers: dict[str, Contents] = {}

    def publish() -> str:
        with simulated(os.environ) as (_, environment):
            _do([sys.executable, "-m", "pipelines.cli.main", "nightly"], environment | {"CMDB_DATABASE": str(database)})
        return f"{database.stat().st_size / 1e6:.1f} MB"

    def read(version: str) -> str:
        folder = scratch / version
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        _do([*install, f"duckdb=={version}"], dict(os.environ))
        found = _do([sys.executable, "-c", READ, str(database)], os.environ | {"PYTHONPATH": str(folder)})
        answers[version] = contents(found)
        first = next(iter(answers))
        if wrong := differing(answers[first], answers[version]):
            raise AssertionError(f"{version} and {first} read other rows in {', '.join(wrong)}")
        rows = sum(rows for rows, _ in answers[version].values())
        return f"{len(answers[version])} tables and views, {rows:,} rows"

    cases = [shown("versions", "a night is published", "it is there", publish)]
    for version in VERSIONS:
        if not cases[0].passed or time.monotonic() > deadline:
            why = "no night was published" if not cases[0].passed else "no time was left"
            cases.append(Shown("versions", f"DuckDB {version}", READS_ALL, skipped=why))
            continue
        cases.append(shown("versions", f"DuckDB {version}", READS_ALL, partial(read, version)))
    return cases


def _do(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr or done.stdout).strip()[-600:])
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
