"""The publish rules: every relation is built from the newest evidence, and that evidence is young enough. Pure."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from pipelines.trust.ages import PUBLISH_MAX_AGE, duration
from pipelines.trust.outcomes import DECIDED_OR_LATER
from resources.audit.cells import CellState
from resources.check_result import CheckResult


def builds_check(
    uses: Mapping[str, Collection[str]],
    sources: Mapping[str, Collection[str]],
    built: Mapping[str, datetime],
    answered_at_of: Mapping[str, datetime],
) -> CheckResult:
    """Whether every relation was built from the newest evidence.

    Args:
        uses: names of the relations that each relation reads.
        sources: names of the listings that each relation reads itself.
        built: time of each relation's latest build, UTC.
        answered_at_of: time of each listing's latest response, UTC.
    """
    for relation, used in uses.items():
        at = built.get(relation)
        if at is None:
            return CheckResult(False, f"{relation} was never built. Materialise it first.")
        older = [name for name in used if name in built and built[name] > at]
        newer = [name for name in sources.get(relation, ()) if name in answered_at_of and answered_at_of[name] > at]
        if older or newer:
            return CheckResult(
                False,
                f"{relation} was built before {', '.join(older + newer)} was last renewed, so it does not show what is "
                "known. Materialise it again, and what is built from it.",
            )
    return CheckResult(True, "Every table was built from the newest evidence.")


def freshness_check(
    listing: str, cells: Sequence[CellState], *, now: datetime, max_age: timedelta = PUBLISH_MAX_AGE
) -> CheckResult:
    """Whether the newest collection of a central listing is young enough to be published."""
    if not cells:
        return CheckResult(False, f"{listing} has never been requested. Run `cmdb nightly`.")
    requested = [cell.ended_at for cell in cells if cell.outcome != "skipped" or cell.skip_reason in DECIDED_OR_LATER]
    if not requested:
        return CheckResult(False, f"{listing} was not requested: every cell was skipped. Run `cmdb nightly`.")
    newest = max(requested)
    if now - newest > max_age:
        return CheckResult(
            False,
            f"{listing} was last requested {duration(now - newest)} ago; at most {duration(max_age)} may be published. "
            "Run `cmdb nightly`.",
        )
    return CheckResult(True, f"{listing} was requested {duration(now - newest)} ago.")
