"""Runs the FOCUS validator over an export, in the validator's own environment, and judges what it wrote.

The validator ends with 0 whatever it found, and takes account ids for numbers in CSV: so Parquet goes in, and the
report is read.
"""

import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

UNAVOIDABLE = {
    "1.2": {
        "InvoiceId-C-005-C": "Cost Explorer does not say which invoice a charge is on, and the rule has no condition.",
        "EffectiveCost-C-005-C": "support is a purchase that covers no other charge, and the rule has no condition.",
    },
    "1.4": {
        "CAU-SubAccountName-C-002-M": "an account has a name beyond ASCII, which FOCUS wants kept as it is.",
    },
}
"""Rules of each version that no export of the demo can pass, and why."""

NOT_OF_AWS = (
    "MULTIPLE_BILLING_ACCOUNT_TYPES_SUPPORTED",
    "MULTIPLE_SUB_ACCOUNT_TYPES_SUPPORTED",
    "PRICING_BILLING_CURRENCY_DIFFERENCES_SUPPORTED",
    "VIRTUAL_CURRENCY_SUPPORTED",
)
"""What rules of 1.4 depend on and the bill of AWS does not show; every other condition is taken as given."""

Model = dict[str, Any]


@dataclass
class Judgement:
    """What became of the rules: how many hold, are skipped by the validator or set aside here, and which are broken."""

    holding: int = 0
    skipped: int = 0
    aside: int = 0
    broken: dict[str, str] = field(default_factory=dict)


def judge(report: Path, rules: Mapping[str, Any], left_out: Collection[str]) -> Judgement:
    """Count a report's rules. Set aside are rules of columns that are left out, retired ones, and sums of others.

    Raises:
        ValueError: no rule was judged.
    """
    found = Judgement()
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        # Named "rule :: what it asks".
        name = case.attrib["name"].partition(" :: ")[0]
        rule = rules.get(name, {})
        problem = next((case.find(kind) for kind in ("failure", "error") if case.find(kind) is not None), None)
        if case.find("skipped") is not None:
            found.skipped += 1
        elif (
            rule.get("EntityId", rule.get("Reference")) in left_out or rule.get("Status") != "Active" or _sums_up(rule)
        ):
            found.aside += 1
        elif problem is not None:
            found.broken[name] = problem.attrib.get("message") or (problem.text or "").strip()
        else:
            found.holding += 1
    if not found.holding:
        raise ValueError("no rule holds: the validator judged nothing")
    return found


def _sums_up(rule: Mapping[str, Any]) -> bool:
    """Whether a rule only says that others hold, which are judged themselves."""
    parts = rule["ValidationCriteria"]["Requirement"].get("Items", [])
    return bool(parts) and all(part["CheckFunction"] == "CheckModelRule" for part in parts)


def verdict(version: str, found: Judgement) -> tuple[int, list[str]]:
    """The exit code and its sentences."""
    expected = UNAVOIDABLE[version]
    lines = [f"✗ {rule}: {why}" for rule, why in sorted(found.broken.items()) if rule not in expected]
    for rule, why in expected.items():
        lines.append(
            f"! {rule} is broken, as it must be: {why}"
            if rule in found.broken
            else f"✗ {rule} passes now: take it off UNAVOIDABLE in scripts/focus_check.py."
        )
    failed = any(line.startswith("✗") for line in lines)
    lines.append(
        f"FOCUS {version}: {found.holding} rules hold, {len(found.broken)} are broken. The validator skips "
        f"{found.skipped}; {found.aside} are of columns that are left out, retired, or the sum of others."
    )
    return int(failed), lines


def loadable(model: Model) -> Model:
    """The rules without the circle in which the first model of 1.4 defines two columns by each other.

    Two rules on whether a unit is NULL name all rules of its quantity as their condition, which name them in turn. The
    validator then loads nothing. They need the rule on NULL alone, and the owners have it so since FOCUS_Spec 2609.
    """
    for number in ("005", "006"):
        rule = model["ModelRules"].get(f"CAU-CommitmentDiscountUnit-C-{number}-C")
        if rule is not None:
            criteria = rule["ValidationCriteria"]
            criteria["Dependencies"] = [
                name.replace("CommitmentDiscountQuantity-C-000-C", "CommitmentDiscountQuantity-C-003-C")
                for name in criteria["Dependencies"]
            ]
    return model


def find_model(version: str, validator: str, home: Path) -> Path | None:
    """The newest rules of a version: what the validator carries, what FOCUS_RULES names, or what it can download."""
    downloads = Path(sys.prefix, "rules")
    downloads.mkdir(exist_ok=True)
    folders = [home / "focus_validator" / "rules", downloads]
    if os.environ.get("FOCUS_RULES"):
        folders.insert(0, Path(os.environ["FOCUS_RULES"]))

    def held() -> Path | None:
        found = [path for folder in folders for path in sorted(folder.glob(f"model-{version}*.json"), reverse=True)]
        return found[0] if found else None

    if held() is None:
        # It downloads the rules of a version when it begins, whatever it is asked.
        asked = ("--validate-version", version, "--rule-set-path", str(downloads), "--show-applicability-criteria")
        try:
            subprocess.run([validator, *asked], cwd=home, capture_output=True, check=False, timeout=120)
        except subprocess.TimeoutExpired:
            return None
    return held()


def main(export: Path) -> int:
    """Validate, judge."""
    # Here and not above: only the validator's environment has what this needs.
    import focus_validator

    described = json.loads((export / "cmdb-export.json").read_text(encoding="utf-8"))
    version = described["version"]
    validator = str(Path(sys.executable).with_name("focus-validator"))
    # It looks for its rules below the working directory.
    home = Path(focus_validator.__file__).parent.parent
    held = find_model(version, validator, home)
    if held is None:
        print(
            f"! FOCUS {version} is not judged: the validator carries no rules for it and could not download them. "
            f"Name a folder with model-{version}.json: make focus-check FOCUS_RULES=DIR"
        )
        return 0
    model = loadable(json.loads(held.read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory() as folder:
        rules, report = Path(folder, held.name), Path(folder, "report.xml")
        rules.write_text(json.dumps(model), encoding="utf-8")
        (data,) = export.glob("*/*.parquet")
        asked = ["--data-file", str(data), "--validate-version", version, "--block-download"]
        asked += ["--rule-set-path", folder, "--output-type", "unittest", "--output-destination", str(report)]
        if version != "1.2":
            given = [name for name in model["ApplicabilityCriteria"] if name not in NOT_OF_AWS]
            asked += ["--applicability-criteria", ",".join(given)]
        done = subprocess.run([validator, *asked], cwd=home, capture_output=True, text=True, check=False)
        try:
            code, lines = verdict(version, judge(report, model["ModelRules"], described["left_out"]))
        except (OSError, ElementTree.ParseError, ValueError) as error:
            code, lines = 1, [f"The validator left no report that can be read ({error}).", done.stdout, done.stderr]
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
