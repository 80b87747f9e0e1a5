"""AWS Data Exports: the ledger's bill as Parquet, in a bucket of the payer. Before a delivery nothing is there.

**Changes** of `Simulator.change`: `deliver_export` delivers months to `s3://BUCKET/FOLDER` and returns that place:

- `months`: such as `2026-10`; `table`: one of `TABLES`; `delivery`: `overwrite` or `create new`.
- `region`: where the bucket lies.
- `fault`: what is wrong with the delivery, one of `FAULTS`.

The costs are numbers with a binary fraction, as AWS delivers them, and each day of a line is two lines of twelve hours.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from simulator.ledger import METRICS, SHARES, Ledger, month_of, next_month
from simulator.pages import Handler, Output, Settings, key_writer
from simulator.wire import AwsError, Call, denied
from simulator.world import WorldError, digest

FAULTS = {
    "": "nothing",
    "absent": "the manifest names a file that is not there",
    "stale": "a file is newer than the manifest",
    "cut": "the last bytes of a file are missing",
    "cent": "a line costs a cent more than Cost Explorer says",
    "account": "a line is of an account that the bill does not have",
    "payer": "it is another payer's export",
    "no payer": "a line names no payer",
    "month": "a line is of the bill of the month before",
    "currency": "a line is in another currency",
    "empty": "the files have no lines",
    "columns": "the export's query leaves the resources out",
}

TABLES = {"CUR 2.0": "BILLING_PERIOD", "FOCUS 1.2": "billing_period", "FOCUS 1.0": "billing_period"}
"""What the folder of a month begins with, by table."""
FOLDER = "billing/hourly-by-resource"
ELSEWHERE = "999999999999"

CODES = {
    "Amazon Elastic Compute Cloud - Compute": "AmazonEC2",
    "EC2 - Other": "AmazonEC2",
    "Amazon Simple Storage Service": "AmazonS3",
    "Amazon Relational Database Service": "AmazonRDS",
    "AWS Lambda": "AWSLambda",
}

_TYPES = {
    "bill_billing_period_start_date": "TIMESTAMP",
    "line_item_usage_start_date": "TIMESTAMP",
    "line_item_unblended_cost": "DOUBLE",
    "BillingPeriodStart": "TIMESTAMP",
    "ChargePeriodStart": "TIMESTAMP",
    "BilledCost": "DOUBLE",
}


@dataclass(frozen=True)
class Stored:
    """An object."""

    content: bytes
    written_at: dt.datetime

    @property
    def etag(self) -> str:
        """The hash of its content, in quotes."""
        return f'"{hashlib.md5(self.content, usedforsecurity=False).hexdigest()}"'


class DataExport:
    """The bucket of the payer, and what is delivered to it.

    Args:
        others: the handlers of all other buckets.
    """

    def __init__(self, ledger: Ledger, settings: Settings, others: Mapping[tuple[str, str], Handler]) -> None:
        self._ledger, self._world, self._settings = ledger, ledger.world, settings
        self._list_others = others["s3", "ListObjectsV2"]
        self._objects: dict[str, Stored] = {}
        self._region = "us-east-1"
        self._deliveries = 0
        self.bucket = f"{self._world.tenant}-data-exports"
        self._world.parts.append(self)
        self.handlers: dict[tuple[str, str], Handler] = {
            ("s3", "ListObjectsV2"): self._list_objects,
            ("s3", "GetObject"): self._get_object,
        }

    # ------------------------------------------------------------------ answers

    def _ask(self, call: Call, action: str) -> None:
        if call.account_id != self._world.billing:
            raise denied("s3", action, call.arn, f"arn:aws:s3:::{self.bucket}")
        if call.region != self._region:
            message = "The bucket you are attempting to access must be addressed using the specified endpoint."
            raise AwsError("PermanentRedirect", message, 301, {"x-amz-bucket-region": self._region})

    def _list_objects(self, call: Call) -> Output:
        if call.parameters.get("Bucket") != self.bucket:
            return self._list_others(call)
        self._ask(call, "s3:ListBucket")
        prefix = str(call.parameters.get("Prefix") or "")
        names = sorted(name for name in self._objects if name.startswith(prefix))
        start = str(call.parameters.get("ContinuationToken") or "")
        if start and start not in self._objects:
            raise AwsError("InvalidArgument", "The continuation token provided is incorrect", 400)
        after = [name for name in names if name > start]
        size = self._settings.size(call, default=1000)
        shown = after[:size]
        written = key_writer(call)
        answer: Output = {
            "Name": self.bucket,
            "Prefix": written(prefix),
            "EncodingType": call.parameters.get("EncodingType"),
            "MaxKeys": size,
            "KeyCount": len(shown),
            "IsTruncated": len(shown) < len(after),
            "Contents": [
                {
                    "Key": written(name),
                    "LastModified": self._objects[name].written_at,
                    "ETag": self._objects[name].etag,
                    "Size": len(self._objects[name].content),
                    "StorageClass": "STANDARD",
                }
                for name in shown
            ],
        }
        if len(shown) < len(after):
            answer["NextContinuationToken"] = shown[-1]
        return answer

    def _get_object(self, call: Call) -> Output:
        name = str(call.parameters.get("Key"))
        call.parameters.get("ChecksumMode")  # the objects are without a checksum, which S3 then sends none of
        if call.parameters.get("Bucket") != self.bucket:
            raise denied("s3", "s3:GetObject", call.arn, f"arn:aws:s3:::{call.parameters.get('Bucket')}/{name}")
        self._ask(call, "s3:GetObject")
        found = self._objects.get(name)
        if found is None:
            raise AwsError("NoSuchKey", "The specified key does not exist.", 404)
        if call.parameters.get("IfMatch") not in {None, found.etag}:
            raise AwsError("PreconditionFailed", "At least one of the pre-conditions you specified did not hold", 412)
        return {
            "Body": found.content,
            "ETag": found.etag,
            "ContentLength": len(found.content),
            "LastModified": found.written_at,
            "AcceptRanges": "bytes",
        }

    # ------------------------------------------------------------------ deliveries

    def _change_deliver_export(
        self,
        months: list[str],
        table: str = "CUR 2.0",
        delivery: str = "overwrite",
        fault: str = "",
        region: str = "us-east-1",
    ) -> dict[str, Any]:
        if fault not in FAULTS:
            raise WorldError(f"there is no fault {fault}; there are {', '.join(FAULTS)}")
        if table not in TABLES:
            raise WorldError(f"there is no table {table}; there are {', '.join(TABLES)}")
        self._region = region
        for month in months:
            self._deliver(month, table, delivery, fault)
        return {"place": f"s3://{self.bucket}/{FOLDER}", "bucket": self.bucket, "folder": FOLDER}

    def _change_delete_export(self, month: str) -> dict[str, Any]:
        """Nothing of a month is there any more."""
        self._objects = {
            name: found for name, found in self._objects.items() if f"_PERIOD={month}/" not in name.upper()
        }
        return {"month": month}

    def _deliver(self, month: str, table: str, delivery: str, fault: str) -> None:
        self._deliveries += 1
        # S3 reports whole seconds: each delivery has one of its own, so that the newest can be recognised.
        now = dt.datetime.now(dt.UTC).replace(microsecond=0) + dt.timedelta(minutes=-5, seconds=self._deliveries)
        execution = digest("execution", self._world.seed, month, self._deliveries)[:32]
        name = FOLDER.rpartition("/")[2]
        period = f"{TABLES[table]}={month}"
        below = f"{FOLDER}/data/{period}/"
        if delivery == "create new":
            below += f"{now:%Y-%m-%dT%H:%M:%S.000Z}-{execution}/"
        files = {
            f"{below}{name}-{number:05d}.snappy.parquet": content
            for number, content in enumerate(self._files(month, table, fault), 1)
        }
        stale = dt.timedelta(minutes=1 if fault == "stale" else -1)
        for position, (key, content) in enumerate(files.items()):
            if fault == "cut" and position:
                content = content[:-100]
            self._objects[key] = Stored(content, now + stale)
        if fault == "absent":
            del self._objects[[*files][-1]]
        manifest = {
            "executionId": execution,
            "dataFiles": [f"s3://{self.bucket}/{key}" for key in files],
            "columns": [],
        }
        self._objects[f"{FOLDER}/metadata/{period}/{name}-Manifest.json"] = Stored(json.dumps(manifest).encode(), now)

    def _files(self, month: str, table: str, fault: str) -> Iterator[bytes]:
        """The month's lines in two files."""
        rows = list(self._rows(month, table, fault))
        types = {name: _TYPES.get(name, "VARCHAR") for name in rows[0]}
        if fault == "columns":
            types.pop("line_item_resource_id", None)
            types.pop("ResourceId", None)
        selected = ", ".join(f'"{name}"' for name in types)
        with tempfile.TemporaryDirectory() as folder, duckdb.connect(":memory:") as connection:
            for part in (rows[::2], rows[1::2]):
                lines, target = Path(folder, "lines.ndjson"), Path(folder, "lines.parquet")
                lines.write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")
                kept = "false" if fault == "empty" else "true"
                connection.execute(
                    f"copy (select {selected} from read_json('{lines}', format = 'newline_delimited', "
                    f"columns = {json.dumps(types)}) where {kept}) to '{target}' (format parquet, compression snappy)"
                )
                yield target.read_bytes()

    def _rows(self, month: str, table: str, fault: str) -> Iterator[dict[str, Any]]:
        first = dt.date.fromisoformat(f"{month}-01")
        payer = ELSEWHERE if fault == "payer" else self._world.billing
        share = METRICS.index("UnblendedCost" if table == "CUR 2.0" else "BilledCost")
        position = -1
        for position, (line, day, units) in enumerate(self._ledger.days(first, next_month(first))):
            cost = units * SHARES[line.shares][share] / 100 / 10**10
            for hour in (0, 12):
                is_first = not position and not hour
                bill = first
                if is_first and fault == "month":
                    bill = month_of(first - dt.timedelta(days=1))
                yield _row(
                    table,
                    payer="" if is_first and fault == "no payer" else payer,
                    month=bill,
                    currency="EUR" if is_first and fault == "currency" else self._settings.currency,
                    start=dt.datetime.combine(day, dt.time(hour)),
                    account=ELSEWHERE if is_first and fault == "account" else line.account_id,
                    kind=line.record_type,
                    service=CODES.get(line.service, line.service.replace(" ", "")),
                    usage_type=line.usage_type,
                    operation=line.operation,
                    resource="" if line.resource_id == "NoResourceId" else line.resource_id,
                    cost=cost / 2 + (0.01 if is_first and fault == "cent" else 0),
                )
        if position < 0:
            raise WorldError(f"nothing cost anything in {month}")


def _row(
    table: str,
    *,
    payer: str,
    month: dt.date,
    currency: str,
    start: dt.datetime,
    account: str,
    kind: str,
    service: str,
    usage_type: str,
    operation: str,
    resource: str,
    cost: float,
) -> dict[str, Any]:
    """A line as the table has it, with what is read of it."""
    if table == "CUR 2.0":
        return {
            "bill_payer_account_id": payer or None,
            "bill_billing_period_start_date": month.isoformat(),
            "line_item_currency_code": currency,
            "line_item_usage_start_date": start.isoformat(),
            "line_item_usage_account_id": account,
            "line_item_line_item_type": kind,
            "line_item_product_code": service,
            "line_item_usage_type": usage_type,
            "line_item_operation": operation,
            "line_item_resource_id": resource,
            "line_item_unblended_cost": cost,
        }
    return {
        "BillingAccountId": payer or None,
        "BillingPeriodStart": month.isoformat(),
        "BillingCurrency": currency,
        "ChargePeriodStart": start.isoformat(),
        "SubAccountId": account,
        "ChargeCategory": "Usage" if kind.endswith("Usage") else "Tax" if kind == "Tax" else "Purchase",
        "x_ServiceCode": service,
        "SkuMeter" if table == "FOCUS 1.2" else "x_UsageType": usage_type,
        "x_Operation": operation,
        "ResourceId": resource or None,
        "BilledCost": cost,
    }
