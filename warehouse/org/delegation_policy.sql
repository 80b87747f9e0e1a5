-- The organisation's resource policy, by which the management account delegates the administration of policies: one
-- row, or none where the organisation has no such policy.
-- key: policy_id
-- policy_id: Id of the resource policy, such as rp-0123abcd.
-- arn: ARN of the resource policy.
-- document: The policy, JSON.
select
    item.ResourcePolicySummary.Id as policy_id,
    item.ResourcePolicySummary.Arn as arn,
    item.Content::json as document,
    cell.*
from landing(
        'organizations_resource_policy',
        'STRUCT(ResourcePolicySummary STRUCT(Id VARCHAR, Arn VARCHAR), Content VARCHAR)'
    )
