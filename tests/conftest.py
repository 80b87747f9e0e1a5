"""The simulated organisation as fixtures, and a process in which no test can reach anything else.

botocore looks below HOME for the cache of sign-in tokens once, when it is imported: HOME is set before that.
"""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from resources.contract import ROLES, policy
from simulator.client import Simulator, is_foreign, start

pytest_plugins = ["nights", "browser"]

_HOME = tempfile.TemporaryDirectory(prefix="cmdb-tests-")
os.environ["HOME"] = _HOME.name
for _name in [name for name in os.environ if is_foreign(name) or name == "DAGSTER_HOME"]:
    del os.environ[_name]

# A shell without job control starts what runs in the background with Ctrl+C ignored; tests of an interruption send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# `make test-large` loads it: the properties are tried with more examples.
settings.register_profile("many")

EACH_PUSH = {
    "test_cmdb.py::test_a_broken_history_is_told": 2,
    "test_denied_steps.py::test_a_service_that_is_denied_to_everybody_is_skipped": 4,
    "test_hub.py::test_coverage_is_unknown_where_no_aggregator_could_be_asked": 1,
    "test_hub.py::test_only_what_a_trusted_answer_ought_to_have_shown_counts_as_unseen": 2,
    "test_hub.py::test_tags_that_a_listing_does_not_give_are_the_tagging_apis": 2,
    "test_late_costs.py::test_each_run_fetches_one_closed_month_again_and_each_once_before_any_twice": 0,
    "test_models.py::test_building_a_night_again_makes_nothing_retire": 0,
    "test_models.py::test_building_again_from_the_same_landing_changes_nothing": 0,
    "test_models.py::test_rows_that_went_with_their_account_do_not_come_back_without_an_answer": 1,
    "test_mutants.py::test_a_mutant_is_killed_by_a_test_that_sees_it_and_by_no_other": 1,
    "test_network.py::test_a_group_is_unused_only_where_its_users_are_known": 3,
    "test_network.py::test_a_vpc_is_a_finding_only_where_its_flow_logs_are_known": 4,
    "test_network.py::test_of_an_account_without_any_answer_no_finding_is_judged": 3,
    "test_organization_versions.py::test_what_is_not_trusted_begins_no_version": 3,
    "test_paid_requests.py::test_two_runs_of_a_day_with_throttling_cost_what_cloudwatch_counted_and_the_second_asks_"
    "nothing_again": 0,
    "test_publish.py::test_a_first_night_killed_at_any_point_publishes_all_or_nothing": 4,
    "test_published_name.py::test_an_upgrade_killed_at_any_point_leaves_both_names_whole_and_loses_nothing": 4,
    "test_record_rules.py::test_a_rule_refuses_no_more_than_it_must": 12,
    "test_replaced.py::test_what_was_accepted_of_the_old_one_is_not_of_the_new_one": 1,
    "test_replaced.py::test_an_id_or_a_time_that_is_not_said_replaces_nothing": 0,
    "test_report_scope.py::test_an_empty_list_is_none_only_where_nothing_of_its_scope_is_unknown": 2,
    "test_time_zones.py::test_every_view_of_the_published_file_is_the_same_in_every_time_zone": 1,
    "test_night.py::test_a_second_night_of_the_same_world_changes_no_row_and_says_so_on_one_screen": 0,
    "test_cli.py::test_a_refused_night_fits_one_screen_and_names_the_next_command": 0,
    "test_cli.py::test_a_working_file_that_someone_opened_is_named_with_the_process": 0,
    "test_publish.py::test_people_can_read_the_published_file_and_do_nothing_else": 8,
    "test_replaced.py::test_one_that_comes_after_the_old_one_went_is_another_too": 0,
    "test_reference.py::test_a_first_run_with_nothing_of_its_own_has_no_warning_and_no_rate_that_nobody_published": 0,
    "test_definitions.py::test_every_step_refuses_with_the_sentence_where_a_variable_cannot_be_used": 0,
    "test_models.py::test_a_resource_that_returns_is_active_and_keeps_the_day_on_which_it_was_first_seen": 0,
    "test_models.py::test_answers_that_are_not_trusted_make_nothing_missing_and_nothing_retired": 0,
    "test_models.py::test_every_file_documents_the_columns_that_it_yields_and_no_other": 60,
    "test_late_costs.py::test_cost_explorer_refreshes_within_a_day_so_what_was_fetched_at_once_is_fetched_once_more": 0,
    "test_savings.py::test_what_comes_and_goes_under_a_flat_bill_saves_nothing": 0,
    "test_organisation.py::test_an_organisation_without_units_and_one_of_five_levels": 1,
    "test_cmdb.py::test_a_history_says_what_a_version_is_of_and_when_it_began_or_is_refused": 1,
    "test_claims.py::test_what_is_not_known_is_unknown_with_its_reason": 6,
    "test_answers.py::test_what_is_no_answer_is_failed_and_never_found_or_a_zero": 26,
}
"""How many cases of a slow test `make test` runs; `.ci/nightly` runs the others too."""

MakeOrganisation = Callable[..., Simulator]


def policies() -> dict[str, dict[str, Any]]:
    """What the contract grants each role, optional grants included."""
    return {role: policy(role, optional=True) for role in ROLES}


def lead_to(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Point this process at a simulator and at nothing else."""
    for name in [name for name in os.environ if is_foreign(name)]:
        monkeypatch.delenv(name)
    for name, value in simulator.env.items():
        monkeypatch.setenv(name, value)


def sign_in(simulator: Simulator) -> None:
    """Put a simulator's sign-in token where this process's botocore looks for it."""
    cache = Path(".aws", "sso", "cache")
    shutil.copytree(simulator.directory / cache, Path(_HOME.name) / cache, dirs_exist_ok=True)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as large the cases of slow tests beyond those of `EACH_PUSH`."""
    seen: Counter[str] = Counter()
    for item in items:
        name = f"{item.path.name}::{getattr(item, 'originalname', item.name)}"
        if name in EACH_PUSH:
            seen[name] += 1
            if seen[name] > EACH_PUSH[name]:
                item.add_marker(pytest.mark.large)


@pytest.fixture(scope="session")
def simulator_process() -> Iterator[Simulator]:
    """One simulator of the default size for the whole session."""
    with start(Path(_HOME.name), policies(), trail_passes=True) as simulator:
        yield simulator


@pytest.fixture
def organisation(simulator_process: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """The default organisation, which this process's environment leads to; as new after each test."""
    lead_to(simulator_process, monkeypatch)
    yield simulator_process
    simulator_process.reset()


@pytest.fixture
def make_organisation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeOrganisation]:
    """Start simulators of another size or seed; the environment leads to the last one.

    As of the session's simulator, CloudTrail's look-ups come late enough, unless `trail_passes=False` is said.
    """
    running: list[Simulator] = []

    def make(**options: Any) -> Simulator:
        options = {"trail_passes": True, **options}
        simulator = start(tmp_path / f"organisation-{len(running)}", policies(), **options)
        running.append(simulator)
        sign_in(simulator)
        lead_to(simulator, monkeypatch)
        return simulator

    yield make
    for simulator in running:
        simulator.stop()
