"""Nothing is lost between the parts of a step: what it is to request is written down before, and compared at its end.

Accounts are written to `audit.step_plan` before the step's first request. Keys are written to the landing before the
requests of them are sent, since a parent's records decide which there are; at the end of a batch all of its parents'
records are read once more for keys that nobody requested. A batch, a worker process or a retry that brings fewer keys
or records, or others, ends the step. The cells of a step are stored all together or not at all.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from pipelines.collection.accounts import Reached
from pipelines.collection.landing import LandingWriter
from pipelines.collection.state import StepState
from pipelines.memory import MEMORY, read_within_memory, within_memory
from pipelines.trust.gate import refuse
from resources.audit.checks import record_check
from resources.audit.step_plans import (
    SHOWN,
    Arrival,
    Comparison,
    Place,
    WrongKey,
    begin_plans,
    compare,
    stored_listings,
)
from resources.aws.messages import CellKey

NO_CELL_IS_LOST = "no_cell_is_lost"
"""The rule that what came is what was planned; the scope of its check result is the first listing at fault."""

LOADED_AT_ONCE = 16 << 20
"""Bytes of landed cells in one transaction: DuckDB holds all of them until its end, including verbatim responses."""

NAMED = 3
"""Number of keys that a sentence names."""


def plan_places(state: StepState, reached: Reached | None) -> None:
    """Write down the accounts from which each listing must have a cell, before the first request.

    Args:
        state: the step's state.
        reached: the workload profiles' accounts; None where the step requests none.

    Raises:
        dagster.Failure: an earlier attempt of this run planned other accounts. Nothing was requested.
    """
    for listing in state.listings:
        places: set[Place] = {(role, state.identity(role).account_id) for role in listing.roles if role != "workload"}
        if "workload" in listing.roles and reached is not None:
            # The operations role requests its own account in place of a workload profile.
            covered = {account for role, account in places if role == "operations"}
            accounts = {*reached.profile_of, *reached.broken, *reached.skipped} - covered
            places |= {("workload", account) for account in accounts}
        state.planned_places[listing.name] = places
    if differing := within_memory(partial(_begin_plans, state)):
        raise refuse(
            f"{_listings(differing)} was not requested: an earlier attempt of this run wrote down other accounts, so "
            "cells of it could be lost. Nothing was requested and nothing was changed. Start a new run: `cmdb nightly`."
        )


def _begin_plans(state: StepState, memory: int | None) -> list[str]:
    with state.store.transaction(memory) as connection:
        return begin_plans(
            connection,
            state.run_id,
            state.planned_places,
            {listing.name: state.record_rules[listing.name].fingerprint(listing) for listing in state.listings},
        )


def plan_keys(state: StepState, keys: Iterable[CellKey]) -> None:
    """Write down keys whose cells have to come, before their requests are sent."""
    planned = state.batch.planned
    fresh: dict[str, list[CellKey]] = {}
    for key in keys:
        if key not in planned:
            planned.add(key)
            fresh.setdefault(key.name, []).append(key)
    for listing in state.listings:
        if listing.name in fresh:
            state.writer(listing).plan(fresh[listing.name])


def derived_keys(state: StepState) -> Iterator[CellKey]:
    """The keys that the records of parents name, where this step lists the parents too.

    The plan derives them as well, round by round while responses arrive; this is what it must have come to.
    """
    own = {listing.name for listing in state.listings}
    for listing in state.listings:
        each = listing.each
        is_left_out = listing.on_request and listing.on_request not in state.settings.requested
        if each is None or each.enum or not each.field or is_left_out or not own.issuperset(each.of):
            continue
        for (account, region), named in state.named_by_parents(listing).items():
            one_each = each.parameter and not each.in_one_cell
            names = [f"{listing.name}:{value}" for value in named] if one_each else [listing.name]
            keys = [
                CellKey(role, account, region, name)
                for role in listing.roles
                if (role, account) in state.planned_places.get(listing.name, ())
                for name in names
            ]
            yield from (key for key in keys if key not in state.batch.kept)


def require_records(state: StepState) -> None:
    """Compare the records of the batch's responses with what was landed and with what decides further requests.

    Raises:
        dagster.Failure: there are fewer or more. Nothing of the step was stored.
    """
    received: Counter[str] = Counter()
    for key, attempt in state.attempts.items():
        if attempt.response.outcome == "found":
            received[key.name] += attempt.response.record_count
    for listing in state.listings:
        name = listing.name
        state.writer(listing).received += received[name]
        counts = [(received[name], state.batch.landed[name])]
        if name in state.wanted_fields:
            # Of a spooled response equal records are dropped only when it is landed.
            captured = len(state.batch.parent_records[name])
            counts.append((received[name], min(captured, received[name])))
        for expected, present in counts:
            _require_count(state, name, expected, present)


def require_landed(state: StepState) -> None:
    """Compare the records of all responses with what the landing files have, once no part is on its way.

    Raises:
        dagster.Failure: there are fewer or more. Nothing of the step was stored.
    """
    for writer in state.writers.values():
        _require_count(state, writer.listing, writer.received, writer.landed.record_count)


def _require_count(state: StepState, listing: str, received: int, landed: int) -> None:
    if landed != received:
        _refuse(
            state,
            f"Records of landing/{listing} were lost or doubled on their way from the responses to the landing: "
            f"{landed:,} are there instead of {received:,}.",
            listing,
        )


def require_all(state: StepState) -> dict[str, Arrival]:
    """Compare what was landed with what was planned; returns what is to be stored, by listing name.

    Raises:
        dagster.Failure: fewer or other cells were landed than were planned. Nothing was stored.
    """
    writers = {state.writer(listing).cells_part: state.writer(listing) for listing in state.listings}
    require_landed(state)
    for writer in writers.values():
        for path, present, written in writer.changed():
            _refuse(
                state,
                f"A file of landing/{writer.listing} is not as it was written: of {written:,} bytes, {present:,} are "
                f"in {path.name}.",
                writer.listing,
            )
    planned = {listing.name: (0, "") for listing in state.listings}
    with state.store.read() as connection:
        stored = stored_listings(connection, state.run_id, planned)
    for together in portions(list(writers)):
        own = [writers[path] for path in together]
        comparison = partial(
            compare,
            run_id=state.run_id,
            planned=[writer.planned_part for writer in own],
            landed=together,
            stored=[name for name in stored if any(writer.listing == name for writer in own)],
            longest=max(writer.longest for writer in own),
        )
        found = _compared(state, own, read_within_memory(state.store, comparison))
        if found.wrong:
            break
        planned |= found.planned
    if found.wrong:
        _refuse_keys(state, found)
    return {name: Arrival(*planned[name], writer.landed) for writer in writers.values() for name in [writer.listing]}


def _compared(state: StepState, writers: Sequence[LandingWriter], found: Comparison) -> Comparison:
    """The comparison, with the planned accounts of which nothing came at all."""
    for writer in writers:
        name = writer.listing
        came = found.places.get(name, set()) | state.kept_places[name]
        lost = sorted(state.planned_places.get(name, set()) - came)
        found.wrong_count += len(lost)
        found.wrong += [WrongKey("missing", CellKey(role, account, "", name)) for role, account in lost]
    return found


def _refuse_keys(state: StepState, found: Comparison) -> NoReturn:
    named = "; ".join(_named(wrong) for wrong in found.wrong[:NAMED])
    more = f"; and {found.wrong_count - NAMED:,} more" if found.wrong_count > NAMED else ""
    _refuse(
        state,
        f"Cells of {_listings(wrong.key.name for wrong in found.wrong)} were lost or mixed up between the parts of "
        f"the step: {found.wrong_count:,} differ from the {found.planned_count:,} that were written down before the "
        f"requests were sent ({named}{more}).",
        found.wrong[0].key.name,
        [_row(wrong) for wrong in found.wrong[:SHOWN]],
    )


def _refuse(state: StepState, what: str, scope: str, detail: Sequence[Mapping[str, str]] = ()) -> NoReturn:
    """End the step with one sentence, which the check results of the run keep."""
    sentence = (
        f"{what} Nothing of this step was stored, and what is published is as it was. Start a new run: `cmdb nightly`; "
        "if it is refused again, with CMDB_PROCESSES=1."
    )
    if not state.store.is_held_by(state.run_id):
        # A worker collects a part; its coordinator records what it is refused with.
        raise refuse(sentence)
    with state.store.transaction(MEMORY) as connection:
        record_check(
            connection,
            state.run_id,
            NO_CELL_IS_LOST,
            scope,
            severity="ERROR",
            passed=False,
            observed=sentence,
            detail=list(detail),
            config_hash=state.settings.config_hash,
        )
    raise refuse(sentence)


def _row(wrong: WrongKey) -> dict[str, str]:
    role, account, region, listing = wrong.key
    return {"fault": wrong.fault, "role": role, "account_id": account, "region": region, "listing": listing}


def _named(wrong: WrongKey) -> str:
    role, account, region, listing = wrong.key
    return f"{listing} of {account}, {region or 'every region'} ({role}) {wrong.fault}"


def _listings(names: Iterable[str]) -> str:
    first, *others = sorted(set(names))
    return f"landing/{first} and {len(others)} more" if others else f"landing/{first}"


def portions(paths: Sequence[Path]) -> Iterator[list[Path]]:
    """Files in groups of about `LOADED_AT_ONCE` bytes."""
    together: list[Path] = []
    size = 0
    for path in paths:
        together.append(path)
        size += path.stat().st_size
        if size >= LOADED_AT_ONCE or path is paths[-1]:
            yield together
            together, size = [], 0
