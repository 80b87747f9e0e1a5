-- The cells whose response cannot be trusted, by name: what is unknown is never shown as nothing. The worst come first.
with cell as (
    select
        *,
        coalesce(nullif(skip_reason, ''), nullif(error_code, ''), outcome) as reason
    from audit.coverage
    where
        not is_trusted
        and coalesce(skip_reason, '') not in (
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
        )
)

select
    cell.role,
    cell.account_id,
    any_value(account.account_name) as account_name,
    cell.region,
    cell.outcome,
    cell.reason,
    count(*) as cell_count,
    string_agg(cell.listing, ', ' order by cell.listing) as listings,
    max(cell.last_trusted_at) as last_trusted_at,
    count(*) over () as of_count,
    -- Of all cells, also of those beyond the limit.
    (sum(count(*)) filter (where cell.outcome <> 'skipped') over ())::bigint as untrusted_count,
    list_sort(
        list(distinct cell.outcome) filter (where cell.outcome <> 'skipped') over ()
    ) as untrusted_outcomes,
    (
        sum(count(*)) filter (where cell.reason = 'request_limit' and cell.role = 'billing') over ()
    )::bigint as limited_bill_count,
    (
        sum(count(*)) filter (where cell.reason = 'request_limit' and cell.role <> 'billing') over ()
    )::bigint as limited_metric_count
from cell
left join org.account as account using (account_id)
group by cell.role, cell.account_id, cell.region, cell.outcome, cell.reason
order by
    list_position(
        ['wrong_account', 'empty_suspect', 'denied', 'failed', 'empty_unconfirmed', 'skipped'], cell.outcome
    ) asc,
    cell_count desc, cell.account_id asc, cell.region asc
limit 60
