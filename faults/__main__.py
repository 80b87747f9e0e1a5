"""`python -m faults [PART…]`: run the kit, print every figure, and keep what each case showed in `.ci/results`."""

import argparse
import functools
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

LIMIT = 17.5 * 60
"""Seconds after which nothing new is begun; what is not done a minute and a half later is broken off."""


def main() -> int:
    """Run the parts that are named, or every part."""
    parser = argparse.ArgumentParser(prog="python -m faults", description=__doc__)
    parser.add_argument("part", nargs="*", help="only this one; the results of others stay")
    parser.add_argument("--case", default="", metavar="TEXT", help="only cases whose name holds this; likewise")
    arguments = parser.parse_args()
    wanted = arguments.part
    with tempfile.TemporaryDirectory(prefix="cmdb-faults-", ignore_cleanup_errors=True) as folder:
        # botocore looks below HOME once, when it is loaded: it is set before anything else is.
        os.environ["HOME"] = folder
        from faults import kit
        from faults.report import RESULTS, dates, kept, read, renewed, write

        began, deadline = time.monotonic(), time.monotonic() + LIMIT
        if unknown := sorted(set(wanted) - set(kit.PARTS)):
            parser.error(f"There is no part {', '.join(unknown)}; there are {', '.join(kit.PARTS)}. Nothing was run.")
        known = read(RESULTS)
        parts = kit.run(wanted or list(kit.PARTS), Path(folder), deadline, dates(known), holding=arguments.case)
    seconds = time.monotonic() - began
    cases = [shown for part in parts for shown in part.shown]
    wrong = [shown for shown in cases if not shown.passed]
    before = kept(known, parts)
    print("\n".join(before))
    print(
        f"{sum(not shown.skipped for shown in cases)} cases in {seconds / 60:.1f} minutes, {len(wrong)} otherwise than "
        f"expected; {len(before)} were shown before."
    )
    named = {name: version(name) for name in ("duckdb", "dagster")}
    versions = ", ".join([f"Python {platform.python_version()}", *(f"{name} {of}" for name, of in named.items())])
    write(RESULTS, renewed(known, parts, date=f"{datetime.now(UTC):%Y-%m-%d}", commit=_commit(), versions=versions))
    return 1 if wrong else 0


def _commit() -> str:
    """At which commit this is, with a + where something is not committed; empty where git knows none."""
    git = ["git", "-C", str(Path(__file__).resolve().parent)]
    ask = functools.partial(subprocess.run, capture_output=True, text=True, check=False)
    head = ask([*git, "rev-parse", "--short", "HEAD"]).stdout.strip()
    changed = ask([*git, "status", "--porcelain", "--", ":/"]).stdout.strip()
    return f"{head}{'+' if changed else ''}" if head else ""


if __name__ == "__main__":
    sys.exit(main())
