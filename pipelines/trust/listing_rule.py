"""The silent-zero rule: whether models may be built from the newest cells of a listing. Pure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

from pipelines.settings import MAX_UNTRUSTED_TOLERANCE
from pipelines.trust.organization_policies import BARE_CODES, is_bare
from pipelines.trust.outcomes import (
    CLOSED,
    CONCLUSIVE_SKIPS,
    DECIDED,
    DECIDED_OR_LATER,
    FAILURES,
    FOR_LATER,
    NO_COST_DATA,
    NO_LONGER_REQUESTED,
    NO_PARENTS,
    NOT_YET,
    PARENTS_UNKNOWN,
    REGION_NOT_SELECTED,
    REMEDIES,
    TOO_MANY_PAGES,
    UNREACHED,
    WAITING_SKIPS,
)
from resources.audit.cells import CellState
from resources.aws.errors import EXPIRED_CODES, REGION_TOKEN_CODES, UNREACHED_CODES
from resources.aws.messages import OPTIONAL_GRANT
from resources.check_result import CheckResult


def listing_check(
    listing: str,
    cells: Sequence[CellState],
    tolerance: Decimal,
    *,
    trusted: int = 0,
    waiting: int = 0,
    regions: Collection[str] = (),
    is_supplement: bool = False,
) -> CheckResult:
    """The silent-zero rule for one listing: whether models may be built from its cells.

    A zero with evidence against it always blocks. A failed cell of a central role blocks; a failed cell of a workload
    role only keeps its last trusted rows. Above a ratio of `tolerance` of the requested cells, workload failures block
    too; the largest tolerance lets one account fail, however few accounts there are. If all failures are of one
    account, the accounts without parents of the listing count too. A zero with missing evidence keeps its last trusted
    rows; it counts as a failure if the evidence can never arrive, unless only one account has such.

    Args:
        tolerance: the largest ratio of untrusted workload cells to requested cells that does not block, 0 to 1.
        trusted: how many trusted cells there are beside `cells`; of hundreds of thousands only the number matters.
        is_supplement: whether the listing tells once more what another one tells (`Listing.is_supplement`). Then only a
            response of another account blocks, every other failure warns, and so does a grant that is not given.
        waiting: how many zeros beside `cells` wait for CloudTrail's record of the call.
        regions: those of the trusted cells beside `cells`.
    """
    if not is_supplement:
        return _of_cells(listing, cells, tolerance, trusted, waiting, regions)
    foreign = [cell for cell in cells if cell.outcome == "wrong_account"]
    if foreign:
        return _of_cells(listing, foreign, tolerance, trusted, waiting, regions)
    denied = [cell for cell in cells if cell.skip_reason == OPTIONAL_GRANT]
    if denied:
        sentence = f"{_sentence(listing, denied, 'denied')} Their last trusted rows are kept, marked stale."
        return CheckResult(False, sentence + _grant_hint(denied), severity="WARN", at_fault=_rows(denied))
    return replace(_of_cells(listing, cells, tolerance, trusted, waiting, regions), severity="WARN")


def _of_cells(
    listing: str,
    cells: Sequence[CellState],
    tolerance: Decimal,
    trusted: int,
    waiting: int,
    regions: Collection[str],
) -> CheckResult:
    """The silent-zero rule by the cells alone, as of a listing on which others rest."""
    requested = [cell for cell in cells if cell.outcome != "skipped"]
    requested_count = len(requested) + trusted + waiting
    if not cells and not trusted and not waiting:
        return CheckResult(False, f"{listing} has never been requested. Materialise landing/{listing} first.")
    if not requested_count:
        reasons = ", ".join(sorted({cell.skip_reason or "" for cell in cells}))
        standing = [cell for cell in cells if cell.skip_reason != NO_LONGER_REQUESTED]
        reached = [cell for cell in standing if cell.skip_reason not in UNREACHED]
        if reached and all(cell.skip_reason in CONCLUSIVE_SKIPS | WAITING_SKIPS for cell in reached):
            return CheckResult(True, f"{listing}: there is nothing to request here ({reasons}).")
        if _is_closed(reached, standing):
            closed = sum(cell.skip_reason in CLOSED for cell in reached)
            return CheckResult(
                True,
                f"{listing}: {closed} of {len(standing)} cells are closed to the collection and no other can be "
                f"requested ({reasons}). What was known before stands, marked stale.",
            )
        left = [cell for cell in reached if cell.skip_reason not in DECIDED]
        if left and all(cell.skip_reason in NOT_YET for cell in left):
            # A cell that needs more requests than the limit completes in no run, so this blocks.
            stuck = any(cell.skip_reason == TOO_MANY_PAGES for cell in left)
            return replace(_not_yet(listing, left), severity="ERROR" if stuck else "WARN")
        orphans = _only_orphans(reached)
        if orphans:
            return CheckResult(
                False,
                f"{listing}: the parents of {len(orphans)} of {len(standing)} cells were not listed in a way that can "
                f"be trusted and no other can be requested ({reasons}). What was known before stands, marked stale.",
                severity="WARN",
                at_fault=_rows(orphans),
            )
        hint = (
            " Name a profile for at least one account (CMDB_WORKLOAD_PROFILES), and see CMDB_REGIONS."
            if all(cell.role == "workload" for cell in cells)
            else ""
        )
        return CheckResult(
            False, f"{listing}: all {len(cells)} cells were skipped ({reasons}), so nothing was requested.{hint}"
        )
    untrusted = [cell for cell in requested if not cell.is_trusted]
    suspect = [cell for cell in untrusted if cell.outcome == "empty_suspect"]
    if suspect:
        return CheckResult(False, _sentence(listing, suspect), at_fault=_rows(suspect))
    central = [cell for cell in untrusted if cell.role != "workload" and cell.outcome in FAILURES]
    if central:
        return CheckResult(
            False,
            f"{_sentence(listing, central)}{_hint(central)}",
            at_fault=_rows(central),
        )
    loud = [cell for cell in untrusted if cell.outcome != "empty_unconfirmed" or cell.error_code is not None]
    counted = _counted([cell for cell in loud if cell.role == "workload"], requested_count)
    judged_count = requested_count + _childless_count(counted, cells)
    if not _are_tolerated(counted, judged_count, tolerance):
        came_through = {*regions, *(cell.region for cell in cells if cell.is_trusted)}
        return CheckResult(
            False,
            f"{_sentence(listing, counted)} That is {len(counted)} of {judged_count} cells, "
            f"more than CMDB_UNTRUSTED_TOLERANCE={tolerance} allows.{_remedy(counted, came_through)}"
            f"{_tolerance_hint(counted, judged_count)}",
            at_fault=_rows(counted),
        )
    if loud:
        return CheckResult(
            False,
            f"{_sentence(listing, loud)} Their last trusted rows are kept, marked stale.",
            severity="WARN",
            at_fault=_rows(loud),
        )
    short = [cell for cell in cells if cell.skip_reason in NOT_YET]
    if short:
        return _not_yet(listing, short)
    waiting += len(untrusted)
    if waiting:
        return CheckResult(
            True,
            f"{listing}: {requested_count - waiting} of {requested_count} cells are trusted, {waiting} zero(s) wait "
            "for CloudTrail's record of the call; until then their last trusted rows are kept, marked stale.",
        )
    return CheckResult(True, f"{listing}: all {requested_count} cells are trusted.")


def _is_closed(reached: Sequence[CellState], standing: Sequence[CellState]) -> bool:
    """Whether every reached cell was skipped because of somebody's decision.

    CMDB_REGIONS without any region that an account has enabled is a mistake, not a decision.
    """
    only_left_out = all(cell.skip_reason == REGION_NOT_SELECTED for cell in reached)
    is_mistake = only_left_out and any(cell.skip_reason == "region_not_enabled" for cell in standing)
    return bool(reached) and all(cell.skip_reason in DECIDED for cell in reached) and not is_mistake


def _only_orphans(reached: Sequence[CellState]) -> list[CellState]:
    """The cells with unknown parents, where no other reached cell blocks; empty where one does.

    The check of the parents counts what failed of them against the tolerance, and refuses where it is too much. Once it
    tolerates them, the children are no second failure. Of a central role every failure blocks, also this one.
    """
    orphans = [cell for cell in reached if cell.skip_reason == PARENTS_UNKNOWN]
    others_wait = all(cell.skip_reason in DECIDED_OR_LATER for cell in reached if cell.skip_reason != PARENTS_UNKNOWN)
    return orphans if others_wait and all(cell.role == "workload" for cell in orphans) else []


def _not_yet(listing: str, cells: Sequence[CellState]) -> CheckResult:
    """A warning for cells that a later run brings: their last rows stay, and the next run continues."""
    absent = [cell for cell in cells if cell.skip_reason == NO_COST_DATA]
    if len(absent) < len(cells):
        return _for_later(listing, [cell for cell in cells if cell.skip_reason != NO_COST_DATA])
    return CheckResult(
        False,
        f"{listing}: Cost Explorer has no costs yet of {len(absent)} part(s): {_parts(absent)}. "
        f"{absent[0].error_message or 'The next run requests them again.'}",
        severity="WARN",
        at_fault=_rows(absent),
    )


def _for_later(listing: str, cells: Sequence[CellState]) -> CheckResult:
    """A warning for cells that the limit of requests left out."""
    first = min(cells, key=lambda cell: cell.skip_reason == FOR_LATER)
    setting = "CMDB_COST_REQUEST_LIMIT" if first.role == "billing" else "CMDB_METRIC_LIMIT"
    return CheckResult(
        False,
        f"{listing}: {len(cells)} part(s) were not requested, because {setting} was reached: "
        f"{_parts(cells)}. {first.error_message or 'The next run goes on.'}",
        severity="WARN",
        at_fault=_rows(cells),
    )


def _parts(cells: Sequence[CellState]) -> str:
    """What five cells are about: parts of the bill, or accounts and regions."""
    parts = [cell.listing.partition(":")[2] or f"{cell.account_id} {cell.region}" for cell in cells[:5]]
    return ", ".join(parts) + (", …" if len(cells) > 5 else "")


def is_tolerated(failed_count: int, requested_count: int, tolerance: Decimal, *, is_of_one: bool) -> bool:
    """Whether so few failed that a run goes on; the largest tolerance lets one account fail, however few there are.

    Args:
        is_of_one: whether all that failed is of one account.
    """
    if failed_count <= tolerance * requested_count:
        return True
    return is_of_one and failed_count < requested_count and tolerance >= MAX_UNTRUSTED_TOLERANCE


def _counted(failed: list[CellState], requested_count: int) -> list[CellState]:
    """The workload cells that count against the tolerance.

    Zeros that CloudTrail cannot confirm in one account do not: AWS responded, nothing speaks against them, and nothing
    is built from them. Else an organisation with fewer accounts than the tolerance needs would publish nothing for it.
    """
    unproved = [cell for cell in failed if cell.outcome == "empty_unconfirmed"]
    if len({cell.account_id for cell in unproved}) != 1 or len(unproved) == requested_count:
        return failed
    return [cell for cell in failed if cell.outcome != "empty_unconfirmed"]


def _childless_count(failed: Sequence[CellState], cells: Sequence[CellState]) -> int:
    """The number of workload cells without parents that count beside the requested ones: none if two accounts failed.

    Their parents were listed, and there is nothing to request. Else the only account with parents would refuse the run
    on a night that keeps its list of parents, and not on one that requests it (`_only_orphans`). What two accounts
    fail at may be a grant that all of them lack.
    """
    if len({cell.account_id for cell in failed}) != 1:
        return 0
    return sum(cell.role == "workload" and cell.skip_reason == NO_PARENTS for cell in cells)


def _are_tolerated(failed: Sequence[CellState], requested_count: int, tolerance: Decimal) -> bool:
    """Whether the failed workload cells are few enough to publish without them."""
    is_of_one = len({cell.account_id for cell in failed}) == 1
    return is_tolerated(len(failed), requested_count, tolerance, is_of_one=is_of_one)


def _remedy(failed: Sequence[CellState], came_through: Collection[str]) -> str:
    """What mends the failed cells; nothing where AWS's message says it, as that of a session that has ended does.

    Args:
        came_through: the regions that have a trusted cell of the listing.
    """
    unreached = [cell for cell in failed if cell.error_code in UNREACHED_CODES and cell.region not in came_through]
    hint, first = _hint(failed) + _unreached_hint(unreached), failed[0]
    if hint or first.outcome not in REMEDIES or (first.outcome == "denied" and first.error_code not in BARE_CODES):
        return hint
    return f" {REMEDIES[first.outcome]}".format(role=first.role, profile=f"of account {first.account_id}")


def _hint(cells: Sequence[CellState]) -> str:
    """What the operator does about a policy of the organisation, or about a session that ended during the run.

    AWS's message about the session does not say how to begin it anew. Cells that a known policy denies were skipped
    before and are not among `cells`.
    """
    refused = [cell for cell in cells if cell.error_code in REGION_TOKEN_CODES]
    if refused:
        # No grant mends these, so the hint of the others is of the others alone.
        others = [cell for cell in cells if cell.error_code not in REGION_TOKEN_CODES]
        return (
            f" {_regions(refused)}: the region does not accept the session's token, and no permission is missing. "
            "Regions that were opted into refuse tokens of STS's global endpoint: let what issues the token use a "
            f"regional one, or name the other regions in CMDB_REGIONS.{_hint(others)}"
        )
    denied = [cell for cell in cells if cell.outcome == "denied"]
    named = [cell for cell in denied if "service control policy" in (cell.error_message or "")]
    if named:
        return f" A service control policy denies {_regions(named)}: name the regions that are allowed in CMDB_REGIONS."
    if denied and all(is_bare(cell.error_code, cell.error_message) for cell in denied):
        return (
            " No policy of the organisation that the management role listed denies it: grant it to the role "
            f"(`cmdb policy {denied[0].role}`), or, where a region is closed, name the others in CMDB_REGIONS."
        )
    if any(cell.error_code in EXPIRED_CODES for cell in denied):
        return " `cmdb preflight` says how the profile signs in again; then run `cmdb nightly --only-untrusted`."
    return ""


def _unreached_hint(cells: Sequence[CellState]) -> str:
    """What the operator does about regions to which no request of the listing came through."""
    if not cells:
        return ""
    has_fips = any("fips" in (cell.error_message or "") for cell in cells)
    fips = ", unset AWS_USE_FIPS_ENDPOINT, since not every region has such endpoints," if has_fips else ""
    return (
        f" No account's request reached {_regions(cells)}: let the network and HTTPS_PROXY through to it{fips} or name "
        "the other regions in CMDB_REGIONS, then run `cmdb nightly --only-untrusted`."
    )


def _regions(cells: Iterable[CellState]) -> str:
    """The first five regions of the cells."""
    return ", ".join(sorted({cell.region for cell in cells})[:5])


def _tolerance_hint(failed: Sequence[CellState], requested_count: int) -> str:
    """The setting that publishes all the same, where there is one; the one that was too small never is."""
    largest = MAX_UNTRUSTED_TOLERANCE
    if not _are_tolerated(failed, requested_count, largest):
        return ""
    return f" Or publish without them: CMDB_UNTRUSTED_TOLERANCE={largest} keeps their last trusted rows, marked stale."


def _grant_hint(denied: Sequence[CellState]) -> str:
    """What the operator does about a supplement that AWS refuses, although a setting names its place."""
    if any("kms:" in (cell.error_message or "").lower() for cell in denied):
        return (
            " The files are encrypted with a KMS key of yours: grant kms:Decrypt on it, or let the bucket use SSE-S3."
        )
    return f" Grant it: `cmdb policy {denied[0].role} --optional` prints the policy."


def _sentence(listing: str, cells: Sequence[CellState], outcome: str = "") -> str:
    first = cells[0]
    where = f"account {first.account_id}, region {first.region}, requested by {first.role}"
    rest = f" (and {len(cells) - 1} more)" if len(cells) > 1 else ""
    why = first.error_message or first.error_code or ""
    sentence = f"{listing}: {outcome or first.outcome} in {where}{rest}. {why}".rstrip()
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def _rows(cells: Iterable[CellState]) -> tuple[dict[str, Any], ...]:
    return tuple(cell.as_row() for cell in cells)
