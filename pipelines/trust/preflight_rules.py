"""The pre-flight rule: whether the stored pre-flight allows work. Pure."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipelines.trust.ages import MODEL_MAX_AGE, duration
from resources.check_result import CheckResult
from resources.identity_rules import CHECKS


@dataclass(frozen=True, kw_only=True)
class StoredCheckResult(CheckResult):
    """A check result of the pre-flight as `audit.check_result` stores it."""

    run_id: str
    config_hash: str
    checked_at: datetime


def preflight_check(
    stored: Collection[StoredCheckResult],
    *,
    now: datetime,
    max_age: timedelta,
    config_hash: str,
    run_id: str = "",
    identities_checked_at: datetime | None = None,
) -> CheckResult:
    """Whether the newest pre-flight is complete, of this configuration, young enough and without a failure.

    A long run outlives the 60 minutes of the pre-flight. Within the run that made the pre-flight, the limit counts from
    the resources' latest check of the identities (`identities_checked_at`).
    """
    hint = "Run the pre-flight first (`cmdb preflight`, or materialise audit/caller_identity)."
    missing = [name for name in CHECKS if name not in {result.name for result in stored}]
    if missing:
        what = "no pre-flight is recorded" if not stored else f"the pre-flight lacks {', '.join(missing)}"
        return CheckResult(False, f"{what[0].upper()}{what[1:]}. {hint}")
    if any(result.config_hash != config_hash for result in stored):
        return CheckResult(False, f"The last pre-flight judged another configuration than this one. {hint}")
    failed = [result for result in stored if not result.passed and result.severity == "ERROR"]
    if failed:
        summary = " ".join(f"{result.name}: {result.sentence}" for result in failed)
        return CheckResult(False, f"The pre-flight failed. {summary}")
    oldest = min(result.checked_at for result in stored)
    own = run_id != "" and all(result.run_id == run_id for result in stored)
    if own and identities_checked_at is not None and now - oldest <= MODEL_MAX_AGE:
        oldest = max(oldest, identities_checked_at)
    age = now - oldest
    if age > max_age:
        return CheckResult(
            False,
            f"The last pre-flight is {duration(age)} old; at most {duration(max_age)} is allowed here. {hint}",
        )
    if age < -timedelta(minutes=5):
        return CheckResult(False, f"The last pre-flight lies {duration(-age)} in the future: check the clock. {hint}")
    return CheckResult(True, f"The pre-flight of run {next(iter(stored)).run_id} is {duration(age)} old and passed.")
