"""The views of what people join first: their rows are those of the tables beside each other, unknowns included."""

from decimal import Decimal

import pytest
from bills import ACCOUNT, SPOT, billed, seed
from given import WORKLOAD, Given, House, insert
from nights import Witness, query
from test_cmdb_figures import REGION, item
from test_tag_values import KEY, by_service

SERVICE = "Amazon Simple Storage Service"


def spent(home: House, rate_from: str) -> list[dict[str, object]]:
    """An application's month of two days, the rate of whose currency is known from a day on."""
    seed(home, "ref.fx_rate", [(*SPOT, rate_from, "2")])
    seed(home, "ref.tag_value_alias", [(KEY, "pay", "Payments")])
    days = [by_service("pay", "3"), by_service("", "1")]
    days += [{**day, "TimePeriod": {"Start": "2026-11-21", "End": "2026-11-22"}} for day in days]
    home.night("night-1", [Given(f"cost_tag_service_daily:{KEY}:2026-11", days)])
    billed(home, [(f"2026-11-{day}", f"tag:{KEY}", ACCOUNT, "pay", "4") for day in (20, 21)])
    home.build("cost.tag_service_daily", "cost.month_coverage", "cost.application_service_monthly")
    return home.rows(
        "select business_service, unblended_cost, currency, reporting_unblended_cost, through_date, days_missing "
        "from cost.application_service_monthly order by business_service"
    )


def test_a_month_of_an_application_is_the_sum_of_its_days_in_both_currencies(home: House) -> None:
    untagged, application = spent(home, "2026-11-01")
    assert (untagged["business_service"], application["business_service"]) == ("", "Payments")
    assert [Decimal(str(application[name])) for name in ("unblended_cost", "reporting_unblended_cost")] == [6, 12]
    assert (application["through_date"], application["days_missing"]) == ("2026-11-21", 0)


def test_a_month_with_a_day_without_a_rate_has_no_amount_in_the_reporting_currency(home: House) -> None:
    _, application = spent(home, "2026-11-21")
    assert Decimal(str(application["unblended_cost"])) == 6
    assert application["reporting_unblended_cost"] is None


def exposure_of(home: House) -> dict[str, tuple[str, str]]:
    found = home.rows("select name, exposure, exposure_reason from cmdb.resource_overview")
    return {row["name"]: (row["exposure"], row["exposure_reason"]) for row in found}


def test_an_item_is_as_exposed_as_the_worst_of_its_ways_and_one_without_any_is_not(home: House) -> None:
    for name in ("open", "shut"):
        item(home, name)
    item(home, "group", resource_type="AWS::EC2::SecurityGroup", arn="group")
    home.night("night-1", [Given("ec2_network_interface"), Given("ec2_address")])
    home.build("cmdb.resource_overview")
    arn = f"arn:aws:ec2:{REGION}:{WORKLOAD}:instance/open"
    for entry, verdict in (("3.0.0.1", "not exposed"), ("3.0.0.2", "exposed")):
        with home.store.transaction() as connection:
            insert(connection, "cmdb.exposure", {"arn": arn, "entry": entry, "kind": "address", "verdict": verdict})
    nothing = "no way in from the internet is listed"
    assert exposure_of(home) == {"open": ("exposed", None), "shut": ("not exposed", nothing), "group": (None, None)}


def test_where_a_listing_was_refused_an_item_without_a_way_in_is_unknown(home: House) -> None:
    item(home, "there")
    item(home, "elsewhere", region="us-east-1", arn="elsewhere")
    home.night(
        "night-1",
        [
            Given("ec2_network_interface", outcome="denied"),
            Given("ec2_network_interface", region="us-east-1"),
            Given("ec2_address"),
            Given("ec2_address", region="us-east-1"),
        ],
    )
    home.build("cmdb.resource_overview")
    found = exposure_of(home)
    assert found["elsewhere"][0] == "not exposed"
    assert found["there"] == ("unknown", f"ec2_network_interface of {WORKLOAD}: denied")


@pytest.mark.parametrize(
    ("denied", "ours", "theirs"),
    [("rds_db_snapshot", "unknown", "not exposed"), ("ec2_snapshot", "not exposed", "unknown")],
)
def test_a_snapshot_is_unknown_where_snapshots_of_its_own_service_are_not_listed(
    home: House, denied: str, ours: str, theirs: str
) -> None:
    item(home, "ours", resource_type="AWS::RDS::DBSnapshot", arn="ours")
    item(home, "theirs", resource_type="AWS::EC2::Snapshot", arn="theirs")
    names = ("ec2_snapshot", "ec2_public_snapshot", "rds_db_snapshot", "rds_db_cluster_snapshot")
    home.night("night-1", [Given(name, outcome="denied" if name == denied else "") for name in names])
    home.build("cmdb.resource_overview")
    assert {name: exposure for name, (exposure, _) in exposure_of(home).items()} == {"ours": ours, "theirs": theirs}


def test_in_a_whole_run_each_item_has_the_cost_and_the_owner_that_the_tables_have(witnessed_night: Witness) -> None:
    database = witnessed_night.database
    items = query(database, "select arn, business_owner from cmdb.resource where status <> 'retired' order by arn")
    assert query(database, "select arn, business_owner from cmdb.resource_overview order by arn") == items
    ((month,),) = query(database, "select distinct cost_month from cmdb.resource_overview")
    for column, of in (("month_cost", f"'{month}'"), ("previous_month_cost", f"date '{month}' - interval 1 month")):
        costs = dict(query(database, f"select arn, sum(cost) from cost.resource_cost where month = {of} group by arn"))
        shown = dict(query(database, f"select arn, {column} from cmdb.resource_overview"))
        assert {arn: costs.get(arn) for arn in shown} == shown
    shown = dict(query(database, "select arn, month_cost from cmdb.resource_overview"))
    assert sum(value is not None for value in shown.values()) > 100
    exposed = {arn for (arn,) in query(database, "select arn from cmdb.exposure where verdict = 'exposed'")}
    assert exposed & shown.keys() == {
        arn
        for (arn,) in query(
            database,
            "select arn from cmdb.resource_overview "
            "where exposure = 'exposed' and resource_type <> 'AWS::EC2::Instance'",
        )
    }
    ((unlike,),) = query(
        database,
        """
        select count(*) from (
            select month, sum(unblended_cost) as cost from cost.application_service_monthly group by month
        ) as ours
        full join (
            select date_trunc('month', usage_date)::date as month, sum(unblended_cost) as cost from cost.daily
            where slice = 'service' group by all
        ) as bill using (month)
        where ours.cost is distinct from bill.cost
        """,
    )
    assert unlike == 0
