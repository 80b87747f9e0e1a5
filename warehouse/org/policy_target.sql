-- One row per policy and root, OU or account that it is attached to itself. What an account inherits from above stands
-- in org.account_policy.
-- key: policy_id, target_id
-- policy_id: Id of the policy, such as p-0123abcd.
-- policy_name: Name as its author wrote it.
-- policy_type: Policy type, such as SERVICE_CONTROL_POLICY.
-- target_id: Id of the root, OU or account.
-- target_type: ROOT, ORGANIZATIONAL_UNIT or ACCOUNT.
-- target_name: Name of the root, OU or account.
-- is_stale: True when the newest response about the policy's targets is not trusted: the row is the last that was.
-- collected_at: When the response was complete, UTC.
-- run_id: The run that collected it; leads to audit.collection.
-- listing: The listing that it came in, with its policy; leads to audit.collection.
select
    target.policy_id,
    policy.policy_name,
    policy.policy_type,
    target.target_id,
    target.target_type,
    target.target_name,
    target.is_stale,
    target.collected_at,
    target.run_id,
    target.listing
from stage.organizations_policy_target as target
inner join stage.organizations_policy as policy using (policy_id)
