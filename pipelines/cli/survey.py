"""What each account would answer: one page of one listing of each service, nothing stored.

A dry listing shows whether a role may be assumed and whether its policy holds what the service needs. Services that
charge for requests are left out.
"""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pipelines.catalogue.names import ACCOUNT, REGION
from pipelines.catalogue.registry import listings
from pipelines.collection.accounts import Member, Reached, match
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import Request, Response, arn_partition
from resources.aws.meter import PRICES_USD
from resources.contract import CONTRACT, Role
from resources.identity_rules import CENTRAL_ROLES, Caller

if TYPE_CHECKING:
    from pipelines.settings import Settings
    from resources.roles import AwsRole

SHOWN = 5
"""The most accounts or findings that one line or list names."""

ANSWERED = ("found", "empty_unconfirmed")


class NoAccounts(Exception):
    """The management profile cannot list the organisation's accounts. The message says why."""


@dataclass(frozen=True)
class Survey:
    """What the organisation and its accounts answered.

    Attributes:
        members: the accounts of the organisation.
        reached: how profiles and accounts match.
        responses: the response to each dry listing.
        request_count: requests that a run sends to the workload accounts that answered, at least: one for each listing
            that needs no other one's records, and region.
    """

    members: Sequence[Member]
    reached: Reached
    responses: Sequence[Response] = field(default_factory=tuple)
    request_count: int = 0

    @property
    def active(self) -> int:
        """The number of active accounts."""
        return sum(member.state == "ACTIVE" for member in self.members)

    @property
    def refused(self) -> list[Response]:
        """The dry listings without an answer."""
        return [response for response in self.responses if response.outcome not in ANSWERED]


def dry_listings(role: Role) -> list[Listing]:
    """The first listing of each service that a role sends without the records of another one, but for paid ones."""
    found: dict[str, Listing] = {}
    for listing in listings().values():
        usable = listing.each is None and not listing.on_request and listing.service not in PRICES_USD
        if role in listing.roles and usable and listing.name not in (ACCOUNT, REGION):
            found.setdefault(listing.service, listing)
    first = [replace(listing, first_page_only=True) for listing in found.values()]
    # Whole, since it says how many regions a run asks.
    return [*first, *([listings()[REGION]] if role == "workload" else [])]


def survey(
    settings: "Settings",
    resources: Mapping[str, "AwsRole"],
    callers: Mapping[Role, Caller],
) -> Survey:
    """Match profiles with accounts, and send each account one dry listing of each service, concurrently.

    Args:
        callers: the identities of the central profiles, which passed the pre-flight.

    Raises:
        NoAccounts: the organisation's accounts cannot be listed.
    """
    from resources.aws.dispatch import fetch_all
    from resources.roles import Workload

    members = _members(resources["management"], callers["management"])
    workload = resources["workload"]
    assert isinstance(workload, Workload), "the resource of the role workload"
    central = {caller.account_id: role for role, caller in callers.items() if caller.account_id is not None}
    partition = arn_partition(callers["management"].arn or "")
    reached = match(workload.reached(), members, central, {}, partition)
    places: list[tuple[Role, str, str]] = [
        (role, callers[role].profile, account) for role in CENTRAL_ROLES if (account := callers[role].account_id)
    ]
    places += [("workload", profile, account) for account, profile in reached.profile_of.items()]
    wanted = {role: dry_listings(role) for role in CONTRACT}
    requests = [
        Request(
            profile=profile,
            account_id=account,
            region=GLOBAL_REGION if listing.scope == "global" else settings.home_region,
            listing=listing,
            listing_role=role,
        )
        for role, profile, account in places
        for listing in wanted[role]
    ]
    responses: list[Response] = []
    lock = threading.Lock()

    def take(response: Response) -> None:
        with lock:
            responses.append(response)

    clients = {role: resources[role].client for role in {role for role, *_ in places}}
    fetch_all(clients, requests, take)
    return Survey(members, reached, responses, _requests(settings, responses, workload.client.offers))


def _members(management: "AwsRole", caller: Caller) -> list[Member]:
    assert caller.account_id is not None, "the pre-flight passed"
    response = management.client.fetch(
        Request(caller.profile, caller.account_id, GLOBAL_REGION, listings()[ACCOUNT], "management")
    )
    if response.outcome != "found":
        raise NoAccounts(
            f"{listings()[ACCOUNT].call} was not answered, so nobody knows the organisation's accounts: "
            f"{response.error_message or response.outcome}. `cmdb policy management` prints what the role needs."
        )
    return [Member.of(record) for record in response.records]


def _requests(settings: "Settings", responses: Sequence[Response], offers: Callable[[str, str], bool]) -> int:
    own = [one for one in listings().values() if "workload" in one.roles and one.each is None and not one.on_request]
    count = 0
    for response in responses:
        if response.request.listing.name == REGION and response.outcome == "found":
            enabled = {
                str(record["RegionName"]) for record in response.records if record.get("OptInStatus") != "not-opted-in"
            }
            regions = enabled & set(settings.regions) if settings.regions else enabled
            count += sum(
                sum(offers(one.service, region) for region in regions) if one.scope == "regional" else 1 for one in own
            )
    return count


# ----------------------------------------------------------------------------------------------------- the output


def survey_lines(found: Survey) -> list[str]:
    """The survey for people: accounts, what they answer, what is refused where."""
    reached = found.reached
    lines = [f"{len(reached.profile_of)} of {found.active} active accounts are reached by a workload profile"]
    lines += _some([f"! {finding}" for finding in reached.findings], "findings, which a run names too")
    answered: Counter[tuple[Role, str]] = Counter()
    refused: dict[tuple[Role, str], list[Response]] = defaultdict(list)
    for response in found.responses:
        place = (response.request.listing_role, response.request.listing.call)
        answered[place] += response.outcome in ANSWERED
        if response.outcome not in ANSWERED:
            refused[place].append(response)
    for (role, call), count in sorted(answered.items()):
        total = count + len(refused[role, call])
        mark = "✓" if count == total else "✗"
        lines.append(f"{mark} {role}: {call} is answered by {count} of {total} account(s)")
        lines += _some(
            [
                f"    {one.request.account_id} ({one.request.profile}): "
                f"{one.error_message or one.skip_reason or one.outcome}"
                for one in sorted(refused[role, call], key=lambda one: one.request.account_id)
            ],
            "accounts",
        )
    lines.append(f"a run sends these accounts {found.request_count:,} requests or more")
    return lines


def _some(lines: Sequence[str], what: str) -> list[str]:
    left = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"    and {left:,} more {what}"] if left > 0 else [])]
