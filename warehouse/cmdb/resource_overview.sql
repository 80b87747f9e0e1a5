-- One row per configuration item that is not retired: whose it is, what it costs, and whether the internet reaches it.
-- What is not known of the three is NULL or says unknown.
-- materialized: view
-- key: arn
-- arn: Amazon Resource Name.
-- resource_type: AWS's name of the type, such as AWS::EC2::Instance.
-- name: The tag Name, or the service's own name; NULL where it has none.
-- account_id: The account that owns it, 12 digits.
-- account_name: Name of the account; NULL of one that the organisation does not list.
-- region: AWS region; aws-global where the service has none.
-- state: State in the service's own words, such as running; NULL where the type has none.
-- environment: Environment, as in cmdb.resource.
-- business_service: Application that it belongs to, as in cmdb.resource; NULL where none is known.
-- business_owner: Who answers for it, as in cmdb.resource; NULL where nobody is known to.
-- owner_source: Where business_owner comes from: resource tag, account default or none.
-- cost_month: First day of the newest month of the bill; NULL where there is no bill.
-- cost_through_date: Last complete day of the bill in that month; NULL where none is complete yet.
-- month_cost: What cost.resource_cost attributes to it in that month so far, in the currency beside it; NULL where it attributes
--    nothing to it, which is not zero: what no resource explains stands in a row without an ARN there.
-- month_amortized_cost: The same with fees of commitments spread over what they cover; NULL likewise.
-- previous_month_cost: What it attributes to it in the month before; NULL likewise, as in a month before it was first collected.
-- currency: Billing currency, ISO 4217; NULL where both costs are, or where they are of several.
-- cost_attribution: measured, extrapolated or allocated, the least exact of both months and its services; NULL where both costs are.
-- exposure: exposed, not exposed or unknown, the worst of its ways in cmdb.exposure; NULL of types of which none is judged.
-- exposure_reason: What keeps the internet out, or what is not known; NULL where it is exposed.
-- first_seen_at: When it was first collected, UTC.
-- last_seen_at: When it was last collected, UTC.
-- is_stale: True when the newest response of its cell is not trusted: the row shows what was true at last_seen_at.
with newest as (
    select
        max("month") as cost_month,
        arg_max_null(through_date, "month") as cost_through_date
    from cost.month_coverage
    where slice = 'service'
),

spent as (
    select
        cost.arn,
        count(distinct cost.currency) = 1 as is_of_one_currency,
        sum(case when cost."month" = newest.cost_month then cost.cost end)::decimal(28, 10) as month_cost,
        bool_and(cost.amortized_cost is not null or cost."month" < newest.cost_month) as is_amortized,
        sum(case when cost."month" = newest.cost_month then cost.amortized_cost end)::decimal(28, 10)
            as month_amortized_cost,
        sum(case when cost."month" < newest.cost_month then cost.cost end)::decimal(28, 10)
            as previous_month_cost,
        min(cost.currency) as currency,
        -- The least exact is the first of them by its letters too.
        min(cost.attribution) as cost_attribution
    from cost.resource_cost as cost
    inner join newest
        on cost."month" in (newest.cost_month, (newest.cost_month - interval 1 month)::date)
    where cost.arn is not null
    group by cost.arn
),

way as (
    select
        arn,
        verdict,
        reason
    from cmdb.exposure
    union all
    -- What reaches an interface reaches the instance that has it.
    select
        machine.arn,
        entry.verdict,
        entry.reason
    from cmdb.exposure as entry
    inner join aws.ec2_instance as machine
        on
            entry.instance_id = machine.instance_id
            and entry.account_id = machine.account_id
            and entry.region = machine.region
),

worst as (
    select
        arn,
        verdict,
        reason
    from way
    qualify
        row_number() over (
            partition by arn
            order by case verdict when 'exposed' then 1 when 'unknown' then 2 else 3 end asc, reason asc
        ) = 1
),

judged_type as (
    -- prefix: which listings a thing of the type, and the ways into it, are known by.
    select
        type.resource_type,
        type.kind,
        type.prefix
    from
        (
            values
            ('AWS::EC2::Instance', 'address', 'ec2_'),
            ('AWS::EC2::NetworkInterface', 'address', 'ec2_'),
            ('AWS::EC2::Snapshot', 'snapshot', 'ec2_'),
            ('AWS::EC2::Image', 'image', 'ec2_'),
            ('AWS::RDS::DBInstance', 'database', 'rds_'),
            ('AWS::RDS::DBSnapshot', 'snapshot', 'rds_'),
            ('AWS::RDS::DBClusterSnapshot', 'snapshot', 'rds_'),
            ('AWS::Lambda::Function', 'function_url', 'lambda_'),
            ('AWS::S3::Bucket', 'bucket', 's3_')
        ) as type (resource_type, kind, prefix)
),

unlisted as (
    -- A place whose ways in are not listed: aws-global stands for all regions of an account.
    select
        judged_type.resource_type,
        place.account_id,
        place.region,
        min(place.reason) as reason
    from cmdb.finding_exposure_unknown as place
    inner join judged_type
        on
            place.kind = judged_type.kind
            and list_filter(
                place.listings,
                lambda listing: listing = 'ec2_region' or starts_with(listing, judged_type.prefix)
            ) <> []
    where place.entry = ''
    group by judged_type.resource_type, place.account_id, place.region
)

select
    item.arn,
    item.resource_type,
    item.name,
    item.account_id,
    account.account_name,
    item.region,
    item.state,
    item.environment,
    item.business_service,
    item.business_owner,
    item.owner_source,
    newest.cost_month,
    newest.cost_through_date,
    case when spent.is_of_one_currency then spent.month_cost end as month_cost,
    case when spent.is_of_one_currency and spent.is_amortized then spent.month_amortized_cost end
        as month_amortized_cost,
    case when spent.is_of_one_currency then spent.previous_month_cost end as previous_month_cost,
    case when spent.is_of_one_currency then spent.currency end as currency,
    spent.cost_attribution,
    case
        when judged_type.kind is null then worst.verdict
        when worst.verdict = 'exposed' then worst.verdict
        when coalesce(here.reason, everywhere.reason) is not null then 'unknown'
        else coalesce(worst.verdict, 'not exposed')
    end as exposure,
    case
        when worst.verdict = 'exposed' or (judged_type.kind is null and worst.arn is null) then null
        when worst.verdict = 'unknown' then worst.reason
        else coalesce(here.reason, everywhere.reason, worst.reason, 'no way in from the internet is listed')
    end as exposure_reason,
    item.first_seen_at,
    item.last_seen_at,
    item.is_stale
from cmdb.resource as item
cross join newest
left join org.account as account on item.account_id = account.account_id
left join spent on item.arn = spent.arn
left join judged_type on item.resource_type = judged_type.resource_type
left join worst on item.arn = worst.arn
left join unlisted as here
    on
        item.resource_type = here.resource_type
        and item.account_id = here.account_id
        and item.region = here.region
left join unlisted as everywhere
    on
        item.resource_type = everywhere.resource_type
        and item.account_id = everywhere.account_id
        and everywhere.region = 'aws-global'
        and item.region <> 'aws-global'
where item.status <> 'retired'
