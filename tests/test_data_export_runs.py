"""The data export in whole runs, and read from a real S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import EXPORT, lead_to
from given import House, house
from nights import DATABASE, night_environment, query, run_night
from scaleout_services import BUCKET, S3
from test_data_export import CLOSED, cells, deliver, lines, night

from pipelines.cli.summary import RunSummary
from resources.aws.client import AwsClient
from simulator.client import Simulator

PLACE = f"s3://{EXPORT}"


def run(simulator: Simulator, database: Path) -> RunSummary:
    environment = night_environment(simulator, database, CMDB_DATA_EXPORT=PLACE, CMDB_COST_MONTHS="4")
    return run_night(environment, database)


@pytest.mark.large
def test_a_run_publishes_the_months_that_reconcile_and_is_refused_by_another_payers(
    small: Simulator, tmp_path: Path
) -> None:
    database = tmp_path / DATABASE
    deliver(small, CLOSED)
    assert run(small, database).published
    counted = "select distinct strftime(\"month\", '%Y-%m') from cost.export_resource_cost"
    assert query(database, counted) == [(CLOSED,)]
    ((difference, verdict),) = query(
        database,
        "select abs(difference) < 0.005, verdict from cost.export_reconciliation "
        f"where account_id is null and \"month\" = '{CLOSED}-01'",
    )
    assert (difference, verdict) == (True, "reconciled")
    # A cent warns, and what is published says so.
    deliver(small, CLOSED, fault="cent")
    assert run(small, database).published
    assert query(database, counted) == []
    before = query(database, "select count(*), max(run_id) from cost.export_line")
    # A delivery that is not whole warns too, and its rows are those before it.
    deliver(small, CLOSED, fault="absent")
    assert run(small, database).published
    assert query(database, "select count(*), max(run_id) from cost.export_line") == before
    assert query(database, "select distinct is_stale from cost.export_line") == [(True,)]
    deliver(small, CLOSED, fault="payer")
    assert not run(small, database).published
    assert query(database, "select count(*), max(run_id) from cost.export_line") == before


@pytest.fixture(scope="module")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    """An S3 server that takes every signature, as the simulated credentials are those of no server."""
    server = S3(tmp_path_factory.mktemp("s3") / "server")
    server._command = [word for word in server._command if not word.startswith("-s3.config")]
    with server:
        yield server


def keys(s3: S3) -> list[str]:
    found = s3.client().list_objects_v2(Bucket=BUCKET, Prefix="billing/")
    return sorted(entry["Key"] for entry in found["Contents"])


def to_server(s3: S3) -> None:
    """Copy what the simulated payer's bucket holds, the manifest last, as AWS does."""
    client = AwsClient("billing", home_region="us-east-1")
    bucket = EXPORT.partition("/")[0]
    try:
        source = client.session("acmeBilling").client("s3")
        for entry in source.list_objects_v2(Bucket=bucket, Prefix="billing/")["Contents"]:
            content = source.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read()
            content = content.replace(f"s3://{bucket}/".encode(), f"s3://{BUCKET}/".encode())
            s3.client().put_object(Bucket=BUCKET, Key=entry["Key"], Body=content)
    finally:
        client.close()


def touch(s3: S3) -> None:
    """Deliver the manifest again."""
    (name,) = (key for key in keys(s3) if key.endswith("-Manifest.json"))
    content = s3.client().get_object(Bucket=BUCKET, Key=name)["Body"].read()
    s3.client().put_object(Bucket=BUCKET, Key=name, Body=content + b" ")


def comparable(home: House) -> list[dict[str, Any]]:
    """The lines without what says when they were read."""
    return [{name: value for name, value in row.items() if name != "collected_at"} for row in lines(home)]


@pytest.mark.scaleout
def test_a_delivery_in_a_real_bucket_is_read_as_the_simulated_one(
    s3: S3, small_process: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_process.reset()
    lead_to(small_process, monkeypatch)
    deliver(small_process, CLOSED, delivery="create new")
    (tmp_path / "simulated").mkdir()
    (tmp_path / "real").mkdir()
    with house(tmp_path / "simulated") as simulated:
        night(simulated, "night-1")
        expected = comparable(simulated)
    assert expected
    to_server(s3)
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3.endpoint)
    place = f"s3://{BUCKET}/billing/hourly-by-resource"
    with house(tmp_path / "real") as real:
        assert night(real, "night-1", CMDB_DATA_EXPORT=place).passed
        assert comparable(real) == expected
        night(real, "night-2", CMDB_DATA_EXPORT=place)
        assert cells(real, "night-2").keys() == {""}
        # The last file is cut, and has another ETag than the manifest's delivery.
        last = sorted(keys(s3))[-2]
        whole = s3.client().get_object(Bucket=BUCKET, Key=last)["Body"].read()
        s3.client().put_object(Bucket=BUCKET, Key=last, Body=whole[:-50])
        touch(s3)
        result = night(real, "night-3", CMDB_DATA_EXPORT=place)
        assert not result.passed
        assert cells(real, "night-3")[CLOSED]["error_code"] == "UnreadableExport"
        s3.client().delete_object(Bucket=BUCKET, Key=last)
        night(real, "night-4", CMDB_DATA_EXPORT=place)
        assert cells(real, "night-4")[CLOSED]["error_code"] == "NotWhole"
        assert len(lines(real)) == len(expected)
