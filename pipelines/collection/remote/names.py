"""The names of the objects by which coordinator and workers exchange parts.

    parts/RUN/STEP/00007/briefing          what a worker has to know, signed
    parts/RUN/STEP/00007/started/ATTEMPT   a worker has begun; `ended/ATTEMPT` follows unless it is killed
    parts/RUN/STEP/00007/ATTEMPT.gz        what an attempt has landed
    parts/RUN/STEP/00007/manifest          the attempt that counts, signed; put once
    parts/RUN/STEP/00007/problems/ATTEMPT  why an attempt brought nothing, signed

STEP is new for each execution of a step: Dagster retries a step under the same run id.
"""

from typing import NamedTuple

FOLDER = "parts"


class PartFolder(NamedTuple):
    """The objects of one part."""

    path: str

    @classmethod
    def of(cls, run_id: str, step: str, number: int) -> "PartFolder":
        """The folder of a part of a step."""
        return cls(f"{step_folder(run_id, step)}/{number:05d}")

    @property
    def briefing(self) -> str:
        """What a worker has to know."""
        return f"{self.path}/briefing"

    @property
    def manifest(self) -> str:
        """The manifest of the attempt that counts."""
        return f"{self.path}/manifest"

    @property
    def started(self) -> str:
        """The folder of the attempts that have begun."""
        return f"{self.path}/started"

    @property
    def ended(self) -> str:
        """The folder of the attempts that have ended by themselves, well or not."""
        return f"{self.path}/ended"

    @property
    def problems(self) -> str:
        """The folder of the reasons why attempts brought nothing."""
        return f"{self.path}/problems"

    def attempt_of(self, package: str) -> str:
        """The name of the object that says when the attempt began that has landed a package."""
        return f"{self.started}/{package.removeprefix(f'{self.path}/').removesuffix('.gz')}"

    def package(self, attempt: str) -> str:
        """What an attempt has landed."""
        return f"{self.path}/{attempt}.gz"


def step_folder(run_id: str, step: str) -> str:
    """The folder of one execution of a step."""
    return f"{FOLDER}/{run_id}/{step}"
