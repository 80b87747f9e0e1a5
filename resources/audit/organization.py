"""The organisation that a warehouse belongs to: the one row of `audit.organization`."""

from resources.store.errors import WarehouseError
from resources.store.store import Store


def stamp(store: Store, organisation_id: str, management_account_id: str | None = None) -> None:
    """Bind a warehouse to an organisation: written the first time, compared every other time.

    Raises:
        WarehouseError: the warehouse belongs to another organisation (exit code 2). Nothing was written.
    """
    with store.transaction() as connection:
        row = connection.execute("select organization_id from audit.organization").fetchone()
        if row is None:
            connection.execute(
                """
                insert into audit.organization (organization_id, management_account_id, first_seen_at)
                values (?, ?, now())
                """,
                [organisation_id, management_account_id],
            )
        elif row[0] != organisation_id:
            raise WarehouseError(
                f"{store.database} belongs to organisation {row[0]}, and the profiles reach "
                f"{organisation_id}. Nothing was collected. Set CMDB_DATABASE to another file for this "
                "organisation, or use the profiles of the other.",
                exit_code=2,
            )
