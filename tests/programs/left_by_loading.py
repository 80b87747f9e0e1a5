"""Prints whether DuckDB is loaded as a command begins, its allocator's setting, and how many nodes of trees stay."""

import gc
import os
import sys

import click

from pipelines.cli.main import main
from pipelines.freed_memory import DUCKDB_ALLOCATOR


@click.command
def left() -> None:
    """Build the definitions as a run does."""
    print("duckdb" in sys.modules, os.environ.get(DUCKDB_ALLOCATOR))
    from pipelines.loading import loading

    with loading():
        from pipelines.definitions import build_defs

        build_defs({})
    from sqlglot import exp

    gc.unfreeze()
    print(sum(isinstance(one, exp.Expr) for one in gc.get_objects()))


main.modules = {"left": __name__}
main(["left"])
