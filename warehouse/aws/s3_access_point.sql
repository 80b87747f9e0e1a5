-- One row per access point of a bucket or a file system: a further address of it, with a policy and a public access block of its own,
-- which nobody may read under the contract. Requested in the regions in which the account has a bucket.
-- key: arn
-- resource: id=access_point_name attributes=network_origin, vpc_id, bucket_name, bucket_account_id, alias
-- relates: attached_to=AWS::S3::Bucket:bucket_name associated_with=AWS::EC2::VPC:vpc_id
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0. The bucket may be of another.
-- region: AWS region.
-- access_point_name: Name, unique in its account and region.
-- network_origin: Internet, where requests may come from anywhere, or VPC, where they come from one VPC alone.
-- vpc_id: The VPC that requests have to come from; NULL where they may come from the internet.
-- bucket_name: Bucket that it leads to; NULL for one of a file system.
-- bucket_account_id: The AWS account that owns the bucket; NULL where AWS does not say.
-- alias: Name that may stand in place of a bucket's; NULL where it has none.
-- data_source_type: What the data lies in, where it is no bucket, such as a file system; NULL where AWS does not say.
-- data_source_id: Its ARN; NULL where AWS does not say.
-- name: The same as access_point_name, as every item has one.
select
    coalesce(
        item.AccessPointArn, aws_arn('s3', region, account_id, 'accesspoint/' || item."Name")
    ) as arn,
    account_id,
    region,
    item."Name" as access_point_name,
    item.NetworkOrigin as network_origin,
    item.VpcConfiguration.VpcId as vpc_id,
    nullif(item.Bucket, '') as bucket_name,
    item.BucketAccountId as bucket_account_id,
    nullif(item."Alias", '') as alias,
    item.DataSourceType as data_source_type,
    item.DataSourceId as data_source_id,
    item."Name" as name,
    cell.*
from landing(
        's3_access_point',
        'STRUCT(
        "Name" VARCHAR, NetworkOrigin VARCHAR, VpcConfiguration STRUCT(VpcId VARCHAR), Bucket VARCHAR,
        AccessPointArn VARCHAR, "Alias" VARCHAR, BucketAccountId VARCHAR, DataSourceId VARCHAR, DataSourceType VARCHAR
    )'
    )
