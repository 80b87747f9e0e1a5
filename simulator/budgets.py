"""Budgets of the payer (and one of each member): every kind, with actual amounts that follow from the ledger.

The payer has a monthly cost budget for each workload account, and one of each kind in `_of_the_payer`: other cost
types, filters by service, tag and expression, blended, amortized and net, quarters, years and days, usage in hours,
utilisation of reservations and savings plans in per cent.

An actual amount holds the costs from the first day of its period to the one before `as_of`: `budget_lag_days`
(`configure`) behind the bill. `CostTypes` decide which record types count: `LEFT_OUT` says what each switch takes away.
Some budgets have no forecast, some no notification. A notification is in `ALARM` while its amount is beyond it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from simulator.explorer import matching
from simulator.ledger import COMPUTE, Ledger, Sum, decimal, month_before
from simulator.pages import Handler, Output, Settings, bad_request
from simulator.wire import Call, denied
from simulator.world import RECORD_TYPES, Account, World, WorldError

FEES = ("RIFee", "Upfront", "SavingsPlanRecurringFee")
LEFT_OUT: dict[str, tuple[str, ...]] = {
    "IncludeTax": ("Tax",),
    "IncludeSubscription": FEES,
    "IncludeRefund": ("Refund",),
    "IncludeCredit": ("Credit",),
    "IncludeUpfront": ("Upfront",),
    "IncludeRecurring": ("RIFee",),
    "IncludeOtherSubscription": ("SavingsPlanRecurringFee",),
    "IncludeSupport": ("Support",),
    "IncludeDiscount": (),
}
"""What a cost type that is false leaves out."""

DEFAULT_TYPES = {**dict.fromkeys(LEFT_OUT, True), "UseBlended": False, "UseAmortized": False}
FILTERS = {"LinkedAccount": "LINKED_ACCOUNT", "Service": "SERVICE", "UsageType": "USAGE_TYPE", "Region": "REGION"}
"""Cost filters by the dimension that they are about."""

FIRST_START = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
LAST_END = dt.datetime(2087, 6, 15, tzinfo=dt.UTC)
LENGTHS = {"MONTHLY": 1, "QUARTERLY": 3, "ANNUALLY": 12}
MINIMAL_DAYS = 5
"""How much of a period must have passed before there is a forecast."""


@dataclass(frozen=True)
class Notice:
    """A notification: the amount beyond which somebody is told, of the limit in per cent or absolute."""

    kind: str
    threshold: float
    threshold_type: str = "PERCENTAGE"
    operator: str = "GREATER_THAN"
    addresses: tuple[str, ...] = ("finance@example.com",)


USUAL = (Notice("ACTUAL", 80.0), Notice("FORECASTED", 100.0, addresses=("finance@example.com", "ops@example.com")))


@dataclass(frozen=True)
class Budget:
    """A budget, as its owner has set it."""

    name: str
    limit: str
    budget_type: str = "COST"
    unit: str = "USD"
    time_unit: str = "MONTHLY"
    cost_types: dict[str, bool] = field(default_factory=dict)
    filters: dict[str, list[str]] = field(default_factory=dict)
    expression: dict[str, Any] = field(default_factory=dict)
    metric: str = ""
    has_forecast: bool = True
    notices: tuple[Notice, ...] = USUAL

    @property
    def types(self) -> dict[str, bool]:
        """Its cost types, with what nobody has said."""
        return {**DEFAULT_TYPES, **self.cost_types}

    @property
    def record_types(self) -> list[str]:
        """The record types that count."""
        gone = {name for switch, names in LEFT_OUT.items() if not self.types[switch] for name in names}
        return [name for name in RECORD_TYPES if name not in gone]

    @property
    def amount_metric(self) -> str:
        """The metric of its actual amount."""
        if self.budget_type == "USAGE":
            return "UsageQuantity"
        if self.metric:
            return self.metric
        return "BlendedCost" if self.types["UseBlended"] else self._accrued

    @property
    def _accrued(self) -> str:
        return "AmortizedCost" if self.types["UseAmortized"] else "UnblendedCost"

    @property
    def account_id(self) -> str | None:
        """The one account that it is about, if it is."""
        accounts = self.filters.get("LinkedAccount", [])
        return accounts[0] if len(accounts) == 1 else None

    @property
    def condition(self) -> dict[str, Any]:
        """What counts, as Cost Explorer's expression."""
        parts: list[dict[str, Any]] = [{"Dimensions": {"Key": "RECORD_TYPE", "Values": self.record_types}}]
        if self.expression:
            parts.append(self.expression)
        for name, values in self.filters.items():
            if name == "TagKeyValue":
                pairs = [value.removeprefix("user:").partition("$") for value in values]
                parts += [{"Tags": {"Key": key, "Values": [value]}} for key, _, value in pairs]
            else:
                parts.append({"Dimensions": {"Key": FILTERS[name], "Values": values}})
        return {"And": parts} if len(parts) > 1 else parts[0]

    def period(self, day: dt.date) -> tuple[dt.date, dt.date]:
        """The period that a day lies in."""
        if self.time_unit == "DAILY":
            return day, day + dt.timedelta(days=1)
        length = LENGTHS[self.time_unit]
        start = dt.date(day.year, (day.month - 1) // length * length + 1, 1)
        return start, month_before(start, -length)


def _of_the_payer(world: World) -> Iterator[Budget]:
    workloads = [account for account in world.members() if account.kind == "workload"]
    for number, account in enumerate(workloads):
        yield Budget(
            f"monthly {account.founded_as}",
            "2500.0" if number % 4 else "150",
            filters={"LinkedAccount": [account.account_id]},
            has_forecast=number % 3 != 1,
            notices=USUAL if number % 2 == 0 else (),
        )
    yield Budget("organisation", "25000", notices=(*USUAL, Notice("ACTUAL", 1000.0, "ABSOLUTE_VALUE")))
    yield Budget(
        "organisation amortized, before tax & support",
        "20000",
        cost_types={"UseAmortized": True, "IncludeTax": False, "IncludeSupport": False},
    )
    yield Budget("usage without credits", "18000", cost_types={"IncludeCredit": False, "IncludeRefund": False})
    yield Budget(
        "no commitments",
        "18000",
        cost_types={"IncludeUpfront": False, "IncludeRecurring": False, "IncludeOtherSubscription": False},
        has_forecast=False,
    )
    yield Budget("no subscriptions", "18000", cost_types={"IncludeSubscription": False}, notices=())
    yield Budget("blended quarter", "70000", time_unit="QUARTERLY", cost_types={"UseBlended": True})
    yield Budget("financial year", "300000.50", time_unit="ANNUALLY")
    yield Budget("a day", "900", time_unit="DAILY", has_forecast=False, notices=(Notice("ACTUAL", 100.0),))
    yield Budget("compute", "9000", filters={"Service": [COMPUTE]})
    yield Budget("kōwhai: 'prod' 🥝", "4000", filters={"TagKeyValue": ["user:bc:environment$prod"]})
    yield Budget(
        "net, by expression",
        "12000",
        metric="NetUnblendedCost",
        expression={
            "And": [
                {"Dimensions": {"Key": "LINKED_ACCOUNT", "Values": [a.account_id for a in workloads[:3]]}},
                {"Not": {"Dimensions": {"Key": "RECORD_TYPE", "Values": ["Tax", "Credit"]}}},
            ]
        },
    )
    yield Budget(
        "EC2 hours",
        "9000",
        "USAGE",
        "Hrs",
        filters={"UsageType": ["BoxUsage:m5.large", "BoxUsage:t3.micro"]},
        notices=(Notice("ACTUAL", 50.0),),
    )
    low = (Notice("ACTUAL", 95.0, operator="LESS_THAN"),)
    yield Budget("reservations used", "100", "RI_UTILIZATION", "PERCENTAGE", has_forecast=False, notices=low)
    yield Budget(
        "savings plans used", "100", "SAVINGS_PLANS_UTILIZATION", "PERCENTAGE", has_forecast=False, notices=low
    )


def _of_a_member(account: Account) -> Budget:
    return Budget(f"my own {account.founded_as}", "1000", has_forecast=False, notices=(Notice("ACTUAL", 90.0),))


class Budgets:
    """The handlers and their truth, over one ledger."""

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger, self._settings = ledger, settings
        self._version = -1
        self._known: dict[tuple[str, str, dt.date], tuple[int, int | None]] = {}
        self._limits: dict[str, str] = {}
        self._world.parts.append(self)
        self.handlers: dict[tuple[str, str], Handler] = {
            ("budgets", "DescribeBudgets"): self._describe_all,
            ("budgets", "DescribeBudget"): self._describe,
            ("budgets", "DescribeNotificationsForBudget"): self._notifications,
            ("budgets", "DescribeBudgetNotificationsForAccount"): self._notifications_of_account,
            ("budgets", "DescribeSubscribersForNotification"): self._subscribers,
            ("budgets", "DescribeBudgetPerformanceHistory"): self._history,
        }

    @property
    def _world(self) -> World:
        return self._ledger.world

    def owned(self, account_id: str) -> list[Budget]:
        """The budgets of an account, by name."""
        found: list[Budget] = []
        if account_id == self._world.billing:
            found = sorted(_of_the_payer(self._world), key=lambda budget: budget.name)
        elif account := self._world.accounts.get(account_id):
            found = [_of_a_member(account)]
        units = {"USD": self._settings.currency}
        return [
            replace(
                budget,
                unit=units.get(budget.unit, budget.unit),
                limit=self._limits.get(f"{account_id} {budget.name}", budget.limit),
            )
            for budget in found
        ]

    def _change_set_budget(self, name: str, limit: str, owner: str = "") -> dict[str, Any]:
        """Another limit of a budget: of the payer's, where no owner is named."""
        owner = owner or self._world.billing
        before = next((budget.limit for budget in self.owned(owner) if budget.name == name), None)
        if before is None:
            raise WorldError(f"{owner} has no budget {name}")
        self._limits[f"{owner} {name}"] = limit
        return {"owner": owner, "name": name, "before": before, "limit": limit}

    @property
    def as_of(self) -> dt.date:
        """The day before which the costs of actual amounts lie."""
        return self._world.today - dt.timedelta(days=self._settings.budget_lag_days)

    # ------------------------------------------------------------------ amounts

    def _sum(self, owner: str, budget: Budget, start: dt.date, end: dt.date, metric: str = "") -> int:
        """What counts in a period, in units of 1e-10."""
        if start >= end:
            return 0
        wanted = matching(budget.condition)
        only = owner if owner != self._world.billing else budget.account_id
        # What the payer pays for others is derived with the others.
        near = None if only == self._world.billing else only
        groups = self._ledger.grouped([], lambda line: (not only or line.account_id == only) and wanted(line), near)
        cost = (self._ledger.total(groups[0][1], start, end) if groups else None) or Sum()
        metric = metric or budget.amount_metric
        return cost.quantity if metric == "UsageQuantity" else cost.amount(metric)

    def _used(self, owner: str, budget: Budget, start: dt.date, end: dt.date) -> int:
        """How much of the commitments is used, in per cent with ten decimals."""
        kinds = {
            "RI_UTILIZATION": ("DiscountedUsage", "RIFee"),
            "SAVINGS_PLANS_UTILIZATION": ("SavingsPlanCoveredUsage", "SavingsPlanRecurringFee"),
        }
        used, unused = (
            self._sum(owner, Budget("", "0", expression=_record_type(name)), start, end, "AmortizedCost")
            for name in kinds[budget.budget_type]
        )
        return 100 * 10**10 * used // (used + unused) if used + unused else 0

    def actual(self, owner: str, budget: Budget, start: dt.date, end: dt.date) -> int:
        """The actual amount of a period, in units of 1e-10."""
        if budget.unit == "PERCENTAGE":
            return self._used(owner, budget, start, end)
        return self._sum(owner, budget, start, end)

    def spend(self, owner: str, budget: Budget) -> tuple[dt.date, dt.date, int, int | None]:
        """Start and end of the current period, actual and forecast amount."""
        if self._version != self._ledger.version:
            self._known.clear()
            self._version = self._ledger.version
        # What is asked for before a period's first day is through belongs to the period of today.
        day = self._world.today - dt.timedelta(days=1) if budget.time_unit == "DAILY" else self._world.today
        start, end = budget.period(day)
        as_of = min(end, self.as_of) if budget.time_unit != "DAILY" else end
        key = (owner, budget.name, as_of)
        if key not in self._known:
            actual = self.actual(owner, budget, start, as_of)
            passed = (as_of - start).days
            forecast = actual * (end - start).days // passed if passed >= MINIMAL_DAYS else None
            self._known[key] = (actual, forecast if budget.has_forecast else None)
        return start, end, *self._known[key]

    def _state(self, owner: str, budget: Budget, notice: Notice) -> str:
        _, _, actual, forecast = self.spend(owner, budget)
        amount = actual if notice.kind == "ACTUAL" else forecast
        if amount is None:
            return "OK"
        threshold = Decimal(str(notice.threshold))
        if notice.threshold_type == "PERCENTAGE":
            threshold = threshold * Decimal(budget.limit) / 100
        spent = Decimal(amount) / 10**10
        return "ALARM" if (spent > threshold if notice.operator == "GREATER_THAN" else spent < threshold) else "OK"

    # ------------------------------------------------------------------ answers

    def _owner(self, call: Call) -> str:
        """The account, which must be the caller's own."""
        if (owner := str(call.parameters.get("AccountId"))) != call.account_id:
            raise denied("budgets", "budgets:ViewBudget", call.arn, f"arn:aws:budgets::{owner}:budget/*")
        return owner

    def _named(self, call: Call) -> tuple[str, Budget]:
        owner, name = self._owner(call), call.parameters.get("BudgetName")
        for budget in self.owned(owner):
            if budget.name == name:
                return owner, budget
        raise bad_request("NotFoundException", f"Unable to get budget: {name} - the budget doesn't exist.")

    def _shown(self, owner: str, budget: Budget, with_expression: bool) -> Output:
        _, _, actual, forecast = self.spend(owner, budget)
        spend = {"ActualSpend": {"Amount": decimal(actual), "Unit": budget.unit}}
        if forecast is not None:
            spend["ForecastedSpend"] = {"Amount": decimal(forecast), "Unit": budget.unit}
        updated_at = dt.datetime.combine(self.as_of, dt.time(9, 41, 7), dt.UTC)
        shown: Output = {
            "BudgetName": budget.name,
            "BudgetType": budget.budget_type,
            "TimeUnit": budget.time_unit,
            "BudgetLimit": {"Amount": budget.limit, "Unit": budget.unit},
            "CalculatedSpend": spend,
            "TimePeriod": {"Start": FIRST_START, "End": LAST_END},
            "LastUpdatedTime": updated_at,
            "BillingViewArn": f"arn:aws:billing::{owner}:billingview/primary",
            "HealthStatus": {"Status": "HEALTHY", "LastUpdatedTime": updated_at},
        }
        if budget.expression:
            shown["Metrics"] = [budget.metric]
            if with_expression:
                shown["FilterExpression"] = budget.expression
        else:
            shown["CostFilters"] = budget.filters
            if budget.budget_type == "COST":
                shown["CostTypes"] = budget.types
        return shown

    def _describe_all(self, call: Call) -> Output:
        owner = self._owner(call)
        with_expression = bool(call.parameters.get("ShowFilterExpression"))
        return self._settings.page(
            call, "Budgets", self.owned(owner), lambda budget: self._shown(owner, budget, with_expression)
        )

    def _describe(self, call: Call) -> Output:
        owner, budget = self._named(call)
        return {"Budget": self._shown(owner, budget, bool(call.parameters.get("ShowFilterExpression")))}

    def _notice(self, owner: str, budget: Budget, notice: Notice) -> Output:
        return {
            "NotificationType": notice.kind,
            "ComparisonOperator": notice.operator,
            "Threshold": notice.threshold,
            "ThresholdType": notice.threshold_type,
            "NotificationState": self._state(owner, budget, notice),
        }

    def _notifications(self, call: Call) -> Output:
        owner, budget = self._named(call)
        return self._settings.page(
            call, "Notifications", budget.notices, lambda notice: self._notice(owner, budget, notice)
        )

    def _notifications_of_account(self, call: Call) -> Output:
        owner = self._owner(call)
        return self._settings.page(
            call,
            "BudgetNotificationsForAccount",
            [budget for budget in self.owned(owner) if budget.notices],
            lambda budget: {
                "BudgetName": budget.name,
                "Notifications": [self._notice(owner, budget, notice) for notice in budget.notices],
            },
        )

    def _subscribers(self, call: Call) -> Output:
        owner, budget = self._named(call)
        asked = call.parameters.get("Notification") or {}
        for notice in budget.notices:
            if (notice.kind, notice.operator, notice.threshold, notice.threshold_type) == (
                asked.get("NotificationType"),
                asked.get("ComparisonOperator"),
                float(asked.get("Threshold", 0)),
                asked.get("ThresholdType") or "PERCENTAGE",
            ) and asked.get("NotificationState") in {None, self._state(owner, budget, notice)}:
                return self._settings.page(
                    call,
                    "Subscribers",
                    notice.addresses,
                    lambda address: {"SubscriptionType": "EMAIL", "Address": address},
                )
        raise bad_request("NotFoundException", "Unable to get subscribers: the notification doesn't exist.")

    def _history(self, call: Call) -> Output:
        owner, budget = self._named(call)
        if budget.time_unit == "DAILY":
            periods = [budget.period(self.as_of - dt.timedelta(days=n)) for n in range(60, 0, -1)]
        else:
            count = {"MONTHLY": 12, "QUARTERLY": 4, "ANNUALLY": 1}[budget.time_unit]
            first = budget.period(self._world.today)[0]
            length = LENGTHS[budget.time_unit]
            periods = [budget.period(month_before(first, n * length)) for n in range(count, -1, -1)]
        page = self._settings.page(
            call, "Amounts", periods, lambda period: self._amounts(owner, budget, *period), default=None
        )
        shown = self._shown(owner, budget, with_expression=False)
        names = ("BudgetName", "BudgetType", "CostFilters", "CostTypes", "TimeUnit", "Metrics", "BillingViewArn")
        history = {name: shown[name] for name in names if name in shown}
        answer: Output = {"BudgetPerformanceHistory": {**history, "BudgetedAndActualAmountsList": page["Amounts"]}}
        return answer | ({"NextToken": page["NextToken"]} if "NextToken" in page else {})

    def _amounts(self, owner: str, budget: Budget, start: dt.date, end: dt.date) -> Output:
        actual = self.actual(owner, budget, start, min(end, self.as_of))
        return {
            "BudgetedAmount": {"Amount": budget.limit, "Unit": budget.unit},
            "ActualAmount": {"Amount": decimal(actual), "Unit": budget.unit},
            "TimePeriod": {
                "Start": dt.datetime.combine(start, dt.time(), dt.UTC),
                "End": dt.datetime.combine(end, dt.time(), dt.UTC),
            },
        }

    # ------------------------------------------------------------------ truth

    def truth(self) -> dict[str, Any]:
        """The payer's budgets: what counts as an expression, of which days, and what came of it."""
        rows = []
        payer = self._world.billing
        for budget in self.owned(payer):
            start, end, actual, forecast = self.spend(payer, budget)
            rows.append(
                {
                    "budget_name": budget.name,
                    "budget_type": budget.budget_type,
                    "time_unit": budget.time_unit,
                    "period_start": start.isoformat(),
                    "period_end": end.isoformat(),
                    "as_of": min(end, self.as_of if budget.time_unit != "DAILY" else end).isoformat(),
                    "limit": budget.limit,
                    "unit": budget.unit,
                    "metric": budget.amount_metric,
                    "condition": budget.condition,
                    "actual": decimal(actual),
                    "forecast": None if forecast is None else decimal(forecast),
                    "alerts": [
                        {
                            "kind": notice.kind,
                            "threshold": notice.threshold,
                            "threshold_type": notice.threshold_type,
                            "operator": notice.operator,
                            "state": self._state(payer, budget, notice),
                        }
                        for notice in budget.notices
                    ],
                }
            )
        return {"budgets": rows, "budgets_as_of": self.as_of.isoformat()}


def _record_type(name: str) -> dict[str, Any]:
    return {"Dimensions": {"Key": "RECORD_TYPE", "Values": [name]}}
