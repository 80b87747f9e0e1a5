-- One row per launch template: what instances, fleets and Auto Scaling groups are launched from.
-- key: arn
-- resource: id=launch_template_id created=created_at attributes=launch_template_name, default_version, latest_version,
--   created_by, managed_by
-- arn: Amazon Resource Name, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- launch_template_id: Id, such as lt-0123456789abcdef0.
-- launch_template_name: Its own name.
-- name: Value of the tag Name, else its own name.
-- default_version: Number of the version that is launched where none is named.
-- latest_version: Number of the newest version.
-- created_by: ARN of who made it.
-- managed_by: The service of AWS that manages it; NULL where none does.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'launch-template/' || item.LaunchTemplateId) as arn,
    account_id,
    region,
    item.LaunchTemplateId as launch_template_id,
    item.LaunchTemplateName as launch_template_name,
    coalesce(nullif(tag_map(item.Tags)['Name'], ''), item.LaunchTemplateName) as name,
    item.DefaultVersionNumber as default_version,
    item.LatestVersionNumber as latest_version,
    item.CreatedBy as created_by,
    item.Operator.Principal as managed_by,
    item.CreateTime as created_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_launch_template',
        'STRUCT(
        LaunchTemplateId VARCHAR, LaunchTemplateName VARCHAR, DefaultVersionNumber BIGINT, LatestVersionNumber BIGINT,
        CreatedBy VARCHAR, CreateTime TIMESTAMPTZ, Operator STRUCT(Principal VARCHAR),
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
