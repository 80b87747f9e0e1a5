"""Whether Cost Explorer has costs of this payer at all, and which months an earlier run has found. Pure.

AWS prepares a payer's costs once somebody has opened Cost Explorer in the console: the current month in about a day,
earlier months in a few days. Until then it refuses each request in words of its own.
"""

from collections.abc import Iterable, Mapping

from pipelines.catalogue.names import COST_BY_MONTH
from pipelines.collection.cost_slices import Month
from pipelines.collection.previous import PreviousCell
from resources.aws.messages import CellKey, Response

NOT_READY = "DataUnavailableException"
"""Cost Explorer's error code for a period of which it has no costs."""

NOT_ENABLED = "not enabled for cost explorer"
"""Part of Cost Explorer's refusal where it was never opened, or where IAM roles may not see the bill."""

_WAIT = (
    "AWS prepares a new payer's current month in about a day and earlier months in a few days; until then the bill is "
    "unknown, and the next run requests it again."
)

_OPEN = (
    "Open Cost Explorer once in the console of the payer account, and see that its account page activates IAM access "
    f"to billing information. {_WAIT}"
)


def reported_reason(response: Response) -> str | None:
    """Why there are no costs, in AWS's words, and what leads on; None for any other response."""
    words = " ".join((response.error_message or "").split()).rstrip(".")
    if response.outcome == "failed" and response.error_code == NOT_READY:
        return f"{words}. {_WAIT}"
    if response.outcome == "denied" and NOT_ENABLED in words.lower():
        return f"{words}. {_OPEN}"
    return None


def known_months(earlier: Mapping[CellKey, PreviousCell], account_id: str) -> set[str]:
    """The months, such as `2026-11`, of which any slice held costs when this payer's cell was last trusted."""
    return {
        key.suffix.rpartition(":")[2]
        for key, cell in earlier.items()
        if key.account_id == account_id and key.name in COST_BY_MONTH and ":" in key.suffix and cell.last_trusted_count
    }


def begins_later(known: Iterable[str], month: Month) -> bool:
    """Whether no cost up to this month is known: AWS cannot have lost what it never had."""
    return not any(name <= month.name for name in known)
