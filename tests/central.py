"""Steps of the management role without Dagster: real listings, asked of whatever the environment leads to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from given import House, record_rules

from pipelines.catalogue.organization import DELEGATION, ORGANIZATION, POLICY
from pipelines.collection.collector import Collector
from pipelines.collection.plan import central_plan
from pipelines.collection.state import StepState
from pipelines.settings import read_settings
from resources.audit.runs import record_run
from resources.aws.client import AwsClient
from resources.aws.listing import Listing
from resources.aws.messages import Identity
from resources.aws.retry import Retry

FAMILIES = (ORGANIZATION, POLICY, DELEGATION)
"""What the management profile is asked."""

TABLES = (
    "org.account",
    "org.organizational_unit",
    "org.root",
    "org.policy",
    "org.policy_target",
    "org.account_policy",
    "org.enabled_service",
    "org.delegated_administrator",
    "org.delegation_policy",
)


class Management:
    """The management role, of one profile and without a pre-flight."""

    role = "management"

    def __init__(self, profile: str, retry: Retry) -> None:
        self.profile = profile
        self.client = AwsClient("management", home_region="us-east-1", concurrency=16, retry=retry)

    def verify(self) -> Identity:
        return self.client.identify(self.profile)

    def take_request_count(self) -> int:
        return self.client.counter.requests


def collect(
    home: House, run_id: str, listings: Sequence[Listing], profile: str = "acmeManagement", retry: Retry | None = None
) -> dict[str, tuple[str, str | None]]:
    """One step of these listings: the outcome and the reason of each cell that it stored."""
    resource: Any = Management(profile, retry or Retry())
    state = StepState(
        home.store,
        run_id,
        {"management": resource},
        listings,
        read_settings({}),
        lambda _: None,
        record_rules=record_rules(),
    )
    collector = Collector(state)
    with home.store.transaction() as connection:
        record_run(connection, run_id, "test")
    try:
        collector.fetch_plans([(entry, central_plan(state, entry, "management")) for entry in listings])
        collector.settle()
        collector.judge()
        collector.commit()
    finally:
        collector.close()
        resource.client.close()
    found = home.rows("select listing, outcome, skip_reason from audit.collection where run_id = $run", {"run": run_id})
    return {row["listing"]: (row["outcome"], row["skip_reason"]) for row in found}


def organisation_night(home: House, run_id: str) -> dict[str, tuple[str, str | None]]:
    """Everything that the management profile is asked, and the tables made of it."""
    cells: dict[str, tuple[str, str | None]] = {}
    for family in FAMILIES:
        cells |= collect(home, run_id, family.listings)
    home.build(*TABLES)
    return cells
