"""Which rows a night's answers replace, and which stay as they are: cell by cell, for every part of a cell's key."""

from __future__ import annotations

import functools
import itertools
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from given import FIRST_NIGHT, Given, House, hours, house

from pipelines.collection import landing
from pipelines.models.model import Model, ModelError, read_models
from pipelines.settings import WAREHOUSE_FOLDER

if TYPE_CHECKING:
    from resources.contract import Role

ONE, TWO, THREE = "000000000001", "000000000002", "000000000003"

ROLES: tuple[Role, ...] = ("operations", "workload")
PLACES = list(itertools.product(ROLES, (ONE, TWO), ("us-east-1", "us-east-2")))
"""Role, account and region of each cell of a listing."""


@functools.cache
def models() -> dict[str, Model]:
    """A table of one listing, one of which several accounts may list a row, and one that is added to, with its log."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("aws/ec2_instance.sql", "aws/ec2_subnet.sql", "cost/daily.sql", "cost/restatement.sql"):
            file = Path(folder, name)
            file.parent.mkdir(exist_ok=True)
            shutil.copy(WAREHOUSE_FOLDER / name, file)
        return read_models(Path(folder))


@functools.cache
def working() -> bytes:
    """A working file in which those are built of nothing: the other tables of a night take half a minute."""
    with tempfile.TemporaryDirectory() as folder:
        with house(Path(folder)) as made:
            made.models = dict(models())
            made.build(*made.models)
        return made.store.working.read_bytes()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    with house(tmp_path, working=working()) as made:
        made.models = dict(models())
        yield made


def night(home: House, number: int, cells: Iterable[Given], *relations: str) -> None:
    home.night(f"night-{number}", cells, FIRST_NIGHT + hours(24 * number))
    home.build(*relations or ("aws.ec2_instance",))


# --------------------------------------------------------------------------------------------- every part of a key


def instances(place: tuple[Role, str, str], *names: str, **other: Any) -> Given:
    role, account, region = place
    records = [
        {
            "OwnerId": account,
            "InstanceId": name,
            "State": {"Name": "running"},
            "LaunchTime": "2026-11-20T00:00:00+00:00",
        }
        for name in names
    ]
    return Given("ec2_instance", records, role=role, account_id=account, region=region, **other)


def standing(home: House) -> dict[tuple[str, str, str], list[tuple[str, bool, str]]]:
    """Instances of each cell, whether they are stale, and the night that they are of."""
    found: dict[tuple[str, str, str], list[tuple[str, bool, str]]] = {}
    for row in home.rows("select * from aws.ec2_instance order by instance_id"):
        place = (row["role"], row["caller_account_id"], row["cell_region"])
        found.setdefault(place, []).append((row["instance_id"], row["is_stale"], row["run_id"]))
    return found


def name_of(place: tuple[Role, str, str]) -> str:
    return "i-" + "-".join(place)


@pytest.mark.parametrize("place", PLACES, ids=map(" ".join, PLACES))
def test_a_response_replaces_the_rows_of_its_own_cell_and_of_no_other(
    home: House, place: tuple[Role, str, str]
) -> None:
    night(home, 1, [instances(each, name_of(each)) for each in PLACES])
    night(home, 2, [instances(place, "i-new")])
    kept = {each: [(name_of(each), False, "night-1")] for each in PLACES}
    assert standing(home) == kept | {place: [("i-new", False, "night-2")]}


@pytest.mark.parametrize("place", PLACES, ids=map(" ".join, PLACES))
def test_a_refusal_marks_the_rows_of_its_own_cell_and_of_no_other(home: House, place: tuple[Role, str, str]) -> None:
    night(home, 1, [instances(each, name_of(each)) for each in PLACES])
    night(home, 2, [instances(place, outcome="denied")])
    kept = {each: [(name_of(each), False, "night-1")] for each in PLACES}
    assert standing(home) == kept | {place: [(name_of(place), True, "night-1")]}
    night(home, 3, [instances(place, name_of(place))])
    assert standing(home) == kept | {place: [(name_of(place), False, "night-3")]}


@pytest.mark.parametrize("place", PLACES, ids=map(" ".join, PLACES))
def test_where_a_later_run_was_refused_the_one_before_it_is_loaded_if_it_never_was(
    home: House, place: tuple[Role, str, str]
) -> None:
    """The models of a night may not have been built, or not to their end."""
    home.night("night-1", [instances(each, name_of(each)) for each in PLACES])
    home.night("night-2", [instances(each, "i-2" + name_of(each)) for each in PLACES], FIRST_NIGHT + hours(1))
    night(home, 3, [instances(place, outcome="failed")])
    expected = {each: [("i-2" + name_of(each), each == place, "night-2")] for each in PLACES}
    assert standing(home) == expected


def test_a_listing_says_nothing_of_the_rows_of_another(home: House) -> None:
    both = ("aws.ec2_instance", "aws.ec2_subnet")
    place = PLACES[0]
    night(home, 1, [instances(place, "i-1"), subnets(*place, ("subnet-1", ONE))], *both)
    night(home, 2, [subnets(*place, outcome="denied")], *both)
    assert standing(home) == {place: [("i-1", False, "night-1")]}
    night(home, 3, [instances(place, outcome="denied"), subnets(*place, ("subnet-1", ONE))], *both)
    assert standing(home) == {place: [("i-1", True, "night-1")]}
    assert shown(home) == [("subnet-1", ONE, "operations", "us-east-1", False)]


@pytest.mark.parametrize("again", [True, False], ids=["built each night", "built at the end"])
@pytest.mark.parametrize(
    ("cells", "left"),
    [
        ([{"outcome": "empty_unconfirmed", "accepted": True}, {"outcome": "denied"}], []),
        ([{"outcome": "empty_suspect", "accepted": True}, {"outcome": "denied"}], []),
        ([{"outcome": "empty_suspect", "accepted": True}, {"outcome": "empty_suspect"}, {"outcome": "denied"}], []),
        ([{"outcome": "empty_suspect"}, {"outcome": "denied"}], [("i-1", True, "night-0")]),
        ([{"outcome": "skipped", "skip_reason": "account_left"}, {"outcome": "denied"}], []),
        ([{"outcome": "skipped", "skip_reason": "no_profile"}, {"outcome": "denied"}], [("i-1", True, "night-0")]),
        ([{"outcome": "empty_verified"}, {"outcome": "denied"}], []),
        ([{"outcome": "denied"}, {"outcome": "empty_verified"}], []),
    ],
)
def test_what_the_newest_response_that_can_be_trusted_took_away_does_not_come_back(
    home: House, cells: list[dict[str, Any]], left: list[tuple[str, bool, str]], again: bool
) -> None:
    place = PLACES[0]
    nights = [instances(place, "i-1"), *(instances(place, **cell) for cell in cells)]
    for number, given in enumerate(nights):
        home.night(f"night-{number}", [given], FIRST_NIGHT + hours(24 * number))
        if again or number == len(nights) - 1:
            home.build("aws.ec2_instance")
    assert standing(home) == ({place: left} if left else {})


def test_what_is_not_landed_any_more_stays_and_what_is_beside_it_goes_on(home: House) -> None:
    first, second = PLACES[:2]
    night(home, 1, [instances(first, "i-1"), instances(second, "i-2")])
    shutil.rmtree(home.store.landing / "night-1")
    night(home, 2, [instances(second, "i-3")])
    assert standing(home) == {first: [("i-1", False, "night-1")], second: [("i-3", False, "night-2")]}
    night(home, 3, [instances(first, outcome="empty_verified")])
    assert standing(home) == {second: [("i-3", False, "night-2")]}


@pytest.mark.parametrize("place", PLACES, ids=map(" ".join, PLACES))
def test_a_response_replaces_no_row_of_a_cell_that_is_not_landed_any_more(
    home: House, place: tuple[Role, str, str]
) -> None:
    night(home, 1, [instances(each, name_of(each)) for each in PLACES])
    shutil.rmtree(home.store.landing / "night-1")
    night(home, 2, [instances(place, "i-new")])
    kept = {each: [(name_of(each), False, "night-1")] for each in PLACES}
    assert standing(home) == kept | {place: [("i-new", False, "night-2")]}


def test_a_refusal_removes_no_row_that_is_not_landed_any_more(home: House) -> None:
    night(home, 1, [instances(PLACES[0], "i-1")])
    shutil.rmtree(home.store.landing / "night-1")
    night(home, 2, [instances(PLACES[0], outcome="denied")])
    assert standing(home) == {PLACES[0]: [("i-1", True, "night-1")]}


@pytest.mark.parametrize(
    ("earlier", "later", "apart"), [("night-9", "night-1", 1), ("night-1", "night-2", 0)], ids=["by time", "by name"]
)
def test_of_two_responses_before_a_refusal_the_newer_one_is_loaded(
    home: House, earlier: str, later: str, apart: int
) -> None:
    place = PLACES[0]
    home.night(earlier, [instances(place, "i-1")], FIRST_NIGHT)
    home.night(later, [instances(place, "i-2")], FIRST_NIGHT + hours(apart))
    night(home, 3, [instances(place, outcome="denied")])
    assert standing(home) == {place: [("i-2", True, later)]}


def test_the_folder_of_landings_is_made_where_it_is_gone_and_closed_to_the_world(home: House) -> None:
    night(home, 1, [instances(PLACES[0], "i-1")])
    shutil.rmtree(home.store.landing)
    home.build("aws.ec2_instance")
    assert standing(home) == {PLACES[0]: [("i-1", False, "night-1")]}
    (empty,) = home.store.landing.iterdir()
    # What begins with a dot is no landing of a run.
    assert empty.name.startswith(".")
    assert [path.stat().st_mode & 0o777 for path in (home.store.landing, empty)] == [0o750, 0o640]


def test_a_long_record_does_not_keep_the_answers_beside_it_from_being_read(home: House) -> None:
    long = instances(PLACES[0], "i-1")
    long = replace(long, records=[{**record, "StateTransitionReason": "x" * (33 << 20)} for record in long.records])
    night(home, 1, [long, instances(PLACES[1], "i-2")])
    assert standing(home) == {PLACES[0]: [("i-1", False, "night-1")], PLACES[1]: [("i-2", False, "night-1")]}


def test_a_table_of_nothing_that_gets_nothing_is_left_alone(home: House) -> None:
    home.night("night-1", [instances(PLACES[0], outcome="empty_verified")])
    shutil.rmtree(home.store.landing)
    home.build("aws.ec2_instance")
    # Whatever is built makes the folder of landings where it is gone.
    assert not home.store.landing.exists()
    night(home, 2, [instances(PLACES[0], "i-1")])
    assert standing(home) == {PLACES[0]: [("i-1", False, "night-2")]}


# ------------------------------------------------------------------------------------- what several accounts list


def subnets(role: Role, account: str, region: str, *names_and_owners: tuple[str, str], **other: Any) -> Given:
    records = [
        {
            "SubnetId": name,
            "OwnerId": owner,
            "SubnetArn": f"arn:aws:ec2:{region}:{owner}:subnet/{name}",
            "VpcId": "vpc-1",
            "CidrBlock": "10.0.0.0/24",
        }
        for name, owner in names_and_owners
    ]
    return Given("ec2_subnet", records, role=role, account_id=account, region=region, **other)


def shown(home: House) -> list[tuple[str, str, str, str, bool]]:
    rows = home.rows("select * from aws.ec2_subnet order by subnet_id, caller_account_id, role")
    return [
        (row["subnet_id"], row["caller_account_id"], row["role"], row["cell_region"], row["is_stale"]) for row in rows
    ]


SHARED = ("subnet-1", TWO)


def test_of_what_several_accounts_list_the_owners_own_row_stays_even_where_it_is_stale(home: House) -> None:
    east = "us-east-1"
    relation = "aws.ec2_subnet"
    night(home, 1, [subnets("workload", account, east, SHARED) for account in (ONE, TWO, THREE)], relation)
    assert shown(home) == [("subnet-1", TWO, "workload", east, False)]
    night(home, 2, [subnets("workload", TWO, east, outcome="denied")], relation)
    assert shown(home) == [("subnet-1", TWO, "workload", east, True)]


def test_where_the_owner_lists_nothing_a_fresh_row_stays_and_of_those_the_lowest_accounts(home: House) -> None:
    east = "us-east-1"
    relation = "aws.ec2_subnet"
    night(home, 1, [subnets("workload", account, east, SHARED) for account in (THREE, ONE)], relation)
    assert shown(home) == [("subnet-1", ONE, "workload", east, False)]
    night(
        home, 2, [subnets("workload", ONE, east, outcome="denied"), subnets("workload", THREE, east, SHARED)], relation
    )
    assert shown(home) == [("subnet-1", THREE, "workload", east, False)]


@pytest.mark.parametrize("order", [1, -1])
def test_of_two_regions_or_questions_that_list_the_same_of_another_account_one_row_stays(
    home: House, order: int
) -> None:
    arn = "arn:aws:ec2:us-east-1:000000000002:subnet/subnet-1"
    asked = [
        replace(subnets("workload", ONE, region, SHARED), listing=listing)
        for region in ("us-east-1", "us-east-2")
        for listing in ("ec2_subnet:a", "ec2_subnet:b")
    ]
    night(home, 1, asked[::order], "aws.ec2_subnet")
    shutil.rmtree(home.store.landing / "night-1")
    home.execute(f"update aws.ec2_subnet set arn = '{arn}'")
    night(home, 2, [replace(cell, outcome="denied") for cell in asked], "aws.ec2_subnet")
    assert home.rows("select cell_region, listing from aws.ec2_subnet where caller_account_id = '000000000001'") == [
        {"cell_region": "us-east-1", "listing": "ec2_subnet:a"}
    ]


def test_the_row_of_another_account_comes_back_when_the_owner_lists_its_own_no_more(home: House) -> None:
    east, relation = "us-east-1", "aws.ec2_subnet"
    night(home, 1, [subnets("workload", ONE, east, SHARED, ("subnet-2", ONE))], relation)
    night(home, 2, [subnets("workload", TWO, east, SHARED)], relation)
    own = ("subnet-2", ONE, "workload", east, False)
    assert shown(home) == [("subnet-1", TWO, "workload", east, False), own]
    night(home, 3, [subnets("workload", TWO, east, outcome="empty_verified")], relation)
    assert shown(home) == [("subnet-1", ONE, "workload", east, False), own]


def test_of_two_roles_that_list_the_same_of_another_account_one_row_stays(home: House) -> None:
    east = "us-east-1"
    asked = [subnets(role, ONE, east, SHARED, ("subnet-2", ONE)) for role in ("workload", "operations")]
    night(home, 1, asked, "aws.ec2_subnet")
    assert shown(home) == [
        ("subnet-1", ONE, "operations", east, False),
        # Its own account's: that it stands twice is what the rule of the key says.
        ("subnet-2", ONE, "operations", east, False),
        ("subnet-2", ONE, "workload", east, False),
    ]


# ----------------------------------------------------------------------------------------- what is added to a month


def bill(month: str, amount: str, account: str = ONE, **other: Any) -> Given:
    records = [
        {
            "Keys": [ONE, "A"],
            "Metrics": {"UnblendedCost": {"Amount": amount, "Unit": "USD"}},
            "TimePeriod": {"Start": f"{month}-01", "End": f"{month}-02"},
            "Estimated": True,
        }
    ]
    return Given(f"cost_daily:service:{month}", records, role="billing", account_id=account, **other)


def billed(home: House) -> list[tuple[str, str, str]]:
    rows = home.rows("select usage_date, unblended_cost, run_id from cost.daily order by all")
    return [(row["usage_date"][:7], row["unblended_cost"].rstrip("0"), row["run_id"]) for row in rows]


def restated(home: House) -> list[tuple[str, str, str]]:
    rows = home.rows("select old_unblended_cost as old, new_unblended_cost as new, run_id from cost.restatement")
    return [(row["old"].rstrip("0"), row["new"].rstrip("0"), row["run_id"]) for row in rows]


def unreadable(home: House, number: int) -> None:
    landing.records_path(home.store.landing, f"night-{number}", "cost_daily").write_text("no record")


def test_a_month_replaces_itself_alone_and_what_stands_is_not_read_again(home: House) -> None:
    night(home, 1, [bill("2026-10", "1."), bill("2026-11", "2.")], "cost.daily")
    unreadable(home, 1)
    night(home, 2, [bill("2026-11", "3.")], "cost.daily")
    assert billed(home) == [("2026-10", "1.", "night-1"), ("2026-11", "3.", "night-2")]
    assert restated(home) == [("2.", "3.", "night-2")]
    home.build("cost.daily")
    assert restated(home) == [("2.", "3.", "night-2")]


def test_a_response_of_some_days_of_a_month_replaces_those_alone(home: House) -> None:
    def of_days(*days: int) -> Given:
        whole = bill("2026-11", "1.")
        spans = [{"Start": f"2026-11-0{day}", "End": f"2026-11-0{day + 1}"} for day in days]
        return replace(whole, records=[{**record, "TimePeriod": span} for record in whole.records for span in spans])

    def by_day() -> list[tuple[int, str]]:
        rows = home.rows("select day(usage_date) as day, run_id from cost.daily order by all")
        return [(row["day"], row["run_id"]) for row in rows]

    night(home, 1, [of_days(1, 2, 3)], "cost.daily")
    home.night("night-2", [of_days(2)], FIRST_NIGHT + hours(48))
    home.execute("""update audit.collection set evidence = '{"days": ["2026-11-02", "2026-11-03"]}'
        where run_id = 'night-2'""")
    home.build("cost.daily")
    assert by_day() == [(1, "night-1"), (2, "night-2")]
    night(home, 3, [of_days(4)], "cost.daily")
    assert by_day() == [(4, "night-3")]


def test_a_month_that_is_refused_is_stale_and_the_others_stand_once_and_are_not(home: House) -> None:
    night(home, 1, [bill("2026-09", "1."), bill("2026-10", "2."), bill("2026-11", "3.")], "cost.daily")
    refused = Given("cost_daily:service:2026-10", role="billing", account_id=ONE, outcome="denied")
    home.execute("update audit.relation_build set query_sha256 = null")
    night(home, 2, [refused], "cost.daily")
    assert home.rows("select left(usage_date::varchar, 7) as month, is_stale from cost.daily order by all") == [
        {"month": "2026-09", "is_stale": False},
        {"month": "2026-10", "is_stale": True},
        {"month": "2026-11", "is_stale": False},
    ]


def test_a_table_that_somebody_dropped_is_filled_anew(home: House) -> None:
    night(home, 1, [bill("2026-11", "2.")], "cost.daily")
    home.execute("drop table cost.daily")
    home.build("cost.daily")
    assert billed(home) == [("2026-11", "2.", "night-1")]


def test_a_log_that_somebody_dropped_is_there_again_and_what_stands_is_read_for_it(home: House) -> None:
    refused = Given("cost_daily:service:2026-11", role="billing", account_id=ONE, outcome="denied")
    home.execute("drop table cost.restatement")
    night(home, 1, [refused], "cost.daily")
    assert restated(home) == []
    night(home, 2, [bill("2026-11", "2.")], "cost.daily")
    home.execute("drop table cost.restatement")
    unreadable(home, 2)
    with pytest.raises(ModelError, match=r"records\.ndjson"):
        home.build("cost.daily")


@pytest.mark.parametrize(
    "other",
    [
        "run_id = 'another'",
        "role = 'workload'",
        f"caller_account_id = '{TWO}'",
        "cell_region = 'us-east-1'",
        "listing = 'cost_daily:service:2026-09'",
        "collected_at = collected_at - interval 1 second",
    ],
)
def test_only_the_rows_of_this_very_response_spare_reading_it(home: House, other: str) -> None:
    night(home, 1, [bill("2026-11", "2.")], "cost.daily")
    home.execute(f"update cost.daily set {other}")
    unreadable(home, 1)
    with pytest.raises(ModelError, match=r"records\.ndjson"):
        home.build("cost.daily")


def test_rows_of_another_query_or_of_none_that_is_known_spare_no_reading(home: House) -> None:
    night(home, 1, [bill("2026-11", "2.")], "cost.daily")
    home.execute("update audit.relation_build set query_sha256 = null")
    unreadable(home, 1)
    with pytest.raises(ModelError, match=r"records\.ndjson"):
        home.build("cost.daily")


def test_what_an_accepted_zero_took_away_was_taken_away_by_its_run_and_not_by_a_later_refusal(home: House) -> None:
    night(home, 1, [bill("2026-11", "2.")], "cost.daily")
    cell = Given("cost_daily:service:2026-11", role="billing", account_id=ONE, outcome="empty_suspect", accepted=True)
    home.night("night-2", [cell], FIRST_NIGHT + hours(48))
    night(home, 3, [replace(cell, outcome="denied", accepted=False)], "cost.daily")
    assert billed(home) == []
    assert home.rows("select new_unblended_cost as new, run_id from cost.restatement") == [
        {"new": None, "run_id": "night-2"}
    ]


def test_a_log_is_made_and_gets_the_columns_that_its_query_has_since(home: House) -> None:
    home.execute("drop table cost.restatement")
    night(home, 1, [bill("2026-11", "2.")], "cost.daily")
    night(home, 2, [bill("2026-11", "3.")], "cost.daily")
    assert restated(home) == [("2.", "3.", "night-2")]
    home.execute("alter table cost.restatement drop column new_unblended_cost")
    night(home, 3, [bill("2026-11", "4.")], "cost.daily")
    assert home.rows("select new_unblended_cost as new from cost.restatement where run_id = 'night-3'") == [
        {"new": "4.0000000000"}
    ]


def test_a_table_that_stays_gets_the_comments_of_a_newer_release(home: House) -> None:
    night(home, 1, [instances((ROLES[0], ONE, "us-east-1"), "i-1")])
    comments = """
        select column_name, comment from duckdb_columns()
        where schema_name = 'aws' and table_name = 'ec2_instance' order by all
    """
    before = home.rows(comments)
    assert before
    assert all(row["comment"] for row in before)
    home.execute("comment on column aws.ec2_instance.arn is 'of an older release'")
    assert home.rows(comments) != before
    night(home, 2, [instances((ROLES[0], ONE, "us-east-1"), "i-1")])
    assert home.rows(comments) == before
