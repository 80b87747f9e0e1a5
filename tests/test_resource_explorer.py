"""What a view of Resource Explorer shows: a further source, which nobody takes for an inventory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from nights import copy_of, query
from steps import asked

from pipelines.catalogue.registry import listings
from pipelines.cli.command import InvalidRequest
from pipelines.cli.fetch import fetch_once
from pipelines.settings import SettingsError, read_settings
from pipelines.trust.role_resources import aws_roles
from resources.aws.messages import CUT_OFF, OPTIONAL_GRANT, Request
from simulator.client import Simulator

LISTING = listings()["explorer_resource"]
COVERAGE = (
    "select outcome, skip_reason, is_trusted, last_trusted_at is not null from audit.coverage "
    "where listing = 'explorer_resource' and account_id = $hub and region = $region"
)

Calls = list[dict[str, Any]]


def place(organisation: Simulator) -> tuple[str, str]:
    """Account and region of the view."""
    _, _, _, region, account, _ = organisation.env["CMDB_EXPLORER_VIEW"].split(":")
    return account, region


def calls_of(organisation: Simulator) -> Calls:
    return [call for call in organisation.log() if call["service"] == "resource-explorer-2"]


@contextmanager
def cell_of(organisation: Simulator, database: Path, listing: Any = LISTING, **settings: str) -> Iterator[Any]:
    """The one cell of a step of this listing alone."""
    organisation.clear_log()
    with asked(organisation, database, listing, **settings) as cells:
        (cell,) = cells
        yield cell


def test_the_view_is_read_whole_where_it_lies_and_nowhere_else(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    organisation.configure(page_sizes={"resource-explorer-2:ListResources": 1})
    shown = organisation.truth("search")["explorer_resources"]
    with cell_of(organisation, copy_of(truthful_night, tmp_path)) as cell:
        assert (cell.role, cell.account_id, cell.region) == ("operations", *place(organisation))
        assert (cell.outcome, cell.record_count) == ("found", len(shown))
        assert len(shown) > 2
    calls = calls_of(organisation)
    assert {call["operation"] for call in calls} == {"ListResources"}
    assert {call["region"] for call in calls} == {place(organisation)[1]}
    assert {call["parameters"]["ViewArn"] for call in calls} == {organisation.env["CMDB_EXPLORER_VIEW"]}
    # Each page has one record, and what the filter leaves out is on none.
    assert len(calls) == len(shown)
    # AWS sends no token where a page may have 1,000.
    assert {call["parameters"]["MaxResults"] < 1000 for call in calls} == {True}


def test_without_a_view_nothing_is_requested(organisation: Simulator, truthful_night: Path, tmp_path: Path) -> None:
    database = copy_of(truthful_night, tmp_path)
    with cell_of(organisation, database, CMDB_EXPLORER_VIEW="") as cell:
        assert (cell.outcome, cell.skip_reason, cell.region) == ("skipped", "not_requested", "aws-global")
    assert calls_of(organisation) == []


@pytest.mark.parametrize(
    "refusal",
    [
        pytest.param({}, id="the role has no grant"),
        pytest.param(
            {"action": "error", "code": "UnauthorizedException", "message": "Unauthorized", "status": 401},
            id="the view refuses the role",
        ),
    ],
)
def test_a_refusal_is_a_grant_that_nobody_gave_and_the_last_rows_stay(
    organisation: Simulator, truthful_night: Path, tmp_path: Path, refusal: dict[str, Any]
) -> None:
    if refusal:
        organisation.faults([{**refusal, "op": "ListResources"}])
    else:
        organisation.configure(refused_actions={"operations": ["resource-explorer-2:Search"]})
    database = copy_of(truthful_night, tmp_path)
    with cell_of(organisation, database) as cell:
        assert (cell.outcome, cell.skip_reason) == ("skipped", OPTIONAL_GRANT)
    assert len(calls_of(organisation)) == 1
    hub, region = place(organisation)
    rows = query(database, COVERAGE, {"hub": hub, "region": region}, of="working")
    assert rows == [("skipped", OPTIONAL_GRANT, False, True)]


def test_a_view_that_is_not_there_fails_and_is_no_zero(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    elsewhere = organisation.env["CMDB_EXPLORER_VIEW"].replace("view/organisation", "view/gone")
    with cell_of(organisation, copy_of(truthful_night, tmp_path), CMDB_EXPLORER_VIEW=elsewhere) as cell:
        assert (cell.outcome, cell.error_code) == ("failed", "ResourceNotFoundException")


@pytest.mark.parametrize(("action", "outcome"), [("empty", "empty_verified"), ("hidden_denial", "empty_suspect")])
def test_an_index_that_shows_nothing_any_more_is_requested_twice_and_held_against_the_trail(
    organisation: Simulator, truthful_night: Path, tmp_path: Path, action: str, outcome: str
) -> None:
    organisation.faults([{"action": action, "op": "ListResources"}])
    with cell_of(organisation, copy_of(truthful_night, tmp_path)) as cell:
        assert (cell.outcome, cell.attempt_count) == (outcome, 2)


def test_a_profile_of_another_account_is_a_wrong_account_and_nothing_is_requested(organisation: Simulator) -> None:
    settings = read_settings(organisation.env)
    resource = aws_roles(settings)["operations"]
    identity = resource.verify()
    assert identity is not None
    hub, region = place(organisation)
    other = organisation.truth()["reachable"][0]
    request = Request(identity.profile, other, region, LISTING, "operations", {"ViewArn": settings.explorer_view})
    organisation.clear_log()
    response = resource.client.fetch(request)
    assert (response.outcome, response.caller_account_id, response.records) == ("wrong_account", hub, [])
    assert calls_of(organisation) == []
    resource.close()


# ---------------------------------------------------------------------------------- where AWS may cut it off


def test_a_response_that_may_be_cut_is_read_account_by_account(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    truth = organisation.truth("search")
    shown = truth["explorer_resources"]
    cut = replace(LISTING, cut_at=len(shown))
    with cell_of(organisation, copy_of(truthful_night, tmp_path), cut) as cell:
        assert (cell.outcome, cell.record_count) == ("found", len(shown))
    filters = [call["parameters"]["Filters"]["FilterString"] for call in calls_of(organisation)]
    whole = LISTING.parameters["Filters"]["FilterString"]
    assert sorted(text for text in filters if text != whole) == sorted(
        f"accountid:{account['account_id']} {whole}" for account in truth["accounts"]
    )


def test_one_account_that_may_be_cut_is_unknown_and_no_part_of_it_counts(
    organisation: Simulator, truthful_night: Path, tmp_path: Path
) -> None:
    shown = organisation.truth("search")["explorer_resources"]
    first, other = sorted({row["account_id"] for row in shown})
    organisation.faults([{"action": "omit", "op": "ListResources", "item": other}])
    own = [row for row in shown if row["account_id"] == first]
    database = copy_of(truthful_night, tmp_path)
    with cell_of(organisation, database, replace(LISTING, cut_at=len(own))) as cell:
        assert (cell.outcome, cell.error_code, cell.record_count) == ("failed", CUT_OFF, 0)
        assert "may cut a response off" in (cell.error_message or "")
    hub, region = place(organisation)
    assert query(database, COVERAGE, {"hub": hub, "region": region}, of="working") == [("failed", None, False, True)]


def test_aws_names_the_limit_and_a_night_is_held_against_it() -> None:
    assert LISTING.cut_at == 1000 and LISTING.parameters["MaxResults"] < LISTING.cut_at


# ------------------------------------------------------------------------------------------ setting and command


@pytest.mark.parametrize(
    "arn",
    [
        "organisation",
        "arn:aws:resource-explorer-2:us-east-1:000000000042:index/1",
        "arn:aws:resource-explorer-2::000000000042:view/a/1",
        "arn:aws:resource-explorer-2:us-east-1:42:view/a/1",
        "arn:aws:resource-explorer-2:us-east-1:000000000042:view/a",
    ],
)
def test_what_is_no_view_is_refused_before_anything_is_sent(arn: str) -> None:
    with pytest.raises(SettingsError, match="CMDB_EXPLORER_VIEW"):
        read_settings({"CMDB_EXPLORER_VIEW": arn})
    for partition in ("aws", "aws-cn", "aws-us-gov"):
        good = f"arn:{partition}:resource-explorer-2:us-gov-west-1:000000000042:view/a-b/1-2"
        assert read_settings({"CMDB_EXPLORER_VIEW": good}).explorer_view == good


def test_the_command_asks_the_view_and_says_what_it_needs(organisation: Simulator, tmp_path: Path) -> None:
    environment = {**organisation.env, "CMDB_DATABASE": str(tmp_path / "x.duckdb")}
    shown, is_found = fetch_once(read_settings(environment), "operations", "explorer_resource", "", "", "")
    assert is_found and shown["request"]["region"] == place(organisation)[1]
    assert shown["request"]["parameters"]["ViewArn"] == organisation.env["CMDB_EXPLORER_VIEW"]
    without = read_settings({**environment, "CMDB_EXPLORER_VIEW": ""})
    with pytest.raises(InvalidRequest, match="CMDB_EXPLORER_VIEW"):
        fetch_once(without, "operations", "explorer_resource", "", "", "")
