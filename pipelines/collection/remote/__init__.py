"""Parts of a step that other machines collect: they get a briefing, and return one manifest with what they landed.

The machine with the warehouse is the coordinator. It keeps the working file, the gates, the models and publishing, and
the three central roles. A worker opens no warehouse.
"""

from pipelines.collection.parts import ThisProcess, Workers
from pipelines.settings import Settings


def workers_of(settings: Settings) -> Workers:
    """Those who collect: this process alone, or workers by the queue that the settings name."""
    objects = settings.objects
    if not settings.broker_url or objects is None:
        return ThisProcess(settings.part_cells)
    # With one machine nothing of it is loaded.
    from pipelines.collection.remote.coordinator import QueuedWorkers

    return QueuedWorkers(settings, objects)
