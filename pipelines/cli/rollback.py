"""`cmdb rollback`: publish an earlier version again."""

from typing import TYPE_CHECKING, Any

import click

from pipelines.cli.command import Command, demo_option, json_option, offering, plainly, print_json, say, store_of

if TYPE_CHECKING:
    from resources.store.versions import Version


@click.command(cls=Command)
@click.argument("version", required=False, shell_complete=offering("version"))
@click.option("--list", "listing", is_flag=True, help="Show the versions kept.")
@demo_option
@json_option
@plainly
def rollback(version: str | None, listing: bool, demo: bool, as_json: bool) -> None:
    """Let analysts read an earlier published version again; without VERSION the one before the current.

    Example: cmdb rollback
    """
    store = store_of(demo=demo)
    if listing and as_json:
        print_json([_version_data(kept) for kept in store.versions()])
        return
    if listing:
        for kept in store.versions():
            mark = "*" if kept.is_current else " "
            say(f"{mark} {kept.name}  {kept.published_at:%Y-%m-%d %H:%M:%S} UTC")
        return
    before = store.versions()
    now = store.rollback(version)
    was = next((kept.name for kept in before if kept.is_current), "nothing")
    if as_json:
        print_json(_version_data(now) | {"was": was})
        return
    say(
        f"{store.database} is {now.name} again; it was {was}. The next run publishes as always; "
        "`cmdb report` makes the report of this version."
    )


def _version_data(kept: "Version") -> dict[str, Any]:
    return {
        "version": kept.name,
        "run_id": kept.run_id,
        "published_at": f"{kept.published_at:%Y-%m-%dT%H:%M:%SZ}",
        "is_current": kept.is_current,
    }
