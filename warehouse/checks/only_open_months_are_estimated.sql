-- Only the days of the month of the newest response about them, and of the two before, are estimated: AWS closes a month about the
-- tenth of the next. What is stale stands as its last trusted response left it.
-- about: cost.daily
-- refetch: cost_daily
with answered as (
    -- What has not changed stays as it was fetched: that it is still so is known from the bill by account.
    select
        try_cast(regexp_extract(listing, '[^:]*$') || '-01' as date) as bill_month,
        max(ended_at) as answered_at
    from audit.coverage
    where is_trusted and split_part(listing, ':', 1) in ('cost_daily', 'cost_account_daily')
    group by all
)

select
    cost.slice,
    answered.bill_month as "month",
    max(answered.answered_at) as answered_at,
    count(*) as row_count
from cost.daily as cost
inner join answered on date_trunc('month', cost.usage_date) = answered.bill_month
where
    cost.is_estimated
    -- Nothing will ever close the rows of a tag key that ref.tag_key no longer has.
    and not cost.is_stale
    and cost.usage_date < date_trunc('month', answered.answered_at at time zone 'UTC') - interval 2 months
group by cost.slice, answered.bill_month
