"""`cmdb publish-copy`: copy what is published to the object store."""

import os
from dataclasses import asdict

import click

from pipelines.cli.command import Command, json_option, plainly, print_json, say, settings_of


@click.command(cls=Command, name="publish-copy")
@click.option("--take-over", is_flag=True, help="Replace what a run that is not known here has published there.")
@json_option
@plainly
def publish_copy(take_over: bool, as_json: bool) -> None:
    """Copy what analysts read here to CMDB_OBJECTS_URL, and lead its readers there. Every run does so by itself.

    Example: cmdb publish-copy
    """
    from pipelines.publishing.copying import PublishedCopy
    from resources.objects.errors import ObjectStoreError
    from resources.store.store import Store

    settings = settings_of()
    copy = PublishedCopy(settings.objects_or_refuse)
    store = Store(settings.database)
    # Else a run could remove the version that is being copied.
    with store.holding(f"publish-copy-{os.getpid()}", "publish-copy"):
        pointer = copy.copy_current(store, take_over=take_over)
        try:
            removed = copy.prune(store.stem)
        except ObjectStoreError as error:
            removed = []
            say(f"It is copied, but what is old could not be removed: {error}", err=True)
    if as_json:
        print_json(asdict(pointer) | {"removed": removed})
        return
    say(f"{copy.objects.url}/{pointer.version} is what its readers get: SHA-256 {pointer.sha256}.")
