"""Hostile input by the hundred: what holds for every text, every amount and every day, not for those thought of."""

from __future__ import annotations

import itertools
import json
import shutil
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.sax.saxutils import escape

import dagster as dg
import duckdb
import pytest
import test_json_answers
import test_xml_answers
from botocore.parsers import create_parser
from botocore_models import service_model
from given import FIRST_NIGHT, HOSTILE, MANAGEMENT, WORKLOAD, Given, House, hours, house
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from test_cmdb import DENIED, EVENTS, LEFT, Event, instance

from pipelines.catalogue.registry import listings
from pipelines.collection import cost_slices as cost
from pipelines.models.macros import MACROS
from pipelines.models.model import read_models
from pipelines.settings import SettingsError, read_settings
from resources.aws.errors import Failed
from resources.aws.fast.parsers import FastParsers
from resources.aws.records import Pages
from resources.aws.response_parsers import Parsers
from resources.aws.value_text import iso_text

pytestmark = pytest.mark.property


MANY = settings.get_current_profile_name() == "many"
"""Whether there is time for many examples: `make test-large` loads the profile of that name, `make test` does not."""


def examples(few: int, many: int) -> settings:
    """How many are tried, without time and with it; of none only those that are written down."""
    return settings(
        max_examples=many if MANY else max(few, 1),
        phases=Phase if MANY or few else [Phase.explicit],
        deadline=None,
        derandomize=True,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


# What JSON can carry; AWS sends no lone surrogates, and neither does Python's encoder.
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=40) | st.sampled_from(HOSTILE)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("properties")) as made:
        yield made


# --------------------------------------------------------------------------------------------- from AWS to a row

_night = iter(range(1, 10**6))


@examples(2, 12)
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


@examples(2, 12)
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


XML_TEXT = st.text(
    st.characters(min_codepoint=32, exclude_categories=("Cs",), exclude_characters="\ufffe\uffff")
    | st.sampled_from("\t\n\r"),
    max_size=40,
)
"""What XML 1.0 can carry."""


def in_xml(text: str, how: int) -> str:
    """Text of an element, as one of the ways in which a serialiser may write it."""
    if how == 0:
        # A parser makes a line feed of a carriage return that stands there as it is.
        return escape(text, {"\r": "&#13;"})
    if how == 1:
        return "".join(f"&#x{ord(letter):x};" for letter in text)
    parts = text.replace("\r", "]]>&#13;<![CDATA[").split("]]>")
    return (
        "<![CDATA["
        + parts[0]
        + "".join(f"]]>{part}" if part.startswith("&#13;") else f"]]]]><![CDATA[>{part}" for part in parts[1:])
        + "]]>"
    )


class XmlNames(test_xml_answers.Writer):
    """Writes an answer in which every text is one of those given."""

    def __init__(self, seed: int, texts: list[str]) -> None:
        super().__init__(seed, odd=0.0)
        self.texts = texts

    def content(self, shape: Any, depth: int) -> str:
        if shape.type_name == "string":
            return in_xml(self.chance.choice(self.texts), self.chance.randrange(3))
        return super().content(shape, depth)


class JsonNames(test_json_answers.Writer):
    """Makes an answer in which every text and every key of a map is one of those given."""

    def __init__(self, seed: int, texts: list[str]) -> None:
        super().__init__(seed, odd=0.0)
        self.texts = texts

    def value(self, shape: Any, depth: int = 0) -> Any:
        if shape.type_name == "string":
            return self.chance.choice(self.texts)
        if shape.type_name == "map":
            return {self.chance.choice(self.texts): self.value(shape.value, depth + 1) for _ in range(2)}
        return super().value(shape, depth)


@examples(15, 400)
@given(st.sampled_from(test_xml_answers.listings()), st.integers(0, 2**32), st.lists(XML_TEXT, min_size=1, max_size=8))
def test_any_text_in_xml_is_read_as_botocore_reads_it(listing: Any, seed: int, texts: list[str]) -> None:
    model = service_model(listing.service)
    shape = model.operation_model(listing.operation).output_shape
    body = test_xml_answers.answer(listing, XmlNames(seed, texts))
    theirs = create_parser(model.resolved_protocol)
    theirs.__init__(timestamp_parser=str.upper, blob_parser=str)
    expected = test_xml_answers.read(theirs, body, shape)
    for parsers in (FastParsers, Parsers):
        ours = parsers(**test_xml_answers.SETTINGS).create_parser(model.resolved_protocol)
        assert repr(test_xml_answers.read(ours, body, shape, operation=listing.operation)) == repr(expected)


@examples(15, 400)
@given(
    st.sampled_from(test_json_answers.operations()),
    st.integers(0, 2**32),
    # JSON can also write halves of pairs, which are no characters.
    st.lists(st.text(max_size=40) | st.just("\ud800") | TEXT, min_size=1, max_size=8),
    st.booleans(),
)
def test_any_text_in_json_is_read_as_botocore_reads_it(call: str, seed: int, texts: list[str], escaped: bool) -> None:
    shape = test_json_answers.model(call).output_shape
    written = JsonNames(seed, texts).value(shape) if shape is not None else {}
    body = json.dumps(written, ensure_ascii=escaped).encode(errors="replace")
    theirs = create_parser("json")
    theirs.__init__(timestamp_parser=iso_text, blob_parser=str)
    expected = test_json_answers.read(theirs, body, shape)
    for parsers in (FastParsers, Parsers):
        ours = parsers(**test_json_answers.SETTINGS).create_parser("json")
        assert repr(test_json_answers.read(ours, body, shape)) == repr(expected)


PAIRS = st.lists(st.tuples(XML_TEXT, XML_TEXT), max_size=50)


@examples(10, 200)
@given(PAIRS, st.integers(0, 2))
@example([("a]]>b", "]]>"), ("\r\n", "\x85\u2028"), ("", " ")], 2)
def test_tags_that_come_in_xml_or_json_are_what_was_sent(pairs: list[tuple[str, str]], how: int) -> None:
    sent = [{"Key": key, "Value": value} for key, value in pairs]
    items = "".join(
        f"<item><key>{in_xml(key, how)}</key><value>{in_xml(value, how)}</value></item>" for key, value in pairs
    )
    body = f"<DescribeVpcsResponse><vpcSet><item><tagSet>{items}</tagSet></item></vpcSet></DescribeVpcsResponse>"
    shape = service_model("ec2").operation_model("DescribeVpcs").output_shape
    (vpc,) = test_xml_answers.read(FastParsers().create_parser("ec2"), body.encode(), shape)["Vpcs"]
    assert vpc["Tags"] == sent

    shape = test_json_answers.model("organizations:ListTagsForResource").output_shape
    body = json.dumps({"Tags": sent}, ensure_ascii=how == 0)
    assert test_json_answers.read(FastParsers().create_parser("json"), body.encode(), shape)["Tags"] == sent


def page_of(records: list[Any], listing: Any) -> Any:
    return {listing.records: records, "ResponseMetadata": {}}


MODEL = SimpleNamespace(output_shape=None)


@examples(8, 60)
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


@examples(8, 60)
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


@examples(8, 60)
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
    "CMDB_TRANSFERRED_BILL",
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


@examples(20, 300)
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


@examples(20, 300)
@given(DAYS, HISTORY, st.sets(st.integers(0, 30)))
@example(date(2028, 2, 29), 13, set())
@example(date(2026, 1, 1), 1, set())
@example(date(2026, 12, 31), 1, set())
def test_the_months_that_are_requested_are_whole_disjoint_and_end_before_today(
    today: date, history: int, known_back: set[int]
) -> None:
    known = {f"{cost.first_of(today, back):%Y-%m}" for back in known_back}
    asked = cost.months_to_fetch(today, history, known)

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


@examples(20, 300)
@given(DAYS, st.integers(-40, 40))
def test_months_back_and_forth_are_the_same_month(day: date, back: int) -> None:
    there = cost.first_of(day, back)
    assert there.day == 1
    assert cost.first_of(there, -back) == day.replace(day=1)
    assert (day.year - there.year) * 12 + day.month - there.month == back


@examples(20, 300)
@given(DAYS, st.integers(0, 400))
def test_a_month_that_aws_may_still_change_is_requested_again(day: date, later: int) -> None:
    read_on = day + timedelta(days=later)
    month = f"{day:%Y-%m}"

    if not cost.is_final(month, read_on):
        names = {found.name for found in cost.months_to_fetch(read_on, 1, {month})}
        assert month in names or read_on.day == 1
    else:
        assert read_on > cost.first_of(day, -1)
        assert cost.is_final(month, read_on + timedelta(days=1))


# ------------------------------------------------------------------------------------------------- allocation

ALLOCATION = read_models()["cost.allocation"]

MONTHS = [date(2025, 12, 1), date(2026, 1, 1), date(2026, 2, 1)]
KEYS = ["bc:cost-centre", "bc:Cost-Centre", "team"]
CURRENCIES = ["USD", "NZD"]
ACCOUNTS = ["000000000001", "000000000002", "123456789012"]
AMOUNT = st.decimals(Decimal("-1000"), Decimal("100000000"), places=10, allow_nan=False, allow_infinity=False)
LINES = st.lists(
    st.tuples(
        st.sampled_from(MONTHS),
        st.integers(0, 27),
        st.sampled_from(KEYS),
        st.sampled_from(ACCOUNTS),
        st.sampled_from(["", "", "001", "002", "003", "it's; --"]),
        st.sampled_from(CURRENCIES),
        AMOUNT,
    ),
    min_size=1,
    max_size=25,
    unique_by=lambda line: line[:6],
)
SUPPORT = st.lists(
    st.tuples(st.sampled_from(MONTHS), st.integers(0, 27), st.sampled_from(ACCOUNTS), AMOUNT), max_size=4
)
RATE = st.none() | st.decimals(Decimal("0.0001"), Decimal("1000"), places=10, allow_nan=False, allow_infinity=False)
RATES = st.dictionaries(
    st.tuples(st.sampled_from(MONTHS), st.integers(0, 27), st.sampled_from(CURRENCIES)), RATE, max_size=4
)


def one_key(*lines: tuple[int, str, str, str]) -> list[tuple[date, int, str, str, str, str, Decimal]]:
    """Lines of a month, a key and a currency."""
    return [(MONTHS[1], day, KEYS[0], account, value, "USD", Decimal(of)) for day, account, value, of in lines]


@pytest.fixture(scope="module")
def bill() -> Iterator[duckdb.DuckDBPyConnection]:
    """What cost.allocation reads, in tables of its own."""
    with duckdb.connect(":memory:") as connection:
        for statement in (
            "create schema cost",
            "create schema ref",
            "create schema audit",
            "create table cost.by_tag (usage_date date, tag_key varchar, account_id varchar, tag_value varchar, "
            "currency varchar, unblended_cost decimal(28, 10), reporting_unblended_cost decimal(28, 10), "
            "rate decimal(18, 10))",
            "create table cost.daily (usage_date date, account_id varchar, slice varchar, dimension_value varchar, "
            "unblended_cost decimal(28, 10))",
            "create table ref.shared_cost (kind varchar, value varchar)",
            "create table audit.caller_identity (role varchar, caller_account_id varchar, checked_at timestamptz)",
            "create table cost.tag_key_status (tag_key varchar, verdict varchar)",
            "create table cost.exchange_rate (usage_date date, currency varchar, rate decimal(18, 10))",
            "create table ref.setting as select 'NZD' as reporting_currency",
            "create schema stage",
            *MACROS,
            *(
                f"create view {name} as {read_models()[name].sql}"
                for name in ("stage.shared_account", "stage.untagged_cost")
            ),
        ):
            connection.execute(statement)
        yield connection


@examples(8, 100)
@given(
    LINES,
    st.sets(st.sampled_from(ACCOUNTS[:1] + ACCOUNTS[2:])),
    SUPPORT,
    RATES,
    st.sets(st.sampled_from([*KEYS, "nobody's"])),
)
@example(one_key((0, ACCOUNTS[0], "", "0.0000000001"), (0, ACCOUNTS[1], "001", "3")), {ACCOUNTS[0]}, [], {}, set())
@example(one_key((0, ACCOUNTS[0], "", "-7"), (0, ACCOUNTS[1], "001", "0")), {ACCOUNTS[0]}, [], {}, set())
@example(
    one_key((0, ACCOUNTS[0], "", "0.0000000002"), *((0, ACCOUNTS[1], value, "1") for value in ("001", "002", "003"))),
    {ACCOUNTS[0]},
    [],
    {(MONTHS[1], 0, "USD"): Decimal("1.5"), (MONTHS[1], 1, "USD"): Decimal("1.7"), (MONTHS[0], 0, "USD"): None},
    set(),
)
@example(
    [(month, 0, key, ACCOUNTS[0], "", of, Decimal(1)) for month in MONTHS for key in KEYS for of in CURRENCIES],
    set(),
    [(month, 0, ACCOUNTS[0], Decimal("0.5")) for month in MONTHS],
    {},
    set(KEYS),
)
def test_allocated_cost_is_the_bill_to_the_last_digit(
    bill: duckdb.DuckDBPyConnection,
    lines: list[tuple[date, int, str, str, str, str, Decimal]],
    shared: set[str],
    support: list[tuple[date, int, str, Decimal]],
    rates: dict[tuple[date, int, str], Decimal | None],
    judged: set[str],
) -> None:
    for table in ("cost.by_tag", "cost.daily", "cost.exchange_rate", "cost.tag_key_status", "ref.shared_cost"):
        bill.execute(f"delete from {table}")
    bill.executemany(
        "insert into cost.by_tag values (?, ?, ?, ?, ?, ?, null, null)",
        [(month + timedelta(day), key, *line) for month, day, key, *line in lines],
    )
    for account in shared:
        bill.execute("insert into ref.shared_cost values ('account', ?)", [account])
    bill.execute("insert into ref.shared_cost values ('service', 'AWS Support')")
    for month, day, account, amount in support:
        bill.execute(
            "insert into cost.daily values (?, ?, 'service', 'AWS Support', ?)",
            [month + timedelta(day), account, amount],
        )
    for (month, day, currency), rate in rates.items():
        bill.execute("insert into cost.exchange_rate values (?, ?, ?)", [month + timedelta(day), currency, rate])
    for key in judged:
        bill.execute("insert into cost.tag_key_status values (?, 'not activated')", [key])

    rows = bill.execute(
        f"""
        select
            "month", tag_key, currency, tag_value, status, direct_cost, shared_cost, unblended_cost,
            reporting_cost, rate
        from ({ALLOCATION.sql})
        """
    ).fetchall()

    billed: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    tagged: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for month, _, key, _, value, currency, amount in lines:
        billed[month, key, currency] += amount
        if value:
            tagged[month, key, currency, value] += amount
    found: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for month, key, currency, value, status, direct, part, whole, reported, rate in rows:
        found[month, key, currency] += whole
        assert direct + part == whole
        assert status != "unallocated" or part == 0
        assert (value in ("(unallocated)", "(shared)", "(unknown)")) == (status != "allocated")
        of_month = [of for (first, _, its), of in rates.items() if (first, its) == (month, currency)]
        assert (rate is None) == (not of_month or None in of_month)
        if rate is None:
            assert reported is None
        else:
            assert min(of_month) <= rate <= max(of_month)
            assert abs(reported - whole * rate) <= Decimal("1e-10")
    # What nothing is left of need not have a row.
    assert {of: cost for of, cost in found.items() if cost} == {of: cost for of, cost in billed.items() if cost}
    assert {tuple(row[:4]): row[5] for row in rows if row[4] == "allocated"} == tagged
    assert len({row[:4] for row in rows}) == len(rows)


# ---------------------------------------------------------------------------------------------------- ARNs


@examples(8, 60)
@given(
    st.sampled_from(["us-east-1", "cn-north-1", "us-gov-west-1", "ap-southeast-2"]),
    st.from_regex(r"\A\d{12}\Z"),
    TEXT,
)
def test_an_arn_that_is_built_says_what_it_was_built_from(
    home: House, region: str, account: str, resource: str
) -> None:
    from pipelines.models import build as models

    with home.store.transaction() as connection:
        models.prepare(connection, "NZD")
        (arn,) = connection.execute(
            "select aws_arn('ec2', $region, $account, $resource)",
            {"region": region, "account": account, "resource": resource},
        ).fetchall()[0]
    partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rsplit("-", 2)[0], "aws")
    assert arn.split(":", 5) == ["arn", partition, "ec2", region, account, resource]


@examples(2, 30)
@given(
    st.lists(
        st.tuples(st.sampled_from(["us-east-1", "cn-north-1", "us-gov-west-1", "ap-southeast-2"]), TEXT),
        min_size=1,
        unique=True,
    )
)
@example([("cn-north-1", "a:b"), ("us-gov-west-1", "a:b"), ("eu-west-1", "")])
def test_the_arn_of_a_bucket_is_the_one_that_its_tags_are_requested_with(
    home: House, buckets: list[tuple[str, str]]
) -> None:
    number = next(_night)
    records = [{"Name": name, "BucketRegion": region} for region, name in buckets]
    home.night(f"night-{number}", [Given("s3_bucket", records)], FIRST_NIGHT + hours(number))

    home.build("stage.s3_bucket")

    each = listings()["s3_bucket_tag"].each
    assert each is not None
    found = home.rows("select region, name, arn from stage.s3_bucket")
    assert sorted((row["region"], row["name"], row["arn"]) for row in found) == sorted(
        (region, name, each.value(name, region)) for region, name in buckets
    )


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


# A build of the items takes more than a second.
SEQUENCE = (EVENTS[0], DENIED, EVENTS[1], LEFT, EVENTS[1], DENIED)[: 6 if MANY else 3]


@examples(0, 40)
@given(NIGHTS)
@example([([event] * 4, 24, 1) for event in SEQUENCE])
def test_over_any_sequence_of_runs_the_history_keeps_its_invariants(
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
