"""The facts by which a bill is written in the words of FOCUS are those of its versions; what breaks one is named."""

from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path

import duckdb
import pytest

from pipelines.exports import focus, focus_columns
from resources.store.sql import literal

ALWAYS_IN_1_4 = {
    "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd",
    "ChargePeriodStart", "ContractedCost", "EffectiveCost", "HostProviderName", "InvoiceIssuerName", "ListCost",
    "PricingQuantity", "PricingUnit", "ServiceCategory", "ServiceName", "ServiceProviderName",
}  # fmt: skip
"""The columns that FOCUS 1.4 calls mandatory, written down from its text a second time."""


def test_the_columns_of_focus_are_those_of_its_versions() -> None:
    old, new = ({column.name: column for column in focus_columns.columns(version)} for version in ("1.2", "1.4"))
    assert (len(old), len(new)) == (57, 65) == (len(focus_columns.columns("1.2")), len(focus_columns.columns("1.4")))
    assert {name for name, column in new.items() if column.level == "Mandatory"} == ALWAYS_IN_1_4
    assert {name for name, column in new.items() if column.level == "Recommended"} == {
        "AllocatedMethodDetails", "AvailabilityZone", "ChargeFrequency", "ServiceSubcategory",
    }  # fmt: skip
    assert old.keys() - new.keys() == {"ProviderName", "PublisherName"}
    assert new.keys() - old.keys() == {
        "AllocatedMethodDetails", "AllocatedMethodId", "AllocatedResourceId", "AllocatedResourceName", "AllocatedTags",
        "CommitmentProgramEligibilityDetails", "ContractApplied", "HostProviderName", "InvoiceDetailId",
        "ServiceProviderName",
    }  # fmt: skip
    assert (old["InvoiceId"].level, new["InvoiceId"].level) == ("Recommended", "Conditional")
    assert len(focus_columns.PAIRS) == 82 and len(focus_columns.SUBCATEGORIES) == 19


def test_the_categories_that_come_with_the_product_are_those_of_focus() -> None:
    file = Path(str(files("pipelines"))).parent / "warehouse" / "ref" / "service_category.csv"
    with file.open(encoding="utf-8", newline="") as opened:
        rows = [*csv.DictReader(opened)]
    assert rows and not {(row["service_category"], row["service_subcategory"]) for row in rows} - focus_columns.PAIRS


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ('null as "BilledCost"', "NULL as BilledCost: EC2"),
        ("'Computing' as \"ServiceCategory\"", "this ServiceCategory: Computing"),
        ("'Object Storage' as \"ServiceSubcategory\"", "this ServiceSubcategory: Object Storage in Compute"),
        ("'Late' as \"ChargeFrequency\"", "this ChargeFrequency: Late"),
    ],
)
def test_a_value_that_the_version_does_not_allow_is_named(value: str, named: str) -> None:
    good = {"ServiceName": "EC2", "ServiceCategory": "Compute", "ServiceSubcategory": "Virtual Machines"}
    written = focus_columns.written_columns("1.4")
    shown = ", ".join(
        f"{literal(good.get(column.name) or (column.allowed or ('1',))[0])} as {column.name}" for column in written
    )
    charge = f"(select {shown})"
    with duckdb.connect() as connection:
        assert focus.violations(connection, charge, written) == []
        assert focus.violations(connection, f"(select * replace ({value}) from {charge})", written)[0].startswith(named)
