-- One row per account of the organisation and region: what the Config aggregators of the operations account cover of it,
-- beside what is collected directly. What they know and collection did not see is cmdb.aggregator_unseen.
-- key: account_id, region
-- account_id: The AWS account, 12 digits; active ones only.
-- region: AWS region that is collected there, or that Config knows; aws-global for an account of which neither is known.
-- account_name: Name of the account.
-- is_covered: Whether an aggregator knows anything there; NULL where no aggregator could be read (an optional grant).
-- config_resource_count: Resources that Config knows there, of all types; NULL where is_covered is.
-- resource_count: Resources that direct collection knows there and that are not retired; NULL where no response was ever trusted.
-- unseen_count: Resources that Config knows and direct collection did not see, as in cmdb.aggregator_unseen; NULL where is_covered is.
-- unjudged_count: Resources that Config knows, of types that are collected, of which nobody can say whether direct collection
--    would see them: their listing has no trusted response there, or Config's own is stale. NULL where is_covered is.
-- last_captured_at: When Config last recorded anything there, UTC; NULL where it knows nothing.
with aggregator as (
    -- Every aggregator has listed its resources once, or there is none.
    select
        coalesce(bool_or(listing = 'config_aggregator' and last_trusted_at is not null), false)
        and not coalesce(
            bool_or(
                listing <> 'config_aggregator'
                and last_trusted_at is null
                and coalesce(skip_reason, '') not in ('no_parents', 'parent_gone')
            ),
            false
        ) as is_known
    from audit.coverage
    where split_part(listing, ':', 1) in ('config_aggregator', 'config_resource')
),

member as (
    select
        account_id,
        account_name
    from org.account
    where state = 'ACTIVE'
),

asked as (
    select distinct
        account_id,
        region
    from audit.coverage
    where role in ('operations', 'workload') and region <> 'aws-global' and outcome <> 'skipped'
),

answered as (
    select distinct
        account_id,
        region
    from audit.coverage
    where role in ('operations', 'workload') and last_trusted_at is not null
),

config as (
    select
        account_id,
        region,
        count(*) as config_resource_count,
        max(captured_at) as last_captured_at
    from aws.config_resource
    where region <> 'global'
    group by all
),

collected as (
    select
        account_id,
        region,
        count(*) as resource_count
    from cmdb.resource
    where status <> 'retired' and discovered_by = 'listing'
    group by all
),

unseen as (
    select
        account_id,
        region,
        count(*) as unseen_count
    from cmdb.aggregator_unseen
    group by all
),

-- Whatever was ever seen of a type names the listing that shows it.
listed as (
    select distinct
        resource_type,
        split_part(listing, ':', 1) as listing
    from cmdb.resource
    where discovered_by = 'listing'
),

trusted as (
    select distinct
        cell.account_id,
        cell.region,
        listed.resource_type
    from audit.coverage as cell
    inner join listed on cell.listing = listed.listing
    where cell.is_known
),

unjudged as (
    select
        known.account_id,
        known.region,
        count(distinct known.arn) as unjudged_count
    from aws.config_resource as known
    semi join listed on known.resource_type = listed.resource_type
    left join trusted
        on
            known.account_id = trusted.account_id
            and known.resource_type = trusted.resource_type
            and trusted.region in (known.region, 'aws-global')
    where
        (known.is_stale or trusted.account_id is null)
        and coalesce(known.state, '') not like 'ResourceDeleted%'
    group by known.account_id, known.region
),

place as (
    select
        account_id,
        region
    from asked
    union
    select
        account_id,
        region
    from config
),

placed as (
    select
        member.account_id,
        member.account_name,
        coalesce(place.region, 'aws-global') as region
    from member
    left join place using (account_id)
)

select
    placed.account_id,
    placed.region,
    placed.account_name,
    if(aggregator.is_known, config.account_id is not null, null) as is_covered,
    if(aggregator.is_known, coalesce(config.config_resource_count, 0), null) as config_resource_count,
    if(answered.account_id is null, null, coalesce(collected.resource_count, 0)) as resource_count,
    if(aggregator.is_known, coalesce(unseen.unseen_count, 0), null) as unseen_count,
    if(aggregator.is_known, coalesce(unjudged.unjudged_count, 0), null) as unjudged_count,
    config.last_captured_at
from placed
cross join aggregator
left join answered using (account_id, region)
left join config using (account_id, region)
left join collected using (account_id, region)
left join unseen using (account_id, region)
left join unjudged using (account_id, region)
