"""The rules in SQL: each shown failing on a corrupted copy of a truthful night, where publishing refuses by it too."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pytest
from given import run_checks
from nights import copy_of, environment_of, fingerprint, night_environment, preflight_here

from pipelines.models import checks
from pipelines.models.checks import KEY_IS_UNIQUE, ROWS_KEPT, SqlCheck, key_checks, read_checks
from pipelines.models.model import read_models
from resources.store.engine import as_one
from resources.store.store import Store

if TYPE_CHECKING:
    from simulator.client import Simulator

MODELS = read_models()
RULES = {check.name: check for check in read_checks()}
KEYS = {check.on: check for check in key_checks(MODELS.values())}

RUNNING = """
    select i.account_id from aws.ec2_instance as i
    join org.account as a on i.account_id = a.account_id and a.state = 'ACTIVE'
    where i.state = 'running' and i.launched_at < current_date - interval 3 days
    order by all limit 1
"""
"""An active account that has had an instance running for days."""

NOT_INVENTORIED = """
    insert into cmdb.finding_spend_without_inventory by name
    select account_id, service, 'not inventoried' as reason from stage.inventoried_spend
    where verdict = 'inventoried' order by all limit 1
"""

CORRUPTIONS = {
    "account_defaults_are_of_the_organisation": [
        "insert into ref.account_default (account_id, environment) values ('1', 'prod')"
    ],
    "cells_are_unique": ["insert into audit.collection select * from audit.collection order by all limit 1"],
    "every_accepted_finding_is_known": ["insert into ref.accepted_finding (arn, rule) values ('*', 'gp3_volume')"],
    "every_account_in_the_tree_is_listed": [
        """
        delete from stage.organizations_account
        where account_id = (select max(account_id) from stage.organizations_account_parent)
        """
    ],
    "every_account_stands_in_the_tree": [
        "update stage.account set ou_path = null where account_id = (select min(account_id) from stage.account)"
    ],
    "every_account_with_running_instances_is_billed": [f"delete from cost.daily where account_id = ({RUNNING})"],
    "every_billed_service_is_known": ["delete from ref.service_action where service = 'Amazon Route 53'"],
    "every_delegated_administrator_is_a_member": [
        "update org.delegated_administrator set account_id = (select account_id from org.account where is_management)"
    ],
    "every_kpi_is_judged": ["delete from ref.kpi_threshold where kpi = 'scp_coverage_pct'"],
    "every_policy_target_exists": [
        "delete from org.organizational_unit where ou_id = (select max(ou_id) from org.organizational_unit)"
    ],
    "every_relation_is_known_and_ends_after_it_was_seen": [
        """
        update cmdb.relationship set ended_at = last_seen_at - interval 1 second
        where to_arn = (select min(to_arn) from cmdb.relationship)
        """
    ],
    "every_version_ends_where_the_next_begins": [
        "update cmdb.resource_version set valid_to = now() where arn = (select min(arn) from cmdb.resource_version)"
    ],
    "rates_are_published_and_recent": [
        "update cost.exchange_rate set is_example_rate = false, rate_kind = 'spot', rate_age_days = 8"
    ],
    "spend_is_inventoried": [NOT_INVENTORIED],
    "linked_accounts_belong_to_the_organisation": [
        """
        update cost.daily set account_id = '999999999999'
        where account_id = (select min(account_id) from org.account where state = 'SUSPENDED')
        """
    ],
    "one_billing_currency": [
        """
        update cost.daily set currency = 'NZD'
        where dimension_value = (select min(dimension_value) from cost.daily)
        """
    ],
}
"""What breaks each rule of `warehouse/checks`, done to a truthful warehouse."""

OF_THE_SEEDS = "rates_are_published_and_recent"
"""The rule that a truthful night breaks too: its rates are the examples that come with the product."""

FIRST_DAY = "(select min(usage_date) from cost.daily)"
LAST_DAY = "(select max(usage_date) from cost.daily)"

EXPORTED = """
    insert into cost.export_line by name
    select
        coverage.month, coverage.month as usage_date, daily.account_id, 'Usage' as charge_type,
        'AmazonEC2' as service_code, 'BoxUsage' as usage_type, 'RunInstances' as operation, 'i-1' as resource_id,
        12345.67 as cost, 'UnblendedCost' as metric, daily.currency, 1 as line_count, 'CUR 2.0' as export_format,
        daily.run_id, daily.role, daily.caller_account_id, daily.cell_region,
        'cost_export:' || strftime(coverage.month, '%Y-%m') as listing, daily.collected_at, false as is_stale
    from cost.daily as daily
    join cost.month_coverage as coverage on coverage.slice = 'service' and coverage.is_final
    order by all
    limit 1
"""
"""A line of a data export that has too little of its month."""

WRONG_BUDGETS = """
    update cost.budget
    set as_of_date = date_trunc('month', as_of_date)::date - 1, actual_amount = 2 * actual_amount + 1
"""
"""Budgets that count too much, of the month before: in the first days of one there is little to count, or nothing."""

BILL_CORRUPTIONS = {
    "allocation_adds_up_to_the_bill": [
        "delete from cost.allocation where direct_cost = (select max(direct_cost) from cost.allocation)"
    ],
    "budgets_count_what_the_bill_says": [WRONG_BUDGETS],
    "closed_months_are_unchanged_or_restated": ["update stage.closed_month set unblended_cost = unblended_cost - 0.01"],
    "credits_are_not_positive": [
        """
        update cost.daily set unblended_cost = -unblended_cost
        where
            slice = 'record_type' and dimension_value = 'Credit'
            and usage_date = (
                select min(c.usage_date) from cost.daily as c
                where c.dimension_value = 'Credit' and c.unblended_cost < 0
            )
        """
    ],
    "daily_cost_is_the_monthly_total": [
        "update stage.cost_monthly set unblended_cost = unblended_cost + 0.01 where not is_estimated"
    ],
    "daily_cost_is_the_monthly_total_while_estimated": [
        "update stage.cost_monthly set unblended_cost = unblended_cost + 0.01 where is_estimated"
    ],
    "every_active_account_is_billed_or_empty": [
        """
        insert into stage.account
        select * replace ('888888888888' as account_id) from stage.account
        where state = 'ACTIVE' and joined_at < current_date - interval 30 days limit 1
        """
    ],
    "every_day_has_a_rate": [
        f"update cost.exchange_rate set rate = null, rate_kind = null where usage_date = {LAST_DAY}"
    ],
    "every_spender_has_a_budget": [
        "update cost.spend_vs_budget set budget = null, verdict = 'no budget' where budget_name = '001'"
    ],
    "no_day_is_missing": [f"delete from cost.daily where usage_date = {FIRST_DAY} + 1"],
    "only_open_months_are_estimated": [
        f"update cost.daily set is_estimated = true where usage_date = {FIRST_DAY}",
        # The day was fetched while its month was open, and nothing of it has changed since.
        f"""
        update audit.newest_cell
        set newest = struct_update(newest, ended_at := newest.ended_at + interval 100 days)
        where ends_with(listing, strftime({FIRST_DAY}, ':%Y-%m')) and starts_with(listing, 'cost_daily:service:')
        """,
    ],
    "exported_months_are_the_bill": [EXPORTED],
    "explained_spend_is_the_bill": [
        "insert into ref.service_action select * from ref.service_action where service = 'Amazon Route 53'"
    ],
    "resource_costs_add_up_to_the_bill": [
        """
        update cost.resource_cost set cost = cost + 0.0000000001
        where cost = (select max(cost) from cost.resource_cost)
        """
    ],
    "slices_agree": [
        f"""
        delete from cost.daily
        where
            slice = 'region' and usage_date = {FIRST_DAY}
            and account_id = (select min(d.account_id) from cost.daily as d where d.usage_date = {FIRST_DAY})
        """
    ],
    "slices_agree_while_estimated": [
        f"""
        delete from cost.daily
        where
            slice = 'record_type' and usage_date = {LAST_DAY}
            and account_id = (select min(d.account_id) from cost.daily as d where d.usage_date = {LAST_DAY})
        """
    ],
    "tags_by_service_are_the_bill": [
        f"delete from stage.cost_tag_service_daily where usage_date = {FIRST_DAY} and unblended_cost > 0"
    ],
    "tags_by_service_are_the_bill_while_estimated": [
        f"""
        update stage.cost_tag_service_daily set unblended_cost = unblended_cost + 0.0001
        where usage_date = {LAST_DAY}
        """
    ],
    "the_bill_is_not_zero": [WRONG_BUDGETS, "update cost.daily set unblended_cost = 0"],
}
"""The same for the rules of the bill."""

CORRUPTIONS |= BILL_CORRUPTIONS

LOST_MONEY = {
    "allocation_adds_up_to_the_bill",
    "closed_months_are_unchanged_or_restated",
    "daily_cost_is_the_monthly_total",
    "resource_costs_add_up_to_the_bill",
    "tags_by_service_are_the_bill",
}
"""Rules that notice when money is gone from every slice."""

OPEN_TOO = {
    "daily_cost_is_the_monthly_total_while_estimated",
    "tags_by_service_are_the_bill_while_estimated",
}

ALSO = {
    "credits_are_not_positive": {"slices_agree"},
    "every_account_with_running_instances_is_billed": {
        *LOST_MONEY,
        *OPEN_TOO,
        "every_active_account_is_billed_or_empty",
    },
    "explained_spend_is_the_bill": {KEY_IS_UNIQUE},
    "linked_accounts_belong_to_the_organisation": {"resource_costs_add_up_to_the_bill"},
    "no_day_is_missing": LOST_MONEY,
    "the_bill_is_not_zero": {*LOST_MONEY, *OPEN_TOO, "budgets_count_what_the_bill_says"},
}
"""Rules that notice a corruption besides the one that it is for."""


FIRST_ROWS = {
    "cost.export_line": EXPORTED,
    "cost.restatement": """
        insert into cost.restatement by name
        select
            usage_date, slice, account_id, dimension_value, run_id, listing, collected_at,
            collected_at as observed_at
        from cost.daily order by all limit 1
    """,
    "cost.anomaly": """
        insert into cost.anomaly by name
        select usage_date, slice, account_id, dimension_value from cost.daily order by all limit 1
    """,
    "cost.tag_backfill": """
        insert into cost.tag_backfill by name
        select
            '2026-01-01'::date as backfill_from, '2026-03-02 10:00Z'::timestamptz as requested_at,
            'SUCCEEDED' as status
    """,
    "ref.accepted_finding": "insert into ref.accepted_finding (arn, rule) values ('*', 'gp2_volume')",
    "ref.former_account": "insert into ref.former_account values ('999999999999', current_date, 'a test')",
    "stage.cost_account_daily": """
        insert into stage.cost_account_daily by name
        select usage_date, account_id, run_id, listing, collected_at from cost.daily order by all limit 1
    """,
    "stage.discovered_resource": "insert into stage.discovered_resource (arn, discovered_by) values ('a', 'config')",
    "stage.s3_bucket_content": """
        insert into stage.s3_bucket_content by name
        select account_id, region, name from aws.s3_bucket order by all limit 1
    """,
}
"""A row for each table that is empty after a truthful first night."""


def doubled(relation: str) -> list[str]:
    """What gives a table two rows of one key."""
    twice = f"insert into {relation} select * from {relation} order by all limit 1"
    return [FIRST_ROWS[relation], twice] if relation in FIRST_ROWS else [twice]


@contextmanager
def corrupted(database: Path, statements: Sequence[str]) -> Iterator[Store]:
    """The working file of a warehouse, changed by hand."""
    store = Store(database)
    with store.holding("corruption", "a test"), store.transaction() as connection:
        for statement in statements:
            connection.execute(statement)
    yield store


class _Undone(Exception):
    """Ends a transaction that is not to be kept."""


@pytest.fixture(scope="module")
def scratch(truthful_night: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """One open copy of a truthful night for every corruption that is undone after it was judged."""
    store = Store(copy_of(truthful_night, tmp_path_factory.mktemp("scratch")))
    with store.holding("scratch", "a test"), store.write() as connection:
        yield connection


def judged(
    connection: duckdb.DuckDBPyConnection, statements: Sequence[str], rules: Iterable[SqlCheck]
) -> dict[tuple[str, str], checks.SqlResult]:
    """What rules say to a warehouse that was changed by hand: only the broken ones. Nothing is left of the change."""
    broken: dict[tuple[str, str], checks.SqlResult] = {}
    with suppress(_Undone), as_one(connection):
        for statement in statements:
            connection.execute(statement)
        for rule in rules:
            result = checks.run(connection, rule)
            if not result.passed:
                broken[rule.name, rule.on] = result
        raise _Undone
    return broken


@pytest.fixture(scope="module")
def truthful(truthful_night: Path) -> dict[tuple[str, str], checks.SqlResult]:
    """What each rule says of a truthful night: the file is opened once for all."""
    with Store(truthful_night / "aws_org.duckdb").read() as connection:
        results = [checks.run(connection, rule) for rule in (*RULES.values(), *KEYS.values())]
    return {(result.check.name, result.check.on): result for result in results}


def asked(store: Store, check: SqlCheck) -> checks.SqlResult:
    with store.read() as connection:
        return checks.run(connection, check)


@pytest.fixture
def publish_alone(simulator_process: Simulator) -> Callable[..., tuple[bool, str]]:
    """Materialise nothing but `published`, without any check: whether it succeeded, and what it said."""
    import dagster as dg

    from pipelines.dagster_metadata import PUBLISHED_KEY
    from pipelines.definitions import build_defs
    from pipelines.publishing.assets import published_asset

    def publish(database: Path, rules: Sequence[SqlCheck] | None = None) -> tuple[bool, str]:
        environment = night_environment(simulator_process, database)
        preflight_here(environment)
        with environment_of(environment), dg.DagsterInstance.get() as instance:
            defs = build_defs(dict(os.environ))
            sql_checks = read_checks() if rules is None else rules
            result = dg.materialize(
                [published_asset(MODELS, sql_checks)],
                selection=dg.AssetSelection.assets(PUBLISHED_KEY).without_checks(),
                resources=dict(defs.resources or {}),
                instance=instance,
                raise_on_error=False,
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
            )
        assert not result.get_asset_check_evaluations()
        said = [
            event.step_failure_data.user_failure_data.description or ""
            if event.step_failure_data.user_failure_data
            else str(event.step_failure_data.error)
            for event in result.all_events
            if event.event_type == dg.DagsterEventType.STEP_FAILURE
        ]
        return result.success, "\n".join(said)

    return publish


# ------------------------------------------------------------------------------------------------ their files


def test_every_rule_says_what_holds_and_is_about_a_relation_that_exists() -> None:
    assert RULES, "no rule was found"
    for rule in RULES.values():
        assert rule.description.endswith(".")
        assert rule.on == "published" or rule.on in MODELS
        assert rule.uses, f"{rule.name} reads nothing"
        assert rule.uses <= MODELS.keys() | {"audit.coverage", "audit.collection"}


def test_every_rule_is_shown_failing_here() -> None:
    """A new file in warehouse/checks comes with what breaks it."""
    assert CORRUPTIONS.keys() == RULES.keys()


def test_every_table_with_a_key_has_the_rule_that_it_is_unique() -> None:
    tables = {model.relation for model in MODELS.values() if model.materialized != "view"}
    assert KEYS.keys() == {name for name in tables if MODELS[name].key}
    assert all(check.name == KEY_IS_UNIQUE and check.blocking for check in KEYS.values())


@pytest.mark.parametrize(
    ("sql", "wrong"),
    [
        pytest.param("-- R.\n-- about: org.account\n-- severity: ERRROR\nselect 1 as a", "severity", id="severity"),
        pytest.param("-- R.\n-- about: org.account\n-- severity: warning\nselect 1 as a", "severity", id="warning"),
        pytest.param("-- R.\nselect 1 as a", "about", id="no about"),
        pytest.param("-- R.\n-- about: org.account\nselect 'open", "parse", id="no query"),
        pytest.param("-- R.\n-- about: org.account", "parse", id="nothing but a header"),
        pytest.param(
            "-- R.\n-- about: cost.reconciliation\n-- reconciles: a_rule shut", "reconciles: a_rule shut", id="months"
        ),
        pytest.param(
            "-- R.\n-- about: cost.reconciliation\n-- reconciles: a'; --", "reconciles: a'; --", id="no rule's name"
        ),
        pytest.param(
            "-- R.\n-- about: cost.reconciliation\n-- reconciles: a_rule\nselect 1 as a",
            "a query of its own",
            id="two queries",
        ),
    ],
)
def test_a_rule_whose_file_is_wrong_is_refused_with_its_name_and_not_made_harmless(
    tmp_path: Path, sql: str, wrong: str
) -> None:
    (tmp_path / "broken.sql").write_text(sql, encoding="utf-8")
    with pytest.raises(Exception, match=rf"^warehouse/checks/broken\.sql.*{wrong}"):
        read_checks(tmp_path)


def test_a_rule_blocks_unless_it_says_that_it_warns(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("-- R.\n-- about: org.account\nselect 1 as a", encoding="utf-8")
    (tmp_path / "b.sql").write_text("-- R.\n-- about: org.account\n-- severity: warn\nselect 1 as a", encoding="utf-8")
    (tmp_path / "c.sql").write_text("-- R.\n-- about: org.account\n-- severity: error\nselect 1 as a", encoding="utf-8")
    assert [(check.name, check.blocking) for check in read_checks(tmp_path)] == [
        ("a", True),
        ("b", False),
        ("c", True),
    ]


# ------------------------------------------------------------------------------------------------- what they say


@pytest.mark.parametrize("rule", [*RULES.values(), *KEYS.values()], ids=lambda rule: f"{rule.on} {rule.name}")
def test_a_truthful_run_passes(rule: SqlCheck, truthful: Mapping[tuple[str, str], checks.SqlResult]) -> None:
    result = truthful[rule.name, rule.on]
    if rule.name == OF_THE_SEEDS:
        assert {row["why"] for row in result.rows} == {"nobody published it"}
        return
    assert result.passed, result.sentence
    assert result.sentence == rule.description


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corrupted_copy_fails_by_the_rule_and_by_no_other(name: str, scratch: duckdb.DuckDBPyConnection) -> None:
    broken = judged(scratch, CORRUPTIONS[name], [*RULES.values(), *KEYS.values()])
    assert {rule for rule, _ in broken} - {OF_THE_SEEDS} == {name, *ALSO.get(name, ())} - {OF_THE_SEEDS}
    result = broken[name, RULES[name].on]
    assert result.sentence.startswith(f"Broken by {result.count} row(s): {RULES[name].description} The first is ")
    assert 0 < len(result.rows) == result.count


@pytest.mark.parametrize("relation", KEYS)
def test_two_rows_of_one_key_fail(relation: str, scratch: duckdb.DuckDBPyConnection) -> None:
    # No other table changed; a view might have.
    rules = [rule for rule in KEYS.values() if rule.on == relation or MODELS[rule.on].materialized == "view"]
    broken = judged(scratch, doubled(relation), rules)
    assert [on for _, on in broken] == [relation]
    (row,) = broken[KEY_IS_UNIQUE, relation].rows
    assert row["row_count"] == 2
    assert set(row) == {*MODELS[relation].key, "row_count"}


@pytest.mark.parametrize(
    ("name", "statements"),
    [
        pytest.param(
            "every_account_stands_in_the_tree",
            ["update stage.account set ou_path = null, state = 'LEFT'"],
            id="an account that left stands nowhere",
        ),
        pytest.param(
            "every_account_with_running_instances_is_billed",
            [
                f"create temp table who as {RUNNING}",
                "delete from cost.daily where account_id in (from who)",
                """
                update aws.ec2_instance set launched_at = current_date - interval 2 days
                where account_id in (from who)
                """,
            ],
            id="an instance of two days is not billed yet",
        ),
        pytest.param(
            "every_account_with_running_instances_is_billed",
            [
                f"create temp table who as {RUNNING}",
                "delete from cost.daily where account_id in (from who)",
                "update aws.ec2_instance set state = 'stopped' where account_id in (from who)",
            ],
            id="stopped instances may cost nothing",
        ),
        pytest.param(
            "every_account_with_running_instances_is_billed",
            [
                f"create temp table who as {RUNNING}",
                "delete from cost.daily where account_id in (from who)",
                "update aws.ec2_instance set is_stale = true where account_id in (from who)",
            ],
            id="stale instances may be gone",
        ),
        pytest.param(
            "every_account_with_running_instances_is_billed",
            [
                f"create temp table who as {RUNNING}",
                "delete from cost.daily where account_id in (from who)",
                "update stage.account set state = 'SUSPENDED' where account_id in (from who)",
            ],
            id="a suspended account is not billed",
        ),
        pytest.param(
            "every_account_with_running_instances_is_billed",
            [
                f"create temp table who as {RUNNING}",
                "delete from cost.daily where account_id in (from who)",
                """
                update stage.account set joined_at = current_date - interval 2 days
                where account_id in (from who)
                """,
            ],
            id="an account that was invited yesterday is not billed yet",
        ),
        pytest.param(
            "every_account_in_the_tree_is_listed",
            [
                *CORRUPTIONS["every_account_in_the_tree_is_listed"],
                "update stage.organizations_account_parent set is_stale = true",
            ],
            id="a stale place in the tree says nothing",
        ),
        pytest.param(
            "linked_accounts_belong_to_the_organisation",
            [
                *CORRUPTIONS["linked_accounts_belong_to_the_organisation"],
                FIRST_ROWS["ref.former_account"],
            ],
            id="an account that people know has left",
        ),
        pytest.param(
            "linked_accounts_belong_to_the_organisation",
            [
                """
                insert into cost.daily
                select * replace (
                    '999999999999' as account_id,
                    (date_trunc('month', current_date) - interval 32 days)::date as usage_date
                )
                from cost.daily limit 1
                """
            ],
            id="an account that left before the open months",
        ),
        pytest.param(
            "linked_accounts_belong_to_the_organisation",
            ["update stage.account set state = 'LEFT'"],
            id="an account that left is known",
        ),
    ],
)
def test_what_is_no_fault_passes(name: str, statements: list[str], truthful_night: Path, tmp_path: Path) -> None:
    with corrupted(copy_of(truthful_night, tmp_path), statements) as store:
        result = asked(store, RULES[name])
    assert result.passed, result.sentence


def test_every_row_at_fault_is_counted_and_a_hundred_are_kept(truthful_night: Path) -> None:
    many = SqlCheck("many", "org.account", True, "None.", "select range as n from range(25000)")
    result = asked(Store(truthful_night / "aws_org.duckdb"), many)
    assert (result.count, len(result.rows), result.passed) == (25_000, ROWS_KEPT, False)
    assert result.sentence == "Broken by 25000 row(s): None. The first is n=0."


def test_what_a_rule_said_is_recorded_with_the_rows_at_fault(truthful_night: Path, tmp_path: Path) -> None:
    name = "one_billing_currency"
    with (
        corrupted(copy_of(truthful_night, tmp_path), CORRUPTIONS[name]) as store,
        store.holding("run-1", "a test"),
    ):
        warns = dataclasses.replace(RULES[name], name="warns", blocking=False)
        run_checks(store, [RULES[name], warns, KEYS["cost.daily"]], "run-1", "hash")
        with store.read() as connection:
            rows = connection.execute(
                """
                select check_name, scope, severity, passed, observed, detail, config_hash
                from audit.check_result where run_id = 'run-1' order by check_name
                """
            ).fetchall()
    assert [(row[0], row[1], row[2], row[3], row[6]) for row in rows] == [
        (KEY_IS_UNIQUE, "cost.daily", "ERROR", True, "hash"),
        (name, "cost.daily", "ERROR", False, "hash"),
        ("warns", "cost.daily", "WARN", False, "hash"),
    ]
    assert {row["currency"] for row in json.loads(rows[1][5])} == {"NZD", "USD"}


UNRUNNABLE = {
    "conversion": ("select account_name::integer as n from org.account", "Conversion Error: Could not convert string"),
    "column": ("select nonesuch from org.account", 'Binder Error: Referenced column "nonesuch" not found'),
}


def own_rule(folder: Path, sql: str, about: str, severity: str) -> SqlCheck:
    """A rule as an operator adds it."""
    folder.mkdir(exist_ok=True)
    (folder / "ours.sql").write_text(f"-- None.\n-- about: {about}\n-- severity: {severity}\n{sql}", encoding="utf-8")
    (rule,) = read_checks(folder)
    return rule


@pytest.mark.parametrize("severity", ["warn", "error"])
@pytest.mark.parametrize(("sql", "reason"), UNRUNNABLE.values(), ids=list(UNRUNNABLE))
def test_a_rule_that_cannot_be_run_fails_with_its_file_and_the_reason(
    sql: str, reason: str, severity: str, truthful_night: Path, tmp_path: Path
) -> None:
    rule = own_rule(tmp_path / "checks", sql, "org.account", severity)
    store = Store(copy_of(truthful_night, tmp_path))

    def made(unrunnable: checks.Unrunnable, memory: int | None) -> list[checks.SqlResult]:
        with store.transaction(memory) as connection:
            connection.execute("create table main.built as select 1 as a")
            return checks.run_checks(connection, [rule, KEYS["cost.daily"]], "run-1", "", unrunnable)

    with store.holding("run-1", "a test"):
        broken, good = checks.past_unrunnable(made)
        with store.read() as connection:
            assert connection.execute("from main.built").fetchall() == [(1,)]
            (recorded,) = connection.execute(
                "select severity, passed, observed from audit.check_result where check_name = 'ours'"
            ).fetchall()
    assert (broken.passed, good.passed) == (False, True)
    assert broken.sentence.startswith(f"warehouse/checks/ours.sql could not be run: {reason}")
    assert "\n" not in broken.sentence
    assert recorded == ("WARN" if severity == "warn" else "ERROR", False, broken.sentence)


def test_too_little_memory_is_no_fault_of_a_rule() -> None:
    greedy = SqlCheck(
        "greedy", "org.account", False, "None.", "select array_agg(range order by -range) from range(5000000)"
    )
    with (
        duckdb.connect(config={"memory_limit": "10MB", "max_temp_directory_size": "0B"}) as connection,
        pytest.raises(duckdb.OutOfMemoryException),
    ):
        checks.run(connection, greedy)


# --------------------------------------------------------------------------------------------------- publishing

BLOCKING = {
    **{
        name: statements
        for name, statements in CORRUPTIONS.items()
        # Of the rules of the bill a few: publishing asks them all in the same way.
        if RULES[name].blocking and (name not in BILL_CORRUPTIONS or name in ("no_day_is_missing", "slices_agree"))
    },
    **{f"{KEY_IS_UNIQUE} of {name}": doubled(name) for name in ("aws.ec2_instance", "cost.restatement")},
}


EACH_PUSH = frozenset(
    {
        "cells_are_unique",
        "slices_agree",
        "every_relation_is_known_and_ends_after_it_was_seen",
        "key_is_unique of aws.ec2_instance",
    }
)
"""A rule of each schema and a generated one: the others take the same way."""


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in EACH_PUSH else [pytest.mark.large]) for name in BLOCKING],
)
def test_publishing_refuses_what_breaks_a_rule_even_when_its_check_was_never_requested(
    name: str, truthful_night: Path, tmp_path: Path, publish_alone: Callable[..., tuple[bool, str]]
) -> None:
    database = copy_of(truthful_night, tmp_path)
    before, versions = fingerprint(database), sorted((database.parent / "versions").iterdir())
    with corrupted(database, BLOCKING[name]) as store:
        published, said = publish_alone(database)
        assert not published
        assert said.startswith("Nothing was published. ")
        assert any(rule in said for rule in {name.partition(" of ")[0], *ALSO.get(name, ())})
        assert said.endswith("The published file is as it was.")
        with store.read() as connection:
            outcomes = connection.execute(
                "select outcome, count(*) from audit.run group by all order by all"
            ).fetchall()
    assert outcomes == [("preflight", 1), ("published", 1), ("refused", 1)]
    assert fingerprint(database) == before
    assert sorted((database.parent / "versions").iterdir()) == versions


def test_publishing_alone_publishes_what_breaks_no_rule(
    truthful_night: Path, tmp_path: Path, publish_alone: Callable[..., tuple[bool, str]]
) -> None:
    """The counterpart of the refusals above: they are due to the rules, not to how they were asked."""
    database = copy_of(truthful_night, tmp_path)
    before = fingerprint(database)
    assert publish_alone(database) == (True, "")
    assert fingerprint(database)[0] != before[0]


@pytest.mark.parametrize("severity", ["warn", "error"])
def test_a_rule_of_publishing_that_cannot_be_run_refuses_only_where_it_blocks(
    severity: str, truthful_night: Path, tmp_path: Path, publish_alone: Callable[..., tuple[bool, str]]
) -> None:
    rule = own_rule(tmp_path / "checks", UNRUNNABLE["conversion"][0], "published", severity)
    published, said = publish_alone(copy_of(truthful_night, tmp_path), [rule])
    assert published is (severity == "warn"), said
    assert ("warehouse/checks/ours.sql could not be run: Conversion Error" in said) is (severity == "error")


def test_a_rule_that_only_warns_does_not_keep_a_run_from_being_published(
    truthful_night: Path, tmp_path: Path, publish_alone: Callable[..., tuple[bool, str]]
) -> None:
    database = copy_of(truthful_night, tmp_path)
    broken = dataclasses.replace(RULES["one_billing_currency"], sql="select 1 as fault")
    published, said = publish_alone(database, [broken])
    assert not published
    assert "one_billing_currency" in said
    published, said = publish_alone(database, [dataclasses.replace(broken, blocking=False)])
    assert (published, said) == (True, "")


def test_a_rule_that_cannot_be_requested_publishes_nothing(
    truthful_night: Path, tmp_path: Path, publish_alone: Callable[..., tuple[bool, str]]
) -> None:
    database = copy_of(truthful_night, tmp_path)
    before = fingerprint(database)
    with corrupted(database, ["drop table cost.restatement"]):
        published, said = publish_alone(database)
    assert not published
    assert "restatement" in said
    assert fingerprint(database) == before


def test_the_copy_itself_is_judged_and_not_what_the_working_file_was_when_its_checks_ran(
    truthful_night: Path, tmp_path: Path, publish_alone: Callable[..., tuple[bool, str]]
) -> None:
    """Every stored verdict of the night says `passed`; the rows were changed afterwards."""
    database = copy_of(truthful_night, tmp_path)
    with corrupted(database, CORRUPTIONS["one_billing_currency"]) as store:
        with store.read() as connection:
            verdicts = verdicts_of(connection, "one_billing_currency")
        assert verdicts == [True]
        assert publish_alone(database)[0] is False


def verdicts_of(connection: duckdb.DuckDBPyConnection, name: str) -> list[Any]:
    rows = connection.execute(
        "select passed from audit.check_result where check_name = $name", {"name": name}
    ).fetchall()
    return [passed for (passed,) in rows]
