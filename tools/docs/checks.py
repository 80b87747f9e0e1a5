"""The page of all checks, `docs/reference/checks.md`: generated from the definitions that a run executes.

`python -m tools.docs.checks` writes it, `--check` fails when it is stale.
"""

import sys
from collections import defaultdict
from collections.abc import Iterable

import dagster as dg

from pipelines.definitions import build_defs
from pipelines.models.checks import NOTHING, SqlCheck, read_checks
from pipelines.settings import REPOSITORY
from tools.docs.dictionary import settle

PAGE = REPOSITORY / "docs" / "reference" / "checks.md"

INTRODUCTION = """# Checks

Generated from the checks of a run by `make docs`; do not edit.

Every check by the name that a refusal, `audit.check_result` and Dagster show. One that *blocks* ends the run before
anything that depends on what it is about; the published file stays. One that *warns* is published with its sentence.
`cmdb coverage --blocked` shows the sentence and the cells of the last run, [a run failed](../howto/failed-run.md) what
to do. *Requested again* is what the next run, or `cmdb nightly --only-untrusted`, requests whole where the check has
failed; *its cells* are those of the rows at fault; what the pre-flight or the check of a listing refused is requested
anyway (–).

| check | about | failed, it | what it says when it fails, or what must hold | requested again |
| --- | --- | --- | --- | --- |
"""


def rows(specs: Iterable[dg.AssetCheckSpec], known: dict[str, SqlCheck]) -> list[tuple[str, ...]]:
    """A row for each name of a check, with the assets that have it."""
    named: dict[str, list[dg.AssetCheckSpec]] = defaultdict(list)
    for spec in specs:
        named[spec.name].append(spec)
    found: list[tuple[str, ...]] = []
    for name, of in sorted(named.items()):
        (first, *others) = sorted(of, key=lambda spec: spec.asset_key)
        about = f"`{'.'.join(first.asset_key.path)}`" if not others else f"{len(of)} assets"
        check = known.get(name)
        refetch = () if check is None else check.refetch
        again = "" if check is None else "its cells" if not refetch else ", ".join(f"`{one}`" for one in refetch)
        text = " ".join((first.description or "").split()).replace("|", "\\|")
        if len({spec.description for spec in of}) > 1:
            text = f"Of each its own, such as: {text}"
        found.append(
            (
                f"`{name}`",
                about,
                "blocks" if first.blocking else "warns",
                text,
                "nothing" if refetch == (NOTHING,) else again or "–",
            )
        )
    return found


def table() -> str:
    """All checks as Markdown."""
    graph = build_defs({}).resolve_asset_graph()
    specs = [graph.get_check_spec(key) for key in graph.asset_check_keys]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows(specs, {check.name: check for check in read_checks()}))


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` say whether it is current."""
    return settle(PAGE, INTRODUCTION + table(), "docs/reference/checks.md", check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
