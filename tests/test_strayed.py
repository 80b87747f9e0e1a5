"""Answers of another account: what names its account is found out, and what does not is not trusted beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nights import copy_of, query
from steps import RUN, asked

from resources.audit.cells import Cell
from simulator.client import Simulator

HERE, OTHER_REGION = "us-east-1", "eu-west-1"
PLAIN = ("ec2_vpc", "ec2_subnet", "ec2_security_group", "ec2_network_interface", "ec2_address")
"""Listings whose records may be another account's and yet be right, as in a shared network."""

OWNED = ("ec2_volume", "rds_db_instance")


@pytest.fixture
def database(truthful_night: Path, tmp_path: Path) -> Path:
    return copy_of(truthful_night, tmp_path)


def of_account(cells: list[Cell], account: str, *listings: str) -> dict[tuple[str, str], str]:
    return {
        (cell.listing, cell.region): cell.outcome
        for cell in cells
        if cell.account_id == account and cell.listing in listings and cell.outcome != "skipped"
    }


def misroute(organisation: Simulator, **more: Any) -> tuple[str, str]:
    """An account whose questions another account answers, whatever STS says; and that other."""
    account, other = organisation.truth("governance")["reachable"][:2]
    rule = {"action": "misroute", "role": "workload", "account": account, "item": other, "exclude_services": ["sts"]}
    organisation.faults([rule | more])
    return account, other


def test_no_response_of_a_profile_that_responds_for_another_account_is_trusted(
    organisation: Simulator, database: Path
) -> None:
    account, other = misroute(organisation)
    with asked(organisation, database, *PLAIN, *OWNED) as cells:
        strayed = of_account(cells, account, *PLAIN, *OWNED)
        assert set(strayed.values()) == {"wrong_account"}
        assert len(strayed) > len(PLAIN) + len(OWNED)
        # The other account's own answers are what they are.
        assert "wrong_account" not in of_account(cells, other, *PLAIN, *OWNED).values()
    trusted = query(
        database,
        "select count(*) from audit.coverage where account_id = $account and run_id = $run and is_trusted",
        {"account": account, "run": RUN},
        of="working",
    )
    assert trusted == [(0,)]


def test_a_refusal_of_the_other_account_is_not_this_ones(organisation: Simulator, database: Path) -> None:
    account, other = misroute(organisation)
    organisation.faults(
        [
            {"action": "misroute", "role": "workload", "account": account, "item": other, "exclude_services": ["sts"]},
            {"action": "denied", "service": "ec2", "op": "DescribeVpcs", "account": other},
        ]
    )
    with asked(organisation, database, "ec2_vpc", *OWNED) as cells:
        assert set(of_account(cells, account, "ec2_vpc").values()) == {"wrong_account"}
        assert set(of_account(cells, other, "ec2_vpc").values()) == {"denied"}


def test_an_account_that_proves_itself_elsewhere_is_in_doubt_where_it_strayed_alone(
    organisation: Simulator, database: Path
) -> None:
    """One region's way leads elsewhere, such as by an endpoint of its own: the other regions are this account's."""
    account, _ = misroute(organisation, region=HERE)
    with asked(organisation, database, *PLAIN, *OWNED) as cells:
        strayed = of_account(cells, account, *PLAIN)
        found = {place: outcome for place, outcome in strayed.items() if outcome == "found"}
        assert {outcome for (_, region), outcome in strayed.items() if region == HERE} == {"wrong_account"}
        assert {region for _, region in found} >= {OTHER_REGION}


def test_what_a_step_before_found_out_counts_in_the_next(organisation: Simulator, database: Path) -> None:
    account, _ = misroute(organisation)
    with asked(organisation, database, *OWNED):
        pass
    with asked(organisation, database, *PLAIN) as cells:
        assert set(of_account(cells, account, *PLAIN).values()) == {"wrong_account"}


def test_what_a_step_before_has_proved_counts_in_the_next(organisation: Simulator, database: Path) -> None:
    """The wrong world: no listing of this step names its account, so that all of it would be in doubt."""
    account, _ = misroute(organisation, region=HERE)
    with asked(organisation, database, *OWNED):
        pass
    with asked(organisation, database, *PLAIN) as cells:
        outcomes = of_account(cells, account, *PLAIN)
        assert "found" in {outcome for (_, region), outcome in outcomes.items() if region == OTHER_REGION}
        assert {outcome for (_, region), outcome in outcomes.items() if region == HERE} == {"wrong_account"}
