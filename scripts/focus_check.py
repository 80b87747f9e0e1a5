"""Runs the FOCUS validator over a published file, in the validator's own environment, and judges what it wrote.

The validator ends with 0 whatever it found, and takes account ids for numbers in CSV: so Parquet goes in, and the
report is read.
"""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

UNAVOIDABLE = {
    "InvoiceId-C-005-C": "Cost Explorer does not say which invoice a charge is on, and the rule has no condition.",
}
"""Rules that no response of Cost Explorer can pass, and why."""


def broken_rules(report: Path) -> tuple[int, dict[str, str]]:
    """How many rules a report tells of, and those that were broken with what it says about them.

    Raises:
        ValueError: the report tells of no rule: the validator judged nothing.
    """
    cases = list(ElementTree.parse(report).getroot().iter("testcase"))
    if not cases:
        raise ValueError("the report tells of no rule")
    broken = {}
    for case in cases:
        for kind in ("failure", "error"):
            found = case.find(kind)
            if found is not None:
                # Named "rule :: what it asks".
                rule = case.attrib["name"].partition(" :: ")[0]
                broken[rule] = found.attrib.get("message") or (found.text or "").strip()
    return len(cases), broken


def verdict(count: int, broken: dict[str, str]) -> tuple[int, list[str]]:
    """The exit code and its sentences."""
    lines = [f"✗ {rule}: {why}" for rule, why in sorted(broken.items()) if rule not in UNAVOIDABLE]
    for rule, why in UNAVOIDABLE.items():
        lines.append(
            f"! {rule} is broken, as it must be: {why}"
            if rule in broken
            else f"✗ {rule} passes now: take it off UNAVOIDABLE in scripts/focus_check.py."
        )
    failed = any(line.startswith("✗") for line in lines)
    lines.append(f"FOCUS 1.2: {count - len(broken)} of {count} rules hold.")
    return int(failed), lines


def main(published: Path) -> int:
    """Export, validate, judge."""
    # Here and not above: only the validator's environment has what this needs.
    import duckdb
    import focus_validator

    with tempfile.TemporaryDirectory() as folder:
        data, report = Path(folder, "focus.parquet"), Path(folder, "report.xml")
        with duckdb.connect(str(published.resolve()), read_only=True) as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(f"copy (from cost.focus_cost_and_usage) to '{data}' (format parquet)")
        done = subprocess.run(
            [
                str(Path(sys.executable).with_name("focus-validator")),
                *("--data-file", str(data), "--validate-version", "1.2", "--block-download"),
                *("--output-type", "unittest", "--output-destination", str(report)),
            ],
            # It looks for its rules below the working directory.
            cwd=Path(focus_validator.__file__).parent.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        try:
            code, lines = verdict(*broken_rules(report))
        except (OSError, ElementTree.ParseError, ValueError) as error:
            code, lines = 1, [f"The validator left no report that can be read ({error}).", done.stdout, done.stderr]
    print("\n".join(lines))
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
