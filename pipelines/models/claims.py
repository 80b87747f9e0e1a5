"""What the figures of each table rest on, generated: `audit.claim_listing`, and with it `audit.listing`.

A table of org, aws, cost or cmdb makes a claim: by its rows, and by those that it has not. The claim rests on every
listing that the table reads, however far away, and on their parents. That is found in the queries. Of the
bill only those cuts count that a query reads: `slice = 'service'` or `starts_with(slice, 'tag:')` beside a table that
holds all of them. A header says only what differs, with the reason:

    rests_on: without=s3_bucket_content because what is not known is NULL there
    rests_on: slices=service because only its days are read
    rests_on: with=workload because its coverage counts every listing of the accounts
    rests_on: nothing because it says itself what is unknown

without     listings that the claim does not rest on, although the query reads them; nor does what reads the table.
slices      cuts of the bill that it rests on, where the query does not say so itself.
with        a role, all of whose listings it rests on beside those that the query reads.
nothing     the table claims nothing.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pipelines.catalogue.names import ACCOUNT, COST_DAILY, EXPLORER, METRIC, REGION
from pipelines.catalogue.registry import listings
from pipelines.collection.seeds import cost_dimensions
from pipelines.errors import SqlFileError
from pipelines.models.sources import WHOLE_BILL
from pipelines.models.sql_files import Header, reads
from resources.aws.listing import Listing
from resources.contract import ROLES
from resources.store.sql import literal

ENTRY = "rests_on"
"""The header's entry that states where a claim differs from what its query reads."""

BECAUSE = " because "

CLAIMING = ("org", "aws", "cost", "cmdb")
"""The schemas whose tables people read as statements."""

SCHEMA = "audit"

Listed = tuple[str, str]
"""A listing, and which part of it; the part is empty where it has none."""


class Claiming(Protocol):
    """What is read here of a model."""

    @property
    def schema(self) -> str:
        """The schema of the relation."""

    @property
    def sql(self) -> str:
        """The query."""

    @property
    def header(self) -> Header:
        """The comment that opens the file."""

    @property
    def uses(self) -> frozenset[str]:
        """The relations that the query reads."""

    @property
    def listings(self) -> tuple[str, ...]:
        """The listings that the query reads of the landing."""

    @property
    def place(self) -> str:
        """The file that the query is written in."""


@dataclass(frozen=True)
class Scope:
    """What a claim rests on.

    Attributes:
        rests_on: listings with their parts.
        left_out: those that it does not rest on although its query, or that of a model that it reads, reads them, with
            the reason.
    """

    rests_on: frozenset[Listed]
    left_out: Mapping[Listed, str]


def scopes(models: Mapping[str, Claiming]) -> dict[str, Scope]:
    """What every model rests on, by relation.

    Raises:
        SqlFileError: a header's line is none, or names what the query does not read.
    """
    found: dict[str, Scope] = {}

    def of(name: str) -> Scope:
        if name not in found:
            model = models[name]
            # A table that remembers reads itself.
            found[name] = Scope(frozenset(), {})
            read: set[Listed] = {
                (listing, part) for listing in _with_parents(model.listings) for part in parts(listing)
            }
            own_slices = reads(model.sql).slices if model.uses & WHOLE_BILL else frozenset()
            passed_on: dict[Listed, str] = {}
            for used in sorted(model.uses & models.keys()):
                rests_on = of(used).rests_on
                if used in WHOLE_BILL and own_slices:
                    rests_on = frozenset(
                        (listing, part) for listing, part in rests_on if listing != COST_DAILY or part in own_slices
                    )
                read |= rests_on
                passed_on = {**of(used).left_out, **passed_on}
            found[name] = _with_passed_on(_narrowed(model, read), passed_on)
        return found[name]

    for name in models:
        of(name)
    return found


@functools.cache
def parts(listing: str) -> tuple[str, ...]:
    """The parts of a listing that are claimed apart: of the bill its cuts, all tags in one; else one without a name."""
    return tuple(dimension.slice for dimension in cost_dimensions()) if listing == COST_DAILY else ("",)


def _with_parents(names: tuple[str, ...]) -> set[str]:
    """The listings, their parents, and the accounts and regions where all of them are requested."""
    known = listings()
    wanted, found = set(names), set[str]()
    while wanted:
        name = wanted.pop()
        found.add(name)
        each = known[name].each
        own = set(each.of) if each is not None else set()
        if "workload" in known[name].roles:
            own |= {ACCOUNT, REGION} if known[name].scope == "regional" else {ACCOUNT}
        wanted |= own - found
    return found


def _with_passed_on(scope: Scope, left_out: Mapping[Listed, str]) -> Scope:
    """A scope that says too what the models below leave out: their columns show it here as well.

    Of a listing of which it rests on any part, it says itself which parts those are.
    """
    rests_on = {listing for listing, _ in scope.rests_on}
    below = {entry: why for entry, why in left_out.items() if entry[0] not in rests_on}
    return Scope(scope.rests_on, {**below, **scope.left_out})


def _narrowed(model: Claiming, read: set[Listed]) -> Scope:
    said = model.header.entries.get(ENTRY)
    if said is None:
        return Scope(frozenset(read), {})

    def wrong(what: str) -> SqlFileError:
        return SqlFileError(f"{model.place}: {ENTRY}: {what}")

    words, because, reason = said.partition(BECAUSE)
    if not because or not reason.strip():
        raise wrong("it gives no reason; write `because` and why the claim does not rest on what the query reads.")
    if words.strip() == "nothing":
        return Scope(frozenset(), dict.fromkeys(sorted(read), reason.strip()))
    word, _, value = words.partition("=")
    named = {part.strip() for part in value.split(",") if part.strip()}
    if word == "with":
        asked = _with_parents(tuple(name for name, listing in listings().items() if named & set(listing.roles)))
        if not named or not named <= set(ROLES):
            raise wrong(f"with={value.strip()} names no role, or another thing too; write roles of the contract.")
        return Scope(frozenset(read | {(listing, part) for listing in asked for part in parts(listing)}), {})
    if word == "without":
        out = {entry for entry in read if entry[0] in named}
        missing = named - {listing for listing, _ in out}
    elif word == "slices":
        out = {(listing, part) for listing, part in read if listing == COST_DAILY and part not in named}
        missing = named - {part for listing, part in read if listing == COST_DAILY}
    else:
        raise wrong(f"{word.strip()} is unknown; write without=, slices=, with= or nothing.")
    if missing or not named:
        raise wrong(f"{word}={', '.join(sorted(missing))} names nothing that the query reads.")
    return Scope(frozenset(read - out), dict.fromkeys(sorted(out), reason.strip()))


def claim_listing(models: Mapping[str, Claiming]) -> str:
    """The query of `audit.claim_listing` with its header; empty where no model claims anything."""
    rows = [
        (name, listing, part, because)
        for name, scope in sorted(scopes(models).items())
        if models[name].schema in CLAIMING
        for listing, part, because in sorted(
            [(*entry, "") for entry in scope.rests_on] + [(*entry, why) for entry, why in scope.left_out.items()]
        )
    ]
    values = ",\n".join(f"    ({', '.join(map(literal, row))})" for row in rows)
    return f"{CLAIM_LISTING}{values}\n) as rested (claim, listing, part, left_out_because)\n" if rows else ""


def catalogue() -> str:
    """The query of `audit.listing` with its header."""
    values = ",\n".join(
        f"    ({literal(name)}, {_list(listing.roles)}, {'true' if _is_in_every_region(listing) else 'false'}, "
        f"{_list(listing.each.of if listing.each is not None else ())}, "
        f"{'false' if _is_of_some_parents(listing) else 'true'}, {listing.every})"
        for name, listing in sorted(listings().items())
    )
    return f"{LISTING}{values}\n) as known (listing, roles, is_regional, parents, is_of_every_parent, every_nights)\n"


def _is_in_every_region(listing: Listing) -> bool:
    """Whether it is requested in every region of an account: a view of Resource Explorer is in one."""
    return listing.scope == "regional" and listing.name != EXPLORER


def _is_of_some_parents(listing: Listing) -> bool:
    """Whether some records of its parents are none: CloudWatch has metrics only of what a rule could judge by them."""
    return listing.name == METRIC or (listing.each is not None and bool(listing.each.where))


def _list(values: tuple[str, ...]) -> str:
    return f"[{', '.join(map(literal, values))}]::varchar[]"


CLAIM_LISTING = """\
-- What the figures of each table and view of org, aws, cost and cmdb rest on: one row per table and listing that its
-- query reads, however far away. Generated from the queries; their headers say only what is left out. How much of it
-- is known is audit.claim.
-- key: claim, listing, part
-- claim: The table or view, such as cmdb.finding_open_rule.
-- listing: A listing of AWS that it rests on.
-- part: Of cost_daily the kind of slice, such as service or tag; else empty.
-- left_out_because: Why the claim does not rest on it, although the query reads it; NULL where it does.
select
    claim,
    listing,
    part,
    nullif(left_out_because, '') as left_out_because
from (
    values
"""

LISTING = """\
-- Every listing of AWS that is collected: which roles request it, and where. Generated from pipelines/catalogue.
-- key: listing
-- listing: Name of the listing.
-- roles: Roles of the contract that request it: workload in every account, the others in one account each.
-- is_regional: Whether it is requested in every region of an account.
-- parents: Listings whose records are its parameters, one request each; empty where it has no parent.
-- is_of_every_parent: Whether it is requested for every record of its parents; false where only some count, such as
--    manual snapshots.
-- every_nights: Nights between two requests of a cell; 1 where every run requests it. An empty cell of the others has
--    14 or more. Between them its rows are as they were, not stale, and say when they were collected.
select
    listing,
    roles,
    is_regional,
    parents,
    is_of_every_parent,
    every_nights
from (
    values
"""
