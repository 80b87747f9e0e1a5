"""The table of points of a run: there one is killed, its disk fills up, or its clock is set.

The store's are `FAULT_POINTS`, which tests/test_publish.py kills at; tests/test_killed_runs.py takes `PUBLISHING`.
"""

import functools
import importlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from resources.store.migrations import Migration, Migrator
from resources.store.process import PROCESS, hook_at, require_fault_point

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
                "took its place in tests/chaos/points.py."
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


def named(*points: str) -> dict[str, Point]:
    return {point: at(point) for point in points}


MIGRATING = named("migration.begun", "migration.applied", "migration.committed")

MAKING = MIGRATING | named("working.created")
"""Where no working file is there: it is made from the published one."""

COPYING = named("publish.begun", "publish.checkpointed", "publish.detached", "publish.copying")

SWAPPING = named("publish.copied", "publish.sealed", "publish.verified", "publish.versioned", "publish.linked")

SWAPPED = named("publish.swapped", "publish.followed", "publish.pruned")
"""From here on the run has published."""

PUBLISHED = SWAPPED | {
    "while what is old is forgotten": Around("pipelines.collection.landing", "prune", 1, after=False),
    "while the report is written": Around("pipelines.report.writing", "atomic_write", 1, after=False),
}

PUBLISHING = (*COPYING, *SWAPPING, *SWAPPED)
"""The points of publishing, in their order."""


# ------------------------------------------------------------------------------------------- what happens there


def die() -> None:
    """Be killed, as by a power cut."""
    os.kill(os.getpid(), signal.SIGKILL)


def prepared(point: Point, hook: Hook, *, newer: bool = False) -> Callable[[], None]:
    """What is called in the process of a run before it begins, so that the hook is called at the point.

    Args:
        newer: the run is of a newer release.
    """

    def prepare() -> None:
        if newer:
            newer_release()
        point(hook)

    return prepare


def newer_release() -> None:
    """Give the product of this process a migration more."""
    known = Migrator.known

    def migrations(self: Migrator) -> list[Migration]:
        found = known(self)
        number = len(found) + 1
        sql = "alter table audit.run add column weather varchar"
        return [*found, Migration(number, f"{number:04}_weather.sql", sql, "of a newer release")]

    Migrator.known = migrations  # type: ignore[method-assign]  # until the process ends
