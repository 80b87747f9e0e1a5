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

from simulator.access import ROLE_NAMES
from simulator.wire import Call, paging
from simulator.world import World

Action = Literal[
    "empty",
    "empty_page",
    "truncate",
    "denied",
    "hidden_denial",
    "expired",
    "throttle",
    "error",
    "html503",
    "delay",
    "reset",
    "cut",
    "garbage",
    "answer",
    "omit",
    "foreign",
    "repeat",
    "strip",
    "misroute",
    "change",
]


class FaultError(ValueError):
    """A rule or a lie that does not exist; the message lists what does."""


@dataclass
class Rule:
    """Calls that match every pattern meet `action`.

    Patterns are `fnmatch`; `contains` is a plain substring of the request's body. The first `skip` matching
    calls pass, the next `times` are hit (all, where it is None), later ones pass again; `per` names what is
    counted apart, such as `("account", "region", "op")`. `omit` leaves out of an answer the records that name `item`,
    `foreign` lets the first record that names its own account name `item` instead; `repeat` lists the first record
    again at the end of the page, and where `item` names a field, with another text in it; `strip` leaves the field
    `item` out of the first record; `misroute` makes calls those
    of the account `item`, before any other rule looks at them; `answer` is `body` with status 200, whoever asks;
    `change` makes the change `do` with its `arguments` as the call arrives, which is then answered as ever;
    `hidden_denial` answers a call that is refused, as CloudTrail records, with 200 and an empty list.

    Attributes:
        is_spare: it says the same to who has asked before the lie began, so that a night of its own never meets it.
        told: answers that were another one for it; what was hit and came out as it would have anyway is none.
    """

    action: Action
    service: str = "*"
    op: str = "*"
    account: str = "*"
    region: str = "*"
    role: str = "*"
    contains: str = ""
    exclude_services: tuple[str, ...] = ()
    exclude_ops: tuple[str, ...] = ()
    skip: int = 0
    times: int | None = None
    per: tuple[str, ...] = ()
    code: str = "InternalError"
    message: str = "injected by a fault rule"
    status: int = 400
    seconds: float = 0.0
    keep: int = 1
    item: str = ""
    body: str = ""
    content_type: str = "text/html"
    do: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    is_spare: bool = False
    seen: Counter[tuple[str, ...]] = field(default_factory=Counter)
    hits: Counter[tuple[str, ...]] = field(default_factory=Counter)
    told: int = 0

    @classmethod
    def of(cls, data: dict[str, Any]) -> Rule:
        """A rule from JSON."""
        known = {item.name for item in fields(cls)} - {"seen", "hits", "told"}
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
        if call.service in self.exclude_services or call.operation in self.exclude_ops:
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

    def match(self, call: Call, *, misrouting: bool = False) -> Rule | None:
        """The rule that hits this call, counted; of those that misroute, or of all others."""
        for rule in self.rules:
            if (rule.action == "misroute") != misrouting or not rule.applies(call):
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

    def count(self, rule: Rule) -> None:
        """One more answer that is another one for a rule."""
        with self._lock:
            rule.told += 1


@dataclass(frozen=True)
class Lie:
    """A lie that is being told. `operation` is `service:Operation`, with `*` for several."""

    name: str
    role: str
    account_id: str
    operation: str
    description: str
    survivable: bool
    rules: tuple[Rule, ...]

    def as_json(self) -> dict[str, Any]:
        """What the control path answers."""
        return {
            "name": self.name,
            "role": self.role,
            "account_id": self.account_id,
            "operation": self.operation,
            "description": self.description,
            "survivable": self.survivable,
            "told": [rule.told for rule in self.rules if not rule.is_spare],
        }


FAULT_NAMES = (
    "silent_zero",
    "denied",
    "same_account_twice",
    "expired",
    "throttle_forever",
    "throttle_forever_management",
    "throttle_forever_operations",
    "throttle_forever_workload",
    "empty_page",
    "throttle",
    "no_accounts",
    "no_service_control_policies",
    "no_bill",
    "no_budgets",
    "no_databases",
    "no_buckets",
    "no_functions",
    "truncated",
    "truncated_accounts",
    "truncated_units",
    "denied_listing",
    "denied_region",
    "denied_everywhere",
    "denied_everywhere_workload",
    "denied_management",
    "denied_operations",
    "denied_billing",
    "misrouted_management",
    "misrouted_operations",
    "misrouted_billing",
    "misrouted_workload",
    "misrouted_midway_management",
    "misrouted_midway_workload",
    "foreign_record",
    "expired_management",
    "expired_operations",
    "expired_workload",
    "expired_midway_management",
    "expired_midway_operations",
    "expired_midway_billing",
    "expired_midway_workload",
    "error_500",
    "html_503",
    "reset",
    "cut",
    "garbage",
    "slow",
    "slow_forever",
    "down_management",
    "down_operations",
    "down_billing",
    "down_workload",
    "garbage_forever",
    "region_closed",
    "no_trail",
    "no_trail_management",
    "no_trail_operations",
    "no_trail_billing",
    "no_trail_workload",
    "hidden_denial",
    "hidden_denial_operations",
    "hidden_denial_unbilled",
    "bill_without_account",
)


def make_lie(name: str, world: World, account_id: str | None = None) -> Lie:
    """The lie of a name, about a given account where one may be chosen."""
    if name not in FAULT_NAMES:
        raise FaultError(f"there is no lie {name}; there are {', '.join(FAULT_NAMES)}")
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
        rules=(Rule("misroute", role="operations", account=world.operations, item=world.management),),
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
            Rule("expired", role="billing", is_spare=True),
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


def _expired_management(world: World, _account_id: str | None) -> Lie:
    return Lie(
        "expired_management",
        "management",
        world.management,
        "*:*",
        "The session that the management profile assumes its role with has expired.",
        survivable=False,
        rules=(
            Rule(
                "error",
                service="sts",
                op="AssumeRole",
                contains=ROLE_NAMES["management"],
                code="ExpiredToken",
                message="The security token included in the request is expired",
                status=403,
            ),
        ),
    )


def _expired_operations(world: World, _account_id: str | None) -> Lie:
    return Lie(
        "expired_operations",
        "operations",
        world.operations,
        "*:*",
        "The credentials that the operations profile's process prints have expired.",
        survivable=False,
        rules=(Rule("expired", role="operations"),),
    )


def _expired_workload(world: World, account_id: str | None) -> Lie:
    account = _victim(world, account_id)
    return Lie(
        "expired_workload",
        "workload",
        account,
        "*:*",
        f"The credentials that the workload profile of account {account} is given have expired.",
        survivable=False,
        rules=(Rule("expired", role="workload", account=account),),
    )


def _throttled_forever(name: str, role: str, account: str, service: str, op: str) -> Lie:
    return Lie(
        name,
        role,
        account,
        f"{service}:{op}",
        f"Every {service}:{op} of account {account} is throttled, however often it is tried.",
        survivable=False,
        rules=(Rule("throttle", service=service, op=op, account=account),),
    )


def _throttle_forever(world: World, _account_id: str | None) -> Lie:
    return _throttled_forever("throttle_forever", "billing", world.billing, "ce", "GetCostAndUsage")


def _throttle_forever_management(world: World, _account_id: str | None) -> Lie:
    return _throttled_forever(
        "throttle_forever_management", "management", world.management, "organizations", "ListRoots"
    )


def _throttle_forever_operations(world: World, _account_id: str | None) -> Lie:
    return _throttled_forever(
        "throttle_forever_operations", "operations", world.operations, "resourcegroupstaggingapi", "GetResources"
    )


def _throttle_forever_workload(world: World, account_id: str | None) -> Lie:
    return _throttled_forever(
        "throttle_forever_workload", "workload", _victim(world, account_id), "ec2", "DescribeVolumes"
    )


def _empty_page(world: World, _account_id: str | None) -> Lie:
    return Lie(
        "empty_page",
        "management",
        world.management,
        "organizations:List*",
        "The first page of every listing of the organisation, of the bill, of budgets, tags and workload accounts is "
        "empty but carries a token; the pages after it hold everything.",
        survivable=True,
        rules=tuple(
            Rule("empty_page", service=service, op=op)
            for service, op in (
                ("organizations", "List*"),
                ("ec2", "Describe*"),
                ("rds", "Describe*"),
                ("lambda", "List*"),
                ("resourcegroupstaggingapi", "GetResources"),
                ("config", "Describe*"),
                ("ce", "GetCostAndUsage"),
                ("budgets", "DescribeBudgets"),
            )
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


# ------------------------------------------------------------------------------------------ zeros of each role


def _zero(
    world: World, name: str, role: str, account: str, service: str, op: str, *, contains: str = "", what: str
) -> Lie:
    return Lie(
        name,
        role,
        account,
        f"{service}:{op}",
        f"{service}:{op} of account {account} answers 200 and an empty list, although there are {what}.",
        survivable=False,
        rules=(Rule("empty", service=service, op=op, account=account, contains=contains),),
    )


def _no_accounts(world: World, _account_id: str | None) -> Lie:
    return _zero(world, "no_accounts", "management", world.management, "organizations", "ListAccounts", what="accounts")


def _no_service_control_policies(world: World, _account_id: str | None) -> Lie:
    return _zero(
        world,
        "no_service_control_policies",
        "management",
        world.management,
        "organizations",
        "ListPolicies",
        contains="SERVICE_CONTROL_POLICY",
        what="service control policies",
    )


def _no_bill(world: World, _account_id: str | None) -> Lie:
    return _zero(world, "no_bill", "billing", world.billing, "ce", "GetCostAndUsage", what="costs")


def _no_budgets(world: World, _account_id: str | None) -> Lie:
    return _zero(world, "no_budgets", "billing", world.billing, "budgets", "DescribeBudgets", what="budgets")


def _no_databases(world: World, account_id: str | None) -> Lie:
    account = _victim(world, account_id)
    return _zero(world, "no_databases", "workload", account, "rds", "DescribeDBInstances", what="databases")


def _no_buckets(world: World, account_id: str | None) -> Lie:
    return _zero(world, "no_buckets", "workload", _victim(world, account_id), "s3", "ListBuckets", what="buckets")


def _no_functions(world: World, account_id: str | None) -> Lie:
    return _zero(
        world, "no_functions", "workload", _victim(world, account_id), "lambda", "ListFunctions*", what="functions"
    )


# ---------------------------------------------------------------------------------------------- half a list


def _truncated(world: World, account_id: str | None) -> Lie:
    account = _victim(world, account_id)
    return Lie(
        "truncated",
        "workload",
        account,
        "ec2:DescribeInstances",
        f"ec2:DescribeInstances of account {account} ends after its first reservation, without a token.",
        survivable=False,
        rules=(Rule("truncate", service="ec2", op="DescribeInstances", account=account),),
    )


def _truncated_accounts(world: World, _account_id: str | None) -> Lie:
    return Lie(
        "truncated_accounts",
        "management",
        world.management,
        "organizations:ListAccounts",
        "organizations:ListAccounts ends after three accounts, without a token.",
        survivable=False,
        rules=(Rule("truncate", service="organizations", op="ListAccounts", keep=3),),
    )


def _truncated_units(world: World, _account_id: str | None) -> Lie:
    return Lie(
        "truncated_units",
        "management",
        world.management,
        "organizations:ListAccountsForParent",
        "organizations:ListAccountsForParent ends after the first account of every OU, without a token.",
        survivable=False,
        rules=(Rule("truncate", service="organizations", op="ListAccountsForParent"),),
    )


def _bill_without_account(world: World, account_id: str | None) -> Lie:
    account = _victim(world, account_id)
    return Lie(
        "bill_without_account",
        "billing",
        account,
        "ce:GetCostAndUsage",
        f"The bill leaves out what account {account} costs.",
        survivable=False,
        rules=(Rule("omit", service="ce", op="GetCostAndUsage", item=account),),
    )


# -------------------------------------------------------------------------------------------------- refusals


def _refusal(name: str, role: str, account: str, operation: str, where: str, rule: Rule) -> Lie:
    return Lie(
        name,
        role,
        account,
        operation,
        f"{operation} is refused {where}, with the access-denied code of its service.",
        survivable=False,
        rules=(rule,),
    )


def _denied_listing(world: World, account_id: str | None) -> Lie:
    account, region = _victim(world, account_id), world.regions[0]
    return _refusal(
        "denied_listing",
        "workload",
        account,
        "rds:DescribeDBInstances",
        f"in account {account}, region {region}",
        Rule("denied", service="rds", op="DescribeDBInstances", account=account, region=region),
    )


def _denied_region(world: World, account_id: str | None) -> Lie:
    region, account = world.regions[-1], account_id or "*"
    return _refusal(
        "denied_region",
        "workload",
        account,
        "*:*",
        f"in region {region} of {f'account {account}' if account_id else 'every workload account'}",
        Rule("denied", role="workload", account=account, region=region, exclude_services=("sts", "sso")),
    )


def _denied_everywhere(world: World, _account_id: str | None) -> Lie:
    return _refusal(
        "denied_everywhere",
        "workload",
        "*",
        "ec2:DescribeInstances",
        "in every account and region",
        Rule("denied", service="ec2", op="DescribeInstances"),
    )


def _denied_everywhere_workload(world: World, _account_id: str | None) -> Lie:
    return _refusal(
        "denied_everywhere_workload",
        "workload",
        "*",
        "ec2:DescribeInstances",
        "in every workload account and region",
        Rule("denied", service="ec2", op="DescribeInstances", role="workload"),
    )


def _denied_management(world: World, _account_id: str | None) -> Lie:
    return _refusal(
        "denied_management",
        "management",
        world.management,
        "organizations:ListPolicies",
        "to the management profile",
        Rule("denied", service="organizations", op="ListPolicies"),
    )


def _denied_operations(world: World, _account_id: str | None) -> Lie:
    return _refusal(
        "denied_operations",
        "operations",
        world.operations,
        "resource-groups:ListGroups",
        "to the operations profile",
        Rule("denied", service="resource-groups", op="ListGroups"),
    )


def _denied_billing(world: World, _account_id: str | None) -> Lie:
    return _refusal(
        "denied_billing",
        "billing",
        world.billing,
        "budgets:DescribeBudgets",
        "to the billing profile",
        Rule("denied", service="budgets", op="DescribeBudgets"),
    )


def _no_trail(world: World, _account_id: str | None) -> Lie:
    return _refusal(
        "no_trail",
        "workload",
        "*",
        "cloudtrail:LookupEvents",
        "to every profile",
        Rule("denied", service="cloudtrail"),
    )


def _no_trail_of(role: str, account: str) -> Lie:
    return _refusal(
        f"no_trail_{role}",
        role,
        account,
        "cloudtrail:LookupEvents",
        f"to the {role} role alone",
        Rule("denied", service="cloudtrail", role=role),
    )


def _no_trail_management(world: World, _account_id: str | None) -> Lie:
    return _no_trail_of("management", world.management)


def _no_trail_operations(world: World, _account_id: str | None) -> Lie:
    return _no_trail_of("operations", world.operations)


def _no_trail_billing(world: World, _account_id: str | None) -> Lie:
    return _no_trail_of("billing", world.billing)


def _no_trail_workload(_world: World, _account_id: str | None) -> Lie:
    return _no_trail_of("workload", "*")


def _hidden_denial(world: World, account_id: str | None) -> Lie:
    return _hidden("hidden_denial", "workload", _victim(world, account_id), "ec2", "DescribeSecurityGroups")


def _hidden_denial_operations(world: World, _account_id: str | None) -> Lie:
    return _hidden("hidden_denial_operations", "operations", world.operations, "resource-groups", "ListGroups")


def _hidden_denial_unbilled(world: World, account_id: str | None) -> Lie:
    # No line of the bill shows which instances an application's checks are for, and each night requests it.
    return _hidden(
        "hidden_denial_unbilled",
        "workload",
        _victim(world, account_id),
        "ec2",
        "DescribeApplicationStatusCheckAssociations",
    )


def _hidden(name: str, role: str, account: str, service: str, operation: str) -> Lie:
    return Lie(
        name,
        role,
        account,
        f"{service}:{operation}",
        f"Account {account} refuses {service}:{operation} with 200 and an empty list; CloudTrail says that it refused.",
        survivable=False,
        rules=(Rule("hidden_denial", service=service, op=operation, account=account, role=role),),
    )


def _region_closed(world: World, account_id: str | None) -> Lie:
    account, region = _victim(world, account_id), world.regions[-1]
    return Lie(
        "region_closed",
        "workload",
        account,
        "*:*",
        f"Account {account} has left region {region}, which other accounts are in: its keys are unknown there.",
        survivable=False,
        rules=(
            Rule(
                "error",
                account=account,
                region=region,
                exclude_services=("sts", "sso"),
                code="UnrecognizedClientException",
                message="The security token included in the request is invalid.",
                status=403,
            ),
        ),
    )


# --------------------------------------------------------------------------------------------- wrong account


def _misrouted(name: str, role: str, instead_of: str, reached: str) -> Lie:
    return Lie(
        name,
        role,
        reached,
        "*:*",
        f"The {role} profile of account {instead_of} reaches account {reached}.",
        survivable=False,
        rules=(Rule("misroute", role=role, account=instead_of, item=reached),),
    )


def _misrouted_management(world: World, account_id: str | None) -> Lie:
    return _misrouted("misrouted_management", "management", world.management, _victim(world, account_id))


def _misrouted_operations(world: World, account_id: str | None) -> Lie:
    return _misrouted("misrouted_operations", "operations", world.operations, _victim(world, account_id))


def _misrouted_billing(world: World, account_id: str | None) -> Lie:
    return _misrouted("misrouted_billing", "billing", world.billing, _victim(world, account_id))


def _misrouted_workload(world: World, account_id: str | None) -> Lie:
    """Two workload profiles reach one account, and another account is reached by none."""
    account = _victim(world, account_id)
    other = next(member.account_id for member in world.reachable() if member.account_id != account)
    return _misrouted("misrouted_workload", "workload", other, account)


def _misrouted_midway_management(world: World, account_id: str | None) -> Lie:
    # The last: the first ones administer for the organisation, so that it answers them.
    account = account_id or world.reachable()[-1].account_id
    return Lie(
        "misrouted_midway_management",
        "management",
        account,
        "organizations:List*",
        f"The management profile reaches account {account} from its first list on, which it asks for after the "
        "pre-flight.",
        survivable=False,
        rules=(
            Rule(
                "misroute",
                service="organizations",
                op="List*",
                role="management",
                account=world.management,
                item=account,
            ),
        ),
    )


def _misrouted_midway_workload(world: World, account_id: str | None) -> Lie:
    account = _victim(world, account_id)
    other = next(member.account_id for member in world.reachable() if member.account_id != account)
    return Lie(
        "misrouted_midway_workload",
        "workload",
        account,
        "*:*",
        f"The workload profile of account {account} reaches account {other} once its own has given out its regions.",
        survivable=False,
        rules=(
            Rule(
                "misroute",
                role="workload",
                account=account,
                item=other,
                exclude_services=("sts",),
                exclude_ops=("DescribeRegions",),
            ),
        ),
    )


def _foreign_record(world: World, account_id: str | None) -> Lie:
    account, region = _victim(world, account_id), world.regions[0]
    other = next(member.account_id for member in world.reachable() if member.account_id != account)
    return Lie(
        "foreign_record",
        "workload",
        account,
        "ec2:DescribeInstances",
        f"One reservation on each page of account {account} in {region} names account {other} as its owner.",
        survivable=False,
        rules=(Rule("foreign", service="ec2", op="DescribeInstances", account=account, region=region, item=other),),
    )


# ---------------------------------------------------------------------------------------------- in the middle


def _expired_midway(world: World, role: str, account: str, passed: int) -> Lie:
    return Lie(
        f"expired_midway_{role}",
        role,
        account,
        "*:*",
        f"After {passed} calls the credentials of the {role} profile of account {account} have expired, and so have "
        "those that it is given then.",
        survivable=False,
        rules=(Rule("expired", role=role, account=account, exclude_services=("sts", "sso"), skip=passed),),
    )


def _expired_midway_management(world: World, _account_id: str | None) -> Lie:
    return _expired_midway(world, "management", world.management, 5)


def _expired_midway_operations(world: World, _account_id: str | None) -> Lie:
    return _expired_midway(world, "operations", world.operations, 5)


def _expired_midway_billing(world: World, _account_id: str | None) -> Lie:
    return _expired_midway(world, "billing", world.billing, 5)


def _expired_midway_workload(world: World, account_id: str | None) -> Lie:
    return _expired_midway(world, "workload", _victim(world, account_id), 20)


# -------------------------------------------------------------------------------------------- broken answers


BROKEN_ONCE = ("ec2", "rds", "lambda", "s3", "organizations", "ce", "resourcegroupstaggingapi")


def _broken_once(name: str, said: str, **rule: Any) -> Lie:
    return Lie(
        name,
        "workload",
        "*",
        "*:*",
        f"The first answer of each operation of {', '.join(BROKEN_ONCE)}, of each account and region, {said}; "
        "the next is whole.",
        survivable=True,
        rules=tuple(Rule(service=service, times=1, per=("account", "region", "op"), **rule) for service in BROKEN_ONCE),
    )


def _error_500(world: World, _account_id: str | None) -> Lie:
    return _broken_once("error_500", "is an internal error", action="error", code="InternalError", status=500)


def _html_503(world: World, _account_id: str | None) -> Lie:
    return _broken_once("html_503", "is 503 and a page of HTML", action="html503")


def _reset(world: World, _account_id: str | None) -> Lie:
    return _broken_once("reset", "is a reset connection", action="reset")


def _cut(world: World, _account_id: str | None) -> Lie:
    return _broken_once("cut", "breaks off half way through a page", action="cut")


def _garbage(world: World, _account_id: str | None) -> Lie:
    return _broken_once("garbage", "is no answer of any protocol", action="garbage")


SLOW_SECONDS = 12.0


def _slow(world: World, account_id: str | None) -> Lie:
    account = _victim(world, account_id)
    rule = Rule(
        "delay",
        service="ec2",
        op="DescribeInstances",
        account=account,
        times=1,
        per=("region",),
        seconds=SLOW_SECONDS,
    )
    return Lie(
        "slow",
        "workload",
        account,
        "ec2:DescribeInstances",
        f"The first ec2:DescribeInstances of account {account} in each region comes after {SLOW_SECONDS:.0f} seconds.",
        survivable=True,
        rules=(rule,),
    )


def _slow_forever(world: World, account_id: str | None) -> Lie:
    account, region = _victim(world, account_id), world.regions[0]
    rule = Rule("delay", service="ec2", op="DescribeVolumes", account=account, region=region, seconds=SLOW_SECONDS)
    return Lie(
        "slow_forever",
        "workload",
        account,
        "ec2:DescribeVolumes",
        f"Each ec2:DescribeVolumes of account {account} in {region} comes after {SLOW_SECONDS:.0f} seconds.",
        survivable=False,
        rules=(rule,),
    )


def _down(role: str, account: str, service: str, op: str) -> Lie:
    return Lie(
        f"down_{role}",
        role,
        account,
        f"{service}:{op}",
        f"{service}:{op} of account {account} answers 503 and a page of HTML, however often it is tried.",
        survivable=False,
        rules=(Rule("html503", service=service, op=op, account=account),),
    )


def _down_management(world: World, _account_id: str | None) -> Lie:
    return _down("management", world.management, "organizations", "ListRoots")


def _down_operations(world: World, _account_id: str | None) -> Lie:
    return _down("operations", world.operations, "resourcegroupstaggingapi", "GetResources")


def _down_billing(world: World, _account_id: str | None) -> Lie:
    return _down("billing", world.billing, "ce", "GetCostAndUsage")


def _down_workload(world: World, account_id: str | None) -> Lie:
    return _down("workload", _victim(world, account_id), "ec2", "DescribeInstances")


def _garbage_forever(world: World, account_id: str | None) -> Lie:
    account, region = _victim(world, account_id), world.regions[0]
    return Lie(
        "garbage_forever",
        "workload",
        account,
        "ec2:DescribeVolumes",
        f"ec2:DescribeVolumes of account {account} in {region} is never an answer of any protocol.",
        survivable=False,
        rules=(Rule("garbage", service="ec2", op="DescribeVolumes", account=account, region=region),),
    )
