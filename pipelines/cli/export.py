"""`cmdb export`: the published dataset in the formats of other systems."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipelines.cli.command import (
    Command,
    Group,
    Misused,
    demo_option,
    json_option,
    plainly,
    print_json,
    say,
    settings_of,
    store_of,
)
from pipelines.exports.focus_columns import VERSIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.exports.files import ExportedFile
    from resources.store.store import Store

FOLDER = click.argument("dir", type=click.Path(path_type=Path))


class FocusVersion(click.Choice[str]):
    """A version of FOCUS that can be written; another one is refused in one sentence."""

    def __init__(self) -> None:
        super().__init__(VERSIONS)

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The version.

        Raises:
            Misused: it is none that can be written.
        """
        if value not in VERSIONS:
            raise Misused(
                f"FOCUS {value} cannot be written, only {' and '.join(VERSIONS)}. Nothing was exported. "
                f"Write --version {VERSIONS[-1]}, or what your reader takes."
            )
        return value


@click.group(cls=Group)
def export() -> None:
    """Export the dataset to other systems."""


@export.command(name="servicenow", cls=Command)
@FOLDER
@demo_option
@json_option
@plainly
def servicenow(dir: Path, demo: bool, as_json: bool) -> None:
    """Write the published configuration items and their relations as CSV files for ServiceNow's import sets.

    DIR gets servicenow_ci.csv (coalesce on correlation_id) and servicenow_relationship.csv (parent, type, child), each
    complete or not at all. For each file the command prints how much of its scope is unknown.

    Example: cmdb export servicenow exports
    """
    from pipelines.exports.servicenow import export_to

    _report(export_to(dir, _current(demo)), as_json)


@export.command(name="parquet", cls=Command)
@FOLDER
@demo_option
@json_option
@plainly
def parquet(dir: Path, demo: bool, as_json: bool) -> None:
    """Write every public table as Parquet, with a data contract (ODCS 3.1.0) beside them.

    DIR is replaced whole: a new or empty folder, or that of an earlier export. Each table is a folder of its name;
    tables of one row a day are partitioned by month. DIR/aws-org-cmdb.odcs.yaml describes each column, and how much of
    each table's scope is unknown.

    Example: cmdb export parquet exports/parquet
    """
    from pipelines.exports.parquet import export_parquet

    _report(export_parquet(dir, _current(demo)), as_json)


@export.command(name="focus", cls=Command)
@FOLDER
@click.option("--version", type=FocusVersion(), default="1.2", show_default=True, help="The version of FOCUS.")
@demo_option
@json_option
@plainly
def focus(dir: Path, version: str, demo: bool, as_json: bool) -> None:
    """Write the bill in the words of FOCUS (FinOps Open Cost and Usage Specification), as Parquet.

    DIR is replaced whole: a new or empty folder, or that of an earlier export. What the bill by service does not tell
    is NULL, or left out where the version does not allow NULL; DIR/cmdb-export.json names what is left out, and why.

    Example: cmdb export focus exports/focus --version 1.4
    """
    from pipelines.exports.focus import export_focus

    _report(export_focus(dir, _current(demo), version), as_json)


@export.command(name="backstage", cls=Command)
@FOLDER
@demo_option
@json_option
@plainly
def backstage(dir: Path, demo: bool, as_json: bool) -> None:
    """Write items, business services and owners as catalogue entities of Backstage.

    DIR is replaced whole: a new or empty folder, or that of an earlier export. Register DIR/catalog-info.yaml as a
    location. An item stays, as stale, until a trusted response no longer has it.

    Example: cmdb export backstage exports/backstage
    """
    from pipelines.exports.backstage import export_backstage

    _report(export_backstage(dir, _current(demo)), as_json)


@export.command(name="explorer", cls=Command)
@FOLDER
@demo_option
@json_option
@plainly
def explorer(dir: Path, demo: bool, as_json: bool) -> None:
    """Write a page to explore the dataset with, as static files that any web server serves.

    DIR is replaced whole: a new or empty folder, or that of an earlier export. Whoever reaches the folder reads all
    that is published. `cmdb explore` serves the same page to this machine alone.

    Example: cmdb export explorer exports/explorer
    """
    from pipelines.explorer.folder import export_explorer, require_build

    require_build()
    written = export_explorer(dir, _current(demo), settings_of(demo=demo).ui_url)
    if as_json:
        print_json({"folder": str(written.folder), "published": written.published, "bytes": written.size})
        return
    say(f"{written.folder}  the explorer over {written.published} ({written.size:,} bytes). Serve it by a web server.")


@export.command(name="duckdb", cls=Command)
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--as-of", "as_of", required=True, metavar="NIGHT", help="A day such as 2026-03-31, a time, or a run.")
@demo_option
@json_option
@plainly
def duckdb(file: Path, as_of: str, demo: bool, as_json: bool) -> None:
    """Write what was published on an earlier night as a DuckDB file of its own, for any client.

    FILE must be new. A day means the last run published by its end (UTC). `cmdb history` lists what can be asked.

    Example: cmdb export duckdb aws_org-2026-03-31.duckdb --as-of 2026-03-31
    """
    store = store_of(demo=demo)
    publication = store.history.find(as_of)
    count = store.history.restore(publication, file)
    if as_json:
        print_json({"file": str(file), "relations": count} | publication.as_data())
        return
    say(f"{file}  {count} tables and views as of {publication}")


@export.command(name="openlineage", cls=Command)
@FOLDER
@demo_option
@json_option
@plainly
def openlineage(dir: Path, demo: bool, as_json: bool) -> None:
    """Write the run that published as events of OpenLineage: a START and an end of the run and of each of its steps.

    DIR gets openlineage.ndjson and is replaced whole: a new or empty folder, or that of an earlier export. A step's
    output has its columns, what each comes from, its checks, and how much of its scope is unknown.

    Example: cmdb export openlineage exports/openlineage
    """
    from importlib.util import find_spec

    if find_spec("openlineage") is None:
        raise Misused(
            "`cmdb export openlineage` needs the extra openlineage, which is not installed. Nothing was exported. "
            "Install it: pip install 'aws-org-cmdb[openlineage]', or in a checkout "
            "`.venv/bin/pip install openlineage-python`."
        )
    from pipelines.exports.openlineage import export_openlineage

    _report(export_openlineage(dir, _current(demo)), as_json)


def _current(demo: bool) -> "Store":
    store = store_of(demo=demo)
    store.require_current_schema()
    return store


def _report(exported: "Sequence[ExportedFile]", as_json: bool) -> None:
    if as_json:
        print_json([asdict(file) for file in exported])
        return
    for file in exported:
        say(str(file))
