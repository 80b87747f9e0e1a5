"""The run as OpenLineage's own client reads it: nothing unknown, nothing missing, and what the published file says."""

from __future__ import annotations

import importlib.util
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attr
import duckdb
import pytest
from click.testing import CliRunner
from nights import Witness, cmdb_here
from openlineage.client import event_v2, facet_v2

from pipelines.cli.export import export
from pipelines.exports.files import MARK
from pipelines.exports.openlineage import FILE, ScopeDatasetFacet, _collected

Event = dict[str, Any]

MODULES = [module for module in vars(facet_v2).values() if getattr(module, "__name__", "").startswith("openlineage")]
CLASSES = {
    name: kind for module in (*MODULES, facet_v2) for name, kind in vars(module).items() if name.endswith("Facet")
}
"""The client's class of each facet, which it generates from the standard's schemas."""


def read(facet: Event, name: str) -> object:
    """A facet as the client's class takes it.

    Raises:
        TypeError: it has a member that the class has not, or lacks one that it needs.
    """
    kind = ScopeDatasetFacet if name == "awsOrgCmdb_scope" else CLASSES[facet["_schemaURL"].rpartition("/")[2]]
    members = {key: value for key, value in facet.items() if not key.startswith("_")}
    return kind(**members)


@pytest.fixture(scope="module")
def environment(witnessed_night: Witness) -> dict[str, str]:
    return {"CMDB_DATABASE": str(witnessed_night.database)}


@pytest.fixture(scope="module")
def events(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> list[Event]:
    folder = tmp_path_factory.mktemp("lineage") / "out"
    done = cmdb_here(environment, "export", "openlineage", str(folder), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    lines = (folder / FILE).read_text(encoding="utf-8").splitlines()
    assert [entry["rows"] for entry in json.loads(done.stdout)] == [len(lines)]
    assert json.loads((folder / MARK).read_text(encoding="utf-8"))["format"] == "openlineage"
    return [json.loads(line) for line in lines]


def facets_of(event: Event) -> dict[str, Event]:
    found = event["run"]["facets"] | event["job"]["facets"]
    for dataset in event["inputs"] + event["outputs"]:
        found |= dataset["facets"] | dataset.get("inputFacets", {}) | dataset.get("outputFacets", {})
    return found


def complete(events: list[Event], job: str) -> Event:
    (found,) = (e for e in events if e["job"]["name"] == job and e["eventType"] == "COMPLETE")
    return found


def test_the_client_takes_every_event_and_facet(events: list[Event]) -> None:
    known = {field.name for field in attr.fields(event_v2.RunEvent)}
    for event in events:
        assert event.keys() <= known
        event_v2.RunEvent(
            eventType=event_v2.RunState(event["eventType"]),
            eventTime=event["eventTime"],
            run=event_v2.Run(event["run"]["runId"]),
            job=event_v2.Job(event["job"]["namespace"], event["job"]["name"]),
        )
        for name, facet in facets_of(event).items():
            read(facet, name)
    shown = facets_of(complete(events, "cmdb.resource"))
    assert {"schema", "columnLineage", "documentation", "version", "outputStatistics", "parent"} <= shown.keys()
    with pytest.raises(TypeError):
        read({key: value for key, value in shown["columnLineage"].items() if key != "fields"}, "columnLineage")
    with pytest.raises(TypeError):
        read(shown["schema"] | {"columns": []}, "schema")


def test_every_step_has_one_begin_and_one_end_within_its_run(events: list[Event]) -> None:
    by_run: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        by_run[event["run"]["runId"]].append(event)
    assert {tuple(event["eventType"] for event in found) for found in by_run.values()} == {("START", "COMPLETE")}
    times = [datetime.fromisoformat(event["eventTime"]) for event in events]
    assert times == sorted(times) and all(time.tzinfo is not None for time in times)
    runs = {run for run, found in by_run.items() if "parent" not in found[0]["run"]["facets"]}
    parents = {e["run"]["facets"]["parent"]["run"]["runId"] for e in events if "parent" in e["run"]["facets"]}
    assert parents == runs and len(runs) == 1


def test_what_a_step_reads_is_written_by_another_or_is_an_operation_of_aws(events: list[Event]) -> None:
    written = {(out["namespace"], out["name"]) for event in events for out in event["outputs"]}
    reads = {(one["namespace"], one["name"]) for event in events for one in event["inputs"]}
    assert ("aws", "ec2:DescribeInstances") in reads
    # What is listed on request only was not requested, and a first bill is compared with nothing.
    unasked = {name for namespace, name in reads - written if namespace != "aws"}
    assert unasked == {"landing.s3_bucket_content", "landing.cost_account_daily", "landing.cost_export"}
    columns = facets_of(complete(events, "aws.ec2_instance"))["columnLineage"]["fields"]
    (source,) = columns["instance_id"]["inputFields"]
    assert (source["name"], source["field"]) == ("landing.ec2_instance", "InstanceId")


def test_scope_rows_and_checks_are_those_of_the_published_file(events: list[Event], witnessed_night: Witness) -> None:
    with duckdb.connect(str(witnessed_night.database), read_only=True) as connection:
        claimed = dict(
            (name, tuple(more))
            for name, *more in connection.execute(
                "select claim, judged, unknown, unknown_reason from audit.claim"
            ).fetchall()
        )
        row = connection.execute("select count(*) from cmdb.resource").fetchone()
        checks = Counter(
            scope
            for (scope,) in connection.execute("select scope from audit.check_result where scope <> ''").fetchall()
        )
    ends = [event for event in events if event["eventType"] == "COMPLETE"]
    told = {
        out["name"]: (scope["judged"], scope["unknown"], scope.get("unknown_reason"))
        for event in ends
        for out in event["outputs"]
        if (scope := out["facets"].get("awsOrgCmdb_scope"))
    }
    assert told and all(told[name] == claimed[name] for name in told)
    assert any(unknown for _, unknown, _ in told.values())
    (resource,) = complete(events, "cmdb.resource")["outputs"]
    assert row == (resource["outputFacets"]["outputStatistics"]["rowCount"],)
    (tested,) = complete(events, "cmdb.resource.checks")["inputs"]
    assertions = tested["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert len(assertions) == checks["cmdb.resource"] and all(entry["success"] for entry in assertions)


def test_a_listing_without_a_trusted_response_has_no_number_of_rows() -> None:
    """Zero would say that there is nothing."""
    at = datetime(2026, 11, 1, tzinfo=UTC)
    with duckdb.connect() as connection:
        connection.execute("create schema audit")
        connection.execute(
            """
            create table audit.collection as
            select
                'one' as run_id, unnest(['ec2_vpc', 'ec2_vpc', 'ec2_volume']) as listing, $at as started_at,
                $at as ended_at, unnest([3, 9, 0]) as record_count, unnest([true, false, false]) as is_trusted,
                1 as request_count
            """,
            {"at": at},
        )
        found = {step.name: step.rows for step in _collected(connection, {"one": at})}
    assert found == {"landing.ec2_vpc": 3, "landing.ec2_volume": None}


def test_without_its_extra_the_command_names_it_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *_: None)
    done = CliRunner().invoke(export, ["openlineage", str(tmp_path / "out")])
    assert done.exit_code == 2
    assert "needs the extra openlineage" in done.output and "Nothing was exported" in done.output
    assert not (tmp_path / "out").exists()
