-- Every root, OU and account that a policy is attached to is known. FullAWSAccess is attached to all of them, so this is
-- also a second witness that none is missing from the tree. An account that came in between is known by the next run.
-- about: org.policy_target
-- refetch: organizations_account, organizations_organizational_unit, organizations_root, organizations_policy_target
select
    target.policy_id,
    target.target_id,
    target.target_type,
    target.target_name
from org.policy_target as target
where
    not target.is_stale
    and target.target_id not in (
        select root_id from org.root
        union all
        select ou_id from org.organizational_unit
        union all
        select account_id from org.account
        where state <> 'LEFT'
    )
