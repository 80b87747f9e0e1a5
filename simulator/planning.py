"""How a plan of changes is written down and carried out: things, changes, and what is published of them.

An entry is a few changes of `World.change` on one thing. Which thing that is follows from the world alone: the first
that fits and that no earlier entry has touched. An organisation that has no such thing goes without the entry. Texts
in braces are filled from the thing and from what the changes return.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from simulator.ledger import month_before
from simulator.world import World

Kind = Literal[
    "created",
    "changed",
    "deleted",
    "re-created",
    "moved",
    "renamed",
    "retagged",
    "governed",
    "restated",
    "budgeted",
    "remedied",
    "denied",
]
Row = Mapping[str, Any]
Truth = Mapping[str, Any]

RESTATED_UNTIL_DAY = 10
"""Until this day of a month AWS restates the month before as an ordinary thing."""


@dataclass(frozen=True)
class Scene:
    """The organisation before anything of the plan happens.

    Attributes:
        touched: ARNs and ids of what an entry is about, so that no other one is.
    """

    world: World
    truth: Truth
    touched: set[str] = field(default_factory=set)

    def account(self, number: int) -> Row | None:
        """The workload account of a number that a profile reaches."""
        reachable = [account.account_id for account in self.world.reachable()]
        wanted = reachable[number] if number < len(reachable) else None
        return next((row for row in self.truth["accounts"] if row["account_id"] == wanted), None)


Find = Callable[[Scene], Row | None]


@dataclass(frozen=True)
class Shown:
    """Rows that the next run publishes: those of `relation` with these values, which must have the others too.

    Attributes:
        has: what a list or a text of the row holds beside others.
        count: how many such rows there are.
    """

    relation: str
    where: Mapping[str, Any]
    row: Mapping[str, Any] = field(default_factory=dict)
    has: Mapping[str, Sequence[str]] = field(default_factory=dict)
    count: int = 1


@dataclass(frozen=True)
class Entry:
    """A change of the plan.

    Attributes:
        sentence: what happens, for people.
        find: the thing; None where the organisation has none.
        do: the changes of `World.change`, in order, with their arguments.
        shows: what a reader of the published tables sees.
    """

    kind: Kind
    sentence: str
    find: Find
    do: Sequence[tuple[str, Mapping[str, Any]]]
    shows: Sequence[Shown]


# ------------------------------------------------------------------------------------------------ things


def here(number: int, region: int = 0) -> Find:
    """A workload account and a region."""

    def find(scene: Scene) -> Row | None:
        account, regions = scene.account(number), scene.world.regions
        return None if account is None or region >= len(regions) else {**account, "region": regions[region]}

    return find


def account(number: int) -> Find:
    """A workload account that a profile reaches."""
    return lambda scene: scene.account(number)


def unreached(scene: Scene) -> Row | None:
    """A workload account that no profile reaches, and that is active."""
    found = (row for row in scene.truth["accounts"] if row["kind"] == "workload" and not row["profile"])
    return next((row for row in found if row["state"] == "ACTIVE"), None)


def one(part: str, number: int = 0, region: int | None = None, **wanted: Any) -> Find:
    """The first thing of a part of the truth in a workload account that is not touched yet.

    `wanted` are its values; a function as a value is a condition.
    """

    def find(scene: Scene) -> Row | None:
        place = here(number, region or 0)(scene)
        if place is None:
            return None
        for row in scene.truth[part]:
            is_there = row["account_id"] == place["account_id"] and (region is None or row["region"] == place["region"])
            if is_there and _key(row) not in scene.touched and _fits(row, wanted):
                return dict(row)
        return None

    return find


def instance(number: int, account: int = 0, region: int = 0) -> Find:
    """The instance of a number of a workload account."""

    def find(scene: Scene) -> Row | None:
        place = here(account, region)(scene)
        if place is None:
            return None
        wanted = scene.world.instance_id(place["account_id"], place["region"], number)
        rows = (row for row in scene.truth["instances"] if row["instance_id"] == wanted)
        return next((dict(row) for row in rows if _key(row) not in scene.touched), None)

    return find


def both(first: Find, second: Find) -> Find:
    """Two things: the second one's values stand under `other`."""

    def find(scene: Scene) -> Row | None:
        one, other = first(scene), second(scene)
        return None if one is None or other is None else {**one, "other": other}

    return find


def policy(name: str) -> Find:
    """The policy of a name, with a workload account."""

    def find(scene: Scene) -> Row | None:
        found = next((row for row in scene.truth["policies"] if row["name"] == name), None)
        target = scene.account(2)
        return None if found is None or target is None else {**found, **target, "policy_name": name}

    return find


def month(number: int, *, closed: bool) -> Find:
    """A workload account with a day of a month that is over: `closed` is one that AWS restates no more."""

    def find(scene: Scene) -> Row | None:
        found, today = scene.account(number), scene.world.today
        back = (2 if today.day <= RESTATED_UNTIL_DAY else 1) + 1 if closed else 1
        return None if found is None else {**found, "day": month_before(today, back).replace(day=17).isoformat()}

    return find


def _key(row: Row) -> str:
    return str(row.get("arn") or row.get("rule_id") or row.get("account_id"))


def _fits(row: Row, wanted: Mapping[str, Any]) -> bool:
    return all(
        value(row[name]) if callable(value) else row[name] == value for name, value in wanted.items() if name in row
    ) and all(name in row for name in wanted)


# ------------------------------------------------------------------------------------------------ what is shown


def item(change: str, *attributes: str, arn: str = "{arn}") -> Shown:
    """A version of a configuration item that the run began, with attributes that differ from before."""
    has = {"changed_attributes": attributes} if attributes else {}
    return Shown("cmdb.resource_version", {"arn": arn}, {"change": change}, has)


def member(change: str, *attributes: str, **row: Any) -> Shown:
    """A version of an account that the run began."""
    has = {"changed_attributes": attributes} if attributes else {}
    return Shown("org.account_version", {"account_id": "{account_id}"}, {"change": change, **row}, has)


def finding(rule: str, resolution: str | None, arn: str = "{arn}") -> Shown:
    """A finding that the run closed; one that it opened where there is no resolution."""
    return Shown("cmdb.decommission_signal", {"arn": arn, "rule": rule}, {"resolution": resolution})


def waiting(rule: str, arn: str = "{arn}") -> Shown:
    """A finding on something that one response lacks: it stays open until a second one does, half a day later."""
    why = "the last response lacks it: once more, and it is gone"
    return Shown("cmdb.decommission_signal", {"arn": arn, "rule": rule}, {"resolution": None, "unknown_reason": why})


def saving(rule: str, arn: str = "{arn}") -> Shown:
    """What a finding that is gone has saved: not known before the bill shows a week without it."""
    why = "the bill by usage type does not hold the weeks before and after"
    return Shown("cost.saving", {"arn": arn, "rule": rule}, {"realised": None, "unknown_reason": why})


def restated(service: str, amount: str) -> Shown:
    """An amount of the bill that AWS changed after it was published."""
    where = {"usage_date": "{day}", "slice": "service", "account_id": "{account_id}", "dimension_value": service}
    return Shown("cost.restatement", where, {"moved": amount})


# ------------------------------------------------------------------------------------------------ what happens


def happen(plan: Iterable[Entry], world: World, truth: Truth) -> Iterator[dict[str, Any]]:
    """Let a plan happen; yields each entry that did, as JSON data: kind, sentence, changes, and what is shown of it.

    Args:
        plan: the entries, in order.
        world: the organisation, which is changed.
        truth: all of it as it was before.
    """
    scene = Scene(world, truth)
    for entry in plan:
        found = entry.find(scene)
        if found is None:
            continue
        values: dict[str, Any] = dict(found)
        scene.touched.update(_key(row) for row in (found, found.get("other", {})) if {"arn", "rule_id"} & row.keys())
        changes = []
        for do, arguments in entry.do:
            filled = _filled(arguments, values)
            changes.append({"do": do, **filled})
            values |= world.change(do, **filled)
        yield {
            "kind": entry.kind,
            "sentence": entry.sentence,
            "changes": changes,
            "shows": [
                {
                    "relation": shown.relation,
                    "where": _filled(shown.where, values),
                    "row": _filled(shown.row, values),
                    "has": _filled(shown.has, values),
                    "count": shown.count,
                }
                for shown in entry.shows
            ],
        }


def _filled(value: Any, values: Row) -> Any:
    """A value of the plan with its texts filled in."""
    match value:
        case str():
            return value.format_map(values) if "{" in value else value
        case Mapping():
            return {name: _filled(part, values) for name, part in value.items()}
        case list() | tuple():
            return [_filled(part, values) for part in value]
        case _:
            return value
