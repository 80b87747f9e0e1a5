"""Cost Explorer: questions about the ledger, answered and refused as AWS does.

An answer is cut after so many groups, wherever that is: a day may begin on one page and end on the next.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

from simulator.ledger import (
    METRICS,
    QUANTITIES,
    Groups,
    Key,
    Ledger,
    Line,
    Sum,
    decimal,
    first_estimated,
    month_before,
    month_of,
    next_month,
)
from simulator.pages import Handler, Output, Settings, bad_request
from simulator.wire import AwsError, Call, make_token, read_token
from simulator.world import TAG_KEYS, World, digest

GROUPS_ON_A_PAGE = 1000
KNOWN_METRICS = {name.lower(): name for name in (*METRICS, *QUANTITIES)}
RESOURCE_DAYS = 14
KEPT_QUESTIONS, KEPT_PERIODS = 16, 4
PERIODS = 10**7
"""A page token's number is that of the period times this, plus the group in it."""

LEGAL_ENTITY = "Amazon Web Services, Inc."
DIMENSIONS: dict[str, Key] = {
    "SERVICE": lambda line: line.service,
    "LINKED_ACCOUNT": lambda line: line.account_id,
    "REGION": lambda line: line.region,
    "RECORD_TYPE": lambda line: line.record_type,
    "USAGE_TYPE": lambda line: line.usage_type,
    "OPERATION": lambda line: line.operation,
    "INSTANCE_TYPE": lambda line: line.instance_type,
    "PURCHASE_TYPE": lambda line: line.purchase_type,
    "LEGAL_ENTITY_NAME": lambda _: LEGAL_ENTITY,
    "INVOICING_ENTITY": lambda _: LEGAL_ENTITY,
}
RESOURCE: dict[str, Key] = {"RESOURCE_ID": lambda line: line.resource_id}

OTHER_TAGS = (("Name", "UserDefined", "Inactive"), ("aws:createdBy", "AWSGenerated", "Active"))
"""Keys beside the six, which no cost has a value of."""

Matching = Callable[[Line], bool]
Found = list[tuple[tuple[str, ...], Sum]]


def invalid(message: str) -> AwsError:
    """Cost Explorer's answer to a request that it cannot accept."""
    return AwsError("ValidationException", message, 400)


def tag_key(key: str) -> Key:
    """A tag's group: `key$value`, `key$` where a line is without it."""
    return lambda line: f"{key}${line.tags.get(key, '')}"


def matching(expression: dict[str, Any], dimensions: dict[str, Key] = DIMENSIONS) -> Matching:
    """A filter as a function of a line."""
    if not expression:
        return lambda _: True
    if len(expression) != 1:
        raise invalid(
            "Expression has more than one roots. Only one root operator is allowed for each expression: "
            "And, Or, Not, Dimensions, Tags, CostCategories"
        )
    ((kind, body),) = expression.items()
    if kind in {"And", "Or"}:
        if len(body) < 2:
            raise invalid(f"{kind} expression must have at least 2 operands")
        parts = [matching(part, dimensions) for part in body]
        combine = all if kind == "And" else any
        return lambda line: combine(part(line) for part in parts)
    if kind == "Not":
        inner = matching(body, dimensions)
        return lambda line: not inner(line)
    key, values, options = str(body.get("Key")), set(body.get("Values") or []), {*(body.get("MatchOptions") or [])}
    allowed = {"EQUALS", "CASE_SENSITIVE", *(["ABSENT"] if kind == "Tags" else [])}
    if options - allowed:
        raise invalid(f"Match options {', '.join(sorted(options - allowed))} are not supported for {kind}")
    if kind == "Dimensions" and key in dimensions:
        of_line = dimensions[key]
        return lambda line: of_line(line) in values
    if kind == "Tags":
        if "ABSENT" in options:
            return lambda line: not line.tags.get(key)
        return lambda line: line.tags.get(key, "") in values
    raise invalid(f"{kind} {key} is invalid")


class Explorer:
    """The handlers, over one ledger."""

    def __init__(self, ledger: Ledger, settings: Settings, priced_at: Callable[[dt.date], int] = lambda _: 1) -> None:
        self._ledger, self._settings, self._priced_at = ledger, settings, priced_at
        self._version = -1
        self._groups: OrderedDict[str, Groups] = OrderedDict()
        self._found: OrderedDict[tuple[str, dt.date, dt.date], Found] = OrderedDict()
        self.handlers: dict[tuple[str, str], Handler] = {
            ("ce", "GetCostAndUsage"): self._cost_and_usage,
            ("ce", "GetCostAndUsageWithResources"): self._with_resources,
            ("ce", "ListCostAllocationTags"): self._allocation_tags,
            **ledger.tags.handlers,
        }

    @property
    def _world(self) -> World:
        return self._ledger.world

    # ------------------------------------------------------------------ costs

    def _cost_and_usage(self, call: Call) -> Output:
        start, end = self._period(call)
        if start < month_before(month_of(self._world.today), 14):
            raise invalid("You haven't enabled historical data beyond 14 months")
        return self._answer(call, start, end, DIMENSIONS)

    def _with_resources(self, call: Call) -> Output:
        start, end = self._period(call)
        if not self._settings.has_resource_costs:
            raise bad_request("DataUnavailableException", "The requested data is unavailable.")
        if start < self._world.today - dt.timedelta(days=RESOURCE_DAYS):
            raise invalid("Start date must be within the last 14 days")
        grouped = any(group.get("Key") == "RESOURCE_ID" for group in call.parameters.get("GroupBy") or [])
        expression = call.parameters.get("Filter") or {}
        if not grouped and not _names(expression, "RESOURCE_ID"):
            raise invalid("Group by or filter by RESOURCE_ID is required")
        if not _names(expression, "SERVICE"):
            raise invalid("Filter by SERVICE is required")
        return self._answer(call, start, end, {**DIMENSIONS, **RESOURCE})

    def _answer(self, call: Call, start: dt.date, end: dt.date, dimensions: dict[str, Key]) -> Output:
        """What the caller may see of it: the payer its family, a member itself."""
        request = call.parameters
        metrics = self._metrics(request)
        definitions = request.get("GroupBy") or []
        if len(definitions) > 2:
            raise invalid("Group by only supports up to 2 dimensions, tags, or cost categories")
        by = [self._group_by(definition, dimensions) for definition in definitions]
        wanted = matching(request.get("Filter") or {}, dimensions)
        asked = [request.get(name) for name in ("TimePeriod", "Granularity", "Metrics", "Filter", "GroupBy")]
        question = digest(call.account_id, call.operation, json.dumps(asked, sort_keys=True))[:16]
        cut = digest(call.account_id, json.dumps(asked[3:], sort_keys=True))
        number = read_token(request.get("NextPageToken"), question=question)
        position, skipped = divmod(number, PERIODS)
        periods = list(_periods(start, end, request["Granularity"]))
        estimated_from = first_estimated(self._world.today)
        size = self._settings.page_sizes.get(f"ce:{call.operation}", GROUPS_ON_A_PAGE)

        left = size
        results: list[Output] = []
        token: str | None = None
        while position < len(periods):
            if left <= 0:
                token = make_token(position * PERIODS + skipped, question)
                break
            begin, stop = periods[position]
            found = self._costs(call.account_id, cut, by, wanted, begin, stop)
            taken = found[skipped : skipped + left] if by else []
            price, currency = self._priced_at(begin), self._settings.currency
            results.append(
                {
                    "TimePeriod": {"Start": begin.isoformat(), "End": stop.isoformat()},
                    "Total": {} if by else _amounts(metrics, found[0][1] if found else Sum(), price, currency),
                    "Groups": [
                        {"Keys": list(keys), "Metrics": _amounts(metrics, cost, price, currency)}
                        for keys, cost in taken
                    ],
                    "Estimated": stop > estimated_from,
                }
            )
            left -= max(1, len(taken))
            skipped += len(taken)
            if skipped >= len(found) or not by:
                position, skipped = position + 1, 0
        answer: Output = {"ResultsByTime": results, "DimensionValueAttributes": self._names(definitions, results)}
        if definitions:
            answer["GroupDefinitions"] = definitions
        if token:
            answer["NextPageToken"] = token
        return answer

    def _costs(self, caller: str, cut: str, by: list[Key], wanted: Matching, begin: dt.date, stop: dt.date) -> Found:
        """The groups of one period. Kept for a while: a large day takes many pages."""
        if self._version != self._ledger.version:
            self._groups.clear()
            self._found.clear()
            self._version = self._ledger.version
        if cut not in self._groups:
            if caller == self._world.billing:
                self._groups[cut] = self._ledger.grouped(by, wanted)
            else:

                def own(line: Line) -> bool:
                    return line.account_id == caller and wanted(line)

                self._groups[cut] = self._ledger.grouped(by, own, caller)
            if len(self._groups) > KEPT_QUESTIONS:
                self._groups.popitem(last=False)
        key = (cut, begin, stop)
        if key not in self._found:
            totals = ((keys, self._ledger.total(spans, begin, stop)) for keys, spans in self._groups[cut])
            self._found[key] = [(keys, total) for keys, total in totals if total]
            if len(self._found) > KEPT_PERIODS:
                self._found.popitem(last=False)
        return self._found[key]

    def _names(self, definitions: list[dict[str, Any]], results: list[Output]) -> list[Output]:
        """The names of the linked accounts of a page."""
        keys = [definition.get("Key") for definition in definitions]
        if "LINKED_ACCOUNT" not in keys:
            return []
        position = keys.index("LINKED_ACCOUNT")
        accounts = sorted({group["Keys"][position] for result in results for group in result["Groups"]})
        return [
            {"Value": account, "Attributes": {"description": self._world.accounts[account].name}}
            for account in accounts
        ]

    def _period(self, call: Call) -> tuple[dt.date, dt.date]:
        request = call.parameters
        if request.get("Granularity") not in {"DAILY", "MONTHLY"}:
            raise invalid(f"Granularity {request.get('Granularity')} is not available: DAILY or MONTHLY")
        try:
            start = dt.date.fromisoformat(request["TimePeriod"]["Start"])
            end = dt.date.fromisoformat(request["TimePeriod"]["End"])
        except ValueError as error:
            raise invalid("Start and End must be dates of the form yyyy-MM-dd") from error
        if start >= end:
            raise invalid("Start date (and hour) should be before end date (and hour)")
        if start > self._world.today:
            raise invalid("Start date (and hour) cannot be after the current date")
        return start, end

    def _metrics(self, request: dict[str, Any]) -> list[str]:
        asked = request.get("Metrics") or []
        if not asked:
            raise invalid("At least one metric is required")
        names = [KNOWN_METRICS.get(metric.replace("_", "").lower(), "") for metric in asked]
        for name, metric in zip(names, asked, strict=True):
            if not name or name in self._settings.refused_metrics:
                raise invalid(f"Metric {metric} is invalid")
        return names

    def _group_by(self, definition: dict[str, Any], dimensions: dict[str, Key]) -> Key:
        kind, key = definition.get("Type"), str(definition.get("Key"))
        if kind == "TAG":
            return tag_key(key)
        if kind != "DIMENSION" or key not in dimensions or key in self._settings.refused_groups:
            raise invalid(f"Group Definition {kind} {key} is invalid")
        return dimensions[key]

    # ------------------------------------------------------------------ tags

    def allocation_tags(self) -> list[Output]:
        """The cost allocation tags; a key that is not used has no day of its last use."""
        tags, today, unused = self._ledger.tags, self._world.today, self._settings.unused_tags
        used = month_of(today).isoformat() + "T00:00:00Z"
        keys = [(key, "UserDefined", "Active" if tags.is_active(key, today) else "Inactive") for key in TAG_KEYS]
        keys += [(f"team:{number:03d}", "UserDefined", "Active") for number in range(self._settings.further_tags)]
        return [
            {
                "TagKey": key,
                "Type": kind,
                "Status": status,
                "LastUpdatedDate": tags.updated_on(key).isoformat() + "T00:00:00Z",
                **({"LastUsedDate": used} if key not in unused and kind == "UserDefined" else {}),
            }
            for key, kind, status in sorted([*keys, *OTHER_TAGS])
        ]

    def _allocation_tags(self, call: Call) -> Output:
        if call.account_id != self._world.billing:
            raise bad_request("ValidationException", "Linked account doesn't have access to cost allocation tags.")
        wanted = {name: call.parameters.get(name) for name in ("Status", "Type")}
        keys = call.parameters.get("TagKeys")
        found = [
            tag
            for tag in self.allocation_tags()
            if (not keys or tag["TagKey"] in keys)
            and all(tag[name] == value for name, value in wanted.items() if value)
        ]
        return self._settings.page(call, "CostAllocationTags", found)


def _names(expression: Any, key: str) -> bool:
    """Whether a filter asks for values of a dimension, outside any `Not`."""
    if not isinstance(expression, dict):
        return False
    if (expression.get("Dimensions") or {}).get("Key") == key:
        return True
    parts = [*(expression.get("And") or []), *(expression.get("Or") or [])]
    return any(_names(part, key) for part in parts)


def _periods(start: dt.date, end: dt.date, granularity: str) -> Iterator[tuple[dt.date, dt.date]]:
    while start < end:
        following = start + dt.timedelta(days=1)
        if granularity == "MONTHLY":
            following = min(end, next_month(start))
        yield start, following
        start = following


def _amounts(metrics: list[str], cost: Sum, price: int, currency: str) -> dict[str, dict[str, str]]:
    return {
        name: {"Amount": decimal(cost.quantity), "Unit": "N/A"}
        if name in QUANTITIES
        else {"Amount": decimal(price * cost.amount(name)), "Unit": currency}
        for name in metrics
    }
