"""Faults of one run, and what must come of each: by itself, in a pair, or of several that leave each other alone."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from nights import fingerprint, query

from chaos.comparison import believed, compared, unanswered, unblocked, untold
from chaos.ground import Ground, served_run
from chaos.history import Known, must_be_tonight
from chaos.lies import DELAY_SECONDS, REMEMBERING, UNTIL_CONFIRMED_MINUTES, Lie
from chaos.processes import Ended, apart
from simulator.client import Simulator

SIGN_IN = ("sts", "sso")
"""Services that are requested before anything is allowed."""


def must_come_of(lies: Sequence[Lie], ground: Ground, database: Path, known: Known | None) -> None:
    """Tell lies of one fate in one run, or some that freeze cells and some that are survived or hide records.

    Args:
        lies: of settings and delays that agree.
        database: a copy of yesterday's warehouse.
        known: what the run is compared with; None where nothing may be published.

    Raises:
        AssertionError: something else came of one of them, or one was never told.
    """
    was = fingerprint(database)
    ground.truthful()
    late = any(lie.late for lie in lies)
    ground.simulator.configure(org_mode=lies[0].lookalike)
    if late:
        ground.simulator.configure(trail_passes=False, trail_delay_seconds=list(DELAY_SECONDS))
    lies = told_by(ground.simulator, lies)
    whole = together(lies)
    confirmed: Ended | None = None
    try:
        night = ground.night(database, prepare=whole.prepare, **whole.settings)
        told = {told["name"]: told["told"] for told in reversed(ground.simulator.lies())}
        log = ground.simulator.log()
        wrong = [*untold(told), *otherwise_sent(log, whole)]
        if whole.fate == "refused" or known is None:
            wrong += not_refused(night, database, was)
        elif night.code != 0:
            wrong.append("it was refused")
        else:
            wrong += apart(lambda: compared(database, known, whole), ground.scratch)
            if late:
                was, first = fingerprint(database), served_run(database)
                seen = apart(lambda: believed(database), ground.scratch)
                ground.simulator.configure(trail_passed_minutes=UNTIL_CONFIRMED_MINUTES)
                confirmed = ground.confirm(database, **whole.settings)
                if whole.fate == "doubted":
                    wrong += [f"confirming: {failure}" for failure in not_refused(confirmed, database, was)]
                else:
                    wrong += seen.otherwise(whole.doubts, ())
                    must_be_tonight(database, known, ground, confirmed, earlier=[first])
    finally:
        ground.truthful()
    printed = night.said + (confirmed.said if confirmed else "")
    wrong += [f"no word of {word!r}" for word in whole.says if word not in printed]
    if "Traceback" in printed:
        wrong.append("a traceback was shown")
    if whole.fate == "survived":
        wrong += [*unanswered(log), *([] if late else warned(night))]
    if not (confirmed and whole.fate == "survived"):
        seen = apart(lambda: believed(database), ground.scratch)
        wrong += seen.otherwise(whole.doubts, whole.fails)
    wrong += unblocked(seen, lies)
    for held in [lie.holds for lie in lies if lie.holds]:
        found = apart(functools.partial(query, database, LAST_RUN + held, of="working"), ground.scratch)
        wrong += [] if found and all(row == (True,) for row in found) else [f"{held}: {found}"]
    assert not wrong, f"{'; '.join(wrong)}. Said: {shortened(confirmed or night)}"
    if whole.mends and known is not None:
        earlier = [run for run in (served_run(database),) if run not in known.runs]
        but = (*REMEMBERING.get(whole.fate, ()), *whole.forgets)
        must_be_tonight(database, known, ground, ground.night(database), but, earlier)


LAST_RUN = """
with collection as (
    select * from audit.collection where run_id = (select run_id from audit.run order by started_at desc limit 1)
)
"""


# ------------------------------------------------------------------------------------------------ telling


def told_by(simulator: Simulator, lies: Sequence[Lie]) -> list[Lie]:
    """Begin lies; returns each with the accounts, regions and numbers in its texts."""
    truth = simulator.truth()
    reachable, regions = truth["reachable"], truth["regions"]
    asked = len(reachable) + 1
    known = {
        **truth["central"],
        "first": regions[0],
        "last": regions[-1],
        "accounts": str(asked),
        "cells": str(asked * len(regions)),
        "workload_cells": str((asked - 1) * len(regions)),
    }
    targets = {**truth["central"], "workload": reachable[0], **{str(n): one for n, one in enumerate(reachable)}}
    filled = []
    for lie in reversed(lies):
        account = ""
        for name in reversed(lie.told):
            name, _, role = name.partition("@")
            target = {"account_id": targets[role]} if role else {}
            account = simulator.lie(name, **target)["account_id"]
        other = next(one for one in reachable if one != account)
        filled.append(with_words(lie, {**known, "account": account, "other": other}))
    return filled[::-1]


def named(lies: Sequence[Lie]) -> str:
    """What a run is called in which lies are told: by the names of the simulated faults, each once."""
    return ", ".join(dict.fromkeys(name.partition("@")[0] for lie in lies for name in lie.told))


def with_words(lie: Lie, words: Mapping[str, str]) -> Lie:
    """A lie with words in place of the braces in its texts."""

    def put_in(text: str) -> str:
        return text.format(**words)

    return replace(
        lie,
        says=tuple(map(put_in, lie.says)),
        cut=tuple(map(put_in, lie.cut)),
        frozen=tuple((listing, put_in(account), put_in(region)) for listing, account, region in lie.frozen),
        settings={name: put_in(text) for name, text in lie.settings.items()},
    )


def together(lies: Sequence[Lie]) -> Lie:
    """Lies as one: all of them are said, doubted and frozen.

    Raises:
        ValueError: they are of settings or delays that do not agree, or of fates that tell of nothing together.
    """
    if len(lies) == 1:
        return lies[0]
    settings: dict[str, set[str]] = {}
    for name, value in [setting for lie in lies for setting in lie.settings.items()]:
        settings.setdefault(name, set()).add(value)
    fates = {lie.fate for lie in lies}
    if (
        any(len(values) > 1 for values in settings.values())
        or len({(lie.lookalike, lie.late) for lie in lies}) > 1
        or not (len(fates) == 1 or fates <= {"survived", "missing", "frozen"})
        or any(lie.sends_only or lie.never_sends for lie in lies)
    ):
        raise ValueError(f"these cannot be told in one run: {', '.join(lie.name for lie in lies)}")

    def prepare() -> None:
        for lie in lies:
            lie.prepare()

    return Lie(
        told=tuple(name for lie in lies for name in lie.told),
        fate="frozen" if len(fates) > 1 else lies[0].fate,
        says=tuple(word for lie in lies for word in lie.says),
        doubts=tuple(doubt for lie in lies for doubt in lie.doubts),
        fails=tuple({name: None for lie in lies for name in lie.fails}),
        frozen=tuple(place for lie in lies for place in lie.frozen),
        settings={name: value for name, values in settings.items() for value in values},
        lookalike=lies[0].lookalike,
        late=lies[0].late,
        stale=tuple(name for lie in lies for name in lie.stale),
        cut=tuple(account for lie in lies for account in lie.cut),
        differs=tuple(name for lie in lies for name in lie.differs),
        prepare=prepare,
    )


# ------------------------------------------------------------------------------------------------ what is wrong


def not_refused(run: Ended, database: Path, was: tuple[str, str]) -> list[str]:
    """What is wrong of a run that had to be refused."""
    if run.code == 0:
        return ["it was published"]
    return ["the published file has changed"] if fingerprint(database) != was else []


def shortened(night: Ended) -> str:
    """The lines of what a run printed that tell how it ended."""
    lines = [line for line in night.said.splitlines() if line.startswith(("✗", "!", "Refused", "Published"))]
    return " | ".join(lines or [night.said])[-900:]


OF_EVERY_RUN = ("No profile reaches", "Every exchange rate that a day of the bill is shown by")
"""Warnings of the simulated organisation itself; the rates that are shipped are older from day to day."""


def warned(night: Ended) -> list[str]:
    """Warnings of a run that lost nothing, but for those of every run."""
    lines = [line for line in night.said.splitlines() if line.startswith("!")]
    return [f"warned of without need: {line[:200]}" for line in lines if not any(word in line for word in OF_EVERY_RUN)]


def otherwise_sent(log: Sequence[Mapping[str, Any]], lie: Lie) -> list[str]:
    """Operations that a run sent and should not have."""
    sent = {f"{call['service']}:{call['operation']}" for call in log if call["service"] not in SIGN_IN}
    may = [one for one in sent if not lie.sends_only or any(fnmatchcase(one, name) for name in lie.sends_only)]
    wrong = sent.difference(may) | {one for one in sent if any(fnmatchcase(one, name) for name in lie.never_sends)}
    return [f"sent without need: {', '.join(sorted(wrong))}"] if wrong else []
