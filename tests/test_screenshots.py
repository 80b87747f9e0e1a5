"""The pictures that `make screenshots` makes show what they are about, and those in the repository stay small."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from browser import CHROMIUM, WITHOUT
from nights import REPOSITORY, Witness
from screenshots import IN_README, MOST_BYTES, Stage, browser, served, shots, take

from pipelines.report.writing import report_path


def size_of(picture: Path) -> tuple[int, int]:
    """Width and height of a PNG."""
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    return width, height


def test_the_pictures_of_the_readme_are_there_and_small() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    for name in IN_README.values():
        picture = REPOSITORY / "docs" / "pictures" / name
        assert f"(docs/pictures/{name})" in readme
        assert picture.stat().st_size < MOST_BYTES
        assert size_of(picture)[0] >= 1280


@pytest.mark.large
def test_every_page_shows_what_its_picture_is_about(witnessed_night: Witness, tmp_path: Path) -> None:
    if CHROMIUM is None:
        pytest.skip(WITHOUT)
    run = witnessed_night.night.run_id
    environment = {"DAGSTER_HOME": str(witnessed_night.home), "CMDB_DATABASE": str(witnessed_night.database)}
    stage = Stage(environment, report_path(witnessed_night.database), run, run)
    with served(environment) as url, browser() as tab:
        # No night of this session was refused: a picture of that takes one more, which `make screenshots` runs.
        for shot in [shot for shot in shots(stage, url) if shot.name != "refused"]:
            picture = take(tab, shot, tmp_path)
            assert size_of(picture) == shot.size
            # A blank page of this size takes a few thousand bytes.
            assert picture.stat().st_size > 30_000, shot.name
