-- What each policy is attached to, as organizations:ListTargetsForPolicy gave it. Not part of the public interface;
-- read org.policy_target.
-- key: policy_id, target_id
-- policy_id: Id of the policy, such as p-0123abcd.
-- target_id: Id of the root, OU or account that it is attached to.
-- target_type: ROOT, ORGANIZATIONAL_UNIT or ACCOUNT.
-- target_name: Name of the target as AWS gave it with the attachment.
select
    parameter as policy_id,
    item.TargetId as target_id,
    item.Type as target_type,
    item.Name as target_name,
    cell.*
from landing('organizations_policy_target', 'STRUCT(TargetId VARCHAR, "Type" VARCHAR, "Name" VARCHAR)')
