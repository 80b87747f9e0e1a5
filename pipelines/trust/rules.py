"""The rules that decide what may be believed. Pure functions over evidence.

Each rule has three askers: the asset check shows it, the gate at the head of every gated asset refuses by it,
and publishing asks it once more. None of them has a switch.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from pipelines.trust.organization_policies import is_bare
from resources.aws.listing import ZeroSense
from resources.aws.messages import DENIED_BY_POLICY, Outcome, TrailEvents
from resources.check_result import CheckResult
from resources.contract import Role
from resources.identity_rules import FACTS

COLLECTION_MAX_AGE = timedelta(minutes=60)
"""How old the pre-flight may be when something is asked of AWS."""

MODEL_MAX_AGE = timedelta(hours=26)
"""How old the evidence may be when a model is built: a night and its repair the next morning."""

PUBLISH_MAX_AGE = timedelta(hours=24)
"""How old a central listing may be when the dataset is published."""

TRUSTED: frozenset[Outcome] = frozenset({"found", "empty_verified"})
"""Outcomes whose records, or whose absence of records, count."""

FAILURES: frozenset[Outcome] = frozenset({"denied", "failed", "wrong_account"})
"""Outcomes of a central role's cell that block what reads it; of a workload account they freeze their cell."""

ANSWERED_SKIPS = frozenset(
    {
        "group_unresolved",
        "no_parents",
        "no_resource_policy",
        "not_offered",
        "not_requested",
        "optional_grant_not_given",
        "parent_gone",
        "policy_type_not_enabled",
    }
)
"""Reasons of a skipped cell by which there is nothing to ask, by AWS's own word or by that of who runs this."""

WAITING_SKIPS = frozenset({"parents_unconfirmed"})
"""Reasons of a skipped cell that CloudTrail will settle: nothing was to be asked, if its parents' zero is confirmed."""

REGION_NOT_SELECTED = "region_not_selected"
"""Reason of a cell in regions that are enabled and that CMDB_REGIONS leaves out."""

CLOSED = frozenset({DENIED_BY_POLICY, REGION_NOT_SELECTED})
"""Reasons of a skipped cell that somebody decided: nothing blocks by it, yet it is no answer, and rows stay stale."""

FOR_LATER = "request_limit"
"""Reason of a cell that waits for the next night, since what tonight may cost was spent on what is needed more."""

UNREACHED = frozenset({"account_left", "account_suspended", "no_profile", "region_not_enabled"})
"""Reasons of a skipped cell that say nothing of the listing: nobody is there to be asked."""

NO_LONGER_ASKED = "no_longer_asked"
"""Reason of a cell that only an earlier night asked: it speaks neither for the listing nor against it."""

TOO_MANY_PAGES = "more_pages_than_the_limit"
"""Reason of a cell that takes more requests than a whole night may: it is never answered until that is changed."""

RETIRING = frozenset({"account_left", "caller_changed", "no_resource_policy", "parent_gone", "policy_type_not_enabled"})
"""Reasons of a skipped cell that are knowledge, not ignorance: its rows are removed, as by a trusted zero."""

ONE_NIGHT = timedelta(hours=12)
"""How far apart two answers have to be to count as two nights."""

TRAIL_DENIED = "TrailDenied"
"""Error code of an unconfirmed zero that cannot be confirmed, since AWS refuses the look-up in CloudTrail."""

NO_REQUEST_ID = "NoRequestId"
"""Error code of an unconfirmed zero that cannot be confirmed, since its answer carried no request id."""

TRAIL_UNAVAILABLE = "CloudTrail could not be looked up"
"""How a zero says that a look-up got no answer, as against one that came before CloudTrail had the record."""

CLOCKS_APART = timedelta(minutes=1)
"""How far the clock of this machine and CloudTrail's may differ when a refusal is told from an earlier one."""


# ---------------------------------------------------------------------------------------- the pre-flight


@dataclass(frozen=True, kw_only=True)
class StoredCheckResult(CheckResult):
    """A check of the pre-flight as it stands in `audit.check_result`."""

    run_id: str
    config_hash: str
    checked_at: datetime


def preflight_verdict(
    stored: Collection[StoredCheckResult],
    *,
    now: datetime,
    max_age: timedelta,
    config_hash: str,
    run_id: str = "",
    identities_checked_at: datetime | None = None,
) -> CheckResult:
    """Whether the newest pre-flight allows work: whole, of this configuration, young enough, without a failure.

    A long night outlives 60 minutes. Within the run that made the pre-flight it stays good for as long as the
    resources themselves have checked the identities again (`identities_checked_at`).
    """
    cure = "Run the pre-flight first (`cmdb preflight`, or materialise audit/caller_identity)."
    missing = [name for name in FACTS if name not in {fact.name for fact in stored}]
    if missing:
        what = "no pre-flight is recorded" if not stored else f"the pre-flight lacks {', '.join(missing)}"
        return CheckResult(False, f"{what[0].upper()}{what[1:]}. {cure}")
    if any(fact.config_hash != config_hash for fact in stored):
        return CheckResult(False, f"The last pre-flight judged another configuration than this one. {cure}")
    failed = [fact for fact in stored if not fact.passed and fact.severity == "ERROR"]
    if failed:
        said = " ".join(f"{fact.name}: {fact.sentence}" for fact in failed)
        return CheckResult(False, f"The pre-flight failed. {said}")
    oldest = min(fact.checked_at for fact in stored)
    own = run_id != "" and all(fact.run_id == run_id for fact in stored)
    if own and identities_checked_at is not None and now - oldest <= MODEL_MAX_AGE:
        oldest = max(oldest, identities_checked_at)
    age = now - oldest
    if age > max_age:
        return CheckResult(
            False,
            f"The last pre-flight is {_duration(age)} old; at most {_duration(max_age)} is allowed here. {cure}",
        )
    if age < -timedelta(minutes=5):
        return CheckResult(False, f"The last pre-flight lies {_duration(-age)} in the future: check the clock. {cure}")
    return CheckResult(True, f"The pre-flight of run {next(iter(stored)).run_id} is {_duration(age)} old and passed.")


def _duration(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes} min"


# ---------------------------------------------------------------------------------------------- a zero


@dataclass(frozen=True)
class Witness:
    """What is known from elsewhere about a cell that came back empty.

    Attributes:
        last_count: records in the last trusted cell; None without history.
        billed: services of the last seven final days of the bill that only this listing explains, where the
            listing is empty in every region of the account (the bill has no region).
        earlier_confirmed: the newest earlier cell of the same key was empty too and asked twice, and nothing
            but the bill spoke against it.
    """

    last_count: int | None = None
    billed: tuple[str, ...] = ()
    earlier_confirmed: bool = False


@dataclass(frozen=True)
class Zero:
    """An answer without records, as its cell's evidence keeps it: all that a later look into CloudTrail needs.

    Attributes:
        asked: how often the question was put in its run, each time with no records.
        asked_from: when it was put first, UTC.
        request_ids: of the last answer's pages; empty text where AWS sent none.
        call: `service:Operation`.
        caller_arn: who asked, by STS.
        trail_region: the region whose trail has the call.
    """

    sense: ZeroSense
    asked: int
    asked_from: datetime
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
            "asked": self.asked,
            "asked_from": self.asked_from.isoformat(),
            "zero_sense": self.sense,
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
            KeyError: it was written by a release that kept no request ids.
        """
        return cls(
            sense=evidence["zero_sense"],
            asked=evidence["asked"],
            asked_from=datetime.fromisoformat(evidence["asked_from"]),
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
class ZeroVerdict:
    """Whether a zero is trusted, why, and the evidence to keep.

    Attributes:
        error_code: why it cannot be confirmed at all; None where the trail has only to be waited for.
    """

    outcome: Outcome
    sentence: str
    evidence: dict[str, Any]
    error_code: str | None = None


def must_ask_again(sense: ZeroSense, witness: Witness) -> bool:
    """Whether something speaks against a zero, so that it is asked a second time in the same run."""
    return sense == "witnessed" and bool(witness.last_count or witness.billed)


def zero_verdict(
    zero: Zero, trail: TrailEvents | None, *, zero_evidence: str = "cloudtrail", is_recorded: bool = True
) -> ZeroVerdict:
    """Judge an answer without records from a caller whose identity and whose pages are in order.

    Only evidence against a zero makes it `empty_suspect`. Evidence that is missing leaves it `empty_unconfirmed`, and
    only CloudTrail's record of this very call, without an error, makes it `empty_verified`.

    Args:
        trail: what CloudTrail shows of the caller; None where it was not looked up.
        zero_evidence: `cloudtrail`, or `identity` which does without CloudTrail and says so.
        is_recorded: whether CloudTrail records calls of this kind at all.
    """
    evidence = zero.as_evidence()
    witness = zero.witness
    shown = _shown(zero, trail, zero_evidence, is_recorded)
    evidence["cloudtrail"] = shown.evidence
    against = [shown.against] if shown.against else []
    if zero.sense == "impossible":
        against.append("this listing is never empty")
        evidence["sense"] = "impossible"
    if witness.last_count and zero.sense == "witnessed" and zero.asked < 2:
        against.append(f"the last trusted count was {witness.last_count} and it was not asked again")
    if zero.sense == "witnessed" and witness.billed:
        is_confirmed = not against and zero.asked >= 2
        # For the next night: a zero that was verified before the bill spoke is no history against the bill.
        evidence["confirmed"] = is_confirmed and shown.is_proof
        if is_confirmed and witness.earlier_confirmed:
            evidence["history"] = "confirmed against the bill in an earlier run too: the bill lags behind"
        else:
            against.append(f"the bill of the last final days shows {', '.join(witness.billed)} in this account")
    if against:
        evidence["against"] = against
        return ZeroVerdict("empty_suspect", f"Empty, but {'; '.join(against)}.", evidence)
    if shown.is_proof:
        return ZeroVerdict("empty_verified", "Empty, and all the evidence agrees.", evidence)
    return ZeroVerdict("empty_unconfirmed", f"Empty, but not confirmed: {shown.missing}.", evidence, shown.error_code)


@dataclass(frozen=True)
class _Shown:
    """What CloudTrail has to say of a zero: proof, or what speaks against it, or what is missing."""

    evidence: dict[str, Any] | str
    is_proof: bool = False
    against: str = ""
    missing: str = ""
    error_code: str | None = None


def _shown(zero: Zero, trail: TrailEvents | None, zero_evidence: str, is_recorded: bool) -> _Shown:
    if not zero.request_ids or not all(zero.request_ids):
        missing = "the answer carries no request id, so nobody can be asked about it"
        return _Shown(missing, missing=missing, error_code=NO_REQUEST_ID)
    if zero_evidence == "identity":
        return _Shown("not asked: CMDB_ZERO_EVIDENCE=identity", is_proof=True)
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
    since = (zero.asked_from - CLOCKS_APART).isoformat()
    # An own call that is there speaks for itself; one that is not may have been recorded under another id.
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
    """Whether CloudTrail lacks a call that it should have by now: of a night ago, with others of its caller there.

    `trail.kinds` are the kinds of call that it shows: where one of this kind is among them, only this one is late.
    """
    return (
        trail.available
        and trail.event_count > 0
        and now - zero.asked_from >= ONE_NIGHT
        and zero.call not in trail.kinds
        and not any(name in trail.recorded for name in zero.request_ids)
    )


def _instant(time: str) -> str:
    """A time of CloudTrail's in the form that `datetime.isoformat` has in UTC."""
    return datetime.fromisoformat(time).astimezone(UTC).isoformat()


# --------------------------------------------------------------------------------------------- a listing


@dataclass(frozen=True)
class CellState:
    """The newest cell of a key, as `audit.coverage` has it."""

    role: Role
    account_id: str
    region: str
    listing: str
    outcome: Outcome
    is_trusted: bool
    run_id: str
    ended_at: datetime
    error_code: str | None = None
    error_message: str | None = None
    skip_reason: str | None = None

    def as_row(self) -> dict[str, Any]:
        """For a table in the Dagster UI or the terminal."""
        return {
            "role": self.role,
            "account_id": self.account_id,
            "region": self.region,
            "listing": self.listing,
            "outcome": self.outcome,
            "why": self.error_message or self.skip_reason or "",
        }


def listing_verdict(
    listing: str, cells: Sequence[CellState], tolerance: Decimal, *, trusted: int = 0, waiting: int = 0
) -> CheckResult:
    """The silent-zero rule for one listing: whether models may be built from its cells.

    A zero with evidence against it always blocks. A failure blocks where a central role asked, and freezes the cell
    where a workload role did, as long as at most `tolerance` of the asked cells failed so. A zero whose evidence is
    only missing freezes its cell; it counts among the failures where the evidence can never come.

    Args:
        trusted: how many trusted cells there are beside `cells`: of hundreds of thousands only the number matters.
        waiting: how many zeros beside `cells` wait for CloudTrail's record of the call.
    """
    asked = [cell for cell in cells if cell.outcome != "skipped"]
    asked_count = len(asked) + trusted + waiting
    if not cells and not trusted and not waiting:
        return CheckResult(False, f"{listing} has never been asked. Materialise landing/{listing} first.")
    if not asked_count:
        reasons = ", ".join(sorted({cell.skip_reason or "" for cell in cells}))
        standing = [cell for cell in cells if cell.skip_reason != NO_LONGER_ASKED]
        reached = [cell for cell in standing if cell.skip_reason not in UNREACHED]
        if reached and all(cell.skip_reason in ANSWERED_SKIPS | WAITING_SKIPS for cell in reached):
            return CheckResult(True, f"{listing}: there is nothing to ask here ({reasons}).")
        if _is_closed(reached, standing):
            closed = sum(cell.skip_reason in CLOSED for cell in reached)
            return CheckResult(
                True,
                f"{listing}: {closed} of {len(standing)} cells are closed to the collection and no other can be asked "
                f"({reasons}). What was known before stands, marked stale.",
            )
        if standing and all(cell.skip_reason in (FOR_LATER, TOO_MANY_PAGES) for cell in standing):
            # Where the limit is too low for any of it, nothing ever comes.
            stuck = any(cell.skip_reason == TOO_MANY_PAGES for cell in standing)
            return replace(_for_later(listing, standing), severity="ERROR" if stuck else "WARN")
        cure = (
            " Name a profile for at least one account (CMDB_WORKLOAD_PROFILES), and see CMDB_REGIONS."
            if all(cell.role == "workload" for cell in cells)
            else ""
        )
        return CheckResult(
            False, f"{listing}: all {len(cells)} cells were skipped ({reasons}), so nobody was asked.{cure}"
        )
    untrusted = [cell for cell in asked if not cell.is_trusted]
    suspect = [cell for cell in untrusted if cell.outcome == "empty_suspect"]
    if suspect:
        return CheckResult(False, _sentence(listing, suspect), at_fault=_rows(suspect))
    central = [cell for cell in untrusted if cell.role != "workload" and cell.outcome in FAILURES]
    if central:
        return CheckResult(False, f"{_sentence(listing, central)}{_policy_hint(central)}", at_fault=_rows(central))
    loud = [cell for cell in untrusted if cell.outcome != "empty_unconfirmed" or cell.error_code is not None]
    waiting += len(untrusted) - len(loud)
    counted = [cell for cell in loud if cell.role == "workload"]
    if len(counted) > tolerance * asked_count:
        return CheckResult(
            False,
            f"{_sentence(listing, counted)} That is {len(counted)} of {asked_count} cells, "
            f"more than CMDB_UNTRUSTED_TOLERANCE={tolerance} allows.{_policy_hint(counted)}",
            at_fault=_rows(counted),
        )
    if loud:
        return CheckResult(
            False,
            f"{_sentence(listing, loud)} Their last trusted rows are kept, marked stale.",
            severity="WARN",
            at_fault=_rows(loud),
        )
    short = [cell for cell in cells if cell.skip_reason in (FOR_LATER, TOO_MANY_PAGES)]
    if short:
        return _for_later(listing, short)
    if waiting:
        return CheckResult(
            True,
            f"{listing}: {asked_count - waiting} of {asked_count} cells are trusted, {waiting} zero(s) wait "
            "for CloudTrail's record of the call; until then their last trusted rows are kept, marked stale.",
        )
    return CheckResult(True, f"{listing}: all {asked_count} cells are trusted.")


def _is_closed(reached: Sequence[CellState], standing: Sequence[CellState]) -> bool:
    """Whether nothing of a listing could be asked because somebody decided so, and for no other reason.

    CMDB_REGIONS that names no region which an account has enabled is a mistake, not a decision.
    """
    allowed = ANSWERED_SKIPS | WAITING_SKIPS | CLOSED
    if not reached or not all(cell.skip_reason in allowed for cell in reached):
        return False
    only_left_out = all(cell.skip_reason == REGION_NOT_SELECTED for cell in reached)
    return not (only_left_out and any(cell.skip_reason == "region_not_enabled" for cell in standing))


def _for_later(listing: str, cells: Sequence[CellState]) -> CheckResult:
    """What the limit of requests left out: a warning, since what stands is not harmed and the next night goes on."""
    first = min(cells, key=lambda cell: cell.skip_reason == FOR_LATER)
    return CheckResult(
        False,
        f"{listing}: {len(cells)} part(s) were not asked, because CMDB_COST_REQUEST_LIMIT was reached: "
        f"{', '.join(cell.listing.partition(':')[2] for cell in cells[:5])}{', …' if len(cells) > 5 else ''}. "
        f"{first.error_message or 'The next night goes on.'}",
        severity="WARN",
        at_fault=_rows(cells),
    )


def _policy_hint(cells: Sequence[CellState]) -> str:
    """What to do where a policy of the organisation stands behind refusals, or may and nobody knows.

    What a policy was found to deny is skipped and does not come here.
    """
    denied = [cell for cell in cells if cell.outcome == "denied"]
    named = [cell for cell in denied if "service control policy" in (cell.error_message or "")]
    if named:
        regions = ", ".join(sorted({cell.region for cell in named})[:5])
        return f" A service control policy denies {regions}: name the regions that are allowed in CMDB_REGIONS."
    if denied and all(is_bare(cell.error_code, cell.error_message) for cell in denied):
        return (
            " No policy of the organisation that the management role listed denies it: grant it to the role "
            f"(`cmdb policy {denied[0].role}`), or, where a region is closed, name the others in CMDB_REGIONS."
        )
    return ""


def _sentence(listing: str, cells: Sequence[CellState]) -> str:
    first = cells[0]
    where = f"account {first.account_id}, region {first.region}, asked by {first.role}"
    rest = f" (and {len(cells) - 1} more)" if len(cells) > 1 else ""
    why = first.error_message or first.error_code or ""
    said = f"{listing}: {first.outcome} in {where}{rest}. {why}".rstrip()
    return said if said.endswith((".", "!", "?")) else f"{said}."


def _rows(cells: Iterable[CellState]) -> tuple[dict[str, Any], ...]:
    return tuple(cell.as_row() for cell in cells)


def builds_verdict(
    uses: Mapping[str, Collection[str]],
    sources: Mapping[str, Collection[str]],
    built: Mapping[str, datetime],
    answered: Mapping[str, datetime],
) -> CheckResult:
    """Whether every relation was built from the newest evidence there is.

    Args:
        uses: the relations that each relation reads.
        sources: the listings that each relation reads itself.
        built: when each relation was built last.
        answered: when each listing was last answered.
    """
    for relation, used in uses.items():
        at = built.get(relation)
        if at is None:
            return CheckResult(False, f"{relation} was never built. Materialise it first.")
        older = [name for name in used if name in built and built[name] > at]
        newer = [name for name in sources.get(relation, ()) if name in answered and answered[name] > at]
        if older or newer:
            return CheckResult(
                False,
                f"{relation} was built before {', '.join(older + newer)} was last renewed, so it does not show what is "
                "known. Materialise it again, and what is built from it.",
            )
    return CheckResult(True, "Every table was built from the newest evidence.")


def freshness_verdict(
    listing: str, cells: Sequence[CellState], *, now: datetime, max_age: timedelta = PUBLISH_MAX_AGE
) -> CheckResult:
    """Whether the newest collection of a central listing is young enough to be published."""
    if not cells:
        return CheckResult(False, f"{listing} has never been asked. Run `cmdb nightly`.")
    judged = ANSWERED_SKIPS | WAITING_SKIPS | CLOSED | {FOR_LATER}
    asked = [cell.ended_at for cell in cells if cell.outcome != "skipped" or cell.skip_reason in judged]
    if not asked:
        return CheckResult(False, f"{listing} was not asked: every cell was skipped. Run `cmdb nightly`.")
    newest = max(asked)
    if now - newest > max_age:
        return CheckResult(
            False,
            f"{listing} was last asked {_duration(now - newest)} ago; at most {_duration(max_age)} may be published. "
            "Run `cmdb nightly`.",
        )
    return CheckResult(True, f"{listing} was asked {_duration(now - newest)} ago.")
