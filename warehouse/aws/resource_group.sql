-- One row per resource group of the operations account. What it holds is aws.resource_group_member.
-- key: arn
-- resource: id=name attributes=description, query_type
-- arn: ARN of the group.
-- account_id: The AWS account of the group, 12 digits, text because some begin with 0.
-- region: AWS region.
-- name: Name of the group.
-- description: Description of the group; NULL where it has none.
-- query_type: TAG_FILTERS_1_0 or CLOUDFORMATION_STACK_1_0; NULL where the query could not be read (an optional grant), and
--    where the group has none.
-- query: What it collects, JSON; NULL where query_type is.
-- tags: Tags of the group; an empty map where it has none, NULL where they could not be read: an optional grant.
with listed as (
    select
        item.GroupArn as arn,
        account_id,
        region,
        item.GroupName as name,
        item.Description as description,
        cell.*
    from landing('resource_group', 'STRUCT(GroupName VARCHAR, GroupArn VARCHAR, Description VARCHAR)')
)

select
    listed.*,
    query.query_type,
    query.query,
    tag.tags
from listed
left join stage.resource_group_query as query
    on
        listed.account_id = query.account_id
        and listed.region = query.region
        and listed.name = query.group_name
left join stage.resource_group_tag as tag on listed.arn = tag.group_arn
