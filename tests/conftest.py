"""The simulated organisation as fixtures, and a process in which no test can reach anything else.

botocore looks below HOME for the cache of sign-in tokens once, when it is imported: HOME is set before that.
"""

from __future__ import annotations

import gc
import os
import shutil
import signal
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import another_day
import pytest
import tiers
from hypothesis import settings

from resources.contract import ROLES, policy
from simulator.client import Simulator, is_foreign, start

pytest_plugins = ["nights", "browser"]

_HOME = tempfile.TemporaryDirectory(prefix="cmdb-tests-")
os.environ["HOME"] = _HOME.name
for _name in [name for name in os.environ if is_foreign(name) or name == "DAGSTER_HOME"]:
    del os.environ[_name]
# A developer's own settings file is none of the tests' business.
os.environ["CMDB_SETTINGS"] = os.devnull

# A shell without job control starts what runs in the background with Ctrl+C ignored; tests of an interruption send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# `make test-large` loads it: the properties are tried with more examples.
settings.register_profile("many")

EACH_PUSH = {
    "test_anomalies.py::test_in_a_year_each_planted_event_is_found_once_and_at_most_one_a_month_is_false": 0,
    "test_answers.py::test_nothing_that_aws_sends_is_raised_or_taken_for_a_response": 2,
    "test_answers.py::test_nothing_that_aws_sends_is_raised_where_no_listing_is_requested": 20,
    "test_answers.py::test_the_least_that_is_a_response_is_taken_for_one": 30,
    "test_answers.py::test_what_is_no_response_is_failed_and_never_found_or_a_zero": 8,
    "test_bench_stub.py::test_the_stub_responds_every_listing_of_the_product_or_refuses_it_as_not_granted": 0,
    "test_bill.py::test_every_slice_equals_the_ledger_by_account_month_and_value": 2,
    "test_bill.py::test_only_untrusted_requests_no_trusted_month_of_the_last_hours_again": 0,
    "test_bill.py::test_the_same_run_once_more_changes_nothing_but_when_it_was": 0,
    "test_budgets.py::test_a_budget_in_dollars_is_overrun_in_dollars_whatever_they_are_worth": 2,
    "test_budgets.py::test_a_budget_that_is_spent_evenly_is_on_pace_on_every_day_of_the_month": 2,
    "test_cadence.py::test_what_another_source_names_and_no_cell_holds_is_requested": 0,
    "test_cadence.py::test_what_was_refused_on_its_night_is_requested_on_the_next": 1,
    "test_checks.py::test_a_corrupted_copy_fails_by_the_rule_and_by_no_other": 6,
    "test_checks.py::test_a_rule_that_only_warns_does_not_keep_a_run_from_being_published": 0,
    "test_checks.py::test_publishing_refuses_what_breaks_a_rule_even_when_its_check_was_never_requested": 1,
    "test_checks.py::test_two_rows_of_one_key_fail": 60,
    "test_checks.py::test_what_is_no_fault_passes": 4,
    "test_claims.py::test_what_is_not_known_is_unknown_with_its_reason": 4,
    "test_claims_everywhere.py::test_no_table_is_another_without_saying_that_the_listing_is_unknown": 0,
    "test_cli.py::test_a_path_below_a_file_is_wrong_configuration": 0,
    "test_cli.py::test_a_run_says_that_the_files_name_is_a_schemas_and_goes_on": 0,
    "test_cli.py::test_a_run_that_is_interrupted_frees_the_warehouse_and_loses_nothing": 0,
    "test_cli.py::test_a_second_run_at_once_names_the_one_that_works": 0,
    "test_cli.py::test_a_working_file_that_is_no_database_is_refused_and_kept": 0,
    "test_cli.py::test_coverage_of_a_blocked_run_names_the_cells_at_fault": 0,
    "test_clients.py::test_every_documented_query_runs_in_the_duckdb_command_line": 4,
    "test_cmdb.py::test_a_broken_history_is_reported": 2,
    "test_cmdb.py::test_a_history_says_what_a_version_is_of_and_when_it_began_or_is_refused": 1,
    "test_cmdb.py::test_a_quiet_run_costs_little_however_many_items_there_are": 0,
    "test_cmdb.py::test_an_attribute_that_is_volatile_no_more_or_new_in_a_release_is_filled_in_and_no_change": 0,
    "test_cmdb.py::test_an_item_that_is_known_already_begins_its_history_as_it_stands": 0,
    "test_cmdb.py::test_the_order_of_what_aws_gives_and_a_volatile_attribute_are_no_change": 0,
    "test_cmdb_figures.py::test_what_costs_and_is_not_listed_is_found_only_where_the_responses_can_be_trusted": 4,
    "test_contract.py::test_every_optional_grant_has_a_caller": 0,
    "test_contract.py::test_the_guard_lets_through": 8,
    (
        "test_definitions.py::"
        "test_the_run_and_its_confirmation_start_where_the_three_central_profiles_are_named_and_nowhere_else"
    ): 0,
    "test_denied_before.py::test_a_region_that_is_open_again_is_requested_in_the_same_run": 0,
    "test_denied_before.py::test_an_old_refusal_stands_for_nothing": 0,
    "test_denied_before.py::test_another_policy_and_a_changed_one_are_no_evidence_of_before": 0,
    "test_denied_before.py::test_the_runs_that_follow_send_one_request_and_every_seventh_sends_all": 0,
    "test_denied_steps.py::test_a_role_that_misses_the_permission_is_refused_and_blocks": 1,
    "test_denied_steps.py::test_a_service_that_is_denied_to_everybody_is_skipped": 1,
    "test_deploy.py::test_a_run_that_never_began_is_alerted_from_outside": 1,
    "test_docs.py::test_every_query_of_the_commands_page_is_answered_by_the_published_file": 8,
    "test_end_of_life.py::test_a_runtime_whose_date_is_not_known_is_unknown": 2,
    "test_end_of_life.py::test_an_engine_has_the_dates_of_its_major_version": 3,
    "test_end_of_life.py::test_the_bill_says_what_extended_support_costs": 2,
    "test_end_of_life.py::test_what_rds_reports_goes_before_the_seed": 2,
    "test_event_log.py::test_a_dagster_with_another_private_name_records_the_run_with_its_own_log_and_one_warning": 0,
    "test_explain.py::test_every_gap_ends_in_what_to_do": 3,
    "test_exposure.py::test_a_group_is_not_judged_where_what_would_name_it_is_unknown": 2,
    "test_exposure.py::test_a_group_is_used_by_whatever_names_it": 2,
    "test_exposure.py::test_a_wide_range_of_public_addresses_is_a_class_of_its_own": 4,
    "test_exposure.py::test_several_ranges_may_be_everybody": 2,
    "test_exposure_paths.py::test_any_groups_acl_and_routes_open_what_other_means_make_of_them": 0,
    "test_exposure_paths.py::test_since_when_it_is_open_is_the_first_night_that_saw_it_so": 0,
    "test_exposure_paths.py::test_the_network_of_an_owner_whom_nobody_asks_is_unknown": 0,
    "test_exposure_paths.py::test_what_is_not_trusted_any_more_shuts_nothing_that_the_rest_does_not": 0,
    "test_exposure_paths.py::test_what_nobody_may_read_or_look_into_is_unknown": 0,
    "test_exposure_paths.py::test_where_snapshots_are_unknown_public_ones_are_as_well": 1,
    "test_fanout.py::test_memory_does_not_grow_with_accounts": 0,
    "test_history.py::test_a_full_disk_loses_no_night": 1,
    "test_history.py::test_a_night_after_a_clock_that_was_ahead_is_recorded": 0,
    "test_history.py::test_a_query_reads_nothing_else_and_changes_nothing": 6,
    "test_history.py::test_a_run_killed_while_it_records_loses_no_night": 1,
    "test_history.py::test_a_run_that_the_history_lacks_is_not_answered_by_the_one_before": 0,
    "test_history.py::test_a_table_that_was_dropped_and_forgotten_leaves_its_number": 0,
    "test_history.py::test_forgotten_nights_are_gone_and_the_others_as_they_were": 0,
    "test_history.py::test_merged_segments_say_the_same_and_are_few": 0,
    "test_history.py::test_what_does_not_read_back_is_not_recorded": 0,
    "test_history.py::test_what_is_listed_stays_when_the_disk_fails_just_after": 0,
    "test_hostile.py::test_a_terminal_obeys_nothing_that_a_command_prints": 12,
    "test_hostile.py::test_whatever_has_a_name_keeps_the_hostile_one": 4,
    "test_http_forms.py::test_a_response_of_any_form_is_what_botocore_reads_or_is_refused": 20,
    "test_hub.py::test_coverage_is_unknown_where_no_aggregator_could_be_requested": 1,
    "test_hub.py::test_only_what_a_trusted_response_ought_to_have_shown_counts_as_unseen": 2,
    "test_hub.py::test_tags_that_a_listing_does_not_give_are_the_tagging_apis": 2,
    "test_installed.py::test_an_installation_holds_what_the_checkout_does_and_works_where_it_is_started": 0,
    "test_item_versions.py::test_a_version_begins_with_what_differs_and_with_nothing_else": 8,
    "test_items.py::test_an_item_of_the_same_arn_is_another_one_by_its_id_or_its_time_of_creation": 5,
    "test_items.py::test_only_what_is_trusted_takes_an_item_away": 6,
    "test_kept_rows.py::test_a_refusal_marks_the_rows_of_its_own_cell_and_of_no_other": 4,
    "test_kept_rows.py::test_a_response_replaces_no_row_of_a_cell_that_is_not_landed_any_more": 4,
    "test_kept_rows.py::test_a_response_replaces_the_rows_of_its_own_cell_and_of_no_other": 4,
    "test_kept_rows.py::test_what_the_newest_response_that_can_be_trusted_took_away_does_not_come_back": 3,
    "test_kept_rows.py::test_where_a_later_run_was_refused_the_one_before_it_is_loaded_if_it_never_was": 4,
    "test_killed_runs.py::test_of_a_run_that_was_killed_the_next_says_what_came_of_it": 2,
    "test_late_costs.py::test_a_backfill_takes_the_values_of_a_deactivated_key_out_of_closed_months": 0,
    "test_late_costs.py::test_a_backfill_that_is_processed_or_failed_reopens_nothing": 0,
    "test_late_costs.py::test_a_late_activation_changes_no_closed_month_and_is_there_from_its_day_on": 0,
    "test_late_costs.py::test_the_turn_waits_for_room_within_the_limit_and_harms_nothing": 0,
    "test_late_costs.py::test_what_a_backfill_changed_waits_for_the_next_run_where_the_limit_ends_the_asking": 0,
    "test_late_costs.py::test_without_an_optional_grant": 1,
    "test_lost_cells.py::test_a_retry_that_brings_fewer_than_its_run_has_stored_is_refused_and_loses_no_record": 0,
    (
        "test_lost_cells.py::"
        "test_a_worker_process_that_brings_fewer_results_or_others_ends_the_step_and_nothing_is_stored"
    ): 2,
    "test_lost_cells.py::test_fewer_or_other_cells_than_planned_are_refused_and_nothing_is_stored": 1,
    "test_models.py::test_every_file_comes_after_what_it_reads_and_rests_on_the_listings_of_that": 30,
    "test_models.py::test_every_file_documents_the_columns_that_it_yields_and_no_other": 30,
    "test_models.py::test_every_file_names_its_key_or_says_why_it_has_none": 30,
    "test_models.py::test_every_relation_and_column_of_an_empty_warehouse_carries_its_comment": 30,
    "test_models.py::test_every_relation_that_a_file_reads_is_there": 30,
    "test_models.py::test_given_responses_become_the_expected_rows": 40,
    "test_models.py::test_rows_that_went_with_their_account_do_not_come_back_without_a_response": 0,
    "test_models.py::test_the_dependencies_found_are_what_duckdb_itself_reads_out_of_the_query": 30,
    "test_mutants.py::test_a_mutant_is_killed_by_a_test_that_sees_it_and_by_no_other": 1,
    "test_network.py::test_a_group_is_unused_only_where_its_users_are_known": 3,
    "test_network.py::test_a_vpc_is_a_finding_only_where_its_flow_logs_are_known": 2,
    "test_network.py::test_of_an_account_without_any_response_no_finding_is_judged": 3,
    "test_newest_cell.py::test_a_zero_that_waits_is_known_where_the_trusted_response_before_it_was_empty": 2,
    "test_newest_cell.py::test_an_acceptance_ends_with_the_refusal_that_cloudtrail_records_after_it": 2,
    "test_newest_cell.py::test_the_newest_cells_are_those_of_all_runs": 1,
    "test_newest_cell.py::test_what_is_there_is_reported_when_the_table_is_new": 0,
    "test_not_billed.py::test_a_bill_that_was_known_and_is_not_available_any_more_refuses_and_stays": 1,
    "test_not_billed.py::test_a_payer_without_any_costs_is_unknown_and_refuses_nothing": 1,
    "test_not_billed.py::test_months_that_aws_prepares_later_wait_and_the_newest_is_shown": 0,
    "test_not_billed.py::test_the_accepted_zero_of_an_earlier_month_accepts_no_later_one": 1,
    "test_organisation.py::test_an_organisation_without_units_and_one_of_five_levels": 1,
    "test_organization_versions.py::test_a_place_that_was_never_known_begins_no_version_each_run": 0,
    "test_organization_versions.py::test_a_run_that_is_built_again_changes_nothing": 0,
    "test_organization_versions.py::test_an_account_that_moves_keeps_where_it_was": 0,
    "test_organization_versions.py::test_an_ou_keeps_its_names_and_when_it_was_removed": 0,
    "test_organization_versions.py::test_the_cost_of_an_ou_is_that_of_the_accounts_that_were_in_it": 0,
    "test_organization_versions.py::test_what_is_not_trusted_begins_no_version": 1,
    "test_page_sizes.py::test_a_listing_requests_no_larger_page_than_aws_gives": 24,
    "test_paid_requests.py::test_processes_that_send_at_once_stay_within_the_limit_together": 0,
    (
        "test_paid_requests.py::"
        "test_two_runs_of_a_day_with_throttling_cost_what_cloudwatch_counted_and_the_second_requests_nothing_again"
    ): 0,
    "test_parts.py::test_nothing_differs": 0,
    "test_publish.py::test_a_first_run_killed_at_any_point_publishes_all_or_nothing": 2,
    "test_publish.py::test_a_run_killed_at_any_point_leaves_the_old_version_or_the_new_one": 4,
    "test_publish.py::test_people_can_read_the_published_file_and_do_nothing_else": 8,
    "test_published_name.py::test_after_an_upgrade_that_was_killed_the_older_release_can_go_on": 1,
    "test_published_name.py::test_an_upgrade_killed_at_any_point_leaves_both_names_whole_and_loses_nothing": 2,
    "test_record_rules.py::test_a_rule_refuses_no_more_than_it_must": 6,
    "test_record_rules.py::test_whatever_a_rule_lets_pass_can_be_built_and_has_its_keys": 0,
    "test_record_rules.py::test_whatever_may_be_lacking_is_lacked_by_no_table_that_outlasts_a_run": 0,
    "test_records.py::test_every_listing_says_what_reports_its_records_apart_or_why_nothing_does": 40,
    "test_reference.py::test_a_first_run_with_nothing_of_its_own_has_no_warning_and_no_rate_that_nobody_published": 0,
    "test_relationship.py::test_only_a_response_that_can_be_trusted_ends_a_relation": 3,
    "test_release.py::test_a_command_that_needs_it_refuses_with_a_sentence_and_exit_code_2": 1,
    "test_release.py::test_a_missing_empty_or_misspelt_folder_is_named": 5,
    "test_release.py::test_one_missing_file_is_named": 6,
    "test_release.py::test_the_code_location_does_not_load_with_less": 1,
    "test_replaced.py::test_a_bucket_that_was_made_after_it_was_last_seen_replaces_it": 0,
    "test_replaced.py::test_a_signal_ends_with_the_database_that_it_is_of": 0,
    "test_replaced.py::test_an_instance_that_was_started_again_is_the_same": 0,
    "test_replaced.py::test_an_older_time_of_creation_is_a_change_and_no_other_bucket": 0,
    "test_report_scope.py::test_an_empty_list_is_none_only_where_nothing_of_its_scope_is_unknown": 1,
    "test_savings.py::test_an_idle_instance_that_is_stopped_is_not_used_again": 1,
    "test_savings.py::test_gp3_keeps_the_throughput_of_gp2": 1,
    "test_savings.py::test_of_what_was_changed_what_takes_its_place_is_subtracted": 1,
    "test_savings.py::test_snapshots_that_a_policy_keeps_are_no_candidates": 1,
    "test_savings.py::test_what_a_commitment_covers_saves_nothing": 1,
    "test_simulator_bounds.py::test_what_aws_refuses_is_refused": 6,
    "test_status.py::test_a_run_that_has_the_working_file_open_is_not_waited_for": 0,
    "test_strayed.py::test_what_a_step_before_found_out_counts_in_the_next": 0,
    "test_time_zones.py::test_every_view_of_the_published_file_is_the_same_in_every_time_zone": 0,
    "test_tls.py::test_a_proxy_is_requested_as_botocore_requests_it": 4,
    "test_tls.py::test_the_bundle_of_certificates_is_the_one_that_botocore_takes": 4,
    "test_warehouse.py::test_a_warehouse_of_every_older_schema_keeps_its_rows": 5,
    "test_witnesses.py::test_a_silent_zero_of_a_witnessed_listing_is_refused_on_a_first_run": 1,
    (
        "test_zero_confirmation.py::"
        "test_a_first_run_publishes_zeros_that_wait_and_half_an_hour_later_they_are_confirmed"
    ): 0,
}
"""How many cases of a slow test with many `make test` runs; `.ci/nightly` runs the others too."""

LONGEST = ("test_cli.py",)
"""Files that take two minutes or so. A file has one worker: begun last, it would be waited for alone."""

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


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--today`."""
    another_day.add_options(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Set the clock before anything else is done: whoever was loaded so far is loaded again."""
    another_day.set_clock(config)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[object]:
    """Look for garbage once, after collecting: to look again and again among all tests took a third of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Order the files, and mark as large what `EACH_PUSH` leaves out; where it matters, as unit what starts nothing.

    The longest come first, and of the others those that need the truthful run come last: it takes one worker minutes.
    """
    waiting = {item.path for item in items if "witnessed_night" in getattr(item, "fixturenames", ())}
    items.sort(key=lambda item: (item.path.name not in LONGEST, item.path in waiting))
    seen: Counter[str] = Counter()
    are_units_wanted = "unit" in config.getoption("markexpr")
    for item in items:
        name = f"{item.path.name}::{getattr(item, 'originalname', item.name)}"
        if name in EACH_PUSH:
            seen[name] += 1
            if seen[name] > EACH_PUSH[name]:
                item.add_marker(pytest.mark.large)
        if are_units_wanted and tiers.is_unit(item):
            item.add_marker(pytest.mark.unit)


_guard = tiers.Guard()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Hold a unit test to what it is."""
    with _guard.watching(item):
        return (yield)


@pytest.fixture(scope="session", autouse=True)
def _shared_by_workers(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> None:
    """Name the folder of the session that all workers share, for what is made where there are no fixtures."""
    base = tmp_path_factory.getbasetemp()
    os.environ["SHARED_BY_WORKERS"] = str(base if worker_id == "master" else base.parent)


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


@pytest.fixture(scope="session")
def small_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    """One simulator of two accounts for the whole session, whose CloudTrail is as late as AWS's."""
    with start(tmp_path_factory.mktemp("small"), policies(), accounts=2, resources=1) as simulator:
        yield simulator


@pytest.fixture
def small(small_process: Simulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    """An organisation of two accounts, which this process's environment leads to; as new before and after each test."""
    small_process.reset()
    lead_to(small_process, monkeypatch)
    yield small_process
    small_process.reset()


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
