"""Prints whether DuckDB is loaded as a command begins, its allocator's setting, and whether a parser was loaded."""

import os
import sys

import click

from pipelines.cli.main import main
from pipelines.freed_memory import DUCKDB_ALLOCATOR


@click.command
def left() -> None:
    """Build the definitions as a run does, and read what the report reads."""
    print("duckdb" in sys.modules, os.environ.get(DUCKDB_ALLOCATOR))
    from pipelines.loading import loading

    with loading():
        from pipelines.definitions import build_defs
        from pipelines.models.sql_files import reads
        from pipelines.report.figures import read_queries

        build_defs({})
        for figure in read_queries():
            reads(figure.sql)
    print("sqlglot" in sys.modules)


main.modules = {"left": __name__}
main(["left"])
