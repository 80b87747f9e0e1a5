-- One row per FPGA image that the account owns: a logic that instances with such chips load. Those that others share are not
-- requested.
-- key: arn
-- resource: id=fpga_image_id state=state created=created_at gone=failed, unavailable attributes=fpga_image_global_id,
--   description, is_public, instance_types, state_message
-- arn: Amazon Resource Name, built from owner, region and id, since EC2 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- fpga_image_id: Id, such as afi-0123456789abcdef0.
-- fpga_image_global_id: Id by which instances load it, the same in all regions.
-- name: Name; NULL where it has none.
-- description: What its maker wrote; NULL where nothing.
-- state: pending, available, failed or unavailable.
-- state_message: Why it failed; NULL where it did not.
-- is_public: True where every AWS account may load it.
-- instance_types: Instance types that can load it, sorted.
-- created_at: When it was made, UTC.
-- updated_at: When it changed last, UTC.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, item.OwnerId, 'fpga-image/' || item.FpgaImageId) as arn,
    item.OwnerId as account_id,
    region,
    item.FpgaImageId as fpga_image_id,
    item.FpgaImageGlobalId as fpga_image_global_id,
    item.Name as name,
    item.Description as description,
    item."State".Code as state,
    item."State".Message as state_message,
    coalesce(item.Public, false) as is_public,
    list_sort(coalesce(item.InstanceTypes, [])) as instance_types,
    item.CreateTime as created_at,
    item.UpdateTime as updated_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_fpga_image',
        'STRUCT(
        OwnerId VARCHAR, FpgaImageId VARCHAR, FpgaImageGlobalId VARCHAR, "Name" VARCHAR, Description VARCHAR,
        "State" STRUCT(Code VARCHAR, Message VARCHAR), Public BOOLEAN, InstanceTypes VARCHAR[],
        CreateTime TIMESTAMPTZ, UpdateTime TIMESTAMPTZ, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
