-- An organisation that has had instances running for three days or more has a bill: its last seven days are not all
-- zero. Credits may bring the sum to zero, but not each amount.
-- about: published
-- refetch: cost_daily
select
    count(*) as running_instance_count,
    min(instance.launched_at) as first_launched_at
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
            cost.slice = 'service'
            and cost.unblended_cost <> 0
            and cost.usage_date >= (select max(newest.usage_date) - 7 from cost.daily as newest)
    )
having count(*) > 0
