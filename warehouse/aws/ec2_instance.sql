-- One row per EC2 instance, terminated ones included for as long as AWS lists them.
-- key: arn
-- resource: id=instance_id state=state created=launched_at zone=availability_zone gone=terminated
--   attributes=instance_type, image_id, vpc_id, subnet_id, private_ip_address, public_ip_address,
--   platform_details, architecture, lifecycle, volume_ids, security_group_ids
-- arn: Amazon Resource Name, built from owner, region and id, since EC2 returns none.
-- account_id: The AWS account that owns the instance: 12 digits, text because some begin with 0.
-- region: AWS region.
-- instance_id: Id, such as i-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- instance_type: Type and size, such as m7g.large.
-- state: pending, running, shutting-down, terminated, stopping or stopped.
-- state_reason: Code of the last change of state, such as Client.UserInitiatedShutdown; NULL where AWS gives none.
-- state_changed_at: When people stopped or terminated it, UTC, as EC2 states it in words; NULL where it does not.
-- launched_at: When it was last started, UTC (EC2's LaunchTime).
-- availability_zone: Availability zone, such as ap-southeast-2a.
-- image_id: AMI that it was made from.
-- vpc_id: VPC; NULL once terminated.
-- subnet_id: Subnet; NULL once terminated.
-- private_ip_address: Primary private IPv4 address; NULL once terminated.
-- public_ip_address: Public IPv4 address; NULL where it has none.
-- platform_details: Operating system and licence as billed, such as Linux/UNIX.
-- architecture: x86_64, arm64, ….
-- lifecycle: spot, scheduled or capacity-block; NULL for on-demand.
-- instance_profile_arn: Instance profile; NULL where it has none.
-- volume_ids: Ids of the EBS volumes attached to it.
-- security_group_ids: Ids of its security groups.
-- network_interface_ids: Ids of its network interfaces.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, item.OwnerId, 'instance/' || item.InstanceId) as arn,
    item.OwnerId as account_id,
    region,
    item.InstanceId as instance_id,
    tag_map(item.Tags)['Name'] as name,
    item.InstanceType as instance_type,
    item.State.Name as state,
    item.StateReason.Code as state_reason,
    -- User initiated (2026-11-20 10:00:00 GMT)
    try_cast(
        nullif(
            regexp_extract(
                item.StateTransitionReason, '\((\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (GMT|UTC)\)', 1
            ),
            ''
        )
        || '+00' as timestamptz
    ) as state_changed_at,
    item.LaunchTime as launched_at,
    item.Placement.AvailabilityZone as availability_zone,
    item.ImageId as image_id,
    item.VpcId as vpc_id,
    item.SubnetId as subnet_id,
    item.PrivateIpAddress as private_ip_address,
    item.PublicIpAddress as public_ip_address,
    item.PlatformDetails as platform_details,
    item.Architecture as architecture,
    item.InstanceLifecycle as lifecycle,
    item.IamInstanceProfile.Arn as instance_profile_arn,
    list_filter(
        list_transform(coalesce(item.BlockDeviceMappings, []), lambda device: device.Ebs.VolumeId),
        lambda id: id is not null
    ) as volume_ids,
    list_transform(coalesce(item.SecurityGroups, []), lambda security_group: security_group.GroupId)
        as security_group_ids,
    list_transform(coalesce(item.NetworkInterfaces, []), lambda interface: interface.NetworkInterfaceId)
        as network_interface_ids,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_instance',
        'STRUCT(
        OwnerId VARCHAR, InstanceId VARCHAR, InstanceType VARCHAR, LaunchTime TIMESTAMPTZ, ImageId VARCHAR,
        "State" STRUCT("Name" VARCHAR), StateReason STRUCT(Code VARCHAR), StateTransitionReason VARCHAR,
        Placement STRUCT(AvailabilityZone VARCHAR),
        VpcId VARCHAR, SubnetId VARCHAR, PrivateIpAddress VARCHAR, PublicIpAddress VARCHAR,
        PlatformDetails VARCHAR, Architecture VARCHAR, InstanceLifecycle VARCHAR,
        IamInstanceProfile STRUCT(Arn VARCHAR),
        BlockDeviceMappings STRUCT(Ebs STRUCT(VolumeId VARCHAR))[],
        SecurityGroups STRUCT(GroupId VARCHAR)[],
        NetworkInterfaces STRUCT(NetworkInterfaceId VARCHAR)[],
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
