"""`cmdb rollback`: publish an earlier version again."""

import os
from typing import TYPE_CHECKING, Any

import click

from pipelines.cli.command import (
    Command,
    Refused,
    demo_option,
    json_option,
    offering,
    plainly,
    print_json,
    say,
    settings_of,
)

if TYPE_CHECKING:
    from resources.objects.object_store import ObjectStore
    from resources.store.store import Store
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
    from resources.store.store import Store

    settings = settings_of(demo=demo)
    store = Store(settings.database)
    if listing and as_json:
        print_json([_version_data(kept) for kept in store.versions()])
        return
    if listing:
        for kept in store.versions():
            mark = "*" if kept.is_current else " "
            say(f"{mark} {kept.name}  {kept.published_at:%Y-%m-%d %H:%M:%S} UTC")
        return
    before = store.versions()
    now, lacking = _rolled_back(store, version, settings.objects)
    was = next((kept.name for kept in before if kept.is_current), "nothing")
    if as_json:
        print_json(_version_data(now) | {"was": was})
    else:
        say(f"{store.database} is {now.name} again; it was {was}. The next run publishes as always. {_use(store, now)}")
    if lacking:
        raise Refused(f"Readers of the copy still get what they got. {lacking} `cmdb publish-copy` copies {now.name}.")


def _rolled_back(store: "Store", version: str | None, objects: "ObjectStore | None") -> "tuple[Version, str]":
    """The version that is read again, here and from the copy, and why not from the copy; empty where it is.

    Raises:
        Overtaken: another coordinator has published there. Nothing was changed.
        WarehouseError: there is no such version, or a run works on the warehouse. Nothing was changed.
    """
    from pipelines.publishing.copying import Overtaken, PublishedCopy, runs_of
    from resources.objects.errors import ObjectStoreError
    from resources.store.errors import WarehouseError

    with store.holding(f"rollback-{os.getpid()}", "rollback"):
        if objects is None:
            return store.rollback(version), ""
        copy, lacking = PublishedCopy(objects), ""
        try:
            copy.require_ours(runs_of(store))
        except ObjectStoreError as error:
            lacking = str(error)
        now = store.rollback(version)
        if not lacking:
            try:
                copy.copy_current(store)
            except (Overtaken, ObjectStoreError, WarehouseError) as error:
                lacking = str(error)
        return now, lacking


def _use(store: "Store", now: "Version") -> str:
    """A sentence on what can be done with the version that is read again."""
    from resources.store.errors import OlderSchema, WarehouseError

    try:
        store.require_current_schema()
    except OlderSchema:
        need = "Until then `cmdb sql`, `cmdb report` and `cmdb mcp` need the older release that made this version"
        has_history = any(kept.run_id == now.run_id for kept in store.history.publications())
        return f"{need}, or `cmdb sql --as-of {now.run_id}`." if has_history else f"{need}."
    except WarehouseError as error:
        return str(error)
    return "`cmdb report` makes the report of this version."


def _version_data(kept: "Version") -> dict[str, Any]:
    return {
        "version": kept.name,
        "run_id": kept.run_id,
        "published_at": f"{kept.published_at:%Y-%m-%dT%H:%M:%SZ}",
        "is_current": kept.is_current,
    }
