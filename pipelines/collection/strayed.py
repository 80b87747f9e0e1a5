"""Accounts for which another account answered, and what that says of the other answers to the same profile."""

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
        places: role, account and region of every cell that is `wrong_account`.
        proven: role and account of which records were found that name the account itself.
    """

    places: set[tuple[Role, str, str]]
    proven: set[tuple[Role, str]] = field(default_factory=set)

    def judged(self, cell: Cell, listing: Listing) -> Cell:
        """The cell as it may be trusted beside these.

        Its zero is that other account's too, if anybody's, and CloudTrail there proves nothing. So is a refusal, and
        so are records that do not name their account: everywhere, unless other records prove the account itself. Then
        only such records in the region that strayed are in doubt.
        """
        account = (cell.role, cell.account_id)
        if not any(place[:2] == account for place in self.places):
            return cell
        is_proven = account in self.proven
        if cell.outcome.startswith("empty_"):
            how = "Empty"
        elif cell.outcome == "denied" and not is_proven:
            how = "Refused"
        elif cell.outcome == "found" and not listing.proves_account:
            if is_proven and (*account, cell.region) not in self.places:
                return cell
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
    strayed = Strayed(previous.wrong_accounts(state.store, state.run_id, state.batch.accounts))
    for key, entry in state.asked.items():
        if entry.answer.outcome == "wrong_account":
            strayed.places.add(key[:3])
        elif entry.answer.outcome == "found" and entry.answer.question.listing.proves_account:
            strayed.proven.add(key[:2])
    return strayed
