"""Cells before they are judged, and the totals of a listing's judged cells."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, islice
from typing import Any, ClassVar

from pipelines.trust.organization_policies import PolicyDenial
from resources.audit.cells import Cell, cell_of
from resources.aws.messages import DENIED_BY_POLICY, CellKey, Response
from resources.contract import Role

RUNS_UNTIL_FULL = 7
"""Every seventh run requests each denied cell itself."""

DAYS_UNTIL_FULL = timedelta(days=7)
"""Maximum age of a cell's own refusal, for those who run less often than every night."""

DeniedPlace = tuple[Role, str, str, str, str]
"""Role, account id, region, and kind and id of the policy."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A cell's refusal of an earlier run, with the policy that denied it.

    Attributes:
        refused_at: when AWS refused the cell's own request, UTC.
        runs: number of runs since then that did not send it.
        message: AWS's message to that request.
    """

    denial: PolicyDenial
    refused_at: datetime
    runs: int
    code: str | None
    message: str

    def is_due(self, now: datetime) -> bool:
        """Whether the cell has to be requested itself."""
        return self.runs + 1 >= RUNS_UNTIL_FULL or now - self.refused_at >= DAYS_UNTIL_FULL


@dataclass(slots=True)
class DeniedBefore:
    """What is known of the denied cells of a batch of accounts.

    Attributes:
        refusals: the refusal of each cell that the newest run skipped because of a policy.
        probes: the listing whose refusal in this run stands for its place, of the steps before.
        sent: the request of this step that stands for its place.
    """

    refusals: dict[CellKey, Refusal]
    probes: dict[DeniedPlace, str]
    sent: dict[DeniedPlace, CellKey]


@dataclass(frozen=True, slots=True)
class Cadence:
    """What decides, beside the date, whether a cell of a listing that changes seldom is requested.

    Attributes:
        fingerprints: the listing's fingerprint when a run requested it, by run id and listing name.
        named: account id, region and listing of which another source names what no cell holds; the region is empty
            where every region of the account is meant.
        parents: hash of the parents for which the newest cell was requested, by its key.
    """

    fingerprints: Mapping[tuple[str, str], str] = field(default_factory=dict)
    named: frozenset[tuple[str, str, str]] = frozenset()
    parents: Mapping[CellKey, str] = field(default_factory=dict)


@dataclass(slots=True)
class Attempt:
    """A request and its latest response; the response's records are in the landing already.

    Attributes:
        denial: the policy of the organisation because of which the cell is skipped.
        refusal: AWS's response before the cell was skipped because of a policy.
    """

    response: Response
    attempts: int = 1
    zeros: int = 0
    raw: str | None = None
    request_ids: tuple[str, ...] = ()
    requests: int = 0
    throttles: int = 0
    notes: dict[str, Any] = field(default_factory=dict)
    first_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    denial: PolicyDenial | None = None
    refusal: Response | None = None

    def take(self, response: Response, raw: str | None) -> None:
        """Replace the earlier response by a newer one and add up its counts. The records are not kept.

        Args:
            response: the newer response.
            raw: the verbatim response as text.
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
        """Turn a refusal into a skipped cell: there is nothing to request, or the request is not permitted."""
        self.response = replace(self.response, outcome="skipped", skip_reason=reason, error_message=message)

    def deny(self, denial: PolicyDenial) -> None:
        """Skip the cell because of a policy of the organisation."""
        self.refusal, self.denial = self.response, denial
        self.skip(DENIED_BY_POLICY, self.response.error_message)
        self.notes |= denial.as_evidence()

    def forget_denial(self) -> None:
        """Remove the policy and its evidence from the cell."""
        if self.denial is not None:
            self.notes = {name: note for name, note in self.notes.items() if name not in self.denial.as_evidence()}
        self.denial = self.refusal = None


@dataclass(slots=True)
class ListingStats:
    """Totals of a listing's cells.

    Attributes:
        record_count: number of records in the trusted cells.
        untrusted: the first untrusted cells, as many as are shown.
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

    def take_lines(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Count cells that are lines of the landing."""
        self.cells += len(lines)
        self.record_count += sum(line["record_count"] for line in lines if line["is_trusted"])
        self.requests += sum(line["request_count"] for line in lines)
        self.throttles += sum(line["throttle_count"] for line in lines)
        self.outcomes.update(line["outcome"] for line in lines)
        untrusted = (line for line in lines if not line["is_trusted"])
        self.untrusted += map(cell_of, islice(untrusted, self.SHOWN - len(self.untrusted)))

    def sentence(self) -> str:
        """The totals as text: `480 cells, 3,204 records, 131 requests, 2 throttled`."""
        return (
            f"{self.cells:,} cells, {self.record_count:,} records, {self.requests:,} requests, "
            f"{self.throttles:,} throttled"
        )


def _writable(text: str | None) -> str | None:
    """Text that can be written to a file: JSON can name half a surrogate pair, which is no character."""
    return None if text is None else text.encode(errors="replace").decode()


class KeptKeys:
    """Keys of cells whose last response stays; most cells of a usual night are kept."""

    def __init__(self) -> None:
        self._of: dict[str, set[CellKey]] = {}

    def add(self, key: CellKey) -> None:
        """Add a key."""
        self._of.setdefault(key.name, set()).add(key)

    def update(self, keys: Iterable[CellKey]) -> None:
        """Add keys."""
        for key in keys:
            self.add(key)

    def of(self, listing: str) -> Set[CellKey]:
        """Those of one listing, with any parameter."""
        return self._of.get(listing, set())

    def counts(self) -> dict[str, int]:
        """The number of keys by listing name."""
        return {name: len(keys) for name, keys in self._of.items()}

    def __contains__(self, key: CellKey) -> bool:
        return key in self.of(key.name)

    def __iter__(self) -> Iterator[CellKey]:
        return chain.from_iterable(self._of.values())
