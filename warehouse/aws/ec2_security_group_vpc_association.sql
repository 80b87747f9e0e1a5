-- One row per security group and further VPC in which it can be used: the group's own VPC is in aws.ec2_security_group. A group that
-- other accounts see is listed there too: it stands here once for each VPC. It is requested where there is a network interface.
-- key: arn, vpc_id
-- owner: account_id
-- arn: Amazon Resource Name of the group, built from its owner, region and id.
-- account_id: The AWS account that owns the group: 12 digits, text because some begin with 0.
-- region: AWS region.
-- security_group_id: The group.
-- vpc_id: VPC in which it can be used.
-- vpc_owner_id: Account that owns this VPC; NULL where AWS does not say.
-- state: associating, associated, association-failed, disassociating, disassociated or disassociation-failed.
-- state_reason: Why it is in this state; NULL where AWS does not say.
select
    aws_arn('ec2', region, coalesce(item.GroupOwnerId, account_id), 'security-group/' || item.GroupId) as arn,
    coalesce(item.GroupOwnerId, account_id) as account_id,
    region,
    item.GroupId as security_group_id,
    item.VpcId as vpc_id,
    item.VpcOwnerId as vpc_owner_id,
    item."State" as state,
    item.StateReason as state_reason,
    cell.*
from landing(
        'ec2_security_group_vpc_association',
        'STRUCT(
        GroupOwnerId VARCHAR, GroupId VARCHAR, VpcId VARCHAR, VpcOwnerId VARCHAR, "State" VARCHAR, StateReason VARCHAR
    )'
    )
