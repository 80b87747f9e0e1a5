"""The rule for the bill that the billing profile reads: whose it is, and whether AWS or somebody else priced it. Pure.

A billing transfer lets the management account of another organisation manage and pay this organisation's bill. While
one is in force, the primary billing view of this organisation, which Cost Explorer returns, holds pro forma costs: what
the other account configured in Billing Conductor, not what AWS invoices (AWS Billing user guide, "Transfer billing
management to external accounts" and "Billing View"). The collection sends no `BillingViewArn`, so it reads that view.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from resources.check_result import CheckResult
from resources.identity_rules import BILL_IS_OWN, Caller, Organization

Domain = Literal["own", "transferred", "pro forma", "unknown"]
"""Whose costs the bill holds. `own`: what AWS invoices this organisation. `pro forma`: costs of this organisation as
the account that pays its bill prices them. `transferred`: the billing profile is that account, whose primary view holds
the bill of its own organisation. `unknown`: AWS did not list the transfers."""

ACCEPTED = ("ACCEPTED", "WITHDRAWN")
"""Statuses of a transfer that was accepted; one that is withdrawn lasts until its end. Others are invitations."""


@dataclass(frozen=True)
class Transfer:
    """A billing transfer, or an invitation to one.

    Attributes:
        source_account_id: management account of the organisation whose bill is transferred.
        target_account_id: management account that manages and pays the bill.
        starts_at: None where AWS does not say.
        ends_at: None for a transfer without end.
    """

    transfer_id: str
    status: str
    source_account_id: str
    target_account_id: str
    starts_at: datetime | None = None
    ends_at: datetime | None = None

    def is_in_force(self, now: datetime) -> bool:
        """Whether the transfer decides the bill at a time. One without a start or an end is taken to be in force."""
        return (
            self.status in ACCEPTED
            and (self.starts_at is None or self.starts_at <= now)
            and (self.ends_at is None or now < self.ends_at)
        )

    def is_to_come(self, now: datetime) -> bool:
        """Whether the transfer is agreed and begins later."""
        return self.status in ACCEPTED and self.starts_at is not None and self.starts_at > now


@dataclass(frozen=True)
class Transfers:
    """The transfers of the organisation by direction; None where AWS did not list them.

    Attributes:
        outbound: those by which another account pays this organisation's bill.
        inbound: those by which this organisation pays the bill of others.
        error_message: why a direction was not listed.
    """

    outbound: tuple[Transfer, ...] | None = None
    inbound: tuple[Transfer, ...] | None = None
    error_message: str = "the transfers were not listed"


@dataclass(frozen=True)
class Bill:
    """The bill that the billing profile reads: a row of `audit.bill`.

    Attributes:
        account_id: the account that Cost Explorer answers; None where the profile has no identity.
        payer_account_id: the account that pays the organisation's bill; None where that is unknown.
        transfer: the transfer in force.
        waiver: the account that `CMDB_TRANSFERRED_BILL` names; empty where it names none.
        reason: one sentence.
    """

    domain: Domain
    reason: str
    account_id: str | None = None
    payer_account_id: str | None = None
    transfer: Transfer | None = None
    waiver: str = ""


def transfers_of(records: Iterable[Mapping[str, Any]]) -> tuple[Transfer, ...]:
    """The transfers of records of ListOutboundResponsibilityTransfers or ListInboundResponsibilityTransfers."""
    return tuple(
        Transfer(
            str(record.get("Id") or ""),
            str(record.get("Status") or ""),
            str((record.get("Source") or {}).get("ManagementAccountId") or ""),
            str((record.get("Target") or {}).get("ManagementAccountId") or ""),
            _moment(record.get("StartTimestamp")),
            _moment(record.get("EndTimestamp")),
        )
        for record in records
    )


def judge_bill(
    caller: Caller, organization: Organization, transfers: Transfers, declared: str, now: datetime
) -> tuple[Bill, CheckResult]:
    """Whose bill the billing profile reads, and whether the collection may read it.

    A transfer in force refuses the bill. If `declared` names its target, the failure is visible and does not block. A
    declaration that is not true fails too. What AWS does not tell is unknown: it warns and refuses nothing.

    Args:
        caller: the identity of the billing profile.
        organization: the organisation of the management profile.
        transfers: its transfers.
        declared: the account of `CMDB_TRANSFERRED_BILL`; empty where none is declared.
        now: the time at which a transfer is in force.
    """
    if caller.account_id is None or transfers.outbound is None:
        why = "the billing profile did not answer" if caller.account_id is None else transfers.error_message
        sentence = f"Unknown whose bill is read: {why}."
        return Bill("unknown", sentence, caller.account_id, waiver=declared), _warning(sentence)
    in_force = [transfer for transfer in transfers.outbound if transfer.is_in_force(now)]
    if not in_force:
        bill = _own(caller.account_id, organization, transfers, declared, now)
        return bill, _result_of_own(bill, transfers.outbound, declared, now)
    transfer = max(in_force, key=lambda one: one.starts_at or datetime.min.replace(tzinfo=UTC))
    payer = transfer.target_account_id
    since = f" since {transfer.starts_at:%Y-%m-%d}" if transfer.starts_at else ""
    paid = f"account {payer} manages and pays this organisation's bill{since} (transfer {transfer.transfer_id})"
    domain: Domain = "transferred" if caller.account_id == payer else "pro forma"
    what = (
        "The primary view of that account, which is read, holds the bill of its own organisation"
        if domain == "transferred"
        else f"What {caller.account_id} reads of Cost Explorer is pro forma: priced by that account, not by AWS"
    )
    sentence = f"{paid[0].upper()}{paid[1:]}. {what}."
    if declared == payer:
        sentence += f" CMDB_TRANSFERRED_BILL={declared} declares it."
        result = _warning(sentence)
    elif declared:
        sentence += f" CMDB_TRANSFERRED_BILL declares {declared}."
        hint = f"Set CMDB_TRANSFERRED_BILL={payer} if it is meant."
        result = CheckResult(False, sentence, name=BILL_IS_OWN, hint=hint)
    else:
        result = CheckResult(
            False,
            sentence,
            name=BILL_IS_OWN,
            hint=f"If costs of that kind are meant, declare the transfer: CMDB_TRANSFERRED_BILL={payer}.",
        )
    return Bill(domain, sentence, caller.account_id, payer or None, transfer, declared), result


def _own(account_id: str, organization: Organization, transfers: Transfers, declared: str, now: datetime) -> Bill:
    """The bill of an organisation without a transfer in force. The management account pays it."""
    payer = organization.management_account_id
    others = sorted({one.source_account_id for one in transfers.inbound or () if one.is_in_force(now)})
    sentence = f"Account {account_id} reads the organisation's own bill, and no billing transfer is in force."
    if others:
        sentence += (
            f" The bills of {', '.join(others)}, which are transferred to this organisation, are in billing views of "
            "their own and not in it."
        )
    elif transfers.inbound is None:
        sentence += f" Whether it pays the bill of others is unknown: {transfers.error_message}."
    return Bill("own", sentence, account_id, payer, waiver=declared)


def _result_of_own(bill: Bill, outbound: Iterable[Transfer], declared: str, now: datetime) -> CheckResult:
    if declared:
        return CheckResult(
            False,
            f"CMDB_TRANSFERRED_BILL declares a transfer to {declared}, but none is in force. {bill.reason}",
            name=BILL_IS_OWN,
            hint="Unset CMDB_TRANSFERRED_BILL.",
        )
    coming = min(
        (transfer for transfer in outbound if transfer.is_to_come(now)),
        key=lambda one: str(one.starts_at),
        default=None,
    )
    if coming is not None:
        return _warning(
            f"{bill.reason} From {coming.starts_at:%Y-%m-%d} on account {coming.target_account_id} pays it (transfer "
            f"{coming.transfer_id}), and what is read then is pro forma and refused.",
        )
    return CheckResult(True, bill.reason, name=BILL_IS_OWN)


def _warning(sentence: str) -> CheckResult:
    return CheckResult(False, sentence, severity="WARN", name=BILL_IS_OWN)


def _moment(text: str | None) -> datetime | None:
    if text is None:
        return None
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
