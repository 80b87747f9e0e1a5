"""Whether two checkouts publish the same rows: two nights of the same organisation, and a digest of every relation.

    python tests/programs/compare_rows.py make FOLDER [--checkout DIR] [--day 2026-11-20]
    python tests/programs/compare_rows.py compare FOLDER OTHER_FOLDER

`make` starts the simulated organisation of a checkout with a fixed seed, runs its `cmdb nightly` twice with a changed
world in between, and writes FOLDER/rows.json: for each published table and view its columns, the number of rows and a
digest that no order of rows changes. `compare` prints what differs and ends with 1 where something does.

Nothing of the product is imported. The night is whatever the checkout's pyproject.toml calls `cmdb`, the rows are read
with DuckDB: the layout of the modules may differ between the two.

The organisation's day is `--day`, on which libfaketime (Debian's package of that name) puts every clock. Without it the
day is today, and both sides have to be made on the same day; `compare` says so where they were not.

What two nights of the same world cannot have in common is put in other words before it is counted:

- a moment between the start of a night and its end is `night 1` or `night 2`, within text too;
- the id of a run, a request or a check is the name of its night, within text too;
- the columns in `VARYING` count as NULL or not NULL;
- since when CloudTrail was searched lies minutes before the night that searched it, and is left out; so is how many
  events it found, if any: a slow night asks STS again who it is.
"""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

REPOSITORY = Path(__file__).resolve().parent.parent.parent

SEED = 7
ROLES = ("management", "operations", "billing", "workload")

VARYING = {
    "audit.caller_identity.config_hash": "A hash over the simulator's port and the folder of its AWS profiles.",
    "audit.check_result.config_hash": "The same.",
    "audit.run.request_count": "A run that takes longer verifies its identities more often.",
}
"""Columns that differ between two nights of the same world; and why."""

NIGHT = "01:00:00"
"""When the clock of a fixed day begins, UTC: far from midnight, so that no night crosses it."""

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d(?::?\d\d)?)?")
SEARCHED_SINCE = re.compile(r'("since": ")[^"]*')
REQUEST_ID = re.compile(r'("x-amzn-requestid": ")[^"]*')
EVENTS_FOUND = re.compile(r'"events": [1-9]\d*')


class CannotCompare(Exception):
    """The message says why, and what to do."""


# ------------------------------------------------------------------------------------------------------- nights


def make(folder: Path, checkout: Path, day: dt.date | None, seed: int, faketime: str) -> None:
    """Two nights of a checkout, and FOLDER/rows.json of what they published."""
    checkout, folder = checkout.resolve(), folder.resolve()
    if (folder / "rows.json").exists():
        raise CannotCompare(f"{folder} already holds rows.json. Nothing was run; name another folder or remove it.")
    folder.mkdir(parents=True, exist_ok=True)
    offset, preloaded = _clock(day, faketime)
    with tempfile.TemporaryDirectory(prefix="cmdb-rows-") as scratch:
        # Whatever this process loads or starts is the checkout's, installed or not.
        sys.path.insert(0, str(checkout))
        foreign = ("AWS_", "CMDB_", "DAGSTER_")
        plain = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        plain |= {"PYTHONPATH": str(checkout), "HOME": scratch, "COLUMNS": "1000", "PYTHONHASHSEED": "0", **preloaded}
        os.environ.clear()
        os.environ.update(plain)
        nights = _nights(folder, checkout, Path(scratch), (dt.datetime.now(dt.UTC) + offset).date(), seed, offset)
    rows = digests(folder / "warehouse" / "cmdb.duckdb", nights)
    made = {"day": str(nights[0][0].date()), "seed": seed, "relations": rows}
    (folder / "rows.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    count = sum(relation["rows"] for relation in rows.values())
    print(f"{folder / 'rows.json'}: {len(rows)} relations, {count:,} rows of {made['day']}.")


def _clock(day: dt.date | None, faketime: str) -> tuple[dt.timedelta, dict[str, str]]:
    """How far the clock of every process is put, and the variables that put it there."""
    if day is None:
        return dt.timedelta(), {}
    found = [Path(faketime)] if faketime else sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not found or not found[0].is_file():
        raise CannotCompare(
            "--day needs libfaketime, which is not installed. Nothing was run. Install Debian's package libfaketime, "
            "name the library with --faketime, or leave out --day and make both sides on the same day."
        )
    began = dt.datetime.combine(day, dt.time.fromisoformat(NIGHT), dt.UTC)
    offset = dt.timedelta(seconds=round((began - dt.datetime.now(dt.UTC)).total_seconds()))
    return offset, {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME": f"{offset.total_seconds():+.0f}",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


Nights = list[tuple[dt.datetime, dt.datetime]]
"""When each night began and ended."""


def _nights(folder: Path, checkout: Path, scratch: Path, day: dt.date, seed: int, offset: dt.timedelta) -> Nights:
    from simulator.client import start

    policies = {role: json.loads(_cmdb(checkout, dict(os.environ), "policy", role, "--optional")) for role in ROLES}
    nights: Nights = []
    with start(scratch, policies, seed=seed, today=day) as simulator:
        environment = os.environ | simulator.env
        environment |= {
            "CMDB_DATABASE": str(folder / "warehouse" / "cmdb.duckdb"),
            "CMDB_COST_MONTHS": "2",
            "DAGSTER_HOME": str(folder / "dagster"),
        }
        for number in (1, 2):
            simulator.clear_log()
            began = dt.datetime.now(dt.UTC) + offset
            said = _cmdb(checkout, environment, "nightly")
            nights.append((began, dt.datetime.now(dt.UTC) + offset))
            (folder / f"night-{number}.txt").write_text(said, encoding="utf-8")
            if number == 1:
                _change(simulator)
    return nights


def _change(simulator: Any) -> None:
    """What changes between the nights: an instance less, one more, tags, a volume, an account's place."""
    truth = simulator.truth()
    names = {account["name"]: account["account_id"] for account in truth["accounts"]}
    account = names["payments-prod"]
    running = sorted(
        (i for i in truth["instances"] if i["account_id"] == account and i["state"] == "running"),
        key=lambda instance: str(instance["instance_id"]),
    )
    simulator.change("terminate_instance", instance_id=running[0]["instance_id"])
    simulator.change("retag_instance", instance_id=running[1]["instance_id"], tags={"Name": "значение 🥝 '; --"})
    simulator.change("add_instance", account_id=account, region=truth["regions"][0], tags={"Name": "new"})
    volumes = [v for v in simulator.truth("storage")["volumes"] if v["account_id"] == account]
    spare = min(v["volume_id"] for v in volumes if v["state"] == "available")
    simulator.change("modify_volume", volume_id=spare, size_gb=999)
    simulator.change("move_account", account_id=names["payments-dev"], ou="Workloads/Moved")


def _cmdb(checkout: Path, environment: Mapping[str, str], *arguments: str) -> str:
    """What a `cmdb` command of the checkout prints."""
    scripts = tomllib.loads((checkout / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    module, _, function = scripts["cmdb"].partition(":")
    program = f"import sys; sys.argv[0] = 'cmdb'; from {module} import {function}; {function}()"
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=checkout,
        env=dict(environment),
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )
    if done.returncode:
        said = (done.stderr + done.stdout).strip()
        raise CannotCompare(f"`cmdb {' '.join(arguments)}` ended with {done.returncode}, nothing is compared:\n{said}")
    return done.stdout


# ------------------------------------------------------------------------------------------------------- digests


def digests(database: Path, nights: Nights) -> dict[str, dict[str, Any]]:
    """Columns, number of rows and digest of every relation of a published file."""
    found: dict[str, dict[str, Any]] = {}
    with _opened(database) as connection:
        connection.execute("set timezone = 'UTC'")
        relations: dict[tuple[str, str], list[tuple[str, str]]] = {}
        for schema, name, column, kind in connection.execute(
            """
            select table_schema, table_name, column_name, data_type
            from information_schema.columns
            where table_catalog = current_database()
            order by table_schema, table_name, ordinal_position
            """
        ).fetchall():
            relations.setdefault((schema, name), []).append((column, kind))
        runs = _runs(connection)
        for (schema, name), columns in relations.items():
            relation = f"{schema}.{name}"
            varying = {place for place, (column, _) in enumerate(columns) if f"{relation}.{column}" in VARYING}
            rows = connection.execute(f'select * from "{schema}"."{name}"').fetchall()
            plain = sorted(
                json.dumps(
                    [
                        value is not None if place in varying else _plain(value, nights, runs)
                        for place, value in enumerate(row)
                    ],
                    ensure_ascii=False,
                )
                for row in rows
            )
            found[relation] = {
                "columns": [f"{column} {kind}" for column, kind in columns],
                "rows": len(rows),
                "digest": hashlib.sha256("\n".join(plain).encode()).hexdigest(),
            }
            written = database.parent.parent / "rows" / f"{relation}.jsonl"
            written.parent.mkdir(exist_ok=True)
            written.write_text("\n".join(plain) + "\n", encoding="utf-8")
    return found


@contextmanager
def _opened(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    # The published path is a link; a copy can be read whatever stands beside the file.
    with tempfile.TemporaryDirectory(prefix="cmdb-rows-") as folder:
        copy = Path(folder, "rows.duckdb")
        shutil.copyfile(database, copy)
        with duckdb.connect(str(copy), read_only=True) as connection:
            yield connection


def _runs(connection: duckdb.DuckDBPyConnection) -> dict[str, str]:
    """The nights by the id of their run."""
    found = connection.execute("select run_id from audit.run order by started_at").fetchall()
    return {run: f"run {number}" for number, (run,) in enumerate(found, 1)}


def _plain(value: Any, nights: Nights, runs: Mapping[str, str]) -> Any:
    """A value as JSON that is the same in every pair of nights of the same world."""
    match value:
        case dt.datetime():
            return _night_of(value, nights) or value.isoformat()
        case str():
            text = UUID.sub(lambda found: runs.get(found[0], "an id"), REQUEST_ID.sub(r"\1an id", value))
            text = EVENTS_FOUND.sub('"events": "some"', SEARCHED_SINCE.sub(r"\1before it", text))
            return MOMENT.sub(lambda found: _moment(found[0], nights), text)
        case dict():
            return {str(key): _plain(part, nights, runs) for key, part in value.items()}
        case list() | tuple():
            return [_plain(part, nights, runs) for part in value]
        case None | bool() | int():
            return value
        case _:
            return repr(value)


def _moment(text: str, nights: Nights) -> str:
    try:
        return _night_of(dt.datetime.fromisoformat(text), nights) or text
    except ValueError:
        return text


def _night_of(moment: dt.datetime, nights: Nights) -> str:
    """The night that a moment lies in; empty for one before them."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    # Whole seconds, and a clock of another process.
    early = dt.timedelta(seconds=2)
    return next((f"night {n}" for n, (began, _) in reversed([*enumerate(nights, 1)]) if moment >= began - early), "")


# ------------------------------------------------------------------------------------------------------- comparison


def compare(folder: Path, other: Path) -> list[str]:
    """A line for each relation that differs."""
    left, right = (_read(path) for path in (folder, other))
    for name in ("day", "seed"):
        if left[name] != right[name]:
            raise CannotCompare(
                f"{folder} is of {name} {left[name]}, {other} of {name} {right[name]}: they cannot be compared. Make "
                "both again with the same."
            )
    ours, theirs = left["relations"], right["relations"]
    lines = [f"{name}: only in {folder}" for name in ours if name not in theirs]
    lines += [f"{name}: only in {other}" for name in theirs if name not in ours]
    for name in ours:
        if name in theirs and ours[name] != theirs[name]:
            lines += _differences(name, ours[name], theirs[name], folder, other)
    return lines


def _differences(name: str, ours: dict[str, Any], theirs: dict[str, Any], folder: Path, other: Path) -> Iterator[str]:
    if ours["columns"] != theirs["columns"]:
        less = [column for column in ours["columns"] if column not in theirs["columns"]]
        more = [column for column in theirs["columns"] if column not in ours["columns"]]
        yield f"{name}: other columns: only left {less}, only right {more}; or another order of them"
        return
    yield f"{name}: {ours['rows']} rows and {theirs['rows']} rows, or other values in them"
    files = [path / "rows" / f"{name}.jsonl" for path in (folder, other)]
    if all(file.is_file() for file in files):
        left, right = ({*file.read_text(encoding="utf-8").splitlines()} for file in files)
        for mark, rows in (("-", left - right), ("+", right - left)):
            yield from (f"  {mark} {row[:600]}" for row in sorted(rows)[:3])


def _read(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "rows.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CannotCompare(f"{folder} holds no rows.json: `compare_rows.py make {folder}` makes it.") from error
    return found


def main() -> int:
    """The command line; the exit code."""
    parser = argparse.ArgumentParser(prog="compare_rows.py", description=(__doc__ or "").partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make", help="run two nights and digest what they published")
    making.add_argument("folder", type=Path)
    making.add_argument("--checkout", type=Path, default=REPOSITORY, help="whose nights; this one by default")
    making.add_argument("--day", type=dt.date.fromisoformat, help="the day of the clock, needs libfaketime")
    making.add_argument("--faketime", default="", metavar="LIBRARY", help="libfaketimeMT.so.1, if not installed")
    making.add_argument("--seed", type=int, default=SEED, help="of the organisation")
    comparing = commands.add_parser("compare", help="print what differs between two folders that `make` made")
    comparing.add_argument("folder", type=Path)
    comparing.add_argument("other", type=Path)
    arguments = parser.parse_args()
    try:
        if arguments.command == "make":
            make(arguments.folder, arguments.checkout, arguments.day, arguments.seed, arguments.faketime)
            return 0
        lines = compare(arguments.folder, arguments.other)
    except CannotCompare as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(lines) or "Every relation has the same columns and rows.")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
