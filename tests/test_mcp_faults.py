"""Two hundred questions of every state of the published file: never a false "none", never a total without its scope.

What is true is what the same question brings on the file from which nothing is missing. A server that runs the same SQL
and no more is the control.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from mcp_asking import Asking, over_stdio
from nights import DATABASE, query
from published_faults import changed, faults, wholly_known

from pipelines.cli.mcp.answer import is_nothing
from pipelines.cli.mcp.documents import questions
from pipelines.cli.mcp.names import collected_types
from pipelines.cli.mcp.scope import SELF_TELLING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WIDE = 1000
"""Rows that every question may bring, so that answers can be compared."""

QUICK = "instances denied"
"""The state that each push looks at, with the questions of `few`."""

STATES = tuple(faults("", ""))

Answer = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """A tool and what it is asked with.

    Attributes:
        is_beyond: whether it is about what no listing collects, so that nobody can know that there is none.
    """

    tool: str
    arguments: tuple[tuple[str, Any], ...]
    is_beyond: bool = False

    def __str__(self) -> str:
        return f"{self.tool}({', '.join(f'{name}={value!r}' for name, value in self.arguments)})"

    def put(self, asking: Asking) -> Answer:
        return asking.call(self.tool, **dict(self.arguments))


def ask(tool: str, **arguments: Any) -> Question:
    return Question(tool, tuple(arguments.items()))


def sql(text: str) -> Question:
    return ask("sql", query=text, limit=WIDE)


@dataclass(frozen=True)
class World:
    """A file from which nothing is missing, and what is in it."""

    database: Path
    accounts: tuple[str, ...]
    regions: tuple[str, ...]
    relations: tuple[str, ...]

    def faults(self) -> Mapping[str, Any]:
        return faults(self.accounts[0], self.regions[0])


@pytest.fixture(scope="module")
def world(truthful_night: Path, tmp_path_factory: pytest.TempPathFactory) -> World:
    database = changed(truthful_night / DATABASE, tmp_path_factory.mktemp("whole") / "file", wholly_known)
    accounts = query(
        database, "select account_id from aws.ec2_instance group by all order by count(*) desc, account_id limit 3"
    )
    regions = query(database, "select region from aws.ec2_instance group by all order by count(*) desc limit 2")
    relations = query(database, "select distinct claim from audit.claim_listing order by all")
    assert query(database, "select claim, unknown_reason from audit.claim where unknown > 0") == []
    return World(
        database,
        tuple(str(account) for (account,) in accounts),
        tuple(str(region) for (region,) in regions),
        tuple(str(relation) for (relation,) in relations),
    )


NOT_COLLECTED = (
    "arn like 'arn:aws:dynamodb:%'",
    "arn like '%:dynamodb:%'",
    "regexp_matches(arn, '^arn:aws:(dax|qldb):')",
    "resource_type like '%DynamoDB%'",
    "regexp_matches(resource_type, 'DynamoDB')",
    "resource_type similar to 'AWS::(DynamoDB|DAX)::.*'",
    "position('DynamoDB' in resource_type) > 0",
    "contains(resource_type, 'DynamoDB')",
    "starts_with(resource_type, 'AWS::DAX::')",
    "resource_type glob '*DynamoDB*'",
    "split_part(resource_type, '::', 2) = 'DynamoDB'",
    "name = 'orders-queue'",
)
"""Conditions that only resources of types meet which no listing collects."""

COUNTED = ("aws.ec2_instance", "aws.rds_db_instance", "aws.s3_bucket", "aws.lambda_function", "cmdb.resource")
KINDS = ("open_rule", "vpc_without_flow_log", "unused_security_group", "security_group_across_accounts", "decommission")
CUTS = ("total", "account", "service", "region", "record_type", "usage_type", "organizational_unit")


def documented() -> list[Question]:
    return [sql(question.sql) for question in questions()]


def of_places(world: World) -> list[Question]:
    """What people ask of an account or a region."""
    found = []
    for account in world.accounts:
        found += [sql(f"select count(*) as n from {table} where account_id = '{account}'") for table in COUNTED]
        found += [ask("findings", kind=kind, account_id=account, limit=WIDE) for kind in KINDS]
        found += [
            ask("search", account_id=account, resource_type="AWS::EC2::Instance", limit=WIDE),
            ask("cost", by="service", account_id=account, limit=WIDE),
            ask("changes", account_id=account, days=1, limit=WIDE),
            ask("coverage", account_id=account),
        ]
    for region in world.regions:
        found += [sql(f"select count(*) as n from {table} where region = '{region}'") for table in COUNTED[:3]]
        found.append(ask("search", region=region, resource_type="AWS::RDS::DBInstance", limit=WIDE))
    return found


def of_what_nobody_collects(world: World) -> list[Question]:
    """Questions of an account that is wholly judged, about what may be in it all the same."""
    account = world.accounts[0]
    found = [ask("search", text=text, account_id=account, limit=WIDE) for text in ("dynamodb", "QLDB", "orders-queue")]
    found += [
        sql(f"select arn from cmdb.resource where account_id = '{account}' and {condition}")
        for condition in NOT_COLLECTED
    ]
    return [replace(question, is_beyond=True) for question in found]


def all_questions(world: World) -> list[Question]:
    others = [
        *of_what_nobody_collects(world),
        *(sql(f"select count(*) as n from {relation}") for relation in world.relations),
        *(ask("cost", by=cut, limit=WIDE) for cut in CUTS),
        *(ask("findings", kind=kind, limit=WIDE) for kind in KINDS),
        ask("coverage"),
        ask("changes", days=1, limit=WIDE),
        sql("select arn from aws.ec2_instance where instance_type = 'x9.never'"),
        sql("select count(*) as n from cmdb.resource where name = 'nobody calls a thing so'"),
        sql("select sum(unblended_cost) as cost from cost.by_service where service = 'No Such Service'"),
        sql("select account_id from org.account where account_id not in (select account_id from aws.ec2_instance)"),
        sql("select exists(from aws.lambda_function where runtime = 'python2.7') as is_there"),
        sql("select max(unblended_cost) as cost, account_id from cost.daily_total group by all"),
    ]
    return [*documented(), *of_places(world), *others]


def few(world: World) -> list[Question]:
    return [
        *documented()[:1],
        *of_places(world)[:5],
        *of_what_nobody_collects(world),
        sql("select arn from aws.ec2_instance where state = 'never'"),
    ]


@pytest.fixture(scope="module")
def truth(world: World) -> Iterator[Any]:
    """Answers to questions on the whole file, each asked once."""
    kept: dict[Question, Answer] = {}
    with over_stdio(world.database) as asking:

        def once(question: Question) -> Answer:
            if question not in kept:
                kept[question] = question.put(asking)
            return kept[question]

        yield once


def rows_of(answer: Answer) -> list[str]:
    """Rows without their order and without what is said beside them."""
    beside = {"is_stale", "stale_resources", "oldest_answer", "of_count"}
    kept = [index for index, name in enumerate(answer["columns"]) if name not in beside]
    return sorted(json.dumps([row[index] for index in kept], sort_keys=True) for row in answer["rows"])


def has_its_scope(answer: Answer) -> bool:
    """Whether an answer about AWS carries scope, judged, unknown, cells and time, and these agree."""
    counted = [re.search(r": ([\d,]+) judged(?:, ([\d,]+) unknown)?", line) for line in answer["cells"]]
    numbers = [[int((found[group] or "0").replace(",", "")) for group in (1, 2)] for found in counted if found]
    return (
        answer["scope"] == answer["judged"] + answer["unknown"] > 0
        and [sum(column) for column in zip(*numbers, strict=True)] == [answer["judged"], answer["unknown"]]
        and (answer["as_of"] is not None or not answer["judged"])
        and sum(answer["unknown_reasons"].values()) == answer["unknown"]
    )


def wrongs(question: Question, answer: Answer, true: Answer) -> list[str]:
    """What is wrong with an answer."""
    found = []
    if answer["verdict"] != "not about AWS" and not has_its_scope(answer):
        found.append(f"no scope: {question}: {answer['answer']}")
    says_none = answer["answer"].lower().startswith("none")
    if says_none != (answer["verdict"] == "none") or (says_none and answer["unknown"]):
        found.append(f"none without being known: {question}: {answer['answer']}")
    if question.is_beyond and answer["verdict"] != "unknown":
        found.append(f"{answer['verdict']} of what nobody collects: {question}: {answer['answer']}")
    is_doubted = answer["verdict"] in ("unknown", "incomplete")
    if is_doubted and not re.match(r"(Unknown|Incomplete), because .*, to mend: \S", answer["answer"]):
        found.append(f"unknown without why or what mends it: {question}: {answer['answer']}")
    differs = rows_of(answer) != rows_of(true) and not (answer["is_capped"] and true["is_capped"])
    if differs and answer["verdict"] in ("none", "complete", "not about AWS"):
        found.append(f"{answer['verdict']}, although rows differ from the truth: {question}: {answer['answer']}")
    return found


def test_where_everything_is_known_most_responses_are_none_or_complete(world: World, truth: Any) -> None:
    answers = {question: truth(question) for question in few(world)}
    assert {answer["verdict"] for question, answer in answers.items() if not question.is_beyond} == {"none", "complete"}


def test_of_what_nobody_collects_only_a_plain_sql_server_says_none(world: World, truth: Any) -> None:
    asked = of_what_nobody_collects(world)
    assert [wrong for question in asked for wrong in wrongs(question, truth(question), truth(question))] == []
    # The control: the account is wholly judged, and the same SQL brings nothing.
    texts = [dict(question.arguments)["query"] for question in asked if question.tool == "sql"]
    assert len(texts) == len(NOT_COLLECTED)
    assert all(query(world.database, text) == [] for text in texts)
    # A name that is of no service and type is none, of the types that are collected.
    none = truth(ask("search", text="payments-db", account_id=world.accounts[0]))
    assert none["answer"].startswith("None: ")
    assert none["answer"].endswith(
        f" Only the {len(collected_types())} resource types that are collected were searched."
    )


def test_on_a_run_of_refused_instances_a_few_responses_are_right(world: World, truth: Any, tmp_path: Path) -> None:
    database = changed(world.database, tmp_path / "file", world.faults()[QUICK])
    with over_stdio(database) as asking:
        answers = {question: question.put(asking) for question in few(world)}
    assert [wrong for question, answer in answers.items() for wrong in wrongs(question, answer, truth(question))] == []
    verdicts = {str(question): answer["verdict"] for question, answer in answers.items()}
    account = world.accounts[0]
    assert verdicts[str(sql(f"select count(*) as n from aws.ec2_instance where account_id = '{account}'"))] == "unknown"
    assert verdicts[str(sql(f"select count(*) as n from aws.s3_bucket where account_id = '{account}'"))] == "complete"


@pytest.mark.large
def test_the_questions_are_two_hundred_and_responded_where_everything_is_known(world: World, truth: Any) -> None:
    asked = all_questions(world)
    assert len(set(asked)) >= 200
    answers = {question: truth(question) for question in asked}
    assert [wrong for question, answer in answers.items() for wrong in wrongs(question, answer, answer)] == []
    known = [answer for answer in answers.values() if answer["verdict"] in ("none", "complete")]
    others = [question for question in asked if not question.is_beyond]
    assert len(known) > len(others) * 0.9, [str(question) for question in others if truth(question) not in known]


@pytest.mark.large
@pytest.mark.parametrize("state", STATES)
def test_no_response_is_a_false_none_and_no_total_lacks_its_scope(
    world: World, truth: Any, tmp_path: Path, state: str
) -> None:
    database = changed(world.database, tmp_path / "file", world.faults()[state])
    with over_stdio(database) as asking:
        answers = {question: question.put(asking) for question in all_questions(world)}
    assert [wrong for question, answer in answers.items() for wrong in wrongs(question, answer, truth(question))] == []
    assert "unknown" in {answer["verdict"] for answer in answers.values()}, "the state makes nothing unknown"


@pytest.mark.large
@pytest.mark.parametrize("state", STATES)
def test_a_plain_sql_server_says_none_where_nobody_knows(world: World, tmp_path: Path, state: str) -> None:
    """The control: what the same SQL answers on the same file, without a word about what is not known."""
    database = changed(world.database, tmp_path / "file", world.faults()[state])
    asked = [dict(question.arguments)["query"] for question in all_questions(world) if question.tool == "sql"]
    false_none, other_rows = 0, 0
    for text in asked:
        true, answered = query(world.database, text), query(database, text)
        false_none += is_nothing(answered) and not is_nothing(true)
        other_rows += sorted(map(repr, answered)) != sorted(map(repr, true))
    assert other_rows > 0
    if state not in ("policies denied", "slice not offered", "instances stale"):
        assert false_none > 0


@pytest.mark.large
def test_of_a_real_run_whatever_is_unknown_is_never_none(truthful_night: Path, world: World) -> None:
    """The simulated organisation has an account without a profile and a suspended one: no change by SQL."""
    with over_stdio(truthful_night / DATABASE) as asking:
        answers = {question: question.put(asking) for question in all_questions(world)}
    for relation in world.relations:
        answer = answers[sql(f"select count(*) as n from {relation}")]
        assert answer["verdict"] == verdict_of_count(truthful_night / DATABASE, relation), (relation, answer["answer"])
    assert all(has_its_scope(answer) for answer in answers.values() if answer["verdict"] != "not about AWS")


def verdict_of_count(database: Path, relation: str) -> str:
    """What the number of rows of a relation is worth, by what the file itself says of it."""
    ((rows,),) = query(database, f"select count(*) from {relation}")
    ((listed,),) = query(
        database,
        "select count(*) from audit.claim_listing where claim = $relation and left_out_because is null",
        {"relation": relation},
    )
    if not listed or relation in SELF_TELLING:
        return "evidence"
    ((unknown,),) = query(
        database, "select coalesce(max(unknown), 0) from audit.claim where claim = $relation", {"relation": relation}
    )
    columns = query(
        database,
        "select schema_name || '.' || table_name, column_name from duckdb_columns() "
        "where column_name = 'unknown_reason' or column_index = 1",
    )
    if (relation, "unknown_reason") in columns:
        ((unjudged,),) = query(database, f"select count(*) from {relation} where unknown_reason is not null")
    elif f"{relation}_unknown" in {name for name, _ in columns}:
        ((unjudged,),) = query(database, f"select count(*) from {relation}_unknown")
    else:
        unjudged = 0
    if unknown or unjudged:
        return "incomplete" if rows else "unknown"
    return "complete" if rows else "none"
