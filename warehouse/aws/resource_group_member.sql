-- One row per resource that a resource group of the operations account holds. A group whose members could not be read,
-- such as one of a stack that is gone, has no row here: its cell in audit.coverage is skipped as group_unresolved.
-- key: group_arn, arn
-- group_arn: ARN of the group.
-- arn: ARN of the member.
-- account_id: The AWS account of the group, 12 digits, text because some begin with 0.
-- region: AWS region of the group.
-- group_name: Name of the group.
-- resource_type: AWS's name of the member's type, such as AWS::EC2::Instance.
select
    aws_arn('resource-groups', region, account_id, 'group/' || parameter) as group_arn,
    item.ResourceArn as arn,
    account_id,
    region,
    parameter as group_name,
    item.ResourceType as resource_type,
    cell.*
from landing('resource_group_member', 'STRUCT(ResourceArn VARCHAR, ResourceType VARCHAR)')
