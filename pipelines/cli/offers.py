"""Shell completions: names from the catalogue and from the published file; none if nothing is published.

Loads neither Dagster nor AWS, since the shell waits for every completion.
"""

from collections.abc import Callable, Mapping
from typing import Any

from click.shell_completion import CompletionItem

from pipelines.catalogue.registry import listings
from pipelines.plain_text import plain
from pipelines.trust.ages import moment
from resources.store.errors import WarehouseError
from resources.store.store import Store

OFFERED = 60
"""Maximum number of rows from the published file: more than a screen of them helps nobody."""

Given = Mapping[str, Any]
"""The parameters that the command line already has."""

Offer = Callable[[Store, Given, str], list[CompletionItem]]


def listing_names(store: Store, given: Given, typed: str) -> list[CompletionItem]:
    """The listings of the named role; every listing if none is named."""
    role = given.get("role")
    return [
        CompletionItem(name, help=entry.call)
        for name, entry in sorted(listings().items())
        if name.startswith(typed) and (role is None or role in entry.roles)
    ]


def account_ids(store: Store, given: Given, typed: str) -> list[CompletionItem]:
    """The accounts of the organisation, by id or by the beginning of their name."""
    return _read(
        store,
        """
        select account_id, account_name from org.account
        where starts_with(account_id, $typed) or starts_with(lower(account_name), lower($typed))
        order by account_id limit $most
        """,
        {"typed": typed},
    )


def regions(store: Store, given: Given, typed: str) -> list[CompletionItem]:
    """The regions of the named account's cells; every region if no account is named."""
    return _read(
        store,
        """
        select region, count(*)::varchar || ' cells' from audit.coverage
        where starts_with(region, $typed) and $account in ('', account_id)
        group by region order by region limit $most
        """,
        {"typed": typed, "account": str(given.get("account") or "")},
    )


def cell_listings(store: Store, given: Given, typed: str) -> list[CompletionItem]:
    """The listings of the cells in the named account and region with their outcomes, the untrusted first."""
    return _read(
        store,
        """
        select listing, outcome from audit.coverage
        where account_id = $account and region = $region and starts_with(listing, $typed)
        order by is_trusted, listing limit $most
        """,
        {"typed": typed, "account": str(given.get("account") or ""), "region": str(given.get("region") or "")},
    )


def subjects(store: Store, given: Given, typed: str) -> list[CompletionItem]:
    """The arguments of `cmdb explain`: an ARN or an account, then a region of that account, then a listing."""
    match tuple(given.get("subject") or ()):
        case ():
            return arns(store, given, typed) if typed.startswith("arn:") else account_ids(store, given, typed)
        case (account,):
            return regions(store, {"account": account}, typed)
        case (account, region):
            return cell_listings(store, {"account": account, "region": region}, typed)
        case _:
            return []


def arns(store: Store, given: Given, typed: str) -> list[CompletionItem]:
    """The configuration items, by the beginning of their ARN."""
    return _read(
        store,
        "select arn, name from cmdb.resource where starts_with(arn, $typed) order by arn limit $most",
        {"typed": typed},
    )


def versions(store: Store, given: Given, typed: str) -> list[CompletionItem]:
    """The published versions that are kept."""
    return [
        CompletionItem(kept.name, help="current" if kept.is_current else moment(kept.published_at))
        for kept in store.versions()
        if kept.name.startswith(typed)
    ]


OFFERS: Mapping[str, Offer] = {
    "listing": listing_names,
    "account": account_ids,
    "region": regions,
    "cell": cell_listings,
    "subject": subjects,
    "version": versions,
}
"""The completions, by their name in the command line."""


def _read(store: Store, query: str, parameters: Given) -> list[CompletionItem]:
    try:
        with store.published() as connection:
            rows = connection.execute(query, {**parameters, "most": OFFERED}).fetchall()
    except WarehouseError:
        return []
    # Anyone may name a resource: the shell would read a line break in the name as a completion of its own.
    return [
        CompletionItem(str(value), help=plain(" ".join(str(about or "").split())))
        for value, about in rows
        # A value with control characters is not safe in a shell.
        if str(value) == plain(value)
    ]
