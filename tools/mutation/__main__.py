"""`python -m tools.mutation [TARGET…]`: change one small thing at a time in the rules and see whether a test notices.

Every mutant is killed by a test or explained by a mark at its line (`tools.mutation.marks`). What is known of a mutant
is kept in `tools/mutation/known/` (`tools.mutation.memory`); a run that was broken off goes on. A run of all targets
writes docs/mutants.md.
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tools.mutation import trials
from tools.mutation.judging import How, Result, judge, unknown_marks
from tools.mutation.targets import TARGETS
from tools.mutation.watch import REPOSITORY

PAGE = REPOSITORY / "docs" / "mutants.md"


def page(results: Sequence[Result], *, date: str, versions: str) -> str:
    """docs/mutants.md."""
    count, killed = sum(r.count for r in results), sum(r.killed for r in results)
    lines = [
        "# Mutants",
        "",
        "Written by `make mutants`; do not edit it. One small thing at a time is changed in the code that decides what "
        "may be trusted, and the tests of that code are run: a change that no test notices is a rule that no test "
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
    parser = argparse.ArgumentParser(prog="python -m tools.mutation", description=__doc__)
    parser.add_argument("target", nargs="*", help="only this one; docs/mutants.md stays as it is then")
    parser.add_argument("--survivors", action="store_true", help="try only what was not killed in an earlier run")
    parser.add_argument("--quick", action="store_true", help="leave what no quick trial kills for another run")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="try only each N-th mutant of a file")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="try so many at once")
    parser.add_argument("--page", action="store_true", help="try nothing: write docs/mutants.md from what is known")
    arguments = parser.parse_args()
    how: How = (
        "none" if arguments.page else "survivors" if arguments.survivors else "quick" if arguments.quick else "all"
    )
    if unknown := sorted(set(arguments.target) - set(TARGETS)):
        parser.error(f"There is no target {', '.join(unknown)}; there are {', '.join(TARGETS)}. Nothing was run.")
    if unknown := unknown_marks(REPOSITORY):
        parser.error(f"No target changes the files of these marks: {', '.join(map(str, unknown))}. Nothing was run.")
    results = []
    with tempfile.TemporaryDirectory(prefix="cmdb-mutants-", ignore_cleanup_errors=True) as folder:
        os.environ["HOME"] = folder
        for name, target in TARGETS.items():
            if not arguments.target or name in arguments.target:
                try:
                    every, jobs = max(arguments.every, 1), max(arguments.jobs, 1)
                    result = judge(name, target, Path(folder), how, every, jobs)
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
