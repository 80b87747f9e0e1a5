"""What every asset's page in Dagster says beside its description: whom to ask, how old it may be, where to read on.

Facts that a run finds (rows, columns, cells, pictures) belong to the step that finds them; what stands here is known
before any run, and is the same for all assets of a group or kind.
"""

import warnings
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import dagster as dg

from pipelines.catalogue.registry import listings
from pipelines.models.build import fingerprint
from pipelines.models.model import Model
from pipelines.settings import REPOSITORY
from resources.installation import IS_CHECKOUT, PRODUCT_FOLDER, code_version

# Dagster warns of code references and virtual assets, which it may still change, once for each asset and each time it
# copies one. Its release is pinned, and tests hold what we use of them.
for category in (dg.BetaWarning, dg.PreviewWarning):
    warnings.filterwarnings("ignore", category=category)

OWNERS: Mapping[str, str] = {
    "preflight": "team:cloud_platform",
    "organization": "team:governance",
    "policy": "team:governance",
    "cost": "team:finops",
    "inventory": "team:cmdb",
    "resource_group": "team:cmdb",
    "cmdb": "team:cmdb",
    "ref": "team:cmdb",
    "published": "team:cmdb",
}
"""Whom to ask about the assets of a group. An organisation writes its own teams, or people's addresses, here."""

SEEDS_OF_FINANCE = frozenset(
    {
        "anomaly_threshold",
        "budget",
        "cost_slice",
        "cost_weight",
        "fx_rate",
        "service_category",
        "setting",
        "shared_cost",
        "tag_key",
        "tag_value_alias",
        "unit_price",
    }
)
"""The seeds that say how money is counted."""

FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=26), warn_window=timedelta(hours=25))
"""A night is due every day; what is older than 26 hours the report calls old too."""

DOCS = "docs"
"""Metadata: the page of documentation."""

SOURCE = "dagster/code_references"
"""Metadata, named by Dagster: where the code of an asset stands."""

LINE = dg.TableSchema(
    [
        dg.TableColumn("run_id", "VARCHAR", description="The run that asked."),
        dg.TableColumn("role", "VARCHAR", description="The role of the contract that asked."),
        dg.TableColumn("account_id", "VARCHAR", description="The account that was asked, text of 12 digits."),
        dg.TableColumn("region", "VARCHAR", description="The region that was asked; aws-global where there is none."),
        dg.TableColumn("listing", "VARCHAR", description="The listing, with its parameter."),
        dg.TableColumn(
            "parameter", "VARCHAR", description="What the question was asked with; empty where with nothing."
        ),
        dg.TableColumn("item", "JSON", description="The record as AWS answered it, less what is never kept."),
    ]
)
"""A line of a landed listing. What `item` holds is written in the SQL file that reads it."""

PAGES: Mapping[str, str] = {
    "audit/caller_identity": "docs/contract.md#pre-flight",
    "audit/zero_confirmation": "docs/contract.md#when-nothing-comes-back",
    "published": "docs/start.md",
    "report": "docs/operations.md#the-report",
}
"""The page of the assets that neither a SQL file nor a listing makes."""


def with_metadata(spec: dg.AssetSpec, models: Mapping[str, Model], docs_url: str) -> dg.AssetSpec:
    """The spec with owner, freshness policy, page of documentation, version of its code and place of its SQL.

    A view is virtual to Dagster: it is as new as what it reads, and whatever reads it looks through it.

    Args:
        docs_url: where the repository's files are read by people, such as a web page of its host; empty where nowhere:
            then the page is named by its path.
    """
    page = page_of(spec.key, models)
    metadata: dict[str, Any] = {
        DOCS: dg.MetadataValue.url(f"{docs_url.rstrip('/')}/{page}")
        if docs_url
        # An installation holds no pages: there it is known by its name alone.
        else dg.MetadataValue.path(str(REPOSITORY / page) if IS_CHECKOUT else page)
    }
    if spec.key.path[0] == "landing":
        metadata["dagster/column_schema"] = LINE
    model = models.get(".".join(spec.key.path))
    if model is not None:
        metadata[SOURCE] = source_of(model, docs_url)
    return spec.replace_attributes(
        code_version=code_version() if model is None else fingerprint(model),
        is_virtual=model is not None and model.materialized == "view",
        owners=[owner_of(spec)],
        freshness_policy=FRESHNESS,
        metadata={**spec.metadata, **metadata},
    )


def source_of(model: Model, docs_url: str) -> dg.CodeReferencesMetadataValue:
    """The file of a model's query: in the checkout or the installation, and where people read it, if anywhere."""
    references: list[dg.LocalFileCodeReference | dg.UrlCodeReference] = [
        dg.LocalFileCodeReference(file_path=str(PRODUCT_FOLDER / model.place), label=model.place)
    ]
    if docs_url:
        references.append(dg.UrlCodeReference(url=f"{docs_url.rstrip('/')}/{model.place}"))
    return dg.CodeReferencesMetadataValue(code_references=references)


def owner_of(spec: dg.AssetSpec) -> str:
    """Whom to ask about an asset.

    Raises:
        KeyError: its group has no owner.
    """
    if spec.key.path[0] == "ref" and spec.key.path[-1] in SEEDS_OF_FINANCE:
        return OWNERS["cost"]
    return OWNERS[spec.group_name or ""]


def page_of(key: dg.AssetKey, models: Mapping[str, Model]) -> str:
    """The page of documentation of an asset, below the repository, with the anchor of its heading."""
    name = key.to_user_string()
    if name in PAGES:
        return PAGES[name]
    model = models.get(".".join(key.path))
    if model is not None:
        return f"docs/dictionary.md#{model.schema}{model.name}{'-view' if model.materialized == 'view' else ''}"
    if key.path[0] == "landing" and key.path[-1] in listings():
        return "docs/contract.md#outcomes"
    raise KeyError(f"{name} has no page of documentation; name one in pipelines/asset_metadata.py.")
