"""A cell before it is judged: what was asked and what came of it; and what the judged cells of a listing come to."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import ClassVar

from pipelines.trust.organization_policies import PolicyDenial
from resources.audit.cells import Cell
from resources.aws.messages import DENIED_BY_POLICY, Response


@dataclass(slots=True)
class Attempt:
    """A question and what came of it so far; the records are in the landing already.

    Attributes:
        denial: the policy of the organisation that it is skipped for.
        refusal: AWS's answer before it was skipped for a policy.
    """

    response: Response
    attempts: int = 1
    zeros: int = 0
    raw: str | None = None
    request_ids: tuple[str, ...] = ()
    requests: int = 0
    throttles: int = 0
    notes: dict[str, str] = field(default_factory=dict)
    first_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    denial: PolicyDenial | None = None
    refusal: Response | None = None

    def take(self, response: Response, raw: str | None) -> None:
        """Let an answer take the place of the one before, and count what it took. Its records are not kept.

        Args:
            raw: its verbatim response as text.
        """
        self.response = replace(
            response, records=[], raw_response=None, error_message=_writable(response.error_message)
        )
        self.raw, self.request_ids = _writable(raw), response.request_ids
        self.forget_denial()
        self.attempts += 1
        self.zeros += response.outcome == "empty_unconfirmed"
        self.requests += response.request_count
        self.throttles += response.throttle_count

    def skip(self, reason: str, message: str | None) -> None:
        """Take a refusal for what it says: that there is nothing to ask there, or that it may not be asked."""
        self.response = replace(self.response, outcome="skipped", skip_reason=reason, error_message=message)

    def deny(self, denial: PolicyDenial) -> None:
        """Skip it for a policy of the organisation."""
        self.refusal, self.denial = self.response, denial
        self.skip(DENIED_BY_POLICY, self.response.error_message)
        self.notes |= denial.as_evidence()

    def forget_denial(self) -> None:
        """Let no policy be what it is skipped for."""
        if self.denial is not None:
            self.notes = {name: note for name, note in self.notes.items() if name not in self.denial.as_evidence()}
        self.denial = self.refusal = None


@dataclass(slots=True)
class ListingStats:
    """What the cells of a listing come to.

    Attributes:
        record_count: of the trusted cells.
        untrusted: the first cells that are not trusted, as many as are shown.
    """

    SHOWN: ClassVar[int] = 50

    cells: int = 0
    record_count: int = 0
    requests: int = 0
    throttles: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    untrusted: list[Cell] = field(default_factory=list)

    def take(self, cell: Cell) -> None:
        """Count a cell."""
        self.cells += 1
        self.record_count += cell.record_count if cell.is_trusted else 0
        self.requests += cell.request_count
        self.throttles += cell.throttle_count
        self.outcomes[cell.outcome] += 1
        if not cell.is_trusted and len(self.untrusted) < self.SHOWN:
            self.untrusted.append(cell)

    def sentence(self) -> str:
        """`480 cells, 3,204 records, 131 requests, 2 throttled`."""
        return (
            f"{self.cells:,} cells, {self.record_count:,} records, {self.requests:,} requests, "
            f"{self.throttles:,} throttled"
        )


def _writable(text: str | None) -> str | None:
    """Text as a file takes it: half a surrogate pair, which JSON can name, is no character."""
    return None if text is None else text.encode(errors="replace").decode()
