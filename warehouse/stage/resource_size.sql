-- How large each configuration item was in each month of the bill, by the weights of ref.cost_weight, as far as the history of
-- the items says. Not part of the public interface; read cost.resource_cost.
-- materialized: view
-- key: month, service, arn
-- month: First day of the month.
-- service: The service's name in the bill.
-- account_id: The AWS account that owns it, 12 digits, text because some begin with 0.
-- arn: Amazon Resource Name.
-- weight: Hours × size in whole quarters of a second, so that nothing is rounded; NULL where its size is not known.
with bill_month as (
    select
        date_trunc('month', usage_date)::date as start_date,
        max(usage_date) + 1 as end_date
    from cost.daily
    where slice = 'service'
    group by date_trunc('month', usage_date)
),

life as (
    select
        version.arn,
        version.account_id,
        version.status,
        version.valid_to,
        version.attributes,
        item.resource_type,
        -- AWS says of some that they were there, or ran, before they were first seen.
        case
            when row_number() over (partition by version.arn order by version.valid_from) = 1
                then least(version.valid_from, item.created_at)
            else version.valid_from
        end as valid_from
    from cmdb.resource_version as version
    inner join cmdb.resource as item using (arn)
    where
        item.resource_type in (select weight.resource_type from ref.cost_weight as weight)
),

sized as (
    select
        arn,
        account_id,
        valid_from,
        valid_to,
        resource_type,
        attributes ->> '$.state' as state,
        case attributes ->> '$.engine'
            when 'neptune' then 'Amazon Neptune'
            when 'docdb' then 'Amazon DocumentDB (with MongoDB compatibility)'
        end as other_service,
        regexp_extract(
            coalesce(attributes ->> '$.instance_type', attributes ->> '$.instance_class'), '([^.]+)$', 1
        ) as size,
        case when (attributes ->> '$.is_multi_az')::boolean then 2 else 1 end as copies,
        (attributes ->> '$.size_gb')::bigint as size_gb
    from life
    where status = 'active'
),

factored as (
    select
        *,
        -- AWS's normalization factors, in quarters: a small one counts 1.
        copies * case
            when size = 'nano' then 1
            when size = 'micro' then 2
            when size = 'small' then 4
            when size = 'medium' then 8
            when size = 'large' then 16
            when size = 'xlarge' then 32
            when regexp_matches(size, '^\d+xlarge$') then 32 * regexp_extract(size, '^\d+')::bigint
        end as size_factor
    from sized
),

used as (
    select
        bill_month.start_date,
        weight.service,
        factored.account_id,
        factored.arn,
        factored.state,
        date_diff(
            'second',
            greatest(factored.valid_from, bill_month.start_date::timestamp at time zone 'UTC'),
            least(
                coalesce(factored.valid_to, 'infinity'::timestamptz),
                bill_month.end_date::timestamp at time zone 'UTC'
            )
        ) as seconds,
        case
            when weight.weight = 'gb_hours'
                then 4 * factored.size_gb
            else factored.size_factor
        end as per_second
    from factored
    inner join ref.cost_weight as weight
        on
            factored.resource_type = weight.resource_type
            and coalesce(factored.other_service, weight.service) = weight.service
    inner join bill_month
        on
            factored.valid_from < bill_month.end_date::timestamp at time zone 'UTC'
            and coalesce(factored.valid_to, 'infinity'::timestamptz)
            > bill_month.start_date::timestamp at time zone 'UTC'
    where
        case factored.resource_type
            when 'AWS::EC2::Instance' then factored.state = 'running'
            when 'AWS::RDS::DBInstance' then factored.state <> 'stopped'
            else true
        end
)

select
    start_date as "month",
    service,
    account_id,
    arn,
    -- One that is of no known size for a part of the month is of none.
    case
        when bool_or(per_second is null)
            then null
        else sum(seconds::hugeint * per_second)
    end::hugeint as weight
from used
where seconds > 0
group by start_date, service, account_id, arn
