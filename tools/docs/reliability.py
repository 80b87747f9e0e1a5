"""`make reliability`: docs/reliability.md, of at most 80 lines, from the JUnit files in `.ci/results`.

What tests/chaos breaks is told by the docstring of each of its files. What has no result says so.
"""

import ast
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

from pipelines.settings import REPOSITORY

RESULTS = REPOSITORY / ".ci" / "results"

PAGE = REPOSITORY / "docs" / "reliability.md"

CASES = REPOSITORY / "tests" / "chaos"

LONGEST = 80
"""Lines of the page."""

LISTED, MOST_COMMITS = 20, 10
"""Lines of cases that failed, and of commits that were tried."""

HEAD = """# Reliability

Written by `make reliability` from the results in `.ci/results`; do not edit.

Each case of `tests/chaos` breaks something in a whole run and says what must come of it: no published row that is not
true, no row lost, no reader disturbed. Two truthful runs of the same simulated organisation are the measure, row for
row.

| file | what is broken, and what comes of it | cases | passed | failed | not tried | shown |
| --- | --- | --: | --: | --: | --: | --- |
"""

METHOD = """## Run it again

`make faults` runs all of it on two cores, in up to two hours; `make faults CASES="disk and publish"` runs the cases
whose names hold these words. JUnit's files stay in `.ci/results`, which git ignores; the newest counts.
A case is not tried where the machine lacks what it needs, such as libfaketime or the right to mount a small disk. A
commit with a + had changes that were not committed.
"""


@dataclass(frozen=True)
class Case:
    """What a test of tests/chaos showed when it was tried last.

    Attributes:
        file: without ending, such as `test_kills`.
        said: the failure, or why it was not tried.
        date: in UTC, as `2026-11-25`.
        commit: with a + where something was not committed; empty where JUnit's file does not say.
        versions: of Python and of the libraries that it ran with.
    """

    file: str
    name: str
    outcome: Literal["passed", "failed", "not tried"]
    said: str = ""
    date: str = ""
    commit: str = ""
    versions: str = ""


@dataclass(frozen=True)
class Tests:
    """What pytest reported of one run in JUnit's form."""

    name: str
    tests: int
    failed: int
    skipped: int


def page(cases: Sequence[Case], tests: Sequence[Tests] = ()) -> str:
    """The page of these results: what failed is named, what passed is counted."""
    lines = [*HEAD.splitlines(), *(_row(path, cases) for path in sorted(CASES.glob("test_*.py"))), ""]
    wrong = [case for case in cases if case.outcome == "failed"]
    if wrong:
        lines += ["## Failed", ""]
        lines += [f"- {cell(case.file)}: {cell(case.name)}. {cell(case.said)[:300]}" for case in wrong[:LISTED]]
        lines += [f"- and {len(wrong) - LISTED} more."] * (len(wrong) > LISTED) + [""]
    if tests:
        lines += ["## Tests", "", "| run | tests | failed | skipped |", "| --- | --: | --: | --: |"]
        lines += [f"| {one.name} | {one.tests:,} | {one.failed} | {one.skipped} |" for one in tests] + [""]
    lines += METHOD.splitlines()
    tried = Counter((case.commit, case.versions) for case in cases if case.commit and case.outcome != "not tried")
    if tried:
        lines += ["", "| commit | versions | cases |", "| --- | --- | --: |"]
        lines += [f"| {commit} | {of} | {count} |" for (commit, of), count in tried.most_common(MOST_COMMITS)]
    return "\n".join(lines).rstrip() + "\n"


def _row(path: Path, cases: Sequence[Case]) -> str:
    what = (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    found = [case for case in cases if case.file == path.stem]
    if not found:
        return f"| {path.stem} | {cell(what)} | | | | | no result |"
    outcomes = Counter(case.outcome for case in found)
    counts = [len(found), outcomes["passed"], outcomes["failed"], outcomes["not tried"]]
    shown = sorted(case.date for case in found if case.outcome != "not tried")
    dates = " to ".join(dict.fromkeys([shown[0], shown[-1]])) if shown else ""
    return f"| {path.stem} | {cell(what)} | {' | '.join(map(str, counts))} | {dates} |"


def chaos(folder: Path) -> list[Case]:
    """The newest result of each case that JUnit's files of a folder know."""
    newest: dict[tuple[str, str], tuple[str, Case]] = {}
    suites = [suite for path in folder.glob("*.xml") for suite in ElementTree.parse(path).iter("testsuite")]
    for suite in sorted(suites, key=lambda suite: suite.get("timestamp", "")):
        when = suite.get("timestamp", "")
        for test in suite.iter("testcase"):
            package, _, file = test.get("classname", "").rpartition(".")
            if package != "tests.chaos":
                continue
            case = _case(file, test, when[:10])
            before = newest.get((file, case.name))
            # A test that fails and cannot tidy up either has two results in one file.
            if before is None or before[0] != when or before[1].outcome != "failed":
                newest[file, case.name] = when, case
    return [case for _, (_, case) in sorted(newest.items())]


def _case(file: str, test: ElementTree.Element, date: str) -> Case:
    wrong = next((child for child in test if child.tag in ("failure", "error")), None)
    skipped = test.find("skipped")
    properties = {one.get("name"): one.get("value", "") for one in test.iter("property")}
    # xdist names the group that a test is of.
    name = test.get("name", "").rpartition("@")[0] or test.get("name", "")
    said = next((child.get("message") or child.text or "" for child in (wrong, skipped) if child is not None), "")
    return Case(
        file,
        name,
        "failed" if wrong is not None else "not tried" if skipped is not None else "passed",
        said,
        date,
        properties.get("commit", ""),
        properties.get("versions", ""),
    )


def junit(folder: Path) -> list[Tests]:
    """What JUnit's files of a folder say, by name."""
    found = []
    for path in sorted(folder.glob("*.xml")):
        cases = list(ElementTree.parse(path).iter("testcase"))
        failed = sum(case.find("failure") is not None or case.find("error") is not None for case in cases)
        skipped = sum(case.find("skipped") is not None for case in cases)
        found.append(Tests(path.stem, len(cases), failed, skipped))
    return found


def cell(text: str) -> str:
    """A text as it stands in a line of the page."""
    return " ".join(text.replace("|", "\\|").split())


def main() -> int:
    """Write the page; 1 where there is no result at all, and then nothing is written."""
    cases, tests = chaos(RESULTS), junit(RESULTS)
    if not tests:
        print(f"There are no results in {RESULTS}; nothing was written. Run `make faults`.", file=sys.stderr)
        return 1
    PAGE.write_text(page(cases, tests), encoding="utf-8")
    print(f"{PAGE.relative_to(REPOSITORY)} written from {len(cases)} cases.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
