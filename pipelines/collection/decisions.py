"""What looking zeros up again comes to, and how many are looked up at once: pure."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pipelines.trust import ages
from pipelines.trust.zero_rule import ZeroJudgement
from resources.audit.coverage import Accounts
from resources.aws.messages import Outcome, TrailEvents

ZEROS_AT_ONCE = 20_000
"""Zeros that are read, looked up and written before the next ones are: some 3 KB each until then."""

Decision = Literal["confirmed", "suspect", "not_recorded", "waiting", "unavailable", "unreached"]
"""What a look-up came to for one zero."""


@dataclass
class Confirmation:
    """What looking up the pending zeros came to.

    Attributes:
        decisions: how many zeros came to what.
        overdue: how many still wait after a night.
        listings: those of which a cell changed.
        findings: a sentence for each thing to know.
    """

    decisions: Counter[Decision] = field(default_factory=Counter)
    lookups: int = 0
    overdue: int = 0
    listings: set[str] = field(default_factory=set)
    findings: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """How many zeros were decided on and how many still wait, for people."""
        if not self.decisions.total():
            return "No zero waits for CloudTrail."
        confirmed = self.decisions["confirmed"] + self.decisions["not_recorded"]
        waiting = self.decisions["waiting"] + self.decisions["unavailable"] + self.decisions["unreached"]
        return (
            f"Of {self.decisions.total():,} zeros that waited for CloudTrail {confirmed:,} are confirmed, "
            f"{self.decisions['suspect']:,} suspect, {waiting:,} still wait."
        )

    def count(self, decision: Decision, requested_at: datetime, now: datetime) -> None:
        """Count one zero, and whether it is overdue: it still waits a night after it was asked."""
        self.decisions[decision] += 1
        is_old = now - requested_at >= ages.HALF_A_DAY
        self.overdue += is_old and decision in ("waiting", "unavailable", "unreached")


def decide(result: ZeroJudgement, trail: TrailEvents, before: Outcome) -> Decision:
    """What a look-up came to for a zero.

    Args:
        before: the outcome that the zero had until now.
    """
    shown = result.evidence["cloudtrail"]
    if result.outcome == "empty_verified":
        return "not_recorded" if "not_recorded" in shown else "confirmed"
    if result.outcome == "empty_suspect":
        # The bill spoke against it before: new is only what CloudTrail says for or against it.
        is_new = before != "empty_suspect" or result.evidence.get("confirmed") or (trail.available and shown["refused"])
        return "suspect" if is_new else "waiting"
    return "unavailable" if result.error_code else "waiting"


def portions(counts: Mapping[str, int]) -> Iterator[Accounts]:
    """Accounts whose pending zeros fit into memory together."""
    since, held = "", 0
    for account, count in sorted(counts.items()):
        if held and held + count > ZEROS_AT_ONCE:
            yield Accounts(since, account)
            since, held = account, 0
        held += count
    yield Accounts(since)
