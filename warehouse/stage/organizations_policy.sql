-- Policies as organizations:ListPolicies gave them, requested once per policy type. Not part of the public interface; read
-- org.policy.
-- key: policy_id
-- policy_id: Id of the policy, such as p-0123abcd.
-- arn: ARN of the policy; its owner is the management account, or aws.
-- policy_name: Name as its author wrote it.
-- policy_type: Policy type, such as SERVICE_CONTROL_POLICY.
-- description: Description as its author wrote it; may be empty.
-- is_aws_managed: True where AWS wrote the policy.
select
    item.Id as policy_id,
    item.Arn as arn,
    item.Name as policy_name,
    coalesce(item.Type, parameter) as policy_type,
    item.Description as description,
    item.AwsManaged as is_aws_managed,
    cell.*
from landing(
        'organizations_policy',
        'STRUCT(
        Id VARCHAR, Arn VARCHAR, "Name" VARCHAR, "Type" VARCHAR, Description VARCHAR, AwsManaged BOOLEAN
    )'
    )
