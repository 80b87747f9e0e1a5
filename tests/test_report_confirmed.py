"""What the report says of checks and changes stays when a run publishes that requested nothing, such as `confirm`."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from given import FIRST_NIGHT, Given, House, hours
from nights import copy_of

from pipelines.report.figures import QUERIES

NAMES = ("broken_rules", "changes", "changes_by_type", "restated")

NIGHT_BEFORE = """
    insert into audit.run by name
    select * replace ('before' as run_id, started_at - interval 1 day as started_at,
        finished_at - interval 1 day as finished_at)
    from audit.run;
    insert into audit.collection by name
    select * replace ('before' as run_id, ended_at - interval 1 day as ended_at)
    from audit.collection where listing = 'organizations_account';
"""

RESTATED = """
    insert into cost.restatement by name
    select
        run.run_id, run.finished_at as observed_at, daily.listing, daily.collected_at, daily.slice, daily.usage_date,
        daily.account_id, daily.dimension_value, daily.currency, 1 as old_unblended_cost, 2 as new_unblended_cost
    from cost.daily as daily
    cross join audit.run as run
    where daily.slice = 'service' and run.run_id <> 'before'
    limit 1
"""

FAILED = """
    insert into audit.check_result (run_id, check_name, scope, severity, passed, observed, expected, checked_at)
    select run_id, unnest(['no_silent_zero', 'rates']), 'all', 'WARN', false, 'It fails.', '', finished_at
    from audit.run
    where run_id <> 'before'
"""

PUBLISHED_LATER = """
    insert into audit.run by name
    select * replace ($run as run_id, started_at + $after as started_at, finished_at + $after as finished_at)
    from audit.run
    where run_id not in ('before', 'confirm', 'refused')
"""


@pytest.fixture
def second_night(truthful_night: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A published file whose run had another before it, found failing checks, and of which AWS changed the bill."""
    path = copy_of(truthful_night, tmp_path).resolve()
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)
    with duckdb.connect(str(path)) as connection:
        for statement in (NIGHT_BEFORE, RESTATED, FAILED):
            connection.execute(statement)
        yield connection


def rows(connection: duckdb.DuckDBPyConnection, name: str) -> list[Any]:
    return connection.execute((QUERIES / f"{name}.sql").read_text(encoding="utf-8")).fetchall()


def publish(connection: duckdb.DuckDBPyConnection, run_id: str, minutes: int = 30) -> None:
    connection.execute(PUBLISHED_LATER.replace("$run", f"'{run_id}'").replace("$after", f"interval {minutes} minute"))


def checked(connection: duckdb.DuckDBPyConnection, run_id: str, check: str, *, passed: bool) -> None:
    connection.execute(
        f"""
        insert into audit.check_result (run_id, check_name, scope, severity, passed, observed, expected, checked_at)
        select run_id, '{check}', 'all', 'WARN', {passed}, 'It was looked at again.', '', finished_at
        from audit.run where run_id = '{run_id}'
        """
    )


def test_a_run_that_collected_nothing_changes_no_figure(second_night: duckdb.DuckDBPyConnection) -> None:
    before = {name: rows(second_night, name) for name in NAMES}
    assert all(before.values())
    publish(second_night, "confirm")
    assert {name: rows(second_night, name) for name in NAMES} == before


def test_the_run_that_is_compared_with_is_the_one_that_collected_before(
    second_night: duckdb.DuckDBPyConnection,
) -> None:
    compared = "select previous_run_id, previous_finished_at from ({})".format(
        (QUERIES / "run.sql").read_text(encoding="utf-8")
    )
    before = second_night.execute(compared).fetchall()
    assert before[0][0] == "before"
    publish(second_night, "confirm")
    assert second_night.execute(compared).fetchall() == before
    assert rows(second_night, "run")[0][0] == "confirm"
    # After a first night, a confirmation has none before it either.
    second_night.execute("delete from audit.run where run_id = 'before'")
    assert second_night.execute(compared).fetchall() == [(None, None)]


def test_of_each_check_the_newest_published_result_counts(second_night: duckdb.DuckDBPyConnection) -> None:
    broken = {row[0] for row in rows(second_night, "broken_rules")}
    assert broken >= {"no_silent_zero", "rates"}
    publish(second_night, "confirm")
    checked(second_night, "confirm", "rates", passed=True)
    checked(second_night, "confirm", "found_later", passed=False)
    assert {row[0] for row in rows(second_night, "broken_rules")} == broken - {"rates"} | {"found_later"}
    # What is not published was judged of other tables than those that are shown.
    publish(second_night, "refused", 60)
    second_night.execute("update audit.run set outcome = 'refused' where run_id = 'refused'")
    checked(second_night, "refused", "no_silent_zero", passed=True)
    assert {row[0] for row in rows(second_night, "broken_rules")} == broken - {"rates"} | {"found_later"}


def test_a_month_of_the_bill_that_is_fetched_again_makes_no_check_of_the_night_pass(
    second_night: duckdb.DuckDBPyConnection,
) -> None:
    before = rows(second_night, "broken_rules")
    publish(second_night, "confirm")
    second_night.execute(
        "insert into audit.collection by name select * replace ('confirm' as run_id) from audit.collection "
        "where starts_with(listing, 'cost_daily:') limit 1"
    )
    assert rows(second_night, "broken_rules") == before


def test_what_goes_away_is_shown_by_the_run_in_which_its_zero_was_confirmed(home: House) -> None:
    """CloudTrail is late each night: the run after it confirms the zero, and shows what is missing, then gone."""
    group = {"OwnerId": "012345678901", "GroupId": "sg-1", "VpcId": "vpc-1", "GroupName": "one"}
    shown = []
    for number in range(5):
        at = FIRST_NIGHT + hours(24 * number)
        if number > 1:
            home.execute(
                "update audit.collection set outcome = 'empty_verified', is_trusted = true, "
                f"confirmed_at = timestamptz '{at.isoformat()}' where outcome = 'empty_unconfirmed'"
            )
        cell = (
            Given("ec2_security_group", [group])
            if number == 0
            else Given("ec2_security_group", (), "empty_unconfirmed")
        )
        home.night(f"night-{number}", [cell], at)
        home.build("cmdb.resource_version")
        home.execute(
            f"update audit.run set started_at = timestamptz '{(at - hours(1)).isoformat()}', "
            f"finished_at = timestamptz '{(at + hours(1)).isoformat()}', outcome = 'published' "
            f"where run_id = 'night-{number}'"
        )
        with home.store.read() as connection:
            changes = [row[0] for row in rows(connection, "changes")]
            assert sum(row[-1] for row in rows(connection, "changes_by_type")) == len(changes)
        shown.append(changes)
    assert shown == [[], [], ["missing"], ["retired"], []]
