-- What moved most by account, by service and by the value of a tag key: the last whole month against the month before, and the
-- running month through its last complete day against as many days of the month before. The five greatest changes of each and
-- the whole bill, in the reporting currency, with what usage did and what the exchange rate did; of an account the service and of
-- a service the account that moved most the same way. The tag keys are those that have budgets; without budgets, the one that
-- names most of the bill.
with shown as (
    select
        max(coverage.month) filter (coverage.through_date = last_day(coverage.month)) as whole_month,
        max(coverage.month) as newest_month
    from cost.month_coverage as coverage
    where coverage.slice = 'service' and coverage.through_date is not null
),

moved as (
    select
        movement.*,
        movement.month = shown.whole_month as is_whole
    from cost.movement as movement
    inner join shown on movement.month in (shown.whole_month, shown.newest_month)
),

named as (
    select
        slice,
        coalesce(sum(cost) filter (dimension_value <> ''), 0) as named_cost,
        substr(slice, 5) in (select budget.scope from ref.budget as budget) as is_budgeted
    from moved
    where starts_with(slice, 'tag:')
    group by slice
),

chosen as (
    select slice
    from named
    where
        named_cost <> 0
        and (
            is_budgeted
            or (
                not (
                    select coalesce(bool_or(other.is_budgeted and other.named_cost <> 0), false)
                    from named as other
                )
                and slice = (
                    select first(most.slice order by most.named_cost desc, most.slice asc)
                    from named as most
                )
            )
        )
    union all
    select unnest(['account', 'service']) as slice
),

part as (
    select
        moved.month,
        moved.is_whole,
        if(starts_with(moved.slice, 'tag:'), substr(moved.slice, 5), moved.slice) as cut,
        moved.dimension_value,
        moved.previous_reporting_cost,
        moved.reporting_cost,
        moved.change,
        moved.usage_effect,
        moved.rate_effect,
        moved.reporting_currency,
        moved.previous_through_date,
        moved.through_date,
        moved.days_missing,
        row_number() over (
            partition by moved.month, moved.slice
            order by abs(moved.change) desc nulls first, moved.dimension_value asc
        ) as place
    from moved
    inner join chosen on moved.slice = chosen.slice

    union all

    select
        month,
        is_whole,
        'bill' as cut,
        'the whole bill' as dimension_value,
        if(count(*) = count(change), sum(previous_reporting_cost), null) as previous_reporting_cost,
        if(count(*) = count(change), sum(reporting_cost), null) as reporting_cost,
        if(count(*) = count(change), sum(change), null) as change,
        if(count(*) = count(change), sum(usage_effect), null) as usage_effect,
        if(count(*) = count(change), sum(rate_effect), null) as rate_effect,
        any_value(reporting_currency) as reporting_currency,
        any_value(previous_through_date) as previous_through_date,
        any_value(through_date) as through_date,
        any_value(days_missing) as days_missing,
        1 as place
    from moved
    where slice = 'service'
    group by month, is_whole
),

span as (
    select
        month,
        previous_through_date,
        through_date
    from part
    where cut = 'bill'
),

pair as (
    select
        span.month,
        cost.account_id,
        cost.service,
        coalesce(sum(cost.reporting_unblended_cost) filter (cost.usage_date >= span.month), 0)
        - coalesce(sum(cost.reporting_unblended_cost) filter (cost.usage_date < span.month), 0) as change
    from span
    inner join cost.by_service as cost
        on
            cost.usage_date between span.month and span.through_date
            or cost.usage_date between span.month - interval 1 month and span.previous_through_date
    group by span.month, cost.account_id, cost.service
),

within as (
    select
        pair.month,
        'account' as cut,
        pair.account_id as dimension_value,
        pair.service as detail,
        pair.change
    from pair
    union all
    select
        pair.month,
        'service' as cut,
        pair.service as dimension_value,
        coalesce(account.account_name, pair.account_id) as detail,
        pair.change
    from pair
    left join org.account as account on pair.account_id = account.account_id
),

mostly as (
    select
        part.month,
        part.cut,
        part.dimension_value,
        first(within.detail order by abs(within.change) desc, within.detail asc) as detail,
        first(within.change order by abs(within.change) desc, within.detail asc) as change
    from part
    inner join within
        on
            part.month = within.month
            and part.cut = within.cut
            and part.dimension_value = within.dimension_value
            and sign(within.change) = sign(part.change)
    where part.place <= 5
    group by part.month, part.cut, part.dimension_value
)

select
    part.month,
    part.is_whole,
    part.cut,
    part.place,
    case
        when part.cut = 'account' then coalesce(account.account_name, part.dimension_value)
        when part.dimension_value = '' then '(no value)'
        else part.dimension_value
    end as name,
    if(part.cut = 'account', part.dimension_value, null) as account_id,
    part.previous_reporting_cost as previous_cost,
    part.reporting_cost as cost,
    part.change,
    100 * part.change / nullif(abs(part.previous_reporting_cost), 0) as change_pct,
    part.usage_effect,
    part.rate_effect,
    mostly.detail as mostly,
    mostly.change as mostly_change,
    part.reporting_currency as currency,
    part.previous_through_date,
    part.through_date,
    part.days_missing
from part
left join mostly
    on part.month = mostly.month and part.cut = mostly.cut and part.dimension_value = mostly.dimension_value
left join org.account as account on part.cut = 'account' and part.dimension_value = account.account_id
where part.place <= 5
order by
    part.month asc,
    coalesce(list_position(['bill', 'account', 'service'], part.cut), 9) asc,
    part.cut asc,
    part.place asc
