-- The bill by resource, as AWS Data Exports delivers it to a bucket, where CMDB_DATA_EXPORT names one: its lines, summed up by day.
-- It is the bill of cost.daily once more: never sum across the two. No line counts before its month was reconciled: see
-- cost.export_reconciliation, and cost.export_resource_cost for the months that were.
-- materialized: append_by_cell
-- key: month, usage_date, account_id, charge_type, service_code, usage_type, operation, resource_id
-- month: First day of the month whose bill has the line (UTC).
-- usage_date: Day on which the use began, UTC; of fees and refunds it may lie outside of the month.
-- account_id: The linked account, 12 digits.
-- charge_type: What kind of charge it is: of CUR 2.0 the line item type, such as Usage or Tax, of FOCUS the charge category.
-- service_code: AWS's code of the service, such as AmazonEC2, which is not the service's name in Cost Explorer; empty without one.
-- usage_type: What was used, such as BoxUsage:t3.micro; empty without one.
-- operation: The operation that was charged, such as RunInstances; empty without one.
-- resource_id: The resource as billing names it: an id or an ARN; NoResourceId for what belongs to none.
-- cost: What was charged, by the metric and in the currency beside it.
-- metric: The metric of Cost Explorer that cost is: UnblendedCost of an export of CUR 2.0, BilledCost of one of FOCUS.
-- currency: Billing currency, ISO 4217.
-- line_count: Lines of the export that the row sums up: they differ in hour, rate or description.
-- export_format: CUR 2.0, FOCUS 1.2 or FOCUS 1.0.
select
    (parameter || '-01')::date as "month",
    item.usage_date,
    item.account_id,
    item.charge_type,
    item.service_code,
    item.usage_type,
    item."operation",
    item.resource_id,
    item.cost::decimal(28, 10) as cost,
    item.metric,
    item.currency,
    item.line_count,
    item.format as export_format,
    cell.*
from landing(
        'cost_export',
        'STRUCT(
            usage_date DATE, account_id VARCHAR, charge_type VARCHAR, service_code VARCHAR, usage_type VARCHAR,
            "operation" VARCHAR, resource_id VARCHAR, cost VARCHAR, metric VARCHAR, currency VARCHAR, line_count BIGINT,
            format VARCHAR
        )'
    )
