"""Each mutant of a target is tried by the tests that can see it, until one fails."""

import hashlib
import tempfile
import time
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from tools.mutation import memory, trials
from tools.mutation.marks import Mark, marks
from tools.mutation.memory import Memory, source_of
from tools.mutation.mutations import Mutant
from tools.mutation.targets import TARGETS, Source, Target

FIRST = 4
"""How many of the tests that killed the last mutants are asked first for the next one."""

MARKED = ("pipelines", "resources", "warehouse")
"""The folders of the product, in which a mark may stand."""

How = Literal["all", "survivors", "none"]


@dataclass
class Result:
    """What became of the mutants of one target.

    Attributes:
        survivors: those that nobody noticed and no mark explains.
        explained: those that nobody noticed, by their key, and why nobody can.
        untried: how many there are of which nothing current is known.
        stale: marks at which fewer survive than they say.
    """

    name: str
    count: int = 0
    killed: int = 0
    untried: int = 0
    survivors: list[Mutant] = field(default_factory=list)
    explained: dict[str, str] = field(default_factory=dict)
    stale: list[Mark] = field(default_factory=list)
    seconds: float = 0.0

    def line(self) -> str:
        """For the terminal."""
        mark = "✗" if self.survivors or self.stale else "✓"
        left = f", {len(self.survivors)} survive" if self.survivors else ""
        left += f", {self.untried} not tried" if self.untried else ""
        return (
            f"{mark} {self.name}: {self.count} mutants, {self.killed} killed, {len(self.explained)} explained{left} "
            f"({self.seconds:.0f} s)"
        )


def judge(
    name: str,
    target: Target,
    scratch: Path,
    how: How = "all",
    every: int = 1,
    jobs: int = 1,
) -> Result:
    """Try every mutant of a target of which nothing current is known.

    Args:
        how: try all of which nothing current is known, only what survived until now, or none.
        every: try only each so-manieth of the file; of the others what is known counts.
        jobs: how many to try at once.

    Raises:
        trials.TrialError: the target names what is not there, or its tests fail over the unchanged product.
    """
    target.require_names()
    began = time.monotonic()
    result = Result(name)
    for source in target.sources:
        mutants = source.mutants()
        if how != "none":
            left = _left(name, target, source, mutants[::every], again=how == "survivors")
            if left:
                trials.apart(partial(_learn, target, source, scratch))
                trials.apart(
                    *(partial(_try_all, name, target, source, left[job::jobs], scratch) for job in range(jobs))
                )
        memory = Memory(name)
        alive = []
        untried = set()
        for mutant in mutants:
            result.count += 1
            if (how == "none" or every > 1) and not memory.is_current(mutant, source.tests or target.tests):
                result.untried += 1
                untried.add(mutant.key)
            elif memory.killer(mutant):
                result.killed += 1
            else:
                alive.append(mutant)
        _explain(name, source, mutants, alive, untried, result)
    for mutant in result.survivors:
        print(f"  survives: {mutant.key}", flush=True)
    for mark in result.stale:
        print(f"  marked without need, or more than survive: {mark}", flush=True)
    result.seconds = time.monotonic() - began
    return result


def _explain(
    name: str,
    source: Source,
    mutants: Sequence[Mutant],
    alive: Sequence[Mutant],
    untried: AbstractSet[str],
    result: Result,
) -> None:
    """Sort what nobody noticed by the marks of its file, each of which explains as many as it says."""
    reasons: dict[str, str] = {}
    for mark in source.marks():
        survivors = [mutant.key for mutant in alive if mark.explains(mutant)]
        at_it = [mutant.key for mutant in mutants if mark.explains(mutant)]
        if len(survivors) <= mark.count:
            reasons |= dict.fromkeys(survivors, mark.reason)
        is_whole = untried.isdisjoint(at_it)
        if is_whole and len(survivors) < mark.count and (at_it or not _elsewhere(name, mark.path)):
            result.stale.append(mark)
    for mutant in alive:
        if mutant.key in reasons:
            result.explained[mutant.key] = reasons[mutant.key]
        else:
            result.survivors.append(mutant)


def unknown_marks(repository: Path) -> list[Mark]:
    """The marks of files that no target changes."""
    changed = {source.path for target in TARGETS.values() for source in target.sources}
    files = (
        (path.relative_to(repository).as_posix(), path)
        for folder in MARKED
        for path in sorted((repository / folder).rglob("*"))
        if path.suffix in (".py", ".sql")
    )
    return [
        mark
        for name, path in files
        if name not in changed and "equivalent" in (text := path.read_text(encoding="utf-8"))
        for mark in marks(name, text)
    ]


def _elsewhere(name: str, path: str) -> bool:
    """Whether another target changes the same file."""
    return any(source.path == path for other, target in TARGETS.items() if other != name for source in target.sources)


def _left(name: str, target: Target, source: Source, mutants: Sequence[Mutant], *, again: bool) -> list[Mutant]:
    """The mutants of one file of which nothing current is known; but for those that were killed once, if only again."""
    memory = Memory(name)
    tests = source.tests or target.tests
    return [
        mutant for mutant in mutants if not memory.is_current(mutant, tests) and not (again and memory.killer(mutant))
    ]


def _learn(target: Target, source: Source, scratch: Path) -> None:
    """Keep what the tests do over one file as it is, for those who try its mutants.

    Raises:
        trials.TrialError: they fail, over the file or over its queries in other words.
    """
    tests = source.tests or target.tests
    known = trials.learn(tests, [source.path], scratch, once=source.once, kept=_learned(source, tests))
    if (same := source.rewritten()) and (wrong := _try(same, known, [], scratch)):
        raise trials.TrialError(f"The queries of {source.path} in sqlglot's words are others to {wrong}.")


def _try_all(name: str, target: Target, source: Source, mutants: Sequence[Mutant], scratch: Path) -> None:
    """Try these mutants of one file, and keep what came of each."""
    memory = Memory(name)
    tests = source.tests or target.tests
    own = Path(tempfile.mkdtemp(dir=scratch))
    known = trials.learn(tests, [source.path], own, once=source.once, kept=_learned(source, tests))
    recent: list[str] = []
    for mutant in mutants:
        killer = _try(mutant, known, [memory.killer(mutant), *reversed(recent)], own)
        memory.keep(mutant, killer, tests)
        recent = [*(test for test in recent if test != killer), killer][-FIRST:]


def _learned(source: Source, tests: Sequence[str]) -> Path:
    """Where it is kept what the tests call, for as long as they and the file stay as they are."""
    read = "\0".join(map(source_of, [source.path, *tests]))
    return memory.STATE / f"{Path(source.path).stem}-{hashlib.sha256(read.encode()).hexdigest()[:16]}.json"


def _try(mutant: Mutant, known: trials.Known, likely: Sequence[str], scratch: Path) -> str:
    """The test that kills a mutant; those that killed it or its neighbours before are asked first."""
    tests = known.of(mutant)
    first = [test for test in dict.fromkeys(likely) if test in tests]
    for some in ([first] if first and first != tests else []) + [tests]:
        killer = trials.try_out(mutant, some, {test: known.seconds[test] for test in some}, scratch).killer
        if killer:
            return killer
    return ""
