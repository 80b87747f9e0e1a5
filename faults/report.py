"""What was shown: one line a case, and the page that keeps them."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Shown:
    """One case: what was done, what must come of it, and what came.

    Attributes:
        part: of the kit, such as `lies`.
        case: what was done, in a few words.
        expected: what must come of it.
        said: the sentence or the figures that were seen.
        failure: what was otherwise than expected; empty where nothing was.
        skipped: why it could not be shown on this machine.
        seconds: of wall time.
    """

    part: str
    case: str
    expected: str
    said: str = ""
    failure: str = ""
    skipped: str = ""
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether it came as expected, or could not be tried."""
        return not self.failure

    def line(self) -> str:
        """For the terminal."""
        mark = "✗" if self.failure else "–" if self.skipped else "✓"
        what = self.failure or self.skipped or self.said
        return f"{mark} {self.part}: {self.case} ({self.seconds:.1f} s). {self.expected}. {what}".rstrip()


@dataclass(frozen=True)
class Part:
    """A part of the kit for the page: its title, what it shows, and what was shown.

    Attributes:
        cases: the names of all that it has, where they are known before they are run: a row of any other one is gone.
    """

    name: str
    title: str
    what: str
    shown: Sequence[Shown]
    cases: Collection[str] | None = None

    @property
    def tried(self) -> bool:
        """Whether any of it was."""
        return any(not shown.skipped for shown in self.shown)


HEAD = """# Reliability

Written by `make faults`; do not edit it. Each case breaks something and says what must come of it. A case keeps what
it showed until it is run again: by `make faults`, which begins with what was shown longest ago, ends within twenty
minutes and prints of the others what stands here (some five runs come round to all), or by
`python -m faults PART --case TEXT`. The last column says when a case was shown, and at which commit of the product:
with a + it was not yet committed.
"""

NOT_TRIED = "not tried: "
OTHERWISE = "**otherwise**: "
NEVER = ""
"""Before every date."""


def kept(page: str, parts: Iterable[Part]) -> list[str]:
    """A line for each case of these parts that was not tried now and of which the page knows what came of it."""
    known = {text.partition("\n")[0]: _rows(text) for text in page.split("\n## ")[1:]}
    found = []
    for part in parts:
        tried = {f"| {cell(case.case)}" for case in part.shown if not case.skipped}
        names = None if part.cases is None else {f"| {cell(case)}" for case in part.cases}
        for case, line in known.get(part.title, {}).items():
            if case not in tried and (names is None or case in names) and f" | {NOT_TRIED}" not in line:
                came, when = line.removesuffix(" |").rsplit(" | ", 2)[1:]
                found.append(f"= {part.name}: {case.removeprefix('| ')} (shown {when}). {came}")
    return found


def dates(page: str) -> dict[tuple[str, str], str]:
    """When a case was last as expected, by the title of its part and its name; NEVER for the others of the page."""
    found = {}
    for text in page.split("\n## ")[1:]:
        for case, line in _rows(text).items():
            is_shown = f" | {OTHERWISE}" not in line and f" | {NOT_TRIED}" not in line
            date = line.rsplit(" | ", 1)[1].removesuffix(" |")
            found[text.partition("\n")[0], case.removeprefix("| ")] = date if is_shown else NEVER
    return found


def renewed(page: str, parts: Iterable[Part], order: Sequence[str], *, date: str, versions: str) -> str:
    """docs/reliability.md with what these parts showed in place of what the same cases had shown before.

    Args:
        page: as it was; empty where there was none.
        order: the title of every part, in the order in which they stand.
    """
    sections = {text.partition("\n")[0]: text.rstrip() + "\n" for text in page.split("\n## ")[1:]}
    for part in parts:
        if part.tried:
            sections[part.title] = _section(part, sections.get(part.title, ""), date, versions)
    return "\n".join([HEAD, *(f"## {sections[title]}" for title in order if title in sections)])


def _section(part: Part, was: str, date: str, versions: str) -> str:
    """A part: its title, what it shows, and a row a case; what was not tried now keeps the row that it had."""
    rows = _rows(was)
    if part.cases is not None:
        known = {f"| {cell(case)}" for case in part.cases}
        rows = {case: line for case, line in rows.items() if case in known}
    for shown in part.shown:
        came = (
            f"{OTHERWISE}{shown.failure}"
            if shown.failure
            else f"{NOT_TRIED}{shown.skipped}"
            if shown.skipped
            else shown.said or "as expected"
        )
        case = f"| {cell(shown.case)}"
        if not shown.skipped or case not in rows:
            rows[case] = f"{case} | {cell(shown.expected)} | {cell(came)} | {date} |"
    wrong = sum(f" | {OTHERWISE}" in line for line in rows.values())
    not_tried = sum(f" | {NOT_TRIED}" in line for line in rows.values())
    lines = [
        part.title,
        "",
        part.what,
        "",
        f"Run last on {date} with {versions}: {len(rows) - not_tried} cases, {wrong} of them otherwise than expected, "
        f"{not_tried} not tried.",
        "",
        "| case | must come of it | came of it | on |",
        "| --- | --- | --- | --- |",
        *rows.values(),
    ]
    return "\n".join(lines) + "\n"


def _rows(section: str) -> dict[str, str]:
    """The lines of a part's cases, by their first cell."""
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return {line.split(" | ")[0]: line for line in lines[2:]}


def cell(text: str) -> str:
    """A text as it stands in a table of the page."""
    return " ".join(text.replace("|", "\\|").split())
