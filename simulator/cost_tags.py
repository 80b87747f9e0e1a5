"""Cost allocation tags over time: activated late, deactivated, and backfilled to earlier months.

A key shows in the bill on the days on which it is active. A backfill gives every day from `BackfillFrom` to the
request the status that each key has at the request, active or not; the bill shows it once the backfill has succeeded.

**Changes** of `Simulator.change`: `activate_tag` and `deactivate_tag` (`on`, a day, by default today),
`start_tag_backfill` (`since`, the first of a month; `requested_at`, by default now), `end_tag_backfill` (`status`:
SUCCEEDED or FAILED; `completed_at`, by default now). The switch `inactive_tags` says which keys were never activated.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from simulator.pages import Handler, Output, Settings, bad_request
from simulator.wire import Call
from simulator.world import TAG_KEYS, World, WorldError

ALWAYS = dt.date(2024, 5, 1)
"""Since when a key that is never activated or deactivated has its status."""

BACKFILL_MONTHS = 12


@dataclass(frozen=True)
class Switch:
    """A key is activated, or deactivated, on a day."""

    key: str
    day: dt.date
    is_active: bool


@dataclass
class Backfill:
    """A request to give earlier days the present status of all keys. While it is processed it changes nothing."""

    since: dt.date
    requested_at: dt.datetime
    status: str = "PROCESSING"
    completed_at: dt.datetime | None = None


class CostTags:
    """The keys of a world, and the backfills that were requested."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world, self._settings = world, settings
        self._switches: list[Switch] = []
        self._backfills: list[Backfill] = []
        world.parts.append(self)
        self.handlers: dict[tuple[str, str], Handler] = {
            ("ce", "ListCostAllocationTagBackfillHistory"): self._list_backfills,
        }

    # ------------------------------------------------------------------ what the bill shows

    def is_active(self, key: str, day: dt.date) -> bool:
        """The status of a key on a day, whatever a backfill made of the bill afterwards."""
        status = key not in self._settings.inactive_tags
        for switch in self._switches:
            if switch.key == key and switch.day <= day:
                status = switch.is_active
        return status

    def updated_on(self, key: str) -> dt.date:
        """When a key was last activated or deactivated."""
        return max((switch.day for switch in self._switches if switch.key == key), default=ALWAYS)

    def shows(self, key: str, day: dt.date) -> bool:
        """Whether the bill has the values of a key on a day."""
        if key not in TAG_KEYS or key in self._settings.unused_tags:
            return False
        for backfill in reversed(self._backfills):
            requested_on = backfill.requested_at.date()
            if backfill.status == "SUCCEEDED" and backfill.since <= day < requested_on:
                return self.is_active(key, requested_on)
        return self.is_active(key, day)

    def borders(self) -> list[dt.date]:
        """The days from which on the bill may show other keys than on the day before."""
        days = {switch.day for switch in self._switches}
        days |= {backfill.since for backfill in self._backfills}
        days |= {backfill.requested_at.date() for backfill in self._backfills}
        return sorted(days)

    # ------------------------------------------------------------------ what Cost Explorer tells

    def _list_backfills(self, call: Call) -> Output:
        if call.account_id != self._world.billing:
            raise bad_request("ValidationException", "Linked account doesn't have access to cost allocation tags.")
        return self._settings.page(call, "BackfillRequests", self._backfills[::-1], _shown)

    # ------------------------------------------------------------------ changes

    def _change_activate_tag(self, key: str, on: str | None = None) -> dict[str, Any]:
        return self._switch(key, on, is_active=True)

    def _change_deactivate_tag(self, key: str, on: str | None = None) -> dict[str, Any]:
        return self._switch(key, on, is_active=False)

    def _switch(self, key: str, on: str | None, *, is_active: bool) -> dict[str, Any]:
        if key not in TAG_KEYS:
            raise WorldError(f"there is no tag key {key}; there are {', '.join(TAG_KEYS)}")
        day = dt.date.fromisoformat(on) if on else self._world.today
        if day < self.updated_on(key):
            raise WorldError(f"{key} was switched on {self.updated_on(key)}, after {day}")
        self._switches.append(Switch(key, day, is_active))
        return {"key": key, "on": day.isoformat()}

    def _change_start_tag_backfill(self, since: str, requested_at: str | None = None) -> dict[str, Any]:
        first = dt.date.fromisoformat(since)
        requested = _moment(requested_at)
        if self._backfills and self._backfills[-1].status == "PROCESSING":
            raise WorldError("a backfill is in progress")
        if first.day != 1 or first > requested.date():
            raise WorldError(f"a backfill starts from the first of a month that has begun, not from {first}")
        months = (requested.year - first.year) * 12 + requested.month - first.month
        if months > BACKFILL_MONTHS:
            raise WorldError(f"a backfill reaches back {BACKFILL_MONTHS} months, not {months}")
        self._backfills.append(Backfill(first, requested))
        return {"since": since, "requested_at": requested.isoformat()}

    def _change_end_tag_backfill(self, status: str = "SUCCEEDED", completed_at: str | None = None) -> dict[str, Any]:
        if status not in ("SUCCEEDED", "FAILED"):
            raise WorldError(f"a backfill ends as SUCCEEDED or FAILED, not as {status}")
        if not self._backfills or self._backfills[-1].status != "PROCESSING":
            raise WorldError("no backfill is in progress")
        backfill = self._backfills[-1]
        completed = _moment(completed_at)
        if completed < backfill.requested_at:
            raise WorldError("a backfill cannot end before it was requested")
        backfill.status, backfill.completed_at = status, completed
        return {"status": status, "completed_at": completed.isoformat()}


def _moment(text: str | None) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text) if text else dt.datetime.now(dt.UTC)
    if moment.tzinfo is None:
        raise WorldError(f"{text} has no time zone")
    return moment.astimezone(dt.UTC)


def _text(moment: dt.datetime) -> str:
    """A time as Cost Explorer writes it: text, whole seconds."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _shown(backfill: Backfill) -> Output:
    last = backfill.completed_at or backfill.requested_at
    return {
        "BackfillFrom": f"{backfill.since}T00:00:00Z",
        "RequestedAt": _text(backfill.requested_at),
        "BackfillStatus": backfill.status,
        "LastUpdatedAt": _text(last),
        **({"CompletedAt": _text(backfill.completed_at)} if backfill.completed_at else {}),
    }
