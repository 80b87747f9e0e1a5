"""The one atomic writer, and the one way in which names and text are quoted for SQL."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import duckdb
import pytest
from nights import program

from resources.store.files import atomic_write, atomic_writes
from resources.store.sql import exists, identifier, literal

AWKWARD = ('it\'s "quoted"; drop table x; --', "🥝 مرحبا", "a\nb", "%s {x} $HOME")


def test_a_file_is_replaced_whole_and_written_through_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    done: list[str] = []
    sync, move = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        done.append(f"synced {os.fstat(descriptor).st_size}")
        sync(descriptor)

    def replace(part: Path, target: Path) -> Path:
        done.append(f"replaced {part.read_text()}")
        return move(part, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    with atomic_write(path) as file:
        file.write("new\r\n")
        file.flush()
        assert path.read_text() == "old"
    assert path.read_bytes() == b"new\r\n"
    assert done == ["synced 5", "replaced new\n"]
    assert [found.name for found in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o640), (0o077, 0o600)])
def test_a_file_is_closed_to_others_as_the_umask_has_it(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / "a") as file:
            file.write("x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == mode


def test_where_the_block_raises_all_is_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    with pytest.raises(KeyboardInterrupt), atomic_writes([tmp_path / "a", tmp_path / "b"]) as files:
        for file in files:
            file.write("new")
        raise KeyboardInterrupt
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


def test_no_file_is_put_in_place_before_all_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter([None, OSError(28, "No space left on device")])

    def fsync(descriptor: int) -> None:
        if error := next(calls):
            raise error

    (tmp_path / "a").write_text("old")
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space"), atomic_writes([tmp_path / "a", tmp_path / "b"]) as files:
        for file in files:
            file.write("new")
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a": "old"}


def test_who_is_killed_leaves_what_was_there_and_hidden_files_alone(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old")
    done = subprocess.run(**program("killed_file", tmp_path / "a"), check=False)
    assert done.returncode == -9
    assert (tmp_path / "a").read_text() == "old"
    left = [path for path in tmp_path.iterdir() if path.name != "a"]
    assert [path.name.startswith(".a.") for path in left] == [True]
    assert left[0].stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", AWKWARD)
def test_names_and_text_are_quoted_whatever_is_in_them(name: str) -> None:
    with duckdb.connect() as connection:
        assert not exists(connection, name, name)
        connection.execute(f"create schema {identifier(name)}")
        connection.execute(f"create table {identifier(name)}.{identifier(name)} as select {literal(name)} as a")
        assert connection.execute(f"select a from {identifier(name)}.{identifier(name)}").fetchall() == [(name,)]
        assert exists(connection, name, name)
        assert not exists(connection, name, "a")
        assert not exists(connection, "main", name)
