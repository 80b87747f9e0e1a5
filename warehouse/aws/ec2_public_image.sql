-- One row per own image that everybody with an AWS account can launch.
-- key: arn
-- arn: Amazon Resource Name, built from owner, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- image_id: Image.
-- image_name: Name of the image.
-- created_at: When it was made, UTC.
select
    aws_arn('ec2', region, coalesce(item.OwnerId, account_id), 'image/' || item.ImageId) as arn,
    coalesce(item.OwnerId, account_id) as account_id,
    region,
    item.ImageId as image_id,
    item."Name" as image_name,
    try_cast(item.CreationDate as timestamptz) as created_at,
    cell.*
from landing(
        'ec2_public_image',
        'STRUCT(
        OwnerId VARCHAR, ImageId VARCHAR, "Name" VARCHAR, CreationDate VARCHAR
    )'
    )
