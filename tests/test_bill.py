"""What billing is asked and how it lands: exact in every slice, within the limit, and honest about what is missing."""

from __future__ import annotations

import datetime as dt
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from central import Management
from conftest import lead_to, policies
from given import Given, House, build, house, record_rules
from nights import MANY

from pipelines.catalogue.cost import BUDGET, COST
from pipelines.catalogue.names import COST_RESOURCE, COST_TAG, COST_TAG_BACKFILL
from pipelines.collection import cost_slices, paid_limits
from pipelines.collection.bill_months import WHOLE
from pipelines.collection.collector import Collector
from pipelines.collection.cost_collector import collect_costs
from pipelines.collection.plan import central_plan
from pipelines.collection.progress import Report, watching
from pipelines.collection.seeds import every_slice, services_of_listings, tag_keys
from pipelines.collection.state import StepState
from pipelines.models.checks import read_checks
from pipelines.models.model_metadata import cost_metadata
from pipelines.reference import DEMO_FOLDER
from pipelines.settings import read_settings
from resources.audit.paid_requests import PaidRequests
from resources.audit.runs import record_run
from resources.aws.client import AwsClient
from resources.aws.retry import Retry
from simulator.client import Simulator, start

Row = dict[str, Any]

CUTS = every_slice(DEMO_FOLDER)
TABLES = (
    "cost.daily",
    "cost.tag_service_daily",
    "cost.tag_key_status",
    "cost.resource_daily",
    "cost.budget",
    "cost.budget_alert",
)
METRICS = (
    "unblended_cost",
    "amortized_cost",
    "net_unblended_cost",
    "net_amortized_cost",
    "billed_cost",
    "contracted_cost",
    "list_cost",
)


class Billing(Management):
    """The billing role, of one profile and without a pre-flight."""

    role = "billing"

    def __init__(self) -> None:
        super().__init__("acmeBilling", Retry())
        self.client = AwsClient("billing", home_region="us-east-1", concurrency=4, retry=Retry())


def collect(
    home: House,
    run_id: str,
    *,
    only_untrusted: bool = False,
    is_by_cadence: bool = False,
    budgets: bool = True,
    whole_months: frozenset[str] = frozenset(),
    now: Callable[[], dt.datetime] = lambda: dt.datetime.now(dt.UTC),
    log: Callable[[str], None] = lambda _: None,
    **settings: str,
) -> Row:
    """What billing is asked in one night, whose paid requests `now` dates: its verdicts by listing."""
    resource: Any = Billing()
    bill = [one for one in COST.listings if not whole_months or one.name in WHOLE]
    listings = [*bill, *(BUDGET.listings if budgets else ())]
    demo = {"CMDB_REFERENCE": str(DEMO_FOLDER), "CMDB_COST_MONTHS": "1", "CMDB_COST_REQUEST_LIMIT": MANY}
    read = read_settings({**demo, **settings})
    state = StepState(
        home.store,
        run_id,
        {"billing": resource},
        listings,
        read,
        log,
        only_untrusted=only_untrusted,
        is_by_cadence=is_by_cadence,
        whole_months=whole_months,
        paid_requests=PaidRequests(home.store, run_id, paid_limits.daily_limits(read), now),
        record_rules=record_rules(),
    )
    collector = Collector(state)
    with home.store.transaction() as connection:
        record_run(connection, run_id, "test")
    try:
        collect_costs(collector, bill)
        asked = BUDGET.listings if budgets else ()
        collector.fetch_plans([(listing, central_plan(state, listing, "billing")) for listing in asked])
        collector.settle()
        collector.judge()
        return dict(collector.commit())
    finally:
        collector.close()
        resource.client.close()


def cells(home: House, run_id: str) -> dict[str, Row]:
    rows = home.rows(
        """
        select listing, outcome, skip_reason, error_message, request_count, evidence
        from audit.collection
        -- Where nothing is compared, the bill by account has one cell that says so.
        where run_id = $run and listing <> 'cost_account_daily'
        """,
        {"run": run_id},
    )
    return {row["listing"]: row for row in rows}


def asked_of(simulator: Simulator) -> list[Row]:
    return [call for call in simulator.log() if call["service"] == "ce"]


# -------------------------------------------------------------------------------------------- to the last digit


@pytest.fixture(scope="module")
def ledger(simulator_process: Simulator) -> list[Row]:
    """Every line of the months that a night asks."""
    today = dt.date.fromisoformat(simulator_process.truth()["today"])
    lines: list[Row] = simulator_process.ledger(cost_slices.months_to_fetch(today, 1, ())[-1].start, today)
    return lines


@pytest.fixture(scope="module")
def billed(simulator_process: Simulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, list[Row]]]:
    """A warehouse that billing filled, and what Cost Explorer was asked for it."""
    with pytest.MonkeyPatch.context() as patch, house(tmp_path_factory.mktemp("billed")) as made:
        for name, value in simulator_process.env.items():
            patch.setenv(name, value)
        simulator_process.clear_log()
        collect(made, "night-1")
        made.build(*TABLES)
        yield made, asked_of(simulator_process)
        simulator_process.reset()


def dimension(cut: cost_slices.Slice) -> Callable[[Row], str]:
    """What a line of the ledger counts for in a slice."""
    if cut.name.startswith("tag:"):
        return lambda line: line["tags"].get(cut.name.removeprefix("tag:"), "")
    return lambda line: line[cut.name]


def monthly(home: House, cut: cost_slices.Slice) -> dict[tuple[str, str, str], dict[str, Decimal]]:
    """What a slice of `cost_slices.daily` adds up to by month, account and value."""
    rows = home.rows(
        f"""
        select
            strftime(usage_date, '%Y-%m') as month_name, account_id, dimension_value,
            {", ".join(f"sum({name}) as {name}" for name in METRICS)}
        from cost.daily where slice = $slice group by all
        """,
        {"slice": cut.name},
    )
    return {
        (row["month_name"], row["account_id"], row["dimension_value"]): {name: Decimal(row[name]) for name in METRICS}
        for row in rows
    }


@pytest.mark.parametrize("cut", [cut for cut in CUTS if cut.listing == "cost_daily"], ids=lambda cut: cut.name)
def test_every_slice_equals_the_ledger_by_account_month_and_value(
    billed: tuple[House, list[Row]], ledger: list[Row], cut: cost_slices.Slice
) -> None:
    of = dimension(cut)
    truth: dict[tuple[str, str, str], dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(METRICS, Decimal(0)))
    for line in ledger:
        sums = truth[line["usage_date"][:7], line["account_id"], of(line)]
        for name in METRICS:
            sums[name] += Decimal(line[name])
    assert monthly(billed[0], cut) == truth


@pytest.mark.large
def test_thirteen_months_of_sixty_accounts_equal_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with start(tmp_path / "organisation", policies(), accounts=60, resources=1) as large, house(tmp_path) as made:
        lead_to(large, monkeypatch)
        collect(made, "night-1", budgets=False, CMDB_COST_MONTHS="13", CMDB_COST_REQUEST_LIMIT="100000")
        made.build("cost.daily")
        today = dt.date.fromisoformat(large.truth("budgets")["today"])
        months = cost_slices.months_to_fetch(today, 13, ())
        since = months[-1].start
        for cut in [cut for cut in CUTS if cut.listing == "cost_daily"]:
            sums = large.ledger_sums(since, today, "month", "account_id", cut.name)
            truth = {
                (row["month"][:7], row["account_id"], row[cut.name]): {name: Decimal(row[name]) for name in METRICS}
                for row in sums
            }
            found = monthly(made, cut)
            assert found == truth, cut.name
            assert len({month for month, *_ in found}) == len(months) >= 13
            assert len({account for _, account, _ in found}) > 60


def test_tags_by_service_equal_the_ledger(billed: tuple[House, list[Row]], ledger: list[Row]) -> None:
    (key,) = {tag.key for tag in tag_keys(DEMO_FOLDER) if tag.is_grouped_by_service}
    truth: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for line in ledger:
        truth[line["usage_date"], line["tags"].get(key, ""), line["service"]] += Decimal(line["unblended_cost"])
    rows = billed[0].rows(
        "select usage_date, written_value, service, tag_key, unblended_cost from cost.tag_service_daily"
    )
    assert {row["tag_key"] for row in rows} == {key}
    found = {(row["usage_date"], row["written_value"], row["service"]): Decimal(row["unblended_cost"]) for row in rows}
    assert found == truth


def test_single_resources_add_up_to_their_service_on_the_days_that_aws_keeps(billed: tuple[House, list[Row]]) -> None:
    rows = billed[0].rows(
        """
        with resource as (
            select usage_date, account_id, service, sum(unblended_cost) as cost, count(*) as resource_count
            from cost.resource_daily group by all
        )
        select
            count(distinct r.usage_date) as days, sum(r.resource_count)::integer as resources,
            bool_and(d.unblended_cost = r.cost) as same
        from resource as r
        inner join cost.daily as d
            on r.usage_date = d.usage_date and r.account_id = d.account_id and d.dimension_value = r.service
        where d.slice = 'service'
        """
    )
    assert (rows[0]["days"], rows[0]["same"]) == (14, True)
    assert rows[0]["resources"] > 14


def test_requests_and_their_price_are_what_cost_explorer_was_sent(billed: tuple[House, list[Row]]) -> None:
    home, calls = billed
    (run,) = home.rows("select api_cost_usd from audit.run")
    counted = home.rows("select sum(request_count) as requests from audit.collection where listing like 'cost_%'")
    assert len(calls) == counted[0]["requests"]
    assert Decimal(run["api_cost_usd"]) == Decimal("0.01") * len(calls)


def test_every_budget_is_there_with_what_it_counts_and_its_alerts(
    billed: tuple[House, list[Row]], organisation: Simulator
) -> None:
    home, _ = billed
    rows = home.rows("select * from cost.budget")
    assert len({row["budget_name"] for row in rows}) == len(rows) > 0
    for row in rows:
        assert row["currency"]
        assert row["actual_amount"] is not None
        assert row["cost_types"] or row["metrics"] or row["budget_type"] != "COST"
    truth = organisation.truth("budgets")["budgets"]
    assert {row["budget_name"] for row in rows} == {budget["budget_name"] for budget in truth}
    # Some are about everything, some about a part.
    assert {row["filters"] is None for row in rows} == {True, False}
    alerts = home.rows("select budget_name, kind, threshold, state from cost.budget_alert")
    assert sorted((row["budget_name"], row["kind"], float(row["threshold"]), row["state"]) for row in alerts) == sorted(
        (budget["budget_name"], *(alert[name] for name in ("kind", "threshold", "state")))
        for budget in truth
        for alert in budget["alerts"]
    )
    assert {row["state"] for row in alerts} == {"OK", "ALARM"}


def test_what_dagster_shows_beside_a_table_of_money(billed: tuple[House, list[Row]]) -> None:
    home, calls = billed
    now = dt.datetime.now(dt.UTC) + dt.timedelta(hours=3)
    (total,) = home.rows("select sum(unblended_cost) as total from cost.daily where slice = 'service'")
    with home.store.read() as connection:
        shown = cost_metadata(connection, "cost.daily", {"cost_daily"}, now)
        assert shown["sum"] == f"{Decimal(total['total']):,.2f} USD"
        assert shown["sum_plotted"] == float(total["total"])
        assert shown["requests_cost_usd"] == pytest.approx(0.01 * shown["requests"])
        assert 0 < shown["requests"] < len(calls)
        assert 2.9 < shown["age_hours"] < 4
        # Budgets overlap, and asking for them is free.
        budget = cost_metadata(connection, "cost.budget", {"budget"}, now)
        assert "sum" not in budget
        assert budget["requests_cost_usd"] == 0.0


def test_the_same_run_once_more_changes_nothing_but_when_it_was(
    billed: tuple[House, list[Row]], organisation: Simulator
) -> None:
    home, _ = billed

    def everything() -> dict[str, list[Row]]:
        return {
            name: home.rows(f"select * exclude (run_id, collected_at) from {name} order by all")
            for name in TABLES
            if name != "cost.tag_key_status"
        }

    before = everything()
    collect(home, "night-2")
    home.build(*TABLES)
    assert everything() == before
    assert home.rows("select * from cost.restatement") == []


# ------------------------------------------------------------------------------------------------ what is a tag


def status(home: House) -> dict[str, tuple[str, bool | None, str | None, str | None]]:
    home.build("cost.tag_key_status")
    return {
        row["tag_key"]: (row["status"], row["is_used"], row["said_by"], row["verdict"])
        for row in home.rows("select * from cost.tag_key_status")
    }


def test_a_key_without_a_value_is_never_a_hundred_per_cent_untagged(blank_home: House, small: Simulator) -> None:
    small.configure(inactive_tags=["bc:project"], unused_tags=["bc:capability"])
    collect(blank_home, "night-1", budgets=False)
    found = status(blank_home)
    by_aws = "ce:ListCostAllocationTags"
    assert found["bc:project"] == ("inactive", False, by_aws, "not activated")
    assert found["bc:capability"] == ("active", False, by_aws, "active but not used")
    assert found["bc:cost-centre"] == ("active", True, by_aws, "used")
    # Without the grant the two cannot be told apart, and the table says so.
    blank_home.execute("update audit.collection set is_trusted = false where listing = 'cost_allocation_tag'")
    found = status(blank_home)
    assert found["bc:project"] == found["bc:capability"] == ("unknown", False, None, "not activated or not used")
    assert found["bc:cost-centre"] == ("active", True, "the bill", "used")
    blank_home.execute("delete from cost.daily where slice = 'tag:bc:project'")
    blank_home.execute(
        "update audit.collection set is_trusted = false where listing like 'cost_daily:tag:bc:project:%'"
    )


def test_optional_grants_that_nobody_gave_leave_everything_else_as_it_is(blank_home: House, small: Simulator) -> None:
    refused = [
        "ce:ListCostAllocationTags",
        "ce:ListCostAllocationTagBackfillHistory",
        "ce:GetCostAndUsageWithResources",
    ]
    small.configure(refused_actions={"billing": refused})
    seen: list[Report] = []
    with watching(seen.append):
        verdicts = collect(blank_home, "night-1", budgets=False)
    found = cells(blank_home, "night-1")
    optional = [COST_TAG, COST_TAG_BACKFILL, *(f"{COST_RESOURCE}:{service}" for service in services_of_listings())]
    assert {found[name]["skip_reason"] for name in optional} == {"optional_grant_not_given"}
    assert {row["outcome"] for name, row in found.items() if name not in optional} == {"found"}
    assert all(verdict.passed for verdict in verdicts.values())
    # The first refusal spares the other requests, and whoever watches is not left with what will never be done.
    newest = {report.what: report for report in seen}
    assert newest[COST_RESOURCE].sentence().startswith(f"{COST_RESOURCE}: 1 of 1 cells")
    assert [report.sentence() for report in newest.values() if not report.is_done] == []


def test_a_payer_without_costs_by_resource_loses_nothing_else(blank_home: House, small: Simulator) -> None:
    small.configure(has_resource_costs=False)
    verdicts = collect(blank_home, "night-1", budgets=False)
    assert verdicts[COST_RESOURCE].passed
    assert {
        row["skip_reason"] for name, row in cells(blank_home, "night-1").items() if name.startswith(COST_RESOURCE)
    } == {"not_offered"}


# -------------------------------------------------------------------------------------------- what is refused


def test_a_cut_that_aws_does_not_know_is_skipped_and_the_others_are_unharmed(
    blank_home: House, small: Simulator
) -> None:
    small.configure(refused_groups=["REGION"])
    small.clear_log()
    verdicts = collect(blank_home, "night-1", budgets=False)
    found = cells(blank_home, "night-1")
    region = {name: row for name, row in found.items() if name.startswith("cost_daily:region:")}
    assert {row["skip_reason"] for row in region.values()} == {"not_offered"}
    assert [row["request_count"] for row in region.values() if row["request_count"]] == [1]
    # Nothing costs money in one of the services that are asked for their resources.
    others = {row["outcome"] for name, row in found.items() if name not in region and not is_unused(name)}
    assert others == {"found"}
    assert all(verdict.passed for verdict in verdicts.values())


def test_refused_metrics_are_left_out_for_the_run_at_the_price_of_one_request(
    blank_home: House, small: Simulator
) -> None:
    small.configure(refused_metrics=["ListCost"])
    small.clear_log()
    collect(blank_home, "night-1", budgets=False)
    bills = [call for call in asked_of(small) if call["operation"] == "GetCostAndUsage"]
    assert sum("ListCost" in call["parameters"]["Metrics"] for call in bills) == 1
    blank_home.build("cost.daily")
    (row,) = blank_home.rows(
        "select count(*) as rows, count(net_amortized_cost) as net, count(billed_cost) as billed from cost.daily"
    )
    assert (row["net"], row["billed"]) == (row["rows"], 0)
    found = cells(blank_home, "night-1")
    bill = ("cost_daily:", "cost_tag_service_daily:")
    assert {"classic four" in str(cell["evidence"]) for name, cell in found.items() if name.startswith(bill)} == {True}


def test_a_role_without_the_grant_is_requested_as_little_as_can_be(blank_home: House, small: Simulator) -> None:
    small.configure(refused_actions={"billing": ["ce:*"]})
    small.clear_log()
    verdicts = collect(blank_home, "night-1", budgets=False)
    assert verdicts["cost_daily"].blocks
    assert "denied" in verdicts["cost_daily"].sentence
    # Which tags and backfills there are, a month with and without the newer metrics, a service's resources.
    assert len(asked_of(small)) == 5


# ---------------------------------------------------------------------------------------------- what it may cost


def is_unused(listing: str) -> bool:
    """Whether a cell is of what the small organisation does not use: its zero waits for CloudTrail."""
    return listing == COST_TAG_BACKFILL or listing.startswith("cost_resource_daily:Amazon DocumentDB")


def waiting(home: House, run_id: str) -> set[str]:
    return {name for name, row in cells(home, run_id).items() if row["skip_reason"] == "request_limit"}


def test_the_limit_ends_the_asking_before_it_is_exceeded_and_says_what_is_missing(
    blank_home: House, small: Simulator
) -> None:
    small.clear_log()
    collect(blank_home, "night-1", budgets=False, CMDB_COST_REQUEST_LIMIT="9")
    assert len(asked_of(small)) <= 9
    found = cells(blank_home, "night-1")
    complete = {name for name, row in found.items() if row["outcome"] == "found"}
    assert {f"cost_daily:service:{name}" for name in months(small)} <= complete
    assert complete | waiting(blank_home, "night-1") | {COST_TAG_BACKFILL} == set(found)
    blank_home.build("cost.daily")
    loaded = blank_home.rows("select distinct listing from cost.daily")
    assert {row["listing"] for row in loaded} == {name for name in complete if name.startswith("cost_daily:")}


def months(simulator: Simulator) -> Sequence[str]:
    today = dt.date.fromisoformat(simulator.truth()["today"])
    return [month.name for month in cost_slices.months_to_fetch(today, 1, ())]


def test_a_limit_that_was_reached_warns_with_the_price_and_blocks_nothing(blank_home: House, small: Simulator) -> None:
    verdicts = collect(blank_home, "night-1", budgets=False, CMDB_COST_REQUEST_LIMIT="9")
    verdict = verdicts["cost_daily"]
    assert (verdict.passed, verdict.blocks) == (False, False)
    assert "CMDB_COST_REQUEST_LIMIT was reached" in verdict.sentence
    assert "Today's requests cost US$0.0" in verdict.sentence
    # Nothing of these was asked at all, which harms nothing that stands.
    assert not verdicts["cost_tag_service_daily"].blocks


def test_a_month_with_more_pages_than_the_limit_says_that_it_will_never_be_loaded(
    blank_home: House, small: Simulator
) -> None:
    small.configure(page_sizes={"ce:GetCostAndUsage": 20})
    small.clear_log()
    # Two pages of tags, the backfills, the totals, and a page of the bill.
    verdicts = collect(blank_home, "night-1", budgets=False, CMDB_COST_REQUEST_LIMIT="5")
    assert len(asked_of(small)) == 5
    assert verdicts["cost_daily"].blocks
    assert "more pages than CMDB_COST_REQUEST_LIMIT=5 by itself" in verdicts["cost_daily"].sentence


def test_only_untrusted_requests_no_trusted_month_of_the_last_hours_again(blank_home: House, small: Simulator) -> None:
    collect(blank_home, "night-1", budgets=False, CMDB_COST_REQUEST_LIMIT="9")
    left = waiting(blank_home, "night-1")
    small.clear_log()
    collect(blank_home, "night-2", budgets=False, only_untrusted=True)
    assert set(cells(blank_home, "night-2")) == left
    assert waiting(blank_home, "night-2") == set()
    small.clear_log()
    collect(blank_home, "night-3", budgets=False, only_untrusted=True)
    assert asked_of(small) == []
    # That nothing is compared was said too long ago to be published, so it is said again.
    blank_home.execute(
        "update audit.collection set ended_at = ended_at - interval 2 days where listing = 'cost_account_daily'"
    )
    collect(blank_home, "night-4", budgets=False, only_untrusted=True)
    (said,) = blank_home.rows("select skip_reason from audit.collection where run_id = 'night-4'")
    assert (said["skip_reason"], asked_of(small)) == ("not_compared", [])
    untrusted = blank_home.rows(
        """
        select listing from audit.coverage
        where not is_trusted and listing like 'cost_%' and skip_reason is distinct from 'not_compared'
        """
    )
    assert [row for row in untrusted if not is_unused(row["listing"])] == []


def without_key(folder: Path, key: str) -> Path:
    """The demo's reference files without a tag key."""
    copy = Path(shutil.copytree(DEMO_FOLDER, folder / "reference"))
    for name in ("tag_key.csv", "budget.csv", "tag_value_alias.csv"):
        lines = (copy / name).read_text(encoding="utf-8").splitlines(keepends=True)
        (copy / name).write_text("".join(line for line in lines if key not in line), encoding="utf-8")
    return copy


def test_a_tag_key_that_is_dropped_within_a_month_blocks_nothing_when_the_month_has_closed(
    blank_home: House, small: Simulator, tmp_path: Path
) -> None:
    dropped = "bc:business-service"
    collect(blank_home, "night-1", budgets=False)
    blank_home.build("cost.reconciliation")
    count = "select slice, count(*) as n from cost.daily where slice like 'tag:%' group by slice order by slice"
    before = blank_home.rows(count)
    reference = without_key(tmp_path, dropped)
    verdicts = collect(blank_home, "night-2", budgets=False, CMDB_REFERENCE=str(reference))
    assert all(verdict.passed for verdict in verdicts.values())
    found = cells(blank_home, "night-2")
    newest, older, *_ = months(small)
    for name in (f"cost_daily:tag:{dropped}", f"cost_tag_service_daily:{dropped}"):
        for month in (newest, older):
            cell = found[f"{name}:{month}"]
            assert (cell["outcome"], cell["skip_reason"]) == ("skipped", "no_longer_asked")
    others = [row["skip_reason"] for name, row in found.items() if dropped not in name]
    assert "no_longer_asked" not in others

    blank_home.reference = reference
    blank_home.build("cost.reconciliation", "stage.slice_difference")
    # Its rows stand as its last response left them.
    assert blank_home.rows(count) == before
    stale = blank_home.rows("select distinct slice from cost.daily where is_stale")
    assert stale == [{"slice": f"tag:{dropped}"}]
    # A month is written once, and said of no later night again.
    collect(blank_home, "night-3", budgets=False, CMDB_REFERENCE=str(reference))
    assert not [name for name in cells(blank_home, "night-3") if dropped in name]

    # AWS changes the days once more and closes them; three months later nobody has requested the key again.
    blank_home.execute(
        f"""
        update cost.daily
        set is_estimated = false, unblended_cost = unblended_cost + 1
        where slice <> 'tag:{dropped}'
        """,
        "update audit.collection set ended_at = ended_at + interval 100 days where listing like 'cost_daily:%'",
        "delete from audit.newest_cell",
    )
    # What the bill is made of stands as it was changed.
    wanted = blank_home.needed("cost.reconciliation")
    for model in blank_home.models.values():
        if model.relation in wanted and not model.listings and model.schema != "ref":
            build(blank_home.store, model)
    for rule in read_checks():
        if rule.name in ("slices_agree", "only_open_months_are_estimated"):
            slices = [row["slice"] for row in blank_home.rows(rule.sql)]
            assert f"tag:{dropped}" not in slices, rule.name
    failed = blank_home.rows(
        f"select rule, scope from cost.reconciliation where not passed and contains(scope, '{dropped}')"
    )
    assert failed == []
    # Of a key that nobody requests no later month is missing; of one that stays each is.
    blank_home.build("audit.expected_cell")
    later = blank_home.rows(
        "select distinct regexp_extract(listing, '^cost_daily:(.*):[^:]*$', 1) as slice from audit.expected_cell "
        "where listing_name = 'cost_daily' and outcome is null"
    )
    missing = {row["slice"] for row in later}
    assert (f"tag:{dropped}" in missing, "tag:bc:project" in missing) == (False, True)


def test_a_month_of_a_dropped_key_that_waited_for_the_limit_waits_no_more(
    blank_home: House, small: Simulator, tmp_path: Path
) -> None:
    dropped = "bc:business-service"
    collect(blank_home, "night-1", budgets=False)
    newest = months(small)[0]
    cell = f"cost_daily:tag:{dropped}:{newest}"
    waits = Given(cell, outcome="skipped", skip_reason="request_limit", account_id=small.truth()["central"]["billing"])
    blank_home.night("night-2", [waits], dt.datetime.now(dt.UTC))
    collect(blank_home, "night-3", budgets=False, CMDB_REFERENCE=str(without_key(tmp_path, dropped)))
    assert cells(blank_home, "night-3")[cell]["skip_reason"] == "no_longer_asked"

    # The key comes back, and with it all its months.
    collect(blank_home, "night-4", budgets=False)
    again = cells(blank_home, "night-4")
    assert {again[f"cost_daily:tag:{dropped}:{month}"]["outcome"] for month in months(small)} == {"found"}
