-- One row per security group, the default group of each VPC included. What other accounts see of it, they list too: it
-- stands here once, under its owner. Its rules are aws.ec2_security_group_rule.
-- key: arn
-- resource: id=security_group_id attributes=vpc_id, description, is_default
-- owner: account_id
-- arn: Amazon Resource Name, built from owner, region and id.
-- account_id: The AWS account that owns the group: 12 digits, text because some begin with 0.
-- region: AWS region.
-- security_group_id: Id, such as sg-0123456789abcdef0.
-- name: Name of the group, which never changes; the tag Name, if any, is among the tags.
-- description: Description of the group; an empty text is none.
-- vpc_id: The VPC that it is part of.
-- is_default: True for the group that AWS makes in each VPC and that nobody can delete.
-- tags: Tags; an empty map where it has none, NULL where only other accounts listed it, which AWS does not show them.
select
    aws_arn('ec2', region, item.OwnerId, 'security-group/' || item.GroupId) as arn,
    item.OwnerId as account_id,
    region,
    item.GroupId as security_group_id,
    item.GroupName as name,
    item.Description as description,
    item.VpcId as vpc_id,
    coalesce(item.GroupName = 'default', false) as is_default,
    if(item.OwnerId = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_security_group',
        'STRUCT(
        OwnerId VARCHAR, GroupId VARCHAR, GroupName VARCHAR, Description VARCHAR, VpcId VARCHAR,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
