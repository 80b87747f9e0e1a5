"""What is kept of the queries of the release is what a parser finds in them, and counts for these very texts only."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from given import models, record_rules

from pipelines.definitions import build_defs
from pipelines.errors import UnreadableQueryError
from pipelines.models import queries, query_facts, stored_facts
from pipelines.models.lineage import Lineage
from pipelines.models.sql_files import reads
from tools.docs import query_facts as tool


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As a process begins: the file has not been read."""
    monkeypatch.setattr(stored_facts, "_READ", [])
    reads.cache_clear()
    yield
    reads.cache_clear()


def test_what_is_kept_is_what_a_parser_finds(unread: None) -> None:
    kept = query_facts.lineage_of(models())
    assert isinstance(kept, query_facts._KeptLineage)
    parsed = Lineage(models())
    assert {name: dict(kept.of(name)) for name in models()} == {name: parsed.of(name) for name in models()}
    assert query_facts.record_rules_of(models()) == record_rules()


def test_the_file_is_the_one_that_would_be_written(monkeypatch: pytest.MonkeyPatch, unread: None) -> None:
    assert tool.written() == stored_facts.FILE.read_text(encoding="utf-8"), "run `make docs`"


def test_a_changed_query_is_parsed(unread: None) -> None:
    changed = dict(models())
    account = changed["org.account"]
    changed["org.account"] = replace(account, sql=account.sql.replace("select", "select 'x' as added, ", 1))
    assert changed["org.account"].sql != account.sql
    assert isinstance(query_facts.lineage_of(changed), Lineage)
    assert isinstance(query_facts.lineage_of(models()), query_facts._KeptLineage)
    assert reads("select a from org.account").relations == {"org.account"}
    assert reads("select a from landing('budget', 'struct(a varchar)')").listings == ("budget",)


def test_without_the_file_everything_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unread: None) -> None:
    monkeypatch.setattr(stored_facts, "FILE", tmp_path / "query_facts.json")
    assert isinstance(query_facts.lineage_of(models()), Lineage)
    assert query_facts.record_rules_of(models()) == record_rules()
    account = models()["org.account"]
    assert reads(account.sql).relations == account.uses


def test_no_tree_stays_where_all_was_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unread: None) -> None:
    monkeypatch.setattr(stored_facts, "FILE", tmp_path / "query_facts.json")
    reads("select a from org.account")
    assert queries.parsed.cache_info().currsize
    build_defs({})
    assert not queries.parsed.cache_info().currsize


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("select a from", "Expected"),
        ("select 1; select 2", "there are 2"),
        ("select a from landing(listing, 'struct(a varchar)')", "does not name its listing"),
    ],
)
def test_what_is_no_query_of_ours_is_refused(sql: str, why: str, unread: None) -> None:
    with pytest.raises(UnreadableQueryError, match=why):
        reads(sql)
