"""The targets of `make mutants`: which rules are changed, and which fast tests hold them."""

from collections.abc import Mapping
from dataclasses import dataclass

from tools.mutation.marks import Mark, marks
from tools.mutation.mutations import Mutant, numbered, python_mutants
from tools.mutation.names import unknown_places, unknown_tests
from tools.mutation.sql_mutations import embedded_mutants, rewritten, sql_mutants
from tools.mutation.trials import TrialError
from tools.mutation.watch import REPOSITORY


@dataclass(frozen=True)
class Source:
    """A file that is changed.

    Attributes:
        path: below the repository.
        only: the functions, classes or, of SQL, columns that belong to the target; all where empty.
        tests: what pytest is to run, instead of the target's.
        once: a function of a module beside the tests, `module:name`, that keeps what it gives and takes long; it may
            load nothing that is changed.
    """

    path: str
    only: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    once: str = ""

    def mutants(self) -> list[Mutant]:
        """Every mutant of it."""
        text = (REPOSITORY / self.path).read_text(encoding="utf-8")
        if self.path.endswith(".sql"):
            return sql_mutants(self.path, text, self.only)
        found = [*python_mutants(self.path, text, self.only), *embedded_mutants(self.path, text, self.only)]
        return numbered({mutant.text: mutant for mutant in found}.values())

    def marks(self) -> list[Mark]:
        """Every mark of it, also of what is not changed."""
        return marks(self.path, (REPOSITORY / self.path).read_text(encoding="utf-8"))

    def rewritten(self) -> Mutant | None:
        """What is no mutant: its queries in other words. None where it has no queries."""
        text = (REPOSITORY / self.path).read_text(encoding="utf-8")
        after = rewritten(self.path, text, self.only)
        return Mutant(self.path, "", "its queries in other words", after) if after != text else None


@dataclass(frozen=True)
class Target:
    """Rules that belong together, and the fast tests that hold them."""

    what: str
    sources: tuple[Source, ...]
    tests: tuple[str, ...]

    def require_names(self) -> None:
        """Refuse a target that names what is not there: nothing of it would be changed, or nobody would notice.

        Raises:
            TrialError: it does.
        """
        wrong = [
            sentence
            for source in self.sources
            for sentence in (
                *unknown_places(REPOSITORY, source.path, source.only),
                *unknown_tests(REPOSITORY, source.tests or self.tests, source.once),
            )
        ]
        if wrong:
            raise TrialError(
                f"{' '.join(dict.fromkeys(wrong))} Nothing was tried. Correct the target in tools/mutation/targets.py."
            )


_NEWEST_CELL = (
    "tests/test_newest_cell.py::test_the_newest_cells_are_those_of_all_runs",
    "tests/test_newest_cell.py::test_what_is_there_is_reported_when_the_table_is_new",
    "tests/test_newest_cell.py::test_an_empty_policy_has_its_old_name_beside_it_for_one_version",
    "tests/test_newest_cell.py::test_what_somebody_changes_by_hand_shows_when_it_is_reported_anew",
    "tests/test_newest_cell.py::test_an_acceptance_that_ended_stays_ended_when_what_ended_it_is_old",
    "tests/test_newest_cell.py::test_the_last_find_ends_an_acceptance_and_a_later_one_begins_another",
    "tests/test_newest_cell.py::test_records_are_compared_with_those_of_the_last_trusted_response_that_was_counted",
    "tests/test_newest_cell.py::test_what_two_roles_are_reported_of_the_same_question_are_two_cells",
    "tests/test_newest_cell.py::test_cells_lie_by_listing_and_place_in_whatever_order_they_were_answered",
    "tests/test_newest_cell.py::test_only_the_listing_that_is_named_is_reported_anew",
    "tests/test_newest_cell.py::test_a_zero_that_waits_is_known_where_the_trusted_response_before_it_was_empty",
    "tests/test_newest_cell.py::test_a_zero_whose_confirmation_failed_is_not_known",
    "tests/test_newest_cell.py::test_an_accepted_zero_that_waits_is_known_as_of_itself",
    "tests/test_newest_cell.py::test_an_acceptance_ends_with_the_refusal_that_cloudtrail_records_after_it",
    "tests/test_newest_cell.py::test_an_acceptance_of_the_very_time_of_a_find_does_not_hold",
)
"""All but the one that takes minutes of chance."""


TARGETS: Mapping[str, Target] = {
    "contract": Target(
        "who may send what",
        (Source("resources/contract.py", once="every_operation:every_operation"),),
        ("tests/test_contract.py",),
    ),
    "guard": Target(
        "nothing is sent that the contract does not cover",
        (Source("resources/aws/guard.py"),),
        ("tests/test_guard.py",),
    ),
    "identity": Target(
        "whom the profiles reach, and what the pre-flight makes of it",
        (
            Source("resources/identity_rules.py"),
            Source("pipelines/preflight_assets.py", tests=("tests/test_preflight_step.py",), once="given:ready"),
        ),
        ("tests/test_identity.py",),
    ),
    "rules": Target(
        "what may be trusted",
        (
            Source("pipelines/trust/ages.py"),
            Source("pipelines/trust/outcomes.py"),
            Source("pipelines/trust/preflight_rules.py"),
            Source("pipelines/trust/zero_rule.py"),
            Source("pipelines/trust/listing_rule.py"),
            Source("pipelines/trust/publish_rules.py"),
            Source("resources/check_result.py"),
            Source(
                "pipelines/collection/decisions.py",
                ("Confirmation.sentence", "Confirmation.count", "decide", "portions"),
                tests=("tests/test_confirmation.py",),
            ),
        ),
        ("tests/test_rules.py",),
    ),
    "gate": Target(
        "nothing is built without the evidence",
        (Source("pipelines/trust/gate.py"),),
        (
            "tests/test_gate_sentences.py",
            "tests/test_definitions.py::test_every_asset_but_the_preflight_and_the_report_is_gated",
        ),
    ),
    "items": Target(
        "which items there are, and what is a version of one (SCD type 2)",
        (
            Source("warehouse/cmdb/resource_version.sql"),
            Source("pipelines/models/history.py", ("open_versions",)),
            Source("warehouse/cmdb/resource.sql", tests=("tests/test_items.py",)),
        ),
        ("tests/test_item_versions.py",),
    ),
    "freezing": Target(
        "which rows an answer replaces, and which stay as they are",
        (
            Source(
                "pipelines/models/build.py",
                (
                    "trusted_cells",
                    "_replace_cells",
                    "_is_of_nothing",
                    "_stands",
                    "_leave_what_stands",
                    "_keep_one_of_each",
                ),
            ),
        ),
        ("tests/test_kept_rows.py", "tests/test_landed_records.py"),
    ),
    "answers": Target(
        "what an answer of AWS is worth",
        (
            Source(
                "resources/aws/client.py",
                ("_Pending", "AwsClient.fetch", "AwsClient.skip_reason", "AwsClient.is_optional"),
            ),
            Source("resources/aws/paging.py", ("Pager", "_loop")),
            Source("resources/aws/retry.py", ("RetryingSender", "outcome_of", "_classified")),
            Source("resources/aws/cloudtrail.py", ("CloudTrail", "_user_name", "_refusal")),
            Source("resources/aws/errors.py", ("is_throttle",)),
        ),
        (
            "tests/test_profile.py",
            "tests/test_batches.py",
            "tests/test_listings_for_each.py",
            "tests/test_answers.py::test_a_wrong_clock_of_this_machine_is_called_that",
            "tests/test_answers.py::test_empty_pages_without_end_have_one",
            "tests/test_answers.py::test_after_a_page_with_records_the_empty_ones_are_counted_from_the_first",
            "tests/test_answers.py::test_as_many_empty_pages_as_aws_sends_are_no_end",
            "tests/test_answers.py::test_empty_pages_of_one_parent_are_not_those_of_another",
            "tests/test_answers.py::test_pages_that_are_full_end_with_the_time_of_a_question",
            "tests/test_answers.py::test_a_response_that_ends_where_aws_may_cut_it_off_does_not_count",
            "tests/test_records.py::test_the_same_instance_on_one_page_or_two_is_found_once",
            "tests/test_records.py::test_an_instance_that_changes_between_two_pages_makes_no_response",
            "tests/test_secrets.py::test_a_token_that_aws_repeats_is_in_no_response_and_no_exception",
            "tests/test_secrets.py::test_a_token_that_sts_repeats_is_in_no_sentence",
        ),
    ),
    "cells": Target(
        "what is written of a run and its cells, and how a cell stands after all its nights",
        (
            Source("resources/audit/runs.py"),
            Source("resources/audit/identities.py"),
            Source("resources/audit/cells.py"),
            Source("resources/audit/zeros.py", tests=("tests/test_waiting_zeros.py",)),
            Source("resources/audit/coverage.py"),
            Source("resources/audit/checks.py"),
            Source("warehouse/migrations/0025_empty_policy.sql", tests=_NEWEST_CELL),
        ),
        ("tests/test_evidence.py", *_NEWEST_CELL),
    ),
    "publish": Target(
        "what analysts read, whole or not at all, and what is forgotten",
        (
            Source("pipelines/publishing/assets.py", once="given:ready"),
            Source(
                "pipelines/publishing/naming.py",
                tests=(
                    "tests/test_published_name.py::test_the_name_of_the_published_file_is_no_schemas",
                    "tests/test_published_name.py::test_a_name_that_is_no_schemas_gets_no_warning",
                    "tests/test_published_name.py::"
                    "test_a_name_that_is_a_schemas_gets_one_sentence_that_says_what_to_rename",
                    "tests/test_published_name.py::test_doing_what_the_warning_says_loses_nothing",
                ),
            ),
            Source("pipelines/publishing/retention.py", once="given:ready"),
            Source(
                "resources/store/publishing.py",
                ("Publisher.publish", "Publisher._checkpoint", "Publisher._seal", "Publisher._verify"),
                tests=(
                    "tests/test_publish.py",
                    "tests/test_freed_memory.py::test_the_rules_of_a_copy_have_one_connection",
                    "tests/test_freed_memory.py::test_a_rule_that_refuses_keeps_the_later_ones_from_being_called",
                ),
            ),
            Source(
                "resources/store/versions.py",
                ("Links.refuse_plain_file", "Links.point_at", "Versions"),
                tests=("tests/test_publish.py",),
            ),
            Source(
                "resources/store/store.py",
                ("Store.publish", "Store.versions", "Store.prune", "Store.rollback"),
                tests=("tests/test_publish.py",),
            ),
            Source(
                "resources/store/files.py",
                ("copy", "sync", "remove", "refuse_log_of"),
                tests=("tests/test_publish.py",),
            ),
            Source("resources/store/paths.py", ("with_wal",), tests=("tests/test_publish.py",)),
        ),
        ("tests/test_publish_step.py",),
    ),
    "pages": Target(
        "what a page of an answer is taken for",
        (Source("resources/aws/records.py"),),
        ("tests/test_pages.py",),
    ),
}
"""What is changed, by name."""
