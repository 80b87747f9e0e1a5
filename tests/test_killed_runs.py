"""A run that is killed: what the next one says of it, and what the report takes for the night before."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chaos.points import PUBLISHING, SWAPPED
from nights import apart

WORKING, CONFIRMING = "while it works", "before it confirms"

Story = tuple[str, bool]
"""Where run-2 is killed, and whether run-1's version is rolled back to before run-3 publishes."""

FEW: list[Story] = [
    (WORKING, False),
    ("publish.copying", False),
    ("publish.versioned", True),
    ("publish.swapped", False),
]
REST: list[Story] = [
    (point, rolled_back)
    for point in (WORKING, *PUBLISHING, CONFIRMING)
    for rolled_back in (False, True)
    if (point, rolled_back) not in FEW
]


def told(stories: list[Story], folder: Path) -> dict[Story, dict[str, Any]]:
    """What came of each, from one process."""
    printed = apart("killed_runs", folder, json.dumps(stories))
    return dict(zip(stories, json.loads(printed), strict=True))


def must_hold(told: dict[str, Any], point: str, *, rolled_back: bool) -> None:
    """Published are the nights that were, and the report counts from the last of them."""
    assert told["code"] == -9, told["said"]
    published = point == CONFIRMING or point in SWAPPED
    assert told["versions"] == (["run-2", "run-1"] if published else ["run-1"])
    assert told["back"] == ("run-1" if rolled_back else "")
    assert told["runs"] == {"run-1": "published", "run-2": "published" if published else "died", "run-3": "published"}
    assert told["without_end"] == ([] if published else ["run-2"])
    assert told["before"] == ("run-2" if published else "run-1")
    assert told["changes"] == (["arn:run-3"] if published else ["arn:run-2", "arn:run-3"])
    assert told["left"] == [".lock"]


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> dict[Story, dict[str, Any]]:
    return told(FEW, tmp_path_factory.mktemp("killed"))


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> dict[Story, dict[str, Any]]:
    return told(REST, tmp_path_factory.mktemp("killed"))


@pytest.mark.parametrize(("point", "rolled_back"), FEW)
def test_of_a_run_that_was_killed_the_next_says_what_came_of_it(
    few: dict[Story, dict[str, Any]], point: str, rolled_back: bool
) -> None:
    must_hold(few[point, rolled_back], point, rolled_back=rolled_back)


@pytest.mark.large
@pytest.mark.parametrize(("point", "rolled_back"), REST)
def test_so_it_does_wherever_that_was(rest: dict[Story, dict[str, Any]], point: str, rolled_back: bool) -> None:
    must_hold(rest[point, rolled_back], point, rolled_back=rolled_back)
