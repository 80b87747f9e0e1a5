"""The step that looks up again what earlier runs could not confirm.

The step comes right after the pre-flight of every run. The job `confirm` runs the step with the models and publishing
behind it, so that confirmed zeros take effect; a zero that CloudTrail refutes blocks.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import dagster as dg

from pipelines.collection.confirmation import Confirmer
from pipelines.collection.decisions import Confirmation
from pipelines.collection.storing import NO_SILENT_ZERO
from pipelines.dagster_metadata import rows_table
from pipelines.memory import MEMORY, read_within_memory
from pipelines.settings import Settings
from pipelines.trust import ages
from pipelines.trust.gate import GATE_TAG, listing_checks, open_gate, refusing, stop_where_blocked
from resources.audit.checks import record_check
from resources.audit.runs import count_requests
from resources.contract import ROLES, Role
from resources.identity_rules import CENTRAL_ROLES
from resources.roles import AwsRole
from resources.store.store import Store
from resources.warehouse import Warehouse

CONFIRMATION_KEY = dg.AssetKey(["audit", "zero_confirmation"])

CONFIRM = "confirm"
"""The job that only looks zeros up, builds and publishes."""

ZEROS_ARE_CONFIRMED = "zeros_are_confirmed"

OVERDUE = (
    " {:,} of them have waited for more than one run: their rows stay, marked stale. `cmdb explain` shows what to do."
)


@dg.asset(
    key=CONFIRMATION_KEY,
    deps=[dg.AssetKey(["audit", "caller_identity"])],
    description="Zeros of earlier runs whose call CloudTrail had not recorded: looked up again, confirmed or refused.",
    group_name="preflight",
    kinds={"aws", "duckdb"},
    tags=GATE_TAG,
    required_resource_keys={"warehouse", "settings", *ROLES},
    op_tags={"dagster/priority": "50"},
)
def zero_confirmation(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Look up pending zeros, decide on them, record the check results, and yield them to Dagster."""
    warehouse: Warehouse = context.resources.warehouse
    settings: Settings = context.resources.settings
    resources: dict[Role, AwsRole] = {role: getattr(context.resources, role) for role in ROLES}
    what = "/".join(CONFIRMATION_KEY.path)
    store = open_gate(warehouse, settings, what, max_age=ages.COLLECTION_MAX_AGE, account_list=False)
    with refusing():
        for role in CENTRAL_ROLES:
            resources[role].verify()
        found = Confirmer(store, warehouse.run_id, resources, settings, context.log.info).confirm()
        blocked = _recorded(store, warehouse.run_id, resources, settings, found)
    for finding in found.findings:
        context.log.warning(finding)
    if context.run.job_name == CONFIRM:
        # The nightly job requests these zeros again after this step. The job `confirm` does not, so here the refusal
        # must block.
        stop_where_blocked(what, blocked)
    yield dg.MaterializeResult(
        metadata={
            "sentence": found.sentence(),
            "lookups": found.lookups,
            **{f"zeros_{decision}": count for decision, count in sorted(found.decisions.items())},
            **({"to_know": table} if (table := rows_table([{"finding": text} for text in found.findings])) else {}),
        }
    )


def _recorded(
    store: Store, run_id: str, resources: Mapping[Role, AwsRole], settings: Settings, found: Confirmation
) -> list[str]:
    """Store the silent-zero rule's results for the changed listings; returns the sentences of those that block."""
    listed = partial(listing_checks, listings=sorted(found.listings), settings=settings)
    results = read_within_memory(store, listed)
    # The limit that the decisions were stored within, so that the file stays attached.
    with store.transaction(MEMORY) as connection:
        requests = sum(resource.take_request_count() for resource in resources.values())
        count_requests(connection, run_id, requests)
        record_check(
            connection,
            run_id,
            ZEROS_ARE_CONFIRMED,
            "",
            severity="WARN",
            passed=not found.overdue,
            observed=found.sentence() + (OVERDUE.format(found.overdue) if found.overdue else ""),
            detail=dict(found.decisions),
            config_hash=settings.config_hash,
        )
        for name, result in results.items():
            record_check(
                connection,
                run_id,
                NO_SILENT_ZERO,
                name,
                severity=result.severity,
                passed=result.passed,
                observed=result.sentence,
                tolerance=str(settings.untrusted_tolerance),
                detail=result.at_fault[:100],
                config_hash=settings.config_hash,
            )
    return [result.sentence for result in results.values() if result.blocks]
