"""The queue by which parts reach workers: Celery over RabbitMQ or Redis.

A message names the folder of a part, and nothing else. The object store holds what is true, so Celery has no result
backend, and a message that is lost or doubled changes nothing.
"""

import importlib.util
from typing import TYPE_CHECKING, Any

from pipelines.settings import Settings
from pipelines.trust.gate import refuse
from resources.objects.errors import EXTRA

if TYPE_CHECKING:
    from celery import Celery

TASK = "cmdb.collect_part"
QUEUE = "cmdb"

CONNECT_SECONDS = 5.0

LONGEST_PART_SECONDS = 1500
"""After which Redis gives a part that nobody ended to another worker; RabbitMQ notices a lost connection at once, and
has a limit of thirty minutes of its own."""


EXPIRES_SECONDS = 6 * 3600
"""After which nobody collects a part any more: the coordinator that sent it is gone."""


class QueueUnreachable(Exception):
    """The queue takes no message."""


def application(settings: Settings) -> "Celery":
    """The Celery application of coordinator and workers.

    Raises:
        dagster.Failure: Celery is not installed.
    """
    if importlib.util.find_spec("celery") is None:
        raise refuse(
            f"CMDB_BROKER_URL needs Celery, which is not installed, so nothing was requested. `{EXTRA}` installs it; "
            "or unset CMDB_BROKER_URL.",
            exit_code=2,
        )
    from celery import Celery

    app = Celery("cmdb", broker=settings.broker_url)
    app.conf.update(
        task_default_queue=QUEUE,
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        # A part is given to another worker where the one that has it, or its process, is gone.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_concurrency=1,
        worker_hijack_root_logger=False,
        broker_connection_timeout=CONNECT_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_transport_options={"visibility_timeout": LONGEST_PART_SECONDS, "max_retries": 2},
    )
    return app


def worker_count(app: "Celery") -> int:
    """How many workers take parts; 0 where the queue does not respond, or is Redis, which cannot say."""
    try:
        with app.connection_for_read() as connection, connection.channel() as channel:
            # Channels of RabbitMQ and of Redis both have it; kombu's common base says nothing of it.
            queue: Any = channel
            return int(queue.queue_declare(queue=QUEUE, passive=True).consumer_count)
    except _unreachable(app):
        return 0


def send(app: "Celery", folder: str) -> None:
    """Put a part into the queue.

    Raises:
        QueueUnreachable: the queue takes no message.
    """
    try:
        app.send_task(
            TASK, [folder], retry=True, retry_policy={"max_retries": 2, "interval_start": 0.2}, expires=EXPIRES_SECONDS
        )
    except _unreachable(app) as error:
        raise QueueUnreachable(str(error) or type(error).__name__) from error


def _unreachable(app: "Celery") -> tuple[type[BaseException], ...]:
    """What is raised where the queue does not respond, or refuses."""
    from kombu.exceptions import KombuError

    connection = app.connection_for_write()
    # A wrong password or virtual host is of the transport's own kind.
    return KombuError, OSError, *connection.connection_errors, *connection.channel_errors
