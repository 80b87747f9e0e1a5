"""Warehouses of given responses as fixtures: `home`, and `blank_home` for what `home` would hide or be too large for.

What they are made of stands in `given`, which loads the pipeline: only tests that use them should wait for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from given import House


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    """A warehouse in which every relation is built of nothing: `House.build` builds only what has changed since."""
    from given import built_file, house

    with house(tmp_path, working=built_file()) as made:
        yield made


@pytest.fixture
def blank_home(tmp_path: Path) -> Iterator[House]:
    """A warehouse with its schema and nothing in it."""
    from given import house

    with house(tmp_path) as made:
        yield made
