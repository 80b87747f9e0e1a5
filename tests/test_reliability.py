"""The page that is made of JUnit's files: what passed is counted, what failed is named."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from tools.docs import reliability
from tools.docs.reliability import Case

FILES = [path.stem for path in sorted(reliability.CASES.glob("test_*.py"))]

KILLED = Case("test_kills", "one", "passed", "", "2026-11-25", "abc1234", "Python 3")


def row(page: str, name: str) -> list[str]:
    (line,) = re.findall(rf"^\| {name} \|.*$", page, re.MULTILINE)
    return [cell.strip() for cell in line.split("|")[3:-1]]


def test_the_page_counts_what_passed_and_names_what_failed() -> None:
    page = reliability.page(
        [
            KILLED,
            replace(KILLED, name="two", outcome="failed", said="it | does not"),
            replace(KILLED, name="three", outcome="not tried", date="2026-11-20"),
            replace(KILLED, name="four", date="2026-11-27"),
        ]
    )
    assert row(page, "test_kills") == ["4", "2", "1", "1", "2026-11-25 to 2026-11-27"]
    assert row(page, "test_clocks") == ["", "", "", "", "no result"]
    assert "- test_kills: two. it \\| does not\n" in page
    assert "| abc1234 | Python 3 | 3 |" in page
    assert "## Failed" not in reliability.page([KILLED])


def test_the_page_is_short_however_much_failed() -> None:
    many = [
        Case(file, f"case {number}", "failed", "word " * 500, "2026-11-25", f"{number:07x}", "Python 3")
        for file in FILES
        for number in range(200)
    ]
    page = reliability.page(many, [reliability.Tests("large", 1000, 3, 2)])
    assert len(page.splitlines()) <= reliability.LONGEST
    assert max(map(len, page.splitlines())) < 400
    assert f"- and {len(many) - reliability.LISTED} more." in page


JUNIT = """<testsuites><testsuite timestamp="{when}">
<testcase classname="tests.test_other" name="test_a"/><testcase classname="tests.chaos.test_kills" name="test_a[x]">
<properties><property name="commit" value="abc1234"/></properties>{came}</testcase>
<testcase classname="tests.chaos.test_kills" name="test_b@group"><skipped message="no disk"/></testcase>{more}
</testsuite></testsuites>"""


def write(folder: Path, name: str, when: str, came: str = "", more: str = "") -> None:
    (folder / f"{name}.xml").write_text(JUNIT.format(when=when, came=came, more=more), encoding="utf-8")


def test_of_each_case_the_newest_result_counts(tmp_path: Path) -> None:
    write(tmp_path, "a", "2026-11-26T01:00:00+00:00")
    write(tmp_path, "b", "2026-11-25T01:00:00+00:00", '<failure message="a row is missing"/>')
    skipped = Case("test_kills", "test_b", "not tried", "no disk", "2026-11-26")
    passed = Case("test_kills", "test_a[x]", "passed", "", "2026-11-26", "abc1234")
    assert reliability.chaos(tmp_path) == [passed, skipped]
    write(tmp_path, "b", "2026-11-27T01:00:00+00:00", '<failure message="a row is missing"/>')
    failed = replace(passed, outcome="failed", said="a row is missing", date="2026-11-27")
    assert reliability.chaos(tmp_path) == [failed, replace(skipped, date="2026-11-27")]


@pytest.mark.parametrize("first", ["failure", "error"])
def test_a_case_that_failed_and_could_not_tidy_up_has_failed(tmp_path: Path, first: str) -> None:
    again = '<testcase classname="tests.chaos.test_kills" name="test_a[x]"><{} message="2"/></testcase>'
    other = again.format("error" if first == "failure" else "skipped")
    write(tmp_path, "a", "2026-11-26T01:00:00+00:00", f'<{first} message="1"/>', other)
    assert [(case.outcome, case.said) for case in reliability.chaos(tmp_path)] == [
        ("failed", "1"),
        ("not tried", "no disk"),
    ]


def test_tests_are_counted_from_junits_file(tmp_path: Path) -> None:
    write(tmp_path, "large", "2026-11-26T01:00:00+00:00", '<error message="no"/>')
    assert reliability.junit(tmp_path) == [reliability.Tests("large", 3, 1, 1)]
    assert "| large | 3 | 1 | 1 |" in reliability.page([], reliability.junit(tmp_path))


def test_without_results_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reliability, "RESULTS", tmp_path)
    monkeypatch.setattr(reliability, "PAGE", tmp_path / "reliability.md")
    assert reliability.main() == 1
    assert "make faults" in capsys.readouterr().err
    assert not reliability.PAGE.exists()


def test_the_page_of_the_repository_is_one_that_is_written() -> None:
    text = reliability.PAGE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= reliability.LONGEST
    assert text.startswith(reliability.HEAD)
    assert all(row(text, name) for name in FILES)
