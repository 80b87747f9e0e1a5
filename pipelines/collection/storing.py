"""Stores what a step has landed: names the files, writes the cells of all batches and each listing's check result."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipelines.collection import cost_slices, previous
from pipelines.collection.completeness import LOADED_AT_ONCE, portions, require_all
from pipelines.collection.state import StepState
from pipelines.memory import MEMORY, read_within_memory, within_memory
from pipelines.trust.gate import listing_checks
from pipelines.trust.organization_policies import PolicySkips
from resources.audit.cells import load_cells
from resources.audit.checks import forget_check, record_check
from resources.audit.runs import count_requests, record_paid_requests
from resources.audit.step_plans import Arrival, record_arrival
from resources.audit.zeros import record_trail_calls
from resources.check_result import CheckResult

if TYPE_CHECKING:
    import duckdb

NO_SILENT_ZERO = "no_silent_zero"

POLICIES_DENY_NOTHING = "policies_deny_nothing"
"""The rule that names each denying policy once in a run; the scope of its check result is the policy."""

LOADING_MEMORY = 128 << 20
"""DuckDB's memory limit in bytes while many cells are loaded, at need more."""


def commit(state: StepState, also: Mapping[str, CheckResult] = MappingProxyType({})) -> dict[str, CheckResult]:
    """Name the landed files, write the cells of all batches and the check result of each listing.

    Args:
        state: the step's state.
        also: check results on the step as a whole by the name of their rule, to be stored too.

    Raises:
        dagster.Failure: fewer or other cells came than were planned. Nothing was stored.
    """
    names = [listing.name for listing in state.listings]
    arrived = require_all(state)
    _load(state, [state.writer(listing).commit() for listing in state.listings], arrived)
    results, closed = read_within_memory(state.store, partial(_judged, state=state, names=names))
    with state.store.transaction(MEMORY) as connection:
        count_requests(
            connection,
            state.run_id,
            sum(resource.take_request_count() for resource in state.resources.values()),
        )
        record_trail_calls(connection, state.recorded, now=datetime.now(UTC))
        record_paid_requests(connection, state.paid_requests.counts(), counted=state.run_id)
        recorded = [(NO_SILENT_ZERO, name, result) for name, result in results.items()]
        recorded += [(rule, "workload", result) for rule, result in also.items()]
        recorded += [
            (POLICIES_DENY_NOTHING, skips.policy_id or skips.kind, result)
            for skips, result in _closed(state, connection, closed)
        ]
        for rule, scope, result in recorded:
            record_check(
                connection,
                state.run_id,
                rule,
                scope,
                severity=result.severity,
                passed=result.passed,
                observed=result.sentence,
                tolerance=str(state.settings.untrusted_tolerance) if rule == NO_SILENT_ZERO else None,
                detail=result.at_fault[:100],
                config_hash=state.settings.config_hash,
            )
    return results


def _judged(
    connection: "duckdb.DuckDBPyConnection", state: StepState, names: Sequence[str]
) -> tuple[dict[str, CheckResult], list[PolicySkips]]:
    """The silent-zero rule's result for each listing, and what each policy closes in the run so far."""
    billed_since = cost_slices.final_days_since(datetime.now(UTC).date())
    return (
        listing_checks(connection, names, state.settings),
        previous.policy_skips(connection, state.run_id, billed_since),
    )


def _closed(
    state: StepState, connection: "duckdb.DuckDBPyConnection", found: Sequence[PolicySkips]
) -> list[tuple[PolicySkips, CheckResult]]:
    """A check result for each policy that closes cells; replaces those of earlier steps of the run."""
    before = forget_check(connection, state.run_id, POLICIES_DENY_NOTHING)
    for skips in found:
        if skips.sentence() not in before:
            state.log(skips.sentence())
    return [(skips, CheckResult(False, skips.sentence(), severity="WARN")) for skips in found]


def _load(state: StepState, paths: Sequence[Path], arrived: Mapping[str, Arrival]) -> None:
    """Load landed cells in transactions of limited size; each listing is loaded completely or not at all.

    Args:
        arrived: what is stored of each listing, by its name.
    """
    longest = max((writer.longest for writer in state.writers.values()), default=0)
    are_many = sum(path.stat().st_size for path in paths) > LOADED_AT_ONCE
    # Few cells within the limit of the step's other writes, so that the file stays attached between them.
    limit = LOADING_MEMORY + 8 * longest if are_many else MEMORY
    for together in portions(paths):
        within_memory(partial(_load_together, state, together, longest, arrived), limit)


def _load_together(
    state: StepState, paths: Sequence[Path], longest: int, arrived: Mapping[str, Arrival], memory: int | None
) -> None:
    with state.store.transaction(memory) as connection:
        load_cells(connection, paths, longest)
        record_arrival(connection, state.run_id, {name: arrived[name] for name in map(_listing_of, paths)})


def _listing_of(path: Path) -> str:
    return path.parent.name
