-- What each resource cost in a month, exactly as AWS Data Exports delivered it, for the months of which
-- cost.export_reconciliation says that they count. Months that are not here are unknown, for the reason there; cost.resource_cost
-- estimates by resource what no export tells. The rows of a month and account are its bill to the cent.
-- materialized: view
-- key: month, account_id, service_code, charge_type, resource_id
-- month: First day of the month (UTC).
-- account_id: The linked account, 12 digits.
-- service_code: AWS's code of the service, such as AmazonEC2; empty without one.
-- charge_type: What kind of charge it is, as in cost.export_line.
-- resource_id: The resource as billing names it: an id or an ARN; NoResourceId for what belongs to none.
-- arn: ARN of the item of cmdb.resource; NULL where billing names none, or one that was never collected.
-- cost: What was charged, by the metric and in the currency beside it.
-- metric: The metric of Cost Explorer that cost is: UnblendedCost or BilledCost.
-- currency: Billing currency, ISO 4217.
-- is_stale: True where the newest response about the month of the export is not trusted.
-- collected_at: When the export of the month was read, UTC.
with by_name as (
    select
        account_id,
        resource_id,
        any_value(arn) as arn
    from cmdb.resource
    group by account_id, resource_id
    having count(*) = 1
),

spent as (
    select
        line."month" as bill_month,
        line.account_id,
        line.service_code,
        line.charge_type,
        line.resource_id,
        sum(line.cost)::decimal(28, 10) as cost,
        any_value(line.metric) as metric,
        any_value(line.currency) as currency,
        bool_or(line.is_stale) as is_stale,
        max(line.collected_at) as collected_at
    from cost.export_line as line
    inner join cost.export_reconciliation as total
        on line."month" = total."month" and total.account_id is null and total.is_counted
    group by line."month", line.account_id, line.service_code, line.charge_type, line.resource_id
)

select
    spent.bill_month as "month",
    spent.account_id,
    spent.service_code,
    spent.charge_type,
    spent.resource_id,
    coalesce(item.arn, by_name.arn) as arn,
    spent.cost,
    spent.metric,
    spent.currency,
    spent.is_stale,
    spent.collected_at
from spent
left join cmdb.resource as item on spent.resource_id = item.arn
left join by_name on spent.account_id = by_name.account_id and spent.resource_id = by_name.resource_id
