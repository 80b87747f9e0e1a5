"""What was shown: one line a case, and the page that keeps them."""

from collections.abc import Iterable, Sequence
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
    """A part of the kit for the page: its title, what it shows, and the cases."""

    name: str
    title: str
    what: str
    shown: Sequence[Shown]

    @property
    def tried(self) -> bool:
        """Whether any of it was."""
        return any(not shown.skipped for shown in self.shown)


HEAD = """# Reliability

Written by `make faults`; do not edit it. Each case breaks something and says what must come of it. A case keeps what
it showed until it is run again, by `make faults` or by `python -m faults PART --case TEXT`.
"""

NOT_TRIED = "not tried: "
OTHERWISE = "**otherwise**: "


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
    rows = {line.split(" | ")[0]: line for line in was.splitlines() if line.startswith("| ")}
    rows = {case: line for case, line in rows.items() if case not in ("| case", "| ---")}
    for shown in part.shown:
        came = (
            f"{OTHERWISE}{shown.failure}"
            if shown.failure
            else f"{NOT_TRIED}{shown.skipped}"
            if shown.skipped
            else shown.said or "as expected"
        )
        case = f"| {_cell(shown.case)}"
        if not shown.skipped or case not in rows:
            rows[case] = f"{case} | {_cell(shown.expected)} | {_cell(came)} | {date} |"
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


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
