-- What extended support of old database versions will cost, by list price × vCPUs: a row per database that has it, or whose standard
-- support ends within a year. RDS goes over to it by itself; where a database has that turned off there is no row. An estimate as if the
-- database ran all hours, without discounts; what was billed is in cost.extended_support. Where there is no price or no size there is no
-- amount, and the reason.
-- materialized: view
-- rests_on: without=ec2_instance_type, ec2_instance, lambda_function, cost_daily because an amount without a size or a rate is NULL, and the others are no databases
-- key: arn
-- arn: The database instance.
-- account_id: The AWS account that owns it, 12 digits.
-- region: AWS region.
-- name: Its identifier.
-- engine: Engine in RDS's words, such as postgres.
-- major_version: The version that the dates are of, such as 12.
-- instance_class: Class and size, such as db.m6g.large.
-- status: State in RDS's own words: one that is stopped costs this once it runs again.
-- vcpu_count: vCPUs that are charged, with those of the standby of a Multi-AZ database; NULL where they are not known.
-- standard_support_until: Last day of standard support.
-- extended_support_until: Last day of extended support; NULL where no source has it.
-- charged_from: First day that is charged: the day after standard support, or as_of_date once that has passed.
-- year_three_from: First day of the higher price of the third year; NULL of Aurora MySQL, which has none.
-- monthly_cost: Cost of 730 hours at the price of charged_from, in the currency beside it; NULL where it cannot be reckoned.
-- next_year_cost: Cost of the 365 days from as_of_date on that are charged, each at the price of its day, in the currency beside it; NULL where it cannot be reckoned.
-- currency: Currency of the prices, ISO 4217; NULL without one.
-- reporting_monthly_cost: monthly_cost in the reporting currency, by the newest rate; NULL where there is no rate.
-- reporting_next_year_cost: next_year_cost in the reporting currency, by the newest rate; NULL where there is no rate.
-- reporting_currency: The currency of CMDB_CURRENCY, ISO 4217.
-- estimate_basis: How it was reckoned, or why it was not.
-- as_of_date: Day, UTC, on which the database was collected.
-- is_stale: True where the newest response about the database is not trusted.
with size as (
    select
        instance_type,
        max_by(vcpu_count, collected_at) as vcpu_count
    from aws.ec2_instance_type
    group by instance_type
),

affected as (
    select
        thing.*,
        database.instance_class,
        database.status,
        size.vcpu_count * case when database.is_multi_az then 2 else 1 end as vcpu_count,
        greatest(thing.standard_support_until + 1, thing.as_of_date) as charged_from,
        -- AWS charges Aurora MySQL the price of the first years to the end.
        case
            when thing.product <> 'aurora-mysql'
                then (thing.standard_support_until + interval 2 years)::date + 1
        end as year_three_from,
        -- Where nobody knows the end, it lasts.
        least(thing.as_of_date + 365, thing.extended_support_until + 1) as year_end
    from cmdb.end_of_life as thing
    inner join aws.rds_db_instance as database on thing.arn = database.arn
    left join size on database.instance_class = 'db.' || size.instance_type
    where
        thing.kind = 'engine'
        and thing.product in ('mysql', 'postgres', 'aurora-mysql', 'aurora-postgresql')
        and thing.has_extended_support is distinct from false
        and thing.standard_support_until < thing.as_of_date + 365
        -- Of a version that is extended, but nobody says until when, the state is unknown.
        and (
            thing.extended_support_until >= greatest(thing.as_of_date, thing.standard_support_until + 1)
            or (thing.extended_support_until is null and thing.state = 'unknown')
        )
),

price as (
    select
        affected.arn,
        price."usage" = 'ExtendedSupport:Yr3' as is_of_year_three,
        price.amount,
        price.currency,
        price.region is null as is_default
    from affected
    inner join ref.unit_price as price
        on
            price.service = 'AmazonRDS'
            and price."usage" in ('ExtendedSupport:Yr1-Yr2', 'ExtendedSupport:Yr3')
            and coalesce(price.region, affected.region) = affected.region
            and affected.as_of_date >= price.valid_from
    qualify
        row_number() over (
            partition by affected.arn, price."usage"
            order by price.region asc nulls last, price.valid_from desc
        ) = 1
),

reckoned as (
    select
        affected.*,
        case
            when affected.charged_from >= affected.year_three_from then late.amount
            else early.amount
        end as hourly,
        case
            when affected.charged_from >= affected.year_three_from then late.is_default
            else early.is_default
        end as is_default,
        early.amount as early_hourly,
        late.amount as late_hourly,
        early.currency,
        case
            when affected.instance_class = 'db.serverless'
                then 'Aurora Serverless is charged by the capacity that it uses'
            when affected.vcpu_count is null then 'no list of instance types has its vCPUs'
            when early.amount is null or late.amount is null then 'ref.unit_price has no price'
            when early.currency <> late.currency then 'the prices are in two currencies'
        end as gap,
        greatest(0, least(affected.year_end, affected.year_three_from) - affected.charged_from) as early_days,
        case
            when affected.year_three_from is null then 0
            else greatest(0, affected.year_end - greatest(affected.charged_from, affected.year_three_from))
        end as late_days
    from affected
    left join price as early on affected.arn = early.arn and not early.is_of_year_three
    left join price as late on affected.arn = late.arn and late.is_of_year_three
)

select
    one.arn,
    one.account_id,
    one.region,
    one.name,
    one.product as engine,
    one.major_version,
    one.instance_class,
    one.status,
    one.vcpu_count,
    one.standard_support_until,
    one.extended_support_until,
    one.charged_from,
    one.year_three_from,
    case when one.gap is null then 730 * one.vcpu_count * one.hourly end::decimal(28, 10) as monthly_cost,
    case
        when one.gap is null
            then 24 * one.vcpu_count * (one.early_days * one.early_hourly + one.late_days * one.late_hourly)
    end::decimal(28, 10) as next_year_cost,
    case when one.gap is null then one.currency end as currency,
    (monthly_cost * rate.rate)::decimal(28, 10) as reporting_monthly_cost,
    (next_year_cost * rate.rate)::decimal(28, 10) as reporting_next_year_cost,
    setting.reporting_currency,
    coalesce(
        one.gap,
        one.vcpu_count
        || ' vCPU at '
        || one.currency
        || ' '
        || rtrim(rtrim(one.hourly::varchar, '0'), '.')
        || ' an hour'
        || case when one.is_default then ' (default price)' else '' end
    ) as estimate_basis,
    one.as_of_date,
    one.is_stale
from reckoned as one
cross join ref.setting as setting
left join stage.newest_rate as rate on one.currency = rate.currency
