-- Every active account that joined more than two days ago has a row in the bill of the last forty days, or nothing in
-- it that was found: what no profile reaches is not known to be empty.
-- about: published
-- severity: warn
select
    account.account_id,
    account.account_name,
    account.joined_at,
    account.has_profile
from org.account as account
where
    account.state = 'ACTIVE'
    and account.joined_at < current_date - interval 2 days
    and not exists (
        select 1
        from cost.daily as cost
        where
            cost.slice = 'service'
            and cost.account_id = account.account_id
            and cost.usage_date >= current_date - interval 40 days
    )
    and (
        not account.has_profile
        or exists (
            select 1
            from cmdb.resource as resource
            where resource.account_id = account.account_id and resource.status = 'active'
        )
    )
