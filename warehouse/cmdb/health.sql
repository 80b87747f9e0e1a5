-- One row per day, figure and scope: how far the configuration items can be relied on. Earlier days are kept.
-- rests_on: with=workload because its coverage counts every listing of the accounts
-- materialized: full_from_previous
-- key: as_of_date, kpi, scope
-- as_of_date: Day (UTC) of the newest response about configuration items, trusted or not.
-- kpi: completeness, correctness, staleness, orphan, duplicate, ownership, coverage or uninventoried_spend.
-- scope: organisation, or the type of resource that the figure is about, such as AWS::EC2::Instance.
-- value: Percent of judged_count that is as it should be, of uninventoried_spend of judged_cost: 100 is best for every figure,
--    and is shown only where nothing is at fault; NULL where nothing could be judged.
-- at_fault_count: What is not as it should be, in the unit of the figure.
-- judged_count: What could be judged.
-- unknown_count: What could not, and is in no other count.
-- at_fault_cost: Of uninventoried_spend, which is read from cost.explained_spend, what at_fault_count cost in the last seven complete days, in the currency beside it; else NULL.
-- judged_cost: The same of judged_count.
-- unknown_cost: The same of unknown_count.
-- currency: Billing currency, ISO 4217; NULL of other figures.
-- unit: resource, relation, account, or account, service and verdict: what of a service has resources and what has none count apart.
-- description: What is at fault.
with as_of as (
    -- A run that learned nothing is a day of its own too.
    select
        greatest(
            (select max(last_seen_at) from cmdb.resource),
            (
                select max(ended_at) from audit.coverage
                where role in ('operations', 'workload')
            )
        )::date as as_of_date
),

item as (
    select
        resource.*,
        class.required_attributes,
        if(
            starts_with(resource.resource_type, 'AWS::EC2::'),
            '',
            resource.account_id || ' ' || resource.region
        ) as id_space
    from cmdb.resource as resource
    left join ref.resource_class as class using (resource_type)
    where resource.status <> 'retired'
),

listed as (
    select *
    from item
    where discovered_by = 'listing'
),

recorded as (
    -- What the Config aggregator has of types that are collected: the second opinion on what is listed.
    select
        known.arn,
        item.arn is not null as is_collected,
        unseen.arn is not null as is_unseen,
        coalesce(item.resource_type, known.resource_type) as resource_type,
        coalesce(known.state, '') like 'ResourceDeleted%' as is_deleted,
        item.account_id = known.account_id and item.region = known.region as is_same
    from aws.config_resource as known
    left join listed as item on known.arn = item.arn
    left join cmdb.aggregator_unseen as unseen on known.arn = unseen.arn
    where not known.is_stale
),

same_id as (
    select
        resource_type,
        count(*) as item_count
    from item
    group by resource_type, id_space, resource_id
),

judged_item as (
    select
        item.resource_type,
        'completeness' as kpi,
        item.required_attributes is null as is_unknown,
        len(
            list_filter(
                coalesce(item.required_attributes, []),
                lambda wanted: case wanted
                    when 'name' then item.name
                    when 'state' then item.state
                    when 'availability_zone' then item.availability_zone
                    when 'created_at' then item.created_at::varchar
                    else item.attributes ->> ('$.' || wanted)
                end is null
            )
        ) > 0 as is_at_fault
    from item
    union all
    select
        item.resource_type,
        'staleness' as kpi,
        false as is_unknown,
        item.is_stale as is_at_fault
    from item
    union all
    select
        item.resource_type,
        'ownership' as kpi,
        item.owner_source = 'none' and item.tags is null as is_unknown,
        item.owner_source = 'none' as is_at_fault
    from item
    union all
    select
        recorded.resource_type,
        'correctness' as kpi,
        false as is_unknown,
        recorded.is_unseen or not coalesce(recorded.is_same, false) as is_at_fault
    from recorded
    where recorded.is_collected or recorded.is_unseen
    union all
    select
        item.resource_type,
        'correctness' as kpi,
        true as is_unknown,
        false as is_at_fault
    from listed as item
    anti join recorded using (arn)
    union all
    -- What Config knows where nobody can tell whether collection would show it.
    select
        recorded.resource_type,
        'correctness' as kpi,
        true as is_unknown,
        false as is_at_fault
    from recorded
    semi join listed on recorded.resource_type = listed.resource_type
    where not recorded.is_collected and not recorded.is_unseen and not recorded.is_deleted
),

account_cell as (
    select
        account.account_id,
        account.state,
        coalesce(bool_and(cell.is_judged) filter (
            where
            cell.outcome is distinct from 'skipped' or cell.skip_reason in ('no_profile', 'account_suspended')
        ), false) as is_covered,
        -- What a policy, a setting or a limit leaves out may hold something. What nobody granted is not meant to be there.
        coalesce(bool_or(not cell.is_judged) filter (
            where
            cell.outcome = 'skipped'
            and cell.skip_reason not in
            ('no_profile', 'account_suspended', 'optional_grant_not_given', 'not_requested')
        ), false) as is_left_out_in_part
    from org.account as account
    left join audit.expected_cell as cell
        on account.account_id = cell.account_id and cell.role in ('operations', 'workload')
    group by account.account_id, account.state
),

orphan as (
    -- What is not inventoried may be there all the same where its account is not covered.
    select
        held.from_arn,
        held.relation,
        held.to_arn,
        bool_or(
            held.reason = 'retired'
            or (held.reason = 'not inventoried' and coalesce(account_cell.is_covered, true))
        ) as is_at_fault
    from cmdb.orphan_relationship as held
    left join account_cell on held.account_id = account_cell.account_id
    group by held.from_arn, held.relation, held.to_arn
),

-- Millions of items have few verdicts: they are counted before anything is joined.
counted_item as (
    select
        resource_type,
        kpi,
        is_unknown,
        is_at_fault,
        count(*) as judged_count
    from judged_item
    group by all
    union all
    -- The first of each id is none that stands once more.
    select
        resource_type,
        'duplicate' as kpi,
        false as is_unknown,
        unnest([false, true]) as is_at_fault,
        unnest([count(*), sum(item_count) - count(*)]) as judged_count
    from same_id
    group by resource_type
),

judged as (
    select
        kpi,
        unnest(['organisation', resource_type]) as scope,
        'resource' as unit,
        is_unknown,
        is_at_fault,
        judged_count,
        null::decimal(28, 10) as cost,
        null as currency
    from counted_item
    union all
    select
        'orphan' as kpi,
        'organisation' as scope,
        'relation' as unit,
        coalesce(not orphan.is_at_fault, false) as is_unknown,
        coalesce(orphan.is_at_fault, false) as is_at_fault,
        count(*) as judged_count,
        null as cost,
        null as currency
    from cmdb.relationship as held
    left join orphan using (from_arn, relation, to_arn)
    where held.ended_at is null
    group by all
    union all
    select
        'coverage' as kpi,
        'organisation' as scope,
        'account' as unit,
        is_covered and is_left_out_in_part as is_unknown,
        not is_covered as is_at_fault,
        1 as judged_count,
        null as cost,
        null as currency
    from account_cell
    where state = 'ACTIVE'
    union all
    select
        'uninventoried_spend' as kpi,
        'organisation' as scope,
        'account, service and verdict' as unit,
        verdict = 'unknown' as is_unknown,
        verdict in ('not inventoried', 'no listing') as is_at_fault,
        1 as judged_count,
        unblended_cost as cost,
        currency
    from stage.inventoried_spend
),

figure as (
    select unnest(
        [
            {
                'kpi': 'completeness',
                'unit': 'resource',
                'description': 'Lacks an attribute that ref.resource_class requires of its type'
            },
            {
                'kpi': 'correctness',
                'unit': 'resource',
                'description': 'The Config aggregator knows it, and collection does not or has it elsewhere'
            },
            {
                'kpi': 'staleness',
                'unit': 'resource',
                'description': 'The newest response about it is not trusted'
            },
            {
                'kpi': 'orphan',
                'unit': 'relation',
                'description': 'Leads to something that is retired or not inventoried'
            },
            { 'kpi': 'duplicate', 'unit': 'resource', 'description': 'Stands once more under another ARN' },
            {
                'kpi': 'ownership',
                'unit': 'resource',
                'description': 'Has no owner, neither by tag nor by its account'
            },
            {
                'kpi': 'coverage',
                'unit': 'account',
                'description': 'Active, and no profile reaches it or a response about it is not trusted'
            },
            {
                'kpi': 'uninventoried_spend',
                'unit': 'account, service and verdict',
                'description': 'Costs money, and its listings show nothing or nothing lists it; by money'
            }
        ],
        recursive := true
    )
),

counted as (
    select
        figure.kpi,
        coalesce(judged.scope, 'organisation') as scope,
        figure.unit,
        figure.description,
        coalesce(sum(judged.judged_count) filter (
            where
            judged.is_at_fault and not judged.is_unknown
        ), 0)::bigint as at_fault_count,
        coalesce(sum(judged.judged_count) filter (where not judged.is_unknown), 0)::bigint as judged_count,
        coalesce(sum(judged.judged_count) filter (where judged.is_unknown), 0)::bigint as unknown_count,
        sum(judged.cost) filter (where judged.is_at_fault and not judged.is_unknown) as at_fault_cost,
        sum(judged.cost) filter (where not judged.is_unknown) as judged_cost,
        sum(judged.cost) filter (where judged.is_unknown) as unknown_cost,
        any_value(judged.currency) as currency
    from figure
    left join judged using (kpi)
    group by all
),

today as (
    select
        as_of.as_of_date,
        counted.kpi,
        counted.scope,
        case
            when counted.judged_count = 0 then null
            when counted.at_fault_count = 0 then 100
            -- Rounded down: what lacks the least is no hundred percent.
            when counted.kpi = 'uninventoried_spend'
                then floor(10000 * (counted.judged_cost - counted.at_fault_cost) / counted.judged_cost) / 100
            else floor(10000 * (counted.judged_count - counted.at_fault_count) / counted.judged_count) / 100
        end::decimal(18, 2) as value,
        counted.at_fault_count,
        counted.judged_count,
        counted.unknown_count,
        counted.at_fault_cost::decimal(28, 10) as at_fault_cost,
        counted.judged_cost::decimal(28, 10) as judged_cost,
        counted.unknown_cost::decimal(28, 10) as unknown_cost,
        counted.currency,
        counted.unit,
        counted.description
    from counted
    cross join as_of
    where as_of.as_of_date is not null
)

select * from today
union all by name
select before.*
from cmdb.health as before
where before.as_of_date not in (select today.as_of_date from today)
