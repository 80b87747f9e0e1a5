"""Terminal output of the commands: tables, progress, the summary of a run. Colour only on a terminal."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from pipelines.cli.command import drop
from pipelines.cli.summary import RunSummary, Summary
from pipelines.collection.progress import Note, Report, watching
from pipelines.plain_text import plain
from pipelines.trust.ages import duration
from resources.check_result import CheckResult


class PlainConsole(Console):
    """A console that removes control characters from its input; only this program's colours and bars remain."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The segments of a renderable, with their text made plain."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(plain(segment.text, lines=True), segment.style)

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does, as long as it can be written."""
        try:
            super().print(*objects, **options)
        except OSError:
            self.on_broken_pipe()

    def on_broken_pipe(self) -> None:
        """Print nothing more; the command goes on, and its exit code is that of its work. Rich would end it with 1."""
        self.quiet = True
        drop(self.file)


def console(*, on_stderr: bool = False) -> Console:
    """The console for people; rich omits colour where the output is no terminal or NO_COLOR is set."""
    screen = PlainConsole(highlight=False, soft_wrap=True, stderr=on_stderr)
    if not screen.is_terminal:
        # A file or a pipe has no width; 80 columns would break account ids and outcomes.
        screen.width = 200
    return screen


def check_table(check_results: Sequence[CheckResult]) -> Table:
    """The check results of the pre-flight with ✓ or ✗ and a hint for each ✗; ! marks a declared exception."""
    table = Table(show_header=False, box=None, padding=(0, 1))
    for result in check_results:
        mark = "✓" if result.passed else "!" if result.severity == "WARN" else "✗"
        style = "green" if result.passed else "yellow" if mark == "!" else "red"
        table.add_row(Text(mark, style=style), Text(result.name), Text(plain(result.sentence)))
        if not result.passed and result.hint:
            table.add_row("", "", Text(plain(f"→ {result.hint}")))
    return table


def rows_table(columns: Iterable[str], rows: Iterable[Sequence[Any]]) -> Table:
    """A table of text rows; nothing in the rows is read as markup."""
    table = Table(box=None, padding=(0, 1))
    for column in columns:
        table.add_column(Text(plain(column)), overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else Text(plain(value)) for value in row))
    return table


LINE_EVERY_SECONDS = 60.0
"""How often a run without a terminal prints the tasks that it is at."""

TASKS_SHOWN = 5
"""The most tasks that such lines name."""


class LineProgress:
    """Progress for a log: a line for each finished task, and once a minute one for each that is going on."""

    def __init__(self, screen: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._screen = screen
        self._clock = clock
        self._printed_at = clock()
        self._going: dict[str, Report] = {}
        self._lock = threading.Lock()

    def __call__(self, report: Report) -> None:
        """Take a progress report; called from worker threads."""
        with self._lock:
            if report.is_done:
                self._going.pop(report.what, None)
                self._screen.print(report.sentence(), markup=False)
                return
            self._going[report.what] = report
            if self._clock() - self._printed_at < LINE_EVERY_SECONDS:
                return
            self._printed_at = self._clock()
            # Those with most to do last longest.
            longest = sorted(self._going.values(), key=lambda one: one.progress.done - one.progress.total)
            for one in longest[:TASKS_SHOWN]:
                self._screen.print(f"… {one.sentence()}", markup=False)
            if len(longest) > TASKS_SHOWN:
                self._screen.print(f"… and {len(longest) - TASKS_SHOWN} more", markup=False)


class Steps:
    """Notes for people: which step begins, what still waits, and how long the last run took.

    Args:
        waiting: the steps of the run, in their usual order.
        usual: how long the last run that published took; None where there is none.
    """

    def __init__(
        self,
        screen: Console,
        waiting: Sequence[str],
        usual: timedelta | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._screen = screen
        self._waiting = list(waiting)
        self._usual = usual
        self._clock = clock
        self._began = clock()

    def __call__(self, note: Note) -> None:
        """Take a note."""
        if not note.step:
            self._screen.print(note.text, markup=False, style="dim")
            return
        if note.step in self._waiting:
            self._waiting.remove(note.step)
        then = f"; then {', '.join(self._waiting)}" if self._waiting else ""
        self._screen.print(f"{note.step}: {note.text}{then}{self._left()}", markup=False, style="bold")

    def _left(self) -> str:
        if self._usual is None:
            return ""
        left = self._usual - timedelta(seconds=self._clock() - self._began)
        if left <= timedelta():
            return f"; the last run took {duration(self._usual)} in all, this one longer"
        return f"; about {duration(max(left, timedelta(minutes=1)))} left, by the last run"


@contextmanager
def progress_bars(
    *, on_stderr: bool = False, steps: Sequence[str] = (), usual: timedelta | None = None
) -> Iterator[None]:
    """Show what this process collects and loads: as bars on a terminal, elsewhere as lines.

    A finished task leaves a line and frees its bar, since a run has more listings than a screen has lines.

    Args:
        steps: as of `Steps`.
        usual: as of `Steps`.
    """
    screen = console(on_stderr=on_stderr)
    if not screen.is_terminal:
        with watching(LineProgress(screen), Steps(screen, steps, usual)):
            yield
        return
    columns = (
        TextColumn("{task.description:<38}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}", markup=False),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, transient=True) as bars:
        tasks: dict[str, TaskID] = {}

        def show(report: Report) -> None:
            reading = report.progress
            if report.is_done:
                if report.what in tasks:
                    bars.remove_task(tasks.pop(report.what))
                bars.console.print(report.sentence(), markup=False, style="dim")
                return
            if report.what not in tasks:
                tasks[report.what] = bars.add_task(report.what, total=reading.total, detail="")
            bars.update(tasks[report.what], total=reading.total, completed=reading.done, detail=report.detail)

        with watching(show, Steps(bars.console, steps, usual)):
            yield


SCREEN_ROWS = 24
"""Maximum height in lines of a run's last screen, so that it fits a terminal of 80 by 24."""

SENTENCE_ROWS = 4
"""Maximum height in lines of one sentence on the last screen; audit.check_result keeps the whole sentence."""


def summary_lines(
    ended: RunSummary,
    summary: Summary | None,
    database: str,
    next_command: str,
    width: int = 80,
    report: str = "",
) -> list[str]:
    """The last screen of a run: at most 24 lines on a terminal of the given width.

    Args:
        width: the terminal's width in columns.
        report: path of the run's report; empty where none was made.
    """
    if ended.published and summary is not None:
        head = [
            f"Published {database}",
            f"  accounts       {summary.accounts:,} ({summary.active_accounts:,} active)",
            f"  resources      {summary.resources:,} in {summary.resource_accounts:,} accounts"
            + (f", {summary.stale:,} of them stale" if summary.stale else ""),
            f"  month to date  {_month_to_date(summary)}",
            f"  anomalies      {plain(summary.anomalies)}",
            f"  cells          {_counts(summary.cells)}",
            f"  requests       {summary.requests:,}, for which AWS charges {summary.api_cost_usd:,.2f} USD",
        ]
        head += [f"                 {of_api}" for of_api in summary.paid]
        head += [f"  report         {report}"] if report else []
    else:
        head = [f"Refused: run {ended.run_id} did not publish. {database} is as it was."]
    last = f"Next: {next_command}"
    more = "  and {} more, in audit.check_result"
    rows_left = SCREEN_ROWS - sum(_rows(line, width) for line in (*head, last, more))
    sentences = [
        *(f"✗ {sentence}" for sentence in ended.sentences),
        *(f"! {sentence}" for sentence in ended.warnings),
    ]
    shown: list[str] = []
    for sentence in sentences:
        line = _truncate(plain(" ".join(sentence.split())), SENTENCE_ROWS * width)
        rows_left -= _rows(line, width)
        if rows_left < 0:
            break
        shown.append(line)
    left = len(sentences) - len(shown)
    return [*head, *shown, *([more.format(left)] if left else []), last]


def marked(line: str) -> Text:
    """A line of the last screen, coloured by its first characters."""
    line = plain(line)
    for mark, style in (("✗", "red"), ("Refused", "bold red"), ("!", "yellow"), ("Published", "bold green")):
        if line.startswith(mark):
            return Text.assemble((mark, style), line.removeprefix(mark))
    return Text(line)


def _rows(line: str, width: int) -> int:
    return max(1, -(-cell_len(line) // width))


def _truncate(line: str, cells: int) -> str:
    return line if cell_len(line) <= cells else f"{set_cell_size(line, cells - 1).rstrip()}…"


def _month_to_date(summary: Summary) -> str:
    if summary.month_to_date is None:
        return "unknown: no complete day of the bill was read"
    return f"{summary.month_to_date:,.2f} {summary.currency} unblended, through {summary.through}"


def _counts(cells: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {outcome}" for outcome, count in cells.items()) or "none"
