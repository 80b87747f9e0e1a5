-- One row per resource group that has a query, where it could be read: an optional grant.
-- key: account_id, region, group_name
-- account_id: The AWS account of the group, 12 digits.
-- region: AWS region of the group.
-- group_name: Name of the group.
-- query_type: TAG_FILTERS_1_0 or CLOUDFORMATION_STACK_1_0.
-- query: The query, JSON.
select
    account_id,
    region,
    item."Group" as group_name,
    item.ResourceQuery."Type" as query_type,
    item.ResourceQuery.Query::json as query,
    cell.*
from landing(
        'resource_group_query',
        'STRUCT("Group" VARCHAR, ErrorCode VARCHAR, ResourceQuery STRUCT("Type" VARCHAR, Query VARCHAR))'
    )
where item.ErrorCode is null
