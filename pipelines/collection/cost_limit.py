"""The limit of a day's requests to Cost Explorer, and the requests that have no months."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipelines.collection.state import StepState
from pipelines.trust.outcomes import FOR_LATER
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import DENIED_BY_POLICY, OPTIONAL_GRANT, CellKey, Identity, Request


class DayLimit:
    """The limit of a day's requests to Cost Explorer, and what of it is left."""

    def __init__(self, state: StepState, profile: str) -> None:
        self._state = state
        self._profile = profile

    @property
    def sent(self) -> int:
        """Number of requests that this step sent to Cost Explorer, including retries and throttled requests."""
        attempts = self._state.attempts.values()
        return sum(entry.requests for entry in attempts if entry.response.request.listing.service == "ce")

    @property
    def left(self) -> int:
        """Number of requests that today's limit still allows, after those of all runs and of `cmdb ask`."""
        return self._state.paid_requests.left("ce")

    @property
    def price(self) -> str:
        """What today's requests cost, as a sentence."""
        return f"Today's requests cost US${self._state.paid_requests.cost_today('ce')}."

    def wait(self, key: CellKey, needed: int) -> None:
        """Leave a cell to a later run, since today's limit is reached."""
        self._state.set_outcome(
            key,
            "skipped",
            FOR_LATER,
            f"It takes {needed} or more, and {self._state.paid_requests.explanation('ce')} "
            f"The next run after that goes on where this one stopped. {self.price}",
            self._profile,
        )


def requests_of(
    state: StepState, identity: Identity, listing: Listing | None, parts: Iterable[tuple[str, Mapping[str, Any]]]
) -> list[Request]:
    """The requests of a listing without months; none without the listing.

    Args:
        parts: the parameter of each cell, with the parameters of its request.
    """
    if listing is None:
        return []
    requests = [
        Request(
            profile=identity.profile,
            account_id=identity.account_id,
            region=GLOBAL_REGION,
            listing=listing,
            listing_role="billing",
            parameters=parameters,
            suffix=suffix,
        )
        for suffix, parameters in parts
    ]
    return [request for request in requests if not state.keep(request)]


def granted(state: StepState, day: DayLimit, requests: Sequence[Request]) -> Iterator[Request]:
    """The requests of an optional grant, as long as the grant is given and the limit allows."""
    refused: str | None = None
    for request in requests:
        key = request.key
        if refused is not None:
            state.set_outcome(key, "skipped", refused, profile=request.profile)
        elif day.left < 1:
            day.wait(key, 1)
        else:
            yield request
            reason = state.attempts[key].response.skip_reason
            refused = reason if reason in (OPTIONAL_GRANT, DENIED_BY_POLICY) else None
