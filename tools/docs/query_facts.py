"""Writes pipelines/models/query_facts.json: what is found in the queries of the release, so that no run parses them.

`python -m tools.docs.query_facts`; with `--check` it only compares.
"""

import json
import sys
from typing import Any

from pipelines.models import query_facts, stored_facts
from pipelines.models.checks import read_checks
from pipelines.models.model import read_models
from pipelines.report.figures import read_queries
from tools.docs.dictionary import settle


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


def main(arguments: list[str]) -> int:
    """Write the file, or with `--check` say whether it is current."""
    return settle(stored_facts.FILE, written(), "pipelines/models/query_facts.json", check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
