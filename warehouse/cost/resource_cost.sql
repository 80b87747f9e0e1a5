-- What each account pays for each service in a month, told by resource: as AWS measured it where cost.resource_daily has it,
-- else shared out by the sizes of ref.cost_weight, the rest in a row without an ARN. The rows of a month, account and
-- service are the bill to the last digit. How it is shared out is said by docs/decisions/0007-how-savings-are-estimated.md.
-- rests_on: without=cost_resource_daily because attribution says what was measured
-- key: month, account_id, service, arn
-- month: First day of the month (of use, UTC).
-- account_id: The linked account, 12 digits.
-- service: The service's name in the bill.
-- arn: ARN of the resource, or what billing calls it where it was never collected; NULL for what is not attributed to any.
-- cost: Unblended cost, in the currency beside it.
-- currency: Billing currency, ISO 4217.
-- attribution: measured, allocated or unattributed.
-- measured_cost: What AWS measured of it on measured_days, in the currency beside it; the other days follow in proportion. NULL where nothing was measured.
-- measured_days: Days of the month that AWS measured of the account and service; 0 where none.
-- weight: Its size in the month, in the unit beside it; NULL where it was not shared out by size.
-- weight_unit: GiB hours, or hours of a small instance (AWS's normalization factor); NULL without a weight.
with bill as (
    select
        date_trunc('month', usage_date)::date as bill_month,
        account_id,
        dimension_value as service,
        any_value(currency) as currency,
        sum(unblended_cost)::decimal(28, 10) as cost
    from cost.daily
    where slice = 'service'
    group by all
),

by_name as (
    select
        account_id,
        resource_id,
        any_value(arn) as arn
    from cmdb.resource
    group by account_id, resource_id
    having count(*) = 1
),

measured as (
    select
        date_trunc('month', daily.usage_date)::date as bill_month,
        daily.account_id,
        daily.service,
        if(
            daily.resource_id = 'NoResourceId', null, coalesce(item.arn, by_name.arn, daily.resource_id)
        ) as arn,
        sum(daily.unblended_cost)::decimal(28, 10) as cost
    from cost.resource_daily as daily
    left join cmdb.resource as item on daily.resource_id = item.arn
    left join by_name on daily.account_id = by_name.account_id and daily.resource_id = by_name.resource_id
    group by all
),

measured_place as (
    select
        date_trunc('month', usage_date)::date as bill_month,
        account_id,
        service,
        count(distinct usage_date) as measured_days,
        sum(unblended_cost)::decimal(28, 10) as cost
    from cost.resource_daily
    group by all
),

-- What was billed before anybody looked belongs to resources that may be gone.
watched as (
    select
        account_id,
        min(valid_from) as since
    from cmdb.resource_version
    group by account_id
),

by_usage as (
    select
        date_trunc('month', cost.usage_date)::date as bill_month,
        cost.account_id,
        weight.service,
        sum(cost.unblended_cost)::decimal(28, 10) as cost
    from cost.daily as cost
    inner join ref.cost_weight as weight on regexp_matches(cost.dimension_value, weight.usage_pattern)
    where cost.slice = 'usage_type'
    group by all
),

-- What is to be shared out of each bill: what AWS did not measure of it, or what its sizes explain.
pool as (
    select
        bill.bill_month,
        bill.account_id,
        bill.service,
        case
            when place.measured_days is not null then bill.cost - place.cost
            when weight.service is null or watched.since is null then 0
            when last_day(bill.bill_month) < watched.since::date then 0
            when weight.usage_pattern is null then bill.cost
            else greatest(least(coalesce(by_usage.cost, 0), bill.cost), 0)
        end::decimal(28, 10) as cost,
        coalesce(place.measured_days, 0) as measured_days,
        weight.weight as weight_kind
    from bill
    left join measured_place as place using (bill_month, account_id, service)
    left join ref.cost_weight as weight on bill.service = weight.service
    left join watched on bill.account_id = watched.account_id
    left join by_usage
        on
            bill.bill_month = by_usage.bill_month
            and bill.account_id = by_usage.account_id
            and bill.service = by_usage.service
),

sharer as (
    select -- noqa: AM07
        pool.*,
        measured.arn,
        measured.cost as measured_cost,
        (greatest(measured.cost, 0) * 10000000000)::hugeint as weight,
        null::decimal(28, 4) as shown_weight
    from pool
    inner join measured using (bill_month, account_id, service)
    where pool.measured_days > 0

    union all

    select
        pool.*,
        size.arn,
        null as measured_cost,
        size.weight,
        (size.weight::decimal(38, 0) / 14400)::decimal(28, 4) as shown_weight
    from pool
    inner join stage.resource_size as size
        on
            pool.bill_month = size.month
            and pool.account_id = size.account_id
            and pool.service = size.service
    where pool.measured_days = 0 and pool.cost <> 0
),

-- In whole units of 1e-10, so that nothing is lost: each gets its part rounded down, and those that lost most by that get
-- the units that are left, one each. Where one has no known size, the others do not pay for it.
weighed as (
    select
        *,
        (abs(cost) * 10000000000)::hugeint as units,
        if(cost < 0, -1, 1) as sign,
        if(bool_or(weight is null) over same_bill, 0::hugeint, sum(weight) over same_bill)::hugeint
            as total_weight
    from sharer
    window same_bill as (partition by bill_month, account_id, service)
),

rounded as (
    select
        *,
        if(total_weight = 0, 0::hugeint, (units * coalesce(weight, 0))::hugeint // total_weight) as whole,
        if(total_weight = 0, 0::hugeint, (units * coalesce(weight, 0))::hugeint % total_weight) as rest
    from weighed
),

shared as (
    select
        *,
        sign * (whole + if(
            total_weight > 0
            and row_number() over (
                partition by bill_month, account_id, service order by rest desc, arn asc nulls last
            ) <= units - sum(whole) over (partition by bill_month, account_id, service),
            1,
            0
        )) as shared_units
    from rounded
),

attributed as (
    select
        bill_month,
        account_id,
        service,
        arn,
        (
            coalesce(measured_cost, 0) + (shared_units::decimal(38, 0) * 0.0000000001)::decimal(28, 10)
        )::decimal(28, 10) as cost,
        if(measured_days > 0, 'measured', 'allocated') as attribution,
        measured_cost,
        measured_days,
        shown_weight as weight,
        if(
            measured_days > 0,
            null,
            if(weight_kind = 'gb_hours', 'GiB hours', 'hours of a small instance')
        ) as weight_unit
    from shared
    where arn is not null and (total_weight > 0 or measured_days > 0)
),

attributed_sum as (
    select
        bill_month,
        account_id,
        service,
        sum(cost)::decimal(28, 10) as cost
    from attributed
    group by bill_month, account_id, service
)

select -- noqa: AM07
    attributed.bill_month as "month",
    attributed.account_id,
    attributed.service,
    attributed.arn,
    attributed.cost,
    bill.currency,
    attributed.attribution,
    attributed.measured_cost,
    attributed.measured_days,
    attributed.weight,
    attributed.weight_unit
from attributed
inner join bill using (bill_month, account_id, service)

union all by name

select
    bill.bill_month as "month",
    bill.account_id,
    bill.service,
    null as arn,
    (bill.cost - coalesce(attributed_sum.cost, 0))::decimal(28, 10) as cost,
    bill.currency,
    'unattributed' as attribution,
    pool.measured_days
from bill
inner join pool using (bill_month, account_id, service)
left join attributed_sum using (bill_month, account_id, service)
where attributed_sum.cost is null or attributed_sum.cost <> bill.cost
