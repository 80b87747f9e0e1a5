"""No step builds upon evidence that does not allow it, whatever started the step; and every way of starting one works.

Each test launches on its own copy of a truthful night. The launched table is marked first: a mark that is still there
shows that nothing was built, a mark that has gone shows that something was. Old, foreign and untrusted evidence is made
by changing the stored rows; a wrong world by the simulated organisation's lies.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from chaos.live import (
    BAD_PREFLIGHTS,
    MARK,
    NEVER,
    SILENT,
    SILENTLY,
    STATES,
    TARGET,
    UNLISTED,
    World,
    readers,
)
from nights import copy_of, environment_of, fingerprint, night_environment, query

from pipelines.alerts import failure_sentence
from pipelines.catalogue.registry import FAMILIES
from pipelines.definitions import NIGHTLY, build_defs
from pipelines.models.model import read_models
from pipelines.settings import read_settings
from pipelines.trust.role_resources import aws_roles
from resources import roles
from resources.audit.cells import renew_coverage
from resources.aws import identity
from resources.roles import AwsRole, IdentityRefused, Workload
from resources.store.store import Store
from simulator.client import Simulator

pytestmark = pytest.mark.large

SIGN_IN = {"sts", "sso"}
"""The services that say who a profile is, and give it its credentials. Nothing else is asked before that."""


# ------------------------------------------------------------------------------------------------- the world


@pytest.fixture
def world(truthful_night: Path, tmp_path: Path, organisation: Simulator) -> World:
    """A truthful warehouse, its target marked, over an organisation that tells the truth."""
    database = copy_of(truthful_night, tmp_path)
    made = World(database, night_environment(organisation, database))
    made.mark()
    return made


AN_HOUR_OLD = "update audit.check_result set checked_at = checked_at - interval 61 minutes where scope = 'pre-flight'"


# ---------------------------------------------------------------------------------------- launches in process


@dataclass(frozen=True)
class Ended:
    """How a launch ended: whether everything succeeded, and the failed steps' sentences."""

    success: bool
    sentences: dict[str, str] = field(default_factory=dict)
    succeeded: frozenset[str] = frozenset()

    @property
    def said(self) -> str:
        """All sentences in one text."""
        return " ".join(self.sentences.values())


def ended(result: dg.ExecuteInProcessResult | dg.JobExecutionResult) -> Ended:
    """What a result says."""
    events = result.all_events
    return Ended(
        result.success,
        {str(event.step_key): failure_sentence(event) for event in events if event.is_step_failure},
        frozenset(str(event.step_key) for event in events if event.is_step_success),
    )


def key(name: str) -> dg.AssetKey:
    return dg.AssetKey(name.split("/"))


QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def from_job(
    world: World, job_name: str, names: Collection[str], checks: Collection[dg.AssetCheckKey] | None = None
) -> Ended:
    """A job with all but these assets and checks left out; all checks of the assets where none are given.

    Its instance is in memory: nothing here rests on earlier runs.
    """
    with environment_of(world.environment), dg.DagsterInstance.ephemeral() as instance:
        defs = build_defs(world.environment)
        job = defs.resolve_job_def(job_name) if job_name else defs.resolve_implicit_global_asset_job_def()
        selected = job.get_subset(
            asset_selection={key(name) for name in names},
            asset_check_selection=None if checks is None else set(checks),
        )
        result = selected.execute_in_process(instance=instance, raise_on_error=False, run_config=QUIET)
        if checks is not None:
            asked = {found.asset_check_key for found in result.get_asset_check_evaluations()}
            assert asked == (set(checks) if result.success else set())
        return ended(result)


def from_the_graph(world: World, names: Collection[str]) -> Ended:
    """The assets alone, as the UI's button on an asset launches them."""
    return from_job(world, "", names)


def from_the_night(world: World, names: Collection[str]) -> Ended:
    """The job of the night, with all but these assets left out."""
    return from_job(world, NIGHTLY, names)


def by_materialize(world: World, names: Collection[str]) -> Ended:
    """`dagster.materialize` with a selection, as a notebook or a test calls it."""
    with environment_of(world.environment), dg.DagsterInstance.ephemeral() as instance:
        defs = build_defs(world.environment)
        return ended(
            dg.materialize(
                [made for made in defs.assets or () if isinstance(made, dg.AssetsDefinition)],
                selection=[key(name) for name in names],
                resources=defs.resources,
                instance=instance,
                raise_on_error=False,
                run_config=QUIET,
            )
        )


def without_checks(world: World, names: Collection[str]) -> Ended:
    """The assets with every check deselected."""
    return from_job(world, "", names, checks=set())


def a_check_alone(world: World, names: Collection[str]) -> Ended:
    """Only the checks of the assets, as the UI's button on a check launches them."""
    graph = build_defs({}).resolve_asset_graph()
    checks = {check for name in names for check in graph.get(key(name)).check_keys}
    return from_job(world, "", [], checks=checks)


LAUNCHES: dict[str, Callable[[World, Collection[str]], Ended]] = {
    "one asset of the graph": from_the_graph,
    "one asset of the night": from_the_night,
    "the checks deselected": without_checks,
    "a check alone": a_check_alone,
    "materialize() in a program": by_materialize,
}


@pytest.mark.parametrize(("evidence", "said"), STATES.values(), ids=list(STATES))
def test_nothing_is_built_without_the_evidence_and_the_rule_says_why(world: World, evidence: str, said: str) -> None:
    world.change(evidence)
    before = world.state()

    for way, launch in LAUNCHES.items():
        how = launch(world, [TARGET])

        assert not how.success, way
        assert how.said.startswith("cmdb.resource was not built. "), way
        assert said in how.said, way
        assert how.said.endswith("Nothing was changed."), way
        assert world.state() == before, way
    assert world.is_marked


@pytest.mark.parametrize("launch", LAUNCHES.values(), ids=list(LAUNCHES))
def test_with_the_evidence_every_launch_builds(world: World, launch: Callable[[World, Collection[str]], Ended]) -> None:
    how = launch(world, [TARGET])

    assert how == Ended(True, {}, frozenset({"build_cmdb_resource"}))
    assert not world.is_marked


def test_with_the_evidence_publishing_publishes(world: World) -> None:
    before = fingerprint(world.database)

    assert from_the_graph(world, ["published"]).success
    assert fingerprint(world.database) != before
    assert query(world.database, f"select count(*) from cmdb.resource where name = '{MARK}'") == [(1,)]


# ------------------------------------------------------------------------------------------------ every step


def layers(names: Collection[str]) -> list[list[str]]:
    """Assets in groups of which none depends on another: launched together, each meets its own gate."""
    graph = build_defs({}).resolve_asset_graph()

    def depth(asset: dg.AssetKey) -> int:
        parents = graph.get(asset).parent_keys
        return 1 + max((depth(parent) for parent in parents), default=0)

    step_of = {k: made.op.name for made in graph.assets_defs for k in made.keys}
    found: dict[int, list[str]] = {}
    for step in {step_of[key(name)] for name in names}:
        together = sorted(k for k, owner in step_of.items() if owner == step)
        found.setdefault(max(depth(k) for k in together), []).extend("/".join(k.path) for k in together)
    return [sorted(layer) for _, layer in sorted(found.items())]


MODEL_NAMES = [name.replace(".", "/") for name in read_models()]
LANDINGS = [f"landing/{listing.name}" for family in FAMILIES for listing in family.listings]
AFTER_ACCOUNTS = [f"landing/{listing.name}" for family in FAMILIES if family.after for listing in family.listings]


def gated_by(state: str) -> set[str]:
    """The assets that a state of the evidence refuses."""
    if state in BAD_PREFLIGHTS:
        return {*MODEL_NAMES, *LANDINGS, "published"}
    if state == UNLISTED:
        return {*MODEL_NAMES, *AFTER_ACCOUNTS, "published"}
    return {*(name.replace(".", "/") for name in readers()), "published"}


@pytest.mark.parametrize(
    "state",
    ["no pre-flight was ever made", SILENTLY, UNLISTED],
)
def test_every_step_requests_the_evidence_itself(world: World, organisation: Simulator, state: str) -> None:
    evidence, said = STATES[state]
    world.change(evidence)
    before = world.state()
    organisation.clear_log()

    refused = gated_by(state)
    assert TARGET in refused
    for layer in layers(refused):
        how = from_the_graph(world, layer)
        assert how.succeeded == frozenset(), layer
        assert how.sentences, layer
        for step, sentence in how.sentences.items():
            assert said in sentence, step

    assert world.state() == before
    assert {call["service"] for call in organisation.log()} <= SIGN_IN


def test_what_does_not_read_the_silent_listing_is_built(world: World) -> None:
    world.change(SILENT)
    readers = gated_by(SILENTLY)

    for name in ("stage/account", "org/account"):
        assert name not in readers
        assert from_the_graph(world, [name]).success


def test_an_hour_old_pre_flight_lets_models_be_built_and_nothing_be_requested(
    world: World, organisation: Simulator
) -> None:
    world.change(AN_HOUR_OLD)
    organisation.clear_log()
    before = world.landed()

    how = from_the_graph(world, ["landing/ec2_instance"])

    assert "at most 1 h 0 min is allowed here" in how.said
    assert world.landed() == before
    assert {call["service"] for call in organisation.log()} <= SIGN_IN
    assert from_the_graph(world, [TARGET]).success


def test_a_young_pre_flight_lets_a_listing_be_requested_alone(world: World, organisation: Simulator) -> None:
    organisation.clear_log()

    assert from_the_graph(world, ["landing/cost_daily"]).success
    assert "ce" in {call["service"] for call in organisation.log()}


def test_the_evidence_is_requested_by_each_step_and_not_when_the_run_begins(world: World) -> None:
    defs = build_defs(world.environment)

    @dg.asset(key=["cmdb", "saboteur"], required_resource_keys={"warehouse"}, op_tags={"dagster/priority": "1000"})
    def saboteur(context) -> None:  # type: ignore[no-untyped-def]  # Dagster reads the annotation, which is text here
        store: Store = context.resources.warehouse.begin("a test")
        with store.transaction() as connection:
            connection.execute(SILENT)
            renew_coverage(connection)

    with environment_of(world.environment), dg.DagsterInstance.ephemeral() as instance:
        how = ended(
            dg.materialize(
                [saboteur, *(made for made in defs.assets or () if isinstance(made, dg.AssetsDefinition))],
                selection=[saboteur.key, key(TARGET)],
                resources=defs.resources,
                instance=instance,
                raise_on_error=False,
                run_config=QUIET,
            )
        )

    assert how.succeeded == {"cmdb__saboteur"}
    assert "ec2_instance: empty_suspect in account " in how.said
    assert world.is_marked


# ------------------------------------------------------------------------------------- launches in a wrong world

CARELESS = {"execution": {"config": {"step_dependency_config": {"require_upstream_step_success": False}}}}
"""Dagster's switch that starts a step although the one before it failed."""


def whole_night() -> dg.JobDefinition:
    """The night of this process's environment."""
    return build_defs(os.environ).resolve_job_def(NIGHTLY)


def night(
    world: World, instance: dg.DagsterInstance, run_config: Mapping[str, Any], again: str = ""
) -> tuple[str, Ended]:
    """The whole night with its own executor, or what failed of an earlier one again."""
    with dg.execute_job(
        dg.reconstructable(whole_night),
        instance=instance,
        run_config={**QUIET, **run_config},
        reexecution_options=dg.ReexecutionOptions.from_failure(again, instance) if again else None,
    ) as result:
        return result.run_id, ended(result)


@pytest.mark.parametrize("run_config", [{}, CARELESS], ids=["as it is", "failed steps are passed over"])
def test_a_run_whose_pre_flight_fails_changes_nothing(
    world: World, organisation: Simulator, run_config: Mapping[str, Any]
) -> None:
    organisation.lie("same_account_twice")
    organisation.clear_log()
    before = world.state()

    with environment_of(world.environment), dg.DagsterInstance.ephemeral() as instance:
        run_id, how = night(world, instance, run_config)
        _, again = night(world, instance, run_config, again=run_id)

    for tried in (how, again):
        assert tried.succeeded == frozenset()
        assert "accounts_are_distinct" in tried.said or "share" in tried.said or "same account" in tried.said
    assert world.state() == before
    asked = {(call["service"], call["operation"]) for call in organisation.log()}
    assert {pair for pair in asked if pair[0] not in SIGN_IN} <= {
        ("organizations", "DescribeOrganization"),
        ("organizations", "DescribeAccount"),
    }


def test_a_silent_zero_stops_its_readers_although_failed_steps_are_passed_over_and_run_again(
    world: World, organisation: Simulator
) -> None:
    organisation.lie("silent_zero")
    models = read_models()
    # What does not rest upon the silent listing is fresh, and may be; a view shows what is fresh where it is read.
    resting = {name for name in readers() if models[name].materialized != "view"}
    tables = world.tables("aws", "cmdb")
    before = {name: rows for name, rows in tables.items() if name in resting}
    assert {"aws.ec2_instance", "cmdb.resource"} < before.keys() < tables.keys()
    published = fingerprint(world.database)

    with environment_of(world.environment), dg.DagsterInstance.ephemeral() as instance:
        run_id, how = night(world, instance, CARELESS)
        _, again = night(world, instance, CARELESS, again=run_id)

    assert "build_org_account" in how.succeeded
    for tried in (how, again):
        assert "ec2_instance: empty_suspect in account " in tried.said
        assert not tried.succeeded & {"build_aws_ec2_instance", "build_cmdb_resource", "published"}
    after = {name: rows for name, rows in world.tables("aws", "cmdb").items() if name in resting}
    assert after == before
    assert fingerprint(world.database) == published
    assert world.is_marked


CHAIN = ["landing/ec2_region", "landing/ec2_instance", "aws/ec2_instance", "stage/observed_resource", TARGET]
"""From AWS to a configuration item, without a gap: Dagster orders only what it runs."""


def test_a_silent_zero_stops_its_readers_although_its_check_was_deselected(
    world: World, organisation: Simulator
) -> None:
    organisation.lie("silent_zero")
    before = world.tables("aws", "cmdb")
    unused = "select arn, account_id, region from cmdb.finding_unused_security_group"
    found = set(query(world.database, unused, of="working"))

    how = without_checks(world, CHAIN)
    later = without_checks(world, ["aws/ec2_instance"])

    assert how.succeeded == {"collect_region"}
    assert "ec2_instance: empty_suspect in account " in how.said
    assert "ec2_instance: empty_suspect in account " in later.said
    assert world.tables("aws", "cmdb") == before
    assert world.is_marked
    # What only views show, they judge by the refused response too: no group is unused where instances are unknown.
    still = set(query(world.database, unused, of="working"))
    unknown = query(
        world.database,
        "select account_id, region from cmdb.finding_unknown "
        "where finding = 'finding_unused_security_group' and listing = 'ec2_instance'",
        of="working",
    )
    assert still < found
    assert {(account, region) for _, account, region in found - still} <= set(unknown)


def test_with_its_checks_deselected_a_truthful_listing_is_collected_and_built_upon(world: World) -> None:
    assert without_checks(world, CHAIN).success
    assert not world.is_marked


def test_a_broken_rule_keeps_its_table_from_analysts_although_every_check_was_deselected(world: World) -> None:
    world.change("insert into cmdb.resource select * from cmdb.resource order by arn limit 1")
    before = fingerprint(world.database)

    how = without_checks(world, ["published"])

    assert how.said.startswith("Nothing was published. cmdb.resource: key_is_unique. ")
    assert fingerprint(world.database) == before


def test_the_checks_of_the_pre_flight_cannot_be_deselected(world: World) -> None:
    with pytest.raises(dg.DagsterInvalidSubsetError):
        without_checks(world, ["audit/caller_identity"])


def test_a_check_that_dagster_was_reported_has_passed_is_no_evidence(world: World) -> None:
    world.change(NEVER)
    before = world.state()
    with environment_of(world.environment), dg.DagsterInstance.ephemeral() as instance:
        defs = build_defs(world.environment)
        for check in defs.resolve_asset_graph().asset_check_keys:
            instance.report_runless_asset_event(
                dg.AssetCheckEvaluation(check_name=check.name, asset_key=check.asset_key, passed=True)
            )
        job = defs.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(
            instance=instance, asset_selection=[key(TARGET)], raise_on_error=False, run_config=QUIET
        )

    assert "No pre-flight is recorded." in ended(result).said
    assert world.state() == before


# ---------------------------------------------------------------------------------------- the roles themselves

ROLES = ("management", "operations", "billing", "workload")


def role_of(world: World, name: str, **settings: str) -> AwsRole:
    """A role as a program would use it that never heard of the pre-flight."""
    return aws_roles(read_settings({**world.environment, **settings}))[name]


def asked_of(organisation: Simulator) -> list[tuple[str, str]]:
    return [(call["service"], call["operation"]) for call in organisation.log()]


@pytest.mark.parametrize(
    ("role", "variable", "named"),
    [
        ("management", "AWS_BILLING_PROFILE", "AWS_MANAGEMENT_PROFILE"),
        ("operations", "AWS_MANAGEMENT_PROFILE", "AWS_OPERATIONS_PROFILE"),
        ("billing", "AWS_OPERATIONS_PROFILE", "AWS_BILLING_PROFILE"),
        ("workload", "AWS_BILLING_PROFILE", "AWS_OPERATIONS_PROFILE"),
    ],
)
def test_a_role_refuses_by_itself_where_two_profiles_reach_one_account(
    world: World, organisation: Simulator, role: str, variable: str, named: str
) -> None:
    nothing_expected = {"CMDB_OPERATIONS_ACCOUNT": "", "CMDB_BILLING_ACCOUNT": ""}
    resource = role_of(world, role, **nothing_expected, **{variable: world.environment[named]})
    organisation.clear_log()

    with pytest.raises(IdentityRefused, match=f"^{role} may not be used: .* Nothing was sent.$"):
        resource.client  # noqa: B018  # reading it is the use

    assert ("sts", "GetCallerIdentity") in asked_of(organisation)
    assert {service for service, _ in asked_of(organisation)} <= SIGN_IN
    resource.close()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_refuses_by_itself_where_a_profile_is_routed_to_another_account(
    world: World, organisation: Simulator, role: str
) -> None:
    organisation.lie("same_account_twice")
    organisation.clear_log()
    resource = role_of(world, role)

    with pytest.raises(IdentityRefused):
        resource.verify()

    assert {service for service, _ in asked_of(organisation)} <= SIGN_IN
    resource.close()


def test_workload_accounts_are_not_even_identified_before_the_central_ones_differ(
    world: World, organisation: Simulator
) -> None:
    organisation.lie("same_account_twice")
    organisation.clear_log()
    resource = role_of(world, "workload")
    assert isinstance(resource, Workload)

    with pytest.raises(IdentityRefused):
        resource.reached()

    identified = [pair for pair in asked_of(organisation) if pair == ("sts", "GetCallerIdentity")]
    assert len(identified) == 3
    resource.close()


@pytest.mark.parametrize("role", ROLES)
def test_a_role_that_was_verified_is_not_verified_again_for_five_minutes(
    world: World, organisation: Simulator, role: str
) -> None:
    resource = role_of(world, role)
    organisation.clear_log()

    first = resource.verify()
    sent = asked_of(organisation)
    assert sent.count(("sts", "GetCallerIdentity")) == 3
    assert resource.client.role == role
    assert resource.verify() == first
    assert asked_of(organisation) == sent
    resource.close()


def test_after_five_minutes_a_role_is_verified_again(
    world: World, organisation: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roles, "VERIFIED_FOR", timedelta(0))
    monkeypatch.setattr(identity, "IDENTITY_AGE", timedelta(0))
    resource = role_of(world, "billing")
    resource.verify()
    organisation.lie("same_account_twice")

    with pytest.raises(IdentityRefused):
        resource.client  # noqa: B018  # reading it is the use
    resource.close()


def test_the_role_records_who_everybody_was_although_the_run_holds_no_pre_flight(world: World) -> None:
    before = datetime.now(UTC)
    assert from_the_graph(world, ["landing/cost_daily"]).success

    newest = query(
        world.database,
        """
        select role, caller_account_id is not null, checked_at >= $before, config_hash
        from audit.caller_identity
        where run_id = (select arg_max(run_id, started_at) from audit.run)
        order by role
        """,
        {"before": before},
        of="working",
    )
    config = read_settings(world.environment).config_hash
    assert newest == [(role, True, True, config) for role in ("billing", "management", "operations")]


def test_the_role_records_whom_it_refused(world: World, organisation: Simulator) -> None:
    told = organisation.lie("same_account_twice")

    how = from_the_graph(world, ["landing/cost_daily"])

    assert "billing may not be used: " in how.said
    reached = query(
        world.database,
        """
        select role, caller_account_id from audit.caller_identity
        where run_id = (select arg_max(run_id, started_at) from audit.run) and role in ('management', 'operations')
        """,
        of="working",
    )
    assert set(reached) == {("management", told["account_id"]), ("operations", told["account_id"])}
