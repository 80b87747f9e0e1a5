"""What was judged, and what is unknown: of every table, by what ought to have been asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from given import FIRST_NIGHT, WORKLOAD, Given, House, hours, member

from pipelines.catalogue.registry import listings
from pipelines.errors import SqlFileError
from pipelines.models import claims
from pipelines.models.model import read_models
from pipelines.models.sql_files import read_header, reads
from pipelines.trust import outcomes
from resources.aws.messages import DENIED_BY_POLICY, OPTIONAL_GRANT

if TYPE_CHECKING:
    from pipelines.models.model import Model

OTHER = "012345678902"

SECOND_NIGHT = FIRST_NIGHT + hours(24)

CLAIMING_NOTHING = {
    f"cmdb.finding_{name}"
    for name in ("unknown", "open_rule_unknown", "unused_security_group_unknown", "exposure_unknown")
}
"""What says itself what is unknown."""

NETWORK = ("ec2_security_group", "ec2_security_group_rule", "ec2_network_interface")
"""What cmdb.finding_open_rule rests on, beside the list of accounts."""

OPEN_RULE = "cmdb.finding_open_rule"


def members(*accounts: str, state: str = "ACTIVE") -> list[Given]:
    """The list of accounts, and the regions of the first."""
    listed = [member(account, state) for account in accounts]
    regions = Given("ec2_region", [{"RegionName": "ap-southeast-2"}], account_id=accounts[0])
    return [Given("organizations_account", listed), regions]


def claim(home: House, name: str = OPEN_RULE) -> dict[str, Any]:
    """The row of one claim."""
    home.build("audit.claim")
    (row,) = home.rows("select * from audit.claim where claim = $claim", {"claim": name})
    return row


def gaps(home: House, name: str = OPEN_RULE) -> set[tuple[Any, ...]]:
    """What is unknown of one claim: account, region, listing and reason."""
    home.build("audit.claim_gap")
    found = home.rows(
        "select account_id, region, listing, unknown_reason from audit.claim_gap where claim = $claim", {"claim": name}
    )
    return {tuple(row.values()) for row in found}


# ----------------------------------------------------------------------------------------- what a claim rests on


def model(sql: str, *, schema: str = "cmdb", name: str = "thing", header: str = "") -> Model:
    """A model of a query, as a file would make it."""
    from pipelines.models.model import Model

    text = f"-- Rows.\n{header}-- a: It.\n{sql}"
    found = reads(text)
    return Model(schema, name, text, read_header(text), found.relations, found.listings, place="warehouse/it.sql")


def rests_on(*models: Model) -> dict[str, set[tuple[str, str]]]:
    return {
        name: set(scope.rests_on) for name, scope in claims.scopes({each.relation: each for each in models}).items()
    }


def test_every_table_that_people_read_rests_on_something() -> None:
    models = read_models()
    scopes = claims.scopes(models)
    claiming = {name for name, each in models.items() if each.schema in ("org", "cost", "cmdb")}
    assert {name for name in claiming if not scopes[name].rests_on} == CLAIMING_NOTHING
    listed = set(re.findall(r"^    \('([a-z]+\.\w+)'", models["audit.claim_listing"].sql, flags=re.M))
    assert claiming <= listed


def test_a_claim_rests_on_what_its_query_reads_on_its_parents_and_on_the_accounts() -> None:
    tags = model("select item.a from landing('s3_bucket_tag', 'STRUCT(a VARCHAR)')", schema="aws", name="tags")
    below = model("select a from aws.tags", name="below")
    assert rests_on(tags, below)["cmdb.below"] == {
        ("s3_bucket_tag", ""),
        ("s3_bucket", ""),
        ("organizations_account", ""),
        ("ec2_region", ""),
    }


DAILY = model("select item.a from landing('cost_daily', 'STRUCT(a VARCHAR)')", schema="cost", name="daily")
EVERY_CUT = {"service", "record_type", "tag", "region", "usage_type"}


@pytest.mark.parametrize(
    ("sql", "cuts"),
    [
        ("select a from cost.daily", EVERY_CUT),
        ("select a from cost.daily where slice = 'service'", {"service"}),
        ("select a from cost.daily as d where d.a > 1 and starts_with(d.slice, 'tag:')", {"tag"}),
        ("select a from cost.daily where slice in ('service', 'region')", {"service", "region"}),
        ("select b.a from ref.b as b join cost.daily as d on d.slice = 'tag:' || b.key and b.a = d.a", {"tag"}),
        ("select a from cost.daily where slice = 'service' or a = 1", EVERY_CUT),
        ("select a from cost.daily where slice <> 'service'", EVERY_CUT),
        ("select a from cost.daily where slice = 'service' union all select a from cost.daily", EVERY_CUT),
        (
            "select a from cost.daily where slice = 'service' union all "
            "select a from cost.daily where slice = 'region'",
            {"service", "region"},
        ),
        ("select a from cost.daily where slice = 'service' and a > (select max(a) from cost.daily)", EVERY_CUT),
    ],
)
def test_of_the_bill_only_the_cuts_count_that_every_part_of_a_query_names(sql: str, cuts: set[str]) -> None:
    assert rests_on(DAILY, model(sql))["cmdb.thing"] == {("cost_daily", cut) for cut in cuts}


@pytest.mark.parametrize(
    ("line", "left"),
    [
        ("slices=service because it is so", {("cost_daily", "service")}),
        ("without=cost_daily because it is so", set()),
        ("nothing because it is so", set()),
    ],
)
def test_a_header_leaves_out_what_it_gives_a_reason_for(line: str, left: set[tuple[str, str]]) -> None:
    made = model("select a from cost.daily", header=f"-- rests_on: {line}\n")
    assert rests_on(DAILY, made)["cmdb.thing"] == left
    scope = claims.scopes({each.relation: each for each in (DAILY, made)})["cmdb.thing"]
    assert set(scope.left_out.values()) == {"it is so"}
    # What reads the table leaves it out, too.
    assert rests_on(DAILY, made, model("select a from cmdb.thing", name="above"))["cmdb.above"] == left


def test_what_reads_a_table_says_what_that_leaves_out_unless_it_rests_on_it_itself() -> None:
    landed = model("select item.a from landing('s3_bucket_tag', 'STRUCT(a VARCHAR)')", schema="aws", name="tags")
    header = "-- rests_on: without=s3_bucket_tag because it is so\n"
    made = model("select a from aws.tags", header=header)
    above = model("select a from cmdb.thing", name="above")
    both = model("select a from cmdb.thing union all select a from aws.tags", name="both")
    top = model("select a from cmdb.above", name="top")
    found = claims.scopes({each.relation: each for each in (landed, made, above, both, top)})
    assert {name for name, scope in found.items() if scope.left_out == {("s3_bucket_tag", ""): "it is so"}} == {
        "cmdb.thing",
        "cmdb.above",
        "cmdb.top",
    }
    assert found["cmdb.both"].left_out == {}


def test_a_header_adds_every_listing_of_a_role() -> None:
    made = model("select a from cost.daily", header="-- rests_on: with=management because it is so\n")
    found = rests_on(DAILY, made)["cmdb.thing"]
    of_role = {name for name, listing in listings().items() if "management" in listing.roles}
    assert found == {(name, "") for name in of_role} | {("cost_daily", cut) for cut in EVERY_CUT}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("without=cost_daily", "no reason"),
        ("without=cost_daily because ", "no reason"),
        ("without=ec2_vpc because it is so", "ec2_vpc names nothing"),
        ("slices=colour because it is so", "colour names nothing"),
        ("without= because it is so", "names nothing"),
        ("with=nobody because it is so", "names no role"),
        ("with= because it is so", "names no role"),
        ("colour=red because it is so", "colour is unknown"),
    ],
)
def test_a_header_that_leaves_out_nothing_is_refused(line: str, says: str) -> None:
    made = model("select a from cost.daily", header=f"-- rests_on: {line}\n")
    with pytest.raises(SqlFileError, match=f"warehouse/it.sql: rests_on: .*{says}"):
        rests_on(DAILY, made)


# ------------------------------------------------------------------------------------------ what a cell is worth


def test_every_outcome_and_every_reason_is_decided(home: House) -> None:
    home.build("ref.cell_state")
    states = {(row["outcome"], row["skip_reason"]): row["state"] for row in home.rows("select * from ref.cell_state")}
    reasons = {
        *outcomes.CONCLUSIVE_SKIPS,
        *outcomes.WAITING_SKIPS,
        *outcomes.CLOSED,
        *outcomes.UNREACHED,
        *outcomes.RETIRING,
        *(outcomes.FOR_LATER, outcomes.NO_LONGER_REQUESTED, outcomes.TOO_MANY_PAGES, outcomes.NO_COST_DATA),
        *(DENIED_BY_POLICY, OPTIONAL_GRANT),
        *(reason for listing in listings().values() for reason in listing.skip_codes.values()),
    }
    assert {reason for outcome, reason in states if outcome == "skipped"} == reasons
    assert {outcome for outcome, reason in states if not reason} == {
        "found",
        "empty_verified",
        "empty_unconfirmed",
        "empty_suspect",
        "denied",
        "wrong_account",
        "failed",
    }
    gone = {reason for (_, reason), state in states.items() if state == "gone"}
    assert gone == outcomes.RETIRING


JUDGED = [Given("ec2_network_interface"), Given("ec2_network_interface", outcome="empty_suspect", accepted=True)]
OUTSIDE = [
    Given("ec2_network_interface", outcome="skipped", skip_reason=reason)
    for reason in ("not_offered", "region_not_enabled", "account_left", "no_longer_asked")
]
UNKNOWN = [
    *(Given("ec2_network_interface", outcome=outcome) for outcome in ("denied", "failed", "wrong_account")),
    *(Given("ec2_network_interface", outcome=outcome) for outcome in ("empty_suspect", "empty_unconfirmed")),
    *(
        Given("ec2_network_interface", outcome="skipped", skip_reason=reason)
        for reason in (
            "no_profile",
            "account_suspended",
            "denied_by_policy",
            "region_not_selected",
            "region_disabled",
            "request_limit",
            "of_no_list",
        )
    ),
]


def named(given: Given) -> str:
    return given.skip_reason or ("accepted" if given.accepted else given.outcome) or "empty"


@pytest.mark.parametrize("interface", JUDGED, ids=named)
def test_what_is_known_is_judged(home: House, interface: Given) -> None:
    home.night("run-1", [*members(WORKLOAD), *(Given(name) for name in NETWORK[:2]), interface])
    found = claim(home)
    assert (found["scope"], found["judged"], found["unknown"], found["unknown_reason"]) == (5, 5, 0, None)
    assert (found["unit"], found["unknown_accounts"], found["as_of"]) == ("cell", 0, "2026-11-24T14:00:00Z")
    assert gaps(home) == set()


@pytest.mark.parametrize("interface", OUTSIDE, ids=named)
def test_where_nothing_can_be_there_is_nothing_to_judge(home: House, interface: Given) -> None:
    home.night("run-1", [*members(WORKLOAD), *(Given(name) for name in NETWORK[:2]), interface])
    found = claim(home)
    assert (found["scope"], found["judged"], found["unknown"]) == (4, 4, 0)


@pytest.mark.parametrize("interface", UNKNOWN, ids=named)
def test_what_is_not_known_is_unknown_with_its_reason(home: House, interface: Given) -> None:
    home.night("run-1", [*members(WORKLOAD), *(Given(name) for name in NETWORK[:2]), interface])
    found = claim(home)
    reason = interface.skip_reason or interface.outcome
    assert (found["scope"], found["judged"], found["unknown"], found["unknown_accounts"]) == (5, 4, 1, 1)
    assert found["unknown_reason"] == f"{reason} 1"
    assert gaps(home) == {(WORKLOAD, "ap-southeast-2", "ec2_network_interface", reason)}


def test_rows_that_stand_where_nobody_requests_any_more_are_unknown(home: House) -> None:
    interface = {"OwnerId": WORKLOAD, "NetworkInterfaceId": "eni-1"}
    home.night(
        "run-1",
        [*members(WORKLOAD), *(Given(name) for name in NETWORK[:2]), Given("ec2_network_interface", [interface])],
    )
    assert claim(home)["unknown"] == 0
    home.night(
        "run-2",
        [Given("ec2_network_interface", outcome="skipped", skip_reason="region_not_enabled")],
        at=SECOND_NIGHT,
    )
    assert claim(home)["unknown_reason"] == "region_not_enabled 1"


# --------------------------------------------------------------------------------------------- what nobody asked


def test_an_account_that_nobody_requested_is_unknown_in_every_listing(home: House) -> None:
    home.night("run-1", [*members(WORKLOAD, OTHER), *(Given(name) for name in NETWORK)])
    assert gaps(home) == {(OTHER, "aws-global", name, "never_asked") for name in ("ec2_region", *NETWORK)}
    found = claim(home)
    assert (found["scope"], found["judged"], found["unknown"]) == (9, 5, 4)
    assert found["unknown_accounts"] == 1


@pytest.mark.parametrize(("state", "is_wanted"), [("SUSPENDED", True), ("PENDING_CLOSURE", True), ("CLOSED", False)])
def test_of_the_accounts_only_those_that_left_are_not_wanted(home: House, state: str, is_wanted: bool) -> None:
    home.night("run-1", [*members(WORKLOAD, state=state)])
    assert bool(gaps(home)) is is_wanted


def test_a_region_in_which_only_other_listings_were_requested_is_unknown(home: House) -> None:
    home.night(
        "run-1",
        [
            *members(WORKLOAD),
            *(Given(name) for name in NETWORK),
            *(Given(name, region="us-east-1") for name in NETWORK[:2]),
            # Where it is not offered, nothing is missing.
            *(Given(name, region="eu-west-1") for name in NETWORK[:2]),
            Given(NETWORK[2], region="eu-west-1", outcome="skipped", skip_reason="not_offered"),
        ],
    )
    assert gaps(home) == {(WORKLOAD, "us-east-1", NETWORK[2], "never_asked")}


def test_a_listing_never_requested_is_unknown_in_every_region_of_each_account(home: House) -> None:
    places = [(WORKLOAD, "us-east-1"), (WORKLOAD, "ap-southeast-2"), (OTHER, "eu-west-1")]
    home.night(
        "run-1",
        [
            *members(WORKLOAD, OTHER),
            Given("ec2_region", [{"RegionName": "eu-west-1"}], account_id=OTHER),
            *(Given(name, account_id=account, region=region) for name in NETWORK[:2] for account, region in places),
            # Nothing can be there.
            Given(
                NETWORK[0], region="me-south-1", outcome="skipped", skip_reason="region_not_enabled", account_id=OTHER
            ),
        ],
    )
    assert gaps(home) == {(account, region, NETWORK[2], "never_asked") for account, region in places}


def test_resource_explorer_is_wanted_in_the_region_of_its_view_alone(home: House) -> None:
    operations = [
        Given(name, role="operations", account_id=WORKLOAD, region=region)
        for name in NETWORK
        for region in ("ap-southeast-2", "us-east-1")
    ]
    view = Given("explorer_resource", role="operations", account_id=WORKLOAD, region="us-east-1")
    home.night("run-1", [*members(WORKLOAD), *operations, view])
    assert gaps(home, "aws.explorer_resource") == set()


@pytest.mark.parametrize("is_narrowed", [True, False])
def test_an_enabled_region_in_which_nothing_was_requested_is_unknown(home: House, is_narrowed: bool) -> None:
    regions = [
        {"RegionName": "ap-southeast-2", "OptInStatus": "opt-in-not-required"},
        {"RegionName": "us-east-1", "OptInStatus": "opt-in-not-required"},
        {"RegionName": "me-south-1", "OptInStatus": "not-opted-in"},
    ]
    left_out = [
        # `CMDB_REGIONS` leaves the other one out, which one cell of each listing says.
        Given(name, region="aws-global", outcome="skipped", skip_reason="region_not_selected")
        for name in NETWORK
        if is_narrowed
    ]
    home.night(
        "run-1",
        [
            Given("organizations_account", [member(WORKLOAD)]),
            Given("ec2_region", regions),
            *(Given(name) for name in NETWORK),
            *left_out,
        ],
    )
    region, reason = ("aws-global", "region_not_selected") if is_narrowed else ("us-east-1", "never_asked")
    assert gaps(home) == {(WORKLOAD, region, name, reason) for name in NETWORK}


def test_an_account_that_responds_for_all_its_regions_at_once_is_unknown_once(home: House) -> None:
    home.night(
        "run-1",
        [
            *members(WORKLOAD),
            *(Given(name, region=region) for name in NETWORK[:2] for region in ("us-east-1", "ap-southeast-2")),
            Given(NETWORK[2], region="aws-global", outcome="failed"),
        ],
    )
    assert gaps(home) == {(WORKLOAD, "aws-global", NETWORK[2], "failed")}


def test_the_hub_is_requested_by_its_own_role(home: House) -> None:
    home.night(
        "run-1", [*members(WORKLOAD), *(Given(name, account_id=WORKLOAD, role="operations") for name in NETWORK)]
    )
    assert gaps(home) == set()


def test_a_region_of_the_hub_is_missing_once(home: House) -> None:
    own: dict[str, Any] = {"account_id": WORKLOAD, "role": "operations"}
    home.night(
        "run-1",
        [
            *members(WORKLOAD),
            *(Given(name, **own) for name in NETWORK),
            Given(NETWORK[0], region="us-east-1", **own),
            *(Given("rds_db_instance", region=region) for region in ("us-east-1", "ap-southeast-2")),
        ],
    )
    home.build("audit.expected_cell")
    found = home.rows(
        """
        select listing, role, region from audit.expected_cell
        where unknown_reason = 'never_asked' and listing in ('ec2_security_group_rule', 'ec2_volume', 'rds_db_cluster')
        """
    )
    assert sorted(tuple(row.values()) for row in found) == [
        (NETWORK[1], "operations", "us-east-1"),
        ("ec2_volume", "operations", "ap-southeast-2"),
        ("ec2_volume", "operations", "us-east-1"),
        ("rds_db_cluster", "workload", "ap-southeast-2"),
        ("rds_db_cluster", "workload", "us-east-1"),
    ]


def test_where_only_some_records_are_parents_a_region_without_a_cell_is_no_hole(home: House) -> None:
    """A region may hold automated snapshots alone; where all records are parents, a region without a cell is one."""
    regions = ("ap-southeast-2", "us-east-1")
    held = [
        Given(name, [record], region=region)
        for region in regions
        for name, record in (
            ("rds_db_snapshot", {"DBSnapshotIdentifier": region}),
            ("rds_db_cluster_snapshot", {"DBClusterSnapshotIdentifier": region}),
            ("ec2_snapshot", {"SnapshotId": region}),
        )
    ]
    some = {name for name, listing in listings().items() if listing.each is not None and listing.each.where}
    home.night("run-1", [*members(WORKLOAD), *held, *map(Given, (*sorted(some), "ec2_public_snapshot"))])
    home.build("audit.expected_cell")
    found = home.rows(
        "select listing, region from audit.expected_cell where unknown_reason = 'never_asked' and "
        "list_contains($names, listing)",
        {"names": [*some, "ec2_public_snapshot"]},
    )
    assert [tuple(row.values()) for row in found] == [("ec2_public_snapshot", "us-east-1")]
    assert some == {"rds_db_snapshot_attribute", "rds_db_cluster_snapshot_attribute"}


def test_what_is_requested_of_records_is_wanted_where_there_are_some(home: House) -> None:
    bucket = {"Name": "b", "BucketRegion": "us-east-1"}
    home.night("run-1", [*members(WORKLOAD), Given("s3_bucket")])
    tag_gap = (WORKLOAD, "aws-global", "s3_bucket_tag", "never_asked")
    assert tag_gap not in gaps(home, "cmdb.resource")
    home.night("run-2", [Given("s3_bucket", [bucket])], at=SECOND_NIGHT)
    assert tag_gap in gaps(home, "cmdb.resource")


def test_what_is_requested_of_records_is_wanted_in_the_regions_that_have_them(home: House) -> None:
    regions = ("us-east-1", "ap-southeast-2", "eu-west-1")
    home.night(
        "run-1",
        [
            *members(WORKLOAD),
            *(Given("rds_db_cluster", [{"DBClusterArn": "arn"}], region=region) for region in regions[:2]),
            Given("rds_db_cluster", region=regions[2]),
        ],
    )
    home.build("audit.expected_cell")
    found = home.rows(
        "select region from audit.expected_cell where listing = 'rds_db_cluster_endpoint' and not is_judged"
    )
    assert {row["region"] for row in found} == set(regions[:2])


@pytest.mark.parametrize("is_whole", [True, False], ids=["one cell for the account", "a cell for each region"])
def test_a_region_in_which_what_is_requested_of_records_was_not_is_unknown(home: House, is_whole: bool) -> None:
    regions, child = ("us-east-1", "ap-southeast-2"), "rds_db_cluster_endpoint"
    cell = (
        Given(child, region="aws-global", outcome="skipped", skip_reason="parents_unknown")
        if is_whole
        else Given(child, region=regions[0])
    )
    home.night(
        "run-1",
        [
            *members(WORKLOAD),
            *(Given("rds_db_cluster", [{"DBClusterArn": "arn"}], region=region) for region in regions),
            cell,
        ],
    )
    home.build("audit.expected_cell")
    found = home.rows(
        "select region, unknown_reason from audit.expected_cell where listing = $child and not is_judged",
        {"child": child},
    )
    missing = ("aws-global", "parents_unknown") if is_whole else (regions[1], "never_asked")
    assert [tuple(row.values()) for row in found] == [missing]


def test_a_missing_region_is_of_the_role_that_requests_the_account_now(home: House) -> None:
    """Both orders: one cell of each listing is of a role that requests it no more."""
    home.night(
        "run-1",
        [
            *members(WORKLOAD),
            Given(NETWORK[0], role="operations", outcome="skipped", skip_reason="caller_changed", account_id=WORKLOAD),
            Given(NETWORK[0], role="workload", region="eu-west-1", account_id=WORKLOAD),
            Given(NETWORK[1], role="workload", outcome="skipped", skip_reason="caller_changed", account_id=WORKLOAD),
            Given(NETWORK[1], role="operations", region="eu-west-1", account_id=WORKLOAD),
            *(Given(NETWORK[2], region=region) for region in ("eu-west-1", "us-east-1")),
        ],
    )
    home.build("audit.expected_cell")
    found = home.rows(
        "select listing, role from audit.expected_cell where region = 'us-east-1' and unknown_reason = 'never_asked' "
        "and listing = any(['ec2_security_group', 'ec2_security_group_rule'])"
    )
    assert {row["listing"]: row["role"] for row in found} == {NETWORK[0]: "workload", NETWORK[1]: "operations"}


def test_a_central_listing_that_was_never_requested_is_unknown(home: House) -> None:
    home.night("run-1", [*members(WORKLOAD)])
    assert gaps(home, "org.enabled_service") == {(None, "aws-global", "organizations_enabled_service", "never_asked")}
    assert claim(home, "org.enabled_service")["scope"] == 1


def bill(slice_name: str, month: str, **other: Any) -> Given:
    """A trusted answer without a row, of one cut and month."""
    return Given(f"cost_daily:{slice_name}:{month}", **other)


def test_a_month_of_the_bill_that_is_missing_is_unknown(home: House) -> None:
    home.night("run-1", [bill("service", "2026-08"), bill("service", "2026-10"), bill("region", "2026-11")])
    wanted = {f"cost_daily:service:{month}" for month in ("2026-09", "2026-11")}
    assert {listing for _, _, listing, _ in gaps(home, "cost.by_service")} == wanted
    assert claim(home, "cost.by_region")["unknown"] == 0
    assert claim(home, "cost.by_service")["unknown_reason"] == "never_asked 2"


def test_a_cut_that_aws_does_not_make_is_unknown_only_where_it_is_read(home: House) -> None:
    cells = [bill(name, "2026-11") for name in ("service", "record_type", "usage_type")]
    home.night("run-1", [*cells, bill("region", "2026-11", outcome="skipped", skip_reason="not_offered")])
    assert claim(home, "cost.by_region")["unknown_reason"] == "not_offered 1"
    assert claim(home, "cost.by_service")["unknown"] == 0


def test_the_first_day_of_a_month_wants_no_bill_of_it(home: House) -> None:
    first = FIRST_NIGHT.replace(month=12, day=1, hour=3)
    home.night("run-1", [bill("service", "2026-11")], at=first)
    assert gaps(home, "cost.by_service") == set()
    home.night("run-2", [*members(WORKLOAD)], at=first + hours(24))
    assert {gap[2] for gap in gaps(home, "cost.by_service")} == {"cost_daily:service:2026-12"}


def test_a_claim_is_as_old_as_the_oldest_response_that_it_rests_on_and_the_newest_bill(home: House) -> None:
    home.night("run-1", [*members(WORKLOAD), *(Given(name) for name in NETWORK), bill("service", "2026-10")])
    home.night(
        "run-2",
        [*members(WORKLOAD), *(Given(name) for name in NETWORK[:2]), bill("service", "2026-11")],
        at=SECOND_NIGHT,
    )
    assert claim(home)["as_of"] == "2026-11-24T14:00:00Z"
    assert claim(home, "cost.by_service")["as_of"] == "2026-11-25T14:00:00Z"
