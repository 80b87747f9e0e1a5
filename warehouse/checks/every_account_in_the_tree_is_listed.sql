-- Every account that stands in the OU tree is in the list of accounts: a list that lost a page would retire everything
-- that the lost accounts hold.
-- about: stage.account
-- refetch: organizations_account, organizations_account_parent
select
    p.account_id,
    p.parent_id
from stage.organizations_account_parent as p
where
    not p.is_stale
    and p.account_id not in (select a.account_id from stage.organizations_account as a)
