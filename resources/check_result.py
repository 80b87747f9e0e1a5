"""The result of one check, of the pre-flight's rules and the rules of trust alike. Data only."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

Severity = Literal["ERROR", "WARN"]


@dataclass(frozen=True)
class CheckResult:
    """The result of a check: whether it passed, and the sentence that explains the result.

    Attributes:
        severity: severity of a failed check; WARN does not block.
        at_fault: the rows to show for a failure, such as the failed cells.
        name: the check, where one function returns several results; empty where the caller knows it.
        hint: what to do about a failure; empty where the sentence includes it, or nothing is known.
    """

    passed: bool
    sentence: str
    _: KW_ONLY
    severity: Severity = "ERROR"
    at_fault: tuple[dict[str, Any], ...] = ()
    name: str = ""
    hint: str = ""

    @property
    def blocks(self) -> bool:
        """Whether this failure blocks everything that depends on the check."""
        return not self.passed and self.severity == "ERROR"
