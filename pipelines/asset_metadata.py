"""What every asset's page in Dagster shows beside its description: owner, freshness policy, documentation, source.

Results of a run (rows, columns, cells, pictures) belong to the step that has them. This module holds what is known
before any run and is the same for all assets of a group or kind.
"""

import warnings
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import dagster as dg

from pipelines.catalogue.family import DOMAIN_TAG
from pipelines.catalogue.registry import listings
from pipelines.models.model import Model, fingerprint
from pipelines.settings import REPOSITORY
from pipelines.trust.ages import STALE_AFTER
from resources.installation import IS_CHECKOUT, PRODUCT_FOLDER, code_version

# Dagster warns that code references and virtual assets may change, once for each asset and each copy of one. Dagster's
# release is pinned, and tests cover what the product uses of both.
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
    "claims": "team:cmdb",
    "ref": "team:cmdb",
    "published": "team:cmdb",
}
"""Owner of the assets of each domain, their group or tag. An organisation writes its own teams or e-mail addresses."""

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
"""The seeds that define how money is counted."""

FRESHNESS = dg.FreshnessPolicy.time_window(fail_window=STALE_AFTER, warn_window=timedelta(hours=25))
"""Limits for an asset's age: a run is due every day, and the report too calls data old after 26 hours."""

DOCS = "docs"
"""Metadata key: the documentation page."""

SOURCE = "dagster/code_references"
"""Metadata key, given by Dagster: the source file of an asset."""

LINE = dg.TableSchema(
    [
        dg.TableColumn("run_id", "VARCHAR", description="The run that fetched the record."),
        dg.TableColumn("role", "VARCHAR", description="The role of the contract that sent the request."),
        dg.TableColumn("account_id", "VARCHAR", description="The account of the request, text of 12 digits."),
        dg.TableColumn("region", "VARCHAR", description="The region of the request; aws-global where there is none."),
        dg.TableColumn("listing", "VARCHAR", description="The listing, with its parameter."),
        dg.TableColumn("parameter", "VARCHAR", description="The parameter of the request; empty where it has none."),
        dg.TableColumn(
            "item", "JSON", description="The record as AWS returned it, without the fields that are never kept."
        ),
    ]
)
"""Columns of a landed listing's rows. The SQL file that reads the listing declares the fields of `item`."""

PAGES: Mapping[str, str] = {
    "audit/caller_identity": "docs/concepts/trust.md#pre-flight",
    "audit/zero_confirmation": "docs/concepts/trust.md#when-nothing-comes-back",
    "bill_month/landing": "docs/reference/cost-of-running.md#a-month-again",
    "bill_month/daily": "docs/reference/cost-of-running.md#a-month-again",
    "published": "docs/tutorial/analyst.md",
    "published_copy": "docs/howto/scale.md#a-copy-in-an-object-store",
    "report": "docs/reference/outputs.md#the-report",
}
"""Documentation pages of the assets that come from neither a SQL file nor a listing."""


def with_metadata(
    spec: dg.AssetSpec, models: Mapping[str, Model], lineage: Mapping[str, Mapping[str, Any]], docs_url: str
) -> dg.AssetSpec:
    """The spec with owner, freshness policy (months have none), documentation page, code version, place of its SQL.

    Of a model also where its columns come from. With each run's results Dagster would store that anew and read it again
    for every step that rests on the model.

    A view is a virtual asset in Dagster: it is as fresh as its sources, and downstream assets look through it.

    Args:
        spec: the asset's spec.
        models: the models by `schema.name`.
        lineage: metadata of where the columns of each come from (`lineage_metadata`).
        docs_url: base URL under which people read the repository's files, such as a web page of its host. If it is
            empty, the metadata holds the page's path.
    """
    page = page_of(spec.key, models)
    metadata: dict[str, Any] = {
        DOCS: dg.MetadataValue.url(f"{docs_url.rstrip('/')}/{page}")
        if docs_url
        # An installation has no documentation files, so there the page is shown by its name alone.
        else dg.MetadataValue.path(str(REPOSITORY / page) if IS_CHECKOUT else page)
    }
    if spec.key.path[0] == "landing":
        metadata["dagster/column_schema"] = LINE
    model = models.get(".".join(spec.key.path))
    if model is not None:
        metadata |= {SOURCE: source_of(model, docs_url), **lineage[model.relation]}
    return spec.replace_attributes(
        code_version=code_version() if model is None else fingerprint(model),
        is_virtual=model is not None and model.materialized == "view",
        owners=[owner_of(spec)],
        # A closed month is as old as it is; the table that holds all of them has the limit.
        freshness_policy=None if spec.partitions_def else FRESHNESS,
        metadata={**spec.metadata, **metadata},
    )


def source_of(model: Model, docs_url: str) -> dg.CodeReferencesMetadataValue:
    """The source file of a model's query: its local path, and its URL below `docs_url` if there is one."""
    references: list[dg.LocalFileCodeReference | dg.UrlCodeReference] = [
        dg.LocalFileCodeReference(file_path=str(PRODUCT_FOLDER / model.place), label=model.place)
    ]
    if docs_url:
        references.append(dg.UrlCodeReference(url=f"{docs_url.rstrip('/')}/{model.place}"))
    return dg.CodeReferencesMetadataValue(code_references=references)


def owner_of(spec: dg.AssetSpec) -> str:
    """The owner of an asset.

    Raises:
        KeyError: the asset's domain has no owner.
    """
    if spec.key.path[0] == "ref" and spec.key.path[-1] in SEEDS_OF_FINANCE:
        return OWNERS["cost"]
    return OWNERS[spec.tags.get(DOMAIN_TAG, spec.group_name or "")]


def page_of(key: dg.AssetKey, models: Mapping[str, Model]) -> str:
    """The asset's documentation page: path below the repository, with the anchor of its heading."""
    name = key.to_user_string()
    if name in PAGES:
        return PAGES[name]
    model = models.get(".".join(key.path))
    if model is not None:
        view = "-view" if model.materialized == "view" else ""
        return f"docs/reference/dictionary.md#{model.schema}{model.name}{view}"
    if key.path[0] == "landing" and key.path[-1] in listings():
        return "docs/concepts/trust.md#outcomes"
    raise KeyError(f"{name} has no page of documentation; name one in pipelines/asset_metadata.py.")
