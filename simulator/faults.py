"""Faults by rule, and the lies that are built from them.

A rule matches calls and says what happens to them. A lie is a named set of rules, with one sentence that
says who is lied about and how, so that a demonstration and a test can name it.
"""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from simulator.wire import Call, paging
from simulator.world import World

Action = Literal[
    "empty",
    "empty_page",
    "truncate",
    "denied",
    "expired",
    "throttle",
    "error",
    "html503",
    "delay",
    "reset",
    "cut",
    "garbage",
]


class FaultError(ValueError):
    """A rule or a lie that does not exist; the message lists what does."""


@dataclass
class Rule:
    """Calls that match every pattern meet `action`.

    Patterns are `fnmatch`; `contains` is a plain substring of the request's body. The first `skip` matching
    calls pass, the next `times` are hit (all, where it is None), later ones pass again; `per` names what is
    counted apart, such as `("account", "region", "op")`.
    """

    action: Action
    service: str = "*"
    op: str = "*"
    account: str = "*"
    region: str = "*"
    role: str = "*"
    contains: str = ""
    exclude_services: tuple[str, ...] = ()
    skip: int = 0
    times: int | None = None
    per: tuple[str, ...] = ()
    code: str = "InternalError"
    message: str = "injected by a fault rule"
    status: int = 400
    seconds: float = 0.0
    keep: int = 1
    seen: Counter[tuple[str, ...]] = field(default_factory=Counter)
    hits: Counter[tuple[str, ...]] = field(default_factory=Counter)

    @classmethod
    def of(cls, data: dict[str, Any]) -> Rule:
        """A rule from JSON."""
        known = {item.name for item in fields(cls)} - {"seen", "hits"}
        if unknown := sorted(set(data) - known):
            raise FaultError(f"a fault rule has no {', '.join(unknown)}; it has {', '.join(sorted(known))}")
        if data.get("action") not in get_args(Action):
            raise FaultError(f"there is no action {data.get('action')!r}; there are {', '.join(get_args(Action))}")
        values: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        return cls(**values)

    def applies(self, call: Call) -> bool:
        """Whether the patterns match the call."""
        named = _named(call)
        if call.service in self.exclude_services:
            return False
        if not all(fnmatchcase(value, getattr(self, name)) for name, value in named.items()):
            return False
        if self.contains and self.contains not in call.body.decode(errors="replace"):
            return False
        if self.action == "empty_page":
            pages = paging(call.service, call.operation)
            return pages is not None and not call.parameters.get(pages.input_token)
        return True


def _named(call: Call) -> dict[str, str]:
    return {
        "service": call.service,
        "op": call.operation,
        "account": call.account_id,
        "region": call.region,
        "role": call.role or "",
    }


class Faults:
    """The rules in force: the first that matches and is not used up decides."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self._lock = threading.Lock()

    def match(self, call: Call) -> Rule | None:
        """The rule that hits this call, counted."""
        for rule in self.rules:
            if not rule.applies(call):
                continue
            named = _named(call)
            key = tuple(named[name] for name in rule.per)
            with self._lock:
                rule.seen[key] += 1
                if rule.seen[key] <= rule.skip or (rule.times is not None and rule.hits[key] >= rule.times):
                    continue
                rule.hits[key] += 1
            return rule
        return None


@dataclass(frozen=True)
class Lie:
    """A lie that is being told. `operation` is `service:Operation`, with `*` for several."""

    name: str
    role: str
    account_id: str
    operation: str
    description: str
    survivable: bool
    rules: tuple[Rule, ...] = ()
    misroute: tuple[str, str] | None = None

    def as_json(self) -> dict[str, Any]:
        """What the control path answers."""
        return {
            "name": self.name,
            "role": self.role,
            "account_id": self.account_id,
            "operation": self.operation,
            "description": self.description,
            "survivable": self.survivable,
        }


LIES = (
    "silent_zero",
    "denied",
    "same_account_twice",
    "expired",
    "throttle_forever",
    "empty_page",
    "throttle",
)


def make_lie(name: str, world: World, account_id: str | None = None) -> Lie:
    """The lie of a name, about a given account where one may be chosen."""
    if name not in LIES:
        raise FaultError(f"there is no lie {name}; there are {', '.join(LIES)}")
    lie: Lie = globals()[f"_{name}"](world, account_id)
    return lie


def _victim(world: World, account_id: str | None) -> str:
    """The given account, or the first reachable one that has running instances in every region."""
    if account_id:
        return world.account(account_id).account_id
    for account in world.reachable():
        if all(
            any(instance.state == "running" for instance in world.instances(account.account_id, region))
            for region in world.regions
        ):
            return account.account_id
    raise FaultError("no reachable workload account has running instances in every region")


def _silent_zero(world: World, account_id: str | None) -> Lie:
    account = _victim(world, account_id)
    count = sum(len(world.instances(account, region)) for region in world.regions)
    return Lie(
        "silent_zero",
        "workload",
        account,
        "ec2:DescribeInstances",
        f"ec2:DescribeInstances of account {account} answers 200 and an empty list in every region; "
        f"it has {count} instances.",
        survivable=False,
        rules=(Rule("empty", service="ec2", op="DescribeInstances", account=account),),
    )


def _denied(world: World, account_id: str | None) -> Lie:
    account = _victim(world, account_id)
    return Lie(
        "denied",
        "workload",
        account,
        "*:*",
        f"Every call in account {account} but sts is refused with the access-denied code of its service.",
        survivable=False,
        rules=(Rule("denied", account=account, exclude_services=("sts", "sso")),),
    )


def _same_account_twice(world: World, _account_id: str | None) -> Lie:
    return Lie(
        "same_account_twice",
        "operations",
        world.management,
        "*:*",
        f"The operations profile reaches the management account {world.management} instead of {world.operations}.",
        survivable=False,
        misroute=(world.operations, world.management),
    )


def _expired(world: World, _account_id: str | None) -> Lie:
    return Lie(
        "expired",
        "billing",
        world.billing,
        "*:*",
        "The billing profile's sign-in has expired: IAM Identity Center gives no new credentials, "
        "and those given before are refused as expired.",
        survivable=False,
        rules=(
            Rule("expired", role="billing"),
            Rule(
                "error",
                service="sso",
                op="GetRoleCredentials",
                code="UnauthorizedException",
                message="Session token not found or invalid",
                status=401,
            ),
        ),
    )


def _throttle_forever(world: World, _account_id: str | None) -> Lie:
    return Lie(
        "throttle_forever",
        "billing",
        world.billing,
        "ce:GetCostAndUsage",
        "Every ce:GetCostAndUsage of the billing profile is throttled, however often it is tried.",
        survivable=False,
        rules=(Rule("throttle", service="ce", op="GetCostAndUsage"),),
    )


def _empty_page(world: World, _account_id: str | None) -> Lie:
    return Lie(
        "empty_page",
        "management",
        world.management,
        "organizations:List*",
        "The first page of every paged organizations and ec2 listing is empty but carries a token; "
        "the pages after it hold everything.",
        survivable=True,
        rules=(
            Rule("empty_page", service="organizations", op="List*"),
            Rule("empty_page", service="ec2", op="Describe*"),
        ),
    )


def _throttle(world: World, _account_id: str | None) -> Lie:
    per = ("account", "region", "op")
    return Lie(
        "throttle",
        "management",
        world.management,
        "*:*",
        "The first two requests of each organizations, ec2 and ce operation, account and region "
        "are throttled; the third is answered.",
        survivable=True,
        rules=tuple(Rule("throttle", service=name, times=2, per=per) for name in ("organizations", "ec2", "ce")),
    )
