"""Listings that are asked once for each of something: values of an enum, records of parents, and nothing at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import central
import pytest
from botocore_models import operation_model
from given import FIRST_NIGHT, Given, House, hours, house
from scripted_aws import Call, Reply, ScriptedAws, as_json, json_error, scripted, static, write_profiles

from pipelines.catalogue.registry import listings
from pipelines.settings import read_settings
from pipelines.trust.listing_rule import listing_check
from pipelines.trust.publish_rules import freshness_check
from resources.audit.coverage import by_listing, coverage
from resources.aws.client import AwsClient
from resources.aws.errors import Failed
from resources.aws.listing import Each, Listing
from resources.aws.records import Pages
from resources.aws.retry import Retry

ACCOUNT = "000000000001"
SCP = "SERVICE_CONTROL_POLICY"
CATALOGUE = listings()
TYPES, POLICY, CONTENT, TARGET, ADMINISTRATOR, SERVICE, RESOURCE_POLICY = (
    CATALOGUE[f"organizations_{name}"]
    for name in (
        "root_policy_type",
        "policy",
        "policy_content",
        "policy_target",
        "delegated_administrator",
        "delegated_service",
        "resource_policy",
    )
)


class Organisation:
    """What Organizations answers: policies by type, whose types are in use, and what is refused or broken."""

    def __init__(self) -> None:
        self.in_use = [SCP]
        self.policies: dict[str, list[str]] = {SCP: ["p-1"]}
        self.errors: dict[str, str] = {}
        self.administrators: list[str] = []
        self.document: str | None = None
        self.trail: Callable[[Call], Reply] = lambda _: as_json({"Events": []})

    def __call__(self, call: Call) -> Reply | None:
        if call.service == "sts":
            return None
        if call.service == "cloudtrail":
            return self.trail(call)
        wanted = str(call.parameters.get("Filter") or call.parameters.get("PolicyId") or call.operation)
        if code := self.errors.get(wanted) or self.errors.get(call.operation):
            return json_error(code)
        answer: dict[str, Any] = {}
        match call.operation:
            case "ListRoots":
                kinds = [{"Type": kind, "Status": "ENABLED"} for kind in self.in_use]
                answer = {"Roots": [{"Id": "r-1", "Name": "Root", "PolicyTypes": kinds}]}
            case "ListPolicies":
                answer = {"Policies": [summary(name, wanted) for name in self.policies.get(wanted, [])]}
            case "DescribePolicy":
                answer = {"Policy": {"PolicySummary": summary(wanted, SCP), "Content": "{}"}}
            case "ListTargetsForPolicy":
                answer = {"Targets": []}
            case "ListDelegatedAdministrators":
                answer = {"DelegatedAdministrators": [{"Id": a, "Arn": arn(a)} for a in self.administrators]}
            case "ListDelegatedServicesForAccount":
                answer = {"DelegatedServices": [{"ServicePrincipal": "sso.amazonaws.com"}]}
            case "DescribeResourcePolicy":
                if self.document is None:
                    return json_error("ResourcePolicyNotFoundException")
                summary_of_policy = {"Id": "rp-1", "Arn": arn("rp")}
                answer = {"ResourcePolicy": {"ResourcePolicySummary": summary_of_policy, "Content": self.document}}
        return as_json(answer)


def arn(name: str, owner: str = ACCOUNT) -> str:
    return f"arn:aws:organizations::{owner}:thing/o-1/{name}"


def summary(name: str, kind: str) -> dict[str, Any]:
    return {"Id": name, "Arn": arn(name), "Name": name, "Type": kind, "AwsManaged": False}


@pytest.fixture
def world() -> Organisation:
    return Organisation()


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: Organisation) -> Iterator[ScriptedAws]:
    monkeypatch.setenv("HOME", str(tmp_path))
    with scripted(tmp_path, monkeypatch) as server:
        write_profiles(tmp_path, server.url, {"one": static(ACCOUNT)})
        server.script = world
        world.trail = server.trail
        yield server


@pytest.fixture
def home(tmp_path: Path, aws: ScriptedAws) -> Iterator[House]:
    with house(tmp_path) as made:
        yield made


def collect(home: House, run_id: str, *asked: Listing) -> dict[str, tuple[str, str | None]]:
    """One step of these listings: the outcome and the reason of each cell that it stored."""
    return central.collect(home, run_id, asked, profile="one", retry=Retry(0.2, 1, 0.01, 0.01))


def verdict(home: House, listing: Listing) -> bool:
    """Whether publishing accepts a listing: models may be built from it, and it is fresh."""
    with home.store.read() as connection:
        cells = by_listing(coverage(connection, [listing.name])).get(listing.name, [])
    settings = read_settings({})
    may_build = not listing_check(listing.name, cells, settings.untrusted_tolerance).blocks
    now = max((cell.ended_at for cell in cells), default=FIRST_NIGHT)
    is_fresh = not freshness_check(listing.name, cells, now=now).blocks
    return may_build and is_fresh


# -------------------------------------------------------------------------------------------------- an enum


def test_an_enum_is_read_from_botocores_model_and_nobody_is_requested(aws: ScriptedAws) -> None:
    reach = AwsClient("management", home_region="us-east-1")
    values = reach.enum_values("organizations", "PolicyType")
    assert {SCP, "TAG_POLICY", "RESOURCE_CONTROL_POLICY"} <= set(values)
    assert len(values) >= 15
    assert aws.log == []


@pytest.mark.parametrize(("service", "shape"), [("organisations", "PolicyType"), ("organizations", "PolicyTypo")])
def test_an_enum_that_does_not_exist_is_a_mistake(aws: ScriptedAws, service: str, shape: str) -> None:
    with pytest.raises(ValueError, match="botocore knows no"):
        AwsClient("management", home_region="us-east-1").enum_values(service, shape)


def test_policies_are_requested_once_for_every_type_that_there_is(home: House, aws: ScriptedAws) -> None:
    cells = collect(home, "night-1", TYPES, POLICY)
    types = AwsClient("management", home_region="us-east-1").enum_values("organizations", "PolicyType")
    asked = [call.parameters["Filter"] for call in aws.operations("organizations") if call.operation == "ListPolicies"]
    assert sorted(asked) == sorted(types)
    assert {name for name in cells if ":" in name} == {f"organizations_policy:{name}" for name in types}


def test_a_type_is_found_empty_or_not_enabled_and_each_says_so(home: House, world: Organisation) -> None:
    world.in_use = [SCP, "TAG_POLICY"]
    world.errors["BACKUP_POLICY"] = "PolicyTypeNotEnabledException"
    cells = collect(home, "night-1", TYPES, POLICY)
    assert cells[f"organizations_policy:{SCP}"] == ("found", None)
    assert cells["organizations_policy:TAG_POLICY"] == ("empty_verified", None)
    # Whether AWS says it by its exception or by an empty list.
    assert cells["organizations_policy:BACKUP_POLICY"] == ("skipped", "policy_type_not_enabled")
    assert cells["organizations_policy:CHATBOT_POLICY"] == ("skipped", "policy_type_not_enabled")
    assert verdict(home, POLICY)


def test_no_service_control_policy_is_impossible_where_they_are_enabled(home: House, world: Organisation) -> None:
    world.policies = {}
    assert collect(home, "night-1", TYPES, POLICY)[f"organizations_policy:{SCP}"] == ("empty_suspect", None)
    assert not verdict(home, POLICY)
    world.in_use = []
    cells = collect(home, "night-2", TYPES, POLICY)
    assert cells["organizations_root_policy_type"] == ("empty_verified", None)
    assert set(cells.values()) == {("empty_verified", None), ("skipped", "policy_type_not_enabled")}
    assert verdict(home, POLICY)


def test_an_empty_response_retires_nothing_while_nobody_knows_which_types_are_enabled(
    home: House, world: Organisation
) -> None:
    world.policies = {}
    world.errors["ListRoots"] = "AccessDeniedException"
    cells = collect(home, "night-1", TYPES, POLICY)
    assert cells["organizations_root_policy_type"][0] == "denied"
    assert cells[f"organizations_policy:{SCP}"] == ("empty_suspect", None)
    assert "skipped" not in {outcome for outcome, _ in cells.values()}


def test_the_sense_of_a_zero_may_differ_by_parameter() -> None:
    assert POLICY.empty_policy(SCP) == "impossible"
    assert POLICY.empty_policy("TAG_POLICY") == POLICY.empty_policy("") == "ordinary"


def test_one_type_that_fails_loses_no_other(home: House, world: Organisation) -> None:
    world.in_use = [SCP, "TAG_POLICY"]
    world.policies = {SCP: ["p-1"], "TAG_POLICY": ["p-2"]}
    first = collect(home, "night-1", TYPES, POLICY, CONTENT, TARGET)
    assert first["organizations_policy_content:p-2"] == ("found", None)
    home.build("org.policy")
    world.errors["TAG_POLICY"] = "AccessDeniedException"
    world.policies[SCP] = ["p-1", "p-3"]
    cells = collect(home, "night-2", TYPES, POLICY, CONTENT, TARGET)
    assert cells["organizations_policy:TAG_POLICY"][0] == "denied"
    assert cells[f"organizations_policy:{SCP}"] == ("found", None)
    assert cells["organizations_policy_content:p-3"] == ("found", None)
    assert cells["organizations_policy_content:p-2"] == ("skipped", "no_longer_asked")
    # The gate stops the schema for the night, and even what is built in spite of it has every policy.
    assert not verdict(home, POLICY)
    home.build("org.policy")
    assert home.rows("select policy_id, is_stale from org.policy order by all") == [
        {"policy_id": "p-1", "is_stale": False},
        {"policy_id": "p-2", "is_stale": True},
        {"policy_id": "p-3", "is_stale": False},
    ]
    del world.errors["TAG_POLICY"]
    world.policies["TAG_POLICY"] = []
    cells = collect(home, "night-3", TYPES, POLICY, CONTENT, TARGET)
    assert cells["organizations_policy_content:p-2"] == ("skipped", "parent_gone")
    home.build("org.policy")
    assert [row["policy_id"] for row in home.rows("select policy_id from org.policy order by all")] == ["p-1", "p-3"]


def test_a_type_that_was_disabled_takes_its_policies_with_it(home: House, world: Organisation) -> None:
    world.in_use = [SCP, "TAG_POLICY"]
    world.policies = {SCP: ["p-1"], "TAG_POLICY": ["p-2"]}
    collect(home, "night-1", TYPES, POLICY, CONTENT, TARGET)
    home.build("org.policy")
    world.in_use, world.policies = [SCP], {SCP: ["p-1"]}
    cells = collect(home, "night-2", TYPES, POLICY, CONTENT, TARGET)
    assert cells["organizations_policy_content:p-2"] == ("skipped", "parent_gone")
    home.build("org.policy")
    assert home.rows("select policy_id, is_stale from org.policy") == [{"policy_id": "p-1", "is_stale": False}]
    assert [row["policy_id"] for row in home.rows("select policy_id from stage.organizations_policy_content")] == [
        "p-1"
    ]


# ------------------------------------------------------------------------------------------ nothing to ask for


def test_parents_that_are_trusted_and_have_no_records_leave_nothing_to_request_and_the_cell_says_so(
    home: House,
) -> None:
    cells = collect(home, "night-1", ADMINISTRATOR, SERVICE)
    assert cells == {ADMINISTRATOR.name: ("empty_verified", None), SERVICE.name: ("skipped", "no_parents")}
    assert verdict(home, SERVICE)


def test_a_listing_that_was_never_requested_fails(home: House) -> None:
    collect(home, "night-1", ADMINISTRATOR)
    assert not verdict(home, SERVICE)


def test_parents_that_are_not_trusted_leave_unknown_what_to_request(home: House, world: Organisation) -> None:
    world.errors["ListDelegatedAdministrators"] = "AccessDeniedException"
    cells = collect(home, "night-1", ADMINISTRATOR, SERVICE)
    assert cells[SERVICE.name] == ("skipped", "parents_unknown")
    assert not verdict(home, SERVICE)
    del world.errors["ListDelegatedAdministrators"]
    assert collect(home, "night-2", ADMINISTRATOR, SERVICE)[SERVICE.name] == ("skipped", "no_parents")
    assert verdict(home, SERVICE)


def test_a_listing_alone_takes_its_parents_as_they_stand_in_the_warehouse(home: House, world: Organisation) -> None:
    collect(home, "night-1", ADMINISTRATOR)
    assert collect(home, "night-2", SERVICE) == {SERVICE.name: ("skipped", "no_parents")}
    world.administrators = ["000000000002"]
    collect(home, "night-3", ADMINISTRATOR)
    assert collect(home, "night-4", SERVICE) == {f"{SERVICE.name}:000000000002": ("found", None)}


def test_the_last_parent_that_goes_takes_its_records_and_blocks_nothing(home: House, world: Organisation) -> None:
    world.administrators = ["000000000002"]
    collect(home, "night-1", ADMINISTRATOR, SERVICE)
    home.build("org.delegated_administrator")
    assert len(home.rows("select * from org.delegated_administrator")) == 1
    world.administrators = []
    cells = collect(home, "night-2", ADMINISTRATOR, SERVICE)
    assert cells[f"{SERVICE.name}:000000000002"] == ("skipped", "parent_gone")
    assert cells[SERVICE.name] == ("skipped", "no_parents")
    assert verdict(home, SERVICE)
    home.build("org.delegated_administrator")
    assert home.rows("select * from org.delegated_administrator") == []
    world.administrators = ["000000000003"]
    collect(home, "night-3", ADMINISTRATOR, SERVICE)
    assert verdict(home, SERVICE)


def test_a_listing_of_what_needs_a_parent_is_requested_once_where_there_is_any(
    home: House, world: Organisation
) -> None:
    """Its response is about all parents of the place, so a second one makes no second request."""
    listing = replace(RESOURCE_POLICY, each=Each("", of=(ADMINISTRATOR.name,), field="Id"))
    world.document = "{}"
    assert collect(home, "night-1", ADMINISTRATOR, listing)[listing.name] == ("skipped", "no_parents")
    world.administrators = ["000000000002", "000000000003"]
    cells = collect(home, "night-2", ADMINISTRATOR, listing)
    assert cells == {ADMINISTRATOR.name: ("found", None), listing.name: ("found", None)}
    world.administrators = []
    assert collect(home, "night-3", ADMINISTRATOR, listing)[listing.name] == ("skipped", "no_parents")


def test_nothing_to_request_goes_on_to_what_would_be_requested_it(home: House, world: Organisation) -> None:
    world.in_use, world.policies = [], {}
    cells = collect(home, "night-1", TYPES, POLICY, CONTENT, TARGET)
    assert cells[CONTENT.name] == cells[TARGET.name] == ("skipped", "no_parents")
    assert all(verdict(home, listing) for listing in (POLICY, CONTENT, TARGET))


def test_a_parent_that_went_while_it_was_requested_is_gone_and_not_a_failure(home: House, world: Organisation) -> None:
    world.policies[SCP] = ["p-1", "p-2"]
    world.errors["p-2"] = "PolicyNotFoundException"
    cells = collect(home, "night-1", TYPES, POLICY, CONTENT, TARGET)
    assert cells["organizations_policy_content:p-2"] == ("skipped", "parent_gone")
    assert verdict(home, CONTENT)


# ------------------------------------------------------------------------------------------------ a structure


def test_an_organisation_without_a_resource_policy_says_so_and_an_earlier_one_goes(
    home: House, world: Organisation
) -> None:
    world.document = '{"Version": "2012-10-17"}'
    assert collect(home, "night-1", RESOURCE_POLICY) == {RESOURCE_POLICY.name: ("found", None)}
    home.build("org.delegation_policy")
    assert [row["document"] for row in home.rows("select document from org.delegation_policy")] == [world.document]
    world.document = None
    assert collect(home, "night-2", RESOURCE_POLICY) == {RESOURCE_POLICY.name: ("skipped", "no_resource_policy")}
    assert verdict(home, RESOURCE_POLICY)
    home.build("org.delegation_policy")
    assert home.rows("select * from org.delegation_policy") == []


@pytest.mark.parametrize("page", [{}, {"Policy": None}, {"Policy": []}, {"Policy": [{"Content": "{}"}]}])
def test_a_structure_that_is_missing_is_no_response(page: dict[str, Any]) -> None:
    pages = Pages(CONTENT, ACCOUNT, [].append)
    with pytest.raises(Failed) as failed:
        pages.take(page, operation_model("organizations", "DescribePolicy"), {})
    assert (failed.value.outcome, failed.value.code, pages.found) == ("failed", "UnreadableAnswer", 0)


@pytest.mark.parametrize(("owner", "outcome"), [(ACCOUNT, None), ("aws", None), ("000000000002", "wrong_account")])
def test_a_structure_is_one_record_and_names_its_owner_within(owner: str, outcome: str | None) -> None:
    kept: list[dict[str, Any]] = []
    record = {"PolicySummary": {"Arn": arn("p-1", owner)}, "Content": "{}"}
    pages = Pages(CONTENT, ACCOUNT, kept.append)
    if outcome is None:
        pages.take({"Policy": record}, operation_model("organizations", "DescribePolicy"), {})
        assert kept == [record]
    else:
        with pytest.raises(Failed) as failed:
            pages.take({"Policy": record}, operation_model("organizations", "DescribePolicy"), {})
        assert failed.value.outcome == outcome


# ------------------------------------------------------------------------------------------- rows that have to go


@pytest.mark.parametrize("reason", ["policy_type_not_enabled", "no_longer_asked"])
def test_only_a_reason_that_is_knowledge_removes_the_policies_of_a_type(home: House, reason: str) -> None:
    home.night("night-1", [Given("organizations_policy:TAG_POLICY", [summary("p-1", "TAG_POLICY")])])
    home.build("stage.organizations_policy")
    skipped = Given("organizations_policy:TAG_POLICY", outcome="skipped", skip_reason=reason)
    home.night("night-2", [skipped], FIRST_NIGHT + hours(24))
    home.build("stage.organizations_policy")
    stale = [row["is_stale"] for row in home.rows("select is_stale from stage.organizations_policy")]
    assert stale == ([] if reason == "policy_type_not_enabled" else [True])
