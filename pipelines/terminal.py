"""What the commands print: tables, progress, the summary of a night. Colour only on a terminal."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from pipelines.nightly import Night, Summary
from pipelines.progress import Report, watching
from resources.identity import Fact


def console() -> Console:
    """Standard output; rich leaves colour out where it is not a terminal or NO_COLOR is set."""
    screen = Console(highlight=False, soft_wrap=True)
    if not screen.is_terminal:
        # A file or a pipe has no width; 80 columns would break account ids and outcomes.
        screen.width = 200
    return screen


def facts_table(facts: Sequence[Fact]) -> Table:
    """The pre-flight's facts with ✓ or ✗ and the cure of each ✗; ! where a failure is declared."""
    table = Table(show_header=False, box=None, padding=(0, 1))
    for fact in facts:
        mark = "✓" if fact.passed else "!" if fact.severity == "WARN" else "✗"
        style = "green" if fact.passed else "yellow" if mark == "!" else "red"
        table.add_row(Text(mark, style=style), Text(fact.name), Text(fact.sentence))
        if not fact.passed and fact.cure:
            table.add_row("", "", Text(f"→ {fact.cure}"))
    return table


def rows_table(columns: Iterable[str], rows: Iterable[Sequence[Any]]) -> Table:
    """Rows of facts; nothing in them is read as markup."""
    table = Table(box=None, padding=(0, 1))
    for column in columns:
        table.add_column(Text(column), overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else Text(str(value)) for value in row))
    return table


@contextmanager
def progress_bars() -> Iterator[None]:
    """Show every collection of this process as a bar; where there is no terminal, as a line when it is done."""
    screen = console()
    if not screen.is_terminal:
        with watching(_print_last(screen)):
            yield
        return
    columns = (
        TextColumn("{task.description:<38}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=screen, transient=False) as bars:
        tasks: dict[str, TaskID] = {}

        def show(report: Report) -> None:
            reading = report.progress
            if report.what not in tasks:
                tasks[report.what] = bars.add_task(report.what, total=reading.total, detail="")
            bars.update(
                tasks[report.what],
                total=reading.total,
                completed=reading.done,
                detail=f"{reading.records:,} records, {reading.requests:,} requests",
            )

        with watching(show):
            yield


def _print_last(screen: Console) -> Callable[[Report], None]:
    def show(report: Report) -> None:
        if report.progress.done == report.progress.total:
            screen.print(report.sentence(), markup=False)

    return show


def night_lines(night: Night, summary: Summary | None, database: str, next_command: str) -> list[str]:
    """The last screen of a night, at most 24 lines."""
    lines = []
    if night.published and summary is not None:
        lines += [
            f"Published {database}",
            f"  accounts       {summary.accounts:,} ({summary.active_accounts:,} active)",
            f"  resources      {summary.resources:,} in {summary.resource_accounts:,} accounts"
            + (f", {summary.stale:,} of them stale" if summary.stale else ""),
            f"  month to date  {summary.month_to_date:,.2f} {summary.currency} unblended, through {summary.through}",
            f"  cells          {_counts(summary.cells)}",
            f"  requests       {summary.requests:,}, of which Cost Explorer charges {summary.api_cost_usd:,.2f} USD",
        ]
    else:
        lines.append(f"Refused: run {night.run_id} did not publish. {database} is as it was.")
    lines += [f"✗ {sentence}" for sentence in night.sentences[:6]]
    lines += [f"! {sentence}" for sentence in night.warnings[:4]]
    more = max(0, len(night.sentences) - 6) + max(0, len(night.warnings) - 4)
    if more:
        lines.append(f"  and {more} more, in audit.check_result")
    lines.append(f"Next: {next_command}")
    return lines


def _counts(cells: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {outcome}" for outcome, count in cells.items()) or "none"
