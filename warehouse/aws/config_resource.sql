-- One row per resource that the Config aggregators of the operations account know, of all accounts and types that
-- they record: an optional grant. A second witness beside what is collected directly; see cmdb.aggregator_coverage. A resource
-- that several aggregators know stands once.
-- key: arn
-- owner: account_id
-- arn: ARN of the resource; where Config records none, built of the type and Config's id.
-- account_id: The AWS account of the resource, 12 digits, text because some begin with 0.
-- region: AWS region of the resource; global where its service has none.
-- resource_type: AWS's name of the type, such as AWS::EC2::Instance.
-- resource_id: Config's id of the resource, such as i-0123456789abcdef0.
-- name: Name as Config records it; NULL where it has none.
-- availability_zone: Availability zone, or Config's words where there is none: Regional, Not Applicable, Multiple
--    Availability Zones.
-- created_at: When the resource was made, UTC; NULL where Config does not report it.
-- captured_at: When Config last recorded it, UTC.
-- state: OK, ResourceDiscovered, ResourceNotRecorded, …: Config's status of the item.
-- tags: Tags as Config records them; an empty map where it records none, NULL where it has no data.
select
    coalesce(
        item.arn,
        aws_arn('config', item."awsRegion", item."accountId", item."resourceType" || '/' || item."resourceId")
    ) as arn,
    item."accountId" as account_id,
    item."awsRegion" as region,
    item."resourceType" as resource_type,
    item."resourceId" as resource_id,
    item."resourceName" as name,
    item."availabilityZone" as availability_zone,
    item."resourceCreationTime" as created_at,
    item."configurationItemCaptureTime" as captured_at,
    item."configurationItemStatus" as state,
    if(
        item.tags is null,
        null,
        map_from_entries(list_transform(item.tags, lambda tag: { 'k': tag."key", 'v': tag."value" }))
    ) as tags,
    cell.*
from landing(
        'config_resource',
        'STRUCT(
        arn VARCHAR, accountId VARCHAR, awsRegion VARCHAR, resourceType VARCHAR, resourceId VARCHAR,
        resourceName VARCHAR, availabilityZone VARCHAR, resourceCreationTime TIMESTAMPTZ,
        configurationItemCaptureTime TIMESTAMPTZ, configurationItemStatus VARCHAR,
        tags STRUCT("key" VARCHAR, "value" VARCHAR)[]
    )'
    )
-- Where the recorders of several regions record global resources, one aggregator lists them several times.
qualify
    row_number() over (
        partition by arn, cell.cell_region, cell.listing
        order by item."configurationItemCaptureTime" desc, item."awsRegion" asc
    ) = 1
