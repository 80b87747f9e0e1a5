"""Prints what of the product is found by the Python that runs this. Usage: what_is_installed.py"""

from __future__ import annotations

import json
from pathlib import Path

from pipelines.asset_metadata import SOURCE
from pipelines.definitions import build_defs
from pipelines.models.checks import read_checks
from pipelines.models.model import read_models
from pipelines.report.figures import read_queries
from pipelines.settings import DEMO_DATABASE, read_settings
from resources.installation import PRODUCT_FOLDER
from resources.store.migrations import MIGRATIONS

print(
    json.dumps(
        {
            "models": sorted(read_models()),
            "checks": sorted(check.name for check in read_checks()),
            "queries": sorted(query.name for query in read_queries()),
            "migrations": sorted(path.name for path in MIGRATIONS.glob("*.sql")),
            "seeds": sorted(path.name for path in (MIGRATIONS.parent / "ref").glob("*.csv")),
            "sources": sorted(
                Path(reference.file_path).relative_to(PRODUCT_FOLDER).as_posix()
                for spec in build_defs({}).resolve_all_asset_specs()
                if SOURCE in spec.metadata
                for reference in spec.metadata[SOURCE].code_references
                if Path(reference.file_path).is_file()
            ),
            "code": str(PRODUCT_FOLDER),
            "working": [
                str(DEMO_DATABASE),
                *(str(read_settings(given).database) for given in ({}, {"CMDB_DATABASE": "x.duckdb"})),
            ],
        }
    )
)
