"""The report's sections on savings, business services and health: figures, maps, and what has to be known before."""

from __future__ import annotations

import ast
import csv
import inspect
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jinja2 import meta
from nights import DATABASE, query

from pipelines.report import page, sections, service_map
from pipelines.report.figures import Figure
from pipelines.report.service_map import BOX, HEIGHT, Line, Node
from pipelines.report.text import plain
from pipelines.report.writing import MOST_BYTES
from pipelines.settings import WAREHOUSE_FOLDER

Figures = Mapping[str, Figure]


def test_the_template_reads_every_name_that_it_is_given() -> None:
    """A name that nobody gives fails only when the report is made, which is after publishing."""
    environment = page._environment()
    sources = [path.read_text(encoding="utf-8") for path in page.FOLDER.glob("*.j2")]
    wanted = set().union(*(meta.find_undeclared_variables(environment.parse(source)) for source in sources))
    calls = [node for node in ast.walk(ast.parse(inspect.getsource(page.render))) if isinstance(node, ast.Call)]
    given = {word.arg for call in calls if getattr(call.func, "attr", "") == "render" for word in call.keywords}
    # The other way round jinja2 also names the parameters of `call` blocks.
    assert given <= wanted and len(given) > 5


def other(figures: Figures, name: str, **changes: Any) -> Figures:
    """The figures with other values in the first row of one of them."""
    first, *rest = figures[name].rows
    return {**figures, name: replace(figures[name], rows=({**first, **changes}, *rest))}


# --------------------------------------------------------------------------------------------- the figures


def test_the_picture_of_the_bill_has_the_numbers_of_the_rows_under_it_and_is_the_bill(
    figures: Figures, truthful_night: Path
) -> None:
    standing, rows = figures["spend_standing"], figures["spend_explained"]
    assert [row["standing"] for row in standing] == ["explained", "named", "unexplained", "unknown"]
    for row in standing:
        own = [found for found in rows if found["standing"] == row["standing"]]
        assert row["cost"] == sum(found["cost"] for found in own)
        assert row["charged"] == sum(found["charged"] for found in own)
        assert row["row_count"] == sum(found["row_count"] for found in own)
    assert sum(row["pct"] or 0 for row in standing) == pytest.approx(100, abs=Decimal("0.2"))
    ((bill,),) = query(
        truthful_night / DATABASE,
        """
        select sum(unblended_cost) from cost.daily_total
        where usage_date between $first::date and $last::date
        """,
        {"first": standing.rows[0]["first_date"], "last": standing.rows[0]["through_date"]},
    )
    ((rate,),) = query(
        truthful_night / DATABASE,
        """
        select avg(rate)::decimal(18, 10) from cost.exchange_rate
        where currency = 'USD' and usage_date between $first::date and $last::date
        """,
        {"first": standing.rows[0]["first_date"], "last": standing.rows[0]["through_date"]},
    )
    assert sum(row["cost"] for row in standing) == pytest.approx(bill * rate, abs=Decimal("0.0001"))


def test_a_sum_without_a_rate_is_unknown_and_no_part_of_a_picture(figures: Figures) -> None:
    unknown = other(figures, "spend_standing", cost=None, charged=None, pct=None)
    shown = page.render(unknown, figures["run"].rows[0]["finished_at"])
    place = re.search(r'<section id="explained">.*?</figure>', shown, re.DOTALL)
    assert place and '<span class="unknown" data-figure="spend_standing" data-row="0"' in place[0]
    assert 'class="good" x="0.00" width="0.00"' in place[0]
    assert "–</span> of the bill" not in place[0] and "unknown</span> of the bill" in place[0]


def test_exposure_and_support_count_what_is_unknown_apart(figures: Figures, truthful_night: Path) -> None:
    database = truthful_night / DATABASE
    found = {row["kind"]: row for row in figures["exposure_by_kind"]}
    assert list(found) == ["address", "database", "snapshot", "image", "function_url", "bucket"]
    judged = query(database, "select kind, verdict, count(*) from cmdb.exposure group by all")
    names = {"exposed": "exposed_count", "not exposed": "shut_count", "unknown": "unknown_count"}
    assert judged and all(found[kind][names[verdict]] == count for kind, verdict, count in judged)
    assert found["snapshot"]["shut_count"] is found["image"]["shut_count"] is None, (
        "only public ones are in cmdb.exposure"
    )
    places = query(database, "select kind, count(*) from cmdb.finding_exposure_unknown where arn is null group by kind")
    assert {kind: row["place_count"] for kind, row in found.items()} == {name: 0 for name in found} | dict(places)
    ((things,),) = query(database, "select count(*) from cmdb.end_of_life")
    counts = [name for name in figures["end_of_life_by_kind"].rows[0] if name.endswith("_count")]
    assert sum(row[name] for row in figures["end_of_life_by_kind"] for name in counts) == things > 0


def test_the_coming_year_of_extended_support_says_of_how_many_databases_it_is(
    figures: Figures, truthful_night: Path
) -> None:
    (row,) = figures["extended_support_forecast"].rows
    forecast = query(truthful_night / DATABASE, "select reporting_next_year_cost from cost.extended_support_forecast")
    known = [cost for (cost,) in forecast if cost is not None]
    assert (row["database_count"], row["unknown_count"]) == (len(known), len(forecast) - len(known))
    assert row["cost"] == sum(known) > 0
    partly = other(figures, "extended_support_forecast", unknown_count=2)
    shown = page.render(partly, figures["run"].rows[0]["finished_at"])
    assert re.search(r"for <[^>]*>2</[a-z]+> more that is not known", shown)


def test_the_savings_are_those_of_the_table_and_of_its_owners_together(figures: Figures, truthful_night: Path) -> None:
    total = figures["savings_total"].rows[0]
    ((rate,),) = query(
        truthful_night / DATABASE, "select max_by(rate, usage_date) from cost.exchange_rate where currency = 'USD'"
    )
    ((identified, findings),) = query(
        truthful_night / DATABASE,
        "select sum(identified), count(*) filter (accepted is null and realised is null) from cost.saving "
        "where month = (select max(month) from cost.saving)",
    )
    assert total["identified"] == pytest.approx(identified * rate, abs=Decimal("0.0001"))
    assert total["identified"] > 0
    assert total["finding_count"] == findings
    owners = [row["identified"] or 0 for row in figures["savings_by_owner"]]
    assert sum(owners) == pytest.approx(total["identified"], abs=Decimal("0.0001"))
    assert figures["savings_by_owner"].rows[-1]["owner"] is None


def test_the_top_is_by_size_and_each_has_a_question_for_somebody(figures: Figures) -> None:
    top = figures["savings_top"]
    savings = [row["monthly_saving"] for row in top]
    assert len(top) == 20
    assert savings == sorted(savings, reverse=True)
    assert all(sections.question(row["rule"]) for row in top)


def test_there_is_a_question_for_every_rule_and_for_rules_of_ones_own() -> None:
    with (WAREHOUSE_FOLDER / "ref" / "decommission_rule.csv").open(encoding="utf-8", newline="") as file:
        rules = {row["rule"] for row in csv.DictReader(file)}
    assert rules == sections.ASK.keys()
    assert sections.question("a_rule_of_our_own") == "Is it still needed as it is?"


def test_candidates_and_unknowns_stand_side_by_side_and_are_all_that_is_open(
    figures: Figures, truthful_night: Path
) -> None:
    for verdict in ("candidate", "unknown"):
        ((count,),) = query(
            truthful_night / DATABASE,
            "select count(*) from cmdb.decommission_signal where verdict = $verdict and resolution is null",
            {"verdict": verdict},
        )
        assert sum(row[f"{verdict}_count"] for row in figures["candidates_by_rule"]) == count > 0
    assert sum(row["resource_count"] for row in figures["candidates_unknown"]) == count


def test_health_is_that_of_the_newest_day(figures: Figures, truthful_night: Path) -> None:
    expected = query(
        truthful_night / DATABASE,
        "select kpi, value, at_fault_count from cmdb.health where scope = 'organisation' "
        "and as_of_date = (select max(as_of_date) from cmdb.health) order by kpi",
    )
    assert sorted((row["kpi"], row["value"], row["at_fault_count"]) for row in figures["health"]) == expected


def test_what_is_not_known_is_said_before_it_is_trusted(figures: Figures) -> None:
    nothing = replace(figures["savings_total"], rows=())
    worlds = [
        ({**figures, "savings_total": nothing}, "Nothing has been judged yet: no saving is known, which is not none."),
        (other(figures, "savings_total", identified=None), "A saving has no exchange rate: its sum is unknown."),
        (other(figures, "savings_total", without_estimate_count=7), "7 finding(s) have no known price or size"),
        (other(figures, "savings_total", unreviewed_price_count=4), "4 list prices of ref.unit_price"),
        (other(figures, "applications", monthly_cost=None), "The bill has nothing of 1 business service(s)"),
        (other(figures, "health", value=None, kpi="orphan"), "orphan could not be judged"),
    ]
    for world, sentence in worlds:
        assert [said for _, _, said, _ in sections.caveats(world) if said.startswith(sentence)], sentence
    calm = other(figures, "savings_total", without_estimate_count=0, unreviewed_price_count=0)
    calm = {**calm, "candidates_by_rule": replace(figures["candidates_by_rule"], rows=())}
    assert [said for section, _, said, _ in sections.caveats(calm) if section == "savings"] == []


def test_names_that_no_item_carries_and_that_cost_little_are_one_row(figures: Figures, truthful_night: Path) -> None:
    """Other spellings of a tag's value; nothing of the bill goes with them."""
    shown = figures["applications"].rows
    named = query(
        truthful_night / DATABASE,
        "select business_service, resource_count, reporting_monthly_cost from cmdb.application",
    )
    total = sum(cost or 0 for *_, cost in named)
    assert sum(row["monthly_cost"] or 0 for row in shown) == total
    names = {row["business_service"] for row in shown}
    assert {name for name, items, cost in named if items or (cost or 0) >= total / 100} <= names
    folded = [name for name, items, cost in named if not items and cost is not None and cost < total / 100]
    assert folded
    assert not names & set(folded)
    assert shown[-1]["business_service"] == f"{len(folded)} other names, which no item carries"
    # Of what no item is seen, there may be some in an account that nobody reaches: no count is a zero.
    unseen = [row for row in shown if row["business_service"] in {name for name, items, _ in named if not items}]
    assert unseen
    for row in (*unseen, shown[-1]):
        assert {row[f"{of}_count"] for of in ("resource", "account", "unowned_resource", "stale_resource")} == {None}


def test_a_map_without_a_line_between_two_services_says_so(figures: Figures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "pictures", lambda _: {})
    nobody = next(row["node_id"] for row in figures["map_nodes"] if row["business_service"] is None)
    one, two = [row["node_id"] for row in figures["map_nodes"] if row["business_service"]][:2]
    edge = {**figures["map_edges"].rows[0], "from_node_id": nobody, "to_node_id": one}
    for other_end, is_said in ((nobody, True), (two, False)):
        edges = replace(figures["map_edges"], rows=(edge, {**edge, "from_node_id": other_end}))
        now = (figures["run"].first or {})["finished_at"]
        assert ("No business service is seen to lean" in page.render({**figures, "map_edges": edges}, now)) is is_said


def test_thousands_of_business_services_are_in_the_map_and_the_page_is_short_enough_all_the_same(
    figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "pictures", lambda _: {})
    node, edge = figures["map_nodes"].rows[0], figures["map_edges"].rows[0]
    ids = [f"business-service-of-some-team-{number}" for number in range(2000)]
    nodes = [{**node, "node_id": one, "business_service": one, "of_count": 2100} for one in ids]
    edges = [
        {**edge, "from_node_id": one, "to_node_id": ids[place - step], "of_count": 4000}
        for place, one in enumerate(ids)
        for step in (1, 2)
    ]
    many = {
        "map_nodes": replace(figures["map_nodes"], rows=tuple(nodes)),
        "map_edges": replace(figures["map_edges"], rows=tuple(edges)),
    }
    shown = page.render({**figures, **many}, (figures["run"].first or {})["finished_at"])
    assert len(shown.encode()) < MOST_BYTES
    for name, more in (("map_nodes", "2,040"), ("map_edges", "3,940")):
        table = shown.partition(f'data-csv="{name}"')[2].partition("</p>")[0]
        assert table.count("<tr>") == 61
        assert f"{more} more are not shown" in table
    assert "1,801 others" in shown


def test_the_changes_of_a_type_have_each_kind_of_change(figures: Figures, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "pictures", lambda _: {})
    kinds = ("discovered", "changed", "replaced", "missing", "retired", "returned")
    row = {"resource_type": "AWS::EC2::VPC", "change_count": 21, **{kind: n for n, kind in enumerate(kinds, 1)}}
    run = replace(figures["run"], rows=({**figures["run"].rows[0], "previous_finished_at": datetime.now(UTC)},))
    found = {"changes_by_type": replace(figures["changes_by_type"], rows=(row,)), "run": run}
    shown = page.render({**figures, **found}, datetime.now(UTC)).partition('data-csv="changes_by_type"')[2]
    assert all(f'data-column="{kind}"' in shown for kind in kinds)
    assert ">Replaced</th>" in shown


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"lowest": None, "rest_days": 8, "month_count": 4}, "it takes six earlier months, and "),
        (
            {"lowest": None, "rest_days": 8, "month_count": 7},
            "what a day of this month or of the four weeks before cost",
        ),
        (
            {"lowest": Decimal(9), "rest_days": 0, "month_count": 0},
            "Every day of the month is complete, so nothing of it",
        ),
    ],
)
def test_the_range_of_the_forecast_gives_the_reason_that_applies(
    changes: dict[str, Any], sentence: str, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "pictures", lambda _: {"month": ""})
    shown = page.render(other(figures, "forecast_range", **changes), figures["run"].rows[0]["finished_at"])
    assert sentence in shown and "On the same day of" not in shown


def test_a_credit_without_a_budget_is_no_spend_that_may_be_too_much(
    figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "pictures", lambda _: {})
    whole = figures["spend_total"].rows[0] | {"budget": Decimal(1), "budgeted_pct": None, "unbudgeted_pct": None}
    rows = tuple(whole | {"tag_key": key, "unbudgeted_to_date": Decimal(left)} for key, left in (("a", -7), ("b", 31)))
    found = {**figures, "spend_total": replace(figures["spend_total"], rows=rows)}
    shown = page.render(found, figures["run"].rows[0]["finished_at"])
    (question,) = re.findall(r"Whether (.*?) of this month’s bill is too much: no budget of (\w+)", shown, re.DOTALL)
    assert "31" in question[0] and "%" not in question[0] and question[1] == "b"
    assert "of the bill is held against none" not in shown and shown.count(">held against none<") == 2


# ------------------------------------------------------------------------------------------------ the maps


def told(svg: str) -> list[str]:
    """What the boxes and lines of a map say of themselves."""
    return [str(title.text) for title in ElementTree.fromstring(svg).iter() if title.tag.endswith("title")]


def test_the_map_shows_what_the_tables_say(figures: Figures, truthful_night: Path) -> None:
    said = told(sections.maps(figures, plain)["all"])
    nodes = query(
        truthful_night / DATABASE,
        "select coalesce(business_service, 'no business service'), resource_count from cmdb.service_map_node "
        "where resource_count > 0",
    )
    assert nodes
    for name, count in nodes:
        assert any(text.startswith(f"{name}: {count:,} item") for text in said), name
    edges = query(
        truthful_night / DATABASE,
        """
        select
            coalesce(near.business_service, 'no business service'),
            coalesce(far.business_service, 'no business service'),
            sum(edge.relation_count)::bigint
        from cmdb.service_map_edge as edge
        inner join cmdb.service_map_node as near on edge.from_node_id = near.node_id
        inner join cmdb.service_map_node as far on edge.to_node_id = far.node_id
        group by all
        """,
    )
    assert edges
    for start, end, count in edges:
        assert any(text.startswith(f"{start} → {end}: {count:,} relation(s)") for text in said), (start, end)


def test_the_map_of_an_application_counts_its_items_once(figures: Figures, truthful_night: Path) -> None:
    place, name = sections.applications(figures)[0]
    own = [row for row in figures["application_nodes"] if row["place"] == place and row["belongs_to"] == "own"]
    ((count,),) = query(
        truthful_night / DATABASE,
        "select count(*) from cmdb.resource where business_service = $name and status <> 'retired'",
        {"name": name},
    )
    assert sum(row["resource_count"] for row in own) == count > 0
    drawn = sections.maps(figures, plain)
    assert {f"{place}" for place, _ in sections.applications(figures)} | {"all"} == drawn.keys()
    assert len(told(drawn[f"{place}"])) > 5


def large(count: int) -> tuple[list[Node], list[Line]]:
    """As many services, each leaning on three others, some in a circle, every tenth on nothing."""
    nodes = [Node(f"n{n}", "W" * (n % 40 + 1), f"{n} items, {'M' * 30}", count=n) for n in range(count)]
    lines = [Line(f"n{n}", f"n{(n * step + 7) % count}", n + 1) for n in range(count) if n % 10 for step in (2, 3, 5)]
    return nodes, lines


def test_two_hundred_boxes_stand_apart_and_the_others_are_one() -> None:
    nodes, lines = large(260)
    svg = ElementTree.fromstring(service_map.drawn(nodes, lines, "large"))
    boxes = [(float(box.get("x", 0)), float(box.get("y", 0))) for box in svg.findall("svg")]
    assert len(boxes) == 200
    for index, (x, y) in enumerate(boxes):
        for other_x, other_y in boxes[index + 1 :]:
            assert abs(x - other_x) >= BOX or abs(y - other_y) >= HEIGHT
    width, height = (float(svg.get(size, 0)) for size in ("width", "height"))
    assert all(0 <= x <= width - BOX and 0 <= y <= height - HEIGHT for x, y in boxes)
    summed = sum(range(199, 260))
    assert any(text == f"61 others: {summed:,} items" for text in told(ElementTree.tostring(svg, encoding="unicode")))
    # No column is longer than a page, so that nothing is scaled down to fit.
    assert height < 24 * (HEIGHT + 8) * 3
    assert len(ElementTree.tostring(svg)) < 250_000


def test_lines_are_added_up_and_none_is_lost_to_the_others() -> None:
    nodes = [Node(key, key, "", count=1) for key in "abcd"]
    lines = [Line("a", "b", 2, "x"), Line("a", "b", 3, "y"), Line("a", "c", 5), Line("d", "b", 7), Line("c", "d", 1)]
    kept, merged = service_map.condensed(nodes, [*lines, Line("a", "gone", 9), Line("a", "a", 9)], most=3)
    assert [node.key for node in kept] == ["a", "b", service_map.OTHERS]
    assert {(line.start, line.end): line.count for line in merged} == {
        ("a", "b"): 5,
        ("a", service_map.OTHERS): 5,
        (service_map.OTHERS, "b"): 7,
    }


def test_what_leans_on_something_stands_left_of_it_also_where_there_is_a_circle() -> None:
    nodes = [Node(key, key, "") for key in "abcde"]
    lines = [Line("a", "b", 1), Line("b", "c", 1), Line("c", "a", 1), Line("d", "c", 1)]
    at = service_map.placed(nodes, lines)
    assert at["a"].x < at["b"].x < at["c"].x
    assert at["d"].x < at["c"].x
    assert at["e"].y > max(at[key].y for key in "abcd")
    assert service_map.placed([], []) == {}


def test_a_stale_line_is_dashed_and_a_fresh_one_is_not() -> None:
    nodes = [Node(key, key, "") for key in "ab"]
    for stale in (True, False):
        drawn = service_map.drawn(nodes, [Line("a", "b", 1, is_stale=stale)], "t")
        assert ('class="line stale"' in drawn) is stale


def test_no_name_does_harm_in_a_map() -> None:
    hostile = "\"><script>alert(1)</script>\u202e</svg><a href='javascript:x'>"
    nodes = [Node(hostile, plain(hostile), plain(hostile)), Node("b", "b", "")]
    svg = service_map.drawn(nodes, [Line(hostile, "b", 1, plain(hostile))], hostile)
    tree = ElementTree.fromstring(svg)
    assert {element.tag for element in tree.iter()} == {"svg", "rect", "text", "title", "path"}
    assert not re.search(r"[\u202a-\u202e]", "".join(tree.itertext()))
    assert not [name for element in tree.iter() for name in element.attrib if name.startswith("on") or name == "style"]
