-- What extended support of old database versions costs, by month, account and usage type: AWS charges it by the hour once standard
-- support of a version has ended. cmdb.end_of_life has the databases that it is for: join account_id, region, engine = product and
-- major_version. The bill does not say which of several it was. The same money as in the by_ views: never add it to them.
-- materialized: view
-- rests_on: slices=usage_type because the others show the same money
-- key: month, account_id, usage_type, currency
-- month: First day of the month.
-- account_id: The linked account, 12 digits.
-- usage_type: AWS's code, such as APS2-ExtendedSupport:Yr1-Yr2:PostgreSQL12.
-- region: Region of its prefix; NULL where that is not known.
-- engine: Engine in RDS's words, such as postgres; NULL for one that is not known.
-- major_version: Major version in RDS's words, such as 12 or 5.7; NULL where the code names none.
-- year: Year of extended support that the price is of: Yr1-Yr2, or Yr3, which costs more.
-- unblended_cost: What it cost, in the billing currency.
-- currency: Billing currency, ISO 4217.
-- reporting_unblended_cost: The same in the reporting currency; NULL where a day has no rate.
-- reporting_currency: The currency of CMDB_CURRENCY, ISO 4217.
-- through_date: Last day of the month on which it was billed.
-- is_estimated: True while AWS may still change an amount.
with billed as (
    select
        date_trunc('month', usage_date)::date as month,
        account_id,
        dimension_value as usage_type,
        regexp_extract(
            dimension_value,
            '^(?:([A-Z]+[0-9]?)-)?(?:ASv2-)?ExtendedSupport:(Yr[^:]+):(?:ASv2:)?([A-Za-z]+)([0-9.]*)$',
            ['code', 'year', 'product', 'version']
        ) as part,
        usage_date,
        unblended_cost,
        currency,
        reporting_unblended_cost,
        reporting_currency,
        is_estimated
    from stage.reported_cost
    where slice = 'usage_type' and contains(dimension_value, 'ExtendedSupport:') and unblended_cost <> 0
)

select
    billed.month,
    billed.account_id,
    billed.usage_type,
    any_value(place.region) as region,
    any_value(case billed.part.product
        when 'PostgreSQL' then 'postgres'
        when 'MySQL' then 'mysql'
        when 'AuroraPostgreSQL' then 'aurora-postgresql'
        when 'AuroraMySQL' then 'aurora-mysql'
    end) as engine,
    -- AWS numbers the versions of Aurora MySQL here, and names the MySQL that they are compatible with elsewhere.
    any_value(case
        when billed.part.product = 'AuroraMySQL' and billed.part.version = '2' then '5.7'
        when billed.part.product = 'AuroraMySQL' and billed.part.version = '3' then '8.0'
        else nullif(billed.part.version, '')
    end) as major_version,
    any_value(nullif(billed.part.year, '')) as year,
    sum(billed.unblended_cost)::decimal(28, 10) as unblended_cost,
    billed.currency,
    case
        when count(billed.reporting_unblended_cost) = count(*)
            then sum(billed.reporting_unblended_cost)
    end::decimal(28, 10) as reporting_unblended_cost,
    any_value(billed.reporting_currency) as reporting_currency,
    max(billed.usage_date) as through_date,
    bool_or(billed.is_estimated) as is_estimated
from billed
left join ref.region_code as place on billed.part.code = place.code
group by billed.month, billed.account_id, billed.usage_type, billed.currency
