"""The organisation and how it is governed, by the simulator's truth."""

from __future__ import annotations

import datetime as dt
from collections import Counter, defaultdict
from collections.abc import Iterator
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from recomputed.figures import Figures, Row, recomputes
from recomputed.world import World, reference

BINDING = ("SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY")


def _moment(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


@recomputes("org.account")
def account(world: World) -> Figures:
    """Every account, where it stands, and who reaches it."""
    reached = {*world.truth["reachable"]}
    rows: list[Row] = [
        {
            "account_id": one["account_id"],
            "account_name": one["name"],
            "email": one["email"],
            "state": one["state"],
            "joined_method": one["joined_method"],
            "joined_at": _moment(one["joined_at"]),
            "ou_id": one["ou_id"],
            "ou_path": "/" + one["ou_path"],
            "is_management": one["is_management"],
            "tags": one["tags"],
            "has_profile": one["account_id"] in reached,
            "is_stale": False,
        }
        for one in world.truth["accounts"]
    ]
    return Figures(("account_id",), rows)


@recomputes("org.account_version")
def account_version(world: World) -> Figures:
    """A first night knows each as it is."""
    names = ("account_id", "account_name", "state", "ou_id", "ou_path", "tags")
    rows: list[Row] = [
        {**{name: row[name] for name in names}, "is_current": True, "valid_to": None} for row in account(world).rows
    ]
    return Figures(("account_id",), rows)


@recomputes("org.organizational_unit")
def organizational_unit(world: World) -> Figures:
    """The tree."""
    rows: list[Row] = [
        {
            "ou_id": unit["ou_id"],
            "parent_id": unit["parent_id"],
            "ou_name": unit["name"],
            "ou_path": "/" + unit["path"],
            "depth": unit["depth"],
        }
        for unit in world.truth["organizational_units"]
    ]
    return Figures(("ou_id",), rows)


@recomputes("org.organizational_unit_version")
def organizational_unit_version(world: World) -> Figures:
    """A first night knows each as it is."""
    rows: list[Row] = [
        {"ou_id": unit["ou_id"], "ou_path": "/" + unit["path"], "is_current": True, "valid_to": None}
        for unit in world.truth["organizational_units"]
    ]
    return Figures(("ou_id",), rows)


@recomputes("org.policy")
def policy(world: World) -> Figures:
    """Every policy, and to how many places it is attached."""
    rows: list[Row] = [
        {
            "policy_id": one["policy_id"],
            "policy_name": one["name"],
            "policy_type": one["policy_type"],
            "description": one["description"],
            "is_aws_managed": one["is_aws_managed"],
            "target_count": len(one["target_ids"]),
        }
        for one in world.truth["policies"]
    ]
    return Figures(("policy_id",), rows)


@recomputes("org.policy_target")
def policy_target(world: World) -> Figures:
    """Every place that a policy is attached to."""
    names = ("policy_id", "target_id", "target_type", "target_name")
    rows: list[Row] = [{name: one[name] for name in names} for one in world.truth["policy_targets"]]
    return Figures(("policy_id", "target_id"), rows)


def _reaching(world: World) -> Iterator[dict[str, Any]]:
    """Every policy that reaches an account, by each place above it."""
    managed = {one["policy_id"]: one["is_aws_managed"] for one in world.truth["policies"]}
    for one in world.truth["account_policies"]:
        is_binding = one["policy_type"] not in BINDING
        of_management = one["account_id"] == world.truth["central"]["management"]
        yield {
            "account_id": one["account_id"],
            "policy_id": one["policy_id"],
            "target_id": one["target_id"],
            "policy_type": one["policy_type"],
            "is_inherited": one["is_inherited"],
            "is_effective": is_binding or not (of_management or managed[one["policy_id"]]),
        }


@recomputes("org.account_policy")
def account_policy(world: World) -> Figures:
    """What reaches each account, and whether it binds it."""
    return Figures(("account_id", "policy_id", "target_id"), list(_reaching(world)))


@recomputes("org.account_policy_version")
def account_policy_version(world: World) -> Figures:
    """A first night knows each as it is."""
    rows = [{**row, "is_current": True, "valid_to": None} for row in _reaching(world)]
    return Figures(("account_id", "policy_id", "target_id"), rows)


@recomputes("org.root")
def root(world: World) -> Figures:
    """Which types of policy are in use."""
    counts = Counter(one["policy_type"] for one in world.truth["policies"])
    rows: list[Row] = [
        {
            "root_id": world.truth["root_id"],
            "policy_type": name,
            "state": "NOT_ENABLED" if state == "not_enabled" else "ENABLED",
            "policy_count": counts[name],
        }
        for name, state in world.truth["policy_types"].items()
    ]
    return Figures(("root_id", "policy_type"), rows)


@recomputes("org.enabled_service")
def enabled_service(world: World) -> Figures:
    """The services that may act in the organisation."""
    rows: list[Row] = [
        {"service_principal": one["service_principal"], "enabled_at": _moment(one["enabled_at"])}
        for one in world.truth["enabled_services"]
    ]
    return Figures(("service_principal",), rows)


def _administrators(world: World) -> Iterator[tuple[str, str, str]]:
    for one in world.truth["delegated_administrators"]:
        for service in one["services"]:
            yield one["account_id"], service["service_principal"], service["delegated_at"]


@recomputes("org.delegated_administrator")
def delegated_administrator(world: World) -> Figures:
    """Who administers what for the organisation."""
    rows: list[Row] = [
        {"account_id": name, "service_principal": service, "delegated_at": _moment(since)}
        for name, service, since in _administrators(world)
    ]
    return Figures(("account_id", "service_principal"), rows)


@recomputes("org.delegation_policy")
def delegation_policy(world: World) -> Figures:
    """The organisation's one resource policy, if it has one."""
    rows: list[Row] = [{"caller_account_id": world.truth["central"]["management"]}]
    return Figures(("caller_account_id",), rows if world.truth["delegation_policy"] else [])


def _verdict(kpi: dict[str, str], value: Decimal) -> str:
    def is_within(name: str) -> bool:
        least, most = (Decimal(kpi[f"{name}_{end}"] or value) for end in ("min", "max"))
        return least <= value <= most

    if is_within("green"):
        return "green"
    has_amber = kpi["amber_min"] or kpi["amber_max"]
    return "amber" if has_amber and is_within("amber") else "red"


@recomputes("org.governance_kpi")
def governance_kpi(world: World) -> Figures:
    """The figures of governance, and how each is judged. Everything that they rest on is known."""
    members = world.truth["accounts"]
    active = [one for one in members if one["state"] == "ACTIVE"]
    approved = {row["service_principal"]: row["domain"] for row in reference("approved_service")}
    bound = {
        row["account_id"]
        for row in _reaching(world)
        if row["policy_type"] == "SERVICE_CONTROL_POLICY" and row["is_effective"]
    }
    (owner_key,) = (key for key, column in world.tag_keys.items() if column == "business_owner")
    spent: dict[str, Decimal] = defaultdict(Decimal)
    since = max(world.bill_days) - dt.timedelta(days=30)
    for day, name, _, amounts in world.cells("service"):
        if day > since:
            spent[name] += amounts["unblended_cost"]

    def percent(part: int, whole: int, rounding: str) -> Decimal:
        return (Decimal(100 * part) / whole).quantize(Decimal("0.01"), rounding)

    governed = [one for one in active if not one["is_management"]]
    values = {
        "scp_coverage_pct": percent(
            sum(1 for one in governed if one["account_id"] in bound), len(governed), ROUND_FLOOR
        ),
        "accounts_under_root": Decimal(sum(1 for one in members if not one["ou_path"] and not one["is_management"])),
        "unapproved_services": Decimal(
            sum(1 for one in world.truth["enabled_services"] if one["service_principal"] not in approved)
        ),
        "accounts_without_owner_pct": percent(
            sum(1 for one in active if not one["tags"].get(owner_key, "").strip()), len(active), ROUND_CEILING
        ),
        "suspended_accounts_with_cost": Decimal(
            sum(
                1
                for one in members
                if one["state"] in ("SUSPENDED", "PENDING_CLOSURE", "CLOSED") and spent[one["account_id"]] > 0
            )
        ),
    }
    for domain in ("security", "finance", "network"):
        administering = {name for name, service, _ in _administrators(world) if approved.get(service) == domain}
        values[f"delegated_administrators_{domain}"] = Decimal(len(administering))
    thresholds = {row["kpi"]: row for row in reference("kpi_threshold")}
    rows: list[Row] = [
        {
            "as_of_date": world.today,
            "kpi": name,
            "value": value,
            "verdict": _verdict(thresholds[name], value),
            "unknown": 0,
            "unknown_reason": None,
        }
        for name, value in values.items()
    ]
    return Figures(("as_of_date", "kpi"), rows)
