"""The gate that opens the body of every gated asset.

A blocking check stops only what is downstream of it in the same run. So each asset applies the same pure rules to the
stored evidence itself, whatever started the asset. The gate refuses where evidence is missing, old, foreign or failed.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import dagster as dg

from pipelines.catalogue.names import ACCOUNT
from pipelines.catalogue.registry import SUPPLEMENTS
from pipelines.errors import LandingError, SqlFileError
from pipelines.plain_text import plain
from pipelines.reference import ReferenceFileError
from pipelines.settings import Settings
from pipelines.trust import listing_rule, preflight_rules
from pipelines.trust.outcomes import JUDGED_SKIPS
from resources.audit.checks import newest_preflight
from resources.audit.coverage import Standing, by_listing, coverage, standing, trusted_regions
from resources.audit.identities import identities_checked_at
from resources.audit.step_plans import unfinished
from resources.aws.errors import UNREACHED_CODES
from resources.aws.profiles import AwsConfigError
from resources.aws.workers import ProcessEnded
from resources.check_result import CheckResult, Severity
from resources.contract import ContractViolation
from resources.release import ProductFileError
from resources.roles import AwsRole, IdentityRefused
from resources.store.errors import WarehouseError
from resources.store.store import Store
from resources.warehouse import Warehouse

if TYPE_CHECKING:
    import duckdb

GATE_TAG = {"gate": "stored-evidence"}
"""Tag of every asset but the pre-flight; a test compares the tags with the assets."""

EXIT_CODE = "exit_code"
"""Metadata of a failure: 1 where a rule failed, 2 where the usage or the configuration is wrong."""

NEXT_COMMAND = "next_command"
"""Metadata of a failure: the command that the failure's sentence names, to be copied from the run's page in Dagster."""

NEXT_STEP = "`cmdb coverage --blocked` names the cells; docs/howto/failed-run.md shows what to do."


@contextmanager
def refusing() -> Iterator[None]:
    """Turn an error that an operator can fix into a failure with one sentence, which Dagster does not retry."""
    try:
        yield
    except (WarehouseError, AwsConfigError) as error:
        code = error.exit_code if isinstance(error, WarehouseError) else 2
        raise refuse(str(error), exit_code=code) from error
    except (IdentityRefused, ContractViolation, LandingError, ProcessEnded, SqlFileError) as error:
        raise refuse(str(error)) from error
    except (ProductFileError, ReferenceFileError) as error:
        raise refuse(str(error), exit_code=2) from error


class Refused(dg.Failure):
    """A refusal by a rule: in Dagster's events its sentence comes first, and the stack trace behind it."""


# Dagster writes the module before the class, which would be the first that people read.
Refused.__module__ = "builtins"


def refuse(sentence: str, *, exit_code: int = 1) -> dg.Failure:
    """The failure that a gate raises, with the exit code of the command that waits for the run."""
    metadata: dict[str, dg.MetadataValue[Any]] = {EXIT_CODE: dg.MetadataValue.int(exit_code)}
    command = re.search(r"`(cmdb [^`]+)`", sentence)
    if command:
        metadata[NEXT_COMMAND] = dg.MetadataValue.text(command[1])
    return Refused(description=plain(sentence, lines=True), metadata=metadata, allow_retries=False)


def stop_where_blocked(what: str, sentences: Sequence[str]) -> None:
    """End a step whose own rules blocked, with their sentences as the failure's text.

    Dagster would end the step too, but would name the checks only, and would not end a step whose checks were
    deselected.

    Raises:
        dagster.Failure: there is a sentence.
    """
    if sentences:
        text = " ".join(sentences)
        raise refuse(f"{what} may not be built upon. {text} What is published is as it was. {NEXT_STEP}")


def open_gate(
    warehouse: Warehouse,
    settings: Settings,
    what: str,
    *,
    max_age: timedelta,
    listings: Sequence[str] = (),
    account_list: bool = True,
    verify: Iterable[AwsRole] = (),
) -> Store:
    """Take the warehouse for this run, or refuse with the rule and its sentence.

    Args:
        what: the asset's name, for the sentence and for the holder of the lock.
        max_age: maximum age of the pre-flight's evidence.
        listings: listings that must pass the silent-zero rule.
        account_list: whether the list of accounts must be trusted (everything but the list itself).
        verify: roles whose identity is verified first, so that the evidence is fresh late in a long run.

    Raises:
        dagster.Failure: a rule refused. Dagster does not retry the step, and nothing was changed.
    """
    store = begin(warehouse, settings, what)
    with refusing():
        for role in verify:
            role.verify()
    with store.read() as connection:
        require(connection, warehouse, settings, what, max_age=max_age, listings=listings, account_list=account_list)
    return store


def require(
    connection: "duckdb.DuckDBPyConnection",
    warehouse: Warehouse,
    settings: Settings,
    what: str,
    *,
    max_age: timedelta,
    listings: Sequence[str] = (),
    account_list: bool = True,
) -> None:
    """The rules of `open_gate` on a connection to the warehouse, which this run has begun to use.

    Raises:
        dagster.Failure: a rule refused. The transaction of the connection has to be rolled back.
    """
    for result in check_results(connection, warehouse, settings, max_age, listings, account_list=account_list):
        if result.blocks:
            raise refuse(f"{what} was not built. {result.sentence} Nothing was changed.")


def begin(warehouse: Warehouse, settings: Settings, what: str) -> Store:
    """Take the warehouse for this run; refuse where the settings cannot be used or another run holds it."""
    if settings.problem:
        raise refuse(f"{what} was not started. {settings.problem}", exit_code=2)
    with refusing():
        return warehouse.begin(what, settings.coordinator_lock)


def check_results(
    connection: "duckdb.DuckDBPyConnection",
    warehouse: Warehouse,
    settings: Settings,
    max_age: timedelta,
    listings: Sequence[str],
    *,
    account_list: bool,
) -> list[CheckResult]:
    """The check results of all rules for an asset that is built from these listings now."""
    wanted = list(dict.fromkeys([*([ACCOUNT] if account_list else []), *listings]))
    preflight = preflight_rules.preflight_check(
        [
            preflight_rules.StoredCheckResult(
                passed,
                sentence,
                severity=_severity(severity),
                name=name,
                run_id=run,
                config_hash=config,
                checked_at=checked_at,
            )
            for name, passed, severity, sentence, run, config, checked_at in newest_preflight(connection)
        ],
        now=warehouse.now(),
        max_age=max_age,
        config_hash=settings.config_hash,
        run_id=warehouse.run_id,
        identities_checked_at=identities_checked_at(connection, warehouse.run_id),
    )
    awaited = [_awaited(name) for name in unfinished(connection, warehouse.run_id, wanted)]
    found = listing_checks(connection, wanted, settings)
    return [preflight, *awaited, *found.values()]


def _awaited(listing: str) -> CheckResult:
    return CheckResult(
        False,
        f"What landing/{listing} was to bring in this run is written down, and has not come. Start a new run, such as "
        "`cmdb nightly`.",
    )


def listing_checks(
    connection: "duckdb.DuckDBPyConnection", listings: Sequence[str], settings: Settings
) -> dict[str, CheckResult]:
    """The silent-zero rule's check result for each listing, from the newest cells."""
    stands = standing(connection, listings, JUDGED_SKIPS)
    loud = [name for name, found in stands.items() if found.others]
    cells = by_listing(coverage(connection, loud, without_quiet=True)) if loud else {}
    # For one sentence about what came through elsewhere.
    unreached = [name for name in loud if any(cell.error_code in UNREACHED_CODES for cell in cells[name])]
    regions = trusted_regions(connection, unreached) if unreached else {}
    nothing = Standing()
    return {
        name: listing_rule.listing_check(
            name,
            cells.get(name, []),
            settings.untrusted_tolerance,
            trusted=stands.get(name, nothing).trusted,
            waiting=stands.get(name, nothing).waiting,
            regions=regions.get(name, ()),
            is_supplement=name in SUPPLEMENTS,
        )
        for name in listings
    }


def _severity(text: str) -> Severity:
    # equivalent: The rule of the pre-flight asks only whether a fact's severity is ERROR; every other word warns.
    return "WARN" if text == "WARN" else "ERROR"
