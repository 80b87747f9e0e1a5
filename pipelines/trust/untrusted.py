"""One sentence for each cause of untrusted cells in a run.

The silent-zero rule judges each listing alone, so an account without any permission fails in every listing. The
operator has one thing to fix there and reads one sentence. `audit.check_result` keeps every check result.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.trust import outcomes, zero_rule

if TYPE_CHECKING:
    import duckdb

NAMED = 3
"""How many accounts and how many listings a sentence names; the sentence counts the others."""

TRAIL_UNAVAILABLE = "TrailUnavailable"
"""Cause of a zero whose CloudTrail look-up got no response in this run, and may get one in the next."""

REGIONS_UNKNOWN = "RegionsUnknown"
"""Error code of a cell that was not requested, since the account's regions could not be listed."""

REGIONS = "ec2_region"

KEPT = "Rows that are known of them are kept, marked stale."

REMEDIES: Mapping[str, str] = {
    **outcomes.REMEDIES,
    TRAIL_UNAVAILABLE: "`cmdb confirm` looks again, and so does the next run.",
}


@dataclass(frozen=True)
class UntrustedCell:
    """A cell whose newest response is not trusted, because the response or its evidence is missing."""

    role: str
    profile: str
    account_id: str
    region: str
    listing: str
    outcome: str
    error_code: str
    message: str

    @property
    def cause(self) -> str:
        """What has to be fixed: the outcome, or why CloudTrail could not be looked up."""
        if self.outcome != "empty_unconfirmed":
            return self.outcome
        return self.error_code or TRAIL_UNAVAILABLE


def read(connection: "duckdb.DuckDBPyConnection", run_id: str) -> list[UntrustedCell]:
    """The newest cells that are untrusted for a reason that the operator has to know.

    A zero that only waits for CloudTrail to write the record is left out. A zero whose look-up failed in this run is
    included.
    """
    rows = connection.execute(
        """
        select
            role, coalesce(profile, ''), account_id, region, split_part(listing, ':', 1), outcome,
            coalesce(error_code, ''), coalesce(error_message, '')
        from audit.coverage
        where
            not is_trusted
            and (
                outcome in ('denied', 'failed', 'wrong_account')
                or (outcome = 'empty_unconfirmed' and error_code is not null)
                or (outcome = 'empty_unconfirmed' and run_id = $run_id and contains(error_message, $unavailable))
            )
        order by account_id, listing, region
        """,
        {"run_id": run_id, "unavailable": zero_rule.TRAIL_UNAVAILABLE},
    ).fetchall()
    return [UntrustedCell(*row) for row in rows]


def sentences(cells: Iterable[UntrustedCell]) -> list[str]:
    """One sentence for each cause: for each account, or for all accounts in which the cause is the same."""
    cells = list(cells)
    # An account with unknown regions gets one sentence, not one for each listing that could not be requested without
    # them.
    unlisted = {(cell.role, cell.account_id) for cell in cells if cell.listing == REGIONS}
    of_account: dict[tuple[str, str, str], list[UntrustedCell]] = defaultdict(list)
    for cell in cells:
        if cell.error_code != REGIONS_UNKNOWN or (cell.role, cell.account_id) not in unlisted:
            of_account[cell.cause, cell.role, cell.account_id].append(cell)
    alike: dict[tuple[str, str, frozenset[str]], list[UntrustedCell]] = defaultdict(list)
    for (cause, role, account), own in of_account.items():
        # The empty listings do not explain why CloudTrail is closed, so a zero groups without them. A refusal groups by
        # its listings, since they show which permission is missing. A wrong account groups by account: each one is
        # another mistake.
        listings = frozenset(cell.listing for cell in own)
        distinct = frozenset({account}) if cause == "wrong_account" else listings
        alike[cause, role, frozenset() if own[0].outcome == "empty_unconfirmed" else distinct] += own
    return [_sentence(own) for own in alike.values()]


def _sentence(cells: Sequence[UntrustedCell]) -> str:
    first = cells[0]
    listings = _some(cells, lambda cell: cell.listing, "listings")
    accounts = _some(cells, lambda cell: cell.account_id, "accounts")
    regions = _some(cells, lambda cell: cell.region, "regions")
    plural = "s" if len({cell.account_id for cell in cells}) > 1 else ""
    where = f"account{plural} {accounts}, {regions}, requested by {first.role}"
    if len(cells) > 1:
        where += f" ({len(cells)} cells)"
    why = " ".join((first.message or first.error_code).split()).rstrip(".")
    remedy = REMEDIES.get(first.cause, "").format(role=first.role, profile=first.profile)
    return " ".join(part for part in (f"{listings}: {first.outcome} in {where}. {why}.", remedy, KEPT) if part)


def _some(cells: Sequence[UntrustedCell], name: Callable[[UntrustedCell], str], what: str) -> str:
    names = list(dict.fromkeys(name(cell) for cell in cells))
    left = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {left} more {what if left > 1 else what[:-1]}" if left > 0 else "")
