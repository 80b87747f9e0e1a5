"""Why an attempt at a part brought nothing."""

from dataclasses import dataclass
from typing import Literal

KILLED_AT_MOST = 3
"""Workers that a part may kill until the step refuses."""


@dataclass(frozen=True)
class Problem:
    """Why an attempt at a part brought nothing.

    Attributes:
        kind: `unfit` where the worker may not collect this part: another one may. `failed` where the part cannot be
            collected, and `killed` where workers were.
        worker: host and process.
    """

    kind: Literal["unfit", "failed", "killed"]
    worker: str
    sentence: str
