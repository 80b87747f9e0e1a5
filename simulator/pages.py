"""What tests may set while the simulator runs, and how a listing is cut into pages."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, TypeVar
from urllib.parse import quote

from simulator.wire import AwsError, Call, make_token, paging, read_token

Output = dict[str, Any]
Handler = Callable[[Call], Output]
Item = TypeVar("Item")

OrgMode = Literal["silent-zero", "access-denied"]
PolicyState = Literal["policies", "empty", "not_enabled"]
"""A policy type of the organisation: enabled and used, enabled without any policy, not enabled."""

DisabledTypes = Literal["refused", "empty"]
"""How a policy type that is not enabled answers: with its exception, or with an empty list."""

_TOKEN_ERRORS = {
    "ec2": "InvalidNextToken",
    "organizations": "InvalidInputException",
    "resourcegroupstaggingapi": "PaginationTokenExpiredException",
    "cloudwatch": "InvalidNextToken",
}


@dataclass
class Settings:
    """What tests may set while the simulator runs.

    Attributes:
        org_mode: what Organizations answers accounts that may not read it.
        page_size: items on a page where AWS pages.
        page_sizes: the same for one operation, by `service:Operation`.
        policy_types: states of policy types that differ from those of the world.
        disabled_policy_types: how a type that is not enabled answers.
        delegation_policy: whether the organisation has a resource policy.
        inactive_tags: keys that are not activated as cost allocation tags.
        unused_tags: keys that are activated, and that no cost has a value of.
        refused_metrics: metrics that Cost Explorer refuses.
        refused_groups: dimensions that Cost Explorer does not group by.
        has_resource_costs: whether the payer has opted in to costs by resource.
        incomplete_days: how many of the last days lack a part of their costs.
        billed_from: the first day that costs anything; None for as long as there are accounts.
        unused_days: days on which nothing costs anything, the oldest first.
        currency: of the bill and the budgets.
        further_tags: how many keys are cost allocation tags beside those that the world has.
        further_services: how many services cost something beside those that the world has, each in a third of accounts.
        budget_lag_days: how many days the actual amounts of budgets are behind the bill.
    """

    org_mode: OrgMode = "silent-zero"
    page_size: int = 5
    page_sizes: dict[str, int] = field(default_factory=dict)
    policy_types: dict[str, PolicyState] = field(default_factory=dict)
    disabled_policy_types: DisabledTypes = "refused"
    delegation_policy: bool = True
    inactive_tags: tuple[str, ...] = ("bc:project",)
    unused_tags: tuple[str, ...] = ()
    refused_metrics: tuple[str, ...] = ()
    refused_groups: tuple[str, ...] = ()
    has_resource_costs: bool = True
    incomplete_days: int = 0
    budget_lag_days: int = 1
    billed_from: dt.date | None = None
    unused_days: tuple[dt.date, ...] = ()
    currency: str = "USD"
    further_tags: int = 0
    further_services: int = 0

    def reset(self, page_size: int) -> None:
        """As at the start, in the same object: others hold it."""
        vars(self).update(vars(Settings(page_size=page_size)))

    def size(self, call: Call, default: int | None = None) -> int:
        """Items on a page: the operation's own setting, or the default, and no more than was asked for."""
        pages = paging(call.service, call.operation)
        most = self.page_sizes.get(f"{call.service}:{call.operation}", default or self.page_size)
        asked = call.parameters.get(pages.limit) if pages and pages.limit else None
        return max(1, min(most, int(asked))) if asked else most

    def page(
        self,
        call: Call,
        key: str,
        items: Sequence[Item],
        shown: Callable[[Item], Any] = lambda item: item,
        default: int | None = None,
    ) -> Output:
        """One page of the items; only these are put into the form that is shown."""
        pages = paging(call.service, call.operation)
        if pages is None:
            return {key: [shown(item) for item in items]}
        offset = read_token(call.parameters.get(pages.input_token), token_error(call))
        size = self.size(call, default)
        output: Output = {key: [shown(item) for item in items[offset : offset + size]]}
        if offset + size < len(items):
            output[pages.output_token] = make_token(offset + size)
        return output


def token_error(call: Call) -> str:
    """The code with which a service refuses a page token that it did not give."""
    return _TOKEN_ERRORS.get(call.service, "InvalidNextTokenException")


def key_writer(call: Call) -> Callable[[str], str]:
    """How S3 writes the keys of a listing: as they are, or as an address holds them."""
    return partial(quote, safe="/") if call.parameters.get("EncodingType") else str


def bad_request(code: str, message: str) -> AwsError:
    """A refusal with status 400, as most of the JSON services give it."""
    return AwsError(code, message, 400)
