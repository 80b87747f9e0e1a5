"""Profiles with responses from another account, and the trust in their other responses."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from pipelines.catalogue.registry import listings as known_listings
from pipelines.collection.state import StepState
from resources.audit.cells import Cell
from resources.audit.coverage import Accounts
from resources.aws.listing import Listing
from resources.contract import Role
from resources.store.store import Store


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
    for role, account, region in _wrong_accounts(state.store, state.run_id, state.batch.accounts):
        regions[role, account].add(region)
    proven: set[tuple[Role, str]] = set()
    for key, entry in state.attempts.items():
        if entry.response.outcome == "wrong_account":
            regions[key.role, key.account_id].add(key.region)
        elif entry.response.outcome == "found" and entry.response.request.listing.proves_account:
            proven.add((key.role, key.account_id))
    if regions:
        proven |= {found[:2] for found in _proven_accounts(state.store, state.run_id, state.batch.accounts)}
    return Strayed(regions, proven)


def _wrong_accounts(store: Store, run_id: str, accounts: Accounts) -> list[tuple[Role, str, str]]:
    """Role, account id and region of the run's stored `wrong_account` cells, for an interval of accounts."""
    return _stored(store, run_id, accounts, "outcome = 'wrong_account'", [])


def _proven_accounts(store: Store, run_id: str, accounts: Accounts) -> list[tuple[Role, str, str]]:
    """Role, account id and region of the stored cells whose records name the account itself."""
    proving = [listing.name for listing in known_listings().values() if listing.proves_account]
    known = "outcome = 'found' and list_contains($listings, split_part(listing, ':', 1))"
    return _stored(store, run_id, accounts, known, proving)


def _stored(
    store: Store, run_id: str, accounts: Accounts, condition: str, listings: list[str]
) -> list[tuple[Role, str, str]]:
    with store.read() as connection:
        return connection.execute(
            f"""
            select distinct role, account_id, region from audit.coverage
            where run_id = $run and {condition}
                and account_id >= $since_account and account_id < $before_account
            """,
            {"run": run_id, **accounts.parameters} | ({"listings": listings} if listings else {}),
        ).fetchall()
