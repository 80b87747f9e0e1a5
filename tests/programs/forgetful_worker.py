"""A worker process that ends well, but leaves out a result in seven, sends another twice instead, or halves each."""

import sys
from multiprocessing.connection import Connection
from typing import Any
from unittest.mock import patch

from resources.aws import worker_process

plain = worker_process.Sender.deliver


def deliver(sender: Any, index: int, result: Any) -> None:
    """Deliver all but every seventh result of this process."""
    if sys.argv[1] == "half":
        if getattr(result, "records", None):
            del result.records[len(result.records) // 2 :]
        plain(sender, index, result)
        return
    sender.count = getattr(sender, "count", 0) + 1
    if sender.count % 7 != 1:
        plain(sender, index, result)
        if sender.count % 7 == 2 and sys.argv[1] == "twice":
            plain(sender, index, result)


if __name__ == "__main__":
    with patch.object(worker_process.Sender, "deliver", deliver):
        worker_process.serve([Connection(int(descriptor)) for descriptor in sys.argv[2:]])
