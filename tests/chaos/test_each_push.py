"""Every fault of the simulated AWS once, each in a whole run: what a push must not break.

The rest of this folder, the faults in pairs and the nights after them among it, is run by `make faults`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from chaos.ground import Ground
from chaos.history import Known
from chaos.lies import EACH_ONCE, Lie
from chaos.test_aws_faults import must_come_of
from simulator.faults import FAULT_NAMES


@pytest.mark.parametrize("lie", [pytest.param(lie, id=lie.name) for lie in EACH_ONCE])
def test_of_every_fault_comes_what_must(ground: Ground, known: Known, database: Path, lie: Lie) -> None:
    must_come_of(lie, ground, known, database)


def test_no_fault_is_left_out() -> None:
    assert {name.partition("@")[0] for lie in EACH_ONCE for name in lie.told} == set(FAULT_NAMES)
