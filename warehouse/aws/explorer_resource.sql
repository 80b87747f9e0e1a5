-- One row per resource of any account in the view of Resource Explorer that CMDB_EXPLORER_VIEW names: an optional grant. Services
-- whose listings show what there is are left out. The view has what Resource Explorer indexes, in accounts and regions in which it is
-- turned on: an addition to cmdb.resource, never an inventory.
-- key: arn
-- owner: account_id
-- arn: ARN of the resource.
-- account_id: The AWS account that owns it, 12 digits, text because some begin with 0.
-- region: AWS region of the resource; global where its service has none.
-- service: Service in Resource Explorer's words, such as dynamodb.
-- explorer_type: Resource Explorer's name of the type, such as dynamodb:table.
-- resource_type: CloudFormation's name of the type, such as AWS::DynamoDB::Table; NULL where Resource Explorer gives none.
-- last_reported_at: When Resource Explorer last looked at the resource, UTC; NULL where it does not report it.
-- tags: Tags, where the view includes them and the resource has any; NULL where they are not known.
select
    item."Arn" as arn,
    item."OwningAccountId" as account_id,
    item."Region" as region,
    item."Service" as service,
    item."ResourceType" as explorer_type,
    item."CfnResourceType" as resource_type,
    item."LastReportedAt" as last_reported_at,
    -- Properties of other names have other shapes.
    map_from_entries(
        list_transform(
            from_json(
                list_filter(item."Properties", lambda property: property."Name" = 'tags')[1]."Data",
                '[{"Key": "VARCHAR", "Value": "VARCHAR"}]'
            ),
            lambda tag: { 'k': tag."Key", 'v': tag."Value" }
        )
    ) as tags,
    cell.*
from landing(
        'explorer_resource',
        'STRUCT(
        Arn VARCHAR, OwningAccountId VARCHAR, Region VARCHAR, Service VARCHAR, ResourceType VARCHAR,
        CfnResourceType VARCHAR, LastReportedAt TIMESTAMPTZ, Properties STRUCT("Name" VARCHAR, "Data" JSON)[]
    )'
    )
qualify
    row_number() over (
        partition by arn, cell.cell_region, cell.listing
        order by item."LastReportedAt" desc nulls last, item."ResourceType" asc
    ) = 1
