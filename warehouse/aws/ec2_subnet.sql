-- One row per subnet. A subnet that is shared with other accounts is listed there too: it stands here once, under its
-- owner.
-- key: arn
-- resource: id=subnet_id state=state zone=availability_zone attributes=vpc_id, cidr_block, is_default,
--   has_public_ip_on_launch
-- owner: account_id
-- arn: Amazon Resource Name, built from owner, region and id.
-- account_id: The AWS account that owns the subnet: 12 digits, text because some begin with 0.
-- region: AWS region.
-- subnet_id: Id, such as subnet-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- vpc_id: The VPC that it is part of.
-- state: pending, available, unavailable, failed or failed-insufficient-capacity.
-- availability_zone: Availability zone, such as ap-southeast-2a: a name that means another place in another account.
-- availability_zone_id: Availability zone, such as apse2-az1: the same place in every account.
-- cidr_block: IPv4 range; NULL where it has IPv6 only.
-- available_ip_address_count: IPv4 addresses that are free.
-- is_default: True for the subnet of a zone that AWS makes in a default VPC.
-- has_public_ip_on_launch: True where what is launched in it gets a public IPv4 address.
-- tags: Tags; an empty map where it has none, NULL where only other accounts listed it, which AWS does not show them.
select
    aws_arn('ec2', region, item.OwnerId, 'subnet/' || item.SubnetId) as arn,
    item.OwnerId as account_id,
    region,
    item.SubnetId as subnet_id,
    tag_map(item.Tags)['Name'] as name,
    item.VpcId as vpc_id,
    item.State as state,
    item.AvailabilityZone as availability_zone,
    item.AvailabilityZoneId as availability_zone_id,
    item.CidrBlock as cidr_block,
    item.AvailableIpAddressCount as available_ip_address_count,
    coalesce(item.DefaultForAz, false) as is_default,
    coalesce(item.MapPublicIpOnLaunch, false) as has_public_ip_on_launch,
    if(item.OwnerId = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_subnet',
        'STRUCT(
        OwnerId VARCHAR, SubnetId VARCHAR, VpcId VARCHAR, "State" VARCHAR,
        AvailabilityZone VARCHAR, AvailabilityZoneId VARCHAR, CidrBlock VARCHAR, AvailableIpAddressCount INTEGER,
        DefaultForAz BOOLEAN, MapPublicIpOnLaunch BOOLEAN,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
