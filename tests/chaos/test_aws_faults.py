"""AWS answers wrongly, refuses or breaks off, alone and in pairs; what analysts read afterwards is true all the same.

The world moves on before each lie, so that yesterday's rows and tonight's differ: a lie that is survived has to publish
tonight's rows, one that is refused has to leave yesterday's file byte for byte, and one that freezes some cells has to
keep exactly their rows of yesterday, marked stale, among tonight's.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import pytest

from chaos.comparison import RESTING_ON_MORE, believed, frozen_rows, untrusted
from chaos.ground import Ground
from chaos.history import Known
from chaos.lies import LIES, Lie
from chaos.processes import apart
from chaos.tables import TONIGHT, Row, difference, tables
from chaos.telling import must_come_of, shortened


@pytest.mark.parametrize("lie", [pytest.param(lie, id=lie.name) for lie in LIES])
def test_whatever_aws_says_what_is_published_is_true(ground: Ground, known: Known, database: Path, lie: Lie) -> None:
    must_come_of([lie], ground, database, known)


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
    versions, known_versions = known.tonight["org.account_version"]
    of_accounts = {
        "org.account": (columns, sorted(expected, key=repr)),
        "org.account_version": (versions, suspended_since_tonight(versions, known_versions, account)),
    }
    other = difference({name: found[name] for name in of_accounts}, of_accounts)
    may_differ = (*RESTING_ON_MORE, *of_accounts, "org.governance_kpi")
    frozen = [("*", account, "*")]
    return [
        *filter(None, [other]),
        *untrusted(database, frozen),
        *frozen_rows(found, known.yesterday, known.tonight, frozen, may_differ),
    ]


def suspended_since_tonight(columns: Sequence[str], rows: Sequence[Row], account: str) -> list[Row]:
    """Versions of accounts, one of which ends tonight since its account is suspended."""
    made = []
    for row in rows:
        version = dict(zip(columns, row, strict=True))
        if version["account_id"] == account and version["is_current"]:
            made.append(tuple((version | {"valid_to": TONIGHT, "is_current": False}).values()))
            change = {"change": "changed", "changed_attributes": ["state"], "state": "SUSPENDED", "run_id": TONIGHT}
            made.append(tuple((version | change | {"valid_from": TONIGHT}).values()))
        else:
            made.append(row)
    return sorted(made, key=repr)
