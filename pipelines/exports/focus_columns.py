"""The dataset Cost and Usage of FOCUS: the columns of each version, and what the bill by service knows of them.

Holds data and matching only. The export reads its columns here, and judges what it wrote by the same facts.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["String", "Decimal", "Date/Time", "JSON"]
Level = Literal["Mandatory", "Recommended", "Conditional"]

VERSIONS = ("1.2", "1.4")
"""The versions that can be written. What holds for one of them alone names it."""

OLD, NEW = ("1.2",), ("1.4",)

ONE_CURRENCY = "Cost Explorer names one currency, the one that is billed in"
ONE_TYPE = "the bill does not tell types of accounts apart"


@dataclass(frozen=True)
class FocusColumn:
    """A column of the dataset.

    Attributes:
        level: whether the version wants the column: always, as a rule, or where the provider has what it is about.
        nullable: whether the version allows NULL.
        value: SQL over `cost.focus_cost_and_usage`; None where the bill by service does not know it.
        allowed: all values that the version knows; empty where any is.
        left_out: why the column is not written; None where it is.
    """

    name: str
    kind: Kind
    level: Level
    nullable: bool = True
    value: str | None = None
    allowed: tuple[str, ...] = ()
    left_out: str | None = None
    versions: tuple[str, ...] = VERSIONS


def columns(version: str) -> tuple[FocusColumn, ...]:
    """All columns of this version, by name."""
    return tuple(column for column in COLUMNS if version in column.versions)


def written_columns(version: str) -> tuple[FocusColumn, ...]:
    """The columns of this version that the export writes, by name."""
    return tuple(column for column in columns(version) if column.left_out is None)


def _known(
    name: str,
    kind: Kind = "String",
    *,
    level: Level = "Mandatory",
    nullable: bool = False,
    allowed: tuple[str, ...] = (),
    versions: tuple[str, ...] = VERSIONS,
) -> FocusColumn:
    """A column that the view has under this name."""
    return FocusColumn(name, kind, level, nullable, f'"{name}"', allowed, versions=versions)


def _unknown(
    name: str, kind: Kind = "String", *, level: Level = "Conditional", versions: tuple[str, ...] = VERSIONS
) -> FocusColumn:
    """A column of things that one charge of a day, account and service has many of, or that no response tells."""
    return FocusColumn(name, kind, level, versions=versions)


SUBCATEGORIES: dict[str, tuple[str, ...]] = {
    "AI and Machine Learning": (
        "AI Platforms",
        "Bots",
        "Generative AI",
        "Machine Learning",
        "Natural Language Processing",
    ),
    "Analytics": ("Analytics Platforms", "Business Intelligence", "Data Processing", "Search", "Streaming Analytics"),
    "Business Applications": ("Productivity and Collaboration",),
    "Compute": ("Containers", "End User Computing", "Quantum Compute", "Serverless Compute", "Virtual Machines"),
    "Databases": (
        "Caching",
        "Data Warehouses",
        "Ledger Databases",
        "NoSQL Databases",
        "Relational Databases",
        "Time Series Databases",
    ),
    "Developer Tools": (
        "Continuous Integration and Deployment",
        "Developer Platforms",
        "Development Environments",
        "Quality Assurance",
        "Source Code Management",
    ),
    "Identity": ("Identity and Access Management",),
    "Integration": ("API Management", "Messaging", "Workflow Orchestration"),
    "Internet of Things": ("IoT Analytics", "IoT Platforms"),
    "Management and Governance": (
        "Architecture",
        "Compliance",
        "Cost Management",
        "Data Governance",
        "Disaster Recovery",
        "Endpoint Management",
        "Observability",
        "Support",
    ),
    "Media": ("Content Creation", "Gaming", "Media Streaming", "Mixed Reality"),
    "Migration": ("Data Migration", "Resource Migration"),
    "Mobile": (),
    "Multicloud": ("Multicloud Integration",),
    "Networking": (
        "Application Networking",
        "Content Delivery",
        "Network Connectivity",
        "Network Infrastructure",
        "Network Routing",
        "Network Security",
    ),
    "Other": (),
    "Security": ("Secret Management", "Security Posture Management", "Threat Detection and Response"),
    "Storage": ("Backup Storage", "Block Storage", "File Storage", "Object Storage", "Storage Platforms"),
    "Web": ("Application Platforms",),
}
"""The subcategories of each ServiceCategory, the same in both versions, but for the one more that `other` names."""


def other(category: str) -> str:
    """The subcategory of what is in this category and in none of its other subcategories."""
    return f"Other ({category})"


PAIRS = frozenset((category, name) for category, names in SUBCATEGORIES.items() for name in (*names, other(category)))
"""Which ServiceSubcategory may stand beside which ServiceCategory."""

COLUMNS = (
    _unknown("AllocatedMethodDetails", "JSON", level="Recommended", versions=NEW),
    _unknown("AllocatedMethodId", versions=NEW),
    _unknown("AllocatedResourceId", versions=NEW),
    _unknown("AllocatedResourceName", versions=NEW),
    _unknown("AllocatedTags", "JSON", versions=NEW),
    _unknown("AvailabilityZone", level="Recommended"),
    _known("BilledCost", "Decimal"),
    _known("BillingAccountId"),
    _known("BillingAccountName", nullable=True),
    FocusColumn("BillingAccountType", "String", "Conditional", nullable=False, left_out=ONE_TYPE),
    _known("BillingCurrency"),
    _known("BillingPeriodEnd", "Date/Time"),
    _known("BillingPeriodStart", "Date/Time"),
    _unknown("CapacityReservationId"),
    FocusColumn("CapacityReservationStatus", "String", "Conditional", allowed=("Used", "Unused")),
    _known("ChargeCategory", allowed=("Usage", "Purchase", "Tax", "Credit", "Adjustment")),
    _known("ChargeClass", nullable=True, allowed=("Correction",)),
    _known("ChargeDescription", nullable=True),
    _known("ChargeFrequency", level="Recommended", allowed=("One-Time", "Recurring", "Usage-Based")),
    _known("ChargePeriodEnd", "Date/Time"),
    _known("ChargePeriodStart", "Date/Time"),
    FocusColumn("CommitmentDiscountCategory", "String", "Conditional", allowed=("Spend", "Usage")),
    _unknown("CommitmentDiscountId"),
    _unknown("CommitmentDiscountName"),
    _unknown("CommitmentDiscountQuantity", "Decimal"),
    FocusColumn("CommitmentDiscountStatus", "String", "Conditional", allowed=("Used", "Unused")),
    _unknown("CommitmentDiscountType"),
    _unknown("CommitmentDiscountUnit"),
    _unknown("CommitmentProgramEligibilityDetails", "JSON", versions=NEW),
    _unknown("ConsumedQuantity", "Decimal"),
    _unknown("ConsumedUnit"),
    _unknown("ContractApplied", "JSON", versions=NEW),
    _known("ContractedCost", "Decimal"),
    _unknown("ContractedUnitPrice", "Decimal"),
    _known("EffectiveCost", "Decimal", versions=OLD),
    FocusColumn(
        "EffectiveCost",
        "Decimal",
        "Mandatory",
        nullable=False,
        # From 1.4 on a tax is not amortized; before, its effective cost followed that of the charges it is on.
        value="""case when "ChargeCategory" in ('Tax', 'Credit') then "BilledCost" else "EffectiveCost" end""",
        versions=NEW,
    ),
    FocusColumn(
        "HostProviderName",
        "String",
        "Mandatory",
        # Nothing is hosted for a tax.
        value="""case when "ChargeCategory" <> 'Tax' then "ProviderName" end""",
        versions=NEW,
    ),
    _unknown("InvoiceDetailId", versions=NEW),
    _known("InvoiceId", level="Recommended", nullable=True, versions=OLD),
    _known("InvoiceId", level="Conditional", nullable=True, versions=NEW),
    _known("InvoiceIssuerName"),
    _known("ListCost", "Decimal"),
    _unknown("ListUnitPrice", "Decimal"),
    FocusColumn("PricingCategory", "String", "Conditional", allowed=("Standard", "Dynamic", "Committed", "Other")),
    # 1.2 says in one place that these two may be NULL, in another that they must not.
    FocusColumn("PricingCurrency", "String", "Conditional", nullable=False, left_out=ONE_CURRENCY),
    FocusColumn("PricingCurrencyContractedUnitPrice", "Decimal", "Conditional", left_out=ONE_CURRENCY),
    FocusColumn("PricingCurrencyEffectiveCost", "Decimal", "Conditional", nullable=False, left_out=ONE_CURRENCY),
    FocusColumn("PricingCurrencyListUnitPrice", "Decimal", "Conditional", left_out=ONE_CURRENCY),
    _known("PricingQuantity", "Decimal", nullable=True),
    _known("PricingUnit", nullable=True),
    _known("ProviderName", versions=OLD),
    _known("PublisherName", versions=OLD),
    _unknown("RegionId"),
    _unknown("RegionName"),
    _unknown("ResourceId"),
    _unknown("ResourceName"),
    _unknown("ResourceType"),
    _known("ServiceCategory", allowed=tuple(SUBCATEGORIES)),
    _known("ServiceName"),
    FocusColumn("ServiceProviderName", "String", "Mandatory", nullable=False, value='"ProviderName"', versions=NEW),
    _known("ServiceSubcategory", level="Recommended"),
    _unknown("SkuId"),
    _unknown("SkuMeter"),
    _unknown("SkuPriceDetails", "JSON"),
    _unknown("SkuPriceId"),
    _known("SubAccountId", level="Conditional", nullable=True),
    _known("SubAccountName", level="Conditional", nullable=True),
    FocusColumn("SubAccountType", "String", "Conditional", left_out=ONE_TYPE),
    _known("Tags", "JSON", level="Conditional", nullable=True),
)
"""By name. A column whose facts differ between the versions stands here once for each."""
