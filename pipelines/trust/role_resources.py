"""The AWS roles of a run: the contract's four Dagster resources, made from the settings.

Each resource verifies the identity of its profile before its first request.
"""

from typing import Any

from pipelines.settings import Settings
from resources.roles import AwsRole, Billing, Central, Management, Operations, Workload


def aws_roles(settings: Settings) -> dict[str, AwsRole]:
    """The contract's four Dagster resources by role name."""
    central = Central(
        management_profile=settings.management_profile,
        operations_profile=settings.operations_profile,
        billing_profile=settings.billing_profile,
        operations_account=settings.expectation.operations_account,
        billing_account=settings.expectation.billing_account,
        shared_accounts=sorted("+".join(sorted(pair)) for pair in settings.expectation.shared),
        transferred_bill=settings.expectation.transferred_bill,
    )
    shared: dict[str, Any] = {
        "central": central,
        "database": str(settings.database),
        "home_region": settings.home_region,
        "concurrency": settings.concurrency,
        "process_count": settings.processes,
        "config_hash": settings.config_hash,
    }
    return {
        "management": Management(**shared),
        "operations": Operations(**shared),
        "billing": Billing(**shared),
        "workload": Workload(**shared, patterns=list(settings.workload_profiles), aws_profile=settings.aws_profile),
    }
