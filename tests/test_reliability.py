"""What the fault kit keeps of each case, and the page that is made of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from faults import reliability
from faults.report import NEVER, PARTS, Key, Part, Result, Shown, dates, kept, read, renewed, write


def results(known: dict[Key, Result], *parts: Part, date: str = "2026-11-25") -> dict[Key, Result]:
    return renewed(known, parts, date=date, commit="abc1234", versions="Python 3")


def part(*shown: Shown, cases: list[str] | None = None) -> Part:
    return Part(shown[0].part, shown, cases)


def outcomes(known: dict[Key, Result]) -> dict[str, tuple[str, str, str]]:
    return {case: (result.outcome, result.said, result.date) for (_, case), result in known.items()}


ONE = Shown("crashes", "one", "it holds", "so")
FAILED = Shown("crashes", "two", "it holds", failure="it | does not")
LATE = Shown("crashes", "three", "it holds", skipped="the time was up")


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    known = results({}, part(ONE, FAILED, LATE))
    path = tmp_path / "results" / "faults.json"
    assert read(path) == {}
    write(path, known)
    assert read(path) == known
    assert [entry.name for entry in path.parent.iterdir()] == ["faults.json"]


def test_a_case_that_is_run_again_takes_its_own_place_and_what_was_not_tried_keeps_what_it_had() -> None:
    known = results({}, part(ONE, FAILED, LATE), part(Shown("lies", "a lie", "it holds", "seen")))
    again = [Shown("crashes", "two", "it holds", "so now"), Shown("crashes", "one", "it holds", skipped="late")]
    known = results(known, part(*again), date="2026-11-26")
    assert outcomes(known) == {
        "one": ("passed", "so", "2026-11-25"),
        "two": ("passed", "so now", "2026-11-26"),
        "three": ("not tried", "the time was up", "2026-11-25"),
        "a lie": ("passed", "seen", "2026-11-25"),
    }
    assert results(known, date="x") == known


def test_the_result_of_a_case_that_is_no_more_leaves_and_those_of_other_parts_stay() -> None:
    known = results({}, part(ONE, FAILED), part(Shown("lies", "two", "it holds", "so")))
    found = results(known, part(Shown("crashes", "new", "it holds", "so"), cases=["one", "new"]))
    assert set(found) == {("crashes", "one"), ("crashes", "new"), ("lies", "two")}


def test_what_was_shown_before_is_printed_for_what_was_not_tried_now() -> None:
    known = results({}, part(ONE, FAILED, LATE))
    again = [Shown("crashes", "one", "it holds", skipped="late"), Shown("crashes", "four", "it holds", "so")]
    assert kept(known, [part(*again)]) == [
        "= crashes: one (passed on 2026-11-25). so",
        "✗ crashes: two (failed on 2026-11-25). it | does not",
    ]
    assert kept(known, [part(*again, cases=["one", "four"])]) == ["= crashes: one (passed on 2026-11-25). so"]


def test_only_a_case_that_came_as_expected_has_a_date() -> None:
    found = dates(results({}, part(ONE, FAILED, LATE)))
    assert [found["crashes", case] for case in ("one", "two", "three")] == ["2026-11-25", NEVER, NEVER]


def row(page: str, name: str) -> list[str]:
    (line,) = re.findall(rf"^\| {name} \|.*$", page, re.MULTILINE)
    return [cell.strip() for cell in line.split("|")[3:-1]]


def test_the_page_counts_what_passed_and_names_what_failed() -> None:
    known = results({}, part(ONE, FAILED, LATE))
    known = results(known, part(Shown("crashes", "four", "it holds", "so")), date="2026-11-27")
    page = reliability.page(known)
    assert row(page, "crashes") == ["4", "2", "1", "1", "2026-11-25 to 2026-11-27"]
    assert row(page, "lies") == ["", "", "", "", "no result"]
    assert "- crashes: two. it \\| does not\n" in page
    assert "| abc1234 | Python 3 | 3 |" in page
    assert "## Otherwise" not in reliability.page(results({}, part(ONE)))


def test_the_page_is_short_however_much_failed() -> None:
    many = [Shown(name, f"case {number}", "it holds", failure="word " * 500) for name in PARTS for number in range(200)]
    known = {key: one for number, shown in enumerate(many) for key, one in results({}, part(shown)).items() if number}
    for number, (key, one) in enumerate(list(known.items())):
        known[key] = Result(**{**vars(one), "commit": f"{number:07x}"})
    page = reliability.page(known, [reliability.Tests("large", 1000, 3, 2)])
    assert len(page.splitlines()) <= reliability.LONGEST
    assert max(map(len, page.splitlines())) < 400
    assert "- and 1579 more." in page


JUNIT = """<testsuites><testsuite>
<testcase name="a"/><testcase name="b"><failure message="no"/></testcase>
<testcase name="c"><error message="no"/></testcase><testcase name="d"><skipped message="late"/></testcase>
</testsuite></testsuites>"""


def test_tests_are_counted_from_junits_file(tmp_path: Path) -> None:
    (tmp_path / "large.xml").write_text(JUNIT, encoding="utf-8")
    assert reliability.junit(tmp_path) == [reliability.Tests("large", 4, 2, 1)]
    assert "| large | 4 | 2 | 1 |" in reliability.page({}, reliability.junit(tmp_path))


def test_without_results_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(reliability, "RESULTS", tmp_path / "faults.json")
    monkeypatch.setattr(reliability, "PAGE", tmp_path / "reliability.md")
    assert reliability.main() == 1
    assert "make faults" in capsys.readouterr().err
    assert not reliability.PAGE.exists()


def test_the_page_of_the_repository_is_one_that_is_written() -> None:
    text = reliability.PAGE.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= reliability.LONGEST
    assert text.startswith(reliability.HEAD)
    assert all(row(text, name) for name in PARTS)
