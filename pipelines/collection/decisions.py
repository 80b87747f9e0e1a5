"""Decisions on zeros after a look-up, and the number of zeros in one batch. Pure."""

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pipelines.catalogue.registry import listings
from pipelines.trust import ages
from pipelines.trust.zero_rule import ZeroJudgement
from resources.audit.coverage import Accounts
from resources.aws.messages import Outcome, TrailEvents

ZEROS_AT_ONCE = 30_000
"""Maximum number of zeros in a batch, which is read and looked up as a whole: some 2.5 KB of memory each.

At the end of a batch threads wait for look-ups of several pages.
"""

Decision = Literal["confirmed", "suspect", "not_recorded", "waiting", "unavailable", "unreached"]
"""The outcome of a look-up for one zero."""


@dataclass
class Confirmation:
    """The outcome of looking up the pending zeros.

    Attributes:
        decisions: number of zeros by decision.
        overdue: number of zeros that still wait after half a day.
        listings: names of the listings with a changed cell.
        findings: a sentence for each thing that the operator has to know.
    """

    decisions: Counter[Decision] = field(default_factory=Counter)
    lookups: int = 0
    overdue: int = 0
    listings: set[str] = field(default_factory=set)
    findings: list[str] = field(default_factory=list)

    def sentence(self) -> str:
        """A sentence with the number of decided and of waiting zeros, for people."""
        if not self.decisions.total():
            return "No zero waits for CloudTrail."
        confirmed = self.decisions["confirmed"] + self.decisions["not_recorded"]
        waiting = self.decisions["waiting"] + self.decisions["unavailable"] + self.decisions["unreached"]
        return (
            f"Of {self.decisions.total():,} zeros that waited for CloudTrail {confirmed:,} are confirmed, "
            f"{self.decisions['suspect']:,} suspect, {waiting:,} still wait."
        )

    def count(self, decision: Decision, requested_at: datetime, now: datetime) -> None:
        """Count one zero by its decision, and as overdue if it is undecided half a day after its request."""
        self.decisions[decision] += 1
        is_old = now - requested_at >= ages.HALF_A_DAY
        self.overdue += is_old and decision in ("waiting", "unavailable", "unreached")


def decide(result: ZeroJudgement, trail: TrailEvents, before: Outcome) -> Decision:
    """The decision on a zero after a look-up.

    Args:
        result: the zero rule's judgement with the look-up's events.
        trail: the look-up's events.
        before: the outcome of the zero before the look-up.
    """
    shown = result.evidence["cloudtrail"]
    if result.outcome == "empty_verified":
        return "not_recorded" if "not_recorded" in shown else "confirmed"
    if result.outcome == "empty_suspect":
        # The bill made the zero suspect before; only evidence from CloudTrail is new.
        is_new = before != "empty_suspect" or result.evidence.get("confirmed") or (trail.available and shown["refused"])
        return "suspect" if is_new else "waiting"
    return "unavailable" if result.error_code else "waiting"


def stored_together(counts: Mapping[str, int]) -> Iterator[list[str]]:
    """Listings whose decisions are stored together, in the order of the catalogue.

    Args:
        counts: how many decisions there are, by listing.
    """
    return _together(sorted(counts, key=list(listings()).index), counts)


def portions(counts: Mapping[str, int]) -> Iterator[Accounts]:
    """Batches of accounts whose pending zeros fit into memory together."""
    since = ""
    for later in itertools.islice(_together(sorted(counts), counts), 1, None):
        yield Accounts(since, later[0])
        since = later[0]
    yield Accounts(since)


def _together(names: Iterable[str], counts: Mapping[str, int]) -> Iterator[list[str]]:
    """Names one after the other, as many at once as have `ZEROS_AT_ONCE` zeros together; one that has more is alone."""
    together: list[str] = []
    held = 0
    for name in names:
        if together and held + counts[name] > ZEROS_AT_ONCE:
            yield together
            together, held = [], 0
        together.append(name)
        held += counts[name]
    if together:
        yield together
