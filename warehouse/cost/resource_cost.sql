-- What each account pays for each service in a month, told by resource: as AWS measured it where cost.resource_daily has it and
-- at that pace on the days that it did not measure, as long as the resource was there; else shared out by list price;
-- the rest, such as fees of reservations, tax and support, in a row without an ARN. The rows of a month, account and
-- service are the bill to the last digit. How is said by docs/decisions/0007-how-savings-are-estimated.md.
-- rests_on: without=cost_resource_daily because attribution says what was measured
-- key: month, account_id, service, arn
-- month: First day of the month (of use, UTC).
-- account_id: The linked account, 12 digits.
-- service: The service's name in the bill.
-- arn: ARN of the resource, or what billing calls it where it was never collected; NULL for what is not attributed to any.
-- cost: Unblended cost, in the currency beside it: measured_cost and extrapolated_cost together, where AWS measured.
-- amortized_cost: The same with the fees of commitments spread over what they cover; NULL where AWS gives it for the bill or the resource alone.
-- currency: Billing currency, ISO 4217.
-- attribution: measured (by AWS, all of it), extrapolated (a part by AWS, the rest at its pace), allocated (by list price) or unattributed.
-- measured_cost: What AWS measured of it on measured_days; NULL where nothing was measured.
-- extrapolated_cost: What was added for the other days on which it was there: its cost of an average day that AWS measured whole, or of any measured day where it measured none whole, but no more on a day than the bill has; NULL where nothing was measured.
-- measured_days: Days of the month that AWS measured of the account and service; 0 where none.
-- extrapolated_days: Other days on which the resource was there; NULL where nothing was measured.
-- weight: What it would cost in the month at list price, in the unit beside it; NULL where it was not shared out.
-- weight_unit: Unit of it: USD at list price; NULL without a weight.
-- weight_basis: What the price is: price (of its type), family (of its family, by AWS's normalization factor of the size) or size (the middle of all families, by that factor, for nothing is known of its own); NULL without a weight.
-- through_date: Last complete day of the bill in the month, by cost.month_coverage; what is after it grows.
-- is_final: True where the month is whole and AWS does not change it any more.
with bill_day as (
    select
        date_trunc('month', usage_date)::date as bill_month,
        usage_date,
        account_id,
        dimension_value as service,
        any_value(currency) as currency,
        sum(unblended_cost)::decimal(28, 10) as cost,
        if(count(*) = count(amortized_cost), sum(amortized_cost), null)::decimal(28, 10) as amortized_cost
    from cost.daily
    where slice = 'service'
    group by all
),

bill as (
    select
        bill_month,
        account_id,
        service,
        any_value(currency) as currency,
        sum(cost)::decimal(28, 10) as cost,
        if(count(*) = count(amortized_cost), sum(amortized_cost), null)::decimal(28, 10) as amortized_cost
    from bill_day
    group by bill_month, account_id, service
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

complete_date as (
    select distinct
        usage_date,
        account_id,
        service
    from stage.resource_complete_day
),

measured_day as (
    select
        date_trunc('month', daily.usage_date)::date as bill_month,
        daily.usage_date,
        daily.account_id,
        daily.service,
        if(
            daily.resource_id = 'NoResourceId', null, coalesce(item.arn, by_name.arn, daily.resource_id)
        ) as arn,
        sum(daily.unblended_cost)::decimal(28, 10) as cost,
        if(count(*) = count(daily.amortized_cost), sum(daily.amortized_cost), null)::decimal(28, 10)
            as amortized_cost,
        complete_date.usage_date is not null as is_complete
    from cost.resource_daily as daily
    left join complete_date
        on
            daily.usage_date = complete_date.usage_date
            and daily.account_id = complete_date.account_id
            and daily.service = complete_date.service
    left join cmdb.resource as item on daily.resource_id = item.arn
    left join by_name on daily.account_id = by_name.account_id and daily.resource_id = by_name.resource_id
    group by all
),

-- A place is what an account pays for a service in a month. Where AWS gives one of the two amounts for a part of it alone, that
-- amount cannot be attributed.
place as (
    select
        bill_month,
        account_id,
        service,
        count(distinct usage_date) as measured_days,
        count(*) = count(amortized_cost) as has_amortized
    from measured_day
    group by bill_month, account_id, service
),

measured_date as (
    select distinct
        bill_month,
        account_id,
        service,
        usage_date,
        is_complete
    from measured_day
),

measured as (
    select
        bill_month,
        account_id,
        service,
        arn,
        sum(cost)::decimal(28, 10) as cost,
        if(count(*) = count(amortized_cost), sum(amortized_cost), null)::decimal(28, 10) as amortized_cost,
        sum(cost) filter (is_complete) as complete_cost,
        if(
            count(*) = count(amortized_cost), sum(amortized_cost) filter (is_complete), null
        ) as complete_amortized_cost
    from measured_day
    where arn is not null
    group by bill_month, account_id, service, arn
),

-- The state alone, so that no window function holds all the attributes.
stood as (
    select
        version.arn,
        version.valid_from,
        version.valid_to,
        version.status,
        version.attributes ->> '$.state' as state
    from cmdb.resource_version as version
    where version.arn in (select one.arn from measured as one)
),

-- On which days a resource was there, and ran where it can be stopped; AWS says of some that they were there before they
-- were first seen.
life as (
    select
        stood.arn,
        (case
            when row_number() over (partition by stood.arn order by stood.valid_from) = 1
                then least(stood.valid_from, item.created_at)
            else stood.valid_from
        end at time zone 'UTC')::date as first_date,
        coalesce((stood.valid_to at time zone 'UTC')::date, 'infinity'::date) as last_date,
        stood.status = 'active'
        and case item.resource_type
            when 'AWS::EC2::Instance' then stood.state = 'running'
            when 'AWS::RDS::DBInstance' then stood.state <> 'stopped'
            else true
        end as is_there
    from stood
    inner join cmdb.resource as item using (arn)
),

-- Every day of the bill of a place that AWS measured in part, and who was there.
alive_day as (
    select distinct
        bill_day.bill_month,
        bill_day.usage_date,
        bill_day.account_id,
        bill_day.service,
        measured.arn,
        measured_date.usage_date is not null as is_measured,
        coalesce(measured_date.is_complete, false) as is_complete
    from measured
    inner join life on measured.arn = life.arn and life.is_there
    inner join bill_day
        on
            measured.bill_month = bill_day.bill_month
            and measured.account_id = bill_day.account_id
            and measured.service = bill_day.service
            and bill_day.usage_date between life.first_date and life.last_date
    left join measured_date
        on
            bill_day.account_id = measured_date.account_id
            and bill_day.service = measured_date.service
            and bill_day.usage_date = measured_date.usage_date
),

alive as (
    select
        bill_month,
        account_id,
        service,
        arn,
        count(*) filter (is_measured) as measured_days,
        count(*) filter (is_complete) as complete_days,
        count(*) filter (not is_measured) as missing_days
    from alive_day
    group by bill_month, account_id, service, arn
),

-- A day that AWS has not counted whole would make the pace too slow: it counts where there is no other.
pace as (
    select
        measured.bill_month,
        measured.account_id,
        measured.service,
        measured.arn,
        alive.missing_days,
        alive.complete_days > 0 as is_by_complete_days,
        if(is_by_complete_days, alive.complete_days, alive.measured_days) as day_count,
        -- In whole units of 1e-10, so that nothing is lost.
        (
            greatest(if(is_by_complete_days, coalesce(measured.complete_cost, 0), measured.cost), 0)
            * 10000000000
        )::hugeint // day_count as units,
        (
            greatest(if(is_by_complete_days, measured.complete_amortized_cost, measured.amortized_cost), 0)
            * 10000000000
        )::hugeint // day_count as amortized_units
    from measured
    inner join alive using (bill_month, account_id, service, arn)
    where alive.measured_days > 0
),

-- On a day that AWS did not measure no more is told than the bill has: where it has less, each gets less.
paced_day as (
    select
        alive_day.bill_month,
        alive_day.account_id,
        alive_day.service,
        alive_day.arn,
        pace.units,
        pace.amortized_units,
        sum(pace.units) over same_day as total_units,
        sum(pace.amortized_units) over same_day as total_amortized_units,
        (greatest(bill_day.cost, 0) * 10000000000)::hugeint as bill_units,
        (greatest(bill_day.amortized_cost, 0) * 10000000000)::hugeint as bill_amortized_units
    from alive_day
    inner join pace using (bill_month, account_id, service, arn)
    inner join bill_day using (usage_date, account_id, service)
    where not alive_day.is_measured
    window same_day as (partition by alive_day.usage_date, alive_day.account_id, alive_day.service)
),

extrapolated as (
    select
        bill_month,
        account_id,
        service,
        arn,
        (sum(
            if(
                total_units <= bill_units,
                units,
                part_of(bill_units, units, nullif(total_units, 0)::hugeint).whole
            )
        )::decimal(38, 0) * 0.0000000001)::decimal(28, 10) as cost,
        (sum(
            if(
                total_amortized_units <= bill_amortized_units,
                amortized_units,
                part_of(
                    bill_amortized_units, amortized_units, nullif(total_amortized_units, 0)::hugeint
                ).whole
            )
        )::decimal(38, 0) * 0.0000000001)::decimal(28, 10) as amortized_cost
    from paced_day
    group by bill_month, account_id, service, arn
),

told_by_aws as (
    select
        measured.bill_month,
        measured.account_id,
        measured.service,
        measured.arn,
        (measured.cost + coalesce(extrapolated.cost, 0))::decimal(28, 10) as cost,
        if(
            place.has_amortized, measured.amortized_cost + coalesce(extrapolated.amortized_cost, 0), null
        )::decimal(28, 10) as amortized_cost,
        if(coalesce(extrapolated.cost, 0) = 0, 'measured', 'extrapolated') as attribution,
        measured.cost as measured_cost,
        coalesce(extrapolated.cost, 0)::decimal(28, 10) as extrapolated_cost,
        coalesce(pace.missing_days, 0) as extrapolated_days
    from measured
    inner join place using (bill_month, account_id, service)
    left join extrapolated using (bill_month, account_id, service, arn)
    left join pace using (bill_month, account_id, service, arn)
),

-- What was billed before anybody looked belongs to resources that may be gone.
watched as (
    select
        account_id,
        min(valid_from) as since
    from cmdb.resource_version
    group by account_id
),

-- What resources are used for is told apart from the fees of the same service by its usage types.
usage_type as (
    select distinct dimension_value
    from cost.daily
    where slice = 'usage_type'
),

-- Of each name once: DuckDB compiles a pattern that stands in a column once more for each row.
used_for as (
    select
        usage_type.dimension_value,
        weight.service
    from usage_type
    inner join ref.cost_weight as weight on regexp_matches(usage_type.dimension_value, weight.usage_pattern)
),

by_usage as (
    select
        date_trunc('month', cost.usage_date)::date as bill_month,
        cost.account_id,
        used_for.service,
        sum(cost.unblended_cost)::decimal(28, 10) as cost,
        if(count(*) = count(cost.amortized_cost), sum(cost.amortized_cost), null)::decimal(28, 10)
            as amortized_cost
    from cost.daily as cost
    inner join used_for on cost.dimension_value = used_for.dimension_value
    where cost.slice = 'usage_type'
    group by all
),

-- What is to be shared out of each bill that AWS did not measure.
pool as (
    select
        bill.bill_month,
        bill.account_id,
        bill.service,
        case
            when weight.usage_pattern is null then bill.cost
            else greatest(least(coalesce(by_usage.cost, 0), bill.cost), 0)
        end::decimal(28, 10) as cost,
        case
            when bill.amortized_cost is null then null
            when weight.usage_pattern is null then bill.amortized_cost
            when by_usage.cost is not null and by_usage.amortized_cost is null then null
            else greatest(least(coalesce(by_usage.amortized_cost, 0), bill.amortized_cost), 0)
        end::decimal(28, 10) as amortized_cost
    from bill
    inner join ref.cost_weight as weight on bill.service = weight.service
    inner join watched
        on bill.account_id = watched.account_id and last_day(bill.bill_month) >= watched.since::date
    anti join place
        on
            bill.bill_month = place.bill_month
            and bill.account_id = place.account_id
            and bill.service = place.service
    left join by_usage
        on
            bill.bill_month = by_usage.bill_month
            and bill.account_id = by_usage.account_id
            and bill.service = by_usage.service
),

sharer as (
    select
        pool.bill_month,
        pool.account_id,
        pool.service,
        size.arn,
        size.weight,
        size.list_cost,
        size.basis,
        amount.is_amortized,
        if(amount.is_amortized, pool.amortized_cost, pool.cost) as cost
    from pool
    cross join (values (false), (true)) as amount (is_amortized)
    inner join stage.resource_size as size
        on
            pool.bill_month = size.month
            and pool.account_id = size.account_id
            and pool.service = size.service
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
    window same_bill as (partition by bill_month, account_id, service, is_amortized)
),

parted as (
    select
        *,
        part_of(units, weight, total_weight) as part
    from weighed
    where total_weight > 0 and cost is not null
),

shared as (
    select
        *,
        (
            sign * (part.whole + if(
                row_number()
                    over (
                        partition by bill_month, account_id, service, is_amortized
                        order by part.rest desc, arn asc
                    )
                <= units
                - sum(part.whole) over (partition by bill_month, account_id, service, is_amortized),
                1,
                0
            ))::decimal(38, 0) * 0.0000000001
        )::decimal(28, 10) as shared_cost
    from parted
),

allocated as (
    select
        bill_month,
        account_id,
        service,
        arn,
        max(shared_cost) filter (where not is_amortized) as cost,
        max(shared_cost) filter (where is_amortized) as amortized_cost,
        any_value(list_cost) as weight,
        any_value(basis) as weight_basis
    from shared
    group by bill_month, account_id, service, arn
    having bool_or(units <> 0)
),

attributed as (
    select
        bill_month,
        account_id,
        service,
        arn,
        cost,
        amortized_cost,
        attribution,
        measured_cost,
        extrapolated_cost,
        extrapolated_days
    from told_by_aws

    union all by name

    select
        bill_month,
        account_id,
        service,
        arn,
        cost,
        amortized_cost,
        'allocated' as attribution,
        weight,
        'USD at list price' as weight_unit,
        weight_basis
    from allocated
),

attributed_sum as (
    select
        bill_month,
        account_id,
        service,
        sum(cost)::decimal(28, 10) as cost,
        if(count(*) = count(amortized_cost), sum(amortized_cost), null)::decimal(28, 10) as amortized_cost
    from attributed
    group by bill_month, account_id, service
),

every_row as (
    select * from attributed

    union all by name

    select
        bill.bill_month,
        bill.account_id,
        bill.service,
        null as arn,
        (bill.cost - coalesce(attributed_sum.cost, 0))::decimal(28, 10) as cost,
        if(
            attributed_sum.cost is null,
            bill.amortized_cost,
            bill.amortized_cost - attributed_sum.amortized_cost
        )::decimal(28, 10) as amortized_cost,
        'unattributed' as attribution
    from bill
    left join attributed_sum using (bill_month, account_id, service)
    where
        attributed_sum.cost is null
        or attributed_sum.cost <> bill.cost
        or attributed_sum.amortized_cost is distinct from bill.amortized_cost
)

select
    every_row.bill_month as "month",
    every_row.account_id,
    every_row.service,
    every_row.arn,
    every_row.cost,
    every_row.amortized_cost,
    bill.currency,
    every_row.attribution,
    every_row.measured_cost,
    every_row.extrapolated_cost,
    coalesce(place.measured_days, 0) as measured_days,
    every_row.extrapolated_days,
    every_row.weight,
    every_row.weight_unit,
    every_row.weight_basis,
    coverage.through_date,
    coverage.is_final
from every_row
inner join bill using (bill_month, account_id, service)
left join place using (bill_month, account_id, service)
left join cost.month_coverage as coverage
    on every_row.bill_month = coverage.month and coverage.slice = 'service'
