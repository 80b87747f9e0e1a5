"""The files of a delivery of AWS Data Exports: what its manifest names, what a bucket holds, and what is in them.

AWS writes `FOLDER/metadata/BILLING_PERIOD=YYYY-MM/EXPORT-Manifest.json` once all files of a month are delivered, below
`FOLDER/data/BILLING_PERIOD=YYYY-MM/`. Some exports have `billing_period=YYYY-MM` instead, which S3 tells apart. With
"overwrite" it replaces the files there, with "create new" it adds a folder of each delivery; the manifest names the
files of the newest one in both. Nothing here sends a request.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from resources.aws.errors import Failed
from resources.aws.objects import StoredObject
from resources.store.engine import reading_folder
from resources.store.sql import identifier, literal

NOT_WHOLE = "NotWhole"
"""Error code of a delivery of which a part is missing, or newer than its manifest."""

UNREADABLE = "UnreadableExport"
"""Error code of files that hold no bill of one month, one payer and one currency."""

ROWS_AT_ONCE = 10_000

EXPORT_MEMORY = 512 << 20
"""DuckDB's memory limit while it sums up a month, in bytes. A month of a large organisation is spilled."""

_MANIFEST = re.compile(r"metadata/(?i:billing_period)=(\d{4}-(?:0[1-9]|1[0-2]))/[^/]+-Manifest\.json")


@dataclass(frozen=True)
class Listed:
    """An object in the export's bucket."""

    stored: StoredObject
    written_at: datetime

    @classmethod
    def of(cls, bucket: str, record: Mapping[str, Any]) -> "Listed":
        """The object of a record of s3:ListObjectsV2."""
        stored = StoredObject(bucket, str(record["Key"]), str(record["ETag"]), int(record["Size"]))
        return cls(stored, datetime.fromisoformat(str(record["LastModified"])))


@dataclass(frozen=True)
class Format:
    """A table of AWS Data Exports, and the expressions that make our columns of it.

    Attributes:
        metric: the metric of Cost Explorer that its cost is.
        columns: a SQL expression of the table's columns, by our column.
    """

    name: str
    metric: str
    columns: Mapping[str, str]


CUR_2 = Format(
    "CUR 2.0",
    "UnblendedCost",
    {
        "payer_account_id": "bill_payer_account_id",
        "month": "bill_billing_period_start_date",
        "currency": "line_item_currency_code",
        "usage_date": "line_item_usage_start_date",
        "account_id": "line_item_usage_account_id",
        "charge_type": "line_item_line_item_type",
        "service_code": "line_item_product_code",
        "usage_type": "line_item_usage_type",
        "operation": "line_item_operation",
        "resource_id": "line_item_resource_id",
        "cost": "line_item_unblended_cost",
    },
)

FOCUS_1_2 = Format(
    "FOCUS 1.2",
    "BilledCost",
    {
        "payer_account_id": "BillingAccountId",
        "month": "BillingPeriodStart",
        "currency": "BillingCurrency",
        "usage_date": "ChargePeriodStart",
        "account_id": "SubAccountId",
        "charge_type": "ChargeCategory",
        "service_code": "x_ServiceCode",
        "usage_type": "SkuMeter",
        "operation": "x_Operation",
        "resource_id": "ResourceId",
        "cost": "BilledCost",
    },
)

FOCUS_1_0 = Format("FOCUS 1.0", "BilledCost", {**FOCUS_1_2.columns, "usage_type": "x_UsageType"})

FORMATS = (CUR_2, FOCUS_1_2, FOCUS_1_0)


def manifest_month(folder: str, key: str) -> str | None:
    """The month of a manifest, such as `2026-10`; None for every other object."""
    found = _MANIFEST.fullmatch(key.removeprefix(f"{folder}/"))
    return found[1] if found is not None and key.startswith(f"{folder}/") else None


@dataclass(frozen=True)
class Manifest:
    """What a manifest names.

    Attributes:
        execution_id: AWS's id of the delivery; empty where it has none.
        files: keys of the delivery's files, in the export's bucket.
        within: the folder of the month's data, with / at its end, below that of the export.
    """

    execution_id: str
    files: tuple[str, ...]
    within: str


def read_manifest(content: bytes, bucket: str, folder: str, month: str) -> Manifest:
    """The manifest of a month.

    Raises:
        Failed: it is none, or it names no file of this export and month.
    """
    try:
        document = json.loads(content)
        names = document["dataFiles"]
        files = tuple(str(name).removeprefix(f"s3://{bucket}/") for name in names)
    except (ValueError, KeyError, TypeError) as error:
        raise Failed("failed", UNREADABLE, f"The manifest of {month} is no manifest of AWS Data Exports.") from error
    if not isinstance(names, list) or not files:
        raise Failed("failed", NOT_WHOLE, f"The manifest of {month} names no file.")
    below = re.match(rf"{re.escape(folder)}/(data/(?i:billing_period)={month}/)", files[0])
    within = below[1] if below else f"data/BILLING_PERIOD={month}/"
    for name in files:
        if not name.startswith(f"{folder}/{within}") or ".." in name.split("/"):
            raise Failed(
                "failed", UNREADABLE, f"The manifest of {month} names {name}, which is not below {folder}/{within}."
            )
        if not name.endswith(".parquet"):
            raise Failed("failed", UNREADABLE, f"{name} is no Parquet file. Let the export deliver Parquet.")
    if len({*files}) < len(files):
        raise Failed("failed", UNREADABLE, f"The manifest of {month} names a file twice.")
    return Manifest(str(document.get("executionId") or ""), files, within)


def delivered(manifest: Listed, files: Sequence[str], held: Mapping[str, Listed], month: str) -> list[Listed]:
    """The files of a delivery, as the bucket holds them.

    Args:
        manifest: the manifest's own object.
        files: the keys that it names.
        held: the objects of the month's data by key.
        month: the month, for sentences.

    Raises:
        Failed: the bucket lacks one, or holds one that is newer than the manifest: a delivery is under way.
    """
    absent = [name for name in files if name not in held]
    if absent:
        raise Failed(
            "failed",
            NOT_WHOLE,
            f"The manifest of {month} names {len(files)} file(s), of which {len(absent)} are not there: {absent[0]}.",
        )
    found = [held[name] for name in files]
    for one in found:
        if one.written_at > manifest.written_at:
            raise Failed(
                "failed",
                NOT_WHOLE,
                f"{one.stored.key} is newer than the manifest of {month}: AWS is delivering it anew, "
                "or the manifest is stale.",
            )
        if not one.stored.size:
            raise Failed("failed", NOT_WHOLE, f"{one.stored.key} is empty.")
    return found


@dataclass(frozen=True)
class Contents:
    """What the files of a month hold.

    Attributes:
        line_count: lines in the files. A record is the sum of those that differ only in hour, rate or description.
        record_count: records that were made of them.
    """

    format: str
    line_count: int
    record_count: int


_LINES = """
create temp view line as
select
    nullif({payer_account_id}::varchar, '') as payer_account_id,
    strftime({month}::timestamp, '%Y-%m') as billed_month,
    {currency}::varchar as currency,
    strftime({usage_date}::timestamp, '%Y-%m-%d') as usage_date,
    {account_id}::varchar as account_id,
    coalesce({charge_type}::varchar, '') as charge_type,
    coalesce({service_code}::varchar, '') as service_code,
    coalesce({usage_type}::varchar, '') as usage_type,
    coalesce({operation}::varchar, '') as operation,
    coalesce(nullif({resource_id}::varchar, ''), 'NoResourceId') as resource_id,
    {cost}::decimal(28, 10) as cost
from delivered
"""

_CHECK = """
select
    count(*),
    count(*) filter (
        usage_date is null or cost is null or billed_month is null or currency is null or payer_account_id is null
        or not coalesce(regexp_full_match(account_id, '[0-9]{12}'), false)
    ),
    list(distinct payer_account_id) filter (where payer_account_id is not null),
    list(distinct billed_month),
    list(distinct currency)
from line
"""

_RECORDS = """
select
    usage_date, account_id, charge_type, service_code, usage_type, operation, resource_id, currency,
    sum(cost)::decimal(28, 10)::varchar as cost,
    count(*) as line_count
from line
group by all
"""


def read_files(folder: Path, month: str, payers: frozenset[str], keep: Callable[[dict[str, Any]], None]) -> Contents:
    """Check all Parquet files of a folder, and pass on their lines, summed up by day.

    Args:
        folder: the folder; its files are those of one delivery.
        month: the month that they must be of.
        payers: the accounts of which one must be the payer.
        keep: receives each record. What it received counts only if nothing is raised.

    Raises:
        Failed: a file is cut or foreign, or has lines of another month, of another payer or of several currencies.
        duckdb.Error: the disk is full.
    """
    files = ", ".join(literal(path) for path in sorted(folder.glob("*.parquet")))
    try:
        with reading_folder(folder, spill=folder / "spill", memory=EXPORT_MEMORY) as connection:
            connection.execute(f"create temp view delivered as select * from read_parquet([{files}])")
            chosen = _format_of({row[0].lower() for row in connection.execute("describe delivered").fetchall()})
            connection.execute(_LINES.format(**{name: identifier(column) for name, column in chosen.columns.items()}))
            line_count = _checked(connection, month, payers)
            rows = connection.execute(_RECORDS)
            names = [column[0] for column in rows.description or ()]
            record_count = 0
            while some := rows.fetchmany(ROWS_AT_ONCE):
                record_count += len(some)
                for row in some:
                    keep({**dict(zip(names, row, strict=True)), "metric": chosen.metric, "format": chosen.name})
    except duckdb.Error as error:
        if "No space left" in str(error):
            # That is about this machine's disk, and the delivery is whole.
            raise
        sentence = str(error).strip().splitlines()[0].replace(f"{folder}/", "")
        raise Failed("failed", UNREADABLE, f"The files of {month} cannot be read: {sentence}") from error
    return Contents(chosen.name, line_count, record_count)


def _format_of(columns: set[str]) -> Format:
    """The table whose columns the files have.

    Raises:
        Failed: they have those of none; the sentence names what lacks of the table that comes closest.
    """
    lacking = [[name for name in table.columns.values() if name.lower() not in columns] for table in FORMATS]
    closest, missing = min(zip(FORMATS, lacking, strict=True), key=lambda pair: len(pair[1]))
    if missing:
        names = ", ".join(missing)
        message = f"The export lacks columns of {closest.name}: {names}. Let its query select them."
        raise Failed("failed", UNREADABLE, message)
    return closest


def _checked(connection: duckdb.DuckDBPyConnection, month: str, payers: frozenset[str]) -> int:
    """Check the lines of all files; returns how many there are."""
    row = connection.execute(_CHECK).fetchone()
    assert row is not None, "an aggregate has one row"
    lines, incomplete, found_payers, months, currencies = row
    if not lines:
        # A bill has a line on its first day; files without any are no evidence that nothing was spent.
        raise Failed("failed", NOT_WHOLE, f"The files of {month} hold no line.")
    foreign = sorted({*map(str, found_payers or ())} - payers)
    if foreign:
        raise Failed(
            "wrong_account",
            "ForeignExport",
            f"The export is the bill of {', '.join(foreign)}, not of {' or '.join(sorted(payers))}. Correct "
            "CMDB_DATA_EXPORT.",
        )
    if incomplete:
        message = f"{incomplete:,} lines of {month} lack account, payer, bill, day, currency or cost."
        raise Failed("failed", UNREADABLE, message)
    if months != [month]:
        others = ", ".join(sorted({*map(str, months)} - {month}))
        raise Failed("failed", UNREADABLE, f"The files of {month} hold lines of another bill: {others}.")
    if len(currencies) > 1:
        raise Failed(
            "failed", UNREADABLE, f"The files of {month} hold several currencies: {', '.join(sorted(currencies))}."
        )
    return int(lines)
