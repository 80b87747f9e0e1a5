"""Reads all pages of a request in order: to the end, or not at all."""

import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from botocore.exceptions import PaginationError
from botocore.paginate import Paginator

from resources.aws.errors import Failed
from resources.aws.listing import Listing
from resources.aws.messages import CUT_OFF, Request
from resources.aws.profile_errors import ProfileError
from resources.aws.records import TOKEN_FIELDS, Pages
from resources.aws.redaction import redacted
from resources.aws.retry import Retry, RetryingSender
from resources.aws.sending import Sender
from resources.aws.sessions import Sessions
from resources.aws.signing_context import SigningContext

Page = tuple[dict[str, Any], Any, Mapping[str, Any]]
"""A page without the fields that its listing redacts, botocore's model of the operation, and the request's parameters.
"""


class Pager:
    """Reads the pages of one role's requests.

    Args:
        retry: limits of empty pages and of seconds per request.
        sessions: provides the clients.
        sender: provides the models of operations.
        requests: sends one page, with retries.
    """

    def __init__(self, retry: Retry, sessions: Sessions, sender: Sender, requests: RetryingSender) -> None:
        self._retry = retry
        self._sessions = sessions
        self._sender = sender
        self._requests = requests

    def pages(self, context: SigningContext, request: Request, region: str, taken: Pages) -> Iterator[Page]:
        """The pages of a request.

        Args:
            region: the region that the request is sent to.
            taken: takes each page before the next is fetched, and receives the parents that AWS refuses to report on.

        Raises:
            Failed: the request has no valid response, whatever pages were read.
        """
        listing = request.listing
        client = self._sessions.client(context.profile, listing.service, region)
        model = self._sender.model(client, listing.operation)
        given = {listing.account_parameter: request.account_id} if listing.account_parameter else {}
        own_errors = listing.each.own_errors if listing.each is not None and request.batches else ()
        refusals: list[tuple[Failed, Mapping[str, Any]]] = []
        has_response = False
        for batch in request.batches or ({},):
            parameters = {**listing.parameters, **given, **request.parameters, **batch}
            # Each batch before this one was responded to. A function's tags, URLs and aliases are a request each, and
            # Lambda takes 15 a second: over hundreds of functions the losses add up, though no request fails.
            # equivalent: No time that is measured is the limit to its last digit.
            if time.monotonic() - context.began < self._retry.request_seconds:
                context.lost_seconds = 0.0
            try:
                for page in self._pages_of(context, listing, client, model, parameters, taken):
                    has_response = True
                    yield redacted(page, listing.redact), model, parameters
            except Failed as failure:
                # Without credentials nothing was sent for this parent, whatever AWS's code for the profile.
                if isinstance(failure.__cause__, ProfileError):
                    raise
                if failure.code in own_errors:
                    refusals.append((failure, parameters))
                # A parent that was deleted meanwhile has no records; the responses for the other parents still count.
                elif not request.batches or _skip_reason(listing, failure) != "parent_gone":
                    raise
        # A refusal for one of several parents is about that parent. If AWS refuses all of them, the caller is denied.
        if refusals and not has_response and all(refusal.outcome == "denied" for refusal, _ in refusals):
            # The region lacks the operation only if AWS says so for every parent.
            raise next((refusal for refusal, _ in refusals if _skip_reason(listing, refusal) is None), refusals[0][0])
        for refusal, refused_parameters in refusals:
            taken.take_refusal(refusal.code, refused_parameters)

    def _pages_of(
        self,
        context: SigningContext,
        listing: Listing,
        client: Any,
        model: Any,
        parameters: Mapping[str, Any],
        taken: Pages,
    ) -> Iterator[dict[str, Any]]:
        pagination = self._pagination(listing)
        if pagination is None or listing.first_page_only:
            page = self._requests.send(context, client, listing.operation, parameters)
            if not listing.first_page_only and any(page.get(name) for name in TOKEN_FIELDS):
                raise Failed("failed", "UnreadPages", f"{listing.call} has more pages and no known token.")
            yield page
            return
        seen: set[str] = set()
        before = found = taken.found
        empty_pages = 0

        def send(**page_parameters: Any) -> dict[str, Any]:
            if empty_pages >= self._retry.empty_pages:
                raise _endless(listing, f"{empty_pages:,} pages in a row without a record")
            seconds = time.monotonic() - context.began
            # equivalent: No time that is measured is the limit to its last digit.
            if seconds >= self._retry.request_seconds:
                raise _endless(listing, f"pages for {seconds:,.0f} seconds")
            # equivalent (2): A paginator with one token names the parameters in one order, and none here has two.
            page_key = json.dumps(page_parameters, sort_keys=True, default=str)
            if page_key in seen:
                raise _loop(listing)
            seen.add(page_key)
            return self._requests.send(context, client, listing.operation, page_parameters)

        try:
            for page in Paginator(send, pagination, model).paginate(**parameters):
                yield page
                empty_pages = 0 if taken.found > found else empty_pages + 1
                found = taken.found
        except PaginationError:
            raise _loop(listing) from None
        if listing.cut_at and found - before == listing.cut_at:
            raise Failed(
                "failed",
                CUT_OFF,
                f"{listing.call} ended after {listing.cut_at:,} records, where AWS may cut a response off without a "
                "word. Nothing of it counts.",
            )

    def _pagination(self, listing: Listing) -> dict[str, Any] | None:
        if listing.token is not None:
            request, response = listing.token
            # botocore evaluates `result_key` on every page, and uses it only with a limit of items; no limit is set
            # here.
            return {"input_token": request, "output_token": response, "result_key": listing.records}
        return self._sessions.models.pagination(listing.service, listing.operation)


def _skip_reason(listing: Listing, failure: Failed) -> str | None:
    return listing.skip_reason(failure.code, failure.message)


def _loop(listing: Listing) -> Failed:
    return Failed("failed", "Loop", f"{listing.call} sent a page token that it had sent before.")


def _endless(listing: Listing, sent: str) -> Failed:
    return Failed(
        "failed",
        "EndlessPages",
        f"{listing.call} sent {sent}, each with a token for one more: no end is in sight, and nothing of it counts. "
        "Run `cmdb nightly --only-untrusted`; if it stays so, check endpoint_url and the proxy, or ask AWS Support.",
    )
