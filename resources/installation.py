"""The folder of the product's own files, and the default working folder.

In a checkout both are the checkout. In an installation from a wheel the product's files are beside its packages, in a
folder that belongs to the installer. Nothing is ever written there, and a command works in the folder it was started
in.
"""

from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PRODUCT_FOLDER = Path(__file__).resolve().parent.parent
"""The folder with the packages and the SQL in `warehouse/`: a checkout, or an environment's site-packages."""

SQL_FOLDER = PRODUCT_FOLDER / "warehouse"
"""SQL of tables, checks and migrations, and the seeds."""

IS_CHECKOUT = (PRODUCT_FOLDER / "pyproject.toml").is_file()
"""Whether the product runs from a checkout, as an editable installation does too."""

SIMULATED = "SIMULATED_ORGANISATION"
"""Set in a process whose AWS clients all lead to a simulated organisation."""


def working_folder() -> Path:
    """The folder of the warehouse and of Dagster's records; a relative `CMDB_DATABASE` is relative to it."""
    if IS_CHECKOUT:
        return PRODUCT_FOLDER
    try:
        return Path.cwd()
    except FileNotFoundError:
        # The folder was removed. The first write there reports it.
        return Path()


WORKING_FOLDER = working_folder()
"""The working folder at the start of the process: a later `chdir` must not lead to another warehouse."""


@cache
def code_version() -> str:
    """The version of the installed product, which is recorded with each run."""
    try:
        return version("aws-org-cmdb")
    except PackageNotFoundError:
        return "unknown"
