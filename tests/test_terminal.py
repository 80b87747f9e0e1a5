"""The terminal: what is last on the screen fits it, colour is for terminals, the tab key knows the organisation."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete
from commands import commands_of
from nights import DATABASE, REPOSITORY, cmdb_here, copy_of, environment_of, query
from rich.cells import cell_len

from pipelines.cli.main import main
from pipelines.cli.summary import RunSummary, Summary
from pipelines.cli.terminal import console, marked, progress_bars, summary_lines
from pipelines.collection.progress import Load, Part, Report, Reporter, watching
from resources.aws.messages import Progress

# -------------------------------------------------------------------------------------------------- the last screen


def refused(sentences: Sequence[str], warnings: Sequence[str] = ()) -> RunSummary:
    return RunSummary("0" * 36, False, 1, list(sentences), list(warnings))


def rows(lines: Sequence[str], width: int) -> int:
    return sum(max(1, -(-cell_len(line) // width)) for line in lines)


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("text", ["word " * 200, "口" * 500, "one\nsentence\nover lines " * 20])
def test_the_last_screen_of_a_run_fits_24_rows_however_much_is_to_be_said(text: str, width: int) -> None:
    lines = summary_lines(refused([text] * 30, [text] * 5), None, "warehouse/cmdb.duckdb", "cmdb coverage", width)
    assert rows(lines, width) <= 24
    assert lines[0].startswith("Refused: run ")
    assert lines[-1] == "Next: cmdb coverage"
    shown = sum(line.startswith(("✗", "!")) for line in lines)
    assert shown >= 1
    assert lines[-2] == f"  and {35 - shown} more, in audit.check_result"


def test_what_fits_is_shown_whole() -> None:
    lines = summary_lines(refused(["A first rule.", "A second rule."], ["A warning."]), None, "x", "y", 80)
    assert lines[1:-1] == ["✗ A first rule.", "✗ A second rule.", "! A warning."]


@pytest.mark.parametrize(
    ("amount", "through", "shown"),
    [
        (Decimal("1234.5"), "2026-11-24", "1,234.50 USD unblended, through 2026-11-24"),
        (None, None, "unknown: no complete day of the bill was read"),
    ],
)
def test_a_bill_of_which_no_day_was_read_is_unknown_and_not_zero(
    amount: Decimal | None, through: str | None, shown: str
) -> None:
    figures = Summary(1, 1, 1, 1, amount, "USD", through, "none is new", {}, 1, Decimal(0), [], 0)
    lines = summary_lines(RunSummary("one", True, 0), figures, "x", "y", 80)
    assert f"  month to date  {shown}" in lines


# ------------------------------------------------------------------------------------------------ a real terminal


class Screen:
    """Standard output as a terminal of 80 columns, and what was written to it."""

    def __init__(self) -> None:
        self._ours, theirs = os.openpty()
        self.file = os.fdopen(theirs, "w", encoding="utf-8")
        self._seen = bytearray()
        # A terminal that nobody reads stops its writer after 4 KiB.
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        # Once the writer has gone, Linux ends the reading with an error.
        with contextlib.suppress(OSError):
            while more := os.read(self._ours, 65536):
                self._seen += more

    def text(self) -> str:
        """All of it; nothing can be written any more."""
        self.file.close()
        self._reader.join(timeout=10)
        os.close(self._ours)
        return self._seen.decode()


def terminal_for(monkeypatch: pytest.MonkeyPatch) -> Screen:
    """From now on, standard output is a terminal; pytest's capture would take its place between set-up and test."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    screen = Screen()
    monkeypatch.setattr("sys.stdout", screen.file)
    return screen


def test_colour_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_for(monkeypatch)
    console().print(marked("✗ [red]A rule[/red] failed."))
    assert terminal.text() == "\x1b[31m✗\x1b[0m [red]A rule[/red] failed.\r\n", "a sentence is never markup"


def test_no_color_is_kept_to(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_for(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    console().print(marked("✗ A rule failed."))
    assert terminal.text() == "✗ A rule failed.\r\n"


def test_elsewhere_there_is_no_colour(capsys: pytest.CaptureFixture[str]) -> None:
    console().print(marked("✗ A rule failed."))
    assert capsys.readouterr().out == "✗ A rule failed.\n"


def reading(done: int, total: int, records: int = 7) -> Progress:
    return Progress(done=done, total=total, records=records, requests=9, throttles=1, elapsed=1.0)


def test_a_terminal_shows_bars_and_what_is_done_leaves_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_for(monkeypatch)
    with progress_bars():
        for listing in [f"listing_{number}" for number in range(40)]:
            report = Reporter(listing, lambda sentence: None)
            report(reading(1, 2))
            report(reading(2, 2))
    said = terminal.text()
    assert said.count("2 of 2 cells, 7 records, 9 requests, 1 throttled") == 40
    assert "━" in said
    assert "\x1b[?25h" in said, "the cursor is back"


def test_elsewhere_a_line_is_printed_when_a_thing_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bars(on_stderr=True):
        report = Reporter("ec2_instance", lambda sentence: None)
        report(reading(1, 2))
        report(reading(2, 2))
    said = capsys.readouterr()
    assert said.out == "", "with --json, standard output is for the verdict"
    assert said.err == "ec2_instance: 2 of 2 cells, 7 records, 9 requests, 1 throttled\n"


def test_a_step_in_parts_says_which_one_it_is_at_and_when_all_of_them_will_be_done() -> None:
    said: list[str] = []
    seen: list[Report] = []
    with watching(seen.append):
        Reporter("ec2_instance", said.append, Part(2, 4, time.monotonic() - 30))(reading(1, 2))
        Reporter("ec2_instance", said.append, Part(4, 4, time.monotonic() - 30))(reading(2, 2))
    # Three eighths took 30 s.
    assert seen[0].left == pytest.approx(50, abs=2)
    assert seen[0].sentence().startswith("ec2_instance, part 2 of 4: 1 of 2 cells")
    assert said == ["ec2_instance, part 4 of 4: 2 of 2 cells, 7 records, 9 requests, 1 throttled"]


def test_a_load_counts_its_tables_and_rows_and_begins_anew_with_each_run() -> None:
    seen: list[Report] = []
    load = Load()
    with watching(seen.append):
        load.built("a", 10, 2)
        load.built("a", 5, 2)
        load.built("b", 1, 3)
    assert [report.sentence().partition(", about")[0] for report in seen] == [
        "load: 1 of 2 tables, 10 rows",
        "load: 2 of 2 tables, 15 rows",
        "load: 1 of 3 tables, 1 rows",
    ]


# ---------------------------------------------------------------------------------------------------------- --json

NO_FACTS = {
    "init": "a conversation, which ends with a file",
    "demo": "a show for people; the nights in it are `cmdb nightly`",
    "dev": "a server",
    "mcp": "a server",
    "explore": "a server",
    "completion": "text for a shell",
    "report": "writes a page",
    "worker": "a server",
}


def leaves(group: click.Group, before: str = "") -> Iterator[tuple[str, click.Command]]:
    for name, command in commands_of(group).items():
        if isinstance(command, click.Group):
            yield from leaves(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


@pytest.mark.parametrize(("name", "command"), leaves(main), ids=[name for name, _ in leaves(main)])
def test_every_command_that_prints_facts_prints_them_as_json_too(name: str, command: click.Command) -> None:
    flags = [option for parameter in command.params for option in parameter.opts]
    assert ("--json" in flags) is (name.partition(" ")[0] not in NO_FACTS)


def test_json_is_the_same_facts(truthful_night: Path, tmp_path: Path) -> None:
    environment = {"CMDB_DATABASE": str(truthful_night / DATABASE)}
    (version,) = json.loads(cmdb_here(environment, "rollback", "--list", "--json").stdout)
    assert version["is_current"] is True
    assert version["version"] in cmdb_here(environment, "rollback", "--list").stdout
    query_text = "select account_id from org.account order by 1 limit 1"
    assert json.loads(cmdb_here(environment, "sql", query_text, "--json").stdout) == json.loads(
        cmdb_here(environment, "sql", query_text, "--format", "json").stdout
    )
    rates = tmp_path / "rates.csv"
    rates.write_text("from_currency,to_currency,kind,valid_from,rate,source\nUSD,NZD,spot,2026-01-01,1.7,bank\n")
    own = {"CMDB_DATABASE": str(copy_of(truthful_night, tmp_path))}
    assert json.loads(cmdb_here(own, "fx", "import", str(rates), "--json").stdout)["added"] == 1
    assert json.loads(cmdb_here({}, "policy", "billing", "--json").stdout) == json.loads(
        cmdb_here({}, "policy", "billing").stdout
    )


# --------------------------------------------------------------------------------------------------------- tab key


def offered(database: Path, *words: str) -> list[str]:
    """What the tab key offers for the last word."""
    with environment_of({"CMDB_DATABASE": str(database)}):
        *before, typed = words
        return [item.value for item in ShellComplete(main, {}, "cmdb", "_CMDB_COMPLETE").get_completions(before, typed)]


def test_the_tab_key_knows_the_organisation(truthful_night: Path) -> None:
    database = truthful_night / DATABASE
    account, region, listing = query(
        database,
        "select account_id, region, listing from audit.coverage where listing = 'ec2_instance' order by all limit 1",
    )[0]
    assert account in offered(database, "explain", account[:3])
    assert region in offered(database, "explain", account, "")
    assert listing in offered(database, "explain", account, region, "ec2_")
    assert offered(database, "accept", account, region, listing[:-1]) == [
        listing,
        *(f"{listing}_{more}" for more in ("connect_endpoint", "event_window", "image", "sql_ha_state", "status")),
    ]
    assert account in offered(database, "ask", "workload", listing, "--account", "")
    assert offered(database, "ask", "billing", "ec2") == [], "billing asks nothing of EC2"
    (arn,) = query(database, "select min(arn) from cmdb.resource")[0]
    assert arn in offered(database, "explain", arn[:-1])
    (current,) = offered(database, "rollback", "")
    assert current == database.readlink().name
    assert "silent_zero" in offered(database, "demo", "--lie", "s")


def test_where_nothing_is_published_the_tab_key_is_silent(tmp_path: Path) -> None:
    assert offered(tmp_path / DATABASE, "explain", "1") == []
    assert offered(tmp_path / "no.sqlite", "explain", "1") == []


def test_the_script_works_in_bash(truthful_night: Path) -> None:
    script = cmdb_here({}, "completion", "bash").stdout
    asked = "COMP_WORDS=(cmdb ask workload ec2_instance_sta); COMP_CWORD=3; _cmdb_completion cmdb; echo ${COMPREPLY[@]}"
    done = subprocess.run(
        ["bash", "-c", f"{script}\n{asked}"],
        env={"PATH": f"{REPOSITORY / '.venv' / 'bin'}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "ec2_instance_status\n"
