"""Hostile input by the hundred: what holds for every text, every amount and every day, not for those thought of."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import duckdb
import pytest
from given import FIRST_NIGHT, HOSTILE, MANAGEMENT, WORKLOAD, Given, House, hours, house
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from test_cmdb import DENIED, EVENTS, LEFT, Event, instance

from pipelines import cost
from pipelines.catalogue import listings
from pipelines.models import read_models
from pipelines.settings import SettingsError, read_settings
from resources.pages import Failed, Pages

pytestmark = pytest.mark.large

ENOUGH = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FEW = settings(ENOUGH, max_examples=12)

# What JSON can carry; AWS sends no lone surrogates, and neither does Python's encoder.
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40) | st.sampled_from(HOSTILE)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("properties")) as made:
        yield made


# --------------------------------------------------------------------------------------------- from AWS to a row

_night = iter(range(1, 10**6))


@FEW
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=50, unique_by=lambda pair: pair[0]))
@example([(text, text) for text in HOSTILE])
def test_every_tag_that_aws_can_send_is_in_the_table_as_it_was(home: House, pairs: list[tuple[str, str]]) -> None:
    number = next(_night)
    records = [{"Key": key, "Value": value} for key, value in pairs]
    home.night(
        f"night-{number}",
        [Given(f"organizations_account_tag:{WORKLOAD}", records)],
        FIRST_NIGHT + hours(number),
    )

    home.build("stage.organizations_account_tag")

    found = home.rows("select account_id, tag_key, tag_value from stage.organizations_account_tag")
    assert {row["account_id"] for row in found} == {WORKLOAD}
    assert len(found) == len(pairs)
    assert {row["tag_key"]: row["tag_value"] for row in found} == dict(pairs)


@FEW
@given(TEXT, TEXT, st.lists(st.tuples(TEXT, TEXT), max_size=20, unique_by=lambda pair: pair[0]))
def test_an_instance_keeps_what_it_is_called_and_its_arn_is_its_own(
    home: House, kind: str, zone: str, pairs: list[tuple[str, str]]
) -> None:
    number = next(_night)
    record = {
        "OwnerId": WORKLOAD,
        "InstanceId": f"i-{number}",
        "InstanceType": kind,
        "State": {"Name": "running"},
        "LaunchTime": "2026-11-20T00:00:00+00:00",
        "Placement": {"AvailabilityZone": zone},
        "Tags": [{"Key": key, "Value": value} for key, value in pairs],
    }
    home.night(f"night-{number}", [Given("ec2_instance", [record])], FIRST_NIGHT + hours(number))

    home.build("aws.ec2_instance")

    (row,) = home.rows("select arn, instance_type, tags from aws.ec2_instance")
    assert row == {
        "arn": f"arn:aws:ec2:ap-southeast-2:{WORKLOAD}:instance/i-{number}",
        "instance_type": kind,
        "tags": dict(pairs),
    }


def page_of(records: list[Any], listing: Any) -> Any:
    return {listing.records: records, "ResponseMetadata": {}}


MODEL = SimpleNamespace(output_shape=None)


@ENOUGH
@given(
    st.lists(st.lists(st.dictionaries(TEXT.filter(lambda key: key != "Arn"), TEXT, max_size=3), max_size=5), max_size=5)
)
def test_every_record_of_every_page_is_handed_on_in_its_order(pages: list[list[dict[str, str]]]) -> None:
    listing = listings()["organizations_account"]
    kept: list[dict[str, Any]] = []
    reader = Pages(listing, MANAGEMENT, kept.append)
    own = [[{**record, "Arn": f"arn:aws:organizations::{MANAGEMENT}:account/x"} for record in page] for page in pages]
    for page in own:
        reader.take(page_of(page, listing), MODEL, {})

    assert kept == [record for page in own for record in page]
    assert (reader.found, reader.count) == (len(kept), len(pages))


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@ENOUGH
@given(ANYTHING)
def test_what_is_no_list_of_own_records_is_a_failure_with_a_reason_and_never_none(answer: Any) -> None:
    listing = listings()["organizations_account"]
    kept: list[dict[str, Any]] = []
    reader = Pages(listing, MANAGEMENT, kept.append)

    if answer == []:
        reader.take(page_of(answer, listing), MODEL, {})
        return
    with pytest.raises(Failed) as failed:
        reader.take(page_of(answer, listing), MODEL, {})
    assert failed.value.outcome in ("failed", "wrong_account")
    assert failed.value.message


@ENOUGH
@given(st.from_regex(r"\d{12}", fullmatch=True))
@example("000000000000")
def test_a_record_of_another_account_is_never_taken_for_ones_own(account: str) -> None:
    listing = listings()["ec2_instance"]
    reader = Pages(listing, WORKLOAD, lambda record: None)
    page = {"Reservations": [{"OwnerId": account, "Instances": [{"InstanceId": "i-1"}]}]}

    if account == WORKLOAD:
        reader.take(page, MODEL, {})
        return
    with pytest.raises(Failed) as failed:
        reader.take(page, MODEL, {})
    assert failed.value.outcome == "wrong_account"


# ------------------------------------------------------------------------------------------------- settings

VARIABLES = (
    "AWS_MANAGEMENT_PROFILE",
    "AWS_OPERATIONS_PROFILE",
    "AWS_BILLING_PROFILE",
    "AWS_PROFILE",
    "AWS_DEFAULT_REGION",
    "CMDB_WORKLOAD_PROFILES",
    "CMDB_REGIONS",
    "CMDB_DATABASE",
    "CMDB_OPERATIONS_ACCOUNT",
    "CMDB_BILLING_ACCOUNT",
    "CMDB_SHARED_ACCOUNTS",
    "CMDB_ZERO_EVIDENCE",
    "CMDB_UNTRUSTED_TOLERANCE",
    "CMDB_CURRENCY",
    "CMDB_COST_MONTHS",
    "CMDB_COST_REQUEST_LIMIT",
    "CMDB_CONCURRENCY",
    "CMDB_SCHEDULE",
    "CMDB_TIMEZONE",
)


def build_schedule(line: str, timezone: str) -> bool:
    """Whether Dagster takes the line and the zone, as it does when the UI loads them."""
    made = dg.ScheduleDefinition(name="a_schedule", cron_schedule=line, execution_timezone=timezone, job_name="job")
    return made.cron_schedule == line


@settings(ENOUGH, max_examples=300)
@given(st.dictionaries(st.sampled_from(VARIABLES), TEXT.filter(lambda text: "\x00" not in text), max_size=4))
@example({"CMDB_UNTRUSTED_TOLERANCE": "nan"})
@example({"CMDB_UNTRUSTED_TOLERANCE": "-0.1"})
@example({"CMDB_UNTRUSTED_TOLERANCE": "1e-999999999"})
@example({"CMDB_COST_MONTHS": "９"})
@example({"CMDB_COST_MONTHS": "9" * 5000})
@example({"CMDB_OPERATIONS_ACCOUNT": "٠٠٠٠٠٠٠٠٠٠٠١"})
@example({"CMDB_REGIONS": "us-east-٣"})
@example({"CMDB_TIMEZONE": "../../etc/passwd"})
@example({"CMDB_TIMEZONE": "/etc/localtime"})
@example({"CMDB_SCHEDULE": "* * * * * *"})
@example({"CMDB_SCHEDULE": "a b c d e"})
@example({"CMDB_SCHEDULE": "0 0 31 2 *"})
@example({"CMDB_DATABASE": "~nobody-of-that-name/x"})
def test_settings_are_read_or_refused_in_a_sentence(environment: dict[str, str]) -> None:
    try:
        read = read_settings(environment)
    except SettingsError as error:
        assert str(error)
        return
    assert Decimal(0) <= read.untrusted_tolerance <= Decimal("0.25")
    for account in (read.expectation.operations_account, read.expectation.billing_account):
        assert account == "" or (len(account) == 12 and account.isascii() and account.isdigit())
    assert all(region.isascii() for region in read.regions)
    assert read.config_hash
    if "CMDB_SCHEDULE" in environment or "CMDB_TIMEZONE" in environment:
        assert build_schedule(read.schedule, read.timezone)


# -------------------------------------------------------------------------------------- windows of the bill

DAYS = st.dates(date(2024, 1, 1), date(2040, 12, 31))
HISTORY = st.integers(1, cost.MAX_MONTHS)


@settings(ENOUGH, max_examples=300)
@given(DAYS, HISTORY, st.sets(st.integers(0, 30)))
@example(date(2028, 2, 29), 13, set())
@example(date(2026, 1, 1), 1, set())
@example(date(2026, 12, 31), 1, set())
def test_the_months_that_are_asked_are_whole_disjoint_and_end_before_today(
    today: date, history: int, known_back: set[int]
) -> None:
    known = {f"{cost.first_of(today, back):%Y-%m}" for back in known_back}
    asked = cost.months_to_ask(today, history, known)

    assert [month.start for month in asked] == sorted({month.start for month in asked}, reverse=True)
    for month in asked:
        assert month.start.day == 1
        assert month.start < month.end <= today
        assert month.end in (today, cost.first_of(month.start, -1))
    names = {month.name for month in asked}
    # Every day of the window is asked or stands final, whatever the calendar does.
    oldest = cost.first_of(today, history)
    day = oldest
    while day < today:
        assert f"{day:%Y-%m}" in names | known
        day += timedelta(days=1)
    # What AWS may still change is asked although it stands there.
    for back in range(2 if today.day > cost.RESTATED_UNTIL_DAY else 3):
        start = cost.first_of(today, back)
        assert f"{start:%Y-%m}" in names or start == today


@settings(ENOUGH, max_examples=300)
@given(DAYS, st.integers(-40, 40))
def test_months_back_and_forth_are_the_same_month(day: date, back: int) -> None:
    there = cost.first_of(day, back)
    assert there.day == 1
    assert cost.first_of(there, -back) == day.replace(day=1)
    assert (day.year - there.year) * 12 + day.month - there.month == back


@settings(ENOUGH, max_examples=300)
@given(DAYS, st.integers(0, 400))
def test_a_month_that_aws_may_still_change_is_asked_again(day: date, later: int) -> None:
    read_on = day + timedelta(days=later)
    month = f"{day:%Y-%m}"

    if not cost.is_final(month, read_on):
        names = {found.name for found in cost.months_to_ask(read_on, 1, {month})}
        assert month in names or read_on.day == 1
    else:
        assert read_on > cost.first_of(day, -1)
        assert cost.is_final(month, read_on + timedelta(days=1))


# ------------------------------------------------------------------------------------------------- allocation

ALLOCATION = read_models()["cost.allocation"]

AMOUNT = st.decimals(Decimal("-1000"), Decimal("100000000"), places=10, allow_nan=False, allow_infinity=False)
LINES = st.lists(
    st.tuples(
        st.integers(1, 28),
        st.sampled_from(["000000000001", "000000000002", "123456789012"]),
        st.sampled_from(["", "001", "002", "003", "it's; --"]),
        AMOUNT,
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda line: line[:3],
)


@pytest.fixture(scope="module")
def bill() -> Iterator[duckdb.DuckDBPyConnection]:
    """What cost.allocation reads, in tables of its own."""
    with duckdb.connect(":memory:") as connection:
        for statement in (
            "create schema cost",
            "create schema ref",
            "create schema audit",
            "create table cost.by_tag (usage_date date, tag_key varchar, account_id varchar, tag_value varchar, "
            "currency varchar, unblended_cost decimal(28, 10))",
            "create table cost.daily (usage_date date, account_id varchar, slice varchar, dimension_value varchar, "
            "unblended_cost decimal(28, 10))",
            "create table ref.shared_cost (kind varchar, value varchar)",
            "create table audit.caller_identity (role varchar, caller_account_id varchar, checked_at timestamptz)",
            "create table cost.tag_key_status (tag_key varchar, verdict varchar)",
            "create table cost.exchange_rate (usage_date date, currency varchar, rate decimal(18, 10))",
            "create table ref.setting as select 'NZD' as reporting_currency",
        ):
            connection.execute(statement)
        yield connection


@ENOUGH
@given(LINES, st.sets(st.sampled_from(["000000000001", "123456789012"])), st.lists(AMOUNT, max_size=3))
@example(
    [(1, "000000000001", "", Decimal("0.0000000001")), (1, "000000000002", "001", Decimal("3"))], {"000000000001"}, []
)
@example([(1, "000000000001", "", Decimal("-7")), (1, "000000000002", "001", Decimal("0"))], {"000000000001"}, [])
@example(
    [(1, "000000000001", "", Decimal("0.0000000002"))]
    + [(1, "000000000002", value, Decimal("1")) for value in ("001", "002", "003")],
    {"000000000001"},
    [],
)
def test_allocated_cost_is_the_bill_to_the_last_digit(
    bill: duckdb.DuckDBPyConnection,
    lines: list[tuple[int, str, str, Decimal]],
    shared: set[str],
    support: list[Decimal],
) -> None:
    for table in ("cost.by_tag", "cost.daily", "ref.shared_cost"):
        bill.execute(f"delete from {table}")
    bill.executemany(
        "insert into cost.by_tag values (?, 'key', ?, ?, 'USD', ?)",
        [(date(2026, 11, day), account, value, amount) for day, account, value, amount in lines],
    )
    for account in shared:
        bill.execute("insert into ref.shared_cost values ('account', ?)", [account])
    bill.execute("insert into ref.shared_cost values ('service', 'AWS Support')")
    for day, amount in enumerate(support, 1):
        bill.execute(
            "insert into cost.daily values (?, '000000000002', 'service', 'AWS Support', ?)",
            [date(2026, 11, day), amount],
        )

    rows = bill.execute(f"select tag_value, status, direct_cost, shared_cost, unblended_cost from ({ALLOCATION.sql})")
    found = rows.fetchall()

    assert sum((row[4] for row in found), Decimal(0)) == sum((line[3] for line in lines), Decimal(0))
    for _, status, direct, part, whole in found:
        assert direct + part == whole
        if status == "unallocated":
            assert part == 0
    assert len({row[0] for row in found}) == len(found)


# ---------------------------------------------------------------------------------------------------- ARNs


@ENOUGH
@given(
    st.sampled_from(["us-east-1", "cn-north-1", "us-gov-west-1", "ap-southeast-2"]),
    st.from_regex(r"\A\d{12}\Z"),
    TEXT,
)
def test_an_arn_that_is_built_says_what_it_was_built_from(
    home: House, region: str, account: str, resource: str
) -> None:
    from pipelines import models

    with home.store.transaction() as connection:
        models._prepare(connection, home.store, "NZD")
        (arn,) = connection.execute(
            "select aws_arn('ec2', $region, $account, $resource)",
            {"region": region, "account": account, "resource": resource},
        ).fetchall()[0]
    partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rsplit("-", 2)[0], "aws")
    assert arn.split(":", 5) == ["arn", partition, "ec2", region, account, resource]


# ------------------------------------------------------------------------------------------------- the history

NIGHTS = st.lists(
    st.tuples(
        st.lists(st.sampled_from(EVENTS), min_size=4, max_size=4),
        st.sampled_from([1, 11, 12, 24, 240]),
        st.sampled_from([0, 1, 1, 2]),
    ),
    min_size=3,
    max_size=8,
)
"""What each night brings to four cells, how many hours it is after the one before, and how often it is built."""


@settings(FEW, max_examples=8)
@given(NIGHTS)
@example([([event] * 4, 24, 1) for event in (EVENTS[0], DENIED, EVENTS[1], LEFT, EVENTS[1], DENIED)])
def test_over_any_sequence_of_nights_the_history_keeps_its_invariants(
    tmp_path_factory: pytest.TempPathFactory, nights: list[tuple[list[Event], int, int]]
) -> None:
    folder = tmp_path_factory.mktemp("history")
    owners = [f"{number:012}" for number in range(4)]
    answers: dict[str, dict[datetime, Event]] = {owner: {} for owner in owners}
    known: dict[tuple[str, str], dict[str, Any]] = {}
    at = FIRST_NIGHT
    with house(folder) as home:
        for number, (events, later, built) in enumerate(nights):
            at += hours(later)
            home.night(
                f"night-{number}",
                [
                    Given(
                        "ec2_instance",
                        # A neighbour keeps the answer from being empty.
                        [
                            instance(name, OwnerId=owner, InstanceType=value)
                            for name, value in (("i-1", event.value), ("i-2", "n"))
                            if value is not None
                        ]
                        if event.outcome == "found"
                        else [],
                        event.outcome,
                        account_id=owner,
                        skip_reason=event.skip_reason,
                    )
                    for owner, event in zip(owners, events, strict=True)
                ],
                at,
            )
            for owner, event in zip(owners, events, strict=True):
                answers[owner][at] = event
            for _ in range(built):
                home.build("cmdb.resource_version")
            if not built:
                continue
            versions = home.rows("select * from cmdb.resource_version order by arn, valid_from")
            items = {row["arn"]: row for row in home.rows("select arn, status from cmdb.resource")}
            assert {row["arn"] for row in versions} == items.keys()
            for row, after in itertools.pairwise([*versions, {"arn": None}]):
                last = row["arn"] != after["arn"]
                # Versions meet; the last one of an item, and no other, is open and current.
                assert (row["valid_to"], row["is_current"]) == (None if last else after["valid_from"], last)
                assert last or row["valid_from"] < after["valid_from"]
                # It begins with an answer that can be believed.
                begun = answers[row["account_id"]][datetime.fromisoformat(row["valid_from"])]
                assert begun != DENIED
                if row["arn"].endswith("/i-1") and row["status"] == "active":
                    assert json.loads(row["attributes"])["instance_type"] == begun.value
                assert not last or row["status"] == items[row["arn"]]["status"]
                # What has ended is never written again.
                ended = known.get((row["arn"], row["valid_from"]))
                assert ended is None or ended["valid_to"] is None or row == ended
            assert known.keys() <= {(row["arn"], row["valid_from"]) for row in versions}
            known = {(row["arn"], row["valid_from"]): row for row in versions}
    shutil.rmtree(folder)


def test_the_folder_of_a_hostile_name_holds_a_warehouse(tmp_path: Path) -> None:
    for name in ['it\'s "quoted"; drop table x; --', "🥝 مرحبا", "a\nb", "%s {x} $HOME"]:
        folder = tmp_path / name
        folder.mkdir()
        with house(folder, blank=False) as made:
            assert made.rows("select count(*) as n from audit.run") == [{"n": 0}]
