"""The report says beside each figure how much of its scope was judged, and no list is empty without it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from nights import DATABASE, query

from pipelines.models.sql_files import reads
from pipelines.report.figures import Figure, Scope, query_figures
from pipelines.report.page import render
from resources.store.store import Store

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
CLAIMING = ("org.", "aws.", "cost.", "cmdb.")

Figures = Mapping[str, Figure]


@pytest.fixture(scope="module")
def figures(truthful_night: Path) -> Figures:
    return query_figures(Store(truthful_night / DATABASE))


def test_the_scope_of_a_figure_is_that_of_the_tables_it_reads(figures: Figures, truthful_night: Path) -> None:
    claims = {
        claim: (judged, unknown)
        for claim, judged, unknown in query(
            truthful_night / DATABASE, "select claim, judged, unknown from audit.claim where scope > 0"
        )
    }
    of_one = 0
    for figure in figures.values():
        read = {relation for relation in reads(figure.sql).relations if relation in claims}
        if not read:
            assert figure.scope is None, figure.name
            continue
        assert figure.scope is not None, figure.name
        # A cell behind two tables counts once.
        assert max(sum(claims[one]) for one in read) <= figure.scope.judged + figure.scope.unknown
        assert max(claims[one][1] for one in read) <= figure.scope.unknown
        if len(read) == 1:
            of_one += 1
            assert (figure.scope.judged, figure.scope.unknown) == claims[read.pop()], figure.name
    assert of_one


def test_a_figure_of_an_organisation_with_an_account_nobody_reaches_names_it(figures: Figures) -> None:
    """The simulated organisation has one account without a profile: figures of items do not know what it holds."""
    for name in ("changes_by_type", "candidates_by_rule", "map_nodes"):
        scope = figures[name].scope
        assert scope is not None
        assert scope.unknown > 0
        assert "no_profile" in scope.reasons
    bill = figures["monthly_by_service"].scope
    assert bill is not None
    assert bill.unknown == 0


@pytest.mark.parametrize("name", ["candidates_unknown", "changes", "savings_top", "map_edges", "health_by_type"])
def test_an_empty_list_is_none_only_where_nothing_of_its_scope_is_unknown(name: str, figures: Figures) -> None:
    empty = replace(figures[name], rows=(), scope=Scope(40, 2, "denied 2"))
    known = replace(empty, scope=Scope(42, 0, ""))
    sentence = "2 of 42 cells are unknown (denied 2)"
    run = replace(figures["run"], rows=({**(figures["run"].first or {}), "previous_finished_at": NOW},))
    with_doubt = render({**figures, "run": run, name: empty}, NOW)
    without = render({**figures, "run": run, name: known}, NOW)
    assert sentence in with_doubt
    assert sentence not in without
    badge = rf'href="#query-{name}"[^>]*>SQL</a> <span class="scope[^>]*>([^<]*)<'
    assert set(re.findall(badge, with_doubt)) == {"40 of 42 cells judged, 2 unknown"}
    assert set(re.findall(badge, without)) == {"all 42 cells judged"}
