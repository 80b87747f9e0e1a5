"""`make reliability`: docs/reliability.md, of at most 80 lines, from the results in `.ci/results`.

Those of the fault kit are in `faults.json`, those of tests in JUnit's files. What has no result says so.
"""

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from faults.report import PARTS, REPOSITORY, RESULTS, Key, Result, read

PAGE = REPOSITORY / "docs" / "reliability.md"

LONGEST = 80
"""Lines of the page."""

LISTED, MOST_COMMITS = 20, 10
"""Lines of cases that failed, and of commits that were tried."""

HEAD = """# Reliability

Written by `make reliability` from the results in `.ci/results`; do not edit.

Each case breaks something in a whole run and says what must come of it: no published row that is not true, no row lost,
no reader disturbed. Two truthful runs of the same simulated organisation are the measure, row for row.

| part | what is broken | cases | as expected | otherwise | not tried | shown |
| --- | --- | --: | --: | --: | --: | --- |
"""

METHOD = """## Run it again

`make faults` begins with what was shown longest ago and ends within twenty minutes; some five runs come round to all.
`python -m faults PART --case TEXT` runs one part or case, and prints what each case showed. Results stay in
`.ci/results`, which git ignores. A commit with a + had changes that were not committed.
"""


@dataclass(frozen=True)
class Tests:
    """What pytest reported of one run in JUnit's form."""

    name: str
    tests: int
    failed: int
    skipped: int


def page(known: Mapping[Key, Result], tests: Sequence[Tests] = ()) -> str:
    """The page of these results: what failed is named, what passed is counted."""
    lines = [*HEAD.splitlines(), *(_row(name, what, known) for name, what in PARTS.items()), ""]
    wrong = [result for result in known.values() if result.outcome == "failed"]
    if wrong:
        lines += ["## Failed", ""]
        lines += [f"- {result.part}: {cell(result.case)}. {cell(result.said)[:300]}" for result in wrong[:LISTED]]
        lines += [f"- and {len(wrong) - LISTED} more."] * (len(wrong) > LISTED) + [""]
    if tests:
        lines += ["## Tests", "", "| run | tests | failed | skipped |", "| --- | --: | --: | --: |"]
        lines += [f"| {one.name} | {one.tests:,} | {one.failed} | {one.skipped} |" for one in tests] + [""]
    lines += METHOD.splitlines()
    tried = Counter((result.commit, result.versions) for result in known.values() if result.outcome != "not tried")
    if tried:
        lines += ["", "| commit | versions | cases |", "| --- | --- | --: |"]
        most = tried.most_common(MOST_COMMITS)
        lines += [f"| {commit or 'unknown'} | {of} | {count} |" for (commit, of), count in most]
    return "\n".join(lines).rstrip() + "\n"


def _row(name: str, what: str, known: Mapping[Key, Result]) -> str:
    found = [result for (part, _), result in known.items() if part == name]
    if not found:
        return f"| {name} | {what} | | | | | no result |"
    outcomes = Counter(result.outcome for result in found)
    counts = [len(found), outcomes["passed"], outcomes["failed"], outcomes["not tried"]]
    shown = sorted(result.date for result in found if result.outcome != "not tried")
    dates = " to ".join(dict.fromkeys([shown[0], shown[-1]])) if shown else ""
    numbers = " | ".join(map(str, counts))
    return f"| {name} | {what} | {numbers} | {dates} |"


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
    known, tests = read(RESULTS), junit(RESULTS.parent)
    if not known and not tests:
        print(f"There are no results in {RESULTS.parent}; nothing was written. Run `make faults`.", file=sys.stderr)
        return 1
    PAGE.write_text(page(known, tests), encoding="utf-8")
    print(f"{PAGE.relative_to(REPOSITORY)} written from {len(known)} cases.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
