"""Whether a worker may collect for a coordinator: both have the same release, configuration and time."""

import hashlib
import json
from datetime import datetime, timedelta
from functools import cache
from importlib.metadata import version
from pathlib import Path

from pipelines.collection.remote.briefing import Sender
from pipelines.settings import AWS_SOURCES, Settings
from resources.aws.profiles import AwsConfig
from resources.installation import PRODUCT_FOLDER, code_version

CLOCKS_DIFFER = timedelta(seconds=5)
"""Largest difference between the clocks of two machines."""

DECIDING = ("boto3", "botocore", "orjson", "pydantic")
"""Distributions whose version may decide which request is sent and what becomes of its response."""

_OF_A_PATH = AWS_SOURCES[:2]
"""Variables whose value is the path of a file: its content counts, wherever it is."""


@cache
def release_fingerprint() -> str:
    """Of the product's version and all its files that collect or judge, and of what else decides it.

    That is the SQL, which says what a table needs, and botocore's data, which say where a service is offered.
    """
    versions = (code_version(), *(version(name) for name in DECIDING))
    digest = hashlib.sha256("\n".join(versions).encode())
    files = [*(PRODUCT_FOLDER / "pipelines").rglob("*.py"), *(PRODUCT_FOLDER / "resources").rglob("*.py")]
    files += (PRODUCT_FOLDER / "warehouse").rglob("*.sql")
    for path in sorted(files):
        digest.update(str(path.relative_to(PRODUCT_FOLDER)).encode() + b"\n" + path.read_bytes())
    return digest.hexdigest()


def configuration_fingerprint(settings: Settings) -> str:
    """Of what decides which account a profile leads to, and where requests go.

    Files count by content. Credentials do not count: they differ from machine to machine, and to which account they
    lead is compared with each request.
    """
    config = AwsConfig.now().config_file
    scope = {
        "home_region": settings.home_region,
        "endpoints": [source for source in settings.aws_sources if source.partition("=")[0] not in _OF_A_PATH],
        "config": _digest(config),
    }
    return hashlib.sha256(json.dumps(scope, sort_keys=True).encode()).hexdigest()


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def unfit(sender: Sender, settings: Settings, now: datetime) -> str:
    """Why a worker may not collect for this coordinator; empty where it may.

    Args:
        sender: the coordinator.
        settings: the worker's own.
        now: the worker's time, UTC.
    """
    if sender.release != release_fingerprint():
        return "it has another release of the product or of botocore. Install the coordinator's there."
    if sender.configuration != configuration_fingerprint(settings):
        return (
            "its AWS config file, AWS_DEFAULT_REGION or endpoints differ from the coordinator's. Copy the config file "
            "there; credentials may differ."
        )
    if now < sender.sent_at - CLOCKS_DIFFER:
        return f"its clock is {(sender.sent_at - now).total_seconds():.0f} s behind the coordinator's. Set the clock."
    return ""
