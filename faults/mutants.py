"""`python -m faults.mutants [TARGET…]`: change one small thing at a time in the rules and see whether a test notices.

Every mutant is killed by a test or explained in faults/survivors.toml. What is known of a mutant is kept in `.mutants/`
for as long as the function that is changed and the test that killed it, or, where none did, all the tests of its target
stay as they are: a run that was broken off goes on. A run of all targets writes docs/mutants.md.
"""

import argparse
import ast
import functools
import hashlib
import json
import os
import platform
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from faults import trials
from faults.mutations import Mutant, numbered, python_mutants
from faults.names import unknown_places, unknown_tests
from faults.sql_mutations import embedded_mutants, rewritten, sql_mutants

REPOSITORY = trials.REPOSITORY
PAGE = REPOSITORY / "docs" / "mutants.md"
SURVIVORS = REPOSITORY / "faults" / "survivors.toml"
STATE = REPOSITORY / ".mutants"


FIRST = 4
"""How many of the tests that killed the last mutants are asked first for the next one."""


How = Literal["all", "survivors", "none"]


@dataclass(frozen=True)
class Source:
    """A file that is changed.

    Attributes:
        path: below the repository.
        only: the functions, classes or, of SQL, columns that belong to the target; all where empty.
        tests: what pytest is to run, instead of the target's.
        once: a function of a module beside the tests, `module:name`, that keeps what it gives and takes long; it may
            load nothing that is changed.
    """

    path: str
    only: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    once: str = ""

    def mutants(self) -> list[Mutant]:
        """Every mutant of it."""
        text = (REPOSITORY / self.path).read_text(encoding="utf-8")
        if self.path.endswith(".sql"):
            return sql_mutants(self.path, text, self.only)
        found = [*python_mutants(self.path, text, self.only), *embedded_mutants(self.path, text, self.only)]
        return numbered({mutant.text: mutant for mutant in found}.values())

    def rewritten(self) -> Mutant | None:
        """What is no mutant: its queries in other words. None where it has no queries."""
        text = (REPOSITORY / self.path).read_text(encoding="utf-8")
        after = rewritten(self.path, text, self.only)
        return Mutant(self.path, "", "its queries in other words", after) if after != text else None


@dataclass(frozen=True)
class Target:
    """Rules that belong together, and the fast tests that hold them."""

    what: str
    sources: tuple[Source, ...]
    tests: tuple[str, ...]

    def require_names(self) -> None:
        """Refuse a target that names what is not there: nothing of it would be changed, or nobody would notice.

        Raises:
            trials.TrialError: it does.
        """
        wrong = [
            sentence
            for source in self.sources
            for sentence in (
                *unknown_places(REPOSITORY, source.path, source.only),
                *unknown_tests(REPOSITORY, source.tests or self.tests, source.once),
            )
        ]
        if wrong:
            raise trials.TrialError(
                f"{' '.join(dict.fromkeys(wrong))} Nothing was tried. Correct the target in faults/mutants.py."
            )


TARGETS: Mapping[str, Target] = {
    "contract": Target(
        "who may send what",
        (Source("resources/contract.py", once="every_operation:every_operation"),),
        ("tests/test_contract.py",),
    ),
    "guard": Target(
        "nothing is sent that the contract does not cover",
        (Source("resources/aws/guard.py"),),
        ("tests/test_guard.py",),
    ),
    "identity": Target(
        "whom the profiles reach, and what the pre-flight makes of it",
        (
            Source("resources/identity_rules.py"),
            Source("pipelines/preflight_assets.py", tests=("tests/test_preflight_step.py",), once="given:ready"),
        ),
        ("tests/test_identity.py",),
    ),
    "rules": Target(
        "what may be believed",
        (
            Source("pipelines/trust/ages.py"),
            Source("pipelines/trust/outcomes.py"),
            Source("pipelines/trust/preflight_rules.py"),
            Source("pipelines/trust/zero_rule.py"),
            Source("pipelines/trust/listing_rule.py"),
            Source("pipelines/trust/publish_rules.py"),
            Source("resources/check_result.py"),
            Source(
                "pipelines/collection/decisions.py",
                ("Confirmation.sentence", "Confirmation.count", "decide", "portions"),
                tests=("tests/test_confirmation.py",),
            ),
        ),
        ("tests/test_rules.py",),
    ),
    "gate": Target(
        "nothing is built without the evidence",
        (Source("pipelines/trust/gate.py"),),
        ("tests/test_gate_sentences.py",),
    ),
    "items": Target(
        "which items there are, and what is a version of one (SCD type 2)",
        (
            Source("warehouse/cmdb/resource_version.sql"),
            Source("pipelines/models/history.py", ("open_versions",)),
            Source("warehouse/cmdb/resource.sql", tests=("tests/test_items.py",)),
        ),
        ("tests/test_item_versions.py",),
    ),
    "freezing": Target(
        "which rows an answer replaces, and which stay as they are",
        (
            Source(
                "pipelines/models/build.py",
                ("trusted_cells", "_replace_cells", "_leave_what_stands", "_keep_one_of_each"),
            ),
        ),
        ("tests/test_kept_rows.py",),
    ),
    "answers": Target(
        "what an answer of AWS is worth",
        (
            Source(
                "resources/aws/client.py",
                ("_Pending", "AwsClient.fetch", "AwsClient._skip_reason", "AwsClient.is_optional"),
            ),
            Source("resources/aws/paging.py", ("Pager", "_loop")),
            Source("resources/aws/retry.py", ("RetryingSender", "outcome_of", "_classified")),
            Source("resources/aws/cloudtrail.py", ("CloudTrail", "_user_name", "_refusal")),
            Source("resources/aws/errors.py", ("is_throttle",)),
        ),
        (
            "tests/test_profile.py",
            "tests/test_batches.py",
            "tests/test_each.py",
            "tests/test_answers.py::test_a_wrong_clock_of_this_machine_is_called_that",
            "tests/test_answers.py::test_empty_pages_without_end_have_one",
            "tests/test_answers.py::test_as_many_empty_pages_as_aws_sends_are_no_end",
            "tests/test_answers.py::test_empty_pages_of_one_parent_are_not_those_of_another",
            "tests/test_answers.py::test_pages_that_are_full_end_with_the_time_of_a_question",
            "tests/test_records.py::test_the_same_instance_on_one_page_or_two_is_found_once",
            "tests/test_records.py::test_an_instance_that_changes_between_two_pages_makes_no_response",
            "tests/test_secrets.py::test_a_token_that_aws_repeats_is_in_no_response_and_no_exception",
            "tests/test_secrets.py::test_a_token_that_sts_repeats_is_in_no_sentence",
        ),
    ),
    "cells": Target(
        "what is written of a run and its cells, and how a cell stands after all its nights",
        (
            Source("resources/audit/runs.py"),
            Source("resources/audit/identities.py"),
            Source("resources/audit/cells.py"),
            Source("resources/audit/zeros.py", tests=("tests/test_waiting_zeros.py",)),
            Source("resources/audit/coverage.py"),
            Source("resources/audit/checks.py"),
            Source("warehouse/migrations/0025_empty_policy.sql", tests=("tests/test_newest_cell.py",)),
        ),
        ("tests/test_evidence.py", "tests/test_newest_cell.py"),
    ),
    "publish": Target(
        "what analysts read, whole or not at all, and what is forgotten",
        (
            Source("pipelines/publishing/assets.py", once="given:ready"),
            Source(
                "pipelines/publishing/naming.py",
                tests=(
                    "tests/test_published_name.py::test_the_name_of_the_published_file_is_no_schemas",
                    "tests/test_published_name.py::test_a_name_that_is_no_schemas_gets_no_warning",
                    "tests/test_published_name.py::"
                    "test_a_name_that_is_a_schemas_gets_one_sentence_that_says_what_to_rename",
                    "tests/test_published_name.py::test_doing_what_the_warning_says_loses_nothing",
                ),
            ),
            Source("pipelines/publishing/retention.py", once="given:ready"),
            Source(
                "resources/store/publishing.py",
                ("Publisher.publish", "Publisher._checkpoint", "Publisher._seal", "Publisher._verify"),
                tests=("tests/test_publish.py",),
            ),
            Source(
                "resources/store/versions.py",
                ("Links.refuse_plain_file", "Links.point_at", "Versions"),
                tests=("tests/test_publish.py",),
            ),
            Source(
                "resources/store/store.py",
                ("Store.publish", "Store.versions", "Store.prune", "Store.rollback"),
                tests=("tests/test_publish.py",),
            ),
            Source(
                "resources/store/files.py",
                ("copy", "sync", "remove", "refuse_log_of"),
                tests=("tests/test_publish.py",),
            ),
            Source("resources/store/paths.py", ("with_wal",), tests=("tests/test_publish.py",)),
        ),
        ("tests/test_publish_step.py",),
    ),
    "pages": Target(
        "what a page of an answer is taken for",
        (Source("resources/aws/records.py"),),
        ("tests/test_pages.py",),
    ),
}
"""What is changed, by name."""


@dataclass
class Result:
    """What became of the mutants of one target.

    Attributes:
        survivors: those that nobody noticed and nothing explains.
        explained: those that nobody noticed, and why nobody can.
        untried: how many there are of which nothing current is known.
        stale: explanations of mutants that are killed, or that are none any more.
    """

    name: str
    count: int = 0
    killed: int = 0
    untried: int = 0
    survivors: list[Mutant] = field(default_factory=list)
    explained: dict[str, str] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)
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


class Memory:
    """What is known of the mutants of one target from earlier runs."""

    def __init__(self, name: str) -> None:
        self._path = STATE / f"{name}.jsonl"
        self._known: dict[str, dict[str, str]] = {}
        if self._path.exists():
            for line in self._path.read_text(encoding="utf-8").splitlines():
                entry = json.loads(line)
                self._known[entry["key"]] = entry

    def killer(self, mutant: Mutant) -> str:
        """The test that killed a mutant of this key last; empty where none did or it was never tried."""
        return self._known.get(mutant.key, {}).get("killer", "")

    def is_current(self, mutant: Mutant, tests: Sequence[str]) -> bool:
        """Whether a trial would find what is known."""
        known = self._known.get(mutant.key)
        return known is not None and known["evidence"] == _evidence(mutant, known["killer"], tests)

    def keep(self, mutant: Mutant, killer: str, tests: Sequence[str]) -> None:
        """Remember the end of a trial, at once."""
        entry = {"key": mutant.key, "killer": killer, "evidence": _evidence(mutant, killer, tests)}
        self._known[mutant.key] = entry
        STATE.mkdir(exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _evidence(mutant: Mutant, killer: str, tests: Sequence[str]) -> str:
    """What a verdict rests on: the change, the function around it, and the test that killed it or all that did not."""
    parts = [mutant.key, _scope(mutant.path, mutant.where)]
    parts += [_function(killer) if "::" in killer else _file(killer)] if killer else map(_file, tests)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@functools.cache
def _file(test: str) -> str:
    path = REPOSITORY / test.partition("::")[0]
    return path.read_text(encoding="utf-8") if path.is_file() else ""


@functools.cache
def _function(test: str) -> str:
    """The source of a test function and of its cases, without those around it."""
    name = test.partition("::")[2].partition("[")[0]
    return _found(_file(test), [name])


@functools.cache
def _scope(path: str, where: str) -> str:
    """The source of the function or class that is changed; of SQL and of what stands in none, the whole file."""
    text = _file(path)
    return (where and path.endswith(".py") and _found(text, where.split("."))) or text


def _found(text: str, names: Sequence[str]) -> str:
    """The source of a function or class within others; empty where there is none."""
    inside: list[ast.stmt] = ast.parse(text).body
    first, last = 0, 0
    for name in names:
        found = [
            node
            for node in inside
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.name == name
        ]
        if not found:
            return ""
        node = found[-1]
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        last, inside = node.end_lineno or node.lineno, node.body
    return "\n".join(text.splitlines()[first - 1 : last])


def judge(
    name: str,
    target: Target,
    explanations: Mapping[str, str],
    scratch: Path,
    how: How = "all",
    every: int = 1,
    jobs: int = 1,
) -> Result:
    """Try every mutant of a target of which nothing current is known.

    Args:
        explanations: the reason of each survivor that can have no test, by its key.
        how: try all of which nothing current is known, only what survived until now, or none.
        every: try only each so-manieth of the file; of the others what is known counts.
        jobs: how many to try at once.

    Raises:
        trials.TrialError: the target names what is not there, or its tests fail over the unchanged product.
    """
    target.require_names()
    began = time.monotonic()
    result = Result(name)
    alive: set[str] = set()
    keys: set[str] = set()
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
        for mutant in mutants:
            keys.add(mutant.key)
            result.count += 1
            if (how == "none" or every > 1) and not memory.is_current(mutant, source.tests or target.tests):
                result.untried += 1
                alive.add(mutant.key)
                continue
            if memory.killer(mutant):
                result.killed += 1
                continue
            alive.add(mutant.key)
            if mutant.key in explanations:
                result.explained[mutant.key] = explanations[mutant.key]
            else:
                result.survivors.append(mutant)
                print(f"  survives: {mutant.key}", flush=True)
    paths = {source.path for source in target.sources}
    of_it = [key for key in explanations if key.partition(" ")[0] in paths]
    result.stale = [key for key in of_it if key not in alive and (key in keys or not _elsewhere(name, key))]
    for key in result.stale:
        what = "is killed by a test" if key in keys else "is none any more"
        print(f"  explained without need, since it {what}: {key}", flush=True)
    result.seconds = time.monotonic() - began
    return result


def unknown_explanations(explanations: Mapping[str, str]) -> list[str]:
    """The files whose mutants are explained though no target changes them."""
    changed = {source.path for target in TARGETS.values() for source in target.sources}
    return sorted({key.partition(" ")[0] for key in explanations} - changed)


def _elsewhere(name: str, key: str) -> bool:
    """Whether another target changes the same file."""
    path = key.partition(" ")[0]
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
    read = "\0".join(map(_file, [source.path, *tests]))
    return STATE / f"{Path(source.path).stem}-{hashlib.sha256(read.encode()).hexdigest()[:16]}.json"


def _try(mutant: Mutant, known: trials.Known, likely: Sequence[str], scratch: Path) -> str:
    """The test that kills a mutant; those that killed it or its neighbours before are asked first."""
    tests = known.of(mutant)
    first = [test for test in dict.fromkeys(likely) if test in tests]
    for some in ([first] if first and first != tests else []) + [tests]:
        killer = trials.try_out(mutant, some, sum(known.seconds[test] for test in some), scratch).killer
        if killer:
            return killer
    return ""


def page(results: Sequence[Result], *, date: str, versions: str) -> str:
    """docs/mutants.md."""
    count, killed = sum(r.count for r in results), sum(r.killed for r in results)
    lines = [
        "# Mutants",
        "",
        "Written by `make mutants`; do not edit it. One small thing at a time is changed in the code that decides what "
        "may be believed, and the tests of that code are run: a change that no test notices is a rule that no test "
        "holds. Sentences, types and documentation are not changed.",
        "",
        f"Written on {date} with {versions}: {count:,} mutants, {killed:,} killed by a test, "
        f"{sum(len(r.explained) for r in results)} that no test can kill, "
        f"{sum(len(r.survivors) for r in results)} that survive without a reason, "
        f"{sum(r.untried for r in results)} not tried. What was tried before the function around it or "
        "its tests changed counts as not tried.",
        "",
        "| target | what it decides | files | mutants | killed | explained | survive | not tried |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for result in results:
        target = TARGETS[result.name]
        files = ", ".join(dict.fromkeys(f"`{source.path}`" for source in target.sources))
        lines.append(
            f"| {result.name} | {target.what} | {files} | {result.count} | {result.killed} | {len(result.explained)} | "
            f"{len(result.survivors)} | {result.untried} |"
        )
    for result in results:
        if result.explained or result.survivors:
            lines += ["", f"## {result.name}", "", "| what survives | why |", "| --- | --- |"]
            lines += [f"| {_code(key)} | {_cell(why)} |" for key, why in result.explained.items()]
            lines += [f"| {_code(mutant.key)} | **nobody knows** |" for mutant in result.survivors]
    return "\n".join(lines) + "\n"


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    return f"{fence}{_cell(text)}{fence}"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def main() -> int:
    """Judge the targets that are named, or every target."""
    parser = argparse.ArgumentParser(prog="python -m faults.mutants", description=__doc__)
    parser.add_argument("target", nargs="*", help="only this one; docs/mutants.md stays as it is then")
    parser.add_argument("--survivors", action="store_true", help="try only what was not killed in an earlier run")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="try only each N-th mutant of a file")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="try so many at once")
    parser.add_argument("--page", action="store_true", help="try nothing: write docs/mutants.md from what is known")
    arguments = parser.parse_args()
    how: How = "none" if arguments.page else "survivors" if arguments.survivors else "all"
    if unknown := sorted(set(arguments.target) - set(TARGETS)):
        parser.error(f"There is no target {', '.join(unknown)}; there are {', '.join(TARGETS)}. Nothing was run.")
    with SURVIVORS.open("rb") as file:
        explanations: dict[str, str] = tomllib.load(file)
    if unknown := unknown_explanations(explanations):
        parser.error(f"faults/survivors.toml explains mutants that no target makes: {', '.join(unknown)}.")
    results = []
    with tempfile.TemporaryDirectory(prefix="cmdb-mutants-", ignore_cleanup_errors=True) as folder:
        os.environ["HOME"] = folder
        for name, target in TARGETS.items():
            if not arguments.target or name in arguments.target:
                try:
                    every, jobs = max(arguments.every, 1), max(arguments.jobs, 1)
                    result = judge(name, target, explanations, Path(folder), how, every, jobs)
                except trials.TrialError as error:
                    print(f"✗ {name}: {error}", file=sys.stderr)
                    return 1
                print(result.line(), flush=True)
                results.append(result)
    is_wrong = any(result.survivors or result.stale for result in results)
    if not arguments.target and how != "survivors":
        named = ", ".join(f"{name} {version(name)}" for name in ("cosmic-ray", "sqlglot", "duckdb", "pytest"))
        versions = f"Python {platform.python_version()}, {named}"
        PAGE.write_text(page(results, date=f"{datetime.now(UTC):%Y-%m-%d}", versions=versions), encoding="utf-8")
    return 1 if is_wrong else 0


if __name__ == "__main__":
    sys.exit(main())
