"""A run in the process of a command: Dagster shows it whole, and the process keeps of it what failed."""

import gc
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from nights import DATABASE, dagster_home, environment_of, night_environment

from pipelines.alerts import failure_of
from pipelines.catalogue.names import ACCOUNT
from pipelines.collection.assets import landing_key
from pipelines.definitions import NIGHTLY, execute, job_of
from pipelines.preflight_assets import PREFLIGHT_KEY
from resources.aws.shared_clients import SharedClients
from simulator.client import Simulator


@dg.asset
def first(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"run": context.run_id})


@dg.asset(deps=[first])
def second(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    # By now the step before has ended.
    gc.collect()
    left = [event for event in gc.get_objects() if isinstance(event, dg.DagsterEvent) and event.step_key == "first"]
    return dg.MaterializeResult(metadata={"left": len(left)})


@dg.asset(deps=[second])
def third() -> None:
    raise dg.Failure("It is over.", metadata={"exit_code": 3})


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home()))
    return dagster_home()


def job(*assets: dg.AssetsDefinition) -> dg.JobDefinition:
    defs = dg.Definitions(assets=assets, executor=dg.in_process_executor, jobs=[dg.define_asset_job("some", "*")])
    return defs.resolve_job_def("some")


@pytest.mark.usefixtures("home")
def test_a_run_keeps_no_event_but_those_of_failures() -> None:
    done = execute(job(first, second), {"by": "a test"})
    assert (done.success, list(done.failures)) == (True, [])
    with dg.DagsterInstance.get() as instance:
        run = instance.get_run_by_id(done.run_id)
        assert run is not None
        assert (run.status, run.job_name, run.tags["by"]) == (dg.DagsterRunStatus.SUCCESS, "some", "a test")
        (shown,) = instance.fetch_materializations(second.key, limit=1).records
        assert shown.run_id == done.run_id
        assert shown.asset_materialization is not None
        # The newest of them, which somebody may still hold; the UI shows them all.
        assert int(str(shown.asset_materialization.metadata["left"].value)) <= 2
        assert len([event for event in instance.all_logs(done.run_id) if event.step_key == "first"]) > 3


@pytest.mark.usefixtures("home")
def test_a_run_that_fails_keeps_its_failures() -> None:
    done = execute(job(first, second, third), {})
    assert not done.success
    assert [event.step_key for event in done.failures] == ["third", None]
    failure = failure_of(done.failures)
    assert (failure.exit_code, failure.sentences) == (3, ["It is over."])


ERRORS = {
    "of DuckDB": (
        duckdb.BinderException('Binder Error: No column "b".\nCandidate bindings: "a"\n\nLINE 2: select b\n        ^'),
        'BinderException: Binder Error: No column "b". Candidate bindings: "a"',
    ),
    "of the product, on several lines": (ValueError("The file is gone.\nName another."), "gone. Name another."),
    "without a word": (ValueError(), "ValueError"),
    "long": (ValueError("x " * 5000), "x…"),
    "that steers a terminal": (ValueError("\x1b[2J"), "⟨U+001B⟩[2J"),
}


@pytest.mark.parametrize(("error", "end"), ERRORS.values(), ids=list(ERRORS))
def test_a_step_that_fails_otherwise_says_what_its_error_states(error: Exception, end: str) -> None:
    @dg.asset
    def broken() -> None:
        raise error

    result = job(broken).execute_in_process(raise_on_error=False)
    (sentence,) = failure_of([event for event in result.all_events if event.is_failure]).sentences
    assert sentence.startswith("broken: ")
    assert sentence.endswith(end)
    assert len(sentence) < 600


def test_no_client_of_a_step_is_kept_for_the_next(
    organisation: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[int] = []
    forget = SharedClients.forget

    def counted(clients: SharedClients) -> None:
        before = sum(client.sessions.client_count for client in clients.clients.values())
        forget(clients)
        left.extend((before, sum(client.sessions.client_count for client in clients.clients.values())))

    monkeypatch.setattr(SharedClients, "forget", counted)
    environment = night_environment(organisation, tmp_path / DATABASE)
    with environment_of(environment):
        wanted = {PREFLIGHT_KEY, landing_key(ACCOUNT)}
        assert execute(job_of(environment, NIGHTLY).get_subset(asset_selection=wanted), {}).success
    assert left[0] > 0
    assert left[1::2] == [0] * len(left[1::2])
    # What the pre-flight found is not asked again.
    assert len([call for call in organisation.log() if call["operation"] == "GetCallerIdentity"]) < 20
