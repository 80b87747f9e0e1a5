"""`python -m faults [PART…]`: run the kit, print every figure, and write each part to docs/reliability.md."""

import argparse
import os
import platform
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reliability.md"

LIMIT = 18 * 60
"""Seconds after which nothing new is begun."""


def main() -> int:
    """Run the parts that are named, or every part."""
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("part", nargs="*", help="only this one; docs/reliability.md keeps the others")
    parser.add_argument("--case", default="", metavar="TEXT", help="only cases whose name holds this; likewise")
    arguments = parser.parse_args()
    wanted = arguments.part
    with tempfile.TemporaryDirectory(prefix="cmdb-faults-", ignore_cleanup_errors=True) as folder:
        # botocore looks below HOME once, when it is loaded: it is set before anything else is.
        os.environ["HOME"] = folder
        from faults import kit
        from faults.report import dates, renewed

        began, deadline = time.monotonic(), time.monotonic() + LIMIT
        if unknown := sorted(set(wanted) - set(kit.PARTS)):
            parser.error(f"There is no part {', '.join(unknown)}; there are {', '.join(kit.PARTS)}. Nothing was run.")
        known = dates(_page())
        parts = kit.run(wanted or list(kit.PARTS), Path(folder), deadline, known, holding=arguments.case)
    seconds = time.monotonic() - began
    cases = [shown for part in parts for shown in part.shown]
    wrong = [shown for shown in cases if not shown.passed]
    print(f"{len(cases)} cases in {seconds / 60:.1f} minutes, {len(wrong)} otherwise than expected.")
    named = {name: version(name) for name in ("duckdb", "dagster")}
    versions = ", ".join([f"Python {platform.python_version()}", *(f"{name} {of}" for name, of in named.items())])
    order = [title for title, _, _ in kit.PARTS.values()]
    page = renewed(_page(), parts, order, date=f"{datetime.now(UTC):%Y-%m-%d}", versions=versions)
    PAGE.write_text(page, encoding="utf-8")
    return 1 if wrong else 0


def _page() -> str:
    return PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
