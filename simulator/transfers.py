"""Billing transfers: who pays the organisation's bill, and what Cost Explorer tells its own payer meanwhile.

**Changes** of `Simulator.change`: `transfer_bill` (`account_id`, the other management account; `direction`: `outbound`
where it pays this organisation's bill, `inbound` where this organisation pays that one's; `starts_on`, the first of a
month, by default of this one; `ends_on`; `status`, by default ACCEPTED). While an outbound transfer is in force, costs
of its days are pro forma: `PRICED_AT` times what AWS invoices.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from simulator.pages import Handler, Output, Settings, bad_request
from simulator.wire import Call
from simulator.world import World, WorldError, digest

PRICED_AT = 2
"""A whole number, so that sums stay exact."""

STATUSES = ("REQUESTED", "DECLINED", "CANCELED", "EXPIRED", "ACCEPTED", "WITHDRAWN")
DIRECTIONS = ("outbound", "inbound")


@dataclass(frozen=True)
class Transfer:
    """A transfer of a bill, or an invitation to one."""

    transfer_id: str
    account_id: str
    direction: str
    status: str
    starts_on: dt.date
    ends_on: dt.date | None


class Transfers:
    """The transfers of an organisation."""

    def __init__(self, world: World, settings: Settings) -> None:
        self._world, self._settings = world, settings
        self._transfers: list[Transfer] = []
        world.parts.append(self)
        self.handlers: dict[tuple[str, str], Handler] = {
            ("organizations", "ListOutboundResponsibilityTransfers"): self._list_outbound,
            ("organizations", "ListInboundResponsibilityTransfers"): self._list_inbound,
        }

    def priced_at(self, day: dt.date) -> int:
        """What costs of a day are multiplied with, for the organisation's own payer."""
        for transfer in self._transfers:
            is_agreed = transfer.direction == "outbound" and transfer.status in ("ACCEPTED", "WITHDRAWN")
            if is_agreed and transfer.starts_on <= day and (transfer.ends_on is None or day < transfer.ends_on):
                return PRICED_AT
        return 1

    def _list_outbound(self, call: Call) -> Output:
        return self._list(call, "outbound")

    def _list_inbound(self, call: Call) -> Output:
        return self._list(call, "inbound")

    def _list(self, call: Call, direction: str) -> Output:
        if call.parameters.get("Type") != "BILLING":
            raise bad_request("InvalidInputException", "You provided invalid values for one or more of the parameters.")
        found = [transfer for transfer in self._transfers if transfer.direction == direction]
        return {"ResponsibilityTransfers": [self._shown(transfer) for transfer in found]}

    def _shown(self, transfer: Transfer) -> Output:
        own, other = (
            {"ManagementAccountId": account_id, "ManagementAccountEmail": f"billing+{account_id}@example.com"}
            for account_id in (self._world.management, transfer.account_id)
        )
        source, target = (own, other) if transfer.direction == "outbound" else (other, own)
        return {
            "Arn": self._world.organization_arn("transfer", f"/billing/{transfer.direction}/{transfer.transfer_id}"),
            "Name": f"Bill of {source['ManagementAccountId']}",
            "Id": transfer.transfer_id,
            "Type": "BILLING",
            "Status": transfer.status,
            "Source": source,
            "Target": target,
            "StartTimestamp": _midnight(transfer.starts_on),
            **({"EndTimestamp": _midnight(transfer.ends_on)} if transfer.ends_on else {}),
        }

    def _change_transfer_bill(
        self,
        account_id: str,
        direction: str = "outbound",
        status: str = "ACCEPTED",
        starts_on: str | None = None,
        ends_on: str | None = None,
    ) -> dict[str, Any]:
        if direction not in DIRECTIONS or status not in STATUSES:
            raise WorldError(f"there is no transfer {direction} {status}: {DIRECTIONS}, {STATUSES}")
        first = dt.date.fromisoformat(starts_on) if starts_on else self._world.today.replace(day=1)
        end = dt.date.fromisoformat(ends_on) if ends_on else None
        if first.day != 1 or (end is not None and (end.day != 1 or end <= first)):
            raise WorldError(f"a transfer lasts whole months, not from {first} to {end}")
        transfer_id = "rt-" + digest(self._world.seed, account_id, direction, len(self._transfers))[:8]
        self._transfers.append(Transfer(transfer_id, account_id, direction, status, first, end))
        return {"transfer_id": transfer_id}


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
