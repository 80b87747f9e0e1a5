"""Databases, buckets and functions in the warehouse: as the organisation has them, without their secrets."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import botocore.session
import duckdb
import pytest
from given import WORKLOAD, house
from nights import DATABASE, Witness, cmdb_here, copy_of, dagster_home, night_environment, query
from steps import asked

from pipelines.catalogue import lambda_, rds, s3
from pipelines.catalogue.names import FUNCTION, REGION
from pipelines.catalogue.registry import listings
from pipelines.collection.billed import BilledItem, billed_services, unexplained
from pipelines.collection.landing import records_path
from pipelines.models.macros import MACROS
from resources.aws.client import AwsClient
from resources.aws.listing import Each, partition_of
from resources.aws.redaction import redacted
from resources.store.store import Store
from simulator.access import session_token
from simulator.client import Simulator

CATALOGUE = listings()
MANAGED = (*rds.LISTINGS, *s3.LISTINGS, *lambda_.LISTINGS)
CANARIES = (b"canary-function", b"canary-database", b"confidential/")
CREDENTIALS = (b"canary-secret-key", b"canary-sso-token", session_token("1", "r", "s", 1)[:16].encode())
"""What stands in every credential of the simulated organisation; a session token is a record that begins alike."""
Row = dict[str, Any]


def reachable(truth: Row, part: str) -> dict[str, Row]:
    """Rows of the truth in the accounts that a profile reaches, by ARN."""
    rows = [row for row in truth[part] if row["account_id"] in truth["reachable"]]
    assert len({row["arn"] for row in rows}) == len(rows) > 0
    return {row["arn"]: row for row in rows}


def found(database: Path, relation: str) -> dict[str, Row]:
    """A published table by ARN; times as the simulator writes them."""
    with Store(database).published() as connection:
        cursor = connection.execute(f"select * from {relation}")
        names = [column[0] for column in cursor.description or ()]
        rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    for row in rows:
        row |= {
            name: value.astimezone(dt.UTC).isoformat() for name, value in row.items() if isinstance(value, dt.datetime)
        }
    assert len({row["arn"] for row in rows}) == len(rows)
    return {row["arn"]: row for row in rows}


@pytest.mark.parametrize(
    ("relation", "part", "renamed"),
    [
        (
            "aws.rds_db_instance",
            "db_instances",
            {"db_cluster": "cluster_name"},
        ),
        ("aws.rds_db_cluster", "db_clusters", {"members": "member_names"}),
        ("aws.rds_db_snapshot", "db_snapshots", {"source": "source_name", "is_orphan": None, "restore_by": None}),
        ("aws.s3_bucket", "buckets", {"has_objects": None, "is_locked": None, "tags": None}),
        ("aws.lambda_function", "functions", {}),
    ],
)
def test_everything_is_there_once_as_the_organisation_has_it(
    witnessed_night: Witness, relation: str, part: str, renamed: dict[str, str | None]
) -> None:
    truth, rows = reachable(witnessed_night.truth, part), found(witnessed_night.database, relation)
    assert rows.keys() == truth.keys()
    for arn, expected in truth.items():
        known = {renamed.get(name, name): value for name, value in expected.items()}
        known.pop(None, None)
        assert {name: rows[arn][name] for name in known} == known
        assert rows[arn]["caller_account_id"] == expected["account_id"]


def test_each_is_a_configuration_item_but_the_snapshots_that_come_and_go(witnessed_night: Witness) -> None:
    truth, items = witnessed_night.truth, found(witnessed_night.database, "cmdb.resource")
    kinds = {"DBInstance": "db_instances", "DBCluster": "db_clusters", "Bucket": "buckets", "Function": "functions"}
    expected = {arn: (kind, row) for kind, part in kinds.items() for arn, row in reachable(truth, part).items()}
    for arn, row in reachable(truth, "db_snapshots").items():
        if row["snapshot_type"] != "automated":
            expected[arn] = ("DBClusterSnapshot" if row["is_of_cluster"] else "DBSnapshot", row)
    listed = {"rds_db_instance", "rds_db_cluster", "rds_db_snapshot", "rds_db_cluster_snapshot", "s3_bucket", FUNCTION}
    assert {arn for arn, item in items.items() if item["listing"] in listed} == expected.keys()
    for arn, (kind, row) in expected.items():
        item = items[arn]
        assert item["resource_type"].rpartition("::")[2] == kind
        assert (item["account_id"], item["region"], item["name"]) == (row["account_id"], row["region"], row["name"])
        assert (item["state"], item["created_at"]) == (row.get("status", item["state"]), row.get("created_at"))
        if not row.get("is_locked"):
            assert item["tags"] == row["tags"]
            assert item["business_service"] == row["tags"].get("bc:business-service", item["business_service"])
        assert (item["status"], item["is_stale"]) == ("active", False)


def test_relations_are_those_of_the_organisation(witnessed_night: Witness) -> None:
    truth = witnessed_night.truth
    orphans = query(
        witnessed_night.database,
        """
        select arn from aws.rds_db_snapshot as s
        where not exists (
            select 1 from aws.rds_db_instance as d where d.resource_id = s.source_resource_id
            union all
            select 1 from aws.rds_db_cluster as c where c.resource_id = s.source_resource_id
        )
        """,
    )
    expected = {arn for arn, row in reachable(truth, "db_snapshots").items() if row["is_orphan"]}
    assert {arn for (arn,) in orphans} == expected != set()
    vpcs = {row["vpc_id"]: (row["account_id"], row["region"]) for row in truth["vpcs"]}
    for relation in ("aws.rds_db_instance", "aws.lambda_function"):
        for row in found(witnessed_night.database, relation).values():
            assert row["vpc_id"] is None or vpcs[row["vpc_id"]] == (row["account_id"], row["region"])


def test_tags_of_a_bucket_are_known_none_or_unknown(witnessed_night: Witness) -> None:
    truth, rows = reachable(witnessed_night.truth, "buckets"), found(witnessed_night.database, "aws.s3_bucket")
    refused = {
        (account, region)
        for account, region in query(
            witnessed_night.database,
            "select account_id, region from audit.collection where listing = 's3_bucket_tag' and outcome = 'denied'",
        )
    }
    for arn, bucket in truth.items():
        place = (bucket["account_id"], bucket["region"])
        assert rows[arn]["tags"] == (None if bucket["is_locked"] or place in refused else bucket["tags"])
        assert rows[arn]["has_objects"] is None
    shown = [rows[arn]["tags"] for arn in truth]
    assert None in shown and {} in shown and max(len(tags) for tags in shown if tags) == 50
    # A bucket that refuses beside others that answer takes nothing from them.
    locked = Counter((b["account_id"], b["region"]) for b in truth.values() if b["is_locked"])
    alone = {place for place in locked if sum((b["account_id"], b["region"]) == place for b in truth.values()) == 1}
    assert refused == alone and set(locked) - alone


def test_each_listing_is_requested_in_the_regions_and_once_where_it_has_none(witnessed_night: Witness) -> None:
    truth = witnessed_night.truth
    cells = query(
        witnessed_night.database,
        """
        select listing, account_id, region, outcome, skip_reason from audit.collection
        where list_contains($names, listing)
        """,
        {"names": [listing.name for listing in MANAGED]},
    )
    of: dict[str, dict[tuple[str, str], tuple[str, str | None]]] = {listing.name: {} for listing in MANAGED}
    for listing, account, region, outcome, reason in cells:
        if account in truth["reachable"]:
            of[listing][account, region] = (outcome, reason)
    everywhere = {(account, region) for account in truth["reachable"] for region in truth["regions"]}
    globally = {(account, "aws-global") for account in truth["reachable"]}
    for name in ("rds_db_instance", "rds_db_cluster", "rds_db_snapshot", "rds_db_cluster_snapshot", FUNCTION):
        assert of[name].keys() == everywhere
        assert {outcome for outcome, _ in of[name].values()} == {"found", "empty_verified"}
    assert of["s3_bucket"] == dict.fromkeys(globally, ("found", None))
    assert of["s3_bucket_content"] == dict.fromkeys(globally, ("skipped", "not_requested"))
    assert of["s3_bucket_tag"].keys() == {(b["account_id"], b["region"]) for b in reachable(truth, "buckets").values()}
    assert of["lambda_function_tag"].keys() == {
        (f["account_id"], f["region"]) for f in reachable(truth, "functions").values()
    }
    # Each bucket was asked about where it lies.
    requested_at = {
        call["parameters"]["ResourceArn"]: call["region"]
        for call in witnessed_night.calls
        if (call["service"], call["operation"]) == ("s3control", "ListTagsForResource")
    }
    assert requested_at == {arn: bucket["region"] for arn, bucket in reachable(truth, "buckets").items()}


# ------------------------------------------------------------------------------------------------- secrets


def keeping(folder: Path, canaries: Iterable[bytes] = CANARIES) -> set[str]:
    """Files below a folder in which a secret of the organisation stands."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_file() and any(canary in path.read_bytes() for canary in canaries)
    }


def cells_keeping(database: Path, canaries: Iterable[bytes], *, of: str = "published") -> list[str]:
    """Tables of the published file, or of the working one, in which a secret stands: strings lie there compressed."""
    pattern = "|".join(re.escape(canary.decode()) for canary in canaries)
    store = Store(database)
    with store.published() if of == "published" else store.read() as connection:
        columns = connection.execute(
            """
            select table_schema, table_name, list(column_name) from information_schema.columns
            where table_catalog = current_database() and table_schema not in ('information_schema', 'pg_catalog')
            group by all
            """
        ).fetchall()
        return [
            f"{schema}.{table}"
            for schema, table, names in columns
            for tested in [" or ".join(f'regexp_matches("{name}"::varchar, $pattern)' for name in names)]
            if connection.execute(
                f'select count(*) from "{schema}"."{table}" where {tested}', {"pattern": pattern}
            ).fetchall()
            != [(0,)]
        ]


def test_no_secret_of_a_function_or_database_is_kept_anywhere(truthful_night: Path, tmp_path: Path) -> None:
    assert keeping(truthful_night) == set()
    (run,) = {path.name for path in (truthful_night / "landing").iterdir() if path.is_dir()}
    landing = records_path(truthful_night / "landing", run, FUNCTION).read_bytes()
    assert b"FunctionArn" in landing and b"Environment" not in landing
    # The search finds what is there.
    (tmp_path / "leak").write_bytes(b'{"DATABASE_PASSWORD":"canary-function-1"}')
    assert keeping(tmp_path) == {"leak"}


@pytest.mark.large
def test_no_credential_is_kept_anywhere(truthful_night: Path, organisation: Simulator, tmp_path: Path) -> None:
    """Not in a file or table of the night, and not in Dagster's logs, also not of a night that credentials refuse."""
    refused = tmp_path / "refused" / DATABASE
    done = cmdb_here(night_environment(organisation, refused, AWS_BILLING_PROFILE="acmeExpired"), "nightly")
    assert done.returncode == 1
    assert not [canary for canary in CREDENTIALS if canary in (done.stdout + done.stderr).encode()]
    for folder in (truthful_night, truthful_night.parent / "dagster", refused.parent, dagster_home()):
        assert any(path.is_file() for path in folder.rglob("*"))
        assert keeping(folder, CREDENTIALS) == set()
    assert cells_keeping(truthful_night / DATABASE, (*CREDENTIALS, *CANARIES)) == []
    for database in (truthful_night / DATABASE, refused):
        assert cells_keeping(database, (*CREDENTIALS, *CANARIES), of="working") == []
    # Both searches find what is there.
    assert "audit.caller_identity" in cells_keeping(refused, [b"acmeExpired"], of="working")
    assert keeping(organisation.directory, CREDENTIALS) != set()
    assert "cost.allocation" in cells_keeping(truthful_night / DATABASE, [b"Platform"])


def test_a_secret_is_in_no_verbatim_response_either(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    """Not even in that of a zero or a failure, which is kept as it came."""
    organisation.faults(
        [{"action": "error", "op": "ListTags", "code": "ServiceException", "status": 400, "times": 999}]
    )
    database = copy_of(truthful_night, tmp_path)
    with asked(organisation, database, FUNCTION, "lambda_function_tag") as cells:
        assert {c.outcome for c in cells if c.listing == "lambda_function_tag" and c.region != "aws-global"} == {
            "failed"
        }
        assert "canary" not in json.dumps([cell.raw_response for cell in cells])
    assert keeping(database.parent) == set()


def test_a_question_that_is_put_again_shows_no_secret(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    environment = night_environment(organisation, copy_of(truthful_night, tmp_path))
    truth = organisation.truth()
    for listing, part, shown in ((FUNCTION, "functions", "FunctionArn"), ("rds_db_instance", "db_instances", "Engine")):
        row = next(iter(reachable(truth, part).values()))
        place = ("--account", row["account_id"], "--region", row["region"])
        done = cmdb_here(environment, "ask", "workload", listing, *place, "--verbose")
        assert done.returncode == 0, done.stderr
        assert shown in done.stdout
        said = (done.stdout + done.stderr).encode()
        assert [canary for canary in (*CANARIES, *CREDENTIALS) if canary in said] == []


def test_what_is_redacted_goes_however_deep_it_stands() -> None:
    page = {"Functions": [{"Name": "a", "Environment": {"Variables": {"x": "y"}}}, {"Inner": {"Environment": 1}}]}
    assert redacted(page, ("Environment",)) == {"Functions": [{"Name": "a"}, {"Inner": {}}]}
    assert redacted(page, ()) is page


# ------------------------------------------------------------------------- what is asked for each of many


def test_whether_buckets_are_empty_is_requested_only_on_request_and_names_no_object(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    database = copy_of(truthful_night, tmp_path)
    truth = reachable(organisation.truth("buckets"), "buckets")
    organisation.clear_log()
    with asked(organisation, database, "s3_bucket", "s3_bucket_content", CMDB_BUCKET_CONTENT="yes") as cells:
        content = [cell for cell in cells if cell.listing == "s3_bucket_content" and cell.outcome != "skipped"]
        assert {"found"} <= {cell.outcome for cell in content} <= {"found", "denied"}
    calls = [call for call in organisation.log() if call["operation"] == "ListObjectsV2"]
    assert {call["parameters"]["Bucket"]: call["region"] for call in calls} == {
        bucket["name"]: bucket["region"] for bucket in truth.values()
    }
    assert len(calls) == len(truth)
    assert {call["parameters"]["MaxKeys"] for call in calls} == {1}
    lines = records_path(Store(database).landing, "another-night", "s3_bucket_content").read_text().splitlines()
    counted = {item["Bucket"]: item for item in (json.loads(line)["item"] for line in lines)}
    for bucket in truth.values():
        if bucket["name"] in counted and not bucket["is_locked"]:
            assert (counted[bucket["name"]]["KeyCount"] > 0) == bucket["has_objects"]
    assert {item.get("ErrorCode") for item in counted.values()} == {None, "AccessDenied"}
    assert keeping(database.parent) == set()


def test_what_refuses_alone_has_its_reasons_and_where_all_refuse_the_cell_does(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    account, other = organisation.truth()["reachable"][:2]
    refused = {"action": "denied", "op": "ListTags"}
    organisation.faults([{**refused, "account": account, "times": 1}, {**refused, "account": other}])
    with asked(organisation, copy_of(truthful_night, tmp_path), "lambda_function_tag") as cells:
        of = {account: [cell for cell in cells if cell.account_id == account] for account in (account, other)}
        assert {cell.outcome for cell in of[other]} == {"denied"}
        assert sorted(cell.outcome for cell in of[account])[-1] == "found"
        functions = Counter(
            (row["account_id"], row["region"])
            for row in reachable(organisation.truth("functions"), "functions").values()
        )
        for cell in of[account]:
            if cell.outcome == "found":
                assert cell.record_count == functions[account, cell.region]


# ---------------------------------------------------------------------------------------------- the bill


def test_the_bill_of_databases_is_explained_by_what_is_left_of_them_and_that_of_buckets_by_buckets_alone(
    tmp_path: Path,
) -> None:
    rds = "Amazon Relational Database Service"
    with house(tmp_path) as home:
        home.build("ref.service_listing")
        mapped = home.rows(
            "select listing, service from ref.service_listing where is_witness and service not like 'Amazon D%'"
            " and service <> 'Amazon Neptune'"
        )
    shown = {(WORKLOAD, row["listing"]): (BilledItem(row["service"], True),) for row in mapped}
    assert shown[WORKLOAD, "rds_db_instance"] == shown[WORKLOAD, "rds_db_cluster_snapshot"] == ((rds, True),)
    # An account of snapshots alone.
    left = unexplained(shown, [(WORKLOAD, "rds_db_snapshot"), (WORKLOAD, FUNCTION)])
    bought = {(WORKLOAD, name) for name in ("ec2_reserved_instance", "ec2_host", "ec2_capacity_block")}
    assert left.keys() - bought == {
        (WORKLOAD, name) for name in ("ec2_instance", "ec2_capacity_reservation", "ec2_host_reservation", "s3_bucket")
    }
    # One that bought a reservation, which instances of other accounts use.
    left = unexplained(shown, [(WORKLOAD, "ec2_reserved_instance"), (WORKLOAD, "rds_reserved_db_instance")])
    assert not left.keys() & {(WORKLOAD, "ec2_instance"), (WORKLOAD, "rds_db_instance")}
    # Nothing at all, and what another account has is no explanation.
    assert unexplained(shown, [("000000000001", "rds_db_snapshot")]) == {
        place: tuple(item.name for item in items) for place, items in shown.items()
    }


def test_what_database_instances_cost_by_the_hour_is_not_explained_by_their_snapshots(truthful_night: Path) -> None:
    store = Store(truthful_night / DATABASE)
    shown = billed_services(store, dt.date.min)
    running = {account for account, listing in shown if listing == "rds_db_instance"}
    instances = {account for (account,) in query(store.database, "select distinct account_id from aws.rds_db_instance")}
    assert running & instances
    account = min(running & instances)
    left = unexplained(shown, [(account, "rds_db_snapshot"), (account, "rds_db_cluster")])
    assert all(re.search("InstanceUsage:db[.]|Aurora:|-Storage", usage) for usage in left[account, "rds_db_instance"])
    assert (account, "rds_db_snapshot") not in left
    assert (account, "rds_db_instance") not in unexplained(shown, [(account, "rds_db_instance")])


@pytest.mark.parametrize(
    ("region", "partition"),
    [("us-east-1", "aws"), ("ap-southeast-2", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_the_arn_of_a_bucket_is_made_of_its_name_and_partition(region: str, partition: str) -> None:
    assert partition_of(region) == partition
    each = CATALOGUE["s3_bucket_tag"].each
    assert each is not None
    assert each.value("data", region) == f"arn:{partition}:s3:::data"
    assert Each("Bucket", field="Name").value("data", region) == "data"


def test_the_partition_of_a_region_is_botocores_in_python_and_in_sql() -> None:
    session = botocore.session.Session()
    partitions = session.get_component("data_loader").load_data("partitions")["partitions"]
    expected = {
        region: partition["id"]
        for partition in partitions
        for region in partition["regions"]
        # The pseudo-regions of services without regions are in no ARN.
        if "global" not in region
    }
    for partition in session.get_available_partitions():
        for service in ("ec2", "s3", "sts"):
            expected |= dict.fromkeys(session.get_available_regions(service, partition), partition)
    assert len(expected) > 40
    assert len(set(expected.values())) == len(partitions) >= 8
    assert {region: partition_of(region) for region in expected} == expected
    with duckdb.connect() as connection:
        for macro in MACROS:
            connection.execute(macro)
        rows = connection.execute(
            "select region, aws_partition(region) from (select unnest($regions) as region)",
            {"regions": list(expected)},
        ).fetchall()
    assert dict(rows) == expected


@pytest.mark.parametrize(
    ("region", "partition"),
    [("mx-west-9", "aws"), ("aws-global", "aws"), ("eusc-fr-west-2", "aws-eusc"), ("cn-south-9", "aws-cn")],
)
def test_a_region_that_botocore_does_not_know_yet_has_the_partition_of_its_prefix(region: str, partition: str) -> None:
    assert partition_of(region) == partition


# ---------------------------------------------------------------------------------------------- the regions


def test_a_service_that_a_region_does_not_have_is_not_requested_there(
    organisation: Simulator, truthful_night: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = organisation.truth()["regions"][1]
    monkeypatch.setattr(AwsClient, "offers", lambda _, service, region: (service, region) != ("lambda", without))
    organisation.clear_log()
    with asked(organisation, copy_of(truthful_night, tmp_path), REGION, FUNCTION, "ec2_vpc") as cells:
        there = [
            cell for cell in cells if cell.region == without and cell.account_id in organisation.truth()["reachable"]
        ]
        assert {(cell.listing, cell.skip_reason) for cell in there} == {(FUNCTION, "not_offered"), ("ec2_vpc", None)}
    requested_at = {call["region"] for call in organisation.log() if call["operation"] == "ListFunctions"}
    assert requested_at == {*organisation.truth()["regions"]} - {without}


def test_what_botocore_does_not_know_may_be_there() -> None:
    reach = AwsClient("workload", home_region="us-east-1")
    offered = [reach.offers(listing.service, "ap-southeast-6") for listing in MANAGED]
    assert all(offered)
    assert not reach.offers("apprunner", "af-south-1")
    # A region that is newer than botocore; a service whose regions it does not list.
    assert reach.offers("apprunner", "ap-southeast-99") and reach.offers("organizations", "af-south-1")
