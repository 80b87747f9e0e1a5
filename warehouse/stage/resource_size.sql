-- How large each configuration item was in each month of the bill, by the weights of ref.cost_weight, as far as the history of
-- the items shows: hours at the list price of its type; where ref.unit_price has none, at that of its family by AWS's
-- normalization factors; where it has none of the family, at the middle price of all families. Not part of the public
-- interface; read cost.resource_cost.
-- materialized: view
-- key: month, service, arn
-- month: First day of the month.
-- service: The service's name in the bill.
-- account_id: The AWS account that owns it, 12 digits, text because some begin with 0.
-- arn: Amazon Resource Name.
-- weight: Seconds × price of an hour in whole units of 1e-10, so that nothing is rounded; NULL where its size is not known.
-- list_cost: The same in the currency of ref.unit_price: what it would cost at list prices.
-- basis: price, family or size: what the weakest of its prices rests on.
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
        version.attributes ->> '$.state' as state,
        version.attributes ->> '$.engine' as engine,
        version.attributes ->> '$.instance_type' as instance_type,
        version.attributes ->> '$.instance_class' as instance_class,
        version.attributes ->> '$.volume_type' as volume_type,
        (version.attributes ->> '$.is_multi_az')::boolean as is_multi_az,
        (version.attributes ->> '$.size_gb')::bigint as size_gb,
        item.resource_type,
        item.region,
        -- AWS reports of some that they were there, or ran, before they were first seen.
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

described as (
    select
        arn,
        account_id,
        valid_from,
        valid_to,
        resource_type,
        region,
        state,
        case engine
            when 'neptune' then 'Amazon Neptune'
            when 'docdb' then 'Amazon DocumentDB (with MongoDB compatibility)'
        end as other_service,
        case resource_type
            when 'AWS::EC2::Instance' then 'BoxUsage:' || instance_type
            when 'AWS::RDS::DBInstance' then 'InstanceUsage:' || instance_class || '/' || engine
            when 'AWS::EC2::Volume' then 'EBS:VolumeUsage.' || volume_type
        end as usage,
        case when is_multi_az then 2 else 1 end as copies,
        size_gb
    from life
    where status = 'active'
),

-- A type is of a family and a size, such as BoxUsage:m5 and large; a volume is of a kind, and of its own size.
listed as (
    select
        usage,
        region,
        amount,
        valid_from,
        regexp_extract(usage, '^([A-Za-z]+:(?:db\.)?)', 1) as kind,
        regexp_extract(usage, '^([A-Za-z]+:(?:db\.)?[^./]+)', 1) as family,
        regexp_extract(usage, '\.([^./]+)(?:/.*)?$', 1) as size
    from ref.unit_price
    where starts_with(usage, 'BoxUsage:') or starts_with(usage, 'InstanceUsage:db.')
    union all
    select
        usage,
        region,
        amount,
        valid_from,
        'EBS:VolumeUsage' as kind,
        usage as family,
        'small' as size
    from ref.unit_price
    where starts_with(usage, 'EBS:VolumeUsage.')
),

-- AWS's normalization factors, in quarters: a small one counts 1.
factor as (
    select
        named.size,
        case
            when named.size = 'nano' then 1
            when named.size = 'micro' then 2
            when named.size = 'small' then 4
            when named.size = 'medium' then 8
            when named.size = 'large' then 16
            when named.size = 'xlarge' then 32
            when regexp_matches(named.size, '^\d+xlarge$')
                then 32 * regexp_extract(named.size, '^\d+')::bigint
        end as quarters
    from (
        select listed.size from listed
        union
        select regexp_extract(described.usage, '\.([^./]+)(?:/.*)?$', 1) as size from described
    ) as named
),

priced as (
    select
        listed.usage,
        listed.region,
        listed.kind,
        listed.family,
        max_by(listed.amount, listed.valid_from) as amount,
        max_by(listed.amount, listed.valid_from) / any_value(factor.quarters) as amount_of_quarter
    from listed
    left join factor using (size)
    group by listed.usage, listed.region, listed.kind, listed.family
),

family_price as (
    select
        family,
        region,
        median(amount_of_quarter) as amount_of_quarter
    from priced
    group by family, region
),

kind_price as (
    select
        kind,
        median(amount_of_quarter) as amount_of_quarter
    from priced
    where region is null
    group by kind
),

sized as (
    select
        described.*,
        case when described.resource_type = 'AWS::EC2::Volume' then 4 else factor.quarters end as quarters,
        case
            when described.resource_type = 'AWS::EC2::Volume' then described.size_gb
            else described.copies
        end as quantity,
        regexp_extract(described.usage, '^([A-Za-z]+:(?:db\.)?[^./]+)', 1) as instance_family
    from described
    left join factor on regexp_extract(described.usage, '\.([^./]+)(?:/.*)?$', 1) = factor.size
),

-- A price of a month is one of 730 hours.
rated as (
    select
        sized.*,
        coalesce(own.amount, anywhere.amount) as type_amount,
        coalesce(family_own.amount_of_quarter, family_anywhere.amount_of_quarter) * sized.quarters
            as family_amount,
        kind_price.amount_of_quarter * sized.quarters as kind_amount,
        case when sized.resource_type = 'AWS::EC2::Volume' then 730 else 1 end as hours_of_price
    from sized
    left join priced as own on sized.usage = own.usage and sized.region = own.region
    left join priced as anywhere on sized.usage = anywhere.usage and anywhere.region is null
    left join family_price as family_own
        on sized.instance_family = family_own.family and sized.region = family_own.region
    left join family_price as family_anywhere
        on sized.instance_family = family_anywhere.family and family_anywhere.region is null
    left join kind_price
        on
            kind_price.kind = case sized.resource_type
                when 'AWS::EC2::Instance' then 'BoxUsage:'
                when 'AWS::RDS::DBInstance' then 'InstanceUsage:db.'
                else 'EBS:VolumeUsage'
            end
),

used as (
    select
        bill_month.start_date,
        weight.service,
        rated.account_id,
        rated.arn,
        date_diff(
            'second',
            greatest(rated.valid_from, bill_month.start_date::timestamp at time zone 'UTC'),
            least(
                coalesce(rated.valid_to, 'infinity'::timestamptz),
                bill_month.end_date::timestamp at time zone 'UTC'
            )
        ) as seconds,
        (
            coalesce(rated.type_amount, rated.family_amount, rated.kind_amount)
            * rated.quantity / rated.hours_of_price * 10000000000
        )::hugeint as per_hour,
        case
            when rated.type_amount is not null then 'price'
            when rated.family_amount is not null then 'family'
            when rated.kind_amount is not null then 'size'
        end as basis
    from rated
    inner join ref.cost_weight as weight
        on
            rated.resource_type = weight.resource_type
            and coalesce(rated.other_service, weight.service) = weight.service
    inner join bill_month
        on
            rated.valid_from < bill_month.end_date::timestamp at time zone 'UTC'
            and coalesce(rated.valid_to, 'infinity'::timestamptz)
            > bill_month.start_date::timestamp at time zone 'UTC'
    where
        case rated.resource_type
            when 'AWS::EC2::Instance' then rated.state = 'running'
            when 'AWS::RDS::DBInstance' then rated.state <> 'stopped'
            else true
        end
),

summed as (
    select
        start_date,
        service,
        account_id,
        arn,
        -- One that is of no known size for a part of the month is of none.
        case when bool_or(per_hour is null) then null else sum(seconds::hugeint * per_hour) end::hugeint
            as weight,
        max_by(basis, list_position(['price', 'family', 'size'], basis)) as basis
    from used
    where seconds > 0
    group by start_date, service, account_id, arn
)

select
    start_date as "month",
    service,
    account_id,
    arn,
    weight,
    (weight::double / 36000000000000)::decimal(28, 4) as list_cost,
    basis
from summed
