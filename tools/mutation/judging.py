"""Each mutant of a target is tried by the tests that can see it, until one fails."""

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from tools.mutation import memory, quick, trials
from tools.mutation.marks import Mark, marks
from tools.mutation.memory import Memory, source_of
from tools.mutation.mutations import Mutant
from tools.mutation.targets import TARGETS, Source, Target

FIRST = 4
"""How many of the tests that killed the last mutants are asked first for the next one."""

MARKED = ("pipelines", "resources", "warehouse")
"""The folders of the product, in which a mark may stand."""

How = Literal["all", "quick", "survivors", "none"]


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
        how: try all of which nothing current is known, those in quick trials alone, only what survived until now, or
            none.
        every: try only each so-manieth of the file; of the others what is known counts.
        jobs: how many to try at once.

    Raises:
        trials.TrialError: the target names what is not there, or its tests fail over the unchanged product.
    """
    target.require_names()
    began = time.monotonic()
    result = Result(name)
    found: list[Mutant] = []
    for source in target.sources:
        mutants = source.mutants()
        found += mutants
        if how != "none":
            left = _left(name, target, source, mutants[::every], again=how == "survivors")
            if left:
                trials.apart(partial(_learn, target, source, scratch))
                trials.apart(
                    *(partial(_try_all, name, target, source, left[job::jobs], scratch, how) for job in range(jobs))
                )
        memory = Memory(name)
        alive = []
        untried = set()
        for mutant in mutants:
            result.count += 1
            if (how in ("quick", "none") or every > 1) and not memory.is_current(mutant, source.tests or target.tests):
                result.untried += 1
                untried.add(mutant.key)
            elif memory.killer(mutant):
                result.killed += 1
            else:
                alive.append(mutant)
        _explain(name, source, mutants, alive, untried, result)
    Memory(name).settle(found)
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
    known = _known(target, source, scratch)
    same = source.rewritten()
    was_found = _kept(source.path, source.tests or target.tests, [source.path], ".same")
    if same and not was_found.exists():
        if wrong := trials.try_out(same, known.of(same), known.seconds, scratch):
            raise trials.TrialError(f"The queries of {source.path} in sqlglot's words are others to {wrong}.")
        was_found.touch()


def _try_all(name: str, target: Target, source: Source, mutants: Sequence[Mutant], scratch: Path, how: How) -> None:
    """Try these mutants of one file, and keep what came of each: quickly first, and whole where no test noticed.

    Of what is marked nobody is expected to notice much, so it is tried whole at once.
    """
    own = Path(tempfile.mkdtemp(dir=scratch))
    marked = source.marks()
    plain = [mutant for mutant in mutants if not any(mark.explains(mutant) for mark in marked)]
    trials.apart(partial(_try_quickly, name, target, source, plain, own))
    memory, tests = Memory(name), source.tests or target.tests
    left = [mutant for mutant in mutants if not memory.is_current(mutant, tests)]
    if left and how != "quick":
        known = _known(target, source, own)
        trials.ready(source.once)
        trials.load(known, source.path)
        _try_each(left, known, memory, tests, lambda one, seen, seconds: trials.try_out(one, seen, seconds, own))


def _try_quickly(name: str, target: Target, source: Source, mutants: Sequence[Mutant], scratch: Path) -> None:
    """Keep which tests kill mutants of one file in a quick trial; what none kills is as unknown as before."""
    known, memory, tests = _known(target, source, scratch), Memory(name), source.tests or target.tests

    def work(collected: quick.Collected) -> None:
        def trial(mutant: Mutant, seen: list[str], seconds: Mapping[str, float]) -> str:
            return collected.try_out(mutant, seen, seconds, scratch)

        _try_each(mutants, known, memory, tests, trial, survive=False)

    trials.ready(source.once)
    # What the tests share lies among what is removed in the end.
    os.environ["TMPDIR"] = str(scratch)
    tempfile.tempdir = None
    quick.collect(tests, source.path, work, known.seconds)


_Trial = Callable[[Mutant, list[str], Mapping[str, float]], str]


def _try_each(
    mutants: Sequence[Mutant],
    known: trials.Known,
    memory: Memory,
    tests: Sequence[str],
    trial: _Trial,
    *,
    survive: bool = True,
) -> None:
    """Keep the killers of mutants, and what survives if it can; what killed neighbours is asked first.

    Of the others those come first that killed most for their time.
    """
    recent: list[str] = []
    kills = memory.kills()
    for mutant in mutants:
        seen = sorted(known.of(mutant), key=lambda test: known.seconds[test] / (1 + kills[test]))
        likely = (test for test in (memory.killer(mutant), *reversed(recent)) if test in seen)
        ordered = list(dict.fromkeys([*likely, *seen]))
        killer = trial(mutant, ordered, {test: known.seconds[test] for test in ordered})
        if killer or survive:
            memory.keep(mutant, killer, tests)
            recent = [*(test for test in recent if test != killer), killer][-FIRST:]
            kills[killer] += 1


def _known(target: Target, source: Source, scratch: Path) -> trials.Known:
    """What the tests of a file call, kept for as long as they and the files that they hold stay as they are."""
    tests = source.tests or target.tests
    # The files of the same tests are learned in one run of these.
    paths = [one.path for one in target.sources if (one.tests or target.tests, one.once) == (tests, source.once)]
    return trials.learn(tests, paths, scratch, once=source.once, kept=_kept(paths[0], tests, paths, ".json"))


def _kept(path: str, tests: Sequence[str], paths: Sequence[str], suffix: str) -> Path:
    """A file for what holds as long as these tests and files stay as they are, named after one of them."""
    read = "\0".join([*tests, *map(source_of, [*paths, *tests])])
    return memory.STATE / f"{Path(path).stem}-{hashlib.sha256(read.encode()).hexdigest()[:16]}{suffix}"
