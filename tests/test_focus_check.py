"""What `make focus-check` makes of a report: a broken rule fails it, and nothing is counted that was not judged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts import focus_check

RULES: dict[str, Any] = {
    "Kept": {"EntityId": "BilledCost", "Status": "Active"},
    "Broken": {"EntityId": "BilledCost", "Status": "Active"},
    "Retired": {"EntityId": "ProviderName", "Status": "Deprecated"},
    "LeftOut": {"EntityId": "PricingCurrency", "Status": "Active"},
    "Sum": {"EntityId": "BilledCost", "Status": "Active", "parts": ["Kept", "Broken"]},
    "Skipped": {"EntityId": "BilledCost", "Status": "Active"},
}


@pytest.fixture
def rules() -> dict[str, Any]:
    """Rules as the model writes them."""
    return {
        name: {key: value for key, value in rule.items() if key != "parts"}
        | {
            "ValidationCriteria": {
                "Requirement": {"Items": [{"CheckFunction": "CheckModelRule"} for _ in rule.get("parts", ())]}
            }
        }
        for name, rule in RULES.items()
    }


def reported(folder: Path, **outcomes: str) -> Path:
    """A report of the validator: of each rule what became of it, or nothing where it holds."""
    cases = "".join(
        f'<testcase name="{name} :: Validation">{f"<{kind} message=&quot;no&quot;/>" if kind else ""}</testcase>'
        for name, kind in outcomes.items()
    ).replace("&quot;", '"')
    path = folder / "report.xml"
    path.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>", encoding="utf-8")
    return path


def test_only_what_was_judged_is_counted(rules: dict[str, Any], tmp_path: Path) -> None:
    report = reported(
        tmp_path, Kept="", Broken="failure", Retired="failure", LeftOut="error", Sum="failure", Skipped="skipped"
    )
    found = focus_check.judge(report, rules, {"PricingCurrency": "why"})
    assert found == focus_check.Judgement(holding=1, skipped=1, aside=3, broken={"Broken": "no"})


def test_a_rule_that_is_broken_fails_and_so_does_one_that_is_broken_no_more(tmp_path: Path) -> None:
    excused = dict.fromkeys(focus_check.UNAVOIDABLE["1.4"], "no")
    assert focus_check.verdict("1.4", focus_check.Judgement(holding=1, broken=excused))[0] == 0
    code, lines = focus_check.verdict("1.4", focus_check.Judgement(holding=1, broken=excused | {"Broken": "no"}))
    assert code == 1 and lines[0] == "✗ Broken: no"
    assert focus_check.verdict("1.4", focus_check.Judgement(holding=1))[0] == 1


def test_a_report_without_a_rule_that_holds_is_no_success(rules: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="judged nothing"):
        focus_check.judge(reported(tmp_path, Skipped="skipped"), rules, ())


def test_the_circle_of_the_first_rules_of_1_4_is_opened_and_nothing_else_is_changed() -> None:
    unit, quantity = "CAU-CommitmentDiscountUnit-C-005-C", "CAU-CommitmentDiscountQuantity-C-000-C"
    other = {"ValidationCriteria": {"Dependencies": [quantity]}}
    model = {"ModelRules": {unit: {"ValidationCriteria": {"Dependencies": [quantity, "A"]}}, "CAU-Other": other}}
    rules = focus_check.loadable(model)["ModelRules"]
    assert rules[unit]["ValidationCriteria"]["Dependencies"] == ["CAU-CommitmentDiscountQuantity-C-003-C", "A"]
    assert rules["CAU-Other"]["ValidationCriteria"]["Dependencies"] == [quantity]
