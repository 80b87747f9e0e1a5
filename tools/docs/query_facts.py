"""Writes pipelines/models/query_facts.json: what is found in the queries of the release, so that no run parses them.

`python -m tools.docs.query_facts`; with `--check` it only compares.
"""

import argparse
import json
import sys
from typing import Any

from pipelines.models import query_facts, stored_facts
from pipelines.models.checks import read_checks
from pipelines.models.model import read_models
from pipelines.report.figures import read_queries


def written() -> str:
    """The text of the file for the queries as they are now."""
    stored_facts.forget()
    models = read_models()
    read = [model.sql for model in models.values() if model.place != "pipelines/models/claims.py"]
    read += [check.sql for check in read_checks(relations=models)]
    read += [figure.sql for figure in read_queries()]
    return _text(query_facts.kept(models, read))


def _text(found: dict[str, Any]) -> str:
    """JSON with a line for each entry, so that a change shows what it changes."""
    parts = []
    for name, value in found.items():
        if isinstance(value, dict):
            lines = ",\n".join(f"    {json.dumps(key)}: {_compact(entry)}" for key, entry in value.items())
            parts.append(f"  {json.dumps(name)}: {{\n{lines}\n  }}")
        else:
            parts.append(f"  {json.dumps(name)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _compact(entry: Any) -> str:
    return json.dumps(entry, ensure_ascii=False, separators=(",", ":"))


def main() -> int:
    """Write the file, or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where the file is out of date")
    is_check = parser.parse_args().check
    text = written()
    if stored_facts.FILE.is_file() and stored_facts.FILE.read_text(encoding="utf-8") == text:
        return 0
    if is_check:
        print("pipelines/models/query_facts.json is out of date: run `make docs`.", file=sys.stderr)
        return 1
    stored_facts.FILE.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
