-- The bill by day, account, region and usage, in the names of ref.unit_price: what a saving is held against. Not part of the
-- public interface; read cost.by_usage_type.
-- materialized: view
-- key: usage_date, account_id, region, usage
-- usage_date: Day of use (UTC).
-- account_id: The linked account, 12 digits.
-- region: AWS region, by ref.region_code.
-- usage: The usage type without the code of its region, as ref.unit_price names it; a Multi-AZ database's as a single one's.
-- unblended_cost: What it cost, in the currency beside it: nothing where a reservation or a plan covers it.
-- currency: Billing currency, ISO 4217.
with coded as (
    select
        daily.usage_date,
        daily.account_id,
        daily.unblended_cost,
        daily.currency,
        coalesce(code.region, 'us-east-1') as region,
        case
            when code.code is null then daily.dimension_value else
                substr(daily.dimension_value, len(code.code) + 2)
        end as billed_usage
    from cost.daily as daily
    left join ref.region_code as code on split_part(daily.dimension_value, '-', 1) = code.code
    where daily.slice = 'usage_type'
)

select
    usage_date,
    account_id,
    region,
    case
        when billed_usage = 'EBS:VolumeUsage' then 'EBS:VolumeUsage.standard'
        when billed_usage = 'ElasticIP:IdleAddress' then 'PublicIPv4:IdleAddress'
        when starts_with(billed_usage, 'Multi-AZUsage:')
            then replace(billed_usage, 'Multi-AZUsage:', 'InstanceUsage:')
        when starts_with(billed_usage, 'RDS:Multi-AZ-') then replace(billed_usage, 'RDS:Multi-AZ-', 'RDS:')
        when starts_with(billed_usage, 'EBS:') then replace(billed_usage, '.piops', '.io1')
        else billed_usage
    end as "usage",
    sum(unblended_cost)::decimal(28, 10) as unblended_cost,
    any_value(currency) as currency
from coded
group by all
