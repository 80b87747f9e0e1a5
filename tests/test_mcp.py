"""`cmdb mcp`: what the server lets through, what it refuses, and how it is reached."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import httpx2
import pytest
from mcp_asking import Asking, over_http, over_stdio
from nights import DATABASE, REPOSITORY, cmdb_here, copy_of, query

from pipelines.cli.mcp import documents, queries
from pipelines.cli.mcp.answer import is_nothing, verdict_of
from pipelines.cli.mcp.bounds import Bounds, bounds_of
from pipelines.cli.mcp.documents import questions
from pipelines.cli.mcp.figures import Cut, FigureTools
from pipelines.cli.mcp.http import TokenCheck
from pipelines.cli.mcp.lineage import EVERYTHING, Read, reads_of
from pipelines.cli.mcp.mentions import Mentions, mentions_of
from pipelines.cli.mcp.queries import Published, QueryRefused, _columns
from pipelines.cli.mcp.scope import ListingCells, Scope
from pipelines.cli.slices import tree_of
from pipelines.models.claims import scopes
from pipelines.models.model import read_models
from resources.store.store import Store

TOKEN = "t" * 32
MCP = [sys.executable, "-m", "pipelines.cli.main", "mcp"]


@pytest.fixture(scope="module")
def published(truthful_night: Path) -> Published:
    return Published(Store(truthful_night / DATABASE))


@pytest.fixture(scope="module")
def asking(truthful_night: Path) -> Iterator[Asking]:
    with over_stdio(truthful_night / DATABASE) as session:
        yield session


# ------------------------------------------------------------------------------------------ what a query rests on


@pytest.fixture(scope="module")
def reads(published: Published) -> Any:
    with published.opened() as connection:
        columns = _columns(connection)
        yield lambda sql: reads_of(sql, tree_of(connection, sql), columns)


ITEMS, INSTANCES, BILL = "cmdb.resource", "aws.ec2_instance", "cost.daily"
ONE, HERE = frozenset({"111111111111"}), frozenset({"r"})


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("select 1", set()),
        ("values (1), (2)", set()),
        ("from range(10)", set()),
        ("from cmdb.resource", {Read(ITEMS)}),
        ('select * from "CMDB"."Resource"', {Read(ITEMS)}),
        ("with t as (from cmdb.resource) select * from t", {Read(ITEMS)}),
        ("select (select 1 from cmdb.resource) where exists (from aws.ec2_instance)", {Read(ITEMS), Read(INSTANCES)}),
        ("summarize cmdb.resource", {Read(EVERYTHING), Read(ITEMS)}),
        ("show tables", {Read(EVERYTHING)}),
        ("from duckdb_tables()", {Read(EVERYTHING)}),
        ("from duckdb_views", {Read(EVERYTHING)}),
        ("with duckdb_tables as (select 1) from duckdb_tables", {Read(EVERYTHING)}),
        ("from information_schema.tables", {Read(EVERYTHING)}),
        ("from nowhere.nothing", {Read(EVERYTHING)}),
        # Only what is proven makes the scope smaller.
        ("from cmdb.resource where account_id = '111111111111'", {Read(ITEMS, accounts=ONE)}),
        ("from cmdb.resource where '111111111111' = account_id and (region = 'r')", {Read(ITEMS, ONE, HERE)}),
        ("from cmdb.resource as i where i.account_id in ('111111111111')", {Read(ITEMS, accounts=ONE)}),
        ("from cmdb.resource where account_id = '111111111111' or name = 'a'", {Read(ITEMS)}),
        ("from cmdb.resource where not account_id = '111111111111'", {Read(ITEMS)}),
        ("from cmdb.resource where account_id <> '111111111111'", {Read(ITEMS)}),
        ("from cmdb.resource where account_id = name", {Read(ITEMS)}),
        ("from cmdb.resource where account_id in (select '111111111111')", {Read(ITEMS)}),
        ("from cmdb.resource where account_id like '111111111111'", {Read(ITEMS)}),
        ("from cmdb.resource where upper(account_id) = '111111111111'", {Read(ITEMS)}),
        ("select name, '1' as account_id from cmdb.resource where account_id = '111111111111'", {Read(ITEMS)}),
        ("from cmdb.resource as t(account_id, b) where account_id = '111111111111'", {Read(ITEMS)}),
        ("from cmdb.resource group by all having account_id = '111111111111'", {Read(ITEMS)}),
        (
            "select 1 from cmdb.resource as i, aws.ec2_instance as e where i.account_id = '111111111111'",
            {Read(ITEMS, accounts=ONE), Read(INSTANCES)},
        ),
        (
            "from cmdb.resource as i join aws.ec2_instance as e on e.account_id = '111111111111'",
            {Read(ITEMS), Read(INSTANCES)},
        ),
        (
            "select * from cmdb.resource where account_id = '111111111111' union all select * from cmdb.resource",
            {Read(ITEMS, accounts=ONE), Read(ITEMS)},
        ),
        (
            "with t as (from cmdb.resource) select * from t where account_id = '111111111111'",
            {Read(ITEMS)},
        ),
        ("from cost.daily where slice = 'service'", {Read(BILL, slices=frozenset({"service"}))}),
        ("from cost.daily where slice = 'tag:bc:project'", {Read(BILL, slices=frozenset({"tag"}))}),
        ("from cost.daily where slice <> 'service'", {Read(BILL)}),
    ],
)  # fmt: skip
def test_a_query_reads_whole_relations_unless_its_text_proves_a_part(sql: str, found: set[Read], reads: Any) -> None:
    assert reads(sql) == found


@pytest.mark.parametrize(
    "sql",
    [
        "",
        ";",
        "select 1; select 2",
        "create table t (a int)",
        "create temp table t as select 1",
        "insert into ref.budget select * from ref.budget",
        "delete from cmdb.resource",
        "drop table cmdb.resource",
        "copy cmdb.resource to 'out.csv'",
        "copy (select 1) to 'out.parquet'",
        "attach 'other.duckdb'",
        "attach ':memory:' as m",
        "detach warehouse",
        "export database 'out'",
        "install httpfs",
        "load httpfs",
        "pragma database_list",
        "set threads = 1",
        "reset threads",
        "use cmdb",
        "call enable_logging()",
        "checkpoint",
        "begin",
        "vacuum",
        "explain analyze select 1",
        "prepare q as select 1",
        "from read_csv('/etc/passwd')",
        "from read_text('/etc/passwd')",
        "from read_blob('/etc/passwd')",
        "from read_parquet('https://example.com/a.parquet')",
        "from read_json('/etc/passwd')",
        "from glob('/*')",
        "from sniff_csv('/etc/passwd')",
        "from query('select 1')",
        "from query_table('cmdb.resource')",
        "from enable_logging()",
        "from force_checkpoint()",
        "from duckdb_settings()",
        "from duckdb_secrets()",
        "from pragma_database_list()",
        "from json_execute_serialized_sql(json_serialize_sql('select 1'))",
        "from '/etc/passwd'",
        "from 'https://example.com/a.csv'",
        "select getenv('HOME')",
        "select * from (pivot cmdb.resource on nothing)",
        "selec 1",
    ],
)
def test_nothing_but_one_select_of_the_published_tables_runs(sql: str, published: Published) -> None:
    with pytest.raises(QueryRefused) as refused:
        published.free_answer(sql)
    assert str(refused.value).rstrip().endswith((".", "“", '"')) or "DuckDB" in str(refused.value)


@pytest.mark.parametrize(
    ("relation", "column", "beside"),
    [("cost.daily", "slice", "slice <> 'x'"), ("cost.by_tag", "tag_key", "tag_key like '%'")],
)
def test_the_same_money_is_not_added_up_several_times(
    relation: str, column: str, beside: str, published: Published
) -> None:
    for where in ("", f" where {beside}"):
        with pytest.raises(
            QueryRefused, match=rf"^{relation} holds the same money once in each {column}.* Nothing ran\.$"
        ):
            published.free_answer(f"select sum(unblended_cost) from {relation}{where}")
    assert published.free_answer(f"select {column}, sum(unblended_cost) from {relation} group by all").rows


def test_what_python_cannot_hold_or_follow_is_refused_in_a_sentence(published: Published) -> None:
    with pytest.raises(QueryRefused, match=r"beyond what Python holds .* Cast its column to VARCHAR\.$"):
        published.free_answer("select interval 100000000 year")
    with pytest.raises(QueryRefused, match=r"^The query is nested too deeply .* Nothing ran\.$"):
        published.free_answer(f"select sum(x) {'from (select * ' * 900}from (select 1 as x from cost.daily){')' * 900}")
    deep = "+".join(map(str, range(1, 401)))
    assert published.free_answer(f"select sum({deep}) from cost.by_service").rows


def test_what_is_refused_leaves_no_file(published: Published, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    before = published.store.database.resolve().read_bytes()
    for sql in ("copy cmdb.resource to 'out.csv'", "attach 'a.duckdb'", "export database 'all'"):
        with pytest.raises(QueryRefused):
            published.free_answer(sql)
    assert list(tmp_path.iterdir()) == []
    assert published.store.database.resolve().read_bytes() == before


def test_a_query_that_takes_too_long_is_stopped(published: Published) -> None:
    hasty = Published(published.store, seconds=0.3)
    with pytest.raises(QueryRefused, match=r"stopped after 0\.3 seconds"):
        hasty.free_answer("select max(hash(a.range, b.range)) from range(1000000) as a, range(1000000) as b")


def test_time_that_is_over_while_python_reads_the_query_stops_what_runs_then(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    hasty = Published(published.store, seconds=0.3)
    read = queries.reads_of

    def slowly(*arguments: Any) -> Any:
        time.sleep(0.5)
        return read(*arguments)

    monkeypatch.setattr(queries, "reads_of", slowly)
    with pytest.raises(QueryRefused, match=r"stopped after 0\.3 seconds"):
        hasty.free_answer("select max(hash(a.range, b.range)) from range(30000) as a, range(30000) as b")


def test_rows_and_long_values_are_capped_and_it_is_reported(published: Published) -> None:
    many = published.free_answer("from range(5000)", 10_000)
    assert (many.row_count, many.is_capped) == (1000, True)
    assert "Only 1000 rows" in many.answer
    exact = published.free_answer("from range(200)")
    assert (exact.row_count, exact.is_capped) == (200, False)
    long = published.free_answer("select repeat('x', 1000000) as a")
    assert long.is_capped
    assert len(long.rows[0][0]) < 5000
    wide = published.free_answer("select repeat('x', 3900) from range(500)", 500)
    assert wide.is_capped
    assert 0 < wide.row_count < 100


def test_values_are_json_and_hide_nothing(published: Published) -> None:
    answer = published.free_answer(
        """
        select 1.10::decimal(28, 10) as money, date '2026-01-02' as day, timestamptz '2026-01-02 03:04:05+02' as at,
            map {'a': 1} as tags, [1, 2] as list, 'nan'::double as number, chr(8238) as hidden, null as nothing
        """
    )
    assert answer.rows == [
        ["1.1000000000", "2026-01-02", "2026-01-02T01:04:05Z", {"a": 1}, [1, 2], "nan", "⟨U+202E⟩", None]
    ]
    json.dumps(answer.rows, allow_nan=False)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], True),
        ([(0,)], True),
        ([(None,)], True),
        ([(False,)], True),
        ([("instances", 0), ("volumes", 0)], True),
        ([("instances", 0), ("volumes", 1)], False),
        ([("i-1",)], False),
        ([(True,)], False),
        ([([],)], True),
    ],
)
def test_nothing_is_no_row_or_only_zeros(rows: list[tuple[Any, ...]], expected: bool) -> None:
    assert is_nothing(rows) is expected


# --------------------------------------------------------------------------------------------- where the file ends


@pytest.mark.parametrize(
    ("sql", "found"),
    [
        ("select 1", Mentions()),
        ("from a.b where resource_type = 'AWS::X::Y'", Mentions(types=frozenset({"AWS::X::Y"}))),
        ("from a.b where lower(resource_type) like '%x%'", Mentions(types=frozenset({"%x%"}))),
        (
            "from a.b where arn like '%:111111111111:%' and c = '111111111111'",
            Mentions(accounts=ONE, texts=frozenset({"%:111111111111:%"})),
        ),
        ("from a.b where region in ('r-1', 'r-2')", Mentions(regions=frozenset({"r-1", "r-2"}))),
        ("from a.b where day >= '2020-03-04' limit 2000", Mentions(days=frozenset({date(2020, 3, 4)}))),
        (
            "from a.b where first_seen_at < '2020-03-04' and day = '2020-03-05'",
            Mentions(days=frozenset({date(2020, 3, 4), date(2020, 3, 5)}), seen_days=frozenset({date(2020, 3, 3)})),
        ),
        ("from a.b where year(day) = 2020", Mentions(days=frozenset({date(2020, 1, 1)}))),
        ("from a.b where day = current_date - 1", Mentions(uses_now=True)),
        ("from a.b where at > now()", Mentions(uses_now=True)),
        ("from a.b limit 0", Mentions(leaves_out=True)),
        ("from a.b limit 1 offset 5", Mentions(leaves_out=True)),
        ("with t as (from a.b limit 5) from t", Mentions(leaves_out=True)),
        # However a query writes them.
        ("from a.b where c = 111111111111", Mentions(accounts=ONE)),
        ("from a.b where list_contains(['AWS::X::Y'], c)", Mentions(types=frozenset({"AWS::X::Y"}))),
        ("from a.b where c = 'zz-nowhere-1'", Mentions(regions=frozenset({"zz-nowhere-1"}))),
        ("from a.b where region like 'cn-%'", Mentions(regions=frozenset({"cn-%"}))),
        ("from a.b where strftime(c, '%Y') = '2019'", Mentions(days=frozenset({date(2019, 1, 1)}))),
        ("from a.b where c < '2019/03/04'", Mentions(days=frozenset({date(2019, 3, 4)}))),
        ("from a.b where tag_key = 'k' or slice = 'tag:l'", Mentions(tags=frozenset({"k", "l"}))),
        # Whatever a column is compared by.
        ("from a.b where regexp_matches(resource_type, 'x|^y$')", Mentions(types=frozenset({"%x%", "%y%"}))),
        ("from a.b where resource_type ~ 'x::(y|z).*'", Mentions(types=frozenset({"%x::y%", "%x::z%"}))),
        ("from a.b where resource_type similar to 'xs?.y'", Mentions(types=frozenset({"%x%y%"}))),
        ("from a.b where resource_type glob 'x*y'", Mentions(types=frozenset({"x%y"}))),
        ("from a.b where position('x' in resource_type) > 0", Mentions(types=frozenset({"%x%"}))),
        ("from a.b where contains(lower(resource_type), 'x')", Mentions(types=frozenset({"%x%"}))),
        ("from a.b as b where b.resource_type.contains('x')", Mentions(types=frozenset({"%x%"}))),
        ("from a.b where starts_with(resource_type, 'x')", Mentions(types=frozenset({"%x%"}))),
        ("from a.b where suffix(resource_type, 'x')", Mentions(types=frozenset({"%x%"}))),
        ("from a.b where resource_type ilike any (['x%', '%y'])", Mentions(types=frozenset({"x%", "%y"}))),
        ("from a.b where split_part(resource_type, '::', 2) = 'x'", Mentions(types=frozenset({"%x%"}))),
        ("from a.b where list_contains(['x', 'y'], resource_type)", Mentions(types=frozenset({"x", "y"}))),
        ("from a.b where to_resource_type = 'AWS::X::Y'", Mentions(types=frozenset({"AWS::X::Y"}))),
        ("from a.b where coalesce(resource_type, 'x') is null", Mentions()),
        ("from a.b where arn like 'arn:aws:x:%'", Mentions(arns=frozenset({"arn:aws:x:"}))),
        ("from a.b where regexp_matches(arn, '^arn:aws:x:')", Mentions(arns=frozenset({"arn:aws:x:"}))),
        ("from a.b where name = 'x' or arn like '%:y:%'", Mentions(texts=frozenset({"x", "%:y:%"}))),
    ],
)
def test_what_a_query_names_is_found(sql: str, found: Mentions) -> None:
    assert mentions_of(sql) == found


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("select sum(unblended_cost) from cost.by_service where usage_date < '2019-01-01'", "the bill is known from"),
        ("select sum(unblended_cost) from cost.by_service where usage_date > '2999-01-01'", "the bill is known from"),
        ("select sum(unblended_cost) from cost.by_service where year(usage_date) = 2019", "the bill is known from"),
        ("select sum(unblended_cost) from cost.daily_total where usage_date > current_date", "the bill is known from"),
        ("from cost.by_service limit 0", "LIMIT 0"),
        ("from cost.by_service limit 1 offset 100000000", "OFFSET"),
        ("select count(*) from cost.by_service where account_id = '999999999999'", "not of this organisation"),
        ("from org.account_version where valid_from < '2001-01-01'", "the history is known from"),
        ("select count(*) from cmdb.resource where resource_type = 'AWS::DynamoDB::Table'", "is not collected"),
        ("select count(*) from aws.ec2_instance where region = 'zz-nowhere-1'", "was never requested"),
        ("select count(*) from aws.ec2_instance where account_id = 999999999999", "not of this organisation"),
        ("select count(*) from aws.ec2_instance where region like 'cn-%'", "was never requested"),
        ("from cmdb.relationship where to_resource_type = 'AWS::DynamoDB::Table'", "is not collected"),
        ("from cmdb.resource where resource_type = 'aws::ec2::instance'", "is not collected"),
        (
            "select arn from cmdb.resource where resource_type = 'AWS::DynamoDB::Table' "
            "union all select arn from aws.config_resource where false",
            "is not collected",
        ),
        ("from cost.by_tag where tag_key = 'nobody:asks'", "not cut by the tag key nobody:asks"),
        ("from cost.daily where slice = 'tag:nobody:asks'", "not cut by the tag key nobody:asks"),
        ("from org.account_version where valid_from < '2026/01/02'", "the history is known from"),
        ("from cmdb.resource where first_seen_at <= '2001-08-31'", "the history is known from"),
        ("from cmdb.resource where retired_at between '2001-07-01' and '2001-07-31'", "the history is known from"),
        ("select count(*) from cmdb.resource where year(missing_since) = 2001", "the history is known from"),
        ("from cmdb.relationship where timestamp '2001-09-01' > ended_at", "the history is known from"),
        ("with t as (from cost.by_service limit 1) from t where service = 'no such'", "limits inside"),
        ("from cmdb.resource where arn like 'arn:aws:dynamodb:%'", "nothing of the service dynamodb is collected"),
        ("from cmdb.resource where regexp_matches(arn, '^arn:aws:(dax|qldb):')", "nothing of the service dax is"),
        ("from cmdb.resource where arn like 'arn:aws:ec2:%:%:local-gateway/%'", "nothing of the kind of arn:aws:ec2:"),
        ("from cmdb.resource where arn = 'arn:aws:s3:::a-bucket/an-object'", "nothing of the kind of arn:aws:s3:"),
        ("from cmdb.resource where arn like '%dynamodb%'", "may be of"),
        ("from cmdb.resource where name = 'orders-queue'", "may be of AWS::SQS::Queue"),
        *(
            (f"from cmdb.resource where {condition}", "is not collected")
            for condition in (
                "regexp_matches(resource_type, 'DynamoDB')",
                "resource_type similar to '.*DynamoDB.*'",
                "resource_type ~ 'AWS::(DynamoDB|DAX)::.*'",
                "position('DynamoDB' in resource_type) > 0",
                "contains(resource_type, 'DynamoDB')",
                "starts_with(resource_type, 'AWS::DynamoDB')",
                "prefix(resource_type, 'AWS::DynamoDB')",
                "resource_type glob '*DynamoDB*'",
                "resource_type ilike '%dynamodb%'",
                "resource_type.contains('DynamoDB')",
                "split_part(resource_type, '::', 2) = 'DynamoDB'",
            )
        ),
    ],
)
def test_beyond_the_file_nothing_is_none(sql: str, why: str, published: Published) -> None:
    answer = published.free_answer(sql)
    assert answer.verdict == "unknown"
    assert why in answer.answer
    assert answer.beyond
    assert any(
        re.search(r"\btool \w|\b(ref|cost|audit|org)\.[a-z_]+|^write the query without", remedy)
        for remedy in answer.to_mend
    )


@pytest.mark.parametrize("by", ["total", "service"])
def test_money_of_some_days_alone_is_no_sum(by: Cut, truthful_night: Path, tmp_path: Path) -> None:
    database = copy_of(truthful_night, tmp_path)
    with duckdb.connect(str(database.resolve())) as connection:
        connection.execute(
            "update cost.exchange_rate set rate = null, is_example_rate = null where usage_date = "
            "(select max(usage_date) from cost.exchange_rate)"
        )
    tools = FigureTools(Published(Store(database)))
    answer = tools.cost(by)
    rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
    assert answer.verdict == "incomplete"
    assert "up to 1 day(s) of a row have no exchange rate" in answer.answer
    assert any("cmdb fx import" in remedy for remedy in answer.to_mend)
    assert {(row["days_without_rate"], row["reporting_cost"] is None) for row in rows} <= {(1, True), (0, False)}
    assert any(row["days_without_rate"] for row in rows)
    assert all(row["unblended_cost"] is not None for row in rows)
    whole = FigureTools(Published(Store(truthful_night / DATABASE))).cost(by)
    rows = [dict(zip(whole.columns, row, strict=True)) for row in whole.rows]
    assert {row["days_without_rate"] for row in rows} == {0}
    assert {type(row["is_example_rate"]) for row in rows} == {bool}
    assert "exchange rate" not in whole.answer


def test_of_many_names_that_are_beyond_the_file_some_are_named_and_the_others_counted(published: Published) -> None:
    accounts = ", ".join(f"'{number:012d}'" for number in range(2000))
    answer = published.free_answer(
        f"from cmdb.resource where account_id in ({accounts}) or region = 'zz-nowhere-1' "
        f"or arn = 'arn:aws:ec2:::local-gateway/{'x' * 5000}'"
    )
    assert answer.verdict == "unknown"
    assert "account 000000000009 is not of this organisation and 1,990 more are like these" in answer.answer
    assert "region zz-nowhere-1 was never requested" in answer.answer
    assert len(answer.answer) < 5000
    assert sum(map(len, answer.beyond)) < 3000


def test_days_before_the_first_run_are_beyond_and_those_of_aws_are_not(published: Published) -> None:
    with published.opened() as connection:
        ((first,),) = connection.execute("select min(started_at)::date from audit.run").fetchall()
    for condition, is_beyond in (
        (f"collected_at < '{first}'", True),
        (f"'{first}' > collected_at", True),
        (f"collected_at < '{first.replace(day=1)}'", True),
        (f"collected_at = '{first}'", False),
        ("launched_at < '2001-01-01'", False),
    ):
        answer = published.free_answer(f"from aws.ec2_instance where {condition}")
        assert any("the history is known" in clause for clause in answer.beyond) is is_beyond, condition


ALL_KNOWN = Scope(listings=(ListingCells("billing", "cost_daily", "service", 5, {}, None),), rests_on=("cost.daily",))


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        ([], "none"),
        ([(0,)], "none"),
        ([(None,)], "none"),
        # "Is there none?" is answered by False where there is one.
        ([(False,)], "complete"),
        # A list of those that have none, of which only the first rows may be here.
        ([("111111111111", 0)], "complete"),
        ([(0,), (0,)], "complete"),
    ],
)
def test_zeros_that_answer_another_question_are_no_none(rows: list[tuple[Any, ...]], verdict: str) -> None:
    assert verdict_of(ALL_KNOWN, rows) == verdict
    unknown = replace(ALL_KNOWN, bounds=Bounds(("something is not known",)))
    assert verdict_of(unknown, rows) == "unknown"


def test_the_bill_is_known_for_the_days_that_every_slice_holds_which_is_read() -> None:
    with duckdb.connect() as connection:
        connection.execute("create schema cost")
        connection.execute(
            "create table cost.month_coverage as from (values ('service', date '2025-01-01', date '2026-01-09'), "
            "('region', date '2025-11-01', date '2026-01-08')) as t(slice, first_date, through_date)"
        )
        asked = Mentions(days=frozenset({date(2025, 3, 1)}))
        of_all = bounds_of(connection, asked, ["cost.by_region"], {"region"}, is_nothing=True)
        assert of_all.beyond == ("the bill is known from 2025-11-01 through 2026-01-08 only",)
        assert of_all.remedies == ("cost.month_coverage has the days that are known; nothing brings back earlier ones",)
        assert bounds_of(connection, asked, ["cost.by_service"], {"service"}, is_nothing=True).beyond == ()
        # Not only the month in which the bill begins.
        early = replace(asked, days=frozenset({date(2024, 12, 31)}))
        assert bounds_of(connection, early, ["cost.by_service"], {"service"}, is_nothing=True).beyond


def test_what_people_maintain_rests_on_no_response_of_aws() -> None:
    rests_on = scopes(read_models())
    assert {name for name, scope in rests_on.items() if name.startswith("ref.") and scope.rests_on} == set()


# ------------------------------------------------------------------------------------------------------ over stdio


def test_the_server_says_what_it_offers(asking: Asking) -> None:
    tools = {tool.name: tool for tool in asking.do("list_tools").tools}
    assert list(tools) == ["coverage", "resource", "search", "cost", "changes", "findings", "explain", "tables", "sql"]
    assert all(tool.annotations.read_only_hint and tool.description for tool in tools.values())
    for tool in tools.values():
        assert {"answer", "as_of", "scope", "judged", "unknown", "cells"} <= tool.output_schema["properties"].keys()
    prompts = asking.do("list_prompts").prompts
    assert [prompt.name for prompt in prompts] == [question.name for question in questions()]
    text = asking.do("get_prompt", prompts[0].name).messages[0].content.text
    assert questions()[0].sql.strip() in text


def test_the_dictionary_is_a_resource(asking: Asking) -> None:
    listed = asking.do("read_resource", "cmdb://dictionary").contents[0].text
    assert "- cmdb.resource: One row per configuration item" in listed
    assert "stage." not in listed
    table = asking.do("read_resource", "cmdb://dictionary/cmdb/resource").contents[0].text
    assert "- arn (VARCHAR): Amazon Resource Name" in table
    with pytest.raises(Exception, match=r"no table cmdb\.nothing"):
        asking.do("read_resource", "cmdb://dictionary/cmdb/nothing")


def test_every_response_says_how_much_of_its_scope_is_known(asking: Asking, truthful_night: Path) -> None:
    database = truthful_night / DATABASE
    (claimed,) = query(database, "select scope, judged, unknown from audit.claim where claim = 'aws.ec2_instance'")
    answer = asking.call("sql", query="select count(*) as n from aws.ec2_instance")
    assert (answer["scope"], answer["judged"], answer["unknown"]) == claimed
    assert answer["verdict"] == "incomplete"
    assert answer["answer"].startswith("Incomplete, because ")
    assert "to mend: no_profile: `cmdb profiles`" in answer["answer"]
    assert any("no_profile" in cell for cell in answer["unknown_cells"])
    assert any(line.startswith("workload ec2_instance: ") for line in answer["cells"])
    assert answer["rows"] == [[query(database, "select count(*) from aws.ec2_instance")[0][0]]]


def test_of_the_demo_what_mends_can_be_typed_as_it_stands(published: Published) -> None:
    of_demo = replace(published, demo=True).free_answer("select count(*) from aws.ec2_instance")
    plain = published.free_answer("select count(*) from aws.ec2_instance")
    assert "`cmdb profiles --demo`" in of_demo.answer
    assert any("`cmdb profiles --demo`" in remedy for remedy in of_demo.to_mend)
    assert "--demo" not in f"{plain.answer} {plain.to_mend}"


def test_of_one_account_that_is_known_none_is_said(asking: Asking, truthful_night: Path) -> None:
    ((known,), *_) = query(
        truthful_night / DATABASE,
        "select account_id from audit.expected_cell where role = 'workload' group by all "
        "having bool_and(is_judged or listing_name = 's3_bucket_content') order by all",
    )
    ((unreached,), *_) = query(
        truthful_night / DATABASE,
        "select account_id from audit.coverage where skip_reason = 'no_profile' and listing = 'ec2_instance'",
    )
    of_known = f"from aws.ec2_instance where account_id = '{known}' and instance_type = 'x9.never'"
    of_unreached = f"from aws.ec2_instance where account_id = '{unreached}'"
    assert asking.call("sql", query=of_known)["answer"].startswith("None: all ")
    told = asking.call("sql", query=of_unreached)
    assert told["answer"].startswith("Unknown, because ")
    assert "no_profile" in told["unknown_reasons"]
    assert asking.call("search", account_id=unreached)["verdict"] == "unknown"


def test_a_resource_and_what_is_not_one(asking: Asking, truthful_night: Path) -> None:
    ((arn, identifier),) = query(
        truthful_night / DATABASE,
        "select arn, resource_id from cmdb.resource where listing = 'ec2_instance' order by all limit 1",
    )
    for name in (arn, identifier):
        answer = asking.call("resource", identifier=name)
        assert (answer["verdict"], answer["scope"], answer["row_count"]) == ("complete", 1, 1)
    account = arn.split(":")[4]
    missing = asking.call("resource", identifier=f"{arn}000")
    assert (missing["verdict"], missing["row_count"]) == ("none", 0)
    for strange in (
        f"arn:aws:dynamodb:us-east-1:{account}:table/a",
        f"arn:aws:ec2:us-east-1:{account}:local-gateway/a",
        "arn:aws:s3:::a-bucket/an-object",
        f"arn:aws:lambda:us-east-1:{account}:function:one:prod",
        "k-1",
    ):
        assert asking.call("resource", identifier=strange)["verdict"] == "unknown", strange
    explained = asking.call("explain", what=arn)
    assert {"source", "trusted"} <= {topic for topic, _ in explained["rows"]}
    for about in ("relations", "cost", "changes"):
        assert asking.call("resource", identifier=arn, about=about)["scope"] > 0


def test_what_cannot_be_responded_is_a_sentence(asking: Asking) -> None:
    assert "Write one SELECT" in asking.refused("sql", query="drop table cmdb.resource")
    assert "is no month" in asking.refused("cost", month="2026-13")
    assert "tag_key" in asking.refused("cost", by="tag")
    assert "without a region" in asking.refused("findings", kind="spend_without_inventory", region="us-east-1")
    assert "Name a resource" in asking.refused("explain", what="one two")
    # An id is none where it stands: only `resource` looks for it.
    assert "Name a resource" in asking.refused("explain", what="i-0123456789abcdef0")
    assert "should match pattern" in asking.refused("search", resource_type="AWS::EC2::%")
    assert "should match pattern" in asking.refused("search", account_id="1")


def test_on_stdout_there_is_the_protocol_and_nothing_else(truthful_night: Path) -> None:
    begin = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "a", "version": "1"},
        },
    }  # fmt: skip
    call = {"jsonrpc": "2.0", "id": 2, "method": "tools/call"}
    call["params"] = {"name": "sql", "arguments": {"query": "call nonsense()"}}
    lines = [begin, {"jsonrpc": "2.0", "method": "notifications/initialized"}, call]
    with subprocess.Popen(
        MCP,
        cwd=REPOSITORY,
        env={**os.environ, "CMDB_DATABASE": str(truthful_night / DATABASE)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin and process.stdout
        for line in lines:
            process.stdin.write(json.dumps(line) + "\n")
        process.stdin.flush()
        said = [json.loads(process.stdout.readline()) for _ in range(2)]
        rest, _ = process.communicate()
    assert [message["id"] for message in said] == [1, 2]
    assert said[1]["result"]["isError"]
    assert rest == ""
    assert process.returncode == 0


def test_when_a_new_run_is_published_the_next_response_is_of_it(truthful_night: Path, tmp_path: Path) -> None:
    database = copy_of(truthful_night, tmp_path)
    with over_stdio(database) as session:
        first = session.call("sql", query="select 1 as n")
        version = database.resolve()
        newer = version.with_name("cmdb-another-run.duckdb")
        newer.write_bytes(version.read_bytes())
        with subprocess.Popen(["true"]):
            pass
        rename_run(newer, "another-run")
        swap(database, newer)
        assert session.call("sql", query="select 1 as n")["published_run"] == "another-run" != first["published_run"]
        swap(database, version.with_name("cmdb-gone.duckdb"))
        assert "which is missing" in session.refused("sql", query="select 1 as n")
        version.with_name("cmdb-gone.duckdb").write_bytes(b"no database")
        assert "damaged or not a DuckDB file" in session.refused("coverage")
        swap(database, version)
        assert session.call("sql", query="select 1 as n")["published_run"] == first["published_run"]


def rename_run(file: Path, run_id: str) -> None:
    import duckdb

    with duckdb.connect(str(file)) as connection:
        connection.execute("update audit.run set run_id = $run", {"run": run_id})


def swap(link: Path, target: Path) -> None:
    """As publishing does it: a new link in the place of the old one."""
    temporary = link.with_name(".link")
    temporary.symlink_to(Path("versions") / target.name)
    temporary.replace(link)


@pytest.mark.parametrize(
    ("what", "says", "code"),
    [("missing", "Nothing is published", 1), ("damaged", "damaged", 1), ("older", "another version", 1)],
)
def test_a_file_that_cannot_be_served_is_one_sentence(tmp_path: Path, what: str, says: str, code: int) -> None:
    database = tmp_path / DATABASE
    if what == "damaged":
        database.write_bytes(b"no database")
    if what == "older":
        import duckdb

        with duckdb.connect(str(database)) as connection:
            connection.execute("create schema audit")
            connection.execute("create table audit.schema_migration (number integer, name varchar, sha256 varchar)")
        says = "schema 0"
    done = cmdb_here({"CMDB_DATABASE": str(database)}, "mcp")
    assert (done.returncode, done.stdout) == (code, ""), done
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_the_extra_one_sentence_names_it(truthful_night: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "mcp" else found(name, *more))
    done = cmdb_here({"CMDB_DATABASE": str(truthful_night / DATABASE)}, "mcp")
    assert done.returncode == 2
    assert "aws-org-cmdb[mcp]" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_the_questions_one_sentence_names_the_file(
    truthful_night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents, "FILE", tmp_path / "questions.json")
    documents.questions.cache_clear()
    done = cmdb_here({"CMDB_DATABASE": str(truthful_night / DATABASE)}, "mcp")
    assert (done.returncode, done.stdout) == (2, "")
    assert "pipelines/cli/mcp/questions.json cannot be read" in done.stderr
    assert len(done.stderr.splitlines()) == 1


# -------------------------------------------------------------------------------------------------------- over HTTP


@pytest.mark.parametrize(
    ("token", "says"),
    [
        (None, "CMDB_MCP_TOKEN is not set"),
        ("short", "CMDB_MCP_TOKEN is too short"),
        (f"short{' ' * 32}\n", "CMDB_MCP_TOKEN is too short"),
        (
            "correct horse battery stäple",
            "CMDB_MCP_TOKEN has characters that are not ASCII or not visible, which clients",
        ),
        (f"{'t' * 16}\n{'t' * 16}", "CMDB_MCP_TOKEN has characters that are not ASCII or not visible, which clients"),
    ],
)
def test_http_needs_a_token(
    token: str | None, says: str, truthful_night: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.cli.mcp.http.serve", lambda *_: None)
    environment = {"CMDB_DATABASE": str(truthful_night / DATABASE)} | ({"CMDB_MCP_TOKEN": token} if token else {})
    done = cmdb_here(environment, "mcp", "--http")
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "short " not in done.stderr.replace("too short", "")


GOOD = {"host": "127.0.0.1:8765", "authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, None),
        ({"host": "localhost:8765"}, None),
        ({"origin": "http://127.0.0.1:8765"}, None),
        ({"host": "127.0.0.1"}, 421),
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1:8765.evil.example"}, 421),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:8765.evil.example"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"authorization": ""}, 401),
        ({"authorization": "Bearer "}, 401),
        ({"authorization": f"Bearer {TOKEN[:-1]}"}, 401),
        ({"authorization": f"Bearer {TOKEN}x"}, 401),
        ({"authorization": f"Basic {TOKEN}"}, 401),
        ({"authorization": "Bearer ключ"}, 401),
    ],
)
def test_over_http_host_origin_and_token_are_looked_at(change: dict[str, str], status: int | None) -> None:
    refusal = TokenCheck(None, TOKEN, 8765).refusal(GOOD | change)  # type: ignore[arg-type]  # nothing is served
    assert (refusal and refusal[0]) == status


def test_the_server_over_http(truthful_night: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with subprocess.Popen(
        [*MCP, "--http", "--port", str(port)],
        cwd=REPOSITORY,
        # As a file has it, with a line feed.
        env={**os.environ, "CMDB_DATABASE": str(truthful_night / DATABASE), "CMDB_MCP_TOKEN": f"{TOKEN}\n"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stderr
            assert f"http://127.0.0.1:{port}/mcp" in process.stderr.readline()
            url = f"http://127.0.0.1:{port}/mcp"
            wait_for(port, process)
            good = {"Authorization": f"Bearer {TOKEN}"}
            with over_http(url, good) as session:
                assert session.call("sql", query="select count(*) as n from aws.ec2_instance")["scope"] > 0
                assert "Write one SELECT" in session.refused("sql", query="drop table cmdb.resource")
            body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
            for headers, status in (
                ({}, 401),
                ({"Authorization": "Bearer wrong"}, 401),
                ({**good, "Host": "evil.example"}, 421),
                ({**good, "Origin": "https://evil.example"}, 403),
            ):
                assert httpx2.post(url, json=body, headers=headers).status_code == status, headers
            assert other_addresses_are_closed(port)
            second = subprocess.run(
                [*MCP, "--http", "--port", str(port)],
                cwd=REPOSITORY,
                env={**os.environ, "CMDB_DATABASE": str(truthful_night / DATABASE), "CMDB_MCP_TOKEN": TOKEN},
                capture_output=True,
                text=True,
                check=False,
            )
            assert second.returncode == 2
            assert f"Port {port} of 127.0.0.1 cannot be used" in second.stderr
        finally:
            process.send_signal(signal.SIGINT)
            said, errors = process.communicate()
    assert said == ""
    assert "Traceback" not in errors


def wait_for(port: int, server: subprocess.Popen[str]) -> None:
    """Until the server listens, however busy the machine is."""
    while server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("the server does not listen")


def other_addresses_are_closed(port: int) -> bool:
    """Whether nothing listens on another address of this machine, such as 127.0.0.2."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.2", port)) != 0
