"""Stores what a step has landed: names the files, writes the cells of all batches and each listing's check result."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pipelines.collection import cost_slices, previous
from pipelines.collection.state import StepState
from pipelines.trust.gate import listing_checks
from pipelines.trust.organization_policies import PolicySkips
from resources.audit.cells import load_cells
from resources.audit.checks import forget_check, record_check
from resources.audit.runs import count_requests, record_paid_requests
from resources.audit.zeros import record_trail_calls
from resources.check_result import CheckResult

if TYPE_CHECKING:
    import duckdb

NO_SILENT_ZERO = "no_silent_zero"

POLICIES_DENY_NOTHING = "policies_deny_nothing"
"""The rule that names each denying policy once in a run; the scope of its check result is the policy."""

LOADED_AT_ONCE = 16 << 20
"""Bytes of landed cells in one transaction: DuckDB holds all of them until its end, including verbatim responses."""

LOADING_MEMORY = 128 << 20
"""DuckDB's memory limit in bytes while many cells are loaded: without a limit it keeps what a checkpoint moves."""


def commit(state: StepState, also: Mapping[str, CheckResult] = MappingProxyType({})) -> dict[str, CheckResult]:
    """Name the landed files, write the cells of all batches and the check result of each listing.

    Args:
        state: the step's state.
        also: check results on the step as a whole by the name of their rule, to be stored too.
    """
    names = [listing.name for listing in state.listings]
    _load(state, [state.writer(listing).commit() for listing in state.listings])
    with state.store.transaction() as connection:
        count_requests(
            connection,
            state.run_id,
            sum(resource.take_request_count() for resource in state.resources.values()),
        )
        record_trail_calls(connection, state.recorded, now=datetime.now(UTC))
        record_paid_requests(connection, state.paid_requests.counts(), counted=state.run_id)
        results = listing_checks(connection, names, state.settings)
        recorded = [(NO_SILENT_ZERO, name, result) for name, result in results.items()]
        recorded += [(rule, "workload", result) for rule, result in also.items()]
        recorded += [
            (POLICIES_DENY_NOTHING, skips.policy_id or skips.kind, result)
            for skips, result in _closed(state, connection)
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


def _closed(state: StepState, connection: "duckdb.DuckDBPyConnection") -> list[tuple[PolicySkips, CheckResult]]:
    """The cells that each policy of the organisation closes in the run so far; replaces earlier steps' results."""
    before = forget_check(connection, state.run_id, POLICIES_DENY_NOTHING)
    found = previous.policy_skips(connection, state.run_id, cost_slices.final_days_since(datetime.now(UTC).date()))
    for skips in found:
        if skips.sentence() not in before:
            state.log(skips.sentence())
    return [(skips, CheckResult(False, skips.sentence(), severity="WARN")) for skips in found]


def _load(state: StepState, paths: Sequence[Path]) -> None:
    """Load landed cells in transactions of limited size; each listing is loaded completely or not at all."""
    longest = max((writer.longest for writer in state.writers.values()), default=0)
    sizes = {path: path.stat().st_size for path in paths}
    # For few cells DuckDB needs no limit, since it uses little memory by itself.
    memory = LOADING_MEMORY + 8 * longest if sum(sizes.values()) > LOADED_AT_ONCE else None
    together: list[Path] = []
    for path in paths:
        together.append(path)
        if sum(sizes[one] for one in together) >= LOADED_AT_ONCE or path is paths[-1]:
            with state.store.transaction(memory) as connection:
                load_cells(connection, together, longest)
            together = []
