"""Whole runs in which AWS errs, and of which nothing is published: the file that analysts read stays byte for byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.each_push.runs import REFUSED, WITHOUT_ACCOUNTS, Run
from chaos.ground import Ground
from chaos.telling import must_come_of, named

HERE = [run for run in REFUSED if run not in WITHOUT_ACCOUNTS]
"""The others are in `test_published`."""


@pytest.mark.parametrize("run", [pytest.param(run, id=named(run)) for run in HERE])
def test_nothing_is_published(ground: Ground, database: Path, run: Run) -> None:
    must_come_of(run, ground, database, None)
