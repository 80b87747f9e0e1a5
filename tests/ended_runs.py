"""Runs of Dagster that have ended, as its daemon shows them to a sensor of run states."""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg


def shown_to(
    sensor: dg.SensorDefinition, job: dg.JobDefinition, tags: Mapping[str, str] | None = None, *, fails: bool = False
) -> str:
    """Run a job to its end and show it to a sensor; returns the run's id.

    Args:
        fails: whether the run fails, and the sensor is one of failures.
    """
    ending = dg.DagsterEventType.RUN_FAILURE if fails else dg.DagsterEventType.RUN_SUCCESS
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=not fails)
        event = next(one for one in result.all_events if one.event_type == ending)
        with dg.build_run_status_sensor_context(
            sensor_name=sensor.name, dagster_event=event, dagster_instance=instance, dagster_run=result.dagster_run
        ) as context:
            sensor(context.for_run_failure() if fails else context)
    return result.run_id
