"""The pre-flight: identifies the callers behind the profiles before any other request is sent.

Its six checks belong to the asset itself, so that a re-execution from failure sends the requests again.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import dagster as dg

from pipelines import reference
from pipelines.dagster_metadata import rows_table
from pipelines.plain_text import as_markdown
from pipelines.publishing.copying import Overtaken, PublishedCopy, runs_of
from pipelines.settings import Settings
from pipelines.trust.gate import begin, refuse, refusing
from resources.audit.bills import record_bill
from resources.audit.checks import record_preflight
from resources.audit.identities import record_callers
from resources.audit.organization import stamp
from resources.audit.runs import count_requests
from resources.bill_rules import Bill
from resources.check_result import CheckResult
from resources.contract import Role
from resources.identity_rules import CHECKS, Caller, Organization
from resources.objects.errors import ObjectStoreError
from resources.objects.object_store import ObjectStore
from resources.roles import Management
from resources.store.store import Store
from resources.warehouse import Warehouse

BRIEFLY = 5.0
"""Seconds for which a run tries to read the pointer of the copy before it begins."""

PREFLIGHT_KEY = dg.AssetKey(["audit", "caller_identity"])

DESCRIPTIONS = {
    "every_role_answers": "Each of the three central profiles is named, exists, and STS responds to it.",
    "management_is_the_organisations_master": "The management profile is the organisation's management account.",
    "operations_is_the_expected_account": "The operations profile is the account that CMDB_OPERATIONS_ACCOUNT names.",
    "billing_is_the_expected_account": "The billing profile is the account that CMDB_BILLING_ACCOUNT names.",
    "accounts_are_distinct": "The three central profiles reach three accounts, but for pairs that are declared.",
    "bill_is_the_organisations_own": "The organisation pays its own bill: costs are those that AWS invoices.",
}


def record(
    store: Store,
    run_id: str,
    management: Management,
    settings: Settings,
    callers: Mapping[Role, Caller],
    organization: Organization,
    bill: Bill,
    check_results: Sequence[CheckResult],
) -> None:
    """Store the identities, the bill's domain and the check results. The caller must hold the lock.

    Raises:
        WarehouseError: the warehouse belongs to another organisation.
    """
    if organization.organization_id is not None and not any(result.blocks for result in check_results):
        stamp(store, organization.organization_id, organization.management_account_id)
    with store.transaction() as connection:
        record_callers(
            connection,
            run_id,
            callers.values(),
            expectation=management.central.expectation,
            # equivalent: An empty declaration waives nothing, and no row says that it did.
            waiver=",".join(management.central.shared_accounts) or None,
            organization_id=organization.organization_id,
            config_hash=settings.config_hash,
        )
        record_bill(
            connection,
            run_id,
            bill,
            organization_id=organization.organization_id,
            config_hash=settings.config_hash,
        )
        count_requests(connection, run_id, management.take_request_count())
        record_preflight(connection, run_id, check_results, settings.config_hash)


def _require_copy_ours(store: Store, objects: ObjectStore | None) -> None:
    """Refuse a run that could not publish in the end, before it requests and pays for anything.

    Raises:
        dagster.Failure: another coordinator has published in the object store, or is about to.
    """
    if objects is None:
        return
    try:
        # A store that is away keeps nobody from publishing here, and need not be waited for twice.
        with suppress(ObjectStoreError):
            PublishedCopy(replace(objects, patience=BRIEFLY)).require_ours(runs_of(store))
    except Overtaken as error:
        raise refuse(f"Nothing was requested. {error}") from error


@dg.asset(
    key=PREFLIGHT_KEY,
    description="Who each central profile really is, by STS, and whether that is who it should be. "
    "Nothing is collected while one of its checks fails.",
    group_name="preflight",
    kinds={"aws", "duckdb"},
    check_specs=[
        dg.AssetCheckSpec(name, asset=PREFLIGHT_KEY, blocking=True, description=DESCRIPTIONS[name]) for name in CHECKS
    ],
    required_resource_keys={"warehouse", "settings", "management"},
    op_tags={"dagster/priority": "100"},
)
def caller_identity(context: dg.AssetExecutionContext) -> Iterator[Any]:
    """Request the identities, judge them, record the results, and yield them to Dagster."""
    warehouse: Warehouse = context.resources.warehouse
    settings: Settings = context.resources.settings
    management: Management = context.resources.management
    with refusing():
        # A run that would stop at its first table of reference data is not begun.
        reference.require(settings.reference)
    store = begin(warehouse, settings, "audit/caller_identity")
    _require_copy_ours(store, settings.objects)
    callers, organization, bill, check_results = management.preflight()
    with refusing():
        record(store, warehouse.run_id, management, settings, callers, organization, bill, check_results)
    table = rows_table(
        [
            {
                "role": c.role,
                "profile": c.profile,
                "account_id": c.account_id,
                "arn": c.arn,
                "trouble": c.error_message,
            }
            for c in callers.values()
        ]
    )
    yield dg.MaterializeResult(
        metadata={
            "organization": organization.organization_id or "unknown",
            "callers": table,
            "bill": f"{bill.domain}, paid by {bill.payer_account_id or 'an unknown account'}",
            "dagster/row_count": len(callers),
            "dagster/relation_identifier": "audit.caller_identity",
        },
        check_results=[
            dg.AssetCheckResult(
                check_name=result.name,
                passed=result.passed,
                severity=dg.AssetCheckSeverity(result.severity),
                description=as_markdown(f"{result.sentence} {result.hint}".strip()),
            )
            for result in check_results
        ],
    )
    summary = [f"{result.sentence} {result.hint}".strip() for result in check_results if result.blocks]
    if summary:
        raise refuse(f"Nothing is collected. {' '.join(summary)} `cmdb preflight` checks again.")
