"""Exchange rates that people bring: where they lie."""

from pathlib import Path

from pipelines.settings import WAREHOUSE_FOLDER
from resources.warehouse import Store

SEED = WAREHOUSE_FOLDER / "ref" / "fx_rate.csv"


def imported(store: Store) -> Path:
    """The rates that `cmdb fx import` brought: they belong to a warehouse, not to the checkout."""
    return store.folder / "fx_rate.csv"


def files(store: Store) -> list[Path]:
    """What `ref.fx_rate` is read from."""
    return [path for path in (SEED, imported(store)) if path == SEED or path.exists()]
