"""Whole runs in which AWS errs, and of which every published row is tonight's, or yesterday's and marked stale.

Beside them those that end at the list of accounts: a worker has a file, and so both files of whole runs take as long.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from chaos.each_push.runs import PUBLISHED, WITHOUT_ACCOUNTS, Run
from chaos.ground import Ground
from chaos.history import Known, against_the_world
from chaos.telling import must_come_of, named


@contextlib.contextmanager
def of_one_day(known: Known) -> Iterator[None]:
    """Skip what differs once midnight in UTC has passed since yesterday's run.

    A bill of another day, budgets and ages are no fault of the run.
    """
    try:
        yield
    except AssertionError:
        if datetime.now(UTC).date() != known.before.date():
            pytest.skip("midnight in UTC has passed since the run that this one is compared with: run it again")
        raise


def test_truthful_runs_publish_what_is_true(ground: Ground, known: Known) -> None:
    with of_one_day(known):
        against_the_world(known.tonight, ground.simulator)


@pytest.mark.parametrize("run", [pytest.param(run, id=named(run)) for run in PUBLISHED])
def test_what_is_published_is_true(ground: Ground, known: Known, database: Path, run: Run) -> None:
    with of_one_day(known):
        must_come_of(run, ground, database, known)


@pytest.mark.parametrize("run", [pytest.param(run, id=named(run)) for run in WITHOUT_ACCOUNTS])
def test_without_accounts_nothing_is_published(ground: Ground, database: Path, run: Run) -> None:
    must_come_of(run, ground, database, None)
