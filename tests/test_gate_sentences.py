"""The gate by itself, over stored evidence: what opens it, and in which words it refuses."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import dagster as dg
import pytest
from given import FIRST_NIGHT, WORKLOAD, Given, House, house

from pipelines.alerts import failure_of
from pipelines.catalogue.names import ACCOUNT
from pipelines.catalogue.registry import SUPPLEMENTS
from pipelines.errors import LandingError, SqlFileError
from pipelines.reference import ReferenceFileError
from pipelines.settings import Settings
from pipelines.trust import gate, outcomes
from pipelines.trust.outcomes import NO_LONGER_REQUESTED, PARENTS_UNKNOWN
from resources.audit.cells import NewestCell
from resources.audit.checks import record_preflight
from resources.audit.coverage import Standing, by_listing, coverage, standing
from resources.audit.identities import record_callers
from resources.audit.step_plans import Arrival, LandedRecords, begin_plans, record_arrival
from resources.aws.profiles import AwsConfigError
from resources.aws.workers import ProcessEnded
from resources.check_result import CheckResult, Severity
from resources.contract import ContractViolation
from resources.identity_rules import CENTRAL_ROLES, CHECKS, Caller, Expectation
from resources.release import ProductFileError
from resources.roles import IdentityRefused
from resources.store.errors import LockHeld, WarehouseError
from resources.store.store import Store
from resources.warehouse import Warehouse

SETTINGS = Settings()
HOUR = timedelta(hours=1)
RUN = "run-1"


@dataclass
class Bound:
    """The warehouse of one run, at a time of the test's own."""

    store: Store
    at: datetime
    run_id: str = RUN
    error: Exception | None = None

    def begin(self, what: str, lock: object = None) -> Store:
        if self.error:
            raise self.error
        return self.store

    def now(self) -> datetime:
        return self.at

    def typed(self) -> Warehouse:
        return cast(Warehouse, self)


@dataclass
class Verified:
    """A role whose identities are recorded for the run when it is verified; or the error that it raises then."""

    bound: Bound
    error: Exception | None = None

    def verify(self) -> None:
        if self.error:
            raise self.error
        callers = [Caller(role, role, self.bound.at, "000000000001") for role in CENTRAL_ROLES]
        with self.bound.store.transaction() as connection:
            record_callers(
                connection,
                self.bound.run_id,
                callers,
                expectation=Expectation(),
                waiver=None,
                organization_id=None,
                config_hash=SETTINGS.config_hash,
            )


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("gate")) as made:
        yield made


@pytest.fixture
def bound(warehouse: House) -> Bound:
    """Evidence as it should be: a pre-flight of this run that passed, and trusted accounts and instances."""
    warehouse.execute(
        "delete from audit.check_result",
        "delete from audit.collection",
        "delete from audit.caller_identity",
        "delete from audit.step_plan",
    )
    with warehouse.store.transaction() as connection:
        record_preflight(
            connection, RUN, [CheckResult(True, "As it is.", name=name) for name in CHECKS], SETTINGS.config_hash
        )
    warehouse.night(RUN, [Given(ACCOUNT, [{"Id": "1"}]), Given("ec2_instance", [{"InstanceId": "i-1"}])])
    return Bound(warehouse.store, datetime.now(UTC))


def distrust(warehouse: House, listing: str) -> None:
    warehouse.execute(
        f"update audit.collection set is_trusted = false, outcome = 'empty_suspect' where listing = '{listing}'"
    )


def opened(bound: Bound, settings: Settings = SETTINGS, **other: Any) -> Store:
    return gate.open_gate(
        bound.typed(), settings, "cmdb.resource", **{"max_age": HOUR, "listings": ["ec2_instance"]} | other
    )


def refusal(bound: Bound, settings: Settings = SETTINGS, **other: Any) -> tuple[str, dict[str, Any], bool]:
    """The sentence of a gate that stays shut, its metadata, and whether Dagster would try again."""
    with pytest.raises(dg.Failure) as caught:
        opened(bound, settings, **other)
    metadata = {name: value.value for name, value in caught.value.metadata.items()}
    return caught.value.description or "", metadata, caught.value.allow_retries


def test_the_evidence_opens_the_gate(bound: Bound) -> None:
    assert opened(bound) is bound.store


def test_without_evidence_it_stays_shut_and_says_which_command_makes_it(warehouse: House, bound: Bound) -> None:
    warehouse.execute("delete from audit.check_result")
    assert refusal(bound) == (
        "cmdb.resource was not built. No pre-flight is recorded. Run the pre-flight first (`cmdb preflight`, or "
        "materialise audit/caller_identity). Nothing was changed.",
        {"exit_code": 1, "next_command": "cmdb preflight"},
        False,
    )


@pytest.mark.parametrize("listing", [ACCOUNT, "ec2_instance"])
def test_every_listing_that_is_built_from_must_be_trusted_and_the_accounts_too(
    warehouse: House, bound: Bound, listing: str
) -> None:
    distrust(warehouse, listing)
    said, metadata, _ = refusal(bound)
    assert said.startswith(f"cmdb.resource was not built. {listing}: empty_suspect in account ")
    assert said.endswith(". Nothing was changed.")
    assert metadata == {"exit_code": 1}


def test_only_the_list_of_accounts_itself_is_requested_without_it(warehouse: House, bound: Bound) -> None:
    distrust(warehouse, ACCOUNT)
    assert opened(bound, account_list=False) is bound.store
    assert refusal(bound, listings=[ACCOUNT], account_list=False)


def test_a_model_that_is_built_on_the_runs_own_connection_needs_the_accounts_too(
    warehouse: House, bound: Bound
) -> None:
    distrust(warehouse, ACCOUNT)
    with bound.store.read() as connection, pytest.raises(dg.Failure, match=f"{ACCOUNT}: empty_suspect"):
        gate.require(connection, bound.typed(), SETTINGS, "cmdb.resource", max_age=HOUR, listings=["ec2_instance"])


@pytest.mark.parametrize("listing", [ACCOUNT, "ec2_instance"])
def test_what_a_step_of_the_run_was_to_bring_keeps_the_gate_shut_until_it_has_come(bound: Bound, listing: str) -> None:
    with bound.store.transaction() as connection:
        begin_plans(connection, RUN, {listing: {("workload", WORKLOAD)}, "s3_bucket": {("workload", WORKLOAD)}})
        begin_plans(connection, "run-2", {ACCOUNT: {("management", WORKLOAD)}})
    said, metadata, _ = refusal(bound)
    assert said.startswith(f"cmdb.resource was not built. What landing/{listing} was to bring in this run ")
    assert metadata == {"exit_code": 1, "next_command": "cmdb nightly"}
    with bound.store.transaction() as connection:
        record_arrival(connection, RUN, {listing: Arrival(1, "digest", LandedRecords(0, 0, "digest"))})
    assert opened(bound) is bound.store


def test_a_zero_that_waits_for_cloudtrail_keeps_nothing_shut(warehouse: House, bound: Bound) -> None:
    warehouse.night(RUN, [Given("ec2_volume", outcome="empty_unconfirmed")])
    assert opened(bound, listings=["ec2_volume"]) is bound.store


def test_what_is_not_built_from_is_not_requested(warehouse: House, bound: Bound) -> None:
    distrust(warehouse, "ec2_instance")
    assert gate.open_gate(bound.typed(), SETTINGS, "org.account", max_age=HOUR) is bound.store


def test_each_rule_is_requested_once_the_pre_flight_first_and_then_the_accounts(bound: Bound) -> None:
    with bound.store.read() as connection:
        said = gate.check_results(
            connection, bound.typed(), SETTINGS, HOUR, ["ec2_instance", ACCOUNT, "ec2_instance"], account_list=True
        )
    assert [verdict.sentence.split()[0] for verdict in said] == ["The", f"{ACCOUNT}:", "ec2_instance:"]
    assert all(verdict.passed for verdict in said)


def test_loud_failures_are_let_pass_as_far_as_the_settings_say(warehouse: House, bound: Bound) -> None:
    refused = Given("ec2_instance", outcome="denied", account_id="111122223333")
    warehouse.night(RUN, [Given("ec2_instance", [{"InstanceId": "i-1"}]), refused])
    assert "more than CMDB_UNTRUSTED_TOLERANCE=0.05 allows" in refusal(bound)[0]
    assert opened(bound, Settings.model_construct(untrusted_tolerance=Decimal("0.5"))) is bound.store


def test_a_listing_that_only_tells_once_more_keeps_nothing_shut_unless_another_account_responds(
    warehouse: House, bound: Bound
) -> None:
    listing = min(SUPPLEMENTS)
    warehouse.night(RUN, [Given(listing, outcome="denied")])
    assert opened(bound, listings=[listing]) is bound.store
    warehouse.night(RUN, [Given(listing, outcome="wrong_account")])
    assert f"{listing}: wrong_account in account " in refusal(bound, listings=[listing])[0]


def test_a_refusal_begins_with_its_kind_and_no_module() -> None:
    (line,) = traceback.format_exception_only(gate.refuse("Nothing was built."))
    assert line.startswith("Refused")


def test_evidence_of_another_configuration_or_age_keeps_it_shut(bound: Bound) -> None:
    assert "another configuration" in refusal(bound, Settings(regions=("us-east-1",)))[0]
    bound.at += 2 * HOUR
    assert "at most 1 h 0 min is allowed here" in refusal(bound)[0]
    assert opened(bound, max_age=3 * HOUR) is bound.store


@pytest.mark.parametrize(("run_id", "is_open"), [(RUN, True), ("run-2", False)], ids=["its own", "of another run"])
def test_a_run_whose_identities_were_verified_again_goes_on_with_its_old_pre_flight(
    bound: Bound, run_id: str, is_open: bool
) -> None:
    bound.at += 2 * HOUR
    bound.run_id = run_id
    Verified(bound).verify()
    if is_open:
        assert opened(bound) is bound.store
    else:
        assert "at most 1 h 0 min is allowed here" in refusal(bound)[0]


def test_the_roles_are_verified_before_the_age_of_the_evidence_is_requested(bound: Bound) -> None:
    bound.at += 2 * HOUR
    assert "at most 1 h 0 min is allowed here" in refusal(bound)[0]
    assert opened(bound, verify=[Verified(bound)]) is bound.store


def test_a_role_that_is_somebody_else_keeps_the_gate_shut(bound: Bound) -> None:
    other = Verified(bound, IdentityRefused("billing may not be used: it is another account."))
    said, metadata, again = refusal(bound, verify=[Verified(bound), other])
    assert (said, metadata, again) == ("billing may not be used: it is another account.", {"exit_code": 1}, False)


def test_no_role_is_verified_while_another_run_holds_the_warehouse(bound: Bound) -> None:
    bound.error = LockHeld("Another run works here.")
    other = Verified(bound, AssertionError("nothing may be sent"))
    assert refusal(bound, verify=[other])[0] == "Another run works here."


@pytest.mark.parametrize(("severity", "is_open"), [("WARN", True), ("ERROR", False), ("another word", False)])
def test_only_a_warning_lets_what_failed_pass(warehouse: House, bound: Bound, severity: str, is_open: bool) -> None:
    fact = CheckResult(False, "They are one account.", name=CHECKS[-1], severity=cast(Severity, severity))
    with warehouse.store.transaction() as connection:
        record_preflight(connection, RUN, [fact], SETTINGS.config_hash)
    if is_open:
        assert opened(bound) is bound.store
    else:
        assert f"{CHECKS[-1]}: They are one account." in refusal(bound)[0]


def test_settings_that_cannot_be_used_start_nothing(bound: Bound) -> None:
    said = refusal(bound, Settings(problem="CMDB_REGIONS cannot be used."))
    assert said == ("cmdb.resource was not started. CMDB_REGIONS cannot be used.", {"exit_code": 2}, False)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(LockHeld("Another run works here."), 1, id="the lock"),
        pytest.param(WarehouseError("The folder is not writable.", exit_code=2), 2, id="the folder"),
        pytest.param(AwsConfigError("The file cannot be read.", "Let it be read."), 2, id="the config file"),
        pytest.param(IdentityRefused("Two profiles are one."), 1, id="an identity"),
        pytest.param(ContractViolation("billing", "ec2:RunInstances", "ec2:RunInstances"), 1, id="the contract"),
        pytest.param(SqlFileError("The file does not parse."), 1, id="a SQL file"),
        pytest.param(LandingError("The landing is gone."), 1, id="a landing"),
        pytest.param(ProcessEnded("A worker process ended by itself."), 1, id="a process"),
        pytest.param(ProductFileError("A file of the product is missing."), 2, id="a file of the product"),
        pytest.param(ReferenceFileError("A reference file cannot be read."), 2, id="a reference file"),
    ],
)
def test_what_people_can_mend_is_a_sentence_and_not_tried_again(bound: Bound, error: Exception, code: int) -> None:
    bound.error = error
    said, metadata, retries = refusal(bound)
    assert (said, metadata["exit_code"], retries) == (str(error), code, False)


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_who_ends_a_run_during_a_query_has_interrupted_it(ended_by: signal.Signals, tmp_path: Path) -> None:
    # DuckDB itself raises a RuntimeError then, which would count as a fault of the step and start the next one.
    store = Store(tmp_path / "cmdb.duckdb")
    begun: list[str] = []
    timer = threading.Timer(0.2, os.kill, (os.getpid(), ended_by))

    @dg.op
    def counts() -> None:
        begun.append("counts")
        with gate.refusing(), store.holding(RUN, "a test"), store.transaction() as connection:
            timer.start()
            connection.execute("select count(*) from range(100000000000) as t(i) where hash(i) = 1").fetchall()

    @dg.op
    def is_next() -> None:
        begun.append("is_next")

    @dg.job
    def both() -> None:
        counts()
        is_next()

    result = both.execute_in_process(raise_on_error=False)
    timer.join()
    failure = failure_of(result.all_events)
    assert failure.exit_code == 130
    assert failure.sentences == [
        "counts was interrupted: nothing of it counts, and what the steps before it stored stays."
    ]
    assert begun == ["counts"]


def test_a_fault_of_our_own_is_not_made_a_sentence() -> None:
    with pytest.raises(KeyError), gate.refusing():
        raise KeyError("a fault")


def test_the_next_command_is_the_one_that_the_sentence_names() -> None:
    assert "next_command" not in gate.refuse("Run `git status`.").metadata
    metadata = gate.refuse("Run `cmdb ask workload ec2_instance`, or `cmdb nightly`.").metadata
    assert metadata["next_command"].value == "cmdb ask workload ec2_instance"


@contextmanager
def silence() -> Iterator[None]:
    yield


@pytest.mark.parametrize(
    ("sentences", "said"),
    [
        pytest.param([], "", id="nothing blocked"),
        pytest.param(
            ["One.", "Two."],
            "cost.daily may not be built upon. One. Two. What is published is as it was. `cmdb coverage --blocked` "
            "names the cells; docs/howto/failed-run.md shows what to do.",
            id="two rules",
        ),
    ],
)
def test_a_step_ends_where_its_own_rules_block(sentences: Sequence[str], said: str) -> None:
    with pytest.raises(dg.Failure) if said else silence() as caught:
        gate.stop_where_blocked("cost.daily", sentences)
    if said:
        assert caught is not None
        assert caught.value.description == said
        assert caught.value.metadata["next_command"].value == "cmdb coverage --blocked"


def test_what_was_never_requested_is_not_built_upon(bound: Bound) -> None:
    said = refusal(bound, listings=["ec2_volume", "ec2_instance"])[0]
    assert said.startswith(
        "cmdb.resource was not built. ec2_volume has never been requested. Materialise landing/ec2_vol"
    )


def test_a_gate_requests_once_and_holds_what_is_not_trusted(
    warehouse: House, bound: Bound, monkeypatch: pytest.MonkeyPatch
) -> None:
    warehouse.night("run-0", [Given("ec2_instance", [{"InstanceId": "i-1"}]), Given("s3_bucket", outcome="denied")])
    warehouse.night(RUN, [Given("ec2_volume", [{"VolumeId": "vol-1"}])])
    asked: list[list[str]] = []

    def summed(connection: Any, names: Sequence[str], reasons: Iterable[str]) -> dict[str, Standing]:
        asked.append(list(names))
        return standing(connection, names, reasons)

    def watched(connection: Any, names: Sequence[str], **options: Any) -> list[NewestCell]:
        asked.append(list(names))
        found = coverage(connection, names, **options)
        assert [cell.listing for cell in found] == ["s3_bucket"]
        return found

    monkeypatch.setattr(gate, "standing", summed)
    monkeypatch.setattr(gate, "coverage", watched)
    with warehouse.store.read() as connection:
        found = gate.listing_checks(connection, ["ec2_instance", "ec2_volume", "s3_bucket"], SETTINGS)
    assert asked == [["ec2_instance", "ec2_volume", "s3_bucket"], ["s3_bucket"]]
    assert {name: verdict.passed for name, verdict in found.items()} == {
        "ec2_instance": True,
        "ec2_volume": True,
        "s3_bucket": False,
    }


EVERY_REASON = sorted({PARENTS_UNKNOWN, NO_LONGER_REQUESTED, *outcomes.DECIDED, *outcomes.UNREACHED, *outcomes.NOT_YET})


@pytest.mark.parametrize("reason", EVERY_REASON)
def test_a_verdict_is_the_same_whether_all_skipped_cells_are_read_or_those_alone_that_count(
    warehouse: House, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    supplement = "explorer_resource"
    assert supplement in SUPPLEMENTS
    skipped = {"outcome": "skipped", "skip_reason": reason, "account_id": "222222222222"}
    names = ["ec2_instance", "ec2_internet_gateway", "ec2_vpc", supplement]
    warehouse.night(
        RUN,
        [
            *(Given(name, **skipped) for name in names),
            Given("ec2_instance", [{"InstanceId": "i-1"}]),
            Given("ec2_vpc", outcome="empty_unconfirmed"),
            Given(supplement, outcome="empty_verified"),
        ],
    )
    with warehouse.store.read() as connection:
        found = gate.listing_checks(connection, names, SETTINGS)
        monkeypatch.setattr(gate, "JUDGED_SKIPS", EVERY_REASON)
        assert found == gate.listing_checks(connection, names, SETTINGS)


def test_skipped_cells_are_read_where_they_count(warehouse: House, monkeypatch: pytest.MonkeyPatch) -> None:
    suspended = Given("ec2_instance", outcome="skipped", skip_reason="account_suspended", account_id="222222222222")
    warehouse.night(
        RUN, [Given("ec2_instance", [{"InstanceId": "i-1"}]), suspended, replace(suspended, listing="ec2_subnet")]
    )
    read: list[str] = []
    monkeypatch.setattr(gate, "coverage", lambda c, names, **how: read.extend(names) or coverage(c, names, **how))
    with warehouse.store.read() as connection:
        gate.listing_checks(connection, ["ec2_instance", "ec2_subnet"], SETTINGS)
    assert read == ["ec2_subnet"]


def test_cells_are_kept_by_their_listing_whatever_its_parameter() -> None:
    cell = NewestCell("billing", "000000000001", "aws-global", "", "found", True, RUN, FIRST_NIGHT, record_count=3)
    names = ["cost_daily:2026-10", "cost_daily:2026-11:service", "budget"]
    found = by_listing([replace(cell, listing=name) for name in names])
    assert {name: [cell.listing for cell in cells] for name, cells in found.items()} == {
        "cost_daily": names[:2],
        "budget": names[2:],
    }
