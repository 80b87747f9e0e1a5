"""Broken nights: whole nights of `cmdb nightly` are killed or find no room, and the next one is as if nothing was.

Every case works on a copy of yesterday's warehouse. The published file has to stay byte for byte yesterday's until a
night publishes, and what is published then has to be tonight's truth, row for row; no other night counts as published.
"""

import contextlib
import functools
import importlib
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.ground import Ended, Ground, NotHere, copy_of, fingerprint, served_run
from faults.history import Case, Known, must_be_tonight, must_show_tonight
from resources.store.migrations import Migration, Migrator
from resources.store.process import PROCESS, hook_at, require_fault_point
from resources.store.store import Store

SEED = 20261125

RANDOM_KILLS = 5

DISK_MB = 400

FILLER = "filler"

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


class UnknownHook(Exception):
    """A point names a function that the product does not have, so that nothing would happen there."""


@dataclass(frozen=True)
class Around:
    """A point around the n-th call of a function of the product.

    Attributes:
        name: of a function of the module, or of a method, `Class.method`.
        after: whether the hook is called when the function has done its work, else before it.
    """

    module: str
    name: str
    times: int
    after: bool

    def owner(self) -> Any:
        """The module or class that has the function.

        Raises:
            UnknownHook: there is none such.
        """
        *classes, function = self.name.split(".")
        try:
            owner: Any = importlib.import_module(self.module)
            for part in classes:
                owner = getattr(owner, part)
            getattr(owner, function)
        except (ImportError, AttributeError) as error:
            raise UnknownHook(
                f"The product has no {self.module}.{self.name} ({error}), so nothing would happen there. Name what "
                "took its place in faults/broken_nights.py."
            ) from error
        return owner

    def __call__(self, hook: Hook) -> None:
        """See to it that the hook is called there."""
        owner, function = self.owner(), self.name.rpartition(".")[2]
        plain, due = getattr(owner, function), _once(self.times, hook)

        @functools.wraps(plain)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if not self.after:
                due()
            value = plain(*args, **kwargs)
            if self.after:
                due()
            return value

        setattr(owner, function, wrapped)


def at(point: str) -> Point:
    """At a named point of the warehouse.

    Raises:
        UnknownFaultPoint: the warehouse has no such point.
    """
    require_fault_point(point)

    def prepare(hook: Hook) -> None:
        PROCESS.fault_hook = hook_at(point, _once(1, hook))

    return prepare


BEGINNING: dict[str, Point] = {
    "before it begins": lambda hook: hook(),
    "while the pre-flight is recorded": Around("pipelines.preflight_assets", "record_callers", 1, after=False),
}
"""What comes before AWS is asked."""

NIGHT: dict[str, Point] = {
    "while AWS is asked": Around("pipelines.collection.landing", "LandingWriter.append", 40, after=True),
    "while answers are landed": Around("pipelines.collection.landing", "cell_line", 60, after=False),
    "while cells are loaded": Around("pipelines.collection.storing", "load_cells", 6, after=True),
    "while a table is built": Around("pipelines.models.build", "record_build", 20, after=False),
    "while a rule is checked": Around("pipelines.models.checks", "run", 30, after=True),
}
"""The phases of a night before it publishes."""


def _named(*points: str) -> dict[str, Point]:
    return {point: at(point) for point in points}


MIGRATING = _named("migration.begun", "migration.applied", "migration.committed")

MAKING = MIGRATING | _named("working.created")
"""Where no working file is there: it is made from the published one."""

COPYING = _named("publish.begun", "publish.checkpointed", "publish.detached", "publish.copying")

SWAPPING = _named("publish.copied", "publish.sealed", "publish.verified", "publish.versioned", "publish.linked")

SWAPPED = _named("publish.swapped", "publish.followed", "publish.pruned") | {
    "while what is old is forgotten": Around("pipelines.collection.landing", "prune", 1, after=False),
    "while the report is written": Around("pipelines.report.writing", "atomic_write", 1, after=False),
}


def _prepared(point: Point, hook: Hook) -> Callable[[], None]:
    return lambda: point(hook)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill(ground: Ground, database: Path, name: str, prepare: Callable[[], None]) -> None:
    """A night that dies at a point."""
    child = ground.begin_night(database, prepare=prepare)
    code = child.wait()
    assert code == -signal.SIGKILL, f"{name} was not reached: exit code {code}, {child.said[-400:]}"


def killed_before_the_swap(points: Mapping[str, Point]) -> Callable[[Ground, Known], str]:
    """Kill a night at each point, one after the other on the same warehouse; then a night goes through."""

    def work(ground: Ground, known: Known) -> str:
        database = copy_of(known.database, ground.scratch / f"killed-{next(iter(points)).replace(' ', '-')}")
        was = fingerprint(database)
        for name, point in points.items():
            _kill(ground, database, name, _prepared(point, _die))
            assert fingerprint(database) == was, f"{name}: the published file has changed"
        must_be_tonight(database, known, ground, ground.night(database))
        return f"{len(points)} kills: {', '.join(points)}."

    return work


def killed_after_the_swap(ground: Ground, known: Known) -> str:
    """Kill nights that have published: each finds what the one before it left."""
    database = copy_of(known.database, ground.scratch / "swapped")
    runs: list[str] = []
    for name, point in SWAPPED.items():
        _kill(ground, database, name, _prepared(point, _die))
        try:
            must_show_tonight(database, known, ground, earlier=runs)
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error
        runs.append(served_run(database))
    must_be_tonight(database, known, ground, ground.night(database), earlier=runs)
    return f"{len(SWAPPED)} kills: {', '.join(SWAPPED)}."


def _newer_release() -> None:
    """Give the product of this process a migration more."""
    known = Migrator.known

    def migrations(self: Migrator) -> list[Migration]:
        found = known(self)
        number = len(found) + 1
        sql = "alter table audit.run add column weather varchar"
        return [*found, Migration(number, f"{number:04}_weather.sql", sql, "of a newer release")]

    Migrator.known = migrations  # type: ignore[method-assign]  # until the process ends


def _newer(point: Point, hook: Hook) -> Callable[[], None]:
    def prepare() -> None:
        _newer_release()
        point(hook)

    return prepare


def killed_in_migrations(ground: Ground, known: Known) -> str:
    """Kill nights of a newer release in its migration: of the working file, then of a copy of the published one."""
    database = copy_of(known.database, ground.scratch / "migrations")
    was = fingerprint(database)
    for points in (MIGRATING, MAKING):
        if points is MAKING:
            Store(database).working.unlink()
        for name, point in points.items():
            _kill(ground, database, name, _newer(point, _die))
            assert fingerprint(database) == was, f"{name}: the published file has changed"
    must_be_tonight(database, known, ground, ground.night(database, prepare=_newer_release))
    return (
        f"{len(MIGRATING) + len(MAKING)} kills: of the working file {', '.join(MIGRATING)}; of one that is made from "
        f"the published file {', '.join(MAKING)}."
    )


def killed_at_random(ground: Ground, known: Known) -> str:
    """Kill nights at random moments of the time that one takes; then a night goes through."""
    database = copy_of(known.database, ground.scratch / "random")
    chance = random.Random(SEED)
    was = fingerprint(database)
    moments, published = [], list[str]()
    for _ in range(RANDOM_KILLS):
        moments.append(chance.uniform(0.02, 0.9) * known.seconds)
        child = ground.begin_night(database)
        until = time.monotonic() + moments[-1]
        while time.monotonic() < until and not child.ended():
            time.sleep(0.01)
        child.kill()
        child.wait()
        if fingerprint(database) != was:
            # It had published before it was killed.
            must_show_tonight(database, known, ground, earlier=published)
            was = fingerprint(database)
            published.append(served_run(database))
    must_be_tonight(database, known, ground, ground.night(database), earlier=published)
    after = ", ".join(f"{moment:.0f}" for moment in moments)
    return (
        f"{RANDOM_KILLS} nights killed with seed {SEED}, {after} seconds after they began, of {known.seconds:.0f} that "
        f"one takes; {len(published)} had published by then."
    )


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
        # The next case of this stream has its disk there.
        folder.rmdir()


def _fill(disk: Path) -> None:
    with contextlib.suppress(OSError), (disk / FILLER).open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 65536)


def _refused(
    ground: Ground, database: Path, disk: Path, name: str, prepare: Callable[[], None], **settings: str
) -> str:
    """A night whose disk is full from a point on; the sentence that says so."""
    was = fingerprint(database)
    night = ground.night(database, prepare=prepare, **settings)
    assert (disk / FILLER).exists(), f"{name} was not reached"
    assert night.code != 0, f"{name}: it was published on a full disk"
    assert fingerprint(database) == was, f"{name}: the published file has changed"
    said = _said_of_the_disk(name, night)
    (disk / FILLER).unlink()
    return said


def _said_of_the_disk(name: str, night: Ended) -> str:
    return night.told("is full", "No space left", at=name)[-1]


def full_disk(points: Mapping[str, Point]) -> Callable[[Ground, Known], str]:
    """The disk fills up at each point of a night, before the swap."""

    def work(ground: Ground, known: Known) -> str:
        with small_disk(ground.scratch / "disk") as disk:
            database = copy_of(known.database, disk / "warehouse")
            sentence = ""
            for name, point in points.items():
                sentence = _refused(ground, database, disk, name, _prepared(point, lambda: _fill(disk)))
            must_be_tonight(database, known, ground, ground.night(database))
        return f"{len(points)} phases: {', '.join(points)}. {sentence}"

    return work


def full_disk_in_migrations(ground: Ground, known: Known) -> str:
    """The disk fills up while a newer release makes the working file its own, or makes one from the published file."""
    with small_disk(ground.scratch / "disk") as disk:
        database = copy_of(known.database, disk / "warehouse")
        sentence = ""
        migrated = _named("migration.begun", "migration.applied")
        made = {"while the published file is copied": at("publish.copying")} | migrated
        for points in (migrated, made):
            if points is made:
                Store(database).working.unlink()
            for name, point in points.items():
                sentence = _refused(ground, database, disk, name, _newer(point, lambda: _fill(disk)))
        must_be_tonight(database, known, ground, ground.night(database, prepare=_newer_release))
    return (
        f"{len(migrated) + len(made)} phases: of the working file {', '.join(migrated)}; of one that is made from the "
        f"published file {', '.join(made)}. {sentence}"
    )


def full_disk_once_verified(ground: Ground, known: Known) -> str:
    """The disk fills up when nothing but names are left to be changed, and later."""
    points = _named("publish.verified", "publish.swapped") | {
        "while the report is written": SWAPPED["while the report is written"]
    }
    with small_disk(ground.scratch / "disk") as disk:
        database = copy_of(known.database, disk / "warehouse")
        sentence, runs = "", list[str]()
        for name, point in points.items():
            night = ground.night(database, prepare=_prepared(point, lambda: _fill(disk)))
            assert (disk / FILLER).exists(), f"{name} was not reached"
            assert night.code != 0, f"{name}: nothing told of the report that was not written"
            sentence = _said_of_the_disk(name, night)
            (disk / FILLER).unlink()
            must_show_tonight(database, known, ground, earlier=runs)
            runs.append(served_run(database))
        must_be_tonight(database, known, ground, ground.night(database), earlier=runs)
    return f"{len(points)} phases: {', '.join(points)}. {sentence}"


def full_disk_of_dagster(ground: Ground, known: Known) -> str:
    """Dagster's own records have no room, while the warehouse has."""
    points = {"before it begins": BEGINNING["before it begins"]} | {
        name: NIGHT[name] for name in ("while AWS is asked", "while a rule is checked")
    }
    database = copy_of(known.database, ground.scratch / "dagster-full")
    with small_disk(ground.scratch / "disk") as disk:
        sentence = ""
        for name, point in points.items():
            prepare = _prepared(point, lambda: _fill(disk))
            sentence = _refused(ground, database, disk, name, prepare, DAGSTER_HOME=str(disk / "dagster"))
        must_be_tonight(database, known, ground, ground.night(database, DAGSTER_HOME=str(disk / "dagster")))
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
        said = night.told("cannot be written")
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


PUBLISHED = (
    "what the killed night published is the truth row for row, and counts as published; the next one goes through"
)

INTACT = (
    "the published file stays byte for byte; the night after publishes the truth row for row, and none that was killed "
    "counts as published"
)

REFUSED = "refused in a sentence, the published file byte for byte, the night after goes through"

CASES = (
    Case("killed before it publishes", INTACT, killed_before_the_swap(NIGHT)),
    Case("killed in a migration", INTACT, killed_in_migrations),
    Case("killed while it publishes, until the copy", INTACT, killed_before_the_swap(COPYING)),
    Case("killed while it publishes, from the copy to the swap", INTACT, killed_before_the_swap(SWAPPING)),
    Case("killed after the swap", PUBLISHED, killed_after_the_swap),
    Case("a full disk until the rules are checked", REFUSED, full_disk(BEGINNING | NIGHT)),
    Case("a full disk in a migration", REFUSED, full_disk_in_migrations),
    Case(
        "a full disk while it publishes",
        REFUSED,
        full_disk(_named("publish.begun", "publish.detached", "publish.copying", "publish.copied")),
    ),
    Case("a full disk once the copy is verified", "published, and a sentence of the report", full_disk_once_verified),
    Case("a full disk of Dagster's own records", REFUSED, full_disk_of_dagster),
    Case("a folder that cannot be written", REFUSED, read_only_folder),
    Case("left-overs of a dead run", "the night goes through", left_overs),
    Case("two nights at once", "one publishes, the other is told who works", two_at_once),
    Case("whole nights killed at random moments", INTACT, killed_at_random),
)
