"""What the next run and an ordinary one cost, for `cmdb init`, `cmdb preflight`, `cmdb status` and `cmdb nightly`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.collection.forecast import Forecast
    from pipelines.settings import Settings
    from resources.store.errors import WarehouseError
    from resources.store.store import Store


def upcoming(store: "Store", settings: "Settings") -> "Forecast":
    """The forecast from the working file, or of a first run where there is none.

    Raises:
        WarehouseError: the working file cannot be read now.
    """
    import duckdb

    from pipelines.collection.forecast import forecast
    from resources.store.errors import WarehouseError

    today = datetime.now(UTC).date()
    if not store.working.exists():
        return forecast(settings, None, today)
    try:
        with store.read() as connection:
            return forecast(settings, connection, today)
    except duckdb.CatalogException as error:
        # A run says what is wrong with the file; a forecast must not end the command that prints it.
        reason = str(error).partition("\n")[0]
        raise WarehouseError(f"{store.working} lacks what a forecast reads: {reason}") from error


def unknown_cost(error: "WarehouseError") -> str:
    """The sentence in place of a forecast that cannot be made now."""
    return f"What the next run costs is not known now. {error}"


def cost_lines(found: "Forecast") -> list[str]:
    """The forecast for people: the next run, and each night once the bill's history is loaded."""
    title = f"first load, {found.missing_months} months of the bill" if found.is_first_load else "next run"
    lines = [f"{title}: at most {found.cost_usd:,.2f} USD, as the daily limits allow"]
    lines += [f"  {one}" for one in found.next_run]
    if found.is_first_load:
        lines.append("each night after that")
        lines += [f"  {one}" for one in found.ordinary]
    lines.append("  free of charge: everything else, AWS Config too, but S3 ListBuckets, 0.005 USD for 1,000 accounts")
    return lines
