-- One row per instance with the machine image that it was launched from, whoever owns the image, and also where it is deprecated,
-- deregistered or no longer shared; aws.ec2_image has the own ones alone. Listed when an instance runs an image that is
-- new in its account and region, and every seven nights: a younger instance of a known image has its row by then, and its image_id in aws.ec2_instance at once.
-- key: arn
-- arn: Amazon Resource Name of the instance, built from owner, region and id, since EC2 returns none.
-- account_id: The AWS account that owns the instance: 12 digits, text because some begin with 0.
-- region: AWS region.
-- instance_id: Id of the instance.
-- image_id: Id of the image, such as ami-0123456789abcdef0; NULL where AWS does not report it.
-- image_owner_id: The AWS account that owns the image, 12 digits; NULL where AWS does not report it.
-- image_owner_alias: amazon, aws-backup-vault or aws-marketplace; NULL for any other owner.
-- image_name: Name of the image; NULL where AWS does not report it.
-- image_state: pending, available, invalid, deregistered, transient, failed, error or disabled.
-- is_public: Whether everybody may launch it; NULL where AWS does not report it.
-- is_allowed: Whether the account's criteria for allowed images admit it; NULL where AWS does not report it.
-- image_created_at: When the image was made, UTC.
-- deprecated_at: When the image is or was deprecated, UTC; NULL where it never is, or AWS does not report it.
select
    aws_arn('ec2', region, coalesce(item.OwnerId, account_id), 'instance/' || item.InstanceId) as arn,
    coalesce(item.OwnerId, account_id) as account_id,
    region,
    item.InstanceId as instance_id,
    item.ImageMetadata.ImageId as image_id,
    item.ImageMetadata.OwnerId as image_owner_id,
    item.ImageMetadata.ImageOwnerAlias as image_owner_alias,
    item.ImageMetadata.Name as image_name,
    item.ImageMetadata.State as image_state,
    item.ImageMetadata.IsPublic as is_public,
    item.ImageMetadata.ImageAllowed as is_allowed,
    try_cast(nullif(item.ImageMetadata.CreationDate, '') as timestamptz) as image_created_at,
    try_cast(nullif(item.ImageMetadata.DeprecationTime, '') as timestamptz) as deprecated_at,
    cell.*
from landing(
        'ec2_instance_image',
        'STRUCT(
        InstanceId VARCHAR, OwnerId VARCHAR, ImageMetadata STRUCT(
            ImageId VARCHAR, "Name" VARCHAR, OwnerId VARCHAR, "State" VARCHAR, ImageOwnerAlias VARCHAR,
            CreationDate VARCHAR, DeprecationTime VARCHAR, ImageAllowed BOOLEAN, IsPublic BOOLEAN
        )
    )'
    )
