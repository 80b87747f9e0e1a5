"""Runs of the real pipeline in the history: every table, view and documented question is as its night's file has it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import duckdb
import pytest
from history_nights import relations_of
from nights import cmdb_here, copy_of, run_night
from test_docs import QUESTIONS

from resources.store.store import Store
from simulator.client import Simulator

pytestmark = pytest.mark.large


def checksum(connection: duckdb.DuckDBPyConnection, query: str) -> list[Any]:
    """Columns of a query, and checksums of its rows that do not depend on their order."""
    query = query.strip().rstrip(";")
    found = connection.execute(f"select count(*), bit_xor(hash(t)), sum(hash(t)) from ({query}) as t").fetchall()
    # Names and types; a view keeps no NOT NULL.
    return [[row[:2] for row in connection.execute(f"describe {query}").fetchall()], found]


def test_every_night_of_the_pipeline_is_answered_as_its_file_was(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    environment = {**organisation.env, "CMDB_HISTORY_RUNS": "400"}
    store = Store(database)
    copies: dict[str, Path] = {}

    def keep() -> None:
        current = next(version for version in store.versions() if version.is_current)
        copies[current.run_id] = Path(shutil.copy(current.path, tmp_path / f"{current.run_id}.duckdb"))

    keep()
    organisation.change("add_policy", name="Extra", content={"Version": "2012-10-17", "Statement": []}, target="/")
    assert run_night(environment, database).published
    keep()
    organisation.lie("silent_zero")
    assert not run_night(environment, database).published
    assert [publication.run_id for publication in store.history.publications()] == list(copies)
    organisation.stop_lying()
    assert run_night(environment, database).published
    keep()
    assert [publication.run_id for publication in store.history.publications()] == list(copies)
    for run_id, copy in copies.items():
        publication = store.history.find(run_id)
        with duckdb.connect(str(copy), read_only=True) as file, store.history.opened(publication) as as_of:
            file.execute("set TimeZone = 'UTC'")
            relations = relations_of(file)
            assert len(relations) > 150
            as_of.prepare("show tables")
            for schema, name in relations:
                query = f'from "{schema}"."{name}"'
                assert checksum(as_of.connection, query) == checksum(file, query), (run_id, schema, name)
            for question, sql in QUESTIONS:
                assert checksum(as_of.connection, sql) == checksum(file, sql), (run_id, question)
    # A question makes only the relations that it names.
    for run_id in copies:
        for question, sql in QUESTIONS[::7]:
            done = cmdb_here({"CMDB_DATABASE": str(database)}, "sql", sql, "--as-of", run_id, "--json")
            assert done.returncode == 0, (question, done.stderr)
