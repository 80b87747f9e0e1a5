"""Whatever is refused, listing by listing: no table has other rows or figures without a claim that says unknown."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from given import CURRENCY, MANAGEMENT, WORKLOAD, Given, House, built_file, given_cells, house, member, models, rows
from test_claims import CLAIMING_NOTHING

from pipelines.catalogue.registry import listings
from pipelines.models import build as building
from pipelines.models import claims
from pipelines.models.sql_files import reads
from resources.audit.cells import renew_coverage
from resources.aws.listing import GLOBAL_REGION
from resources.store.engine import as_one

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import duckdb

    from pipelines.models.model import Model

MODELS = models()

SCOPES = claims.scopes(MODELS)

DERIVED = [name for name, model in MODELS.items() if model.schema in ("org", "cost", "cmdb")]

OTHER = "012345678902"

NO_FIGURE = ("cost_account_daily",)
"""What no figure is made of: the slices of the bill are compared with it."""

QUICK = ("ec2_security_group_rule", "ec2_region")
"""The listings that are refused in every run of the tests; all of them take too long."""


def answers() -> dict[tuple[str, str, str], Given]:
    """An answer with records of every listing, those of the cases, by listing with parameter, account and region."""
    found: dict[tuple[str, str, str], Given] = {}
    for given in given_cells():
        found.setdefault((given.listing, given.account_id, given.region), given)
    # Each account and region is known without the listing that happens to have an answer there.
    regions = sorted({given.region or "ap-southeast-2" for given in found.values()} - {GLOBAL_REGION})
    others = sorted({given.account_id for given in found.values()} - {"", MANAGEMENT, WORKLOAD})
    for given in (
        *(Given("ec2_region", [{"RegionName": name} for name in regions], account_id=own) for own in ("", *others)),
        Given("organizations_account", [member(account) for account in (MANAGEMENT, WORKLOAD, *others)]),
    ):
        found[given.listing, given.account_id, given.region] = given
    assert {given.name for given in found.values()} == listings().keys(), "a listing without a case"
    return found


Shown = dict[str, list[str]]

Places = dict[str, set[tuple[str, ...]]]
"""What is unknown of each of `CLAIMING_NOTHING`: finding or kind where it has one, account, and region."""

Gaps = set[tuple[str, ...]]
"""Table, listing with parameter, role, account and region of each cell that is unknown."""

ANEW = ("view", "full")
"""What a build makes anew, whatever stood there; all other tables keep rows of the builds before."""


class _Undone(Exception):
    """Ends a transaction that is not to be kept."""


@dataclass(frozen=True)
class Whole:
    """A warehouse of a night on which every listing was answered, and what its derived tables show.

    Attributes:
        connection: an open connection to its working file.
        gaps: its cells that are unknown, since no case has an answer of them, by table.
    """

    home: House
    connection: duckdb.DuckDBPyConnection
    shown: Shown
    places: Places
    gaps: Gaps


@dataclass(frozen=True)
class Rebuilt:
    """What the derived tables of a night show that may differ, and what of them is said to be unknown.

    Attributes:
        gaps: tables with a listing of which something is unknown.
        more: those of which more is unknown than on the whole night.
        unknown: how many cells are unknown, by table.
    """

    shown: Shown
    places: Places
    gaps: set[tuple[str, str]]
    more: set[tuple[str, str]]
    unknown: dict[str, int]


def rest_on(listing: str) -> list[Model]:
    """The models that may differ where a listing does: by its records, or by what is known of its cells."""
    changed: set[str] = set()
    for model in MODELS.values():
        seen = reads(model.sql).relations
        if listing in model.listings or any(name in changed or name.startswith("audit.") for name in seen):
            changed.add(model.relation)
            changed |= {log.relation for log in MODELS.values() if log.logs == model.relation}
    return [model for model in MODELS.values() if model.relation in changed]


def shown_by(connection: duckdb.DuckDBPyConnection, names: Iterable[str]) -> Shown:
    """The rows of tables, sorted."""
    return {name: sorted(map(repr, rows(connection, f"select * from {MODELS[name].quoted}"))) for name in names}


def places_of(connection: duckdb.DuckDBPyConnection) -> Places:
    """The places of which something is unknown."""
    found: Places = {}
    for name in CLAIMING_NOTHING:
        what = [column for column in ("finding", "kind") if column in MODELS[name].columns]
        unknown = rows(connection, f"select {', '.join((*what, 'account_id', 'region'))} from {MODELS[name].quoted}")
        found[name] = {tuple(map(str, row.values())) for row in unknown}
    return found


def lost(before: Places, after: Places) -> list[tuple[str, ...]]:
    """The places of which nothing is said any more, neither of them nor of their whole account."""
    return [
        (name, *place)
        for name, places in before.items()
        for place in places
        if not {place, (*place[:-1], GLOBAL_REGION)} & after[name]
    ]


def gaps_of(connection: duckdb.DuckDBPyConnection) -> Gaps:
    """The cells that are unknown."""
    found = rows(connection, "select claim, listing, role, account_id, region from audit.claim_gap")
    return {tuple(map(str, row.values())) for row in found}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    """A night on which every listing was answered."""
    with house(tmp_path_factory.mktemp("whole"), working=built_file()) as home:
        home.night("night-1", answers().values())
        home.build(*DERIVED, "audit.claim", "audit.claim_gap")
        with home.store.write() as connection:
            yield Whole(home, connection, shown_by(connection, DERIVED), places_of(connection), gaps_of(connection))


def without(whole: Whole, listing: str, *, is_refused: bool) -> Rebuilt:
    """The same night without the records of one listing: what rests on it is built as if it were the first time.

    Everything else stands as it was built. The transaction is rolled back.
    """
    connection, cells = whole.connection, "split_part(listing, ':', 1) = $listing"
    changed = rest_on(listing)
    with suppress(_Undone), as_one(connection):
        connection.execute(
            f"update audit.collection set outcome = 'denied', is_trusted = false, record_count = 0 where {cells}"
            if is_refused
            else f"delete from audit.collection where {cells}",
            {"listing": listing},
        )
        renew_coverage(connection)
        building.prepare(connection, CURRENCY)
        for model in changed:
            if model.materialized not in ANEW:
                connection.execute(f"delete from {model.quoted}")
        for model in changed:
            if model.materialized != "log":
                logs = [log for log in MODELS.values() if log.logs == model.relation]
                building.build(connection, whole.home.store, model, logs, own=whole.home.reference)
        shown = shown_by(connection, [model.relation for model in changed if model.relation in DERIVED])
        places, gaps = places_of(connection), gaps_of(connection)
        unknown = {row["claim"]: row["unknown"] for row in rows(connection, "select claim, unknown from audit.claim")}
        raise _Undone
    tables, more = ({(claim, entry.partition(":")[0]) for claim, entry, *_ in one} for one in (gaps, gaps - whole.gaps))
    return Rebuilt(shown, places, tables, more, unknown)


@pytest.mark.parametrize(
    "listing",
    [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.large]) for name in listings()],
)
@pytest.mark.parametrize(
    "is_refused", [True, pytest.param(False, marks=pytest.mark.large)], ids=["denied", "never asked"]
)
def test_no_table_is_another_without_saying_that_the_listing_is_unknown(
    whole: Whole, listing: str, is_refused: bool
) -> None:
    rebuilt = without(whole, listing, is_refused=is_refused)
    changed = [
        name for name, found in rebuilt.shown.items() if found != whole.shown[name] and name not in CLAIMING_NOTHING
    ]
    left_out = {name for name in DERIVED if any(listing == entry for entry, _ in SCOPES[name].left_out)}
    behind = {listing, *(each.of if (each := listings()[listing].each) is not None else ())}
    silent = [
        name for name in changed if not any((name, entry) in rebuilt.more for entry in behind) and name not in left_out
    ]
    assert silent == []
    # Without the list of accounts nobody knows of the places; that it is unknown is what each table says.
    assert listing == "organizations_account" or lost(whole.places, rebuilt.places) == []
    assert [name for name in changed if not rebuilt.unknown[name] and name not in left_out] == []
    if is_refused:
        resting = {name for name in DERIVED if any(listing == entry for entry, _ in SCOPES[name].rests_on)}
        assert {name for name in resting if (name, listing) not in rebuilt.gaps} == set()
        assert bool(resting | left_out) is (listing not in NO_FIGURE), "tables rest on what no table may, or none does"


def test_of_an_account_never_requested_every_table_about_accounts_says_unknown(tmp_path: Path) -> None:
    cells = answers()
    accounts = cells["organizations_account", "", ""]
    cells["organizations_account", "", ""] = Given("organizations_account", [*accounts.records, member(OTHER)])
    known = listings()
    with house(tmp_path) as home:
        home.night("night-1", cells.values())
        home.build("audit.claim_gap")
        gaps = home.rows(
            "select distinct claim, listing from audit.claim_gap where account_id = $account", {"account": OTHER}
        )
    asked = {name for name, entry in known.items() if "workload" in entry.roles and entry.each is None}
    assert {(row["claim"], row["listing"]) for row in gaps} == {
        (claim, name)
        for claim, scope in SCOPES.items()
        if MODELS[claim].schema in claims.CLAIMING
        for name, _ in scope.rests_on
        if name in asked
    }
