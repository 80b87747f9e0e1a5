-- One row per Spot instance request, ended ones included for as long as AWS lists them (some hours). Whatever launches Spot
-- instances makes such requests: people, fleets, Auto Scaling groups.
-- key: arn
-- resource: id=spot_instance_request_id state=state created=created_at zone=availability_zone gone=closed, cancelled, failed
--   attributes=request_type, instance_id, instance_type, image_id, product_description, max_price, interruption_behavior,
--   expires_at
-- relates: associated_with=AWS::EC2::Instance:instance_id
-- arn: Amazon Resource Name, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account that made it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- spot_instance_request_id: Id, such as sir-0123abcd.
-- name: Value of the tag Name; NULL where there is none.
-- state: open, active, closed, cancelled, failed or disabled.
-- status_code: What became of it, such as fulfilled or capacity-not-available.
-- status_updated_at: When that changed last, UTC.
-- request_type: one-time or persistent.
-- instance_id: The instance that it brought; NULL where none.
-- instance_type: Instance type that it asks for.
-- image_id: Image that it asks for.
-- product_description: Operating system, such as Linux/UNIX.
-- max_price: Most that may be paid by the hour, US dollars; NULL where AWS does not report it.
-- interruption_behavior: terminate, stop or hibernate.
-- availability_zone: Availability zone of the instance; NULL where there is none.
-- created_at: When it was made, UTC.
-- expires_at: When a request that nothing came of ends, UTC; NULL where it does not.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'spot-instances-request/' || item.SpotInstanceRequestId) as arn,
    account_id,
    region,
    item.SpotInstanceRequestId as spot_instance_request_id,
    tag_map(item.Tags)['Name'] as name,
    item.State as state,
    item.Status.Code as status_code,
    item.Status.UpdateTime as status_updated_at,
    item."Type" as request_type,
    nullif(item.InstanceId, '') as instance_id,
    item.LaunchSpecification.InstanceType as instance_type,
    item.LaunchSpecification.ImageId as image_id,
    item.ProductDescription as product_description,
    try_cast(item.SpotPrice as decimal(28, 10)) as max_price,
    item.InstanceInterruptionBehavior as interruption_behavior,
    item.LaunchedAvailabilityZone as availability_zone,
    item.CreateTime as created_at,
    item.ValidUntil as expires_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_spot_instance_request',
        'STRUCT(
        SpotInstanceRequestId VARCHAR, "State" VARCHAR, Status STRUCT(Code VARCHAR, UpdateTime TIMESTAMPTZ),
        "Type" VARCHAR, InstanceId VARCHAR, LaunchSpecification STRUCT(InstanceType VARCHAR, ImageId VARCHAR),
        ProductDescription VARCHAR, SpotPrice VARCHAR, InstanceInterruptionBehavior VARCHAR,
        LaunchedAvailabilityZone VARCHAR, CreateTime TIMESTAMPTZ, ValidUntil TIMESTAMPTZ,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
