"""Whole runs in which AWS errs, and of which every published row is tonight's, or yesterday's and marked stale."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.each_push.runs import PUBLISHED, Run
from chaos.ground import Ground
from chaos.history import Known, against_the_world
from chaos.telling import must_come_of, named


def test_truthful_runs_publish_what_is_true(ground: Ground, known: Known) -> None:
    against_the_world(known.tonight, ground.simulator)


@pytest.mark.parametrize("run", [pytest.param(run, id=named(run)) for run in PUBLISHED])
def test_what_is_published_is_true(ground: Ground, known: Known, database: Path, run: Run) -> None:
    must_come_of(run, ground, database, known)
