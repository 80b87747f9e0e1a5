-- One row per day and figure by which governance judges the organisation, with the judgement of that day. The figures, their
-- thresholds and the query that shows each one's evidence are ref.kpi_threshold.
-- rests_on: slices=service because of the others only the newest day is read
-- materialized: full_from_previous
-- key: as_of_date, kpi
-- as_of_date: Day (UTC) on which AWS gave the list of accounts that the figure is about.
-- kpi: Name of the figure, such as scp_coverage_pct; ref.kpi_threshold defines it.
-- value: The figure, in its unit, a percentage rounded to its worse side; NULL where there is nothing to measure it by, such as services without ref.approved_service, and owners without a key of ref.tag_key.
-- unit: account, service or percent.
-- verdict: green, amber or red; unknown where cells that it rests on are unknown and it could change with them: faults that are
--    counted can only become more, so amber and red stand. NULL where there is no threshold, or nothing to measure it by.
-- scope: Cells that the figure rests on, as in audit.claim: what ought to have been requested. NULL of days before it was counted.
-- judged: Cells of these whose response counts.
-- unknown: Cells of these that are unknown.
-- unknown_reason: Why they are unknown, with how many each; NULL where none is.
-- thresholds: The thresholds of the judgement, in words.
-- evidence: The query whose rows show what the value counts, or what a percentage lacks: run it with cmdb sql.
with as_of as (
    select max(collected_at)::date as as_of_date
    from org.account
),

named_owner as (
    select account.account_id
    from org.account as account
    inner join ref.tag_key as wanted
        on wanted.resource_column = 'business_owner' and trim(account.tags[wanted.tag_key]) <> ''
),

member as (
    select
        account.*,
        account.account_id in (
            select reaching.account_id from org.account_policy as reaching
            where reaching.policy_type = 'SERVICE_CONTROL_POLICY' and reaching.is_effective
        ) as has_scp,
        account.account_id in (select named.account_id from named_owner as named) as has_owner
    from org.account as account
    where account.state <> 'LEFT'
),

suspended_cost as (
    select spent.account_id
    from cost.daily as spent
    inner join member using (account_id)
    where
        -- A closed account is SUSPENDED in Organizations' older Status, and CLOSED in State.
        member.state in ('SUSPENDED', 'PENDING_CLOSURE', 'CLOSED')
        and spent.slice = 'service'
        and spent.usage_date > (select max(newest.usage_date) - 30 from cost.daily as newest)
    group by spent.account_id
    having sum(spent.unblended_cost) > 0
),

domain_administrator as (
    select
        approved.domain,
        administrator.account_id
    from org.delegated_administrator as administrator
    inner join ref.approved_service as approved using (service_principal)
),

judged_domain as (
    select 'security' as domain
    union all
    select 'finance' as domain
    union all
    select 'network' as domain
),

own as (
    -- What the organisation has said nothing about is not judged.
    select
        (select count(*) > 0 from ref.approved_service) as has_services,
        (
            select count(*) > 0 from ref.tag_key
            where resource_column = 'business_owner'
        ) as has_owner_key
),

measured as (
    select
        'delegated_administrators_' || judged_domain.domain as kpi,
        if(
            own.has_services, count(distinct domain_administrator.account_id), null
        )::decimal(18, 2) as value
    from judged_domain
    cross join own
    left join domain_administrator using (domain)
    group by judged_domain.domain, own.has_services

    union all

    select
        'scp_coverage_pct' as kpi,
        -- A percentage is rounded to its worse side. Its thresholds have two places too, so that it is judged as
        -- the counts would be.
        (floor(10000 * count(*) filter (where has_scp) / nullif(count(*), 0)) / 100)::decimal(18, 2) as value
    from member
    where state = 'ACTIVE' and not is_management

    union all

    select
        'accounts_under_root' as kpi,
        count(*)::decimal(18, 2) as value
    from member
    where ou_path = '/' and not is_management

    union all

    select
        'unapproved_services' as kpi,
        if(
            own.has_services,
            (
                select count(*) from org.enabled_service
                anti join ref.approved_service using (service_principal)
            ),
            null
        )::decimal(18, 2) as value
    from own

    union all

    select
        'accounts_without_owner_pct' as kpi,
        (
            ceil(
                10000 * count(*) filter (where not has_owner)
                / nullif(count(*) filter (where own.has_owner_key), 0)
            ) / 100
        )::decimal(18, 2) as value
    from member
    cross join own
    -- Tags that could not be read are unknown, not absent.
    where state = 'ACTIVE' and tags is not null

    union all

    select
        'suspended_accounts_with_cost' as kpi,
        count(*)::decimal(18, 2) as value
    from suspended_cost
),

place as (
    select unnest([
        'organizations_account',
        'organizations_account_parent',
        'organizations_organizational_unit',
        'organizations_root'
    ]) as listing
),

rests_on as (
    select
        'delegated_administrators_' || judged_domain.domain as kpi,
        unnest(['organizations_delegated_administrator', 'organizations_delegated_service']) as listing
    from judged_domain
    union all
    select
        unnest(['accounts_under_root', 'scp_coverage_pct']) as kpi,
        listing
    from place
    union all
    select
        'scp_coverage_pct' as kpi,
        unnest([
            'organizations_root_policy_type',
            'organizations_policy',
            'organizations_policy_content',
            'organizations_policy_target'
        ]) as listing
    union all
    select
        'unapproved_services' as kpi,
        'organizations_enabled_service' as listing
    union all
    select
        'accounts_without_owner_pct' as kpi,
        unnest(['organizations_account', 'organizations_account_tag']) as listing
    union all
    select
        'suspended_accounts_with_cost' as kpi,
        unnest(['organizations_account', 'cost_daily']) as listing
),

cell as (
    select
        rests_on.kpi,
        expected.unknown_reason,
        count(*) as cells
    from rests_on
    inner join audit.expected_cell as expected on rests_on.listing = expected.listing_name
    cross join as_of
    where
        expected.listing_name <> 'cost_daily'
        -- The figure is about thirty days.
        or (
            expected.part = 'service'
            and right(expected.listing, 7) >= strftime(as_of.as_of_date - interval 31 day, '%Y-%m')
        )
    group by all
),

coverage as (
    select
        kpi,
        sum(cells)::bigint as scope,
        coalesce(sum(cells) filter (where unknown_reason is null), 0)::bigint as judged,
        coalesce(sum(cells) filter (where unknown_reason is not null), 0)::bigint as unknown,
        string_agg(
            unknown_reason || ' ' || cells,
            ', '
            order by cells desc, unknown_reason asc
        ) filter (where unknown_reason is not null) as unknown_reason
    from cell
    group by kpi
),

by_threshold as (
    select
        as_of.as_of_date,
        measured.kpi,
        measured.value,
        threshold.unit,
        case
            when measured.value is null or threshold.kpi is null then null
            when
                measured.value >= coalesce(threshold.green_min, measured.value)
                and measured.value <= coalesce(threshold.green_max, measured.value)
                then 'green'
            when
                coalesce(threshold.amber_min, threshold.amber_max) is not null
                and measured.value >= coalesce(threshold.amber_min, measured.value)
                and measured.value <= coalesce(threshold.amber_max, measured.value)
                then 'amber'
            else 'red'
        end as verdict,
        'green'
        || coalesce(format(' from {:g}', threshold.green_min::double), '')
        || coalesce(format(' to {:g}', threshold.green_max::double), '')
        || if(coalesce(threshold.amber_min, threshold.amber_max) is null, '', ', amber')
        || coalesce(format(' from {:g}', threshold.amber_min::double), '')
        || coalesce(format(' to {:g}', threshold.amber_max::double), '')
        || ', else red' as thresholds,
        threshold.evidence,
        threshold.kpi is not null as is_judged,
        -- More knowledge only adds to what is counted against it.
        coalesce(threshold.unit <> 'percent' and threshold.green_min is null, false) as is_count_of_faults
    from measured
    cross join as_of
    left join ref.kpi_threshold as threshold using (kpi)
    where as_of.as_of_date is not null
),

judged as (
    select
        measured.* exclude (is_judged, is_count_of_faults, verdict),
        case
            when
                measured.is_judged
                and coverage.unknown > 0
                and not coalesce(measured.is_count_of_faults and measured.verdict in ('amber', 'red'), false)
                then 'unknown'
            else measured.verdict
        end as verdict,
        coalesce(coverage.scope, 0) as scope,
        coalesce(coverage.judged, 0) as judged,
        coalesce(coverage.unknown, 0) as unknown,
        coverage.unknown_reason
    from by_threshold as measured
    left join coverage using (kpi)
)

select * from judged
union all by name
select before.*
from org.governance_kpi as before
anti join judged using (as_of_date, kpi)
