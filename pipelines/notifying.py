"""Messages to people, by Apprise: Slack, Teams, mail and whatever else its addresses name."""

import importlib.util
from dataclasses import dataclass

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


def notify(addresses: str, title: str, body: str, *, is_bad: bool) -> Notified:
    """Send a message to every address. Nothing that goes wrong is raised, so that it fails no run.

    Args:
        addresses: of Apprise, separated by white space.
        body: plain text; what a service would read as markup is escaped by Apprise.
        is_bad: whether it is about a failure.
    """
    if importlib.util.find_spec("apprise") is None:
        return Notified(f"{SETTING} needs Apprise, so nobody was notified. `{EXTRA}` installs it.", False)
    import apprise

    wanted = addresses.split()
    missed = []
    for number, address in enumerate(wanted, start=1):
        # The collection of one catches what the service raises.
        service = apprise.Apprise()
        if not service.add(address):
            missed.append(f"address {number}, which Apprise cannot read")
        elif not service.notify(
            body=plain(body, lines=True),
            title=plain(title),
            notify_type=apprise.NotifyType.FAILURE if is_bad else apprise.NotifyType.INFO,
            body_format=apprise.NotifyFormat.TEXT,
        ):
            missed.append(f"address {number} ({plain(service[0].service_name)})")
    sentence = f"{SETTING}: {len(wanted) - len(missed)} of {len(wanted)} addresses were notified"
    return Notified(f"{sentence}, not {' and '.join(missed)}." if missed else f"{sentence}.", not missed)
