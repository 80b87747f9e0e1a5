-- What single resources cost each day, where the optional grant ce:GetCostAndUsageWithResources is given, for the services
-- of ref.service_listing. AWS keeps 14 days; earlier ones stand as they were last read. It is a part of the bill of
-- cost.daily once more: never sum across the two.
-- materialized: full_from_previous
-- key: usage_date, account_id, service, resource_id
-- usage_date: Day of use; AWS's billing day is UTC.
-- account_id: The linked account that used it, 12 digits.
-- service: The service's name in the bill.
-- resource_id: The resource as billing names it: an id or an ARN; NoResourceId for what belongs to none.
-- unblended_cost: What the usage cost at the rate it was charged, in the currency beside it.
-- amortized_cost: The same with fees of commitments spread over their term, in the currency beside it.
-- net_unblended_cost: Unblended after discounts, in the currency beside it; NULL where AWS does not give it.
-- net_amortized_cost: Amortized after discounts, in the currency beside it; NULL where AWS does not give it.
-- currency: Billing currency of every amount in the row, ISO 4217.
-- is_estimated: True while AWS may still change the amounts; of days that AWS does not keep any more, as it was last read.
-- is_stale: True when the newest answer about the service is not trusted: the row is the last that was.
-- collected_at: When AWS gave it, UTC.
-- run_id: The run that asked; leads to audit.collection.
-- listing: The listing that it came in, with its service; leads to audit.collection.
with recent as (select * exclude (role, caller_account_id, cell_region) from stage.cost_resource_daily),

covered as (
    select
        service,
        min(usage_date) as first_date
    from recent
    group by service
)

select * from recent
union all by name
select before.*
from cost.resource_daily as before
left join covered using (service)
where before.usage_date < coalesce(covered.first_date, 'infinity'::date)
