-- Every cell by account and region: how many were to be requested, and how many responses can be trusted. What AWS or the
-- organisation's own settings make pointless to request counts as neither. The sixty accounts
-- with most that cannot be trusted are shown one by one, the others together.
with cell as (
    select
        account_id,
        region,
        is_trusted,
        outcome,
        coalesce(skip_reason, '') in (
            'account_left',
            'caller_changed',
            'delivered_by_month',
            'denied_by_policy',
            'no_parents',
            'no_resource_policy',
            'not_compared',
            'not_offered',
            'not_requested',
            'parent_gone',
            'policy_type_not_enabled',
            'region_not_enabled',
            'region_not_selected',
            'requested_elsewhere'
        ) as is_pointless
    from audit.coverage
),

asked as (
    select
        account_id,
        region,
        count(*) filter (where not is_pointless) as cell_count,
        count(*) filter (where is_trusted and not is_pointless) as trusted_count,
        count(*) filter (where outcome = 'skipped' and not is_pointless) as not_requested_count,
        count(*) filter (where is_pointless) as pointless_count
    from cell
    group by account_id, region
),

ranked as (
    select
        account_id,
        row_number() over (
            order by sum(cell_count - trusted_count) desc, sum(cell_count) desc, account_id asc
        ) as place
    from asked
    group by account_id
)

select
    least(ranked.place, 61) as place,
    case when ranked.place <= 60 then asked.account_id end as account_id,
    any_value(account.account_name) filter (where ranked.place <= 60) as account_name,
    asked.region,
    count(distinct asked.account_id) as account_count,
    sum(asked.cell_count)::bigint as cell_count,
    sum(asked.trusted_count)::bigint as trusted_count,
    sum(asked.not_requested_count)::bigint as not_requested_count,
    sum(asked.pointless_count)::bigint as pointless_count
from asked
inner join ranked using (account_id)
left join org.account as account using (account_id)
group by least(ranked.place, 61), case when ranked.place <= 60 then asked.account_id end, asked.region
order by place, asked.region
