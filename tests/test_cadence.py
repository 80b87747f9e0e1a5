"""Listings that change seldom: each cell is requested on its own night of the cycle, and what is not due stands.

Each rule that makes a cell due before its night has a world in which it does, beside one in which it does not.
"""

from __future__ import annotations

import csv
import datetime as dt
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import steps
from conftest import policies
from given import run_checks
from nights import DATABASE, REPOSITORY, copy_of, query, run_night
from steps import asked

from pipelines.catalogue.family import MONTHLY, RARELY, nights_between
from pipelines.catalogue.rds_parts import SHARED
from pipelines.catalogue.registry import INVENTORY, listings
from pipelines.collection import cadence
from pipelines.collection.billed import BilledItem
from pipelines.collection.known import KnownFromWarehouse
from pipelines.models import checks
from pipelines.trust import ages, publish_rules
from resources.audit.cells import CellState, renew_coverage
from resources.aws.listing import Listing
from resources.store.store import Store
from simulator.client import Simulator, start

Place = tuple[str, str]
"""Account and region of a workload cell."""

EVERY = 7
VOLUME = replace(listings()["ec2_volume"], every=EVERY, arn_form="ec2:volume/")
"""A listing with several records in most places; as it stands in the catalogue it is due every night."""

TODAY = dt.datetime.now(dt.UTC).date()

# ----------------------------------------------------------------------------------------------------- the date


def test_places_are_spread_evenly_over_the_nights() -> None:
    regions = [f"eu-west-{number}" for number in range(17)]
    places = Counter(cadence.phase(f"{account:012d}", region, EVERY) for account in range(60) for region in regions)
    mean = 60 * len(regions) / EVERY
    assert set(places) == set(range(EVERY))
    assert all(abs(count - mean) < 0.2 * mean for count in places.values()), places


@pytest.mark.parametrize("every", [1, 2, 7, 14])
@pytest.mark.parametrize("account", ["000000000001", "999999999999"])
def test_a_place_is_due_once_in_each_cycle_and_never_older_than_it(account: str, every: int) -> None:
    requested = TODAY
    gaps = []
    for night in (TODAY + dt.timedelta(days=count) for count in range(1, 5 * every + 1)):
        if cadence.is_due_by_date(account, "eu-west-1", every, requested, night):
            gaps.append((night - requested).days)
            requested = night
    assert gaps[0] <= every
    assert set(gaps[1:]) == {every}


def test_a_night_without_a_run_is_made_up_for_and_a_clock_that_was_ahead_holds_nothing_up() -> None:
    account, region = "000000000001", "eu-west-1"
    due = [cadence.is_due_by_date(account, region, EVERY, TODAY, TODAY + dt.timedelta(days=gap)) for gap in range(20)]
    assert due == [False] * due.index(True) + [True] * (20 - due.index(True))
    assert not due[0]
    assert cadence.is_due_by_date(account, region, EVERY, TODAY + dt.timedelta(days=400), TODAY)


# ------------------------------------------------------------------------------------------------ the catalogue

EXPOSED = {
    "cloudwatch_metric", "ec2_address", "ec2_flow_log", "ec2_image", "ec2_instance", "ec2_nat_gateway",
    "ec2_internet_gateway", "ec2_network_acl", "ec2_network_interface", "ec2_public_snapshot", "ec2_region",
    "ec2_route_table", "ec2_security_group", "ec2_security_group_rule", "ec2_snapshot", "ec2_subnet", "ec2_volume",
    "ec2_vpc", "lambda_function", "organizations_account", "rds_db_cluster", "rds_db_cluster_snapshot",
    "rds_db_instance", "rds_db_snapshot", "s3_bucket",
}  # fmt: skip
"""What costs, changes or is exposed from one day to the next: requested every night, whatever it takes."""

SELDOM = [listing for listing in listings().values() if listing.every > 1]


def test_no_listing_of_what_changes_every_day_has_a_cadence() -> None:
    assert {listing.name for listing in SELDOM} & EXPOSED == set()


BEFORE = {
    "ec2_address", "ec2_flow_log", "ec2_image", "ec2_instance", "ec2_nat_gateway", "ec2_network_interface",
    "ec2_security_group", "ec2_security_group_rule", "ec2_snapshot", "ec2_subnet", "ec2_volume", "ec2_vpc",
    "lambda_function", "lambda_function_tag", "rds_db_cluster", "rds_db_cluster_snapshot", "rds_db_instance",
    "rds_db_snapshot", "s3_bucket", "s3_bucket_content", "s3_bucket_tag",
}  # fmt: skip
"""The inventory before there were so many types: what a night requested then is 1."""

AT_MOST = 1.6


CELLS = """
    select
        split_part(listing, ':', 1), account_id, region, request_count, record_count > 0,
        listing like 'ec2_vpc_block_public_access_%' and exists (
            from aws.ec2_vpc_block_public_access_option as options
            where
                options.account_id = cell.account_id and options.cell_region = cell.region
                and options.block_mode <> 'off'
        )
    from audit.collection as cell
    where request_count > 0 and run_id = (select min_by(run_id, ended_at) from audit.collection)
"""
"""Requests of the first night, whether there was anything, and whether every night requests it for what it blocks."""

Share = Callable[[Listing, str, str, bool], float]
"""How often a cell is requested, from 0 to 1: by its listing, account, region, and whether it has records."""


def on_a_usual_night(listing: Listing, account: str, region: str, has_records: bool) -> float:
    """The mean of all nights."""
    return 1 / nights_between(listing, has_records)


def on_the_next_night(listing: Listing, account: str, region: str, has_records: bool) -> float:
    """What is due by the date."""
    every = nights_between(listing, has_records)
    return float(every == 1 or cadence.is_due_by_date(account, region, every, TODAY, TODAY + dt.timedelta(days=1)))


def requests_of(database: Path, share: Share) -> tuple[float, int]:
    """Requests of a night for the inventory, from those of the first; and what the first sent for `BEFORE`."""
    known = {listing.name: listing for listing in (*INVENTORY.listings, *SHARED.listings)}
    rows = [row for row in query(database, CELLS) if row[0] in known]
    expected = sum(
        requests if is_nightly else requests * share(known[name], account, region, has_records)
        for name, account, region, requests, has_records, is_nightly in rows
    )
    return expected, sum(requests for name, _, _, requests, _, _ in rows if name in BEFORE)


def test_a_usual_night_requests_at_most_1_6_times_what_it_did_before_there_were_so_many_types(
    truthful_night: Path,
) -> None:
    assert {listing.name for listing in SELDOM} & BEFORE == set()
    usual, before = requests_of(truthful_night / DATABASE, on_a_usual_night)
    assert before > 500
    assert 1 < usual / before <= AT_MOST, f"{usual:,.0f} requests instead of {before:,}"


@pytest.mark.large
def test_so_it_is_of_sixty_accounts_with_pages_as_large_as_those_of_aws(tmp_path: Path) -> None:
    """A page of five, as the simulator has by default, makes more of what there was before: that has most records."""
    with start(tmp_path / "organisation", policies(), accounts=60, page_size=1000) as organisation:
        assert run_night({**organisation.env, "CMDB_ZERO_EVIDENCE": "identity"}, tmp_path / DATABASE).published
    usual, before = requests_of(tmp_path / DATABASE, on_a_usual_night)
    assert before > 3_500
    assert 1 < usual / before <= AT_MOST, f"{usual:,.0f} requests instead of {before:,}"


@pytest.mark.large
def test_a_second_night_requests_what_is_reckoned(
    organisation: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**organisation.env, "CMDB_ZERO_EVIDENCE": "identity"}
    assert run_night(environment, tmp_path / DATABASE).published
    reckoned, _ = requests_of(tmp_path / DATABASE, on_the_next_night)
    monkeypatch.setattr(cadence, "today", lambda: TODAY + dt.timedelta(days=1))
    second = run_night(environment, tmp_path / DATABASE)
    assert second.published, second.sentences
    ((sent,),) = query(
        tmp_path / DATABASE,
        "select sum(request_count) from audit.collection "
        "where run_id = $run and list_contains($names, split_part(listing, ':', 1))",
        {"run": second.run_id, "names": [listing.name for listing in (*INVENTORY.listings, *SHARED.listings)]},
    )
    assert sent == pytest.approx(reckoned, rel=0.02)


BILLED = {
    row["listing"]
    for row in csv.DictReader(
        (REPOSITORY / "warehouse" / "ref" / "usage_type_listing.csv").read_text(encoding="utf-8").splitlines()
    )
}
"""Listings of which a usage type of the bill says that there is something."""


@pytest.mark.parametrize("listing", SELDOM, ids=lambda listing: listing.name)
def test_a_listing_with_a_cadence_can_be_named_by_other_sources(listing: Listing) -> None:
    """Without a type and the form of its ARN nothing could say that there is more than is held."""
    assert 1 < listing.every <= MONTHLY
    if listing.resource_type:
        # A place that is named has one cell, whatever parents are in it.
        assert listing.each is None or not listing.each.parameter or listing.each.in_one_cell
        service = listing.arn_form.partition(":")[0]
        assert service in (listing.service.removesuffix("control"), "s3-object-lambda")
        return
    assert listing.arn_form == ""
    # What is no item describes its parents, or is billed, or is AWS's own, of which there is always the same.
    assert listing.each is not None or listing.name in BILLED or listing.zero == "impossible"


def test_no_listing_is_held_impossible_to_be_empty_by_a_list_of_parents_that_is_nights_old() -> None:
    """Parents that were deleted since have nothing, and no error code reports that they are gone."""
    known = listings()
    assert [
        listing.name
        for listing in known.values()
        if listing.zero == "impossible"
        and listing.each is not None
        and any(known[parent].every > 1 for parent in listing.each.of)
        and "parent_gone" not in listing.skip_codes.values()
    ] == []


def test_the_arns_of_a_listing_with_a_cadence_have_the_form_that_it_states(truthful_night: Path) -> None:
    for listing in (listing for listing in SELDOM if listing.resource_type):
        arns = query(
            truthful_night / DATABASE,
            "select split_part(arn, ':', 3) || ':' || regexp_replace(arn, '^([^:]*:){5}', '') from cmdb.resource "
            "where resource_type = $type",
            {"type": listing.resource_type},
        )
        assert arns, listing.name
        assert all(arn.startswith(listing.arn_form) for (arn,) in arns), (listing.name, arns[:3])


def test_a_central_listing_with_a_cadence_may_be_as_old_as_its_nights_when_it_is_published() -> None:
    now = dt.datetime.now(dt.UTC)
    cell = CellState(
        "operations", "1" * 12, "eu-west-1", "ec2_key_pair", "found", True, "run", now - dt.timedelta(days=6.5)
    )
    every_night = publish_rules.freshness_check("ec2_key_pair", [cell], now=now, max_age=ages.publish_max_age(1))
    seldom = publish_rules.freshness_check("ec2_key_pair", [cell], now=now, max_age=ages.publish_max_age(EVERY))
    older = replace(cell, ended_at=now - dt.timedelta(days=7.5))
    beyond = publish_rules.freshness_check("ec2_key_pair", [older], now=now, max_age=ages.publish_max_age(EVERY))
    assert (every_night.blocks, seldom.blocks, beyond.blocks) == (True, False, True)


# ---------------------------------------------------------------------------------------------------- the nights


class Nights:
    """A warehouse with a truthful night in it, and one step of later nights over it."""

    def __init__(self, organisation: Simulator, database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.organisation, self.database, self._monkeypatch = organisation, database, monkeypatch
        self._count = 0
        # The truthful night requested another entry of the catalogue, and a changed listing is requested.
        self.first = self.night()

    def night(self, day: int = 0, listing: Listing = VOLUME, **options: Any) -> dict[Place, str]:
        """The outcome of each workload cell that a night requested.

        Args:
            day: of the night, counted from today.
            options: of `asked`.
        """
        self._monkeypatch.setattr(cadence, "today", lambda: TODAY + dt.timedelta(days=day))
        self._count += 1
        options = {"is_by_cadence": True, "run": f"night-{self._count}", "CMDB_ZERO_EVIDENCE": "identity", **options}
        with asked(self.organisation, self.database, listing, **options) as cells:
            requested = [cell for cell in cells if cell.role == "workload" and cell.attempt_count]
        return {(cell.account_id, cell.region): cell.outcome for cell in requested}

    def due(self, day: int) -> set[Place]:
        """The places whose night comes until then."""
        night = TODAY + dt.timedelta(days=day)
        return {
            place
            for place, outcome in self.first.items()
            if cadence.is_due_by_date(*place, nights_between(VOLUME, outcome == "found"), TODAY, night)
        }

    def write(self, sql: str, **parameters: Any) -> None:
        """Change the working file."""
        store = Store(self.database)
        with store.holding("write", "a test"), store.transaction() as connection:
            connection.execute(sql, parameters)
            renew_coverage(connection)

    def forget(self, account: str, region: str = "%") -> None:
        """An account, or one region of it, that nobody ever requested."""
        self.write(
            "delete from audit.collection "
            "where listing = 'ec2_volume' and account_id = $account and region like $region",
            account=account,
            region=region,
        )


@pytest.fixture
def home(organisation: Simulator, truthful_night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nights:
    nights = Nights(organisation, copy_of(truthful_night, tmp_path), monkeypatch)
    assert len(nights.first) > 20
    return nights


def held(home: Nights) -> dict[Place, tuple[str, bool]]:
    """Run and trust of the newest cell of each workload place."""
    rows = query(
        home.database,
        "select account_id, region, run_id, is_trusted from audit.coverage "
        "where listing = 'ec2_volume' and role = 'workload' and outcome <> 'skipped'",
        of="working",
    )
    return {(account, region): (run, is_trusted) for account, region, run, is_trusted in rows}


def test_a_night_requests_what_is_due_and_the_rest_stands(home: Nights) -> None:
    night = home.night(1)
    assert night.keys() == home.due(1)
    assert 0 < len(night) < len(home.first) / 2
    newest = held(home)
    assert {place for place, (run, _) in newest.items() if run == "night-2"} == night.keys()
    assert {is_trusted for _, is_trusted in newest.values()} == {True}


@pytest.mark.large
def test_in_fourteen_nights_every_cell_is_requested_and_stands_meanwhile(home: Nights) -> None:
    requested: Counter[Place] = Counter()
    for day in range(1, RARELY + 1):
        night = home.night(day)
        requested += Counter(night.keys())
        # The cells have the machine's time: each night's are put where the night was.
        home.write(
            "update audit.collection set ended_at = ended_at + $day * interval 1 day "
            "where run_id = $run and listing = 'ec2_volume'",
            day=day,
            run=f"night-{day + 1}",
        )
        # What was not due is as it was: of its own run, trusted, neither skipped nor stale.
        newest = held(home)
        assert {place for place, (run, _) in newest.items() if run == f"night-{day + 1}"} == night.keys()
        assert all(is_trusted for place, (_, is_trusted) in newest.items() if place not in night)
    # Where there was nothing, half as often.
    assert set(home.first.values()) == {"found", "empty_verified"}
    assert requested == {place: 2 if outcome == "found" else 1 for place, outcome in home.first.items()}


@pytest.mark.large
def test_a_run_without_cadence_requests_everything(home: Nights) -> None:
    assert home.night() == {}
    assert home.night(is_by_cadence=False).keys() == home.first.keys()
    assert home.night(listing=replace(VOLUME, every=1)).keys() == home.first.keys()


@pytest.mark.large
def test_a_listing_that_has_changed_is_requested_at_once(home: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = replace(VOLUME, parameters={"MaxResults": 500})
    assert home.night(listing=changed).keys() == home.first.keys()
    assert home.night(listing=changed) == {}
    rules = steps.record_rules()
    another_query = {**rules, "ec2_volume": replace(rules["ec2_volume"], queries="of another release")}
    monkeypatch.setattr(steps, "record_rules", lambda: another_query)
    assert home.night(listing=changed).keys() == home.first.keys()
    assert home.night(listing=changed) == {}


@pytest.mark.large
def test_a_new_account_and_a_region_that_was_never_requested_are_requested(home: Nights) -> None:
    first, *_, last = sorted(home.first)
    home.forget(*first)
    assert home.night().keys() == {first}
    home.forget(last[0])
    assert home.night().keys() == {place for place in home.first if place[0] == last[0]}


@pytest.mark.parametrize(
    "rule",
    [
        pytest.param({"action": "denied"}, id="denied"),
        pytest.param({"action": "error", "status": 400}, id="failed", marks=pytest.mark.large),
    ],
)
def test_what_was_refused_on_its_night_is_requested_on_the_next(home: Nights, rule: dict[str, Any]) -> None:
    place = min(place for place in home.due(1) if home.first[place] == "found")
    home.organisation.faults([{"op": "DescribeVolumes", "account": place[0], "region": place[1], **rule}])
    assert home.night(1)[place] in ("denied", "failed")
    assert held(home)[place][1] is False
    home.organisation.control("DELETE", "/faults")
    # The others of that night have today's date, so they are due again; by the date this one is not.
    home.night(1)
    assert held(home)[place] == ("night-3", True)
    assert home.night() == {}


@pytest.mark.large
def test_a_response_that_is_not_trusted_is_requested_before_its_night(home: Nights) -> None:
    place = min(home.first)
    home.write(
        "update audit.collection set outcome = 'denied', is_trusted = false where listing = 'ec2_volume' "
        "and account_id = $account and region = $region and run_id = 'night-1'",
        account=place[0],
        region=place[1],
    )
    assert home.night().keys() == {place}
    assert home.night() == {}


@pytest.mark.large
def test_what_a_check_disputes_is_requested(home: Nights) -> None:
    account, region = place = min(home.first)
    store = Store(home.database)
    with store.holding("rule", "test"):
        rule = checks.SqlCheck(
            "never",
            "aws.ec2_volume",
            True,
            "Never.",
            "select role, account_id as caller_account_id, region as cell_region, listing from audit.coverage "
            f"where account_id = '{account}' and listing = 'ec2_volume' and region = '{region}'",
        )
        run_checks(store, [rule], "another-night", "")
    assert home.night().keys() == {place}
    assert home.night() == {}


@pytest.mark.large
def test_what_the_bill_shows_and_no_cell_holds_is_requested(home: Nights, monkeypatch: pytest.MonkeyPatch) -> None:
    volumes = BilledItem("EBS:VolumeUsage", is_shared=False)
    having = min(account for (account, _), outcome in home.first.items() if outcome == "found")
    empty = min(home.first)[0]
    home.write(
        "update audit.collection set record_count = 0, outcome = 'empty_verified' "
        "where listing = 'ec2_volume' and account_id = $account",
        account=empty,
    )
    having = max(account for (account, _), outcome in home.first.items() if outcome == "found")
    assert having != empty
    shown = {(empty, "ec2_volume"): (volumes,), (having, "ec2_volume"): (volumes,)}
    monkeypatch.setattr(KnownFromWarehouse, "billed_services", property(lambda _: shown))
    # The bill has no region, so every region of the account is requested.
    assert home.night().keys() == {place for place in home.first if place[0] == empty}


NAMED = {
    "aws.tagged_resource": "'ec2' as service",
    "aws.config_resource": "'AWS::EC2::Volume' as resource_type, 'ResourceDiscovered' as state",
}


@pytest.mark.parametrize(
    "source", ["aws.tagged_resource", pytest.param("aws.config_resource", marks=pytest.mark.large)]
)
def test_what_another_source_names_and_no_cell_holds_is_requested(home: Nights, source: str) -> None:
    account, region = place = max(home.first)
    insert = (
        f"insert into {source} by name select * replace ($arn as arn, $account as account_id, $region as region, "
        f"false as is_stale, {NAMED[source]}) from {source} limit 1"
    )
    arn = f"arn:aws:ec2:{region}:{account}:"
    ((held_arn,),) = query(home.database, "select min(arn) from cmdb.resource where resource_type = 'AWS::EC2::Volume'")
    home.write(insert, arn=held_arn, account=account, region=region)
    if source == "aws.tagged_resource":
        home.write(insert, arn=f"{arn}instance/i-0123456789abcdef0", account=account, region=region)
    assert home.night() == {}
    home.write(insert, arn=f"{arn}volume/vol-0123456789abcdef0", account=account, region=region)
    assert home.night().keys() == {place}


# ------------------------------------------------------------------------------------------- what decides besides

URLS = listings()["lambda_function_url"]


def test_urls_are_requested_at_once_where_the_functions_are_others(home: Nights) -> None:
    assert home.night(listing=URLS) == {}
    place = min(query(home.database, "select account_id, region from aws.lambda_function_url"))
    home.write(
        'update audit.collection set evidence = json_merge_patch(evidence, \'{"parents": "others"}\') '
        "where listing = 'lambda_function_url' and account_id = $account and region = $region",
        account=place[0],
        region=place[1],
    )
    assert home.night(listing=URLS).keys() == {place}
    assert home.night(listing=URLS) == {}


@pytest.mark.parametrize(
    "name",
    [
        "ec2_vpc_block_public_access_option",
        pytest.param("ec2_vpc_block_public_access_exclusion", marks=pytest.mark.large),
    ],
)
def test_what_keeps_the_internet_out_is_requested_every_night(home: Nights, name: str) -> None:
    listing = listings()[name]
    first = home.night(listing=replace(listing, every=1))
    blocking = {
        (account, region)
        for account, region in query(
            home.database,
            "select caller_account_id, cell_region from aws.ec2_vpc_block_public_access_option "
            "where block_mode <> 'off' and role = 'workload'",
        )
    }
    assert 0 < len(blocking) < len(first) / 2
    home.night(listing=listing)
    assert home.night(listing=listing).keys() == blocking
    # The very same listing without the rule would wait, and what is blocked would stand for a week.
    waiting = replace(listing, nightly_unless=None)
    home.night(listing=waiting)
    assert home.night(listing=waiting) == {}


SHARES = listings()["rds_db_snapshot_attribute"]


def test_a_snapshot_that_is_new_is_requested_before_its_night_and_an_automated_one_never(home: Nights) -> None:
    """One that nobody listed the attributes of may be for everybody: a week would be too long."""
    assert home.night(listing=SHARES) == {}
    rows = [row for row in home.organisation.truth("databases")["db_snapshots"] if not row["is_of_cluster"]]
    manual = min(row["arn"] for row in rows if row["snapshot_type"] == "manual")
    automated = min(row["arn"] for row in rows if row["snapshot_type"] == "automated")
    home.organisation.change("copy_database_snapshot", arn=manual, name="given-away", restore_by=["all"])
    # It is none of the parents before it is listed itself.
    assert home.night(listing=SHARES) == {}
    home.night(listing=listings()["rds_db_snapshot"])
    assert home.night(listing=SHARES) == {(manual.split(":")[4], manual.split(":")[3]): "found"}
    assert home.night(listing=SHARES) == {}
    # Without the rule an automated one would be a parent like any other.
    assert SHARES.each is not None
    whatever = replace(SHARES, each=replace(SHARES.each, where={}))
    assert (automated.split(":")[4], automated.split(":")[3]) in home.night(listing=whatever)


# ------------------------------------------------------------------------------------- without the landing


def published_alone(folder: Path, tmp_path: Path) -> Path:
    """A warehouse of the published file and nothing else, as docs/howto/scale.md says to go on elsewhere."""
    version = (folder / DATABASE).resolve()
    database = tmp_path / "elsewhere" / DATABASE
    (database.parent / "versions").mkdir(parents=True)
    shutil.copyfile(version, database.parent / "versions" / version.name)
    database.symlink_to(Path("versions", version.name))
    return database


def test_parents_whose_records_are_gone_are_requested_again(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    parent, child = "ec2_customer_gateway", "ec2_vpn_connection"
    each = listings()[child].each
    assert each is not None and each.of == (parent,)

    def requested(database: Path) -> set[tuple[str, str, str]]:
        options: dict[str, Any] = {"is_by_cadence": True, "CMDB_ZERO_EVIDENCE": "identity"}
        with asked(organisation, database, parent, child, **options) as cells:
            return {(cell.listing, cell.account_id, cell.region) for cell in cells if cell.attempt_count}

    database = copy_of(truthful_night, tmp_path)
    assert requested(database) == set()
    for folder in Store(database).landing.glob(f"*/{parent}"):
        shutil.rmtree(folder)
    held = "select listing, account_id, region from audit.coverage where listing = $name and outcome <> 'skipped'"
    # Those without a record too, and no child: it has its parents, and its night has not come.
    assert requested(database) == set(query(truthful_night / DATABASE, held, {"name": parent}))


@pytest.mark.large
def test_a_night_from_the_published_file_alone_publishes(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    elsewhere = published_alone(truthful_night, tmp_path)
    night = run_night(organisation.env, elsewhere)
    assert night.published, night.sentences
    of_both = "select count(*), count(*) filter (is_stale) from aws.ec2_customer_gateway"
    assert query(elsewhere, of_both) == query(truthful_night / DATABASE, of_both)
    # What is no parent stays as it was published until its night comes.
    stays = "select count(*) from audit.coverage where run_id <> $run and outcome = 'found'"
    assert query(elsewhere, stays, {"run": night.run_id})[0][0] > 0
