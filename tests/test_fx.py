"""`cmdb fx import`: a central bank's file becomes rates, or one sentence and nothing."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from given import House
from nights import cmdb_here

from pipelines.models import fx_rates
from resources.store.store import Store

Run = Callable[..., tuple[int, str]]

# As the Reserve Bank of New Zealand lays out its table B1: lines above the header, a trade-weighted index, holidays.
WIDE = """Exchange rates and TWI,,,
,Monthly average,,
Date,USD,TWI,AUD
31 Oct 2026,0.5800,71.2,0.8800
30 Nov 2026,0.5714,71.1,
"""
LONG = """from_currency,to_currency,kind,valid_from,rate,source
USD,NZD,budget,2026-04-01,1.70,board
USD,NZD,invoice,2026-10-31,1.7251,AWS invoice
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Import a text; exit code and what was said."""

    def imported(text: str, *options: str) -> tuple[int, str]:
        file = tmp_path / "rates.csv"
        file.write_text(text, encoding="utf-8")
        environment = {"CMDB_DATABASE": str(tmp_path / "house" / "cmdb.duckdb")}
        done = cmdb_here(environment, "fx", "import", str(file), *options)
        return done.returncode, done.stdout + done.stderr

    return imported


def rates(tmp_path: Path) -> list[str]:
    """The lines of the warehouse's own file, without its header."""
    path = fx_rates.imported(Store(tmp_path / "house" / "cmdb.duckdb"))
    return path.read_text(encoding="utf-8").splitlines()[1:] if path.exists() else []


def test_a_central_banks_columns_are_turned_round_exactly_and_say_what_was_published(run: Run, tmp_path: Path) -> None:
    code, said = run(WIDE, "--kind", "month_average", "--currency", "USD", "--currency", "AUD")
    assert (code, "3 rate(s) added, 0 changed, 0 unchanged" in said, "1 cell(s) of the file" in said) == (0, True, True)
    assert rates(tmp_path) == [
        "AUD,NZD,month_average,2026-10-01,1.1363636364,rates.csv: NZD/AUD 0.8800",
        "USD,NZD,month_average,2026-10-01,1.7241379310,rates.csv: NZD/USD 0.5800",
        "USD,NZD,month_average,2026-11-01,1.7500875044,rates.csv: NZD/USD 0.5714",
    ]
    mode = fx_rates.imported(Store(tmp_path / "house" / "cmdb.duckdb")).stat().st_mode
    assert stat.S_IMODE(mode) == 0o640


def test_a_second_import_says_what_is_new_and_keeps_the_rest(run: Run, tmp_path: Path) -> None:
    assert run(LONG)[0] == 0
    assert "0 rate(s) added, 0 changed, 2 unchanged" in run(LONG)[1]
    changed = LONG.replace("1.7251", "1.7300") + "EUR,NZD,spot,2026-11-24,1.95,\n"
    assert "1 rate(s) added, 1 changed, 1 unchanged" in run(changed)[1]
    assert rates(tmp_path) == [
        "EUR,NZD,spot,2026-11-24,1.95,rates.csv",
        "USD,NZD,budget,2026-04-01,1.70,board",
        "USD,NZD,invoice,2026-10-01,1.7300,AWS invoice",
    ]


@pytest.mark.parametrize(
    ("text", "options", "why"),
    [
        ("nothing to see\n", (), "is no file of rates"),
        ("", (), "is no file of rates"),
        (WIDE, (), "add --kind"),
        (WIDE, ("--kind", "spot"), "'TWI' is no currency"),
        (WIDE, ("--kind", "spot", "--currency", "CHF"), "no column for CHF"),
        (WIDE, ("--kind", "spot", "--currency", "USD", "--base", "NZ"), "'NZ' is no currency"),
        (WIDE.replace("31 Oct 2026", "03/04/2026"), ("--kind", "spot", "--currency", "USD"), "line 4: '03/04/2026'"),
        (WIDE.replace("0.5714", "0"), ("--kind", "spot", "--currency", "USD"), "line 5: '0' is no rate"),
        (WIDE.replace("30 Nov", "1 Oct"), ("--kind", "month_average", "--currency", "USD"), "line 5: a second"),
        (LONG.replace("1.70,", "-1.70,"), (), "line 2: '-1.70' is no rate"),
        (LONG.replace("1.70,", "NaN,"), (), "line 2: 'NaN' is no rate"),
        (LONG.replace("1.70,", "1.12345678901,"), (), "more than ten decimals"),
        (LONG.replace("budget", "guess"), (), "'guess' is no kind"),
        (LONG.replace("2026-04-01", "2026-02-30"), (), "'2026-02-30'"),
        (LONG.replace("USD,NZD,budget", "NZD,NZD,budget"), (), "to itself"),
        (LONG.replace("kind,", "sort,"), (), "lacks the column(s) kind"),
        (LONG + "USD,NZD\n", (), "line 4: 2 cells"),
        ('from_currency,to_currency,kind,valid_from,rate\n"USD', (), "is no CSV"),
    ],
)
def test_a_bad_file_is_one_sentence_and_changes_nothing(
    run: Run, tmp_path: Path, text: str, options: tuple[str, ...], why: str
) -> None:
    assert run(LONG)[0] == 0
    before = rates(tmp_path)
    code, said = run(text, *options)
    assert code == 2
    assert why in said
    assert said.count("\n") == 1
    assert said.rstrip().endswith("Nothing was changed.")
    assert rates(tmp_path) == before


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    done = cmdb_here({"CMDB_DATABASE": str(tmp_path / "cmdb.duckdb")}, "fx", "import", str(tmp_path / "gone.csv"))
    assert (done.returncode, "gone.csv cannot be read: No such file" in done.stderr) == (2, True)


# ------------------------------------------------------------------------------------------------ ref.fx_rate


def shown(home: House, kind: str) -> list[tuple[str, str, str]]:
    home.build("ref.fx_rate")
    rows = home.rows("select valid_from, rate, source from ref.fx_rate where kind = $kind order by all", {"kind": kind})
    return [(row["valid_from"], row["rate"], row["source"]) for row in rows]


def test_examples_count_only_until_somebody_brings_rates_of_the_pair_and_kind(blank_home: House) -> None:
    assert {source for kind in fx_rates.KINDS for _, _, source in shown(blank_home, kind)} == {"example"}
    fx_rates.imported(blank_home.store).write_text(
        "from_currency,to_currency,kind,valid_from,rate,source\nUSD,NZD,spot,2026-11-24,1.75,bank\n", encoding="utf-8"
    )
    assert shown(blank_home, "spot") == [("2026-11-24", "1.7500000000", "bank")]
    assert {source for _, _, source in shown(blank_home, "budget")} == {"example"}


def test_every_month_of_the_examples_has_a_rate_of_every_monthly_kind(blank_home: House) -> None:
    for kind in ("spot", *fx_rates.MONTHLY):
        assert len(shown(blank_home, kind)) == 36
