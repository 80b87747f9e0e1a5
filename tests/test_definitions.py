"""What Dagster is told: assets, checks, job, schedule, sensor, instance. Nothing is asked of AWS here.

The asset graph as people review it stands in tests/snapshots/asset_graph.txt. To renew it:

    .venv/bin/python tests/test_definitions.py > tests/snapshots/asset_graph.txt
"""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import json
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.run_coordinator import QueuedRunCoordinator
from dagster._utils.schedules import cron_string_iterator  # what the daemon itself counts ticks with
from dagster_shared.yaml_utils import load_yaml_from_path

from pipelines import alerts
from pipelines.catalogue.registry import listings
from pipelines.definitions import NIGHTLY, SCHEDULE, build_defs
from pipelines.models.model import read_models
from pipelines.settings import read_settings

REPOSITORY = Path(__file__).resolve().parent.parent
SNAPSHOT = Path(__file__).parent / "snapshots" / "asset_graph.txt"
RENEW = ".venv/bin/python tests/test_definitions.py > tests/snapshots/asset_graph.txt"

PREFLIGHT = "audit/caller_identity"
REPORT = "report"

RULES = {
    PREFLIGHT: {
        "every_role_answers",
        "management_is_the_organisations_master",
        "operations_is_the_expected_account",
        "billing_is_the_expected_account",
        "accounts_are_distinct",
        "bill_is_the_organisations_own",
    },
    "landing/ec2_region": {"account_coverage"},
    "stage/account": {"every_account_in_the_tree_is_listed"},
    "org/account": {"every_account_stands_in_the_tree"},
    "org/policy_target": {"every_policy_target_exists"},
    "org/delegated_administrator": {"every_delegated_administrator_is_a_member"},
    "org/governance_kpi": {"every_kpi_is_judged"},
    "cost/daily": {
        "credits_are_not_positive",
        "linked_accounts_belong_to_the_organisation",
        "one_billing_currency",
        "only_open_months_are_estimated",
    },
    "stage/slice_difference": {"slices_agree", "slices_agree_while_estimated"},
    "cost/exchange_rate": {"every_day_has_a_rate", "rates_are_published_and_recent"},
    "cost/resource_cost": {"resource_costs_add_up_to_the_bill"},
    "cost/explained_spend": {"every_billed_service_is_known", "explained_spend_is_the_bill"},
    "cost/export_reconciliation": {"exported_months_are_the_bill"},
    "cost/reconciliation": {
        "allocation_adds_up_to_the_bill",
        "budgets_count_what_the_bill_says",
        "closed_months_are_unchanged_or_restated",
        "daily_cost_is_the_monthly_total",
        "daily_cost_is_the_monthly_total_while_estimated",
        "no_day_is_missing",
        "tags_by_service_are_the_bill",
        "tags_by_service_are_the_bill_while_estimated",
    },
    "ref/account_default": {"account_defaults_are_of_the_organisation"},
    "cmdb/relationship": {"every_relation_is_known_and_ends_after_it_was_seen"},
    "cmdb/decommission_signal": {"every_accepted_finding_is_known"},
    "cmdb/finding_spend_without_inventory": {"spend_is_inventoried"},
    "cost/spend_vs_budget": {"every_spender_has_a_budget"},
    "cmdb/resource_version": {"every_version_ends_where_the_next_begins"},
    "published": {
        "cells_are_unique",
        "every_account_with_running_instances_is_billed",
        "every_active_account_is_billed_or_empty",
        "the_bill_is_not_zero",
    },
}
"""Every check that is no listing's and no key's. Written by hand on purpose: one that goes away has to go here too."""

WARNINGS = {
    ("cmdb/decommission_signal", "every_accepted_finding_is_known"),
    ("ref/account_default", "account_defaults_are_of_the_organisation"),
    ("landing/ec2_region", "account_coverage"),
    ("cmdb/finding_spend_without_inventory", "spend_is_inventoried"),
    ("cost/daily", "credits_are_not_positive"),
    ("cost/explained_spend", "every_billed_service_is_known"),
    ("cost/export_reconciliation", "exported_months_are_the_bill"),
    ("cost/exchange_rate", "rates_are_published_and_recent"),
    ("cost/spend_vs_budget", "every_spender_has_a_budget"),
    ("cost/reconciliation", "budgets_count_what_the_bill_says"),
    ("cost/reconciliation", "daily_cost_is_the_monthly_total_while_estimated"),
    ("cost/reconciliation", "tags_by_service_are_the_bill_while_estimated"),
    ("published", "every_active_account_is_billed_or_empty"),
    ("stage/slice_difference", "slices_agree_while_estimated"),
}
"""The checks that tell and do not block."""

UNUSABLE = {
    "CMDB_SCHEDULE": "half past three",
    "CMDB_TIMEZONE": "Middle-earth/Bree",
    "CMDB_DATABASE": "/nowhere/cmdb.sqlite",
    "CMDB_REGIONS": "Sydney",
    "CMDB_OPERATIONS_ACCOUNT": "12345",
    "CMDB_SHARED_ACCOUNTS": "management",
    "CMDB_TRANSFERRED_BILL": "partner",
    "CMDB_ZERO_EVIDENCE": "none",
    "CMDB_UNTRUSTED_TOLERANCE": "0.5",
    "CMDB_COST_MONTHS": "many",
    "CMDB_CURRENCY": "dollars",
    "CMDB_CONCURRENCY": "0",
}


@functools.cache
def definitions() -> dg.Definitions:
    """What an empty environment gives."""
    return build_defs({})


def graph() -> AssetGraph:
    return definitions().resolve_asset_graph()


def drawn(asset_graph: AssetGraph) -> str:
    """The asset graph as text, one asset a paragraph: key, group, kinds, tags, what it depends on, its checks."""
    lines = [f"# Renew: {RENEW}"]
    for key in sorted(asset_graph.get_all_asset_keys()):
        node = asset_graph.get(key)
        tags = {name: value for name, value in node.tags.items() if not name.startswith("dagster/")}
        lines += [
            "",
            key.to_user_string(),
            f"    group {node.group_name}; kinds {', '.join(sorted(node.kinds))}",
            *(f"    tag {name} = {value}" for name, value in sorted(tags.items())),
            *(f"    after {parent.to_user_string()}" for parent in sorted(node.parent_keys)),
            *(
                f"    check {check.name} ({'blocks' if asset_graph.get(check).blocking else 'warns'})"
                for check in sorted(node.check_keys)
            ),
        ]
    return "\n".join(lines) + "\n"


# ------------------------------------------------------------------------------------------ the asset graph


def ungated(asset_graph: AssetGraph) -> set[str]:
    """The assets whose body no gate opens, by their tags."""
    return {node.key.to_user_string() for node in asset_graph.asset_nodes if node.tags.get("gate") != "stored-evidence"}


def test_every_asset_but_the_preflight_and_the_report_is_gated() -> None:
    """The report asks nobody and builds nothing that is published: it says what is, whenever it is made."""
    assert ungated(graph()) == {PREFLIGHT, REPORT}


def test_an_asset_without_a_gate_is_noticed() -> None:
    @dg.asset(key=["cmdb", "shortcut"])
    def shortcut() -> None: ...

    loose = dg.Definitions.merge(definitions(), dg.Definitions(assets=[shortcut]))

    assert ungated(loose.resolve_asset_graph()) == {PREFLIGHT, REPORT, "cmdb/shortcut"}


def test_there_are_exactly_the_checks_that_are_written_down_here() -> None:
    found: dict[str, set[str]] = {}
    for key in graph().asset_check_keys:
        found.setdefault(key.asset_key.to_user_string(), set()).add(key.name)

    expected = {asset: set(names) for asset, names in RULES.items()}
    for name in listings():
        expected.setdefault(f"landing/{name}", set()).add("no_silent_zero")
    for model in read_models().values():
        if model.key and model.materialized not in ("view", "log"):
            expected.setdefault(f"{model.schema}/{model.name}", set()).add("key_is_unique")
    assert found == expected


def test_every_check_blocks_but_the_one_that_only_reports() -> None:
    asset_graph = graph()

    assert {
        (key.asset_key.to_user_string(), key.name)
        for key in asset_graph.asset_check_keys
        if not asset_graph.get(key).blocking
    } == WARNINGS


def test_every_asset_and_every_check_says_what_it_is() -> None:
    asset_graph = graph()
    lacking = [
        node.key.to_user_string()
        for node in asset_graph.asset_nodes
        if not (node.description and node.kinds and node.group_name not in (None, "", "default"))
    ]
    silent = [key.to_user_string() for key in asset_graph.asset_check_keys if not asset_graph.get(key).description]

    assert lacking == []
    assert silent == []


def test_everything_rests_on_the_preflight_and_publishing_rests_on_everything() -> None:
    asset_graph = graph()

    def above(key: dg.AssetKey) -> set[dg.AssetKey]:
        parents = asset_graph.get(key).parent_keys
        return set(parents).union(*(above(parent) for parent in parents))

    preflight, published, report = dg.AssetKey(PREFLIGHT.split("/")), dg.AssetKey("published"), dg.AssetKey(REPORT)
    everything = asset_graph.get_all_asset_keys()

    assert [k for k in everything - {preflight} if preflight not in above(k)] == []
    assert above(published) == everything - {published, report}
    assert asset_graph.get(report).parent_keys == {published}


def test_groups_that_analysts_read_hold_no_internal_table_and_what_is_landed_comes_before_all_of_them() -> None:
    nodes = {node.key: node for node in graph().asset_nodes}
    internal = {key: node.group_name for key, node in nodes.items() if key.path[0] in ("landing", "stage")}
    assert set(internal.values()) == {"landing", "stage_claims", "stage_cmdb", "stage_cost", "stage_organization"}
    assert {key.to_user_string() for key, node in nodes.items() if node.group_name in internal.values()} - {
        key.to_user_string() for key in internal
    } == {"bill_month/landing"}
    before = {
        nodes[parent].group_name
        for node in nodes.values()
        if node.group_name == "landing"
        for parent in node.parent_keys
    }
    assert before == {"landing", "preflight"}


def test_the_asset_graph_is_as_it_was_reviewed() -> None:
    """A change of the graph is a change of this file, which people can read: see the module's docstring."""
    assert drawn(graph()) == SNAPSHOT.read_text(encoding="utf-8"), f"Read the difference, then renew: {RENEW}"


# -------------------------------------------------------------------------------------- the code location


def dagster_home(folder: Path) -> Path:
    """A `DAGSTER_HOME` with the repository's own `dagster.yaml`."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(REPOSITORY / "pipelines" / "dagster.yaml", folder / "dagster.yaml")
    return folder


def run(*command: str, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """A program of the virtual environment, in the repository, with this environment alone."""
    program = Path(sys.executable).parent / command[0]
    return subprocess.run(
        [str(program), *command[1:]],
        env=dict(environment),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_workspace_loads_although_no_variable_can_be_used(tmp_path: Path) -> None:
    home = str(dagster_home(tmp_path / "home"))
    done = run(
        "dagster",
        *("definitions", "validate", "-w", "workspace.yaml"),
        environment={**UNUSABLE, "HOME": str(tmp_path), "DAGSTER_HOME": home},
    )

    assert done.returncode == 0, done.stderr
    assert "Validation successful for code location cmdb." in done.stderr + done.stdout


@pytest.mark.large
def test_dg_loads_the_project_with_an_environment_that_says_nothing(tmp_path: Path) -> None:
    home = str(dagster_home(tmp_path / "home"))
    done = run("dg", "check", "defs", environment={"HOME": str(tmp_path), "DAGSTER_HOME": home})

    assert done.returncode == 0, done.stderr
    assert "All definitions loaded successfully." in done.stdout


def test_validation_notices_a_code_location_that_does_not_load(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("raise RuntimeError('does not load')\n", encoding="utf-8")
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text(f"load_from:\n  - python_file: {tmp_path / 'broken.py'}\n", encoding="utf-8")
    home = str(dagster_home(tmp_path / "home"))
    done = run(
        "dagster",
        *("definitions", "validate", "-w", str(workspace)),
        environment={"HOME": str(tmp_path), "DAGSTER_HOME": home},
    )

    assert done.returncode != 0


def steps(defs: dg.Definitions) -> Iterator[tuple[str, list[dg.AssetKey]]]:
    """Every step by name, with the assets that it makes."""
    for made in defs.resolve_asset_graph().assets_defs:
        yield made.op.name, sorted(made.keys)


@pytest.mark.large
def test_every_step_refuses_with_the_sentence_where_a_variable_cannot_be_used(tmp_path: Path) -> None:
    defs = build_defs({"CMDB_DATABASE": str(tmp_path / "cmdb.duckdb"), "CMDB_CONCURRENCY": "plenty"})
    job = defs.resolve_implicit_global_asset_job_def()
    said: dict[str, str] = {}
    with dg.DagsterInstance.ephemeral() as instance:
        for name, keys in steps(defs):
            result = job.execute_in_process(instance=instance, asset_selection=keys, raise_on_error=False)
            said[name] = sentence_of(result)

    assert len(said) == len(list(steps(definitions())))
    expected = "CMDB_CONCURRENCY='plenty' cannot be used: it must be a whole number from 1 to 512."
    assert [name for name, sentence in said.items() if expected not in sentence] == []
    assert list(tmp_path.iterdir()) == []


def sentence_of(result: dg.ExecuteInProcessResult) -> str:
    """Why the run failed, as a person reads it in the UI."""
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data.user_failure_data
            return (failure.description if failure else None) or ""
    return ""


# ------------------------------------------------------------------------------ executor, instance, schedule


def test_the_run_and_whatever_else_is_launched_run_in_one_process() -> None:
    night = definitions().resolve_job_def(NIGHTLY)
    ad_hoc = definitions().resolve_implicit_global_asset_job_def()

    assert (night.executor_def.name, ad_hoc.executor_def.name) == ("in_process", "in_process")


def test_the_run_holds_every_asset_and_every_check() -> None:
    selected = {
        key
        for made in definitions().resolve_job_def(NIGHTLY).asset_layer.asset_graph.assets_defs
        for key in made.asset_and_check_keys
    }

    assert selected == {*graph().get_all_asset_keys(), *graph().asset_check_keys}


def test_the_instance_sends_no_telemetry_runs_one_run_at_a_time_and_does_not_retry_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(dagster_home(tmp_path)))
    with dg.DagsterInstance.get() as instance:
        coordinator = instance.run_coordinator
        assert isinstance(coordinator, QueuedRunCoordinator)
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        assert coordinator.get_run_queue_config().max_concurrent_runs == 1
        assert instance.run_retries_enabled
        assert not instance.run_retries_retry_on_asset_or_op_failure
        assert instance.run_monitoring_enabled


def test_without_our_file_an_instance_would_send_telemetry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with dg.DagsterInstance.get() as instance:
        assert instance.telemetry_enabled


def test_the_workspace_names_the_code_location_as_dg_does() -> None:
    with (REPOSITORY / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)["tool"]["dg"]["project"]

    assert project["code_location_target_module"] == "pipelines.definitions"
    assert project["code_location_name"] == "cmdb"
    assert load_yaml_from_path(str(REPOSITORY / "workspace.yaml")) == {
        "load_from": [
            {"python_module": {"module_name": "pipelines.definitions", "location_name": "cmdb"}},
        ]
    }


AUCKLAND = ZoneInfo("Pacific/Auckland")


def ticks(cron: str, timezone: str, first: dt.date, days: int) -> list[dt.datetime]:
    """When the daemon would start a schedule on these local days."""
    zone = ZoneInfo(timezone)
    start = dt.datetime.combine(first, dt.time(), zone)
    end = dt.datetime.combine(first + dt.timedelta(days=days), dt.time(), zone)
    found: list[dt.datetime] = []
    for tick in cron_string_iterator(start.timestamp(), cron, timezone):
        if tick >= end:
            return found
        found.append(tick.astimezone(zone))
    return found


def changes(first: dt.date, days: int) -> list[dt.date]:
    """The local days on which the clocks of Auckland are changed."""
    noon = [dt.datetime.combine(first + dt.timedelta(days=n), dt.time(12), AUCKLAND) for n in range(-1, days)]
    return [later.date() for earlier, later in itertools.pairwise(noon) if earlier.utcoffset() != later.utcoffset()]


def test_the_run_starts_once_on_every_local_day_at_half_past_three_also_when_the_clocks_change() -> None:
    (schedule,) = all_schedules(definitions())
    first, days = dt.date(2026, 1, 1), 800

    assert (schedule.name, schedule.job_name) == (SCHEDULE, NIGHTLY)
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 3 * * *", "Pacific/Auckland")
    starts = ticks(str(schedule.cron_schedule), str(schedule.execution_timezone), first, days)
    assert [start.date() for start in starts] == [first + dt.timedelta(days=n) for n in range(days)]
    assert {start.time() for start in starts} == {dt.time(3, 30)}
    assert {dt.date(2026, 4, 5), dt.date(2026, 9, 27), dt.date(2027, 4, 4)} < set(changes(first, days))


def test_half_past_two_would_not_be_half_past_two_when_the_clocks_go_forward() -> None:
    (start,) = ticks("30 2 * * *", "Pacific/Auckland", dt.date(2026, 9, 27), 1)

    assert start.time() != dt.time(2, 30)


def test_the_schedule_follows_its_variables() -> None:
    (schedule,) = all_schedules(build_defs({"CMDB_SCHEDULE": "0 22 * * 1-5", "CMDB_TIMEZONE": "Europe/Berlin"}))

    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 22 * * 1-5", "Europe/Berlin")


def test_the_run_and_its_confirmation_start_where_the_three_central_profiles_are_named_and_nowhere_else() -> None:
    named = {
        "AWS_MANAGEMENT_PROFILE": "acmeManagement",
        "AWS_OPERATIONS_PROFILE": "acmeOperations",
        "AWS_BILLING_PROFILE": "acmeBilling",
    }
    (schedule,) = all_schedules(build_defs(named))
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    simulated = build_defs({**named, "SIMULATED_ORGANISATION": "1"}).get_schedule_def("nightly_schedule")
    assert simulated.default_status == dg.DefaultScheduleStatus.STOPPED
    assert all_sensors(build_defs(named))["confirm_after_nightly"].default_status == dg.DefaultSensorStatus.RUNNING

    for variable in named:
        fewer = build_defs({name: value for name, value in named.items() if name != variable})
        (schedule,) = all_schedules(fewer)
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
        assert all_sensors(fewer)["confirm_after_nightly"].default_status == dg.DefaultSensorStatus.STOPPED


def all_schedules(defs: dg.Definitions) -> list[dg.ScheduleDefinition]:
    return list(defs.get_repository_def().schedule_defs)


# ---------------------------------------------------------------------------------------------- the alert

SCRIPT = """\
import json, sys
from pathlib import Path

verdict = json.load(sys.stdin)
Path(sys.argv[1]).write_text(json.dumps(verdict), encoding="utf-8")
print("delivered")
"""


@pytest.fixture
def mail(tmp_path: Path) -> tuple[str, Path]:
    """An alert command that keeps what it is told, and where."""
    script, told = tmp_path / "alert with blanks.py", tmp_path / "told.json"
    script.write_text(SCRIPT, encoding="utf-8")
    return f"{sys.executable} '{script}' {told}", told


@pytest.fixture(scope="module")
def failed_run(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[dg.DagsterInstance, dg.ExecuteInProcessResult]]:
    """A run that a gate refused, on an instance of its own."""
    defs = build_defs({"CMDB_DATABASE": str(tmp_path_factory.mktemp("refused") / "cmdb.duckdb")})
    with dg.DagsterInstance.ephemeral() as instance:
        result = defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=[dg.AssetKey(["org", "account"])], raise_on_error=False
        )
        assert not result.success
        yield instance, result


def alert(failed: tuple[dg.DagsterInstance, dg.ExecuteInProcessResult], command: str) -> None:
    """What the daemon does when it sees a failed run."""
    instance, result = failed
    sensor = alerts.nightly_failure_sensor(read_settings({"CMDB_ALERT_COMMAND": command}))
    event = next(event for event in result.all_events if event.is_failure and not event.is_step_event)
    with dg.build_run_status_sensor_context(
        sensor_name=sensor.name, dagster_event=event, dagster_instance=instance, dagster_run=result.dagster_run
    ).for_run_failure() as context:
        sensor(context)


def all_sensors(defs: dg.Definitions) -> dict[str, dg.SensorDefinition]:
    return {sensor.name: sensor for sensor in defs.get_repository_def().sensor_defs}


def test_there_are_exactly_the_sensors_that_are_written_down_here() -> None:
    assert all_sensors(definitions()).keys() == {
        "failed_run_alert",
        "published_run_heartbeat",
        "stale_data_alert",
        "confirm_after_nightly",
    }


def test_the_sensor_of_failed_runs_runs_without_anybody_turning_it_on() -> None:
    sensor = all_sensors(definitions())["failed_run_alert"]

    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING


def test_the_alert_command_reads_the_result_as_json_on_its_standard_input(
    mail: tuple[str, Path], failed_run: tuple[dg.DagsterInstance, dg.ExecuteInProcessResult]
) -> None:
    command, told = mail
    alert(failed_run, command)

    verdict = json.loads(told.read_text(encoding="utf-8"))
    assert verdict == {
        "run_id": failed_run[1].run_id,
        "job": failed_run[1].dagster_run.job_name,
        "status": "failed",
        "sentences": [
            "org.account was not built. No pre-flight is recorded. Run the pre-flight first "
            "(`cmdb preflight`, or materialise audit/caller_identity). Nothing was changed."
        ],
    }


FAILING = {
    "ends with an error": ("{python} -c 'import sys; sys.exit(\"mailer is down\")'", "ended with 1: mailer is down"),
    "does not exist": ("/nonexistent/alert", "could not be run: "),
    "cannot be split": ("echo 'unbalanced", "could not be run: "),
    "never reads": ("{python} -c 'import os; os.close(0)'", "received the check results"),
    "hangs": ("{python} -c 'import time; time.sleep(600)'", "was killed after 1 second"),
}


@pytest.mark.parametrize(("command", "said"), FAILING.values(), ids=list(FAILING))
def test_an_alert_command_that_fails_is_logged_and_fails_nothing(
    command: str,
    said: str,
    failed_run: tuple[dg.DagsterInstance, dg.ExecuteInProcessResult],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alerts, "TICK_SECONDS", 1)
    command = command.format(python=sys.executable)
    started = time.monotonic()

    alert(failed_run, command)

    assert said in alerts.send(command, alerts.result_of("run", "nightly", ["x" * 1_000_000]), seconds=1)
    assert time.monotonic() - started < 300


if __name__ == "__main__":
    sys.stdout.write(drawn(graph()))
