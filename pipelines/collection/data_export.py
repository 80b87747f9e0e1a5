"""Collects a delivery of AWS Data Exports: the lines of the bill by resource, a cell for each month.

The bucket is listed, and a month is fetched only where its manifest is another one than at the last trusted response. A
month whose delivery is cut, absent, stale or foreign keeps its last rows, marked stale. Whether the lines count is
decided later, by comparison with Cost Explorer (`cost.export_reconciliation`).
"""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pipelines.catalogue.names import COST_EXPORT
from pipelines.collection import cost_slices, export_files
from pipelines.collection.cadence import today
from pipelines.collection.collector import Collector
from pipelines.collection.export_files import Listed
from pipelines.collection.previous import PreviousCell
from pipelines.setting_values import ExportPlace
from pipelines.trust.outcomes import BY_MONTH
from resources.aws.errors import WRONG_REGION_CODES, Failed
from resources.aws.listing import GLOBAL_REGION, Listing
from resources.aws.messages import OPTIONAL_GRANT, CellKey, Request, Response
from resources.store.errors import explained

T = TypeVar("T")

OBJECTS = Listing(
    "cost_export_object",
    "s3:ListObjectsV2",
    roles=("billing",),
    zero="ordinary",
    records="Contents",
    required=("Name", "KeyCount"),
    key=("Key",),
    scope="global",
)
"""The objects of the export's bucket. They decide what is fetched and are landed nowhere, so it is in no family."""

NOT_REQUESTED = "not_requested"


def collect_export(collector: Collector, listing: Listing) -> None:
    """Fetch every month of the export whose delivery is new; every known month keeps its rows or gets its outcome."""
    place = collector.state.settings.data_export
    if place is None:
        _Export(collector, listing, ExportPlace("", "")).freeze("skipped", NOT_REQUESTED)
    else:
        _Export(collector, listing, place).fetch()


class _Export:
    """The requests of one run to the export's bucket."""

    def __init__(self, collector: Collector, listing: Listing, place: ExportPlace) -> None:
        self._collector = collector
        self._state = state = collector.state
        self._listing = listing
        self._place = place
        self._identity = state.identity("billing")
        self._region = GLOBAL_REGION
        self._requests = 0

    def fetch(self) -> None:
        """List the manifests, and fetch the months that are new."""
        state = self._state
        listed = self._listed("metadata/")
        if isinstance(listed, Response):
            self._freeze_as(listed)
            return
        # An export that was made anew from another table may leave an earlier manifest of the month: the newest counts.
        found = {
            month: one
            for one in sorted(listed, key=lambda one: one.written_at)
            if (month := export_files.manifest_month(self._place.folder, one.stored.key))
        }
        if not found:
            message = (
                f"{self._place} holds no manifest of a data export. AWS delivers the first within a day of its "
                "creation; CMDB_DATA_EXPORT names the folder that holds metadata/ and data/."
            )
            self.freeze("failed", export_files.NOT_WHOLE, message)
            return
        wanted = self._comparable(found)
        if len(found) > len(wanted):
            state.log(f"{self._place}: {len(found) - len(wanted)} month(s) are outside of CMDB_COST_MONTHS.")
        read = self._manifests_read()
        fresh = {month: one for month, one in wanted.items() if not self._stays(month, one, read)}
        state.log(f"{self._place}: {len(fresh)} of {len(wanted)} months are delivered anew.")
        for month, manifest in sorted(fresh.items(), reverse=True):
            self._fetch_month(month, manifest)
        for key, before in self._earlier().items():
            if key.suffix in wanted:
                continue
            if self._comparable({key.suffix: key}):
                message = f"{self._place} holds no manifest of {key.suffix} any more."
                state.set_outcome(key, "failed", export_files.NOT_WHOLE, message, self._identity.profile)
            elif before.skip_reason == OPTIONAL_GRANT:
                state.set_outcome(key, "skipped", NOT_REQUESTED, profile=self._identity.profile)
        self._state.set_outcome(self._key(), "skipped", BY_MONTH, profile=self._identity.profile)

    def freeze(self, outcome: Any, reason: str, message: str | None = None) -> None:
        """Give one outcome to the export as a whole and to each month that is known of it: their rows stay, stale."""
        for key in {self._key(), *self._earlier()}:
            self._state.set_outcome(key, outcome, reason, message, self._identity.profile)

    # ------------------------------------------------------------------------------------------- cells

    def _key(self, month: str = "") -> CellKey:
        name = f"{COST_EXPORT}:{month}" if month else COST_EXPORT
        return CellKey("billing", self._identity.account_id, GLOBAL_REGION, name)

    def _earlier(self) -> dict[CellKey, PreviousCell]:
        """The cells of months that an earlier run had, or was denied."""
        return {
            key: cell
            for key, cell in self._state.earlier.items()
            if key.name == COST_EXPORT and key.suffix and key.account_id == self._identity.account_id
            if cell.last_trusted_at is not None or cell.skip_reason == OPTIONAL_GRANT
        }

    def _comparable(self, found: Mapping[str, T]) -> dict[str, T]:
        """The months that Cost Explorer is asked for too, and could confirm."""
        history = cost_slices.whole_history(today(), self._state.settings.cost_months)
        return {month: one for month, one in found.items() if month >= history.name}

    def _manifests_read(self) -> dict[CellKey, tuple[str, str, str]]:
        """Run, export and ETag of the manifest of each month's newest response with records."""
        with self._state.store.read() as connection:
            rows = connection.execute(
                """
                select role, account_id, region, listing, run_id, evidence ->> '$.export', evidence ->> '$.etag'
                from audit.collection
                where role = 'billing' and split_part(listing, ':', 1) = $name and outcome = 'found'
                qualify row_number() over (
                    partition by role, account_id, region, listing order by ended_at desc, run_id desc
                ) = 1
                """,
                {"name": COST_EXPORT},
            ).fetchall()
        return {CellKey(*row[:4]): (row[4], row[5], row[6]) for row in rows}

    def _stays(self, month: str, manifest: Listed, read: Mapping[CellKey, tuple[str, str, str]]) -> bool:
        """Whether the last response stays, since nothing was delivered after it."""
        key = self._key(month)
        cell = self._state.earlier.get(key)
        if cell is None or not cell.is_trusted or cell.is_disputed or not self._state.is_of_before(cell):
            return False
        if read.get(key) != (cell.run_id, str(self._place), manifest.stored.etag):
            return False
        self._state.batch.kept.add(key)
        return True

    # ---------------------------------------------------------------------------------------- requests

    def _listed(self, below: str) -> list[Listed] | Response:
        """The objects below a folder of the export, or the response that has none."""
        client = self._state.client("billing")
        prefix = f"{self._place.folder}/{below}"
        for region in (self._region, ""):
            request = Request(
                profile=self._identity.profile,
                account_id=self._identity.account_id,
                region=region or self._region,
                listing=OBJECTS,
                listing_role="billing",
                parameters={"Bucket": self._place.bucket, "Prefix": prefix},
            )
            response = client.fetch(request)
            self._requests += response.request_count
            other = _region_named(response)
            if not other or other == self._region:
                break
            self._region = other
        if response.outcome == "found":
            return [Listed.of(self._place.bucket, record) for record in response.records]
        return [] if response.outcome == "empty_unconfirmed" else response

    def _freeze_as(self, response: Response) -> None:
        """Freeze as the listing of the bucket was refused."""
        message = f"{self._place} could not be listed: {response.error_message}"
        if response.outcome == "skipped":
            self.freeze("skipped", response.skip_reason or "", message)
        else:
            self.freeze(response.outcome, response.error_code or "", message)

    def _fetch_month(self, month: str, manifest: Listed) -> None:
        request = Request(
            profile=self._identity.profile,
            account_id=self._identity.account_id,
            region=GLOBAL_REGION,
            listing=self._listing,
            listing_role="billing",
            suffix=month,
        )
        evidence: dict[str, Any] = {
            "export": str(self._place),
            "manifest": manifest.stored.key,
            "etag": manifest.stored.etag,
            "delivered_at": manifest.written_at.isoformat(),
        }

        def fetch(keep: Callable[[dict[str, Any]], None]) -> Response:
            started, self._requests = datetime.now(UTC), 0
            response = Response(request, "found", started, started, caller_account_id=self._identity.account_id)
            try:
                count = self._read(request, month, manifest, keep, evidence)
            except Failed as failure:
                response = replace(
                    response, outcome=failure.outcome, error_code=failure.code, error_message=failure.message
                )
                skip_reason = self._skip_reason(failure)
                if skip_reason is not None:
                    response = replace(response, outcome="skipped", skip_reason=skip_reason)
            else:
                response = replace(response, record_count=count)
            return replace(
                response,
                ended_at=datetime.now(UTC),
                page_count=len(evidence.get("files", ())),
                request_count=self._requests,
                caller_arn=self._identity.arn,
            )

        self._collector.land(request, fetch)
        self._state.attempts[request.key].notes |= evidence

    def _read(
        self,
        request: Request,
        month: str,
        manifest: Listed,
        keep: Callable[[dict[str, Any]], None],
        evidence: dict[str, Any],
    ) -> int:
        """Download the files of a month and pass on their lines; returns how many records they are.

        Raises:
            Failed: the delivery is not whole, or is not this month of this payer's bill.
            WarehouseError: the disk is full or cannot be written.
        """
        state = self._state
        folder = state.writer(self._listing).folder
        with explained(state.store.landing), tempfile.TemporaryDirectory(prefix=".export-", dir=folder) as name:
            files = Path(name)
            document = self._download(request, manifest, files / "manifest.json").read_bytes()
            named = export_files.read_manifest(document, self._place.bucket, self._place.folder, month)
            held = self._listed(named.within)
            if isinstance(held, Response):
                raise _ListingFailed(held)
            by_key = {one.stored.key: one for one in held}
            whole = export_files.delivered(manifest, named.files, by_key, month)
            evidence |= {"execution_id": named.execution_id, "files": [one.stored.key for one in whole]}
            for number, one in enumerate(whole):
                self._download(request, one, files / f"{number:05d}.parquet")
            contents = export_files.read_files(files, month, self._payers(), keep)
        evidence |= {"format": contents.format, "line_count": contents.line_count}
        return contents.record_count

    def _skip_reason(self, failure: Failed) -> str | None:
        """The skip reason of a month; that of the listing of its files, where they could not be listed."""
        if isinstance(failure, _ListingFailed):
            return failure.skip_reason
        return self._state.client("billing").skip_reason(self._listing, failure)

    def _download(self, request: Request, listed: Listed, path: Path) -> Path:
        with path.open("w+b") as file:
            self._requests += self._state.client("billing").objects.download(request, self._region, listed.stored, file)
        return path

    def _payers(self) -> frozenset[str]:
        """The accounts that may be the payer of a month: the billing account, and who ever paid by the pre-flight.

        Where AWS does not list the billing transfers, the pre-flight knows no payer: the management account pays. Once
        a transfer begins or ends, months before it are still delivered as the earlier payer's.
        """
        with self._state.store.read() as connection:
            rows = connection.execute(
                "select management_account_id from audit.organization union select payer_account_id from audit.bill"
            ).fetchall()
        return frozenset({self._identity.account_id, *(row[0] for row in rows)} - {None})


class _ListingFailed(Failed):
    """Why the files of a month could not be listed."""

    def __init__(self, held: Response) -> None:
        super().__init__(held.outcome, held.error_code or "", held.error_message or "")
        self.skip_reason = held.skip_reason


def _region_named(response: Response) -> str:
    """The region in which a bucket lies, where S3 reports that it is another one."""
    raw = response.raw_response or {}
    if response.error_code not in WRONG_REGION_CODES:
        return ""
    headers = raw.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return str(headers.get("x-amz-bucket-region") or raw.get("Error", {}).get("Region") or "")
