"""The Dagster definitions, built from the environment when Dagster loads them."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run_iterator

from pipelines import settings_file
from pipelines.alerts import heartbeat_sensor, nightly_failure_sensor, stale_data_sensor
from pipelines.asset_metadata import with_metadata
from pipelines.collection.assets import collection_assets
from pipelines.collection.bill_month_assets import BILL_MONTH, DAILY_KEY, LANDED_KEY, bill_month_asset, partitions
from pipelines.collection.confirmation_assets import CONFIRM, CONFIRMATION_KEY, zero_confirmation
from pipelines.dagster_metadata import PUBLISHED_KEY
from pipelines.lost_interrupts import send_again
from pipelines.models.assets import asset_key, daily_months_asset, model_assets
from pipelines.models.checks import read_checks
from pipelines.models.model import read_models
from pipelines.models.model_metadata import lineage_metadata
from pipelines.models.query_facts import forget_trees, record_rules_of
from pipelines.preflight_assets import PREFLIGHT_KEY, caller_identity
from pipelines.publishing.assets import published_asset, published_copy
from pipelines.report.assets import report
from pipelines.settings import Settings, SettingsError, read_settings
from pipelines.trust.role_resources import aws_roles
from resources import release
from resources.installation import IS_CHECKOUT, SIMULATED, code_version
from resources.warehouse import Warehouse

NIGHTLY = "nightly"
CONFIRM_UNTIL = timedelta(hours=20)
"""Maximum age of a nightly run whose zeros the sensor confirms: publishing requires listings of the last 24 hours."""
CONFIRM_AFTER = timedelta(minutes=30)
"""How long after a nightly run the sensor looks its zeros up again: CloudTrail delivers events within about 15 minutes.
"""
SCHEDULE = "nightly_schedule"


def build_defs(environment: Mapping[str, str], problem: str = "") -> dg.Definitions:
    """Every asset, job, schedule, sensor and resource that Dagster runs, for one environment.

    Settings that cannot be used still let the code location load: `Settings.problem` holds the reason, and every step
    refuses with that sentence.

    Args:
        problem: why the settings file cannot be used; empty where it can.

    Raises:
        ProductFileError: a file that this release ships is missing. The code location does not load and shows the
            sentence, because with fewer rules everything would seem to pass.
    """
    release.require()
    try:
        settings = Settings(problem=problem) if problem else read_settings(environment)
    except SettingsError as error:
        settings = Settings(problem=str(error))
    models = read_models()
    sql_checks = read_checks(relations=models)
    record_rules, lineage = record_rules_of(models), lineage_metadata(models)
    forget_trees()
    months = partitions(settings, datetime.now(UTC).date())
    nightly = dg.define_asset_job(
        NIGHTLY,
        selection=dg.AssetSelection.all() - dg.AssetSelection.assets(LANDED_KEY, DAILY_KEY),
        description="One run: pre-flight, collection, models, checks, publishing, report.",
        executor_def=dg.in_process_executor,
        tags={"cmdb/warehouse": "nightly"},
    )
    copies = [published_copy] if settings.objects_url else []
    built = [*(asset_key(model) for model in models.values()), PUBLISHED_KEY, report.key, *(one.key for one in copies)]
    confirm = dg.define_asset_job(
        CONFIRM,
        selection=dg.AssetSelection.assets(PREFLIGHT_KEY, CONFIRMATION_KEY, *built),
        description="Look up in CloudTrail the zeros that it had not recorded, then build and publish.",
        executor_def=dg.in_process_executor,
        tags={"cmdb/warehouse": "nightly"},
    )
    bill_month = dg.define_asset_job(
        BILL_MONTH,
        selection=dg.AssetSelection.assets(PREFLIGHT_KEY, LANDED_KEY, DAILY_KEY, *built),
        description="Fetch months of the bill again whole, whatever is known of them, then build and publish.",
        executor_def=dg.in_process_executor,
        tags={"cmdb/warehouse": "nightly"},
    )
    can_run = bool(settings.management_profile and settings.operations_profile and settings.billing_profile)
    return dg.Definitions(
        assets=dg.map_asset_specs(
            lambda spec: with_metadata(spec, models, lineage, settings.docs_url),
            [
                caller_identity,
                zero_confirmation,
                *collection_assets(record_rules),
                bill_month_asset(record_rules, months),
                daily_months_asset(models, sql_checks, months),
                *model_assets(models, sql_checks),
                published_asset(models, sql_checks),
                *copies,
                report,
            ],
        ),
        jobs=[nightly, confirm, bill_month],
        schedules=[
            dg.ScheduleDefinition(
                name=SCHEDULE,
                job=nightly,
                cron_schedule=settings.schedule,
                execution_timezone=settings.timezone,
                # The schedule is on wherever a run is possible: a daemon that never starts a run would not report that.
                # A simulated organisation has no nights.
                default_status=(
                    dg.DefaultScheduleStatus.RUNNING
                    if can_run and not environment.get(SIMULATED)
                    else dg.DefaultScheduleStatus.STOPPED
                ),
            )
        ],
        sensors=[
            nightly_failure_sensor(settings),
            heartbeat_sensor(settings, NIGHTLY),
            stale_data_sensor(settings),
            _confirmation_sensor(is_on=can_run and settings.zero_evidence == "cloudtrail"),
        ],
        resources={
            **aws_roles(settings),
            "warehouse": Warehouse(database=str(settings.database), code_version=code_version()),
            "settings": settings,
        },
        # All steps share one process: a process for each step costs seconds, and DuckDB allows one writing process.
        executor=dg.in_process_executor,
    )


def _confirmation_sensor(*, is_on: bool) -> dg.SensorDefinition:
    """The sensor that launches the job `confirm` once after each nightly run, when CloudTrail has its calls."""

    @dg.sensor(
        name="confirm_after_nightly",
        job_name=CONFIRM,
        minimum_interval_seconds=300,
        description="Looks the zeros of a nightly run up in CloudTrail half an hour after the run ended.",
        default_status=dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED,
    )
    def confirm_after_nightly(context: dg.SensorEvaluationContext) -> Iterator[dg.RunRequest | dg.SkipReason]:
        ended = dg.RunsFilter(job_name=NIGHTLY, statuses=[dg.DagsterRunStatus.SUCCESS])
        for record in context.instance.get_run_records(filters=ended, limit=1):
            age = datetime.now(UTC) - datetime.fromtimestamp(record.end_time or 0, UTC)
            if age > CONFIRM_UNTIL:
                yield dg.SkipReason("The last nightly run is too old; the next one looks its zeros up.")
            elif age >= CONFIRM_AFTER:
                yield dg.RunRequest(run_key=record.dagster_run.run_id)
            else:
                yield dg.SkipReason(f"The last nightly run ended {age.total_seconds() // 60:.0f} minutes ago.")
            return
        yield dg.SkipReason("No nightly run has succeeded yet.")

    return confirm_after_nightly


def job_of(environment: Mapping[str, str], name: str) -> dg.JobDefinition:
    """A job of the definitions for one environment.

    Raises:
        ProductFileError: a file that this release ships is missing.
    """
    return build_defs(environment).resolve_job_def(name)


CODE_LOCATION = "cmdb" if IS_CHECKOUT else "pipelines.definitions"
"""What `workspace.yaml` calls the code location; where it is loaded by `-m pipelines.definitions`, that is its name."""

REPOSITORY_TAG = ".dagster/repository"
"""Dagster's tag for the code location of a run. Without it the start page and the page of the job leave the run out."""


@dataclass(frozen=True)
class Executed:
    """A run that has ended.

    Attributes:
        failures: the events of failed steps and of the failed run, in their order.
    """

    run_id: str
    success: bool
    failures: Sequence[dg.DagsterEvent]


def execute(job: dg.JobDefinition, tags: Mapping[str, str]) -> Executed:
    """Run a job in this process, against the instance of `DAGSTER_HOME`, so that the UI shows the run.

    `JobDefinition.execute_in_process` keeps every event until the end, with the columns of each table.
    """
    with dg.DagsterInstance.get() as instance:
        run = instance.create_run_for_job(
            job,
            tags={**job.run_tags, REPOSITORY_TAG: f"__repository__@{CODE_LOCATION}", **tags},
            # The terminal shows progress and outcome; Dagster's events are in the UI.
            run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        )
        events = execute_run_iterator(InMemoryJob(job), run, instance)
        failures = [event for event in events if event.is_failure]
        ended = instance.get_run_by_id(run.run_id)
        return Executed(run.run_id, ended is not None and ended.is_success, failures)


@dg.definitions
def defs() -> dg.Definitions:
    """The definitions that `workspace.yaml` and `dg` load, with the settings of the environment and of the file."""
    send_again()
    # Each run that ended gets a tick of its own, and with it the whole of `alerts.TICK_SECONDS`.
    os.environ.setdefault("DAGSTER_RUN_STATUS_SENSOR_PROCESS_LIMIT", "1")
    try:
        settings_file.load(os.environ)
    except SettingsError as error:
        return build_defs(os.environ, str(error))
    return build_defs(os.environ)
