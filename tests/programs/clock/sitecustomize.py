"""A clock that a file sets, for whoever has this folder on `PYTHONPATH`: Python loads this module before anything else.

The file that `TESTS_CLOCK` names holds one double: by how many seconds the clock of the process is ahead of this
machine's. Only the time of day is another: waiting takes as long as ever. Nothing has to be installed for it, and
whoever holds the file can move the clock of processes that run.
"""

import datetime
import mmap
import os
import struct
import time
from pathlib import Path

if os.environ.get("TESTS_CLOCK"):
    with Path(os.environ["TESTS_CLOCK"]).open("rb") as _file:
        _ahead = mmap.mmap(_file.fileno(), 8, access=mmap.ACCESS_READ)
    _datetime, _time = datetime.datetime, time.time

    def _now() -> float:
        ahead: float = struct.unpack("d", _ahead)[0]
        return _time() + ahead

    class _Kind(type):
        """Whatever makes times makes them of the class that was there before."""

        def __instancecheck__(cls, value: object) -> bool:
            return isinstance(value, _datetime)

        def __subclasscheck__(cls, kind: type) -> bool:
            return issubclass(kind, _datetime)

    class _Set(_datetime, metaclass=_Kind):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
            return _datetime.fromtimestamp(_now(), tz)

        @classmethod
        def utcnow(cls) -> datetime.datetime:  # type: ignore[override]
            return _datetime.fromtimestamp(_now(), datetime.UTC).replace(tzinfo=None)

    _Set.__name__ = _Set.__qualname__ = "datetime"
    datetime.datetime = _Set  # type: ignore[misc]
    time.time = _now
    time.time_ns = lambda: round(_now() * 1e9)
