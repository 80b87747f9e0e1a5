"""Whatever is refused, listing by listing: no table has other rows or figures without a claim that says unknown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from given import MANAGEMENT, WORKLOAD, Given, collected_file, given_cells, house, member, models

from pipelines.catalogue.registry import listings
from pipelines.models import claims

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MODELS = models()

SCOPES = claims.scopes(MODELS)

DERIVED = [name for name, model in MODELS.items() if model.schema in ("org", "cost", "cmdb")]

OTHER = "012345678902"

QUICK = "ec2_security_group_rule"
"""The listing that is refused in every run of the tests; all of them take too long."""


def answers() -> dict[tuple[str, str, str], Given]:
    """An answer with records of every listing, those of the cases, by listing with parameter, account and region."""
    found: dict[tuple[str, str, str], Given] = {}
    for given in given_cells():
        found.setdefault((given.listing, given.account_id, given.region), given)
    for given in (
        Given("ec2_region", [{"RegionName": "ap-southeast-2"}]),
        Given("organizations_account", [member(account) for account in (MANAGEMENT, WORKLOAD)]),
    ):
        found[given.listing, given.account_id, given.region] = given
    assert {given.name for given in found.values()} == listings().keys(), "a listing without a case"
    return found


Shown = dict[str, list[str]]


def built(folder: Path, cells: Mapping[Any, Given]) -> tuple[Shown, set[tuple[str, str]], dict[str, int]]:
    """Every derived table of a night, and of each what is unknown: the listings that are, and how many cells."""
    folder.mkdir()
    with house(folder, working=collected_file()) as home:
        home.night("night-1", cells.values())
        home.build(*DERIVED, "audit.claim", "audit.claim_gap")
        shown = {name: sorted(map(repr, home.rows(f"select * from {MODELS[name].quoted}"))) for name in DERIVED}
        gaps = home.rows("select distinct claim, split_part(listing, ':', 1) as listing from audit.claim_gap")
        unknown = home.rows("select claim, unknown from audit.claim")
    return (
        shown,
        {(row["claim"], row["listing"]) for row in gaps},
        {row["claim"]: row["unknown"] for row in unknown},
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """The derived tables of a night on which every listing was answered."""
    shown, _, _ = built(tmp_path_factory.mktemp("whole") / "made", answers())
    return shown


@pytest.mark.parametrize(
    "listing",
    [pytest.param(name, marks=[] if name == QUICK else [pytest.mark.large]) for name in listings()],
)
@pytest.mark.parametrize(
    "is_refused", [True, pytest.param(False, marks=pytest.mark.large)], ids=["denied", "never asked"]
)
def test_no_table_is_another_without_saying_that_the_listing_is_unknown(
    whole: Shown, tmp_path: Path, listing: str, is_refused: bool
) -> None:
    cells = {
        key: given if given.name != listing else Given(given.listing, (), "denied", given.account_id, given.region)
        for key, given in answers().items()
        if is_refused or given.name != listing
    }
    shown, gaps, unknown = built(tmp_path / "made", cells)
    changed = [name for name in DERIVED if shown[name] != whole[name] and name != "cmdb.finding_unknown"]
    left_out = {name for name in DERIVED if any(listing == entry for entry, _ in SCOPES[name].left_out)}
    behind = {listing, *(each.of if (each := listings()[listing].each) is not None else ())}
    silent = [name for name in changed if not any((name, entry) in gaps for entry in behind) and name not in left_out]
    assert silent == []
    assert [name for name in changed if not unknown[name] and name not in left_out] == []
    if is_refused:
        resting = {name for name in DERIVED if any(listing == entry for entry, _ in SCOPES[name].rests_on)}
        assert {name for name in resting if (name, listing) not in gaps} == set()
        assert resting | left_out, "no table rests on it"


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
