"""What the tab key offers: names from the catalogue and from the published file; nothing where there is nothing.

Loads neither Dagster nor AWS: a shell waits for every answer.
"""

from collections.abc import Callable, Mapping
from typing import Any

from click.shell_completion import CompletionItem

from pipelines.catalogue.registry import listings
from pipelines.plain_text import plain
from resources.store.errors import WarehouseError
from resources.store.store import Store

OFFERED = 60
"""So many rows of the published file at most: more than a screen of them helps nobody."""

Given = Mapping[str, Any]
"""The parameters that stand on the line already."""

Offer = Callable[[Store, Given, str], list[CompletionItem]]


def listing_names(store: Store, given: Given, typed: str) -> list[CompletionItem]:
    """The listings that the named role asks; all where none is named."""
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
    """The regions in which the named account was asked; all where none is named."""
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
    """The listings that were asked in the named account and region, the untrusted first, and how each came out."""
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
    """What `cmdb explain` takes: an ARN or an account, then a region of the account, then a listing asked there."""
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
        CompletionItem(kept.name, help="current" if kept.is_current else f"{kept.published_at:%Y-%m-%d %H:%M} UTC")
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
"""What can be offered, by the name that the command line has for it."""


def _read(store: Store, query: str, parameters: Given) -> list[CompletionItem]:
    try:
        with store.published() as connection:
            rows = connection.execute(query, {**parameters, "most": OFFERED}).fetchall()
    except WarehouseError:
        return []
    # A name is its owner's words: a line break in it would be an offer of its own.
    return [
        CompletionItem(str(value), help=plain(" ".join(str(about or "").split())))
        for value, about in rows
        # What holds more than plain text is not for a shell.
        if str(value) == plain(value)
    ]
