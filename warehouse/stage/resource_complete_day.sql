-- What single resources cost on the days that AWS had counted whole: a day is complete as cost.month_coverage says, once it ended 24
-- hours before its own costs were fetched. Not part of the public interface; read cost.resource_daily.
-- materialized: view
-- key: usage_date, account_id, service, resource_id
-- usage_date: Day of use; AWS's billing day is UTC.
-- account_id: The linked account that used it, 12 digits.
-- service: The service's name in the bill.
-- resource_id: The resource as billing names it: an id or an ARN; NoResourceId for what belongs to none.
-- unblended_cost: What the usage cost at the rate it was charged, in the currency beside it.
-- currency: Billing currency of every amount in the row, ISO 4217.
select
    usage_date,
    account_id,
    service,
    resource_id,
    unblended_cost,
    currency
from cost.resource_daily
where usage_date <= (collected_at at time zone 'UTC')::date - 2
