"""What is deleted and made anew under its name is another item: nothing of the old one passes to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from given import FIRST_NIGHT, WORKLOAD, Given, House, build, hours, migrations_before

from resources.store.store import Store

Row = dict[str, Any]

ARN = f"arn:aws:rds:ap-southeast-2:{WORKLOAD}:db:ledger"
BUCKET = "arn:aws:s3:::logs"


def database(number: int, **other: Any) -> Given:
    """The database `ledger`, the so-manyth of its name."""
    record = {
        "DBInstanceArn": ARN,
        "DbiResourceId": f"db-{number}",
        "DBInstanceIdentifier": "ledger",
        "InstanceCreateTime": f"2026-11-{20 + number}T00:00:00Z",
        "DBInstanceStatus": "stopped",
        "DBInstanceClass": "db.t3.medium",
        "Engine": "postgres",
        "StorageType": "gp2",
        "AllocatedStorage": 100,
    }
    return Given("rds_db_instance", [{name: value for name, value in (record | other).items() if value is not None}])


def bucket(made: str) -> Given:
    return Given("s3_bucket", [{"Name": "logs", "BucketRegion": "ap-southeast-2", "CreationDate": made}])


def nights(home: House, *cells: Given, relation: str = "cmdb.resource_version") -> None:
    """A night a day, one cell each."""
    for number, cell in enumerate(cells):
        home.night(f"night-{number}", [cell], FIRST_NIGHT + hours(24 * number))
        home.build(relation)


def changes(home: House, arn: str = ARN) -> list[tuple[str, list[str]]]:
    found = home.rows(
        "select change, changed_attributes from cmdb.resource_version where arn = $arn order by valid_from",
        {"arn": arn},
    )
    return [(row["change"], sorted(row["changed_attributes"])) for row in found]


def seen(home: House, arn: str = ARN) -> tuple[Any, Any]:
    (row,) = home.rows("select first_seen_at, replaced_at from cmdb.resource where arn = $arn", {"arn": arn})
    return row["first_seen_at"], row["replaced_at"]


def at(night: int) -> str:
    return (FIRST_NIGHT + hours(24 * night)).isoformat().replace("+00:00", "Z")


def test_a_database_of_another_id_replaces_the_one_of_its_name(home: House) -> None:
    nights(home, database(1), database(4), database(4))
    assert changes(home) == [("discovered", []), ("replaced", ["created_at", "resource_id"])]
    assert seen(home) == (at(1), at(1))


@pytest.mark.large
def test_an_id_or_a_time_that_is_not_said_replaces_nothing(home: House) -> None:
    nights(home, database(1), database(1, InstanceCreateTime=None), database(1, DbiResourceId=None), database(1))
    assert changes(home) == [("discovered", [])]
    assert seen(home) == (at(0), None)


def test_a_bucket_that_was_made_after_it_was_last_seen_replaces_it(home: House) -> None:
    nights(home, bucket("2026-01-01T00:00:00Z"), bucket("2026-11-25T02:00:00Z"))
    assert changes(home, BUCKET) == [("discovered", []), ("replaced", ["created_at"])]
    assert seen(home, BUCKET) == (at(1), at(1))


def test_an_older_time_of_creation_is_a_change_and_no_other_bucket(home: House) -> None:
    """Another endpoint of S3 tells another time of the same bucket."""
    nights(home, bucket("2026-01-01T00:00:00Z"), bucket("2025-06-01T00:00:00Z"))
    assert changes(home, BUCKET) == [("discovered", []), ("changed", ["created_at"])]
    assert seen(home, BUCKET) == (at(0), None)


def test_an_instance_that_was_started_again_is_the_same(home: House) -> None:
    own = {"OwnerId": WORKLOAD, "InstanceId": "i-1", "State": {"Name": "running"}}
    started = ("2026-11-20T00:00:00Z", "2026-11-25T02:00:00Z")
    nights(home, *(Given("ec2_instance", [own | {"LaunchTime": time}]) for time in started))
    arn = f"arn:aws:ec2:ap-southeast-2:{WORKLOAD}:instance/i-1"
    assert changes(home, arn) == [("discovered", [])]
    assert seen(home, arn) == (at(0), None)


@pytest.mark.large
def test_one_that_comes_after_the_old_one_went_is_another_too(home: House) -> None:
    nothing = Given("rds_db_instance")
    nights(home, database(1), nothing, nothing, database(7))
    assert changes(home)[-1] == ("replaced", ["created_at", "resource_id"])
    assert [change for change, _ in changes(home)] == ["discovered", "missing", "retired", "replaced"]
    assert seen(home) == (at(3), at(3))


# -------------------------------------------------------------------------------------------------- signals


def signals(home: House) -> list[Row]:
    return home.rows(
        """
        select first_flagged_date, verdict, resolution, resolved_date, unused_since
        from cmdb.decommission_signal where rule = 'stopped_database' order by first_flagged_date
        """
    )


def test_a_signal_ends_with_the_database_that_it_is_of(home: House) -> None:
    nights(home, database(1), database(1), database(4), relation="cmdb.decommission_signal")
    found = signals(home)
    assert [(row["first_flagged_date"], row["resolution"], row["resolved_date"]) for row in found] == [
        ("2026-11-24", "gone", "2026-11-26"),
        ("2026-11-26", None, None),
    ]
    # It has not been stopped for as long as the other one was.
    assert found[1]["unused_since"] == at(2)


@pytest.mark.parametrize(
    ("accepted", "date", "verdict"),
    [
        (ARN, "2026-11-24", "candidate"),
        (ARN, "2026-11-26", "accepted"),
        (f"arn:aws:rds:*:{WORKLOAD}:db:*", "2026-11-24", "accepted"),
    ],
    ids=["the old one by name", "the new one by name", "all of them"],
)
@pytest.mark.large
def test_what_was_accepted_of_the_old_one_is_not_of_the_new_one(
    home: House, accepted: str, date: str, verdict: str
) -> None:
    def accept_and_build() -> None:
        home.execute(
            f"""
            insert into ref.accepted_finding (arn, rule, accepted_by, reason, accepted_date)
            values ('{accepted}', 'stopped_database', 'somebody', 'a reason', date '{date}')
            """
        )
        build(home.store, home.models["cmdb.decommission_signal"])

    nights(home, database(1), relation="cmdb.decommission_signal")
    accept_and_build()
    if date == "2026-11-24":
        assert [row["verdict"] for row in signals(home)] == ["accepted"]
    home.night("night-2", [database(4)], FIRST_NIGHT + hours(48))
    home.build("cmdb.decommission_signal")
    accept_and_build()
    assert [row["verdict"] for row in signals(home)][-1] == verdict


# ------------------------------------------------------------------------------------------------- an older file


def test_a_file_of_before_keeps_its_versions_and_learns_to_tell_what_is_replaced(tmp_path: Path) -> None:
    store = Store(tmp_path / "cmdb.duckdb", migrations_before("0022", tmp_path))
    version = """
        insert into cmdb.resource_version
        values ($arn, $at, null, true, 'AWS::RDS::DBInstance', '1', 'active', 'discovered', [], '{}', 7, 'r', 'l')
        """
    with store.holding("older", "test"), store.transaction() as connection:
        connection.execute(version, {"arn": ARN, "at": FIRST_NIGHT})
    newer = Store(store.database)
    with newer.holding("newer", "test"), newer.transaction() as connection:
        kept = connection.execute("select arn, change, raw_hash from cmdb.resource_version").fetchall()
        assert kept == [(ARN, "discovered", 7)]
        connection.execute("update cmdb.resource_version set change = 'replaced'")
        assert connection.execute("select count(replaced_at) from cmdb.resource").fetchone() == (0,)
