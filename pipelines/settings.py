"""The configuration, read from a mapping of environment variables and validated once.

Pure: `definitions.py` and `cli/` pass the environment in; no other module reads it.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from pipelines import setting_values as values
from pipelines.setting_values import Account, ExportPlace, Region, Whole, Words, from_text
from resources.contract import CONTRACT, Role
from resources.coordinator_lock import CoordinatorLock
from resources.identity_rules import Expectation, usual_pattern
from resources.installation import PRODUCT_FOLDER, SQL_FOLDER, WORKING_FOLDER
from resources.objects.object_store import URL, ObjectStore

REPOSITORY = PRODUCT_FOLDER
WAREHOUSE_FOLDER = SQL_FOLDER
DEMO_DATABASE = WORKING_FOLDER / "warehouse" / "demo" / "aws_org.duckdb"

MAX_UNTRUSTED_TOLERANCE = Decimal("0.25")
CURRENCY = "USD"

PART_CELLS = 40_000
"""Default maximum number of cells in a part of a step, which is requested, judged and written as a whole: some 4 KB of
memory each. An account gets eight requests at once: in 17 regions fewer cells have too few accounts for 64 threads."""

AWS_SOURCES = (
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ENDPOINT_URL",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)
"""Variables of botocore that decide which identity a profile of a given name has."""

AWS_SERVICE_SOURCE = "AWS_ENDPOINT_URL_"
"""Prefix of the variables that set the endpoint of one service."""


ESCAPED = "write / # @ % in its password as %2F %23 %40 %25"


class SettingsError(Exception):
    """One or more environment variables hold values that cannot be used. The message has a sentence for each."""


def _set_by(variable: str, default: Any, expects: str = "any text", **limits: Any) -> Any:
    """A setting of an environment variable; `expects` ends the sentence that refuses a value that cannot be used."""
    return Field(default, validation_alias=variable, description=expects, **limits)


class Settings(BaseSettings):
    """All settings of the environment. docs/reference/environment.md lists the variables and their defaults.

    Attributes:
        workload_profiles: names or globs over the profiles of the AWS config file.
        regions: regions of the workload listings; empty means each account's enabled regions.
        untrusted_tolerance: ratio of failed workload cells to a listing's requested cells that does not block, 0 to 1.
        cost_request_limit: Cost Explorer requests a day (UTC), of all runs and of `cmdb ask`, each US$0.01.
        metric_limit: CloudWatch metrics a day (UTC), of all runs and of `cmdb ask`, each US$0.00001.
        part_cells: cells that a step requests, judges and writes together.
        broker_url: the queue by which workers on other machines get parts; empty where there are none.
        worker_patience: seconds without a part from any worker until the coordinator collects what is missing itself.
        worker_key: the secret that signs what coordinator and workers give each other.
        history_runs: published runs that `cmdb sql --as-of` can go back to; 0 for no history.
        reference: the folder of the organisation's own reference files; None means that it has none.
        aws_sources: botocore's variables for profiles and endpoints, as far as the environment sets them.
        problem: why the settings cannot be used; empty when they can. With a problem every gate refuses, so the Dagster
            UI shows the sentence. An exception here would keep the code location from loading.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", populate_by_name=True, validate_default=False)

    management_profile: str = _set_by(CONTRACT["management"].profile_env, "")
    operations_profile: str = _set_by(CONTRACT["operations"].profile_env, "")
    billing_profile: str = _set_by(CONTRACT["billing"].profile_env, "")
    aws_profile: str = _set_by(CONTRACT["workload"].profile_env, "")
    home_region: Region = _set_by("AWS_DEFAULT_REGION", "us-east-1", "a region name such as ap-southeast-2")
    workload_profiles: Words = _set_by("CMDB_WORKLOAD_PROFILES", (), "names or globs, separated by commas")
    regions: Annotated[tuple[Region, ...], from_text(values.words)] = _set_by(
        "CMDB_REGIONS", (), "region names such as ap-southeast-2, separated by commas"
    )
    database: Annotated[Path, from_text(values.database)] = _set_by(
        "CMDB_DATABASE", WORKING_FOLDER / "warehouse" / "aws_org.duckdb", "the path of a file that ends in .duckdb"
    )
    reference: Annotated[Path | None, from_text(values.folder)] = _set_by(
        "CMDB_REFERENCE", None, "the path of a folder"
    )
    operations_account: Account = _set_by("CMDB_OPERATIONS_ACCOUNT", "", "an account id of 12 digits")
    billing_account: Account = _set_by("CMDB_BILLING_ACCOUNT", "", "an account id of 12 digits")
    shared_accounts: Annotated[frozenset[frozenset[Role]], from_text(values.pairs)] = _set_by(
        "CMDB_SHARED_ACCOUNTS",
        frozenset(),
        "pairs of management, operations and billing such as management+billing, separated by commas",
    )
    transferred_bill: Account = _set_by("CMDB_TRANSFERRED_BILL", "", "an account id of 12 digits")
    zero_evidence: Literal["cloudtrail", "identity"] = _set_by(
        "CMDB_ZERO_EVIDENCE", "cloudtrail", "cloudtrail or identity"
    )
    untrusted_tolerance: Decimal = _set_by(
        "CMDB_UNTRUSTED_TOLERANCE",
        Decimal("0.05"),
        f"a share between 0 and {MAX_UNTRUSTED_TOLERANCE}",
        ge=0,
        le=MAX_UNTRUSTED_TOLERANCE,
    )
    currency: str = _set_by("CMDB_CURRENCY", CURRENCY, "a currency of three capitals such as NZD", pattern="^[A-Z]{3}$")
    cost_months: Whole = _set_by(
        "CMDB_COST_MONTHS", 13, "a whole number of months from 1 to 13, as far back as AWS keeps days", ge=1, le=13
    )
    cost_request_limit: Whole = _set_by(
        "CMDB_COST_REQUEST_LIMIT", 100, "a whole number from 1 to 100000", ge=1, le=100_000
    )
    metric_limit: Whole = _set_by(
        "CMDB_METRIC_LIMIT", 100_000, "a whole number from 1 to 100000000", ge=1, le=100_000_000
    )
    history_runs: Whole = _set_by(
        "CMDB_HISTORY_RUNS", 400, "a whole number from 0, for no history, to 10000", ge=0, le=10_000
    )
    concurrency: Whole = _set_by("CMDB_CONCURRENCY", 64, "a whole number from 1 to 512", ge=1, le=512)
    processes: Whole = _set_by("CMDB_PROCESSES", 1, "a whole number from 1 to 16", ge=1, le=16)
    part_cells: Whole = _set_by("CMDB_PART_CELLS", PART_CELLS, "a whole number from 1 to 1000000", ge=1, le=1_000_000)
    broker_url: Annotated[str, AfterValidator(values.address)] = _set_by(
        "CMDB_BROKER_URL",
        "",
        f"an address that begins with amqp://, amqps://, redis:// or rediss://; {ESCAPED}",
        pattern=r"^(amqp|redis)s?://\S+$",
        repr=False,
    )
    worker_patience: Whole = _set_by(
        "CMDB_WORKER_PATIENCE", 600, "a whole number of seconds from 1 to 86400", ge=1, le=86_400
    )
    worker_key: str = _set_by("CMDB_WORKER_KEY", "", "at least 32 characters", min_length=32, repr=False)
    alert_command: str = _set_by("CMDB_ALERT_COMMAND", "", repr=False)
    heartbeat_command: str = _set_by("CMDB_HEARTBEAT_COMMAND", "", repr=False)
    notify: str = _set_by("CMDB_NOTIFY", "", repr=False)
    docs_url: str = _set_by(
        "CMDB_DOCS_URL", "", "an address that begins with http:// or https://", pattern=r"^https?://\S*$"
    )
    ui_url: str = _set_by(
        "CMDB_UI_URL", "", "an address that begins with http:// or https://", pattern=r"^https?://\S*$"
    )
    schedule: Annotated[str, AfterValidator(values.cron)] = _set_by(
        "CMDB_SCHEDULE", "30 3 * * *", "a cron line of five fields that some day fulfils"
    )
    bucket_content: Annotated[bool, from_text(values.yes)] = _set_by("CMDB_BUCKET_CONTENT", False, "yes or no")
    data_export: Annotated[ExportPlace | None, from_text(values.export_place)] = _set_by(
        "CMDB_DATA_EXPORT", None, "s3://BUCKET/PREFIX/EXPORT, the folder with the export's data and metadata"
    )
    explorer_view: str = _set_by(
        "CMDB_EXPLORER_VIEW",
        "",
        "the ARN of a view of Resource Explorer, arn:aws:resource-explorer-2:REGION:ACCOUNT:view/NAME/ID",
        pattern=r"^arn:aws[a-z-]*:resource-explorer-2:[a-z0-9-]+-[0-9]+:[0-9]{12}:view/[A-Za-z0-9-]+/[A-Za-z0-9-]+$",
    )
    every_night: Annotated[bool, from_text(values.yes)] = _set_by("CMDB_EVERY_NIGHT", False, "yes or no")
    timezone: Annotated[str, AfterValidator(values.timezone)] = _set_by(
        "CMDB_TIMEZONE", "Pacific/Auckland", "a time zone such as Pacific/Auckland"
    )
    objects_url: Annotated[str, AfterValidator(values.without_slash)] = _set_by(
        "CMDB_OBJECTS_URL", "", "s3://BUCKET or s3://BUCKET/PREFIX", pattern=f"^{URL.pattern}$"
    )
    objects_endpoint: str = _set_by(
        "CMDB_OBJECTS_ENDPOINT",
        "",
        "an address that begins with http:// or https://, without user and password",
        pattern=r"^https?://[^\s@]*$",
    )
    objects_region: Region = _set_by("CMDB_OBJECTS_REGION", "", "a region name such as ap-southeast-2")
    objects_profile: str = _set_by("CMDB_OBJECTS_PROFILE", "")
    lock_url: Annotated[str, AfterValidator(values.address)] = _set_by(
        "CMDB_LOCK_URL",
        "",
        f"an address that begins with postgresql://; {ESCAPED}",
        pattern=r"^postgresql://\S+$",
        repr=False,
    )
    aws_sources: tuple[str, ...] = ()
    problem: str = ""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only the values that code passes in, and none from this process's own environment or from a file."""
        return (init_settings,)

    @property
    def expectation(self) -> Expectation:
        """The expected identities of the central accounts."""
        return Expectation(self.operations_account, self.billing_account, self.shared_accounts, self.transferred_bill)

    @property
    def requested(self) -> frozenset[str]:
        """Names of the settings that enable listings which a run does not request by default (`Listing.on_request`)."""
        enabled = {
            "CMDB_BUCKET_CONTENT": self.bucket_content,
            "CMDB_DATA_EXPORT": self.data_export is not None,
            "CMDB_EXPLORER_VIEW": bool(self.explorer_view),
        }
        return frozenset(name for name, is_enabled in enabled.items() if is_enabled)

    @property
    def objects(self) -> ObjectStore | None:
        """The operator's own object store; None where none is set."""
        if not self.objects_url:
            return None
        region = self.objects_region or self.home_region
        return ObjectStore(self.objects_url, region, self.objects_endpoint, self.objects_profile)

    @property
    def coordinator_lock(self) -> CoordinatorLock | None:
        """The lock of several coordinators, one for each address of copies; None where none is set."""
        return CoordinatorLock(self.lock_url, self.objects_url) if self.lock_url else None

    @property
    def objects_or_refuse(self) -> ObjectStore:
        """The operator's own object store.

        Raises:
            SettingsError: none is set.
        """
        if self.objects is None:
            raise SettingsError(
                "No object store is set, so nothing was copied. Set CMDB_OBJECTS_URL to s3://BUCKET/PREFIX."
            )
        return self.objects

    def is_profile_of_role(self, profile: str) -> bool:
        """Whether one of the contract's four roles uses a profile."""
        central = (self.management_profile, self.operations_profile, self.billing_profile)
        return profile in (*central, self.aws_profile) or self.is_workload_profile(profile)

    def is_workload_profile(self, profile: str) -> bool:
        """Whether the workload role uses a profile."""
        patterns = self.workload_profiles or (usual_pattern(self.management_profile), self.aws_profile)
        return any(fnmatchcase(profile, pattern) for pattern in patterns)

    @property
    def config_hash(self) -> str:
        """Changes when other accounts, regions or identities would be requested: evidence of another hash is void."""
        scope = {
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
        return hashlib.sha256(json.dumps(scope, sort_keys=True).encode()).hexdigest()[:16]


def read_settings(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment.

    Raises:
        SettingsError: a variable cannot be used; the message has a sentence for each such variable.
    """
    settings = read_each(environment)
    _refuse_profile_of_role(settings)
    _refuse_queue_alone(settings)
    return settings


def read_each(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment, each variable judged by itself: one may need another that is not there yet.

    Raises:
        SettingsError: as of `read_settings`.
    """
    expected = {
        str(field.validation_alias): field.description
        for field in Settings.model_fields.values()
        if field.validation_alias
    }
    given: dict[str, Any] = {name: text for name in expected if (text := environment.get(name, "").strip())}
    try:
        return Settings(**given, aws_sources=_aws_sources(environment))
    except ValidationError as error:
        refused = dict.fromkeys(str(problem["loc"][0]) for problem in error.errors())
    secret = secrets()
    # An address of any setting may have a password in it.
    secret |= {name for name in refused if re.search(r"://\S*@", given[name])}
    problems = [
        f"{name}{'' if name in secret else f'={given[name]!r}'} cannot be used: it must be {expected[name]}. "
        "Correct or unset it."
        for name in refused
    ]
    raise SettingsError(" ".join([*problems, "Nothing was requested."]))


def secrets() -> set[str]:
    """The variables whose values no sentence and no file that the product writes repeats."""
    return {str(field.validation_alias) for field in Settings.model_fields.values() if not field.repr}


def _refuse_profile_of_role(settings: Settings) -> None:
    profile = settings.objects_profile
    if profile and settings.is_profile_of_role(profile):
        raise SettingsError(
            f"CMDB_OBJECTS_PROFILE={profile!r} cannot be used: it is a profile of one of the four roles, and what they "
            "may do stands in the contract alone. Name a profile that no role uses, or unset it. Nothing was requested."
        )


def _refuse_queue_alone(settings: Settings) -> None:
    lacking = [
        name
        for name, value in (("CMDB_OBJECTS_URL", settings.objects_url), ("CMDB_WORKER_KEY", settings.worker_key))
        if not value
    ]
    if settings.broker_url and lacking:
        raise SettingsError(
            f"CMDB_BROKER_URL cannot be used without {' and '.join(lacking)}: workers get their parts by an object "
            "store, signed. Set it, or unset CMDB_BROKER_URL, and this machine collects alone. Nothing was requested."
        )


def _aws_sources(environment: Mapping[str, str]) -> tuple[str, ...]:
    services = sorted(name for name in environment if name.startswith(AWS_SERVICE_SOURCE))
    return tuple(
        f"{name}={environment[name]}" for name in (*AWS_SOURCES, *services) if environment.get(name, "").strip()
    )
