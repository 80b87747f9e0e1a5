"""Sends a plan's requests, lands the records, and repeats failed and doubtful requests.

A step runs in batches of accounts, so that memory does not grow with the organisation; two are on their way at a time
(`turns`). This module decides neither what to request (`plan`) nor whether a response is trusted (`judging`), and it
touches no table that analysts read.
"""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any

from pipelines.collection import judging, paid_limits, storing
from pipelines.collection.cells import Attempt
from pipelines.collection.completeness import derived_keys, plan_keys, require_records
from pipelines.collection.denials import skip_denied
from pipelines.collection.landing import Spool
from pipelines.collection.plan import Plan
from pipelines.collection.previous import ParentRecord
from pipelines.collection.progress import Reporter, Reports, note
from pipelines.collection.record_rules import checked, checking
from pipelines.collection.retiring import retired
from pipelines.collection.state import StepState
from pipelines.trust.outcomes import FOR_LATER
from resources.audit.cells import Cell
from resources.audit.coverage import NO_ACCOUNT
from resources.aws.dispatch import fetch_all
from resources.aws.errors import Failed
from resources.aws.listing import Listing
from resources.aws.messages import REQUEST_LIMIT, CellKey, Progress, Request, Response
from resources.check_result import CheckResult


class Collector:
    """Collects for one step: records go to the landing, everything else into the step's state."""

    def __init__(self, state: StepState) -> None:
        self.state = state

    def fetch(self, requests: Sequence[Request]) -> None:
        """Send requests and land their records; failed requests are sent once more at the end."""
        state = self.state
        requests = [request for request in requests if not state.keep(request)]
        plan_keys(state, [request.key for request in requests])
        self._fetch_once(requests)
        # A request that waits for a later day's limit has no attempt.
        requests = [request for request in requests if request.key in state.attempts]
        failed = [request for request in requests if state.attempts[request.key].response.outcome == "failed"]
        if failed:
            for name, count in Counter(request.listing.name for request in failed).items():
                state.log(f"{name}: requesting {count} failed cell(s) a second time.")
            self._fetch_once(failed)
        skip_denied(state, (request.key for request in requests))

    def fetch_plans(self, plans: Sequence[tuple[Listing, Plan]]) -> None:
        """Send the requests of several listings, concurrently where no listing needs another one's records."""
        waiting = list(plans)
        while waiting:
            names = {listing.name for listing, _ in waiting}
            later = [pair for pair in waiting if not names.isdisjoint(pair[0].needs)]
            going = [plan for listing, plan in waiting if not any(listing is other for other, _ in later)]
            assert going, "no two listings are each other's parents"
            waiting = later
            while going:
                rounds = [(plan, next(plan, None)) for plan in going]
                going = [plan for plan, requests in rounds if requests is not None]
                self.fetch([request for _, requests in rounds for request in requests or ()])

    def fetch_in_turn(self, plan: Iterable[Request], totals: Mapping[str, int]) -> None:
        """Send requests one after the other, as long as `plan` yields any; the plan sees earlier responses.

        Args:
            plan: the requests; the next one is taken after the response to the one before.
            totals: number of requests of each listing, by listing name.
        """
        state = self.state
        reports = {name: Reporter(name, state.log) for name in totals}
        done: Counter[str] = Counter()
        began = time.monotonic()

        def report(name: str, total: int) -> None:
            entries = [e for k, e in state.attempts.items() if k.name == name]
            reports[name](
                Progress(
                    done=min(done[name], total),
                    total=total,
                    records=sum(entry.response.record_count for entry in entries),
                    requests=sum(entry.requests for entry in entries),
                    throttles=sum(entry.throttles for entry in entries),
                    elapsed=time.monotonic() - began,
                )
            )

        for request in plan:
            name, client = request.listing.name, state.client(request.listing_role)
            self.land(request, partial(client.fetch, request, meter=state.paid_requests))
            done[name] += 1
            report(name, totals[name])
        for name, count in done.items():
            if count < totals[name]:
                # The plan ended early: the first response said that the others would say no more.
                report(name, count)

    def land(self, request: Request, fetch: Callable[[Callable[[dict[str, Any]], None]], Response]) -> None:
        """Land the records of one cell as they arrive.

        Args:
            request: the cell's request.
            fetch: sends it. It passes each record on, and all of them count, or none.
        """
        state, listing, key = self.state, request.listing, request.key
        plan_keys(state, [key])
        parents: list[ParentRecord] = []
        # A month of a large organisation's bill does not fit into memory, nor do all records of AWS Config.
        with state.writer(listing).spool(key, listing) as spool:
            keep = checking(state.record_rules[listing.name], listing, self._keeping(key, spool, parents))
            response = fetch(keep)
            if response.outcome == "found":
                try:
                    count = spool.land()
                    response = replace(response, record_count=count)
                    state.batch.landed[listing.name] += count
                except Failed as failure:
                    response = _unusable(response, failure)
        self._take(response)
        if response.outcome == "found":
            state.batch.parent_records[listing.name] += parents
        skip_denied(state, [key])

    def _keeping(self, key: CellKey, spool: Spool, parents: list[ParentRecord]) -> Callable[[dict[str, Any]], None]:
        """What takes each record of a spooled cell: the spool, and `parents` where the listing decides requests."""
        fields = self.state.wanted_fields.get(key.name, ())
        if not fields:
            return spool.keep

        def keep(record: dict[str, Any]) -> None:
            spool.keep(record)
            parents.append(ParentRecord(key, {name: record.get(name) for name in fields}))

        return keep

    def settle(self) -> None:
        """Repeat the requests of zeros that have evidence against them."""
        again = judging.doubtful(self.state)
        for name, count in Counter(request.listing.name for request in again).items():
            self.state.log(f"{name}: requesting {count} unlikely zero(s) a second time.")
        self._fetch_once(again)
        skip_denied(self.state, (request.key for request in again))

    def judge(self) -> list[Cell]:
        """End a batch: returns its cells, judged and landed, and frees its memory."""
        state = self.state
        plan_keys(state, [*state.batch.unrequested, *(request.key for request in state.batch.childless)])
        plan_keys(state, derived_keys(state))
        require_records(state)
        cells = judging.cells(state)
        gone = retired(state, cells)
        plan_keys(state, [cell.key for cell in gone])
        by_listing: dict[str, list[Cell]] = defaultdict(list)
        for cell in [*cells, *gone]:
            by_listing[cell.name].append(cell)
        for listing in state.listings:
            state.writer(listing).keep(by_listing[listing.name])
        for cell in cells:
            state.stats[cell.name].take(cell)
        for key in state.batch.kept:
            state.kept_places[key.name].add((key.role, key.account_id))
        self._say_kept()
        state.begin(NO_ACCOUNT)
        return cells

    def _say_kept(self) -> None:
        """Say of each listing how many trusted cells were kept, where a run requests only the others."""
        state = self.state
        every = {listing.name: listing.every for listing in state.listings}
        counts = state.batch.kept.counts()
        kept = {name: count for name, count in counts.items() if state.only_untrusted or every[name] > 1}
        requested = Counter(key.name for key in state.attempts)
        where = "" if state.batch.part is None else f", {state.batch.part}"
        for name, count in kept.items():
            cadence = f", of a listing that is due every {every[name]} nights" if every[name] > 1 else ""
            sentence = f"{name}{where}: {count:,} trusted cells kept, {requested[name]:,} requested{cadence}."
            state.log(sentence)
            note(sentence)

    def commit(self, also: Mapping[str, CheckResult] = MappingProxyType({})) -> dict[str, CheckResult]:
        """Store what all batches have landed; returns the check result of each listing.

        Args:
            also: check results on the step as a whole by the name of their rule, to be stored too.

        Raises:
            dagster.Failure: fewer or other cells came than were planned. Nothing was stored.
        """
        return storing.commit(self.state, also)

    def close(self) -> None:
        """Close the landing files; those of an interrupted step keep their temporary names."""
        self.state.close()

    def _fetch_once(self, requests: Sequence[Request]) -> None:
        """Send requests of any listings concurrently; those of large listings one after the other."""
        state = self.state
        large: dict[str, list[Request]] = defaultdict(list)
        for request in requests:
            # Threads use the writer, so it is opened before they start.
            state.writer(request.listing)
            if request.listing.is_large:
                large[request.listing.name].append(request)
        for name, own in large.items():
            self.fetch_in_turn(own, {name: len(own)})
        together = self._within_limits([request for request in requests if not request.listing.is_large])
        if not together:
            return
        reports = Reports(Counter(request.listing.name for request in together), state.log, state.batch.part)

        def take(response: Response) -> None:
            self._take(response)
            reports.count(response.request.listing.name, response)

        def report(progress: Progress) -> None:
            state.turns.require_going()
            reports(progress)

        clients = {role: state.client(role) for role in {request.listing_role for request in together}}
        with state.turns.requesting():
            fetch_all(clients, together, take, progress=report, processes=state.processes, meter=state.paid_requests)

    def _within_limits(self, requests: Sequence[Request]) -> list[Request]:
        """The requests that the daily limits of paid requests allow; the cells of the others wait for a later run."""
        state = self.state
        paid: dict[str, list[Request]] = defaultdict(list)
        for request in requests:
            if paid_limits.is_limited(request):
                paid[request.listing.service].append(request)
        allowed = [request for request in requests if not paid_limits.is_limited(request)]
        answered = {key: cell.ended_at for key, cell in state.earlier.items() if cell.is_trusted} if paid else {}
        for service, own in paid.items():
            sent, waiting = paid_limits.within(own, state.paid_requests.left(service), state.batch.part, answered)
            allowed += sent
            for request in waiting:
                if request.key in state.attempts:
                    continue  # It failed, and the limit allows no second try.
                message = f"It takes {paid_limits.units(request)}, and {state.paid_requests.explanation(service)}"
                state.set_outcome(request.key, "skipped", FOR_LATER, message, request.profile)
        return allowed

    def _take(self, response: Response) -> None:
        """Land a response and keep what has to be judged; called from any thread."""
        state = self.state
        listing = response.request.listing
        fields = state.wanted_fields.get(listing.name, ())
        key = response.request.key
        if response.error_code == REQUEST_LIMIT and paid_limits.is_limited(response.request):
            # A retry, or another process, used up what was left when this request was planned.
            response = replace(response, outcome="skipped", skip_reason=FOR_LATER)
        landed = 0
        try:
            if response.outcome == "found":
                records = checked(state.record_rules[listing.name], listing, response.records)
                landed = state.writer(listing).append(key, records)
        except Failed as failure:
            response = _unusable(response, failure)
        parents = [
            ParentRecord(key, {name: record.get(name) for name in fields})
            for record in (response.records if fields else ())
        ]
        # As text, since tens of thousands of parsed responses would take a hundred megabytes.
        raw = (
            None
            if response.raw_response is None
            else json.dumps(response.raw_response, default=str, ensure_ascii=False)
        )
        with state.lock:
            state.batch.landed[listing.name] += landed
            state.batch.parent_records[listing.name] += parents
            entry = state.attempts.get(key)
            if entry is None:
                entry = state.attempts[key] = Attempt(response, attempts=0, first_at=response.started_at)
            entry.take(response, raw)


def _unusable(response: Response, failure: Failed) -> Response:
    """A complete response turned into a failed one, because its records cannot be landed."""
    return replace(
        response,
        outcome=failure.outcome,
        records=[],
        record_count=0,
        error_code=failure.code,
        error_message=failure.message,
    )
