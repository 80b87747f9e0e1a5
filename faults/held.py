"""Held: what tests show of the promises that are not broken in whole nights, run anew and told in their own words.

A promise names its tests; a test that is gone or renamed is a failure here, not a gap that nobody sees.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from faults.report import Shown

REPOSITORY = Path(__file__).resolve().parent.parent

LONGEST = 900
"""Seconds after which the tests are broken off, whatever the deadline."""

PATIENCE = 60
"""Seconds that an interrupted pytest has to write its report."""


@dataclass(frozen=True)
class Promise:
    """What is promised, and the tests that show it.

    Attributes:
        tests: names of test functions without `test_`, by file without `test_` and ending.
    """

    case: str
    expected: str
    tests: Mapping[str, Sequence[str]]

    def ids(self) -> list[str]:
        """What pytest is asked for."""
        return [f"tests/test_{file}.py::test_{name}" for file, names in self.tests.items() for name in names]


PROMISES = (
    Promise(
        "every operation of botocore by every role",
        "what the contract does not give is refused before anything is sent",
        {
            "contract": ["every_operation_is_refused_unless_the_contract_allows_it"],
            "guard": ["every_operation_of_these_services_meets_the_guard"],
        },
    ),
    Promise(
        "clients that foreign code makes from our session",
        "the guard is on every one of them",
        {
            "guard": [
                "a_refused_operation_says_who_may_and_is_not_sent",
                "it_refuses_before_parameters_are_looked_at",
                "a_paginator_is_guarded",
                "a_waiter_is_guarded",
                "presigned_urls_are_guarded",
                "a_presigned_post_is_guarded",
                "a_database_token_is_guarded",
                "resources_are_guarded",
                "copies_of_a_session_are_guarded",
                "own_keys_and_settings_do_not_get_around_it",
                "the_shared_clients_are_guarded_too",
                "a_shared_client_outside_of_a_question_signs_for_nobody",
            ]
        },
    ),
    Promise(
        "hostile names and tag values",
        "no injection, no loss, no broken report",
        {
            "hostile": [
                "a_hostile_name_goes_through_every_table_as_it_is",
                "whatever_has_a_name_keeps_the_hostile_one",
                "the_report_of_hostile_names_is_written_whole_and_harmless",
                "half_a_character_fails_its_cell_and_nothing_else",
                "half_a_character_in_what_is_kept_verbatim_is_marked",
                "a_hostile_name_leaves_in_a_file_as_it_is",
                "profiles_of_odd_names_are_found_asked_and_told_apart",
                "an_account_id_keeps_its_leading_zeros",
            ],
            "properties": [
                "every_tag_that_aws_can_send_is_in_the_table_as_it_was",
                "an_instance_keeps_what_it_is_called_and_its_arn_is_its_own",
                "settings_are_read_or_refused_in_a_sentence",
                "the_folder_of_a_hostile_name_holds_a_warehouse",
            ],
            "cli": ["sql_shows_awkward_values_as_they_are"],
            "cmdb_figures": ["a_cell_that_would_be_run_as_a_formula_is_only_shown"],
            "explain": ["names_of_accounts_cannot_write_settings"],
            "report": ["no_name_can_do_harm", "a_browser_finds_no_harm_in_any_name"],
            "report_sections": ["no_name_does_harm_in_a_map"],
        },
    ),
    Promise(
        "parsing, ARNs and windows, for every text and every day",
        "the properties hold",
        {
            "properties": [
                "every_record_of_every_page_is_handed_on_in_its_order",
                "any_text_in_xml_is_read_as_botocore_reads_it",
                "any_text_in_json_is_read_as_botocore_reads_it",
                "tags_that_come_in_xml_or_json_are_what_was_sent",
                "what_is_no_list_of_own_records_is_a_failure_with_a_reason_and_never_none",
                "a_record_of_another_account_is_never_taken_for_ones_own",
                "an_arn_that_is_built_says_what_it_was_built_from",
                "the_arn_of_a_bucket_is_the_one_that_its_tags_are_requested_with",
                "the_months_that_are_requested_are_whole_disjoint_and_end_before_today",
                "months_back_and_forth_are_the_same_month",
                "a_month_that_aws_may_still_change_is_requested_again",
            ]
        },
    ),
    Promise(
        "allocation of any bill",
        "it is the bill to the last digit",
        {"properties": ["allocated_cost_is_the_bill_to_the_last_digit"]},
    ),
    Promise(
        "the history over any sequence of trusted and untrusted nights",
        "versions meet without a gap, and begin with what can be believed alone",
        {
            "properties": ["over_any_sequence_of_runs_the_history_keeps_its_invariants"],
            "cmdb": [
                "over_any_four_runs_a_version_begins_with_each_change_that_can_be_trusted_and_with_nothing_else",
                "a_broken_history_is_reported",
            ],
            "models": ["whatever_the_runs_bring_a_cell_holds_the_records_of_its_newest_trusted_response"],
        },
    ),
    Promise(
        "credentials with a canary in them",
        "they are in no event log, captured output, metadata, landing, published file or exception",
        {
            "secrets": [
                "a_token_that_aws_repeats_is_in_no_response_and_no_exception",
                "a_token_that_sts_repeats_is_in_no_sentence",
                "no_credential_is_in_captured_output_or_events",
            ],
            "managed": [
                "no_secret_of_a_function_or_database_is_kept_anywhere",
                "no_credential_is_kept_anywhere",
                "a_secret_is_in_no_verbatim_response_either",
                "a_question_that_is_put_again_shows_no_secret",
                "what_is_redacted_goes_however_deep_it_stands",
            ],
            "profile": [
                "a_credential_process_that_fails_keeps_its_secrets",
                "a_credential_process_that_fails_later_keeps_its_secrets",
            ],
        },
    ),
    Promise(
        "modes of files and folders under any umask",
        "0440 what is published and 0400 under 077, nothing open to the world, the umask given back",
        {
            "warehouse": [
                "nothing_is_open_to_the_world_whatever_the_umask",
                "a_whole_run_without_a_umask_leaves_nothing_open_to_the_world",
                "a_working_file_that_was_open_to_the_world_is_closed",
            ],
            "landing": ["strangers_may_not_look_into_a_listings_folder"],
            "cli": ["a_folder_that_is_missing_is_made_and_closed_to_the_world"],
        },
    ),
    Promise(
        "the session that `cmdb sql` opens",
        "it reads the published file and can do nothing else",
        {
            "publish": [
                "people_can_read_the_published_file_and_do_nothing_else",
                "a_name_in_their_sql_is_never_a_python_variable",
            ],
            "cli": ["sql_cannot_write_or_read_anything_else"],
        },
    ),
    Promise(
        "warehouses of every older schema",
        "they open, migrate and keep their rows; a migration that fails leaves them untouched",
        {
            "warehouse": [
                "a_warehouse_of_every_older_schema_keeps_its_rows",
                "an_upgraded_warehouse_builds_and_publishes_what_a_new_one_does",
                "a_whole_run_runs_on_a_warehouse_of_an_older_schema_and_goes_on_from_it",
                "a_broken_migration_leaves_the_file_as_it_was",
                "a_first_migration_that_fails_leaves_no_file",
                "a_changed_migration_is_refused",
                "a_file_from_the_future_is_refused_and_not_touched",
                "an_older_file_is_not_migrated_by_a_reader_without_the_lock",
            ]
        },
    ),
    Promise(
        "a stale lock, a stale log, left-overs",
        "the next run goes on and removes them",
        {
            "warehouse": [
                "a_second_run_is_refused_at_once_and_told_who_holds_it",
                "a_killed_holder_frees_the_lock",
                "the_lock_dies_with_a_holder_that_has_forked",
                "left_overs_of_a_killed_run_are_removed_and_nothing_else",
                "a_killed_writer_loses_nothing_that_was_committed",
                "a_log_without_its_file_is_not_replayed_into_a_new_one",
                "a_damaged_working_file_says_so_and_is_kept",
            ],
            "publish": ["a_log_beside_a_version_is_removed_by_the_next_run"],
        },
    ),
    Promise(
        "a full disk while landing, writing and publishing, and from the start",
        "it says so, what is published stays, and nothing that was acknowledged is lost",
        {
            "publish": [
                "a_full_disk_at_publish_leaves_the_published_version",
                "a_full_disk_while_writing_says_so_and_loses_nothing",
                "a_disk_that_is_full_from_the_start_says_so",
                "a_full_disk_while_landing_says_so",
            ]
        },
    ),
    Promise(
        "a kill at each step of publishing and of the first night",
        "the old version or the new one is published, whole",
        {
            "publish": [
                "a_first_run_killed_at_any_point_publishes_all_or_nothing",
                "a_run_killed_at_any_point_leaves_the_old_version_or_the_new_one",
                "readers_never_see_an_error_or_a_mixture",
                "a_log_that_stays_behind_stops_it",
            ]
        },
    ),
    Promise(
        "a run killed while it works and at each step of publishing",
        "published are the nights that analysts could read, also after a rollback, and the report counts from the last",
        {
            "killed_runs": [
                "of_a_run_that_was_killed_the_next_says_what_came_of_it",
                "so_it_does_wherever_that_was",
            ]
        },
    ),
)


@dataclass
class Seen:
    """What came of one test function."""

    passed: int = 0
    skipped: str = ""
    failed: str = ""


def run(scratch: Path, deadline: float) -> list[Shown]:
    """Run the tests of every promise in one pytest, and say of each promise how many passed and what they show."""
    left = min(LONGEST, deadline - time.monotonic())
    if left <= 0:
        return [_late(promise) for promise in PROMISES]
    scratch.mkdir(parents=True)
    report = scratch / "junit.xml"
    began = time.monotonic()
    ids = dict.fromkeys(test for promise in PROMISES for test in promise.ids())
    quiet = ("-m", "", "-p", "no:cacheprovider", "--hypothesis-profile=many")
    command = [sys.executable, "-m", "pytest", *quiet, f"--junit-xml={report}", *ids]
    said, late = asked(command, left)
    # What hangs although it had all the time that there may be is wrong.
    is_cut_short = late and left < LONGEST
    trouble = "" if report.exists() or is_cut_short else f"pytest did not run: {_last(said)}"
    seen = read(report, late=late) if report.exists() else {}
    seconds = (time.monotonic() - began) / len(PROMISES)
    found = [
        _late(promise)
        if late and not trouble and not seen.keys() >= {*promise.ids()}
        else shown_of(promise, seen, trouble, seconds)
        for promise in PROMISES
    ]
    for case in found:
        print(case.line(), flush=True)
    return found


def _late(promise: Promise) -> Shown:
    return Shown("held", promise.case, promise.expected, skipped="the time was up")


def asked(command: Sequence[str], seconds: float) -> tuple[str, bool]:
    """What pytest says, and whether it was interrupted because it had no more time; it writes what it has seen then."""
    child = subprocess.Popen(
        command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        # What runs in the background of a shell ignores it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        return child.communicate(timeout=seconds)[0], False
    except subprocess.TimeoutExpired:
        child.send_signal(signal.SIGINT)
    try:
        return child.communicate(timeout=PATIENCE)[0], True
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        return child.communicate()[0], True


def _last(text: str) -> str:
    return next((line for line in reversed(text.splitlines()) if line.strip()), "it said nothing")


def read(report: Path, *, late: bool = False) -> dict[str, Seen]:
    """What came of each test function, by its id; without the last one where they were interrupted."""
    found: dict[str, Seen] = {}
    name = ""
    for case in ElementTree.parse(report).iter("testcase"):  # our own pytest wrote it
        file = case.get("classname", "").replace(".", "/")
        name = f"{file}.py::{case.get('name', '').partition('[')[0]}"
        seen = found.setdefault(name, Seen())
        wrong = next((child for child in case if child.tag in ("failure", "error")), None)
        skipped = case.find("skipped")
        if wrong is not None:
            seen.failed = seen.failed or (wrong.get("message") or wrong.text or "it failed").strip().splitlines()[0]
        elif skipped is not None:
            seen.skipped = skipped.get("message") or "skipped"
        else:
            seen.passed += 1
    if late:
        # pytest writes of a test that it was at what it writes of one that has passed.
        found.pop(name, None)
    return found


def shown_of(promise: Promise, seen: Mapping[str, Seen], trouble: str, seconds: float) -> Shown:
    """The row of a promise."""
    words, passed, failures, skips = [], 0, [], []
    for test in promise.ids():
        came = seen.get(test, Seen(failed="the test is not there"))
        told = test.partition("::test_")[2].replace("_", " ")
        passed += came.passed
        if came.failed:
            failures.append(f"{told}: {came.failed}")
        elif came.skipped and not came.passed:
            skips.append(f"{told} ({came.skipped})")
        else:
            words.append(told)
    failure = trouble or "; ".join(failures)
    said = f"{passed} tests: {'; '.join(words)}."
    if skips:
        said += f" Not tried: {'; '.join(skips)}."
    if not failure and not passed:
        return Shown("held", promise.case, promise.expected, skipped="; ".join(skips), seconds=seconds)
    return Shown("held", promise.case, promise.expected, said, failure, seconds=seconds)
