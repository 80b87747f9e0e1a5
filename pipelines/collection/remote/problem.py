"""Why an attempt at a part brought nothing."""

from dataclasses import dataclass
from typing import Literal

from pydantic import TypeAdapter

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


_PROBLEM: TypeAdapter[Problem] = TypeAdapter(Problem)


def as_bytes(problem: Problem) -> bytes:
    """A problem as JSON."""
    return _PROBLEM.dump_json(problem)


def read_problem(data: bytes) -> Problem:
    """A problem from JSON.

    Raises:
        pydantic.ValidationError: it is none.
    """
    return _PROBLEM.validate_json(data)
