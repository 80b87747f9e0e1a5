"""Nothing is broken: two truthful runs, between which the world moves on, publish what there is."""

from __future__ import annotations

from chaos.ground import Ground
from chaos.history import Known, against_the_world


def test_two_truthful_runs_publish_what_is_true(ground: Ground, known: Known) -> None:
    against_the_world(known.tonight, ground.simulator)
