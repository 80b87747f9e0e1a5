"""The configuration, read from a mapping of environment variables and judged once.

Pure: `definitions.py` and `cli/` hand in the environment; nothing else reads it.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from resources.contract import CONTRACT, Role
from resources.identity_rules import CENTRAL_ROLES, Expectation
from resources.installation import PRODUCT_FOLDER, SQL_FOLDER, WORKING_FOLDER

T = TypeVar("T")

REPOSITORY = PRODUCT_FOLDER
WAREHOUSE_FOLDER = SQL_FOLDER
DEMO_DATABASE = WORKING_FOLDER / "warehouse" / "demo" / "aws_org.duckdb"

ZeroEvidence = Literal["cloudtrail", "identity"]

MAX_UNTRUSTED_TOLERANCE = Decimal("0.25")


AWS_SOURCES = (
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ENDPOINT_URL",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)
"""Variables of botocore's that decide who a profile of the same name is."""

AWS_SERVICE_SOURCE = "AWS_ENDPOINT_URL_"
"""What the variables begin with that do so for one service."""


ON_REQUEST = ("CMDB_BUCKET_CONTENT",)
"""Settings of yes or no for what costs a call a resource."""


class SettingsError(Exception):
    """One or more environment variables hold what cannot be used. The message is a sentence for each."""


@dataclass(frozen=True)
class Settings:
    """Everything that the environment decides. Names and defaults stand in docs/operations.md.

    Attributes:
        workload_profiles: names or globs over the profiles of the AWS config file.
        regions: asked for workload listings; empty means each account's enabled regions.
        untrusted_tolerance: share of the asked workload cells of a listing that may fail loudly.
        cost_request_limit: Cost Explorer requests a day (UTC), of all runs and of `cmdb ask`, each US$0.01.
        requested: names of the settings that ask for more than a night asks anyway (`Listing.on_request`).
        aws_sources: where botocore looks for profiles and endpoints, as far as the environment says.
        problem: why the settings cannot be used; empty when they can. Every gate refuses while it stands,
            so that a bad value shows in the Dagster UI as a sentence instead of a code location that
            does not load.
    """

    management_profile: str = ""
    operations_profile: str = ""
    billing_profile: str = ""
    aws_profile: str = ""
    home_region: str = "us-east-1"
    workload_profiles: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    database: Path = WORKING_FOLDER / "warehouse" / "aws_org.duckdb"
    expectation: Expectation = field(default_factory=Expectation)
    zero_evidence: ZeroEvidence = "cloudtrail"
    untrusted_tolerance: Decimal = Decimal("0.05")
    currency: str = "NZD"
    cost_months: int = 13
    cost_request_limit: int = 100
    concurrency: int = 64
    processes: int = 1
    alert_command: str = ""
    docs_url: str = ""
    schedule: str = "30 3 * * *"
    timezone: str = "Pacific/Auckland"
    requested: frozenset[str] = frozenset()
    aws_sources: tuple[str, ...] = ()
    problem: str = ""

    @property
    def config_hash(self) -> str:
        """Changes when other accounts, regions or identities would be asked: evidence of another hash is void."""
        asked = {
            "profiles": [self.management_profile, self.operations_profile, self.billing_profile],
            "workload": [self.aws_profile, *self.workload_profiles],
            "regions": list(self.regions),
            "home_region": self.home_region,
            "sources": list(self.aws_sources),
            "expectation": {
                **asdict(self.expectation),
                "shared": sorted("+".join(sorted(pair)) for pair in self.expectation.shared),
            },
        }
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings, or a `SettingsError` with a sentence for each variable that cannot be used."""
    problems: list[str] = []

    def value(name: str, default: T, parse: Callable[[str], T], expects: str) -> T:
        text = environment.get(name, "").strip()
        if not text:
            return default
        try:
            return parse(text)
        except (ValueError, InvalidOperation, ZoneInfoNotFoundError, OSError):
            problems.append(f"{name}={text!r} cannot be used: it must be {expects}. Correct or unset it.")
            return default

    def text(name: str, default: str = "") -> str:
        return environment.get(name, "").strip() or default

    names = {role: text(CONTRACT[role].profile_env) for role in CENTRAL_ROLES}
    settings = Settings(
        management_profile=names["management"],
        operations_profile=names["operations"],
        billing_profile=names["billing"],
        aws_profile=text(CONTRACT["workload"].profile_env),
        home_region=text("AWS_DEFAULT_REGION", "us-east-1"),
        workload_profiles=value("CMDB_WORKLOAD_PROFILES", (), _words, "names or globs, separated by commas"),
        regions=value("CMDB_REGIONS", (), _regions, "region names such as ap-southeast-2, separated by commas"),
        database=value("CMDB_DATABASE", Settings.database, _database, "the path of a file that ends in .duckdb"),
        expectation=Expectation(
            operations_account=value("CMDB_OPERATIONS_ACCOUNT", "", _account, "an account id of 12 digits"),
            billing_account=value("CMDB_BILLING_ACCOUNT", "", _account, "an account id of 12 digits"),
            shared=value(
                "CMDB_SHARED_ACCOUNTS",
                frozenset(),
                _pairs,
                "pairs of management, operations and billing such as management+billing, separated by commas",
            ),
        ),
        zero_evidence=value("CMDB_ZERO_EVIDENCE", "cloudtrail", _zero_evidence, "cloudtrail or identity"),
        untrusted_tolerance=value(
            "CMDB_UNTRUSTED_TOLERANCE",
            Settings.untrusted_tolerance,
            _tolerance,
            f"a share between 0 and {MAX_UNTRUSTED_TOLERANCE}",
        ),
        currency=value("CMDB_CURRENCY", "NZD", _currency, "a currency of three capitals such as NZD"),
        cost_months=value(
            "CMDB_COST_MONTHS",
            13,
            _whole(1, 13),
            "a whole number of months from 1 to 13, as far back as AWS keeps days",
        ),
        cost_request_limit=value("CMDB_COST_REQUEST_LIMIT", 100, _whole(1, 100_000), "a whole number from 1 to 100000"),
        concurrency=value("CMDB_CONCURRENCY", 64, _whole(1, 512), "a whole number from 1 to 512"),
        processes=value("CMDB_PROCESSES", 1, _whole(1, 16), "a whole number from 1 to 16"),
        alert_command=text("CMDB_ALERT_COMMAND"),
        docs_url=value("CMDB_DOCS_URL", "", _address, "an address that begins with http:// or https://"),
        schedule=value("CMDB_SCHEDULE", "30 3 * * *", _cron, "a cron line of five fields that some day fulfils"),
        requested=frozenset(name for name in ON_REQUEST if value(name, False, _yes, "yes or no")),
        aws_sources=_aws_sources(environment),
        timezone=value("CMDB_TIMEZONE", "Pacific/Auckland", _timezone, "a time zone such as Pacific/Auckland"),
    )
    if problems:
        raise SettingsError(" ".join(problems) + " Nothing was asked.")
    return settings


def _aws_sources(environment: Mapping[str, str]) -> tuple[str, ...]:
    services = sorted(name for name in environment if name.startswith(AWS_SERVICE_SOURCE))
    return tuple(
        f"{name}={environment[name]}" for name in (*AWS_SOURCES, *services) if environment.get(name, "").strip()
    )


def _words(text: str) -> tuple[str, ...]:
    words = tuple(word.strip() for word in text.split(",") if word.strip())
    if not words:
        raise ValueError(text)
    return words


def _regions(text: str) -> tuple[str, ...]:
    regions = _words(text)
    for region in regions:
        area, _, number = region.rpartition("-")
        is_plain = region.isascii() and region.islower() and region.replace("-", "").isalnum()
        if not (area and number.isdigit() and is_plain):
            raise ValueError(region)
    return regions


def _database(text: str) -> Path:
    try:
        path = Path(text).expanduser()
    except RuntimeError as error:
        # A home of somebody whom this machine does not know.
        raise ValueError(text) from error
    if path.suffix != ".duckdb":
        raise ValueError(text)
    return path if path.is_absolute() else WORKING_FOLDER / path


def _account(text: str) -> str:
    if not (len(text) == 12 and text.isascii() and text.isdigit()):
        raise ValueError(text)
    return text


def _pairs(text: str) -> frozenset[frozenset[Role]]:
    pairs: set[frozenset[Role]] = set()
    for word in _words(text):
        named = [part.strip() for part in word.split("+")]
        pair = frozenset(role for role in CENTRAL_ROLES if role in named)
        if len(named) != 2 or len(pair) != 2:
            raise ValueError(word)
        pairs.add(pair)
    return frozenset(pairs)


def _currency(text: str) -> str:
    if not (len(text) == 3 and text.isascii() and text.isalpha() and text.isupper()):
        raise ValueError(text)
    return text


def _zero_evidence(text: str) -> ZeroEvidence:
    if text == "cloudtrail":
        return "cloudtrail"
    if text == "identity":
        return "identity"
    raise ValueError(text)


def _tolerance(text: str) -> Decimal:
    share = Decimal(text)
    if not 0 <= share <= MAX_UNTRUSTED_TOLERANCE:
        raise ValueError(text)
    return share


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError(text)
        return number

    return parse


def _address(text: str) -> str:
    if not text.startswith(("http://", "https://")) or any(letter.isspace() for letter in text):
        raise ValueError(text)
    return text


def _yes(text: str) -> bool:
    if text.lower() not in ("yes", "no"):
        raise ValueError(text)
    return text.lower() == "yes"


def _cron(text: str) -> str:
    # Imported here: only who sets it waits for Dagster, which loads no schedule whose line it does not understand.
    from dagster._utils.schedules import is_valid_cron_string

    if len(text.split()) != 5 or not is_valid_cron_string(text):
        raise ValueError(text)
    return text


def _timezone(text: str) -> str:
    ZoneInfo(text)
    return text
