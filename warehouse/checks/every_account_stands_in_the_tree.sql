-- Every listed account has its place in the OU tree.
-- about: org.account
select
    account_id,
    account_name,
    state
from org.account
where ou_path is null and state <> 'LEFT'
