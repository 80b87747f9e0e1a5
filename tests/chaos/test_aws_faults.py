"""AWS answers wrongly, refuses or breaks off, alone and in pairs; what analysts read afterwards is true all the same.

The world moves on before each lie, so that yesterday's rows and tonight's differ: a lie that is survived has to publish
tonight's rows, one that is refused has to leave yesterday's file byte for byte, and one that freezes some cells has to
keep exactly their rows of yesterday, marked stale, among tonight's.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
from nights import fingerprint, query

from chaos.comparison import RESTING_ON_MORE, believed, compared, frozen_rows, unanswered, untold, untrusted
from chaos.ground import Ground, served_run
from chaos.history import Known, must_be_tonight
from chaos.lies import DELAY_SECONDS, LIES, REMEMBERING, UNTIL_CONFIRMED_MINUTES, Lie
from chaos.processes import Ended, apart
from chaos.tables import difference, tables

SIGN_IN = ("sts", "sso")
"""Services that are requested before anything is allowed."""


@pytest.mark.parametrize("lie", [pytest.param(lie, id=lie.name) for lie in LIES])
def test_whatever_aws_says_what_is_published_is_true(ground: Ground, known: Known, database: Path, lie: Lie) -> None:
    was = fingerprint(database)
    truth = ground.simulator.truth()
    words = {**truth["central"], "first": truth["regions"][0], "last": truth["regions"][-1], "account": ""}
    targets = {**truth["central"], "workload": truth["reachable"][0]}
    ground.truthful()
    ground.simulator.configure(org_mode=lie.lookalike)
    if lie.late:
        ground.simulator.configure(trail_passes=False, trail_delay_seconds=list(DELAY_SECONDS))
    for name in reversed(lie.told):
        name, _, role = name.partition("@")
        target = {"account_id": targets[role]} if role else {}
        words["account"] = ground.simulator.lie(name, **target)["account_id"]
    words["other"] = next(account for account in truth["reachable"] if account != words["account"])
    settings = {name: value.format(**words) for name, value in lie.settings.items()}
    places = [put_in(place, words) for place in lie.frozen]
    confirmed: Ended | None = None
    try:
        night = ground.night(database, prepare=lie.prepare, **settings)
        told = {told["name"]: told["told"] for told in reversed(ground.simulator.lies())}
        log = ground.simulator.log()
        wrong = [*untold(told), *otherwise_sent(log, lie)]
        if lie.fate == "refused":
            wrong += not_refused(night, database, was)
        elif night.code != 0:
            wrong.append("it was refused")
        else:
            wrong += apart(lambda: compared(database, known, lie, places, words["account"]), ground.scratch)
            if lie.late:
                was, first = fingerprint(database), served_run(database)
                seen = apart(lambda: believed(database), ground.scratch)
                ground.simulator.configure(trail_passed_minutes=UNTIL_CONFIRMED_MINUTES)
                confirmed = ground.confirm(database, **settings)
                if lie.fate == "doubted":
                    wrong += [f"confirming: {failure}" for failure in not_refused(confirmed, database, was)]
                else:
                    wrong += seen.otherwise(lie.doubts, ())
                    must_be_tonight(database, known, ground, confirmed, earlier=[first])
    finally:
        ground.truthful()
    printed = night.said + (confirmed.said if confirmed else "")
    wrong += [f"no word of {word!r}" for word in put_in(lie.says, words) if word not in printed]
    if "Traceback" in printed:
        wrong.append("a traceback was shown")
    if lie.fate == "survived":
        wrong += [*unanswered(log), *([] if lie.late else warned(night))]
    if not (confirmed and lie.fate == "survived"):
        seen = apart(lambda: believed(database), ground.scratch)
        wrong += seen.otherwise(lie.doubts, lie.fails)
    if lie.holds:
        found = apart(lambda: query(database, LAST_RUN + lie.holds, of="working"), ground.scratch)
        wrong += [] if found and all(row == (True,) for row in found) else [f"{lie.holds}: {found}"]
    assert not wrong, f"{'; '.join(wrong)}. Said: {shortened(confirmed or night)}"
    if lie.mends:
        earlier = [run for run in (served_run(database),) if run not in known.runs]
        must_be_tonight(database, known, ground, ground.night(database), REMEMBERING.get(lie.fate, ()), earlier)


LAST_RUN = """
with collection as (
    select * from audit.collection where run_id = (select run_id from audit.run order by started_at desc limit 1)
)
"""


def not_refused(run: Ended, database: Path, was: tuple[str, str]) -> list[str]:
    """What is wrong of a run that had to be refused."""
    if run.code == 0:
        return ["it was published"]
    return ["the published file has changed"] if fingerprint(database) != was else []


def put_in(texts: Sequence[str], words: Mapping[str, str]) -> list[str]:
    return [text.format(**words) for text in texts]


def shortened(night: Ended) -> str:
    lines = [line for line in night.said.splitlines() if line.startswith(("✗", "!", "Refused", "Published"))]
    return " | ".join(lines or [night.said])[-900:]


def warned(night: Ended) -> list[str]:
    """Warnings of a run that lost nothing, but for the one of every run: of accounts that no profile reaches."""
    lines = [line for line in night.said.splitlines() if line.startswith("!")]
    return [f"warned of without need: {line[:200]}" for line in lines if "No profile reaches" not in line]


def otherwise_sent(log: Sequence[Mapping[str, Any]], lie: Lie) -> list[str]:
    """Operations that a run sent and should not have."""
    sent = {f"{call['service']}:{call['operation']}" for call in log if call["service"] not in SIGN_IN}
    may = [one for one in sent if not lie.sends_only or any(fnmatchcase(one, name) for name in lie.sends_only)]
    wrong = sent.difference(may) | {one for one in sent if any(fnmatchcase(one, name) for name in lie.never_sends)}
    return [f"sent without need: {', '.join(sorted(wrong))}"] if wrong else []


# ------------------------------------------------------------------------------------------------ a suspended account


def test_of_a_suspended_account_nobody_is_asked_and_what_it_held_is_kept_stale(
    ground: Ground, known: Known, database: Path
) -> None:
    """It is suspended between the runs."""
    account = next(a["account_id"] for a in ground.simulator.truth()["accounts"] if a["name"] == "sandbox")
    ground.truthful()
    ground.simulator.change("close_account", account_id=account, state="SUSPENDED", costs_end=False)
    try:
        night = ground.night(database)
    finally:
        ground.simulator.change("close_account", account_id=account, state="ACTIVE", costs_end=False)
    assert night.code == 0, f"it was refused: {shortened(night)}"
    wrong = apart(functools.partial(kept, database, known, account), ground.scratch)
    assert not wrong, f"{'; '.join(wrong)}. Said: {shortened(night)}"
    seen = apart(lambda: believed(database), ground.scratch)
    assert not (other := seen.otherwise((), ())), "; ".join(other)


def kept(database: Path, known: Known, account: str) -> list[str]:
    found = tables(database, known.before, known.runs)
    columns, rows = known.tonight["org.account"]
    # AWS lets nobody into a suspended account, so that no profile reaches it.
    now = {"state": "SUSPENDED", "profile": None, "has_profile": False}
    of = columns.index("account_id")
    expected = [
        tuple(now.get(name, value) for name, value in zip(columns, row, strict=True)) if row[of] == account else row
        for row in rows
    ]
    other = difference({"org.account": found["org.account"]}, {"org.account": (columns, sorted(expected, key=repr))})
    may_differ = (*RESTING_ON_MORE, "org.account", "org.governance_kpi")
    frozen = [("*", account, "*")]
    return [
        *filter(None, [other]),
        *untrusted(database, frozen),
        *frozen_rows(found, known.yesterday, known.tonight, frozen, may_differ),
    ]
