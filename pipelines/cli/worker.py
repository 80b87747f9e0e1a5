"""`cmdb worker`: collect parts for a coordinator on another machine."""

import click

from pipelines.cli.command import Command, Misused, plainly, settings_of


@click.command(cls=Command)
@plainly
def worker() -> None:
    """Collect parts of a run for the machine that has the warehouse, until Ctrl-C or SIGTERM ends it.

    It needs the workload profiles, CMDB_BROKER_URL, CMDB_OBJECTS_URL and CMDB_WORKER_KEY, and no warehouse. Every part
    is requested by the release and the AWS config file that the coordinator has; another one is refused.

    Example: cmdb worker
    """
    settings = settings_of()
    if not settings.broker_url:
        raise Misused(
            "CMDB_BROKER_URL is not set, so there is no queue to take parts from. Nothing was requested. Set it, with "
            "CMDB_OBJECTS_URL and CMDB_WORKER_KEY, to the coordinator's values (docs/howto/scale.md)."
        )
    from pipelines.collection.remote import celery_worker
    from pipelines.loading import loading
    from pipelines.models.model import read_models
    from pipelines.models.query_facts import record_rules_of
    from pipelines.trust.gate import Refused
    from resources import release

    release.require()
    with loading():
        rules = record_rules_of(read_models())
    assert settings.objects is not None, "the settings require an object store beside a queue"
    try:
        celery_worker.run(settings, settings.objects, rules)
    except Refused as failure:
        raise Misused(str(failure.description)) from failure
