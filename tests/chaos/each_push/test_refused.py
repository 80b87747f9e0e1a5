"""Whole runs in which AWS errs, and of which nothing is published: the file that analysts read stays byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.each_push.runs import REFUSED, Run
from chaos.ground import Ground
from chaos.telling import must_come_of, named


@pytest.mark.parametrize("run", [pytest.param(run, id=named(run)) for run in REFUSED])
def test_nothing_is_published(ground: Ground, database: Path, run: Run) -> None:
    must_come_of(run, ground, database, None)
