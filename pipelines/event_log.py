"""Dagster's event log for `dagster.yaml`: `KeptEventLog`, or Dagster's own class if the installed Dagster does not fit.

`KeptEventLog` uses private names of Dagster, which a release may change. Each process tries the class once in a
temporary folder; a failure there costs speed, never a run. Both classes write the same files.
"""

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy.exc

REASONS = (
    ImportError, AttributeError, TypeError, LookupError, ValueError, RuntimeError, OSError, dg.DagsterError,
    sqlalchemy.exc.SQLAlchemyError,
)  # fmt: skip
"""Exceptions that a removed or changed private name may raise."""


def chosen() -> Any:
    """The class of the event log: `KeptEventLog` if it works with the installed Dagster."""
    try:
        from pipelines.kept_event_log import KeptEventLog, UnfitError, require_fit
    except REASONS as error:
        return _dagsters_own(error)
    try:
        require_fit()
    except (*REASONS, UnfitError) as error:
        return _dagsters_own(error)
    return KeptEventLog


def _dagsters_own(error: Exception) -> Any:
    """The class of Dagster's own event log with its default folder, found without any private name."""
    logging.getLogger(__name__).warning(
        "Dagster %s is not the one that our event log knows (%s: %s). Dagster's own is used: runs are recorded as "
        "always, and a run takes about a tenth more CPU. requirements/run.txt names the Dagster that was tested.",
        dg.__version__,
        type(error).__name__,
        error,
    )
    with tempfile.TemporaryDirectory(prefix="cmdb-event-log-") as folder:
        # Without this file Dagster logs a long warning that there is none.
        Path(folder, "dagster.yaml").write_text("telemetry: {enabled: false}", encoding="utf-8")
        with dg.DagsterInstance.local_temp(folder) as instance:
            base: Any = type(instance.event_log_storage)

    class PlainEventLog(base):  # type: ignore[misc]  # known at run time
        """Dagster's own event log, below `DAGSTER_HOME`."""

        @classmethod
        def from_config_value(cls, inst_data: Any, config_value: Mapping[str, Any]) -> Any:
            """The event log below the folder that `dagster.yaml` gives."""
            return base(str(Path(config_value["base_dir"], "history", "runs")), inst_data)

    return PlainEventLog


EventLog = chosen()
