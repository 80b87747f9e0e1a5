"""The relations in which the same money stands several times, and the functions that add amounts up."""

SUMS = frozenset({"sum", "sum_no_overflow", "fsum", "sumkahan", "kahan_sum", "avg", "mean", "favg"})

LIST_SUMS = frozenset(
    {"list_sum", "list_avg", "array_sum", "array_avg", "list_aggregate", "array_aggregate", "list_aggr"}
)
"""Functions that add up a list; the last three take the name of any aggregate."""

SLICES: dict[str, tuple[str, ...]] = {
    "cmdb.decommission_signal": ("rule",),
    "cmdb.health": ("as_of_date", "kpi", "scope"),
    "cmdb.tag_value_near_miss": ("tag_key",),
    "cost.allocation": ("tag_key",),
    "cost.anomaly": ("slice",),
    "cost.budget": ("as_of_date", "budget_name"),
    "cost.by_tag": ("tag_key",),
    "cost.daily": ("slice",),
    "cost.export_reconciliation": ("account_id",),
    "cost.month_coverage": ("slice",),
    "cost.movement": ("slice",),
    "cost.reconciliation": ("rule",),
    "cost.restatement": ("slice",),
    "cost.saving": ("month",),
    "cost.spend_vs_budget": ("as_of_date", "scope"),
    "cost.tag_service_daily": ("tag_key",),
    "stage.budget_spend": ("scope",),
    "stage.cost_tag_service_daily": ("tag_key",),
    "stage.reported_cost": ("slice",),
    "stage.slice_difference": ("slice",),
    "stage.slice_month": ("slice",),
    "stage.tag_budget": ("scope",),
    "stage.untagged_cost": ("tag_key",),
}
"""Of each relation in which the same money stands once per value of a column: the columns, all of which count."""

VIEWS = {
    "cost.by_organizational_unit": "service",
    "cost.by_record_type": "record_type",
    "cost.by_region": "region",
    "cost.by_service": "service",
    "cost.by_usage_type": "usage_type",
    "cost.daily_total": "service",
}
"""Of each view of one slice of the bill its slice: a sum of several counts the bill several times."""
