"""No step builds upon evidence that does not allow it, whatever started the step; and every way of starting one works.

Each test launches on its own copy of a truthful night. The launched table is marked first: a mark that is still there
shows that nothing was built, a mark that has gone shows that something was. Old, foreign and untrusted evidence is made
by changing the stored rows; a wrong world by the simulated organisation's lies.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from nights import (
    copy_of,
    environment_of,
    fingerprint,
    night_environment,
    query,
)

from pipelines.alerts import failure_sentence
from pipelines.catalogue import ACCOUNT, FAMILIES
from pipelines.definitions import NIGHTLY, build_defs
from pipelines.models import SCHEMAS, read_models
from pipelines.nightly import prepare_dagster_home
from resources.warehouse import Store
from simulator.client import Simulator

TARGET = "cmdb/resource"
"""What most launches ask for: it reads the workload accounts' instances, and through them everything before."""

INSTANCES = "ec2_instance"

MARK = "marked before the launch"

SIGN_IN = {"sts", "sso"}
"""The services that say who a profile is, and give it its credentials. Nothing else is asked before that."""


# ------------------------------------------------------------------------------------------------- the world


@dataclass
class World:
    """A warehouse of the test's own, and what leads a launch to it."""

    database: Path
    environment: dict[str, str]

    def change(self, sql: str) -> None:
        """Change stored evidence, as no product code would."""
        store = Store(self.database)
        with store.holding(f"test-{uuid.uuid4()}", "a test"), store.transaction() as connection:
            connection.execute(sql)

    def mark(self) -> None:
        """Write into the target what only a rebuild takes out again."""
        self.change(f"update cmdb.resource set name = '{MARK}' where arn = (select min(arn) from cmdb.resource)")

    @property
    def is_marked(self) -> bool:
        """Whether the target still is what `mark` made of it."""
        sql = f"select count(*) from cmdb.resource where name = '{MARK}'"
        return query(self.database, sql, of="working") == [(1,)]

    def tables(self, *schemas: str) -> dict[str, tuple[int, int]]:
        """Number and hash of the rows of every table that people or models read."""
        store = Store(self.database)
        found = {}
        with store.read() as connection:
            for schema, table in connection.execute(
                "select table_schema, table_name from information_schema.tables where table_schema in "
                f"({', '.join(repr(schema) for schema in schemas or SCHEMAS)}) order by all"
            ).fetchall():
                rows = connection.execute(
                    f'select count(*), coalesce(sum(hash(t)::hugeint), 0) from "{schema}"."{table}" as t'
                ).fetchall()
                found[f"{schema}.{table}"] = rows[0]
        return found

    def landed(self) -> dict[str, str]:
        """Every landed file with its SHA-256."""
        landing = Store(self.database).landing
        return {
            str(path.relative_to(landing)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(landing.rglob("*"))
            if path.is_file() and path.name != ".empty.ndjson"
        }

    def state(self) -> tuple[Any, ...]:
        """Everything that a refused launch must leave as it was: tables, cells, landed answers, what is published."""
        cells = query(self.database, "select count(*), sum(hash(c)::hugeint) from audit.collection as c", of="working")
        return self.tables(), cells, self.landed(), fingerprint(self.database)


@pytest.fixture
def world(truthful_night: Path, tmp_path: Path, organisation: Simulator) -> World:
    """A truthful warehouse, its target marked, over an organisation that tells the truth."""
    database = copy_of(truthful_night, tmp_path)
    made = World(database, night_environment(organisation, database))
    made.mark()
    return made


NEVER = "delete from audit.check_result where scope = 'pre-flight'"
FAILED = """
    update audit.check_result set passed = false, observed = 'Two roles reach account 012345678901.'
    where scope = 'pre-flight' and check_name = 'accounts_are_distinct'
"""
OLD = "update audit.check_result set checked_at = checked_at - interval 27 hours where scope = 'pre-flight'"
AN_HOUR_OLD = "update audit.check_result set checked_at = checked_at - interval 61 minutes where scope = 'pre-flight'"
FOREIGN = "update audit.check_result set config_hash = 'of-other-profiles' where scope = 'pre-flight'"
SILENT = f"""
    update audit.collection set outcome = 'empty_suspect', is_trusted = false, record_count = 0,
        error_message = 'Empty, but the last trusted count was 40.'
    where listing = '{INSTANCES}' and outcome = 'found'
        and (account_id, region) = (
            select min((account_id, region)) from audit.collection where listing = '{INSTANCES}' and outcome = 'found'
        )
"""
NO_ACCOUNTS = f"""
    update audit.collection set outcome = 'denied', is_trusted = false, error_code = 'AccessDeniedException',
        error_message = 'management may not list accounts any more'
    where listing = '{ACCOUNT}'
"""

STATES = {
    "no pre-flight was ever made": (NEVER, "No pre-flight is recorded."),
    "the pre-flight failed": (
        FAILED,
        "The pre-flight failed. accounts_are_distinct: Two roles reach account 012345678901.",
    ),
    "the pre-flight is too old": (OLD, "min old; at most 26 h 0 min is allowed here."),
    "the pre-flight judged another configuration": (
        FOREIGN,
        "The last pre-flight judged another configuration than this one.",
    ),
    "what it reads failed silently": (SILENT, f"{INSTANCES}: empty_suspect in account "),
    "the list of accounts is not trusted": (
        NO_ACCOUNTS,
        f"{ACCOUNT}: denied in account ",
    ),
}
"""What the stored evidence says, and the words of the rule that refuses because of it."""

BAD_PREFLIGHTS = [state for state in STATES if "pre-flight" in state]


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


def from_job(world: World, job_name: str, names: Collection[str]) -> Ended:
    """A job with all but these assets left out. Its instance is in memory: nothing here rests on earlier runs."""
    with environment_of(world.environment), dg.DagsterInstance.ephemeral() as instance:
        defs = build_defs(world.environment)
        job = defs.resolve_job_def(job_name) if job_name else defs.resolve_implicit_global_asset_job_def()
        return ended(
            job.execute_in_process(
                instance=instance,
                asset_selection=[key(name) for name in names],
                raise_on_error=False,
                run_config=QUIET,
            )
        )


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


LAUNCHES: dict[str, Callable[[World, Collection[str]], Ended]] = {
    "one asset of the graph": from_the_graph,
    "one asset of the night": from_the_night,
    "materialize() in a program": by_materialize,
}


@pytest.mark.parametrize("launch", LAUNCHES.values(), ids=list(LAUNCHES))
@pytest.mark.parametrize(("evidence", "said"), STATES.values(), ids=list(STATES))
def test_nothing_is_built_without_the_evidence_and_the_rule_says_why(
    world: World, launch: Callable[[World, Collection[str]], Ended], evidence: str, said: str
) -> None:
    world.change(evidence)
    before = world.state()

    how = launch(world, [TARGET])

    assert not how.success
    assert how.said.startswith("cmdb.resource was not built. ")
    assert said in how.said
    assert how.said.endswith("Nothing was changed.")
    assert world.state() == before
    assert world.is_marked


@pytest.mark.parametrize("launch", LAUNCHES.values(), ids=list(LAUNCHES))
def test_with_the_evidence_every_launch_builds(world: World, launch: Callable[[World, Collection[str]], Ended]) -> None:
    how = launch(world, [TARGET])

    assert how == Ended(True, {}, frozenset({"build_cmdb_resource"}))
    assert not world.is_marked


@pytest.mark.parametrize(("evidence", "said"), STATES.values(), ids=list(STATES))
def test_nothing_is_published_without_the_evidence(world: World, evidence: str, said: str) -> None:
    world.change(evidence)
    before = world.state()

    how = from_the_graph(world, ["published"])

    assert said in how.said
    assert world.state() == before


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


MODELS = read_models()
MODEL_NAMES = [name.replace(".", "/") for name in MODELS]
LANDINGS = [f"landing/{listing.name}" for family in FAMILIES for listing in family.listings]
AFTER_ACCOUNTS = [f"landing/{listing.name}" for family in FAMILIES if family.after for listing in family.listings]


def gated_by(state: str) -> set[str]:
    """The assets that a state of the evidence refuses."""
    if state in BAD_PREFLIGHTS:
        return {*MODEL_NAMES, *LANDINGS, "published"}
    if state == "the list of accounts is not trusted":
        return {*MODEL_NAMES, *AFTER_ACCOUNTS, "published"}
    return {*(name.replace(".", "/") for name, model in MODELS.items() if INSTANCES in model.sources), "published"}


@pytest.mark.parametrize(
    "state",
    ["no pre-flight was ever made", "what it reads failed silently", "the list of accounts is not trusted"],
)
def test_every_step_asks_the_evidence_itself(world: World, organisation: Simulator, state: str) -> None:
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
    readers = gated_by("what it reads failed silently")

    for name in ("org/account", "cost/daily"):
        assert name not in readers
        assert from_the_graph(world, [name]).success


def test_an_hour_old_pre_flight_lets_models_be_built_and_nothing_be_asked(
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


def test_a_young_pre_flight_lets_a_listing_be_asked_alone(world: World, organisation: Simulator) -> None:
    organisation.clear_log()

    assert from_the_graph(world, ["landing/cost_daily"]).success
    assert "ce" in {call["service"] for call in organisation.log()}


def test_the_evidence_is_asked_by_each_step_and_not_when_the_run_begins(world: World) -> None:
    defs = build_defs(world.environment)

    @dg.asset(key=["cmdb", "saboteur"], required_resource_keys={"warehouse"}, op_tags={"dagster/priority": "1000"})
    def saboteur(context) -> None:  # type: ignore[no-untyped-def]  # Dagster reads the annotation, which is text here
        store: Store = context.resources.warehouse.begin("a test")
        with store.transaction() as connection:
            connection.execute(SILENT)

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
def test_a_night_whose_pre_flight_fails_changes_nothing(
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
    before = world.tables("aws", "cmdb"), fingerprint(world.database)

    with environment_of(world.environment), dg.DagsterInstance.ephemeral() as instance:
        run_id, how = night(world, instance, CARELESS)
        _, again = night(world, instance, CARELESS, again=run_id)

    assert "build_org_account" in how.succeeded
    for tried in (how, again):
        assert "ec2_instance: empty_suspect in account " in tried.said
        assert not tried.succeeded & {"build_aws_ec2_instance", "build_cmdb_resource", "published"}
    assert (world.tables("aws", "cmdb"), fingerprint(world.database)) == before
    assert world.is_marked


def test_a_silent_zero_stops_its_readers_although_its_check_was_deselected(
    world: World, organisation: Simulator
) -> None:
    organisation.lie("silent_zero")
    before = world.tables("aws", "cmdb")
    names = ["landing/ec2_region", "landing/ec2_instance", "aws/ec2_instance", TARGET]
    with environment_of(world.environment), dg.DagsterInstance.ephemeral() as instance:
        job = build_defs(world.environment).resolve_implicit_global_asset_job_def()
        # A model cannot be launched without its checks; a listing can.
        selected = {dg.AssetCheckKey(key(name), "key_is_unique") for name in ("aws/ec2_instance", TARGET)}
        bare = job.get_subset(asset_selection={key(name) for name in names}, asset_check_selection=selected)
        result = bare.execute_in_process(instance=instance, raise_on_error=False, run_config=QUIET)
        assert "no_silent_zero" not in {found.check_name for found in result.get_asset_check_evaluations()}
        how = ended(result)
        later = ended(
            job.execute_in_process(
                instance=instance,
                asset_selection=[key(name) for name in names[2:]],
                raise_on_error=False,
                run_config=QUIET,
            )
        )

    assert how.succeeded == frozenset()
    assert "ec2_instance: empty_suspect in account " in how.said
    assert "ec2_instance: empty_suspect in account " in later.said
    assert world.tables("aws", "cmdb") == before
    assert world.is_marked


def test_with_its_checks_deselected_a_truthful_listing_is_collected_and_built_upon(world: World) -> None:
    names = ["landing/ec2_region", "landing/ec2_instance"]
    with environment_of(world.environment), dg.DagsterInstance.ephemeral() as instance:
        job = build_defs(world.environment).resolve_implicit_global_asset_job_def()
        bare = job.get_subset(asset_selection={key(name) for name in names}, asset_check_selection=set())
        assert bare.execute_in_process(instance=instance, raise_on_error=False, run_config=QUIET).success

    assert from_the_graph(world, ["aws/ec2_instance"]).success
    assert from_the_graph(world, [TARGET]).success
    assert not world.is_marked


def test_only_listings_can_be_launched_without_their_checks(world: World) -> None:
    defs = build_defs(world.environment)
    job = defs.resolve_implicit_global_asset_job_def()
    loose = set()
    for made in defs.resolve_asset_graph().assets_defs:
        if not made.check_keys:
            continue
        try:
            job.get_subset(asset_selection=set(made.keys), asset_check_selection=set())
        except dg.DagsterInvalidSubsetError:
            continue
        loose |= {"/".join(k.path) for k in made.keys}

    assert loose == set(LANDINGS)
