"""The step of the pre-flight by itself: what it stores, shows and refuses, whoever answered. No AWS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from given import House, house, work_of

from pipelines.preflight_assets import DESCRIPTIONS, caller_identity
from pipelines.settings import Settings
from resources.audit.organization import stamp
from resources.audit.runs import record_run
from resources.bill_rules import Bill
from resources.check_result import CheckResult
from resources.contract import Role
from resources.identity_rules import CHECKS, Caller, Expectation, Organization
from resources.store.store import Store

RUN = "run-1"
NOW = datetime(2026, 11, 25, 14, 0, tzinfo=UTC)
ROLES: tuple[Role, ...] = ("management", "operations", "billing")
PASSED = tuple(CheckResult(True, f"{name} holds.", name=name) for name in CHECKS)
CALLERS = {role: Caller(role, f"acme-{role}", NOW, f"00000000000{n}", f"arn:{n}") for n, role in enumerate(ROLES)}
ORGANIZATION = Organization("o-1", "000000000000", frozenset({"000000000000"}))
BILL = Bill("own", "It is the organisation's own.", "000000000002", "000000000000")
SETTINGS = Settings()


@dataclass
class Central:
    expectation: Expectation = field(default_factory=lambda: Expectation("000000000001"))
    shared_accounts: list[str] = field(default_factory=lambda: ["management+billing", "operations+billing"])


@dataclass
class Answers:
    """The management resource, with answers of the test's own."""

    callers: dict[Role, Caller]
    organization: Organization
    facts: tuple[CheckResult, ...]
    central: Central = field(default_factory=Central)

    def preflight(self) -> tuple[dict[Role, Caller], Organization, Bill, tuple[CheckResult, ...]]:
        return self.callers, self.organization, BILL, self.facts

    def take_request_count(self) -> int:
        return 4


@dataclass
class Bound:
    store: Store
    run_id: str = RUN

    def begin(self, what: str, lock: object = None) -> Store:
        assert what == "audit/caller_identity"
        return self.store


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("preflight")) as made:
        yield made


@pytest.fixture
def home(warehouse: House) -> House:
    tables = ("run", "check_result", "caller_identity", "organization", "bill")
    warehouse.execute(*(f"delete from audit.{table}" for table in tables))
    with warehouse.store.transaction() as connection:
        record_run(connection, RUN, "test")
    return warehouse


def step(
    home: House,
    *,
    callers: dict[Role, Caller] = CALLERS,
    organization: Organization = ORGANIZATION,
    facts: tuple[CheckResult, ...] = PASSED,
    settings: Settings = SETTINGS,
) -> tuple[list[Any], dg.Failure | None]:
    """What the step hands to Dagster, and how it ended."""
    resources = SimpleNamespace(
        warehouse=Bound(home.store), settings=settings, management=Answers(callers, organization, facts)
    )
    work = work_of(caller_identity)
    shown: list[Any] = []
    try:
        shown.extend(work(SimpleNamespace(resources=resources)))
    except dg.Failure as failure:
        return shown, failure
    return shown, None


def with_fact(number: int, fact: CheckResult) -> tuple[CheckResult, ...]:
    return tuple(replace(fact, name=name) if at == number else PASSED[at] for at, name in enumerate(CHECKS))


def stamps(home: House) -> list[dict[str, Any]]:
    return home.rows("select organization_id, management_account_id from audit.organization")


def test_what_was_returned_is_stored_with_what_was_expected(home: House) -> None:
    assert step(home)[1] is None
    assert home.rows(
        "select role, profile, caller_account_id, expected_account_id, is_expected, waiver, organization_id, "
        "config_hash from audit.caller_identity order by caller_account_id"
    ) == [
        {
            "role": role,
            "profile": f"acme-{role}",
            "caller_account_id": f"00000000000{number}",
            "expected_account_id": "000000000001" if role == "operations" else None,
            "is_expected": True if role == "operations" else None,
            "waiver": "management+billing,operations+billing",
            "organization_id": "o-1",
            "config_hash": SETTINGS.config_hash,
        }
        for number, role in enumerate(ROLES)
    ]
    assert home.rows("select domain, billing_account_id, payer_account_id, organization_id from audit.bill") == [
        {
            "domain": "own",
            "billing_account_id": "000000000002",
            "payer_account_id": "000000000000",
            "organization_id": "o-1",
        }
    ]
    assert home.rows(
        "select check_name, passed, observed, config_hash from audit.check_result order by check_name"
    ) == [
        {"check_name": name, "passed": True, "observed": f"{name} holds.", "config_hash": SETTINGS.config_hash}
        for name in sorted(CHECKS)
    ]
    assert home.rows("select request_count, api_cost_usd from audit.run") == [
        {"request_count": 4, "api_cost_usd": "0.0000000000"}
    ]
    assert stamps(home) == [{"organization_id": "o-1", "management_account_id": "000000000000"}]


def test_what_was_returned_is_shown(home: House) -> None:
    ((result,), failure) = step(home)
    assert failure is None
    assert result.metadata["organization"] == "o-1"
    assert result.metadata["bill"] == "own, paid by 000000000000"
    assert result.metadata["dagster/row_count"] == 3
    assert result.metadata["dagster/relation_identifier"] == "audit.caller_identity"
    assert [record.data for record in result.metadata["callers"].records] == [
        {
            "role": role,
            "profile": f"acme-{role}",
            "account_id": f"00000000000{number}",
            "arn": f"arn:{number}",
            "trouble": "",
        }
        for number, role in enumerate(ROLES)
    ]
    assert [
        (check.check_name, check.passed, check.severity.value, check.description) for check in result.check_results
    ] == [(name, True, "ERROR", f"{name} holds.") for name in CHECKS]


def test_a_fact_that_blocks_is_shown_stored_and_ends_the_step(home: House) -> None:
    facts = with_fact(2, CheckResult(False, "It is another account.", hint="Correct it."))
    ((result,), failure) = step(home, facts=facts)
    assert [check.passed for check in result.check_results] == [True, True, False, True, True, True]
    assert result.check_results[2].description == "It is another account. Correct it."
    assert failure is not None
    assert failure.description == (
        "Nothing is collected. It is another account. Correct it. `cmdb preflight` checks again."
    )
    assert not failure.allow_retries
    assert stamps(home) == []
    assert home.rows("select check_name from audit.check_result where not passed") == [{"check_name": CHECKS[2]}]


def test_every_fact_that_blocks_is_said(home: House) -> None:
    facts = (
        CheckResult(False, "One.", name=CHECKS[0], hint="Cure."),
        *PASSED[1:4],
        CheckResult(False, "Two.", name=CHECKS[4]),
    )
    failure = step(home, facts=facts)[1]
    assert failure is not None
    assert failure.description == "Nothing is collected. One. Cure. Two. `cmdb preflight` checks again."


def test_a_waiver_warns_and_ends_nothing(home: House) -> None:
    ((result,), failure) = step(home, facts=with_fact(4, CheckResult(False, "They share one.", severity="WARN")))
    assert failure is None
    assert (result.check_results[4].passed, result.check_results[4].severity) == (False, dg.AssetCheckSeverity.WARN)
    assert len(stamps(home)) == 1


def test_an_organisation_that_nobody_knows_is_unknown_and_stamps_nothing(home: House) -> None:
    callers = CALLERS | {"billing": Caller("billing", "acme-billing", NOW, error_message="It is broken.")}
    ((result,), failure) = step(home, callers=callers, organization=Organization())
    assert failure is None
    assert result.metadata["organization"] == "unknown"
    assert result.metadata["callers"].records[2].data["trouble"] == "It is broken."
    assert stamps(home) == []


def test_a_warehouse_of_another_organisation_is_refused_in_a_sentence(home: House) -> None:
    stamp(home.store, "o-2", None)
    shown, failure = step(home)
    assert shown == []
    assert failure is not None
    assert "belongs to organisation o-2, and the profiles reach o-1" in (failure.description or "")
    assert home.rows("select * from audit.check_result") == []


def test_settings_that_cannot_be_used_request_nobody(home: House) -> None:
    shown, failure = step(home, settings=Settings(problem="CMDB_REGIONS cannot be used."))
    assert shown == []
    assert failure is not None
    assert failure.description == "audit/caller_identity was not started. CMDB_REGIONS cannot be used."


def test_a_reference_folder_that_cannot_be_used_requests_nobody(home: House, tmp_path: Path) -> None:
    """The tables of reference data would end the run after all of its requests."""
    shown, failure = step(home, settings=Settings(reference=tmp_path / "none"))
    assert shown == []
    assert failure is not None
    assert str(tmp_path / "none") in (failure.description or "")
    assert failure.metadata["exit_code"].value == 2
    assert home.rows("select * from audit.check_result") == []


def test_its_checks_block_are_described_and_belong_to_the_step_which_comes_first() -> None:
    specs = list(caller_identity.check_specs)
    assert [(spec.name, spec.blocking, spec.asset_key) for spec in specs] == [
        (name, True, dg.AssetKey(["audit", "caller_identity"])) for name in CHECKS
    ]
    assert [spec.description for spec in specs] == [DESCRIPTIONS[name] for name in CHECKS]
    (spec,) = caller_identity.specs
    assert (spec.description or "").startswith("Who each central profile really is, by STS")
    assert spec.group_name == "preflight"
    assert spec.kinds == {"aws", "duckdb"}
    assert caller_identity.op.tags == {"dagster/priority": "100"}
    assert caller_identity.required_resource_keys >= {"warehouse", "settings", "management"}
