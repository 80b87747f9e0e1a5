-- One row per resource group whose tags could be read: an optional grant.
-- key: group_arn
-- group_arn: ARN of the group.
-- tags: Tags of the group; an empty map where it has none.
select
    item.Arn as group_arn,
    item.Tags as tags,
    cell.*
from landing('resource_group_tag', 'STRUCT(Arn VARCHAR, Tags MAP(VARCHAR, VARCHAR))')
