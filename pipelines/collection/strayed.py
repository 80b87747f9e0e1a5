"""Profiles with responses from another account, and the trust in their other responses."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from pipelines.collection.state import StepState
from resources.audit.cells import Cell
from resources.aws.listing import Listing
from resources.contract import Role


@dataclass
class Strayed:
    """Accounts with a response from another account, and the trust in the same profile's other responses.

    Attributes:
        regions: regions of the `wrong_account` cells, by role and account id.
        proven: role and account id pairs with records that name the account itself.
    """

    regions: Mapping[tuple[Role, str], Collection[str]]
    proven: set[tuple[Role, str]] = field(default_factory=set)

    def judged(self, cell: Cell, listing: Listing) -> Cell:
        """The cell, with outcome `wrong_account` if its response may come from another account too.

        A zero of such a profile may be the other account's, and CloudTrail there proves nothing. The same holds for a
        refusal, and for records that do not name their account. If other records prove the account, only the regions of
        the wrong responses are in doubt, and a refusal there counts as this account's own.
        """
        account = (cell.role, cell.account_id)
        is_proven = account in self.proven
        if account not in self.regions or (is_proven and cell.region not in self.regions[account]):
            return cell
        if cell.outcome.startswith("empty_"):
            how = "Empty"
        elif cell.outcome == "denied" and not is_proven:
            how = "Refused"
        elif cell.outcome == "found" and not listing.proves_account:
            how = "Its records do not name their account"
        else:
            return cell
        return replace(
            cell,
            outcome="wrong_account",
            is_trusted=False,
            record_count=0,
            error_code="WrongAccount",
            error_message=f"{how}, and other responses to this profile are those of another account.",
        )


def strayed_accounts(state: StepState) -> Strayed:
    """The batch's accounts that got a response from another account in this run, in this step or an earlier one."""
    regions: dict[tuple[Role, str], set[str]] = defaultdict(set)
    stored = state.known.callers(state.batch.accounts)
    for role, account, region in stored.wrong:
        regions[role, account].add(region)
    proven: set[tuple[Role, str]] = set()
    for key, entry in state.attempts.items():
        if entry.response.outcome == "wrong_account":
            regions[key.role, key.account_id].add(key.region)
        elif entry.response.outcome == "found" and entry.response.request.listing.proves_account:
            proven.add((key.role, key.account_id))
    if regions:
        proven |= stored.proven
    return Strayed(regions, proven)
