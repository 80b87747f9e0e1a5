"""Where the product's own files are, and where it works when nobody says where.

In a checkout both are the checkout. Installed from a wheel the product's files lie beside its packages, in a folder
that belongs to the installer: nothing is ever written there, and a command works in the folder it was started in.
"""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PRODUCT_FOLDER = Path(__file__).resolve().parent.parent
"""Holds the packages and `warehouse/` with the SQL: a checkout, or the folder of an environment's packages."""

SQL_FOLDER = PRODUCT_FOLDER / "warehouse"
"""SQL of tables, checks and migrations, and the seeds."""

IS_CHECKOUT = (PRODUCT_FOLDER / "pyproject.toml").is_file()
"""Whether this runs from a checkout, as an editable installation does too."""


def working_folder() -> Path:
    """The folder for warehouse and Dagster's records, and what a relative `CMDB_DATABASE` is relative to."""
    if IS_CHECKOUT:
        return PRODUCT_FOLDER
    try:
        return Path.cwd()
    except FileNotFoundError:
        # Somebody has removed it. Whoever wants to write there says so.
        return Path()


WORKING_FOLDER = working_folder()
"""The same, as it was when the process began: a later `chdir` leads nobody to another warehouse."""


@cache
def code_version() -> str:
    """The version of the installed product, which a run is recorded under."""
    try:
        return version("aws-org-cmdb")
    except PackageNotFoundError:
        return "unknown"
