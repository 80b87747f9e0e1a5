-- Every listed account has its place in the OU tree.
-- about: org.account
-- refetch: organizations_account, organizations_account_parent, organizations_organizational_unit, organizations_root
select
    account_id,
    account_name,
    state
from org.account
where ou_path is null and state <> 'LEFT'
