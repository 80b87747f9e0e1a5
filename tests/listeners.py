"""Servers of bytes: what HTTP servers of a library would not send, or would put right."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator

_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")


class Listener:
    """Serves each connection in a thread of its own, and closes it then.

    Attributes:
        accepted: how many connections there were.
        port: on 127.0.0.1.
        url: over HTTP.
    """

    def __init__(self, serve: Callable[[socket.socket], None]) -> None:
        self.accepted = 0
        self._serve = serve
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.accepted += 1
            threading.Thread(target=self._served, args=(connection,), daemon=True).start()

    def _served(self, connection: socket.socket) -> None:
        try:
            with connection:
                self._serve(connection)
        except OSError:
            return

    def close(self) -> None:
        # The thread has to be out of `accept` before the descriptor is free: the next listener may get the same number,
        # and this thread would take that one's connections.
        self._socket.shutdown(socket.SHUT_RDWR)
        self._accepting.join()
        self._socket.close()


def requests_of(connection: socket.socket) -> Iterator[tuple[bytes, bytes]]:
    """Head and body of each whole request, until nothing comes any more."""
    got = b""
    while True:
        head, found, rest = got.partition(b"\r\n\r\n")
        declared = _LENGTH.search(head)
        length = int(declared[1]) if declared else 0
        if found and len(rest) >= length:
            got = rest[length:]
            yield head, rest[:length]
        elif more := connection.recv(65_536):
            got += more
        else:
            return
