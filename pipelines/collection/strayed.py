"""Accounts for which another account answered, and what that says of the other answers to the same profile."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from pipelines.collection import previous
from pipelines.collection.state import StepState
from resources.audit.cells import Cell
from resources.aws.listing import Listing
from resources.contract import Role


@dataclass
class Strayed:
    """Where another account answered, and what that says of the other answers to the same profile.

    Attributes:
        regions: by role and account, the regions of the cells that are `wrong_account`.
        proven: role and account of which records were found that name the account itself.
    """

    regions: Mapping[tuple[Role, str], Collection[str]]
    proven: set[tuple[Role, str]] = field(default_factory=set)

    def judged(self, cell: Cell, listing: Listing) -> Cell:
        """The cell as it may be trusted beside these.

        Its zero is that other account's too, if anybody's, and CloudTrail there proves nothing. So is a refusal, and
        so are records that do not name their account: everywhere, unless other records prove the account itself. Then
        only the region that strayed is in doubt, and what is refused there may well be this account's refusal.
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
            error_message=f"{how}, and other answers to this profile are those of another account.",
        )


def strayed_accounts(state: StepState) -> Strayed:
    """The accounts of the batch for which another account answered in this run, in this step or in an earlier one."""
    regions: dict[tuple[Role, str], set[str]] = defaultdict(set)
    for role, account, region in previous.wrong_accounts(state.store, state.run_id, state.batch.accounts):
        regions[role, account].add(region)
    proven: set[tuple[Role, str]] = set()
    for key, entry in state.asked.items():
        if entry.answer.outcome == "wrong_account":
            regions[key.role, key.account_id].add(key.region)
        elif entry.answer.outcome == "found" and entry.answer.question.listing.proves_account:
            proven.add((key.role, key.account_id))
    if regions:
        proven |= {found[:2] for found in previous.proven_accounts(state.store, state.run_id, state.batch.accounts)}
    return Strayed(regions, proven)
