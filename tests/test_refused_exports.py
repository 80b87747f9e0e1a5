"""A refused night changes no export: each format keeps its bytes, and would not if it read what was refused."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from history_nights import relations_of
from nights import cmdb_here, copy_of, run_night
from test_explorer import stand_in

from pipelines.explorer import folder as explorer_folder
from pipelines.explorer.data import DATA, REPORT
from pipelines.exports.files import MARK
from pipelines.report.writing import report_path
from resources.store.store import Store
from simulator.client import Simulator

pytestmark = pytest.mark.large

FOLDERS = {
    "parquet": ("parquet",),
    "focus 1.2": ("focus", "--version", "1.2"),
    "focus 1.4": ("focus", "--version", "1.4"),
    "backstage": ("backstage",),
    "servicenow": ("servicenow",),
    "openlineage": ("openlineage",),
    "explorer": ("explorer",),
}
"""Each format that is a folder, with the arguments that write it."""

Digests = dict[str, str]


@dataclass(frozen=True)
class Nights:
    """A warehouse after a refused night, with its exports from before.

    Attributes:
        out: where the exports are.
        before: digest of each exported file, by its path below `out`; of the report too.
    """

    database: Path
    out: Path
    before: Digests


def exported(database: Path, out: Path) -> Digests:
    """Write every export, and a file of the published night; the digests of all that is written, and of the report."""
    environment = {"CMDB_DATABASE": str(database)}
    for name, (format_, *options) in FOLDERS.items():
        done = cmdb_here(environment, "export", format_, str(out / name), *options)
        assert done.returncode == 0, (name, done.stderr)
    found = {
        str(path.relative_to(out)): digest(path)
        for path in sorted(out.rglob("*"))
        if path.is_file() and path.name != DATA
    }
    # A DuckDB file is not written the same way twice: what is compared are its rows.
    found[f"explorer/{DATA}"] = rows_of(out / "explorer" / DATA)
    found["report"] = digest(report_path(database))
    return found


def as_of_today(database: Path, file: Path) -> str:
    """The rows of `cmdb export duckdb` for the newest night of the history."""
    newest = Store(database).history.publications()[-1].run_id
    done = cmdb_here({"CMDB_DATABASE": str(database)}, "export", "duckdb", str(file), "--as-of", newest)
    assert done.returncode == 0, done.stderr
    return rows_of(file)


def digest(path: Path) -> str:
    """SHA-256 of a file, without when it was written, and without the name of the file that was read."""
    if path.name == REPORT:
        text, count = re.subn("Report made [^<]*? from", "", path.read_text(encoding="utf-8"))
        assert count == 1
        return hashlib.sha256(text.encode()).hexdigest()
    if path.name != MARK:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    described = json.loads(path.read_text(encoding="utf-8"))
    return json.dumps({name: value for name, value in described.items() if name not in ("published", "written_at")})


def rows_of(file: Path) -> str:
    """A checksum of each table and view of a DuckDB file, whatever the order of rows; when it was written left out."""
    with duckdb.connect(str(file), read_only=True) as connection:
        connection.execute("set TimeZone = 'UTC'")
        sums = {}
        for schema, name in relations_of(connection):
            where = " where name not in ('written_at', 'published')" if name == "about" else ""
            query = f'select count(*), bit_xor(hash(t)), sum(hash(t)) from "{schema}"."{name}" as t{where}'
            sums[f"{schema}.{name}"] = str(connection.execute(query).fetchone())
    assert sums
    return json.dumps(sums, sort_keys=True)


@pytest.fixture(scope="module")
def nights(
    simulator_process: Simulator, truthful_night: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Nights]:
    folder = tmp_path_factory.mktemp("refused")
    database = copy_of(truthful_night, folder)
    environment = {**simulator_process.env, "CMDB_HISTORY_RUNS": "400"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(explorer_folder, "STATIC", stand_in(folder / "static"))
        try:
            assert run_night(environment, database).published
            before = exported(database, folder / "out") | {"as of": as_of_today(database, folder / "before.duckdb")}
            # What is true and new comes to nobody either, where the same night has a lie.
            simulator_process.change(
                "add_policy", name="Extra", content={"Version": "2012-10-17", "Statement": []}, target="/"
            )
            simulator_process.lie("silent_zero")
            assert not run_night(environment, database).published
        finally:
            simulator_process.reset()
        yield Nights(database, folder / "out", before)


def test_a_refused_night_changes_no_export(nights: Nights, tmp_path: Path) -> None:
    # Over the exports of before, as somebody's timer writes them.
    after = exported(nights.database, nights.out) | {"as of": as_of_today(nights.database, tmp_path / "after.duckdb")}
    assert after.keys() == nights.before.keys()
    assert [name for name in after if after[name] != nights.before[name]] == []


def test_exports_of_what_was_refused_would_be_others(nights: Nights, tmp_path: Path) -> None:
    """The world in which an export reads the working file: the test above then fails in each format."""
    database = copy_of(nights.database.parent, tmp_path)
    refused = database.resolve().with_name("cmdb-refused.duckdb")
    shutil.copy(Store(database).working, refused)
    # A zero that is not trusted keeps the items from being built; what is refused later has built them.
    with duckdb.connect(str(refused)) as connection:
        connection.execute("update cmdb.resource set name = 'of the refused run' where status = 'active'")
    database.unlink()
    database.symlink_to(refused.relative_to(database.parent))
    wrong = exported(database, tmp_path / "out")
    shared = nights.before.keys() & wrong.keys()
    assert {name.partition("/")[0] for name in shared if wrong[name] != nights.before[name]} == FOLDERS.keys()
