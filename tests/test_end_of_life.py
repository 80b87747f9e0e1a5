"""Until when AWS supports what there is, and what extended support costs."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from bills import ACCOUNT, billed
from given import FIRST_NIGHT, Given, House

ARN = "arn:aws:rds:ap-southeast-2:012345678901:db:app"
NIGHT = FIRST_NIGHT.astimezone(dt.UTC).date()


def database(engine: str, version: str, **other: Any) -> dict[str, Any]:
    named = {"DBInstanceIdentifier": "app", "DBInstanceArn": ARN, "DBInstanceClass": "db.m6g.large"}
    return {**named, "DbiResourceId": "db-1", "Engine": engine, "EngineVersion": version, **other}


def lifecycle(major: str, standard: dt.date, extended: dt.date | None = None) -> dict[str, Any]:
    """A major version of postgres as RDS reports it."""
    ends = {"standard": standard, **({"extended": extended} if extended else {})}
    return {
        "Engine": "postgres",
        "MajorEngineVersion": major,
        "SupportedEngineLifecycles": [
            {
                "LifecycleSupportName": f"open-source-rds-{name}-support",
                "LifecycleSupportStartDate": "2020-01-01T00:00:00+00:00",
                "LifecycleSupportEndDate": f"{end}T23:59:59+00:00",
            }
            for name, end in ends.items()
        ],
    }


def shown(home: House, *cells: Given, kind: str = "engine") -> dict[str, Any]:
    home.night("night-1", cells)
    home.build("cmdb.end_of_life")
    (row,) = home.rows("select * from cmdb.end_of_life where kind = $kind", {"kind": kind})
    return row


@pytest.mark.parametrize(
    ("engine", "version", "state", "until"),
    [
        pytest.param("mysql", "5.7.44", "extended support", "2024-02-29", id="the seed's date"),
        pytest.param("mysql", "5.6.51", "ended", "2022-03-01", id="no extended support"),
        pytest.param("mariadb", "10.3.39", "ended", "2023-10-23", id="no extended support either"),
        pytest.param("aurora-mysql", "5.7.mysql_aurora.2.11", "extended support", "2024-10-31", id="Aurora's date"),
        pytest.param("aurora-postgresql", "12.9", "extended support", "2025-02-28", id="the same as of postgres"),
        pytest.param("postgres", "17.2", "supported", "2030-02-28", id="supported"),
        pytest.param("mariadb", "10.11.6", "supported", "2028-02-29", id="10.11 is none of 10.1"),
        pytest.param("postgres", "1.5", "unknown", None, id="1.5 is none of 15"),
        pytest.param("neptune", "1.3.1.0", "unknown", None, id="no source has its dates"),
    ],
)
def test_an_engine_has_the_dates_of_its_major_version(
    home: House, engine: str, version: str, state: str, until: str | None
) -> None:
    row = shown(home, Given("rds_db_instance", [database(engine, version)]))
    assert (row["state"], row["standard_support_until"]) == (state, until)
    assert (row["days_left"] is None) == (until is None)


@pytest.mark.parametrize(
    ("left", "state"),
    [(181, "supported"), (180, "ends soon"), (0, "ends soon"), (-1, "extended support"), (-11, "ended")],
)
def test_what_rds_reports_goes_before_the_seed(home: House, left: int, state: str) -> None:
    standard = NIGHT + dt.timedelta(days=left)
    # Extended support lasts ten days here.
    version = lifecycle("15", standard, standard + dt.timedelta(days=10))
    cells = (
        Given("rds_db_instance", [database("postgres", "15.4")]),
        Given("rds_db_major_engine_version:postgres", [version]),
    )
    row = shown(home, *cells)
    assert (row["state"], row["days_left"], row["major_version"]) == (state, left, "15")
    assert row["source"] == "rds:DescribeDBMajorEngineVersions"


def test_an_end_of_extended_support_that_rds_did_not_report_is_not_known(home: House) -> None:
    cells = (
        Given("rds_db_instance", [database("postgres", "15.4")]),
        Given("rds_db_major_engine_version:postgres", [lifecycle("15", NIGHT - dt.timedelta(days=1))]),
    )
    assert shown(home, *cells)["state"] == "unknown"


def test_a_version_without_a_reported_date_keeps_the_seeds(home: House) -> None:
    version = {"Engine": "mariadb", "MajorEngineVersion": "10.6", "SupportedEngineLifecycles": []}
    cells = (
        Given("rds_db_instance", [database("mariadb", "10.6.1")]),
        Given("rds_db_major_engine_version:mariadb", [version]),
    )
    assert shown(home, *cells)["standard_support_until"] == "2026-07-31"


def authority(name: str, left: int) -> Given:
    """The certificate authorities as RDS lists them."""
    dates = {"ValidFrom": "2021-05-24T00:00:00+00:00", "ValidTill": f"{NIGHT + dt.timedelta(days=left)}T23:00:00+00:00"}
    return Given("rds_certificate", [{"CertificateIdentifier": name, "CertificateType": "CA", **dates}])


RENEWED, OLD = "rds-ca-rsa2048-g1", "rds-ca-2019"


@pytest.mark.parametrize(
    ("name", "authority_left", "state", "left", "source"),
    [
        pytest.param(RENEWED, 9000, "supported", 9000, "rds:DescribeCertificates", id="RDS renews it"),
        pytest.param(RENEWED, 90, "ends soon", 90, "rds:DescribeCertificates", id="its authority ends"),
        pytest.param(RENEWED, None, "unknown", None, None, id="nobody listed its authority"),
        pytest.param(OLD, None, "ends soon", 3, "rds:DescribeDBInstances", id="nobody renews it"),
        pytest.param(OLD, 9000, "ends soon", 3, "rds:DescribeDBInstances", id="it ends before its authority"),
        pytest.param(OLD, -1, "ended", -1, "rds:DescribeCertificates", id="it ends after its authority"),
    ],
)
def test_a_certificate_ends_with_its_authority_where_rds_renews_it(
    home: House, name: str, authority_left: int | None, state: str, left: int | None, source: str | None
) -> None:
    ends = {"CAIdentifier": name, "ValidTill": f"{NIGHT + dt.timedelta(days=3)}T23:00:00+00:00"}
    cells = [Given("rds_db_instance", [database("postgres", "17.2", CertificateDetails=ends)])]
    if authority_left is not None:
        cells.append(authority(name, authority_left))
    row = shown(home, *cells, kind="certificate")
    assert (row["state"], row["days_left"], row["version"], row["source"]) == (state, left, name, source)


@pytest.mark.parametrize(
    ("engine", "successor"),
    [
        ("postgres", "db.m6g"),
        ("oracle-ee", "db.m6i"),
        ("sqlserver-web", "db.m6i"),
        ("db2-se", "db.m6i"),
        ("custom-oracle-ee-cdb", "db.m6i"),
    ],
)
def test_an_old_generation_has_no_date_and_is_not_called_supported(home: House, engine: str, successor: str) -> None:
    old = database(engine, "17.2", DBInstanceClass="db.m4.xlarge")
    row = shown(home, Given("rds_db_instance", [old]), kind="generation")
    assert (row["state"], row["standard_support_until"], row["successor"]) == ("old generation", None, successor)


@pytest.mark.parametrize(
    ("runtime", "state"),
    [("python3.9", "ended"), ("python3.13", "supported"), ("python3.11", "unknown"), ("python3.99", "unknown")],
)
def test_a_runtime_whose_date_is_not_known_is_unknown(home: House, runtime: str, state: str) -> None:
    function = {"FunctionName": "f", "FunctionArn": "arn:aws:lambda:ap-southeast-2:012345678901:function:f"}
    row = shown(home, Given("lambda_function", [{**function, "Runtime": runtime}]), kind="runtime")
    assert row["state"] == state


IMAGE = "ami-1"


def launched(name: str = "i-1", **image: Any) -> dict[str, Any]:
    return {"InstanceId": name, "OwnerId": "012345678901", "ImageMetadata": {"ImageId": IMAGE, **image}}


@pytest.mark.parametrize(
    ("image", "state", "days"),
    [
        pytest.param({"State": "available", "DeprecationTime": 1}, "ends soon", 1, id="soon"),
        pytest.param({"State": "available", "DeprecationTime": -1}, "ended", -1, id="deprecated"),
        pytest.param({"State": "available", "DeprecationTime": 900}, "supported", 900, id="later"),
        pytest.param({"State": "deregistered"}, "ended", None, id="deregistered"),
        pytest.param(None, "unknown", None, id="not listed"),
    ],
)
def test_an_image_ends_for_every_instance_of_it(
    home: House, image: dict[str, Any] | None, state: str, days: int | None
) -> None:
    """Also for one that was launched after the images were listed."""
    instances = [
        {"OwnerId": "012345678901", "InstanceId": name, "ImageId": IMAGE, "State": {"Name": "running"}}
        for name in ("i-1", "i-2")
    ]
    listed = []
    if image is not None:
        ends = image.get("DeprecationTime")
        day = {} if ends is None else {"DeprecationTime": f"{NIGHT + dt.timedelta(days=ends)}T10:00:00.000Z"}
        listed = [launched(Name="golden", **{**image, **day})]
    home.night("night-1", [Given("ec2_instance", instances), Given("ec2_instance_image", listed)])
    home.build("cmdb.end_of_life")
    rows = home.rows("select * from cmdb.end_of_life where kind = 'image' order by arn")
    assert [row["arn"].rpartition("/")[2] for row in rows] == ["i-1", "i-2"]
    assert {(row["state"], row["days_left"], row["version"]) for row in rows} == {(state, days, IMAGE)}
    assert {row["product"] for row in rows} == {"golden" if listed else IMAGE}


def test_an_image_without_an_end_has_no_row_and_the_newest_listing_counts(home: House) -> None:
    instance = {"OwnerId": "012345678901", "InstanceId": "i-1", "ImageId": IMAGE, "State": {"Name": "running"}}
    old = Given("ec2_instance_image", [launched("i-9", State="available", DeprecationTime="2026-11-01T00:00:00.000Z")],
                account_id="012345678902")  # fmt: skip
    home.night("night-1", [Given("ec2_instance", [instance]), old])
    home.night(
        "night-2", [Given("ec2_instance_image", [launched(State="available")])], FIRST_NIGHT + dt.timedelta(days=1)
    )
    home.build("cmdb.end_of_life")
    assert home.rows("select * from cmdb.end_of_life where kind = 'image'") == []


@pytest.mark.parametrize(
    ("usage_type", "engine", "version", "region"),
    [
        ("APS2-ExtendedSupport:Yr1-Yr2:PostgreSQL12", "postgres", "12", "ap-southeast-2"),
        ("ExtendedSupport:Yr3:MySQL5.7", "mysql", "5.7", "us-east-1"),
        ("EUC1-ASv2-ExtendedSupport:Yr1-Yr2:AuroraPostgreSQL14", "aurora-postgresql", "14", "eu-central-1"),
        ("EUC1-ExtendedSupport:Yr1-Yr2:ASv2:AuroraPostgreSQL13", "aurora-postgresql", "13", "eu-central-1"),
        ("ExtendedSupport:Yr1-Yr2:AuroraMySQL2", "aurora-mysql", "5.7", "us-east-1"),
        ("ExtendedSupport:Yr1-Yr2:Oracle19", None, "19", "us-east-1"),
    ],
)
def test_the_bill_says_what_extended_support_costs(
    home: House, usage_type: str, engine: str | None, version: str, region: str
) -> None:
    home.build("cost.daily")
    lines = [("2026-11-20", usage_type), ("2026-11-21", usage_type), ("2026-11-21", "APS2-BoxUsage:m5.large")]
    billed(home, [(day, "usage_type", ACCOUNT, name, "1.25") for day, name in lines])
    home.build("cost.extended_support")
    (row,) = home.rows("select * from cost.extended_support")
    assert (row["engine"], row["major_version"], row["region"]) == (engine, version, region)
    assert (row["unblended_cost"], row["month"]) == ("2.5000000000", "2026-11-01")


TYPES = Given(
    "ec2_instance_type",
    [{"InstanceType": "m6g.large", "VCpuInfo": {"DefaultVCpus": 2}}],
)
"""What an m6g.large has."""


def forecast(home: House, record: dict[str, Any], *others: Given) -> list[dict[str, Any]]:
    home.night("night-1", [Given("rds_db_instance", [record]), TYPES, *others])
    home.build("cost.extended_support_forecast")
    return home.rows("select * from cost.extended_support_forecast")


@pytest.mark.parametrize(
    ("left", "is_multi_az", "monthly", "year"),
    [
        # 2 vCPU × 24 hours × 0.10 USD on each of 364, 165 and 365 days.
        pytest.param(0, False, "146", "1747.2", id="from tomorrow on"),
        pytest.param(199, False, "146", "792", id="in 200 days"),
        pytest.param(-200, True, "292", "3504", id="with its standby, since 200 days"),
        # The third year costs twice as much.
        pytest.param(-800, False, "292", "2841.6", id="in the third year, of which 296 days are left"),
        pytest.param(-600, False, "146", "2875.2", id="the third year begins in 131 days"),
    ],
)
def test_extended_support_has_a_price(home: House, left: int, is_multi_az: bool, monthly: str, year: str) -> None:
    ends = NIGHT + dt.timedelta(left)
    versions = Given("rds_db_major_engine_version", [lifecycle("12", ends, ends + dt.timedelta(1095))])
    (row,) = forecast(home, database("postgres", "12.22", MultiAZ=is_multi_az), versions)
    assert (float(row["monthly_cost"]), float(row["next_year_cost"])) == (float(monthly), float(year))
    assert (row["currency"], row["charged_from"]) == ("USD", max(ends + dt.timedelta(1), NIGHT).isoformat())


@pytest.mark.parametrize(
    ("record", "basis"),
    [
        (database("postgres", "13.4", DBInstanceClass="db.r9.large"), "no list of instance types has its vCPUs"),
        (
            database("aurora-postgresql", "12.9", DBInstanceClass="db.serverless"),
            "Aurora Serverless is charged by the capacity that it uses",
        ),
    ],
)
def test_what_cannot_be_reckoned_has_no_amount(home: House, record: dict[str, Any], basis: str) -> None:
    (row,) = forecast(home, record)
    assert (row["monthly_cost"], row["next_year_cost"], row["currency"]) == (None, None, None)
    assert row["estimate_basis"] == basis


def test_aurora_mysql_has_no_third_year(home: House) -> None:
    (row,) = forecast(home, database("aurora-mysql", "5.7.mysql_aurora.2.11"))
    assert (row["year_three_from"], float(row["monthly_cost"])) == (None, 146)
    # 97 days, from 24 November to 28 February.
    assert float(row["next_year_cost"]) == 465.6


@pytest.mark.parametrize(
    "record",
    [
        database("postgres", "17.2"),
        database("mysql", "5.6.51"),
        database("mariadb", "10.3.39"),
        database("postgres", "13.4", EngineLifecycleSupport="open-source-rds-extended-support-disabled"),
    ],
    ids=["supported for long", "ended for good", "not sold for it", "turned off"],
)
def test_what_is_not_charged_is_not_forecast(home: House, record: dict[str, Any]) -> None:
    assert forecast(home, record) == []


@pytest.mark.parametrize(
    ("of_cluster", "of_member", "has_it"),
    [
        pytest.param("-disabled", None, False, id="turned off, of which its members report nothing"),
        pytest.param("-disabled", "", False, id="turned off, whatever its members report"),
        pytest.param("", None, True, id="turned on"),
        pytest.param(None, "", True, id="its cluster reports nothing"),
    ],
)
def test_a_member_of_a_cluster_has_extended_support_where_its_cluster_has(
    home: House, of_cluster: str | None, of_member: str | None, has_it: bool
) -> None:
    def support(suffix: str | None) -> dict[str, str]:
        return {} if suffix is None else {"EngineLifecycleSupport": f"open-source-rds-extended-support{suffix}"}

    engine = {"Engine": "aurora-mysql", "EngineVersion": "5.7.mysql_aurora.2.11"}
    arn = "arn:aws:rds:ap-southeast-2:012345678901:cluster:ledger"
    cluster = {"DBClusterArn": arn, "DBClusterIdentifier": "ledger", "DbClusterResourceId": "cluster-1", **engine}
    member = database(*engine.values(), DBClusterIdentifier="ledger", **support(of_member))
    forecasts = forecast(home, member, Given("rds_db_cluster", [cluster | support(of_cluster)]))
    assert [row["arn"] for row in forecasts] == ([ARN] if has_it else [])
    reported = home.rows("select arn, has_extended_support from cmdb.end_of_life where kind = 'engine'")
    of_both = {row["arn"]: row["has_extended_support"] for row in reported}
    assert of_both == {ARN: has_it, arn: None if of_cluster is None else has_it}
