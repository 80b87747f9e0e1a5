"""The work that every peer does, as a file that they read, and the result that they print."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

BASE_PROFILE = "bench-base"
ROLE = "CMDBReader"


@dataclass(frozen=True)
class Work:
    """What to collect: every listing of `bench.canned` in all of these places.

    Attributes:
        concurrency: threads of the peers that have a setting for it.
    """

    url: str
    accounts: list[str]
    regions: list[str]
    concurrency: int = 64
    processes: int = 1

    def save(self, path: Path) -> None:
        """Write it."""
        path.write_text(json.dumps(asdict(self)))

    @classmethod
    def load(cls, path: Path) -> "Work":
        """Read it."""
        return cls(**json.loads(path.read_text()))


@dataclass(frozen=True)
class Result:
    """What a peer found by type, and how often it failed; `seconds` are parts of its wall time by name."""

    counts: Mapping[str, int]
    errors: int
    seconds: Mapping[str, float]

    def print(self) -> None:
        """As the last line of standard output."""
        print(json.dumps(asdict(self)), flush=True)

    @classmethod
    def read(cls, said: str) -> "Result":
        """From what a peer printed.

        Raises:
            ValueError: its last line is no result.
        """
        last = said.strip().rpartition("\n")[2]
        return cls(**json.loads(last))


def role_arn(account: str, role: str = ROLE) -> str:
    """The role that is assumed in an account."""
    return f"arn:aws:iam::{account}:role/{role}"


def profile_of(account: str) -> str:
    """The profile of a workload account."""
    return f"bench-{account}"
