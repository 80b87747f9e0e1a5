"""The Dagster definitions, put together from the environment when they are asked for."""

import os
from collections.abc import Mapping

import dagster as dg

from pipelines.alerts import nightly_failure_sensor
from pipelines.asset_facts import with_facts
from pipelines.checks import read_checks
from pipelines.collect import collection_assets
from pipelines.models import model_assets, read_models
from pipelines.preflight import caller_identity
from pipelines.publish import published_asset
from pipelines.report.asset import report
from pipelines.roles import aws_roles, code_version
from pipelines.settings import Settings, SettingsError, read_settings
from resources import release
from resources.warehouse_resource import Warehouse

NIGHTLY = "nightly"
SCHEDULE = "nightly_schedule"


def build_defs(environment: Mapping[str, str]) -> dg.Definitions:
    """Everything that Dagster runs, for one environment.

    Settings that cannot be used do not keep the code location from loading: they stand in `Settings.problem`,
    and every step refuses with that sentence.

    Raises:
        ProductFileError: a file that this release ships is missing. The code location does not load, and shows the
            sentence: with fewer rules everything would seem to pass.
    """
    release.require()
    try:
        settings = read_settings(environment)
    except SettingsError as error:
        settings = Settings(problem=str(error))
    models = read_models()
    sql_checks = read_checks(relations=models)
    nightly = dg.define_asset_job(
        NIGHTLY,
        selection=dg.AssetSelection.all(),
        description="One honest night: pre-flight, collection, models, checks, publishing, report.",
        executor_def=dg.in_process_executor,
        tags={"cmdb/warehouse": "nightly"},
    )
    return dg.Definitions(
        assets=dg.map_asset_specs(
            lambda spec: with_facts(spec, models, settings.docs_url),
            [
                caller_identity,
                *collection_assets(),
                *model_assets(models, sql_checks),
                published_asset(models, sql_checks),
                report,
            ],
        ),
        jobs=[nightly],
        schedules=[
            dg.ScheduleDefinition(
                name=SCHEDULE,
                job=nightly,
                cron_schedule=settings.schedule,
                execution_timezone=settings.timezone,
                # On wherever a night can be run at all: a daemon that never starts one would be silent about it.
                default_status=(
                    dg.DefaultScheduleStatus.RUNNING
                    if settings.management_profile and settings.operations_profile and settings.billing_profile
                    else dg.DefaultScheduleStatus.STOPPED
                ),
            )
        ],
        sensors=[nightly_failure_sensor(settings)],
        resources={
            **aws_roles(settings),
            "warehouse": Warehouse(database=str(settings.database), code_version=code_version()),
            "settings": settings,
        },
        # One process: a step of its own process costs seconds, and DuckDB has one writer.
        executor=dg.in_process_executor,
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What `workspace.yaml` and `dg` load."""
    return build_defs(os.environ)
