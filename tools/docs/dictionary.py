"""The data dictionary, `docs/reference/dictionary.md`: generated from the comments of an empty warehouse.

`python -m tools.docs.dictionary` writes it, `--check` fails when it is stale.
"""

import sys
import tempfile
from pathlib import Path

from pipelines.models.build import build, prepare
from pipelines.models.model import read_models
from pipelines.settings import REPOSITORY
from resources.store.store import Store

PAGE = REPOSITORY / "docs" / "reference" / "dictionary.md"

SCHEMAS = {
    "audit": "Can this number be trusted?",
    "org": "The organisation, from the management profile.",
    "aws": "One typed table a resource type, for people who know what they look for.",
    "cmdb": "Configuration items.",
    "cost": "Money, from the billing profile.",
    "ref": "Seeds of the product, and the reference files of the organisation.",
    "stage": "Responses on their way to the tables above; not part of the public interface.",
}
"""The schemas in the order in which a reader wants them."""

INTRODUCTION = """# Data dictionary

Generated from the comments in the file itself by `make docs`; do not edit.

Write `set TimeZone = 'UTC';` before the first query: DuckDB shows every `*_at`, and cuts it to a day, in the time zone
of your session. What the file's own views compute is the same in every time zone.

Open `warehouse/aws_org.duckdb` read-only with DuckDB 1.5.5 or later, or use `cmdb sql`. (DuckDB 1.4 loses rows of long
unions where it keeps their order; there write `set preserve_insertion_order = false;` before the first query.)

`account_id` is the account a row is **about**, always text of 12 digits; `caller_account_id` is the account of the
request. `*_at` is TIMESTAMPTZ in UTC, `*_date` a DATE of AWS's billing day (UTC). Money is DECIMAL(28,10) with its
currency beside it. `run_id` and `listing` lead to `audit.collection`: what was requested, when, and whether an empty
response was really empty.
"""


def empty_warehouse(folder: Path) -> Store:
    """A warehouse with every relation and comment, and no row."""
    store = Store(folder / "empty.duckdb")
    models = read_models()
    with store.holding("dictionary", "data dictionary"), store.transaction() as connection:
        prepare(connection)
        for model in models.values():
            if model.materialized != "log":
                logs = [log for log in models.values() if log.logs == model.relation]
                build(connection, store, model, logs)
    return store


def page(store: Store) -> str:
    """The dictionary as Markdown."""
    with store.read() as connection:
        relations = connection.execute(
            """
            select schema_name, table_name, comment, 'table' from duckdb_tables()
            where database_name = current_database()
            union all
            select schema_name, view_name, comment, 'view' from duckdb_views()
            where database_name = current_database() and not internal
            order by 1, 2
            """
        ).fetchall()
        columns = connection.execute(
            """
            select schema_name, table_name, column_name, data_type, comment from duckdb_columns()
            where database_name = current_database() and not internal
            order by schema_name, table_name, column_index
            """
        ).fetchall()
    lines = [INTRODUCTION]
    for shown, about in SCHEMAS.items():
        lines.append(f"## {shown}\n\n{about}\n")
        for schema, name, comment, kind in relations:
            if schema != shown:
                continue
            lines.append(f"### {schema}.{name}{' (view)' if kind == 'view' else ''}\n\n{comment or ''}\n")
            lines.append("| column | type | what it is |\n| --- | --- | --- |")
            lines += [
                f"| `{column}` | {_cell(data_type)} | {_cell(text or '')} |"
                for column_schema, table, column, data_type, text in columns
                if (column_schema, table) == (schema, name)
            ]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def settle(path: Path, wanted: str, called: str, *, check: bool) -> int:
    """Write a generated page, or say by the name it is called whether it is current; the exit code."""
    if not check:
        path.write_text(wanted, encoding="utf-8")
        return 0
    if path.exists() and path.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"{called} is stale; nothing was written. Run `make docs`.", file=sys.stderr)
    return 1


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` say whether it is current."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = page(empty_warehouse(Path(folder)))
    return settle(PAGE, wanted, "docs/reference/dictionary.md", check="--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
