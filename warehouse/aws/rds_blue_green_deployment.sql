-- One row per blue/green deployment: a copy of a database that is prepared for a switch, and costs as much again.
-- key: arn
-- resource: id=blue_green_deployment_id state=status created=created_at gone=SWITCHOVER_COMPLETED attributes=source_arn,
--   target_arn, status_details
-- arn: Amazon Resource Name, built from account, region and id, since RDS returns none.
-- account_id: The AWS account of the request: 12 digits, text because some begin with 0.
-- region: AWS region.
-- blue_green_deployment_id: Id, such as bgd-0123456789abcdef.
-- name: Name that people gave it.
-- status: PROVISIONING, AVAILABLE, SWITCHOVER_IN_PROGRESS, SWITCHOVER_COMPLETED and others. After the switch the old
--    database is one like any other.
-- status_details: More about it; NULL where there is none.
-- source_arn: Database that is in use.
-- target_arn: Copy of it; NULL while there is none.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('rds', region, account_id, 'deployment:' || item.BlueGreenDeploymentIdentifier) as arn,
    account_id,
    region,
    item.BlueGreenDeploymentIdentifier as blue_green_deployment_id,
    item.BlueGreenDeploymentName as name,
    item.Status as status,
    nullif(item.StatusDetails, '') as status_details,
    item.Source as source_arn,
    nullif(item.Target, '') as target_arn,
    item.CreateTime as created_at,
    tag_map(item.TagList) as tags,
    cell.*
from landing(
        'rds_blue_green_deployment',
        'STRUCT(
        BlueGreenDeploymentIdentifier VARCHAR, BlueGreenDeploymentName VARCHAR, Status VARCHAR, StatusDetails VARCHAR,
        Source VARCHAR, Target VARCHAR, CreateTime TIMESTAMPTZ,
        TagList STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
