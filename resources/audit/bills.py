"""Whose bill each run reads, by the pre-flight: the rows of `audit.bill`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from resources.bill_rules import Bill

if TYPE_CHECKING:
    import duckdb


def record_bill(
    connection: "duckdb.DuckDBPyConnection", run_id: str, bill: Bill, *, organization_id: str | None, config_hash: str
) -> None:
    """Write the bill of a run's pre-flight, or replace it."""
    transfer = bill.transfer
    connection.execute(
        """
        insert or replace into audit.bill (
            run_id, organization_id, billing_account_id, domain, payer_account_id, transfer_id, transfer_starts_at,
            transfer_ends_at, waiver, reason, config_hash, checked_at
        ) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
        [
            run_id,
            organization_id,
            bill.account_id,
            bill.domain,
            bill.payer_account_id,
            transfer.transfer_id if transfer else None,
            transfer.starts_at if transfer else None,
            transfer.ends_at if transfer else None,
            bill.waiver or None,
            bill.reason,
            config_hash,
            datetime.now(UTC),
        ],
    )
