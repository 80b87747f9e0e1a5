"""Fixtures of what several files read: warehouses of given responses, and the report's figures of the truthful night.

What they are made of loads the pipeline, which takes seconds: only tests that use them should wait for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from nights import DATABASE

if TYPE_CHECKING:
    from given import House

    from pipelines.report.figures import Figure


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


@pytest.fixture(scope="session")
def figures(truthful_night: Path) -> Mapping[str, Figure]:
    """What the report says of the session's truthful night."""
    from pipelines.report.figures import query_figures
    from resources.store.store import Store

    return query_figures(Store(truthful_night / DATABASE))
