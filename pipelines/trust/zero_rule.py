"""The zero rule: whether a response without records is trusted. Pure functions over evidence."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pipelines.trust.ages import HALF_A_DAY
from resources.aws.listing import EmptyPolicy
from resources.aws.messages import Outcome, TrailEvents

TRAIL_DENIED = "TrailDenied"
"""Error code of a zero that stays unconfirmed, since AWS refuses the look-up in CloudTrail."""

NO_REQUEST_ID = "NoRequestId"
"""Error code of a zero that stays unconfirmed, since its response has no request id."""

TRAIL_UNAVAILABLE = "CloudTrail could not be looked up"
"""Text of a zero whose look-up got no response, as opposed to a look-up before CloudTrail had the record."""

CLOCKS_APART = timedelta(minutes=1)
"""Assumed maximum difference between this machine's clock and CloudTrail's when a refusal is dated against the request.
"""

_RENAMED: Mapping[str, str] = {"asked": "attempts", "asked_from": "requested_from", "zero_sense": "empty_policy"}
"""Keys of the evidence of earlier releases, whose zeros may still wait for CloudTrail, and the keys of today."""


@dataclass(frozen=True)
class Witness:
    """Independent evidence about a cell with an empty response.

    Attributes:
        last_count: records in the last trusted cell; None without history.
        billed: services and usage types of the newest days of the bill that cannot be without this listing, where
            it is empty in every region of the account.
        earlier_confirmed: the newest earlier cell of the same key was empty too and requested twice, and nothing
            but the bill spoke against it.
    """

    last_count: int | None = None
    billed: tuple[str, ...] = ()
    earlier_confirmed: bool = False


@dataclass(frozen=True)
class Zero:
    """A response without records, as its cell's evidence keeps it: everything that a later CloudTrail look-up needs.

    Attributes:
        attempt_count: how often the run sent the request, each time without records.
        requested_from: time of the first attempt, UTC.
        request_ids: request ids of the last response's pages; empty text where AWS sent none.
        call: `service:Operation`.
        caller_arn: the caller's ARN as STS reports it.
        trail_region: the region whose trail records the call.
    """

    empty_policy: EmptyPolicy
    attempt_count: int
    requested_from: datetime
    request_ids: tuple[str, ...]
    call: str
    caller_arn: str
    trail_region: str = ""
    witness: Witness = field(default_factory=Witness)

    def as_evidence(self) -> dict[str, Any]:
        """The part of a cell's evidence that `from_evidence` reads."""
        kept: dict[str, Any] = {
            "identity": "STS names the account that this listing belongs to",
            "pages": "every page was read",
            "call": self.call,
            "caller_arn": self.caller_arn,
            "trail_region": self.trail_region,
            "request_ids": list(self.request_ids),
            "attempts": self.attempt_count,
            "requested_from": self.requested_from.isoformat(),
            "empty_policy": self.empty_policy,
        }
        if self.witness.last_count:
            kept["last_trusted_count"] = self.witness.last_count
        if self.witness.billed:
            kept["billed_services"] = list(self.witness.billed)
            kept["earlier_confirmed"] = self.witness.earlier_confirmed
        return kept

    @classmethod
    def from_evidence(cls, evidence: Mapping[str, Any]) -> "Zero":
        """The zero that a cell's evidence describes.

        Raises:
            KeyError: a release that kept no request ids wrote the evidence.
        """
        if not _RENAMED.keys().isdisjoint(evidence):
            evidence = {_RENAMED.get(name, name): value for name, value in evidence.items()}
        return cls(
            empty_policy=evidence["empty_policy"],
            attempt_count=evidence["attempts"],
            requested_from=datetime.fromisoformat(evidence["requested_from"]),
            request_ids=tuple(evidence["request_ids"]),
            call=evidence["call"],
            caller_arn=evidence["caller_arn"],
            trail_region=evidence["trail_region"],
            witness=Witness(
                last_count=evidence.get("last_trusted_count"),
                billed=tuple(evidence.get("billed_services", ())),
                earlier_confirmed=evidence.get("earlier_confirmed", False),
            ),
        )


@dataclass(frozen=True)
class ZeroJudgement:
    """Whether a zero is trusted, why, and the evidence to keep.

    Attributes:
        error_code: why the zero cannot be confirmed at all; None where CloudTrail may still confirm it.
    """

    outcome: Outcome
    sentence: str
    evidence: dict[str, Any]
    error_code: str | None = None


def must_fetch_again(empty_policy: EmptyPolicy, witness: Witness) -> bool:
    """Whether there is evidence against a zero, so that the same run sends the request a second time."""
    return empty_policy == "witnessed" and bool(witness.last_count or witness.billed)


def judge_zero(
    zero: Zero,
    trail: TrailEvents | None,
    *,
    # equivalent: Every word but identity asks CloudTrail.
    zero_evidence: str = "cloudtrail",
    is_recorded: bool = True,
) -> ZeroJudgement:
    """Judge a response without records whose caller is verified and whose pages are complete.

    Only evidence against a zero makes it `empty_suspect`. Missing evidence makes it `empty_unconfirmed`. Only
    CloudTrail's record of this very call, without an error, makes it `empty_verified`.

    Args:
        trail: CloudTrail's events of the caller; None where they were not looked up.
        zero_evidence: `cloudtrail`, or `identity`, which trusts a zero without CloudTrail and records that.
        is_recorded: whether CloudTrail records calls of this kind at all.
    """
    evidence = zero.as_evidence()
    witness = zero.witness
    shown = _shown(zero, trail, zero_evidence, is_recorded)
    evidence["cloudtrail"] = shown.evidence
    against = [shown.against] if shown.against else []
    if zero.empty_policy == "impossible":
        against.append("this listing is never empty")
    if witness.last_count and zero.empty_policy == "witnessed" and zero.attempt_count < 2:
        against.append(f"the last trusted count was {witness.last_count} and it was not requested again")
    if zero.empty_policy == "witnessed" and witness.billed:
        is_confirmed = not against and zero.attempt_count >= 2
        # The next run reads this: a zero that was verified before the bill showed usage is no history against the bill.
        evidence["confirmed"] = is_confirmed and shown.is_proof
        if is_confirmed and witness.earlier_confirmed:
            evidence["history"] = "confirmed against the bill in an earlier run too: the bill lags behind"
        else:
            against.append(f"the bill of the last days shows {', '.join(witness.billed)} in this account")
    if against:
        evidence["against"] = against
        return ZeroJudgement("empty_suspect", f"Empty, but {'; '.join(against)}.", evidence)
    if shown.is_proof:
        return ZeroJudgement("empty_verified", "Empty, and all the evidence agrees.", evidence)
    return ZeroJudgement("empty_unconfirmed", f"Empty, but not confirmed: {shown.missing}.", evidence, shown.error_code)


@dataclass(frozen=True)
class _Shown:
    """CloudTrail's evidence about a zero: proof, the evidence against it, or what is missing."""

    evidence: dict[str, Any] | str
    is_proof: bool = False
    against: str = ""
    missing: str = ""
    error_code: str | None = None


def _shown(zero: Zero, trail: TrailEvents | None, zero_evidence: str, is_recorded: bool) -> _Shown:
    if not zero.request_ids or not all(zero.request_ids):
        missing = "the response carries no request id, so CloudTrail cannot be searched for it"
        return _Shown(missing, missing=missing, error_code=NO_REQUEST_ID)
    if zero_evidence == "identity":
        return _Shown("not requested: CMDB_ZERO_EVIDENCE=identity", is_proof=True)
    if trail is None:
        return _Shown("not looked up yet", missing="CloudTrail was not looked up yet")
    if not trail.available:
        code = TRAIL_DENIED if trail.is_denied else None
        missing = f"{TRAIL_UNAVAILABLE} ({trail.reason})"
        if trail.is_denied:
            missing += (
                "; grant cloudtrail:LookupEvents to the role, or accept zeros without it by CMDB_ZERO_EVIDENCE=identity"
            )
        return _Shown(f"not available: {trail.reason}", missing=missing, error_code=code)
    errors = {name: trail.recorded[name] for name in zero.request_ids if trail.recorded.get(name)}
    since = (zero.requested_from - CLOCKS_APART).isoformat()
    # The record of the own call is conclusive. If it is missing, CloudTrail may have recorded the call under another
    # id.
    is_there = all(name in trail.recorded for name in zero.request_ids)
    operation = zero.call.partition(":")[2]
    refused = [
        entry
        for entry in (() if is_there else trail.refused)
        if _instant(entry["time"]) >= since and entry["name"].startswith(operation)
    ]
    evidence = {
        "looked_up_at": trail.until.isoformat(),
        "events": trail.event_count,
        "newest_event_at": trail.newest_event_at.isoformat() if trail.newest_event_at else None,
        "recorded": sum(name in trail.recorded for name in zero.request_ids),
        "refused": refused or [{"request_id": name, "error_code": code} for name, code in errors.items()],
    }
    if errors:
        name, code = next(iter(errors.items()))
        return _Shown(evidence, against=f"CloudTrail recorded this call as refused ({code}, request {name})")
    if refused:
        first = refused[0]
        against = (
            f"CloudTrail holds {len(refused)} refusal(s) of this caller's own calls "
            f"({first.get('name')}: {first.get('error_code')})"
        )
        return _Shown(evidence, against=against)
    if is_there:
        return _Shown(evidence, is_proof=True)
    if not is_recorded:
        return _Shown(evidence | {"not_recorded": f"CloudTrail records no {zero.call}"}, is_proof=True)
    return _Shown(evidence, missing="CloudTrail has not recorded the call yet")


def is_missed(zero: Zero, trail: TrailEvents, *, now: datetime) -> bool:
    """Whether CloudTrail lacks a call of half a day ago or older, although it shows other calls of the caller.

    Where `trail.kinds` has a call of the same kind, CloudTrail records that kind and only this record is late.
    """
    return (
        trail.available
        and trail.event_count > 0
        and now - zero.requested_from >= HALF_A_DAY
        and zero.call not in trail.kinds
        and not any(name in trail.recorded for name in zero.request_ids)
    )


def _instant(time: str) -> str:
    """A time from CloudTrail in the form of `datetime.isoformat` in UTC."""
    return datetime.fromisoformat(time).astimezone(UTC).isoformat()
