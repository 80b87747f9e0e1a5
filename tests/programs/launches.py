"""A code location of ours in which somebody has written a sensor, a schedule and an asset that fails once."""

import os
from pathlib import Path

import dagster as dg

from pipelines.definitions import build_defs

ASKS = Path(os.environ["LIVE_ASKS"])
TARGET = dg.AssetSelection.assets("cmdb/resource")


def asked(kind: str) -> dg.RunRequest | dg.SkipReason:
    """A run of the target, where somebody has asked for one."""
    path = ASKS / kind
    if not path.exists():
        return dg.SkipReason("Nobody asks.")
    way = path.read_text(encoding="utf-8")
    path.unlink()
    return dg.RunRequest(run_key=way, tags={"live/way": way})


@dg.sensor(target=TARGET, default_status=dg.DefaultSensorStatus.RUNNING, minimum_interval_seconds=1)
def somebodys_sensor() -> dg.RunRequest | dg.SkipReason:
    """Asks for the target."""
    return asked("sensor")


@dg.schedule(cron_schedule="* * * * *", target=TARGET, default_status=dg.DefaultScheduleStatus.RUNNING)
def somebodys_schedule() -> dg.RunRequest | dg.SkipReason:
    """Asks for the target."""
    return asked("schedule")


@dg.asset(key=["somebodys", "stumble"])
def stumble(context: dg.AssetExecutionContext) -> None:
    """Fails once, in a run that Dagster may try again.

    Raises:
        RuntimeError: it is that once.
    """
    if "dagster/max_retries" in context.run.tags and "dagster/retry_number" not in context.run.tags:
        raise RuntimeError("stumbled")


defs = dg.Definitions.merge(
    build_defs(os.environ),
    dg.Definitions(assets=[stumble], sensors=[somebodys_sensor], schedules=[somebodys_schedule]),
)
