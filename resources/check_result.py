"""One result of one check, whoever judged it: a rule of the pre-flight or one of the rules of trust. Data only."""

from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

Severity = Literal["ERROR", "WARN"]


@dataclass(frozen=True)
class CheckResult:
    """A check that was judged: whether it passed, and the sentence that says so.

    Attributes:
        severity: of a check that did not pass; WARN does not block.
        at_fault: the rows to show for it, such as the cells that failed.
        name: the check, where one judgement has several; empty where the caller knows which it asked.
        hint: what to do about it; empty where the sentence says it, or nobody knows.
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
        """Whether nothing that depends on it may be collected or built."""
        return not self.passed and self.severity == "ERROR"
