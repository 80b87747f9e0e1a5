-- An organisation that has had instances running for three days or more has a bill: its last seven days are not all
-- zero. Credits may bring each service to zero, but not what was used by record type. A bill that Cost Explorer reports
-- it has not yet is unknown and no zero, and somebody may accept the zero of the newest month.
-- about: published
-- refetch: cost_daily
with service_month as (
    select
        account_id as payer_account_id,
        region as cell_region,
        listing,
        outcome,
        skip_reason,
        accepted_at
    from audit.coverage
    where role = 'billing' and starts_with(listing, 'cost_daily:service:')
),

answered_month as (
    select * from service_month
    where outcome in ('found', 'empty_verified', 'empty_unconfirmed', 'empty_suspect')
    order by listing desc
    limit 1
),

-- No row once a later month has been billed: whoever accepted the zero of an earlier one did not mean this one.
newest_month as (
    select * from answered_month
    where outcome <> 'found'
)

select
    count(*) as running_instance_count,
    min(instance.launched_at) as first_launched_at,
    -- What to do where nobody has been billed yet; nothing where the newest month has rows.
    (
        select
            'if nobody is billed yet: `cmdb accept '
            || concat_ws(' ', newest.payer_account_id, newest.cell_region, newest.listing)
            || ' --reason "not billed yet"`, then `cmdb nightly`'
        from newest_month as newest
    ) as way_on
from aws.ec2_instance as instance
inner join org.account as account on instance.account_id = account.account_id and account.state = 'ACTIVE'
where
    instance.state = 'running'
    and not instance.is_stale
    and instance.launched_at < current_date - interval 3 days
    -- Of an organisation of yesterday Cost Explorer knows nothing yet.
    and account.joined_at < current_date - interval 3 days
    and not exists (
        select 1
        from cost.daily as cost
        where
            -- By account and service Cost Explorer nets a credit with the use that it pays; by record type it does not.
            cost.slice in ('service', 'record_type')
            and cost.unblended_cost <> 0
            and cost.usage_date >= (select max(newest.usage_date) - 7 from cost.daily as newest)
    )
    and (
        not exists (select 1 from service_month)
        or exists (
            select 1
            from service_month as one
            where coalesce(one.skip_reason, '') not in ('no_cost_data', 'no_longer_asked')
        )
    )
    and not exists (
        select 1
        from newest_month as newest
        where newest.accepted_at is not null
    )
having count(*) > 0
