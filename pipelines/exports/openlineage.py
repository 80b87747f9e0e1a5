"""The run that published, as events of OpenLineage: what each step read, wrote and was judged by."""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import attr
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState, set_producer
from openlineage.client.facet_v2 import (
    DatasetFacet,
    InputDatasetFacet,
    OutputDatasetFacet,
    column_lineage_dataset,
    data_quality_assertions_dataset,
    dataset_version_dataset,
    documentation_dataset,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    schema_dataset,
)
from openlineage.client.serde import Serde

from pipelines.catalogue.registry import listings
from pipelines.exports.files import ExportedFile, published_name, replaced, scopes
from pipelines.exports.relations import Relation, read_relations
from pipelines.models.model import Model, read_models
from pipelines.models.query_facts import lineage_of
from pipelines.models.sources import Source

if TYPE_CHECKING:
    import duckdb

    from resources.store.store import Store

Assertion = data_quality_assertions_dataset.Assertion

FILE = "openlineage.ndjson"

AWS = "aws"
"""The namespace of AWS's own operations, which the collecting steps read."""

LANDING = "landing"

RUN = "run"
"""The job of a whole run."""

PUBLISHED = ("published", "publishing")
"""Outcomes of a run that published. Its own file was copied before its outcome was settled."""


@attr.define
class ScopeDatasetFacet(DatasetFacet):
    """How much of what a dataset is about is known: the project's own facet, `awsOrgCmdb_scope`.

    Attributes:
        judged, unknown: cells whose newest response counts or does not.
        unknown_reason: why they are unknown, with how many each.
        as_of: ISO time, UTC, of the oldest response that the dataset rests on.
    """

    judged: int
    unknown: int
    unknown_reason: str | None = None
    as_of: str | None = None


@dataclass(frozen=True)
class Step:
    """One step of a run: the collection of a listing, or the building of a relation.

    Attributes:
        name: of its output, such as `landing.ec2_volume` or `cmdb.resource`.
        began: for a relation, when the last of what it reads was complete, since its begin is not recorded.
        rows: how many it wrote; None where that is not known.
    """

    name: str
    run_id: str
    began: datetime
    ended: datetime
    kind: str
    inputs: tuple[tuple[str, str], ...]
    rows: int | None = None


def export_openlineage(folder: Path, store: "Store") -> list[ExportedFile]:
    """Write the events of the run that published as `openlineage.ndjson`, one in each line, in order of time.

    Raises:
        ExportError: the folder cannot be written to, or holds something else. What was there is unchanged.
        WarehouseError: nothing is published yet.
    """
    described = {"format": "openlineage", "version": version("openlineage-python")}
    with replaced(folder, described) as part, store.exporting(part) as connection:
        described["published"] = published_name(connection)
        events = sorted(_Events(connection, described["published"]).all(), key=lambda event: event.eventTime)
        with (part / FILE).open("w", encoding="utf-8") as file:
            file.writelines(f"{Serde.to_json(event)}\n" for event in events)
    return [ExportedFile.of(folder / FILE, len(events), None)]


class _Events:
    """The events of one published file."""

    def __init__(self, connection: "duckdb.DuckDBPyConnection", published: str) -> None:
        self._connection = connection
        self._published = published
        self._models = read_models()
        self._lineage = lineage_of(self._models)
        self._relations = {relation.name: relation for relation in read_relations(connection)}
        self._scopes = scopes(connection)
        row = connection.execute("select organization_id from audit.organization").fetchone()
        self.namespace = f"aws-org-cmdb:{row[0] if row else 'unknown'}"
        set_producer(f"urn:aws-org-cmdb:{version('aws-org-cmdb')}")

    def all(self) -> Iterator[RunEvent]:
        """Begin and end of each run that wrote what is published, and of each of its steps."""
        runs = self._connection.execute(
            """
            select run_id, started_at, finished_at, outcome
            from audit.run where run_id in (select run_id from audit.relation_build)
            """
        ).fetchall()
        started = {run_id: began for run_id, began, *_ in runs}
        for run_id, began, ended, outcome in runs:
            job = self._job(RUN, "run")
            yield self._event(RunState.START, began, Run(_uuid(run_id)), job)
            # A run that died has no end. What a refused one built may be published by the next.
            if ended is not None:
                state = RunState.COMPLETE if outcome in PUBLISHED else RunState.FAIL
                yield self._event(state, ended, Run(_uuid(run_id)), job, outputs=self._evidence())
        for step in self._steps(started):
            inputs = [InputDataset(*name) for name in step.inputs]
            yield from self._begin_and_end(step, inputs, [self._output(step)])
        for step, assertions in self._checks(started):
            found: dict[str, InputDatasetFacet] = {
                "dataQualityAssertions": data_quality_assertions_dataset.DataQualityAssertionsDatasetFacet(assertions)
            }
            yield from self._begin_and_end(step, [InputDataset(*step.inputs[0], inputFacets=found)], [])

    def _begin_and_end(
        self, step: Step, inputs: list[InputDataset], outputs: list[OutputDataset]
    ) -> Iterator[RunEvent]:
        job = self._job(step.name, step.kind)
        above = parent_run.ParentRunFacet(
            run=parent_run.Run(_uuid(step.run_id)), job=parent_run.Job(self.namespace, RUN)
        )
        run = Run(_uuid(step.run_id, step.name), facets={"parent": above})
        yield self._event(RunState.START, step.began, run, job, inputs)
        yield self._event(RunState.COMPLETE, step.ended, run, job, inputs, outputs)

    def _steps(self, started: Mapping[str, datetime]) -> Iterator[Step]:
        collected = _collected(self._connection, started)
        yield from collected
        ready = {step.name: step.ended for step in collected}
        built = self._connection.execute(
            "select relation, run_id, built_at from audit.relation_build order by built_at"
        ).fetchall()
        for name, run_id, built_at in built:
            model = self._models.get(name)
            if model is None or run_id not in started:
                continue
            reads = sorted({*(f"{LANDING}.{listing}" for listing in model.listings), *model.uses} - {name})
            began = max([started[run_id], *(ready[one] for one in reads if one in ready and ready[one] <= built_at)])
            ready[name] = built_at
            inputs = tuple((self.namespace, one) for one in reads)
            yield Step(name, run_id, began, built_at, "model", inputs, self._rows(name))

    def _rows(self, name: str) -> int | None:
        """The rows of a public table; what a view comes to is worked out by whoever asks."""
        relation = self._relations.get(name)
        if relation is None or relation.kind != "table":
            return None
        row = self._connection.execute(f"select count(*) from {relation.sql}").fetchone()
        return int(row[0]) if row else None

    def _checks(self, started: Mapping[str, datetime]) -> Iterator[tuple[Step, list[Assertion]]]:
        """The rules that were evaluated, by what they are about; one about no dataset is left out."""
        found: dict[tuple[str, str], list[tuple[datetime, Assertion]]] = defaultdict(list)
        for run_id, about, name, severity, passed, observed, at in self._connection.execute(
            """
            select run_id, scope, check_name, lower(severity), passed, observed, checked_at
            from audit.check_result where list_contains($runs, run_id) order by all
            """,
            {"runs": list(started)},
        ).fetchall():
            dataset = about if about in self._relations else f"{LANDING}.{about}" if about in listings() else ""
            if dataset:
                result = Assertion(assertion="custom", success=passed, severity=severity, name=name, actual=observed)
                found[run_id, dataset].append((at, result))
        for (run_id, dataset), results in found.items():
            times = [at for at, _ in results]
            step = Step(f"{dataset}.checks", run_id, min(times), max(times), "check", ((self.namespace, dataset),))
            yield step, [result for _, result in results]

    def _evidence(self) -> list[OutputDataset]:
        """What a run writes of itself, which is no step's: the relations of `audit` that no query of a model makes."""
        return [
            OutputDataset(self.namespace, name, facets=_described(relation))
            for name, relation in self._relations.items()
            if name not in self._models
        ]

    def _output(self, step: Step) -> OutputDataset:
        facets: dict[str, DatasetFacet] = {}
        relation, model = self._relations.get(step.name), self._models.get(step.name)
        if relation is not None:
            facets |= _described(relation)
        if model is not None:
            facets["columnLineage"] = self._columns(model)
            facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(self._published)
        if scope := self._scopes.get(step.name):
            facets["awsOrgCmdb_scope"] = ScopeDatasetFacet(**asdict(scope))
        written: dict[str, OutputDatasetFacet] = {}
        if step.rows is not None:
            written["outputStatistics"] = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(step.rows)
        return OutputDataset(self.namespace, step.name, outputFacets=written, facets=facets)

    def _columns(self, model: Model) -> column_lineage_dataset.ColumnLineageDatasetFacet:
        return column_lineage_dataset.ColumnLineageDatasetFacet(
            {
                column: column_lineage_dataset.Fields([self._field(source) for source in sorted(sources)])
                for column, sources in self._lineage.of(model.relation).items()
                if sources
            }
        )

    def _field(self, source: Source) -> column_lineage_dataset.InputField:
        return column_lineage_dataset.InputField(self.namespace, ".".join(source.asset), source.column)

    def _job(self, name: str, kind: str) -> Job:
        what = job_type_job.JobTypeJobFacet(processingType="BATCH", integration="AWS_ORG_CMDB", jobType=kind.upper())
        return Job(self.namespace, name, facets={"jobType": what})

    def _event(
        self,
        state: RunState,
        at: datetime,
        run: Run,
        job: Job,
        inputs: list[InputDataset] | None = None,
        outputs: list[OutputDataset] | None = None,
    ) -> RunEvent:
        return RunEvent(
            eventType=state,
            eventTime=at.astimezone(UTC).isoformat(),
            run=run,
            job=job,
            inputs=inputs or [],
            outputs=outputs or [],
        )


def _collected(connection: "duckdb.DuckDBPyConnection", started: Mapping[str, datetime]) -> list[Step]:
    """The listings that each run requested, of AWS's operations. The count is None where no response is trusted."""
    known = listings()
    rows = connection.execute(
        """
        select
            split_part(listing, ':', 1) as name, run_id, min(started_at), max(ended_at),
            (sum(record_count) filter (is_trusted))::bigint
        from audit.collection
        where list_contains($runs, run_id) and coalesce(request_count, 0) > 0
        group by name, run_id
        """,
        {"runs": list(started)},
    ).fetchall()
    return [
        Step(f"{LANDING}.{name}", run_id, began, ended, "listing", ((AWS, known[name].call),), count)
        for name, run_id, began, ended, count in rows
        if name in known
    ]


def _described(relation: Relation) -> dict[str, DatasetFacet]:
    fields = [
        schema_dataset.SchemaDatasetFacetFields(column.name, column.type, column.comment, place)
        for place, column in enumerate(relation.columns, start=1)
    ]
    return {
        "schema": schema_dataset.SchemaDatasetFacet(fields),
        "documentation": documentation_dataset.DocumentationDatasetFacet(relation.comment),
    }


def _uuid(run_id: str, step: str = "") -> str:
    """The id of a run, or of a step in it: the same whenever it is exported."""
    try:
        run = uuid.UUID(run_id)
    except ValueError:
        run = uuid.uuid5(uuid.NAMESPACE_URL, f"urn:aws-org-cmdb:run:{run_id}")
    return str(uuid.uuid5(run, step) if step else run)
