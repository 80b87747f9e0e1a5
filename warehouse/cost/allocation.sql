-- The bill of each month by the value of a tag, with the cost that everybody shares spread over the values: what each value
-- costs directly, its part of the shared cost, and a row for what nobody answers for. The rows of a month and key are the
-- whole bill to the last digit. What is shared is said by ref.shared_cost, how it is spread by
-- docs/decisions/0006-how-money-is-converted-and-shared-out.md. The same money once more for each key.
-- rests_on: without=cost_allocation_tag because whether a key is in use the bill says itself
-- key: month, tag_key, tag_value
-- month: First day of the month (of use, UTC).
-- tag_key: The key, such as bc:cost-centre.
-- tag_value: The value that counts, as in cost.by_tag; (unallocated) for what nobody answers for, (shared) where there is no value to spread shared cost over, (unknown) where the key says nothing about the month.
-- status: allocated, unallocated, shared, or what is known of a key that no cost carries in that month: not activated, active but not used, or not activated or not used where AWS could not be asked or another month has it.
-- direct_cost: Unblended cost that carries the tag, in the currency beside it; of the row (unallocated) what carries none and is not shared.
-- shared_cost: Its part of the shared cost, in proportion to direct cost, in the currency beside it.
-- unblended_cost: Both together, in the currency beside it.
-- currency: Billing currency, ISO 4217.
-- share: Part of the month's bill, 0 to 1; NULL where the bill is zero.
-- allocated_pct: Percent of the month's bill that stands against a value of this key, the shared cost included; NULL where the key says nothing about the month.
-- reporting_cost: unblended_cost at the average of the rates of the month's days, in the reporting currency; NULL where a day has no rate.
-- reporting_currency: The currency of CMDB_CURRENCY, ISO 4217.
-- rate: Average of the rates of the month's days; NULL where one has none.
with tagged as (
    select
        date_trunc('month', usage_date)::date as bill_month,
        tag_key,
        tag_value,
        currency,
        sum(unblended_cost)::decimal(28, 10) as cost
    from cost.by_tag
    group by all
),

key_use as (
    select
        bill_month,
        tag_key,
        bool_or(tag_value <> '') as is_used
    from tagged
    group by bill_month, tag_key
),

untagged as (
    select
        cost.tag_key,
        cost.currency,
        cost.cost,
        cost.shared_cost,
        date_trunc('month', cost.usage_date)::date as bill_month
    from stage.untagged_cost as cost
    inner join key_use
        on cost.tag_key = key_use.tag_key and date_trunc('month', cost.usage_date) = key_use.bill_month
    where key_use.is_used
),

pool as (
    select
        bill_month,
        tag_key,
        currency,
        sum(shared_cost)::decimal(28, 10) as shared_cost,
        (sum(cost) - sum(shared_cost))::decimal(28, 10) as unallocated_cost
    from untagged
    group by bill_month, tag_key, currency
),

-- In whole units of 1e-10, so that nothing is lost: each value gets its part rounded down, and those that lost most by
-- that get the units that are left, one each.
weighed as (
    select
        direct.*,
        (greatest(direct.cost, 0) * 10000000000)::hugeint as weight,
        sum((greatest(direct.cost, 0) * 10000000000)::hugeint) over same_key as total_weight,
        (abs(coalesce(pool.shared_cost, 0)) * 10000000000)::hugeint as units,
        if(pool.shared_cost < 0, -1, 1) as sign
    from tagged as direct
    left join pool using (bill_month, tag_key, currency)
    where direct.tag_value <> ''
    window same_key as (partition by direct.bill_month, direct.tag_key, direct.currency)
),

parted as (
    select
        *,
        part_of(units, weight, greatest(total_weight, 1)::hugeint) as part
    from weighed
),

spread as (
    select
        bill_month,
        tag_key,
        tag_value,
        currency,
        cost,
        sign * (part.whole + if(
            total_weight > 0
            and row_number()
                over (partition by bill_month, tag_key, currency order by part.rest desc, tag_value asc)
            <= units - sum(part.whole) over (partition by bill_month, tag_key, currency),
            1,
            0
        )) as shared_units
    from parted
),

row_of as (
    select
        bill_month,
        tag_key,
        tag_value,
        'allocated' as status,
        cost as direct_cost,
        (shared_units::decimal(38, 0) * 0.0000000001)::decimal(28, 10) as shared_cost,
        currency
    from spread

    union all

    select
        bill_month,
        tag_key,
        '(unallocated)' as tag_value,
        'unallocated' as status,
        unallocated_cost as direct_cost,
        0::decimal(28, 10) as shared_cost,
        currency
    from pool
    where unallocated_cost <> 0

    union all

    select
        pool.bill_month,
        pool.tag_key,
        '(shared)' as tag_value,
        'shared' as status,
        0::decimal(28, 10) as direct_cost,
        pool.shared_cost,
        pool.currency
    from pool
    where
        pool.shared_cost <> 0
        and not exists (
            select 1 from weighed
            where
                weighed.bill_month = pool.bill_month
                and weighed.tag_key = pool.tag_key
                and weighed.currency = pool.currency
                and weighed.total_weight > 0
        )

    union all

    select
        tagged.bill_month,
        tagged.tag_key,
        '(unknown)' as tag_value,
        -- Used in another month, it is not known why it was not in this one.
        if(
            any_value(state.verdict) in ('active but not used', 'not activated'),
            any_value(state.verdict),
            'not activated or not used'
        ) as status,
        sum(tagged.cost)::decimal(28, 10) as direct_cost,
        0::decimal(28, 10) as shared_cost,
        tagged.currency
    from tagged
    inner join key_use using (bill_month, tag_key)
    left join cost.tag_key_status as state using (tag_key)
    where not key_use.is_used
    group by tagged.bill_month, tagged.tag_key, tagged.currency
),

priced as (
    select
        date_trunc('month', usage_date)::date as bill_month,
        currency,
        if(bool_or(rate is null), null, avg(rate))::decimal(18, 10) as rate
    from cost.exchange_rate
    group by date_trunc('month', usage_date), currency
),

totalled as (
    select
        row_of.*,
        (row_of.direct_cost + row_of.shared_cost)::decimal(28, 10) as unblended_cost,
        sum(row_of.direct_cost + row_of.shared_cost) over same_key as bill,
        sum(row_of.direct_cost + row_of.shared_cost) filter (where row_of.status = 'allocated') over same_key
            as allocated_cost
    from row_of
    window same_key as (partition by row_of.bill_month, row_of.tag_key, row_of.currency)
)

select
    totalled.bill_month as "month",
    totalled.tag_key,
    totalled.tag_value,
    totalled.status,
    totalled.direct_cost,
    totalled.shared_cost,
    totalled.unblended_cost,
    totalled.currency,
    (totalled.unblended_cost / nullif(totalled.bill, 0))::decimal(18, 8) as share,
    if(
        totalled.tag_value = '(unknown)',
        null,
        least(
            100 * coalesce(totalled.allocated_cost, 0) / nullif(totalled.bill, 0),
            -- Nearly all is not all.
            if(totalled.bill > 0 and coalesce(totalled.allocated_cost, 0) < totalled.bill, 99.9999, null)
        )
    )::decimal(18, 4) as allocated_pct,
    (totalled.unblended_cost * priced.rate)::decimal(28, 10) as reporting_cost,
    setting.reporting_currency,
    priced.rate
from totalled
left join priced using (bill_month, currency)
cross join ref.setting as setting
