-- Figures of the seeds that are the product's examples and nobody's own: budgets of this month, rates of this bill.
select
    'budgets' as what,
    count(*) as example_count
from ref.budget
where
    source = 'example'
    and month = (select date_trunc('month', max(newest.usage_date)) from cost.by_service as newest)
union all
select
    'exchange rates' as what,
    count(*) as example_count
from ref.fx_rate as known
where
    known.source = 'example'
    and exists (
        select 1 from cost.exchange_rate as used
        where
            used.currency = known.from_currency and used.reporting_currency = known.to_currency
            and used.rate_kind = known.kind and used.rate_date = known.valid_from and used.rate = known.rate
    )
