"""Versions: what one DuckDB publishes is read by the others, each installed beside the product and run by itself."""

import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

from faults.ground import DATABASE, shown
from faults.report import Shown
from pipelines.demo import simulated

VERSIONS = ("1.4.4", "1.5.5", "2.0.1")

READ = """
import sys, duckdb
connection = duckdb.connect()
# Under a name of its own: to 1.4 a file called cmdb with a schema cmdb in it is ambiguous.
connection.execute("attach '" + sys.argv[1] + "' as dataset (read_only)")
connection.execute("use dataset")
relations = connection.execute(
    "select schema_name, view_name from duckdb_views() where database_name = 'dataset' and not internal union all "
    "select schema_name, table_name from duckdb_tables() where database_name = 'dataset' order by all"
).fetchall()
rows = 0
for schema, name in relations:
    try:
        rows += len(connection.execute(f'from "{schema}"."{name}"').fetchall())
    except duckdb.Error as error:
        sys.exit(f"{schema}.{name}: {error}")
print(len(relations), rows)
"""


def run(scratch: Path, deadline: float) -> list[Shown]:
    """Read a published night with each version."""
    scratch.mkdir(parents=True)
    database = scratch / DATABASE
    answers: dict[str, str] = {}

    def publish() -> str:
        with simulated(os.environ) as (_, environment):
            _do([sys.executable, "-m", "pipelines.cli", "nightly"], environment | {"CMDB_DATABASE": str(database)})
        return f"{database.stat().st_size / 1e6:.1f} MB"

    def read(version: str) -> str:
        folder = scratch / version
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
        _do([*install, f"duckdb=={version}"], dict(os.environ))
        found = _do([sys.executable, "-c", READ, str(database)], os.environ | {"PYTHONPATH": str(folder)})
        answers[version] = found
        relations, rows = found.split()
        if len(set(answers.values())) > 1:
            raise AssertionError(f"the versions read differently: {answers}")
        return f"{relations} tables and views, {int(rows):,} rows"

    cases = [shown("versions", "a night is published", "it is there", publish)]
    for version in VERSIONS:
        if not cases[0].passed or time.monotonic() > deadline:
            why = "no night was published" if not cases[0].passed else "no time was left"
            cases.append(Shown("versions", f"DuckDB {version}", "it reads every table and view", skipped=why))
            continue
        cases.append(shown("versions", f"DuckDB {version}", "it reads every table and view", partial(read, version)))
    return cases


def _do(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr or done.stdout).strip()[-600:])
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
