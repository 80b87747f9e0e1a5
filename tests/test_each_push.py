"""Every slow test that `EACH_PUSH` names is there: else all of its cases would be left to each push."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from each_push import EACH_PUSH


@pytest.mark.parametrize("name", EACH_PUSH)
def test_what_each_push_runs_in_part_is_a_test(name: str) -> None:
    file, _, function = name.partition("::")
    text = (Path(__file__).parent / file).read_text(encoding="utf-8")
    wanted = rf"{function}\(" if function else "test_"
    assert re.search(rf"^def {wanted}", text, re.MULTILINE)
