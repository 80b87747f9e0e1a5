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

Written by `make faults`; do not edit it. Each case breaks something and says what must come of it. A part keeps what
it showed until it is run again, as a whole, by `make faults` or `python -m faults PART`.
"""


def section(part: Part, *, date: str, versions: str) -> str:
    """What a part showed, for docs/reliability.md."""
    tried = [shown for shown in part.shown if not shown.skipped]
    lines = [
        f"## {part.title}",
        "",
        part.what,
        "",
        f"Run on {date} with {versions}; {sum(shown.seconds for shown in tried) / 60:.0f} minutes of work: "
        f"{len(tried)} cases, {sum(not shown.passed for shown in tried)} of them otherwise than expected, "
        f"{len(part.shown) - len(tried)} not tried.",
        "",
        "| case | must come of it | came of it |",
        "| --- | --- | --- |",
    ]
    for shown in part.shown:
        came = (
            f"**otherwise**: {shown.failure}"
            if shown.failure
            else f"not tried: {shown.skipped}"
            if shown.skipped
            else shown.said or "as expected"
        )
        lines.append(f"| {_cell(shown.case)} | {_cell(shown.expected)} | {_cell(came)} |")
    return "\n".join(lines) + "\n"


def renewed(page: str, sections: Iterable[str], order: Sequence[str]) -> str:
    """docs/reliability.md with these sections in place of those of the same title.

    Args:
        page: as it was; empty where there was none.
        order: every title, in the order in which they stand.
    """
    old = [f"## {rest}" for rest in page.split("\n## ")[1:]]
    by_title = {text.partition("\n")[0].removeprefix("## "): text.rstrip() + "\n" for text in [*old, *sections]}
    return "\n".join([HEAD, *(by_title[title] for title in order if title in by_title)])


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
