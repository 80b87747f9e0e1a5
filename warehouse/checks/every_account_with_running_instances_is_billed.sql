-- Every active account that has had an instance running for three days or more appears in the bill: a bill of one
-- member account, or of another organisation, is small but not empty.
-- about: published
-- refetch: cost_daily
select
    i.account_id,
    count(*) as running_instance_count
from aws.ec2_instance as i
inner join org.account as a on i.account_id = a.account_id and a.state = 'ACTIVE'
where
    i.state = 'running'
    and not i.is_stale
    and i.launched_at < current_date - interval 3 days
    -- An account that was invited yesterday brings old instances, and no bill yet.
    and a.joined_at < current_date - interval 3 days
    -- A bill without any row is the_bill_is_not_zero's.
    and exists (
        select 1
        from cost.daily as whole
        where whole.slice = 'service'
    )
    and not exists (
        select 1
        from cost.daily as d
        where
            d.account_id = i.account_id
            and d.slice = 'service'
            and d.usage_date >= current_date - interval 40 days
    )
group by i.account_id
