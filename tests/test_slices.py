"""The same money stands in `cost.daily` once for each slice: what analysts are shown cannot add it up twice."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from bills import ACCOUNT, billed
from given import House, house

REPOSITORY = Path(__file__).parent.parent
OTHER = "000000000009"
MONEY = re.compile(r"_cost\b")


def documented() -> Iterator[tuple[str, str]]:
    """Every query that is shown to somebody: in the docs, the notebook, and the report's own."""
    for path in (REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))):
        for number, sql in enumerate(re.findall(r"```sql\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)):
            yield f"{path.relative_to(REPOSITORY)}:{number}", sql
    for path in sorted((REPOSITORY / "docs").rglob("*.ipynb")):
        for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
            yield f"{path.relative_to(REPOSITORY)}:{number}", "".join(cell["source"])
    for path in sorted((REPOSITORY / "pipelines" / "report" / "queries").glob("*.sql")):
        yield path.name, path.read_text(encoding="utf-8")


def adds_up_slices(sql: str) -> bool:
    """Whether a query takes amounts of all slices of `cost.daily`, or of `cost.by_tag` of all keys."""
    of_all = re.search(r"\bcost\.daily\b", sql) is not None
    one_slice = re.search(r"\bslice\s*=", sql) is not None
    of_keys = re.search(r"\bcost\.by_tag\b", sql) is not None
    one_key = re.search(r"\btag_key\b", sql) is not None
    return bool(MONEY.search(sql)) and ((of_all and not one_slice) or (of_keys and not one_key))


def test_no_documented_query_adds_up_slices() -> None:
    queries = dict(documented())
    assert len(queries) > 60
    assert [name for name, sql in queries.items() if adds_up_slices(sql)] == []


@pytest.mark.parametrize(
    ("sql", "is_wrong"),
    [
        ("select sum(unblended_cost) from cost.daily", True),
        ("select sum(unblended_cost) from cost.daily where usage_date > '2026-01-01'", True),
        ("select sum(unblended_cost) from cost.daily where slice = 'service'", False),
        ("select sum(unblended_cost) from cost.daily_total", False),
        ("select min(collected_at) from cost.daily", False),
        ("select sum(unblended_cost) from cost.by_tag", True),
        ("select sum(unblended_cost) from cost.by_tag where tag_key = 'bc:project'", False),
    ],
)
def test_a_query_that_adds_up_slices_is_found(sql: str, is_wrong: bool) -> None:
    assert adds_up_slices(sql) is is_wrong


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


def test_the_total_of_a_day_is_the_same_whatever_slices_there_are(home: House) -> None:
    one = [("2026-11-02", "service", ACCOUNT, "A", "1.25"), ("2026-11-02", "service", ACCOUNT, "B", "2")]
    others = [("2026-11-02", "service", OTHER, "A", "-0.5"), ("2026-11-03", "service", ACCOUNT, "A", "4")]
    again = [("2026-11-02", "region", ACCOUNT, "us-east-1", "3.25"), ("2026-11-02", "tag:a", ACCOUNT, "", "3.25")]
    billed(home, [*one, *others, *again], open_from="2026-11-03")
    home.build("cost.daily_total")
    rows = home.rows("select usage_date, account_id, unblended_cost, is_estimated from cost.daily_total order by all")
    assert [
        (r["usage_date"], r["account_id"], Decimal(r["unblended_cost"]), r["is_estimated"]) for r in rows
    ] == sorted(
        [
            ("2026-11-02", ACCOUNT, Decimal("3.25"), False),
            ("2026-11-02", OTHER, Decimal("-0.5"), False),
            ("2026-11-03", ACCOUNT, Decimal(4), True),
        ]
    )
    assert {row["bill_domain"] for row in home.rows("select bill_domain from cost.daily_total")} == {"unknown"}
