"""Messages to people, by Apprise: Slack, Teams, mail and whatever else its addresses name."""

import importlib.util
import re
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from pipelines.plain_text import plain

SETTING = "CMDB_NOTIFY"

EXTRA = 'pip install "aws-org-cmdb[notify]"'


@dataclass(frozen=True)
class Notified:
    """How a message was received.

    Attributes:
        sentence: for people; no address is in it, since addresses hold passwords.
        is_whole: whether every address took it.
    """

    sentence: str
    is_whole: bool


SECONDS = 30
"""How long a command waits for all addresses together."""


_NAMES_OVERFLOW = re.compile(r"[?&]overflow=", re.IGNORECASE)
"""Of an address that says itself what becomes of a message that is too long."""


@dataclass
class _Delivery:
    """A message on its way to one address, in a thread of its own, so that a slow address keeps no other waiting.

    Attributes:
        is_received: whether the service has taken it.
    """

    name: str
    service: Any
    is_received: bool = False
    thread: threading.Thread = field(init=False)

    def begin(self, message: dict[str, Any]) -> None:
        """Send the message. One that never ends keeps no process from ending."""
        self.thread = threading.Thread(target=self._send, args=(message,), daemon=True)
        self.thread.start()

    def _send(self, message: dict[str, Any]) -> None:
        self.is_received = bool(self.service.notify(**message))


def notify(addresses: str, title: str, body: str, *, is_bad: bool, seconds: float = SECONDS) -> Notified:
    """Send a message to every address at once. Nothing that goes wrong is raised, so that it fails no run.

    Args:
        addresses: of Apprise, separated by white space.
        body: plain text; what a service would read as markup is escaped by Apprise.
        is_bad: whether it is about a failure.
        seconds: after which nobody waits any longer; what has not been received by then may still arrive.
    """
    if importlib.util.find_spec("apprise") is None:
        return Notified(f"{SETTING} needs Apprise, so nobody was notified. `{EXTRA}` installs it.", False)
    import apprise

    message = {
        "body": plain(body, lines=True),
        "title": plain(title),
        "notify_type": apprise.NotifyType.FAILURE if is_bad else apprise.NotifyType.INFO,
        "body_format": apprise.NotifyFormat.TEXT,
    }
    until = time.monotonic() + seconds
    wanted = addresses.split()
    missed: dict[int, str] = {}
    deliveries: dict[int, _Delivery] = {}
    for number, address in enumerate(wanted, start=1):
        # The collection of one catches what the service raises. Redirected, a message becomes a request without a body.
        service = apprise.Apprise(asset=apprise.AppriseAsset(http_redirects=False))
        if not service.add(address):
            missed[number] = f"address {number}, which Apprise cannot read"
            continue
        if not _NAMES_OVERFLOW.search(address):
            for one in service:
                # Without it a message beyond the length that a service allows reaches nobody there.
                one.overflow_mode = apprise.OverflowMode.SPLIT
        deliveries[number] = _Delivery(f"address {number} ({plain(service[0].service_name)})", service)
        deliveries[number].begin(message)
    for number, delivery in deliveries.items():
        delivery.thread.join(max(0.0, until - time.monotonic()))
        if delivery.thread.is_alive():
            missed[number] = f"{delivery.name}, which did not respond within {seconds:.0f} seconds"
        elif not delivery.is_received:
            missed[number] = delivery.name
    sentence = f"{SETTING}: {len(wanted) - len(missed)} of {len(wanted)} addresses were notified"
    not_notified = " and ".join(missed[number] for number in sorted(missed))
    return Notified(f"{sentence}, not {not_notified}." if missed else f"{sentence}.", not missed)
