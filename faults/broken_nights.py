"""Broken nights: whole nights of `cmdb nightly` are killed or find no room, and the next one is as if nothing was.

Every case works on a copy of yesterday's warehouse. The published file has to stay byte for byte yesterday's until a
night publishes, and what is published then has to be tonight's truth, row for row.
"""

import contextlib
import functools
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from faults.ground import Ended, Ground, NotHere, apart, copy_of, difference, fingerprint, tables
from faults.history import Case, Known, must_be_tonight

SEED = 20261125

RANDOM_KILLS = 5

DISK_MB = 400

Hook = Callable[[], None]
"""What happens at a point."""

Point = Callable[[Hook], None]
"""Called in the process of a night before it begins; sees to it that the hook is called there, once."""


def _once(times: int, hook: Hook) -> Hook:
    """Calls the hook at the n-th call of it, and only then."""
    left = iter(range(times, -1, -1))

    def due() -> None:
        if next(left, 0) == 1:
            hook()

    return due


def _around(module: str, name: str, times: int, *, after: bool) -> Point:
    """Around the n-th call of a function, or method `Class.method`, of a module."""

    def prepare(hook: Hook) -> None:
        import importlib

        owner: Any = importlib.import_module(module)
        *classes, function = name.split(".")
        for part in classes:
            owner = getattr(owner, part)
        plain, due = getattr(owner, function), _once(times, hook)

        @functools.wraps(plain)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if not after:
                due()
            value = plain(*args, **kwargs)
            if after:
                due()
            return value

        setattr(owner, function, wrapped)

    return prepare


def _at(point: str) -> Point:
    """At a named point of the warehouse."""

    def prepare(hook: Hook) -> None:
        from resources import warehouse

        due = _once(1, hook)
        warehouse.fault_point = lambda passed: due() if passed == point else None

    return prepare


NIGHT: dict[str, Point] = {
    "while AWS is asked": _around("pipelines.landing", "LandingWriter.append", 40, after=True),
    "while answers are landed": _around("pipelines.landing", "cell_line", 60, after=False),
    "while cells are loaded": _around("resources.evidence", "load_cells", 6, after=True),
    "while a rule is checked": _around("pipelines.checks", "run", 30, after=True),
}
"""The phases of a night before it publishes."""

PUBLISHING: dict[str, Point] = {
    name: _at(name) for name in ("publish.detached", "publish.copying", "publish.versioned", "publish.linked")
}


def _prepared(point: Point, hook: Hook) -> Callable[[], None]:
    return lambda: point(hook)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def killed_at_points(ground: Ground, known: Known) -> str:
    """Kill a night at each point, one after the other on the same warehouse; then a night goes through."""
    database = copy_of(known.database, ground.scratch / "points")
    was = fingerprint(database)
    points = NIGHT | PUBLISHING
    for name, point in points.items():
        child = ground.begin_night(database, prepare=_prepared(point, _die))
        code = child.wait()
        assert code == -signal.SIGKILL, f"{name} was not reached: exit code {code}, {child.said[-400:]}"
        assert fingerprint(database) == was, f"{name}: the published file has changed"
    must_be_tonight(database, known, ground, ground.night(database))
    return f"{len(points)} kills: {', '.join(points)}."


def killed_at_random(ground: Ground, known: Known) -> str:
    """Kill nights at random moments of the time that one takes; then a night goes through."""
    database = copy_of(known.database, ground.scratch / "random")
    chance = random.Random(SEED)
    was, count = fingerprint(database), 0
    while count < RANDOM_KILLS:
        count += 1
        child = ground.begin_night(database)
        until = time.monotonic() + chance.uniform(0.02, 0.9) * known.seconds
        while time.monotonic() < until and not child.ended():
            time.sleep(0.01)
        child.kill()
        child.wait()
        if fingerprint(database) != was:
            # It had published before it was killed.
            other = apart(lambda: difference(tables(database, known.before, known.runs), known.tonight), ground.scratch)
            assert not other, other
    must_be_tonight(database, known, ground, ground.night(database))
    return f"{count} nights killed with seed {SEED}."


@contextlib.contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of its own.

    Raises:
        NotHere: none may be mounted here.
    """
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=0750", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        raise NotHere("a tmpfs may not be mounted here, so there is no small disk to fill")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def _fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 65536)


def full_disk(ground: Ground, known: Known) -> str:
    """The disk fills up in each phase of a night."""
    points = NIGHT | {name: PUBLISHING[name] for name in ("publish.detached", "publish.copying")}
    with small_disk(ground.scratch / "disk") as disk:
        database = copy_of(known.database, disk / "warehouse")
        was, sentence = fingerprint(database), ""
        for name, point in points.items():
            night = ground.night(database, prepare=_prepared(point, lambda: _fill(disk)))
            assert (disk / "filler").exists(), f"{name} was not reached"
            assert night.code != 0, f"{name}: it was published on a full disk"
            assert fingerprint(database) == was, f"{name}: the published file has changed"
            said = [line.strip() for line in night.said.splitlines() if "is full" in line]
            assert said, f"{name}: nothing says that the disk is full: {night.said[-800:]}"
            assert "Traceback" not in night.said, f"{name}: a traceback: {night.said[-800:]}"
            sentence = said[0]
            (disk / "filler").unlink()
        must_be_tonight(database, known, ground, ground.night(database))
    return f"{len(points)} phases: {', '.join(points)}. {sentence}"


def read_only_folder(ground: Ground, known: Known) -> str:
    """A folder that cannot be written."""
    with small_disk(ground.scratch / "read-only") as disk:
        database = copy_of(known.database, disk / "warehouse")
        was = fingerprint(database)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        night = ground.night(database)
        assert fingerprint(database) == was
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert night.code == 2, f"exit code {night.code}: {night.said[-800:]}"
        said = [line.strip() for line in night.said.splitlines() if "cannot be written" in line]
        assert said, night.said[-800:]
        assert "Traceback" not in night.said, night.said[-800:]
        must_be_tonight(database, known, ground, ground.night(database))
    return said[0]


def left_overs(ground: Ground, known: Known) -> str:
    """A lock of a dead process, logs beside files that never had them, halves of copies."""
    database = copy_of(known.database, ground.scratch / "left-overs")
    folder = database.parent
    holder = {"what": "nightly", "run_id": "dead", "pid": 1, "host": "elsewhere", "since": "2020-01-01T00:00:00+00:00"}
    (folder / ".lock").write_text(json.dumps(holder), encoding="utf-8")
    (folder / "versions" / f"{database.resolve().name}.wal").write_bytes(b"not a log")
    (folder / "versions" / ".cmdb-dead.part").write_bytes(b"half")
    (folder / ".cmdb.work.part").write_bytes(b"half")
    (folder / "landing" / "dead" / "ec2_instance").mkdir(parents=True)
    (folder / "landing" / "dead" / "ec2_instance" / ".records.ndjson.part").write_bytes(b'{"half')
    must_be_tonight(database, known, ground, ground.night(database))
    left = [path.name for path in folder.rglob("*") if path.suffix in (".wal", ".part") and "dead" not in path.parts]
    assert not left, f"still there: {left}"
    return "Lock, log, copy, working file and landing of a dead run."


def two_at_once(ground: Ground, known: Known) -> str:
    """Of two nights at once one publishes."""
    database = copy_of(known.database, ground.scratch / "two")
    children = [ground.begin_night(database) for _ in range(2)]
    nights: list[Ended] = sorted((child.result() for child in children), key=lambda night: night.code)
    assert [night.code for night in nights] == [0, 1], [night.said[-500:] for night in nights]
    said = [line.strip() for line in nights[1].said.splitlines() if "one run at a time may" in line]
    assert said, nights[1].said[-800:]
    must_be_tonight(database, known, ground, nights[0])
    return said[0]


INTACT = "the published file stays byte for byte, the night after publishes the truth row for row"

REFUSED = "refused in a sentence, the published file byte for byte, the night after goes through"

CASES = (
    Case("killed at each named point", INTACT, killed_at_points),
    Case("a full disk in each phase", REFUSED, full_disk),
    Case("a folder that cannot be written", REFUSED, read_only_folder),
    Case("left-overs of a dead run", "the night goes through", left_overs),
    Case("two nights at once", "one publishes, the other is told who works", two_at_once),
    Case("killed at random moments", INTACT, killed_at_random),
)
