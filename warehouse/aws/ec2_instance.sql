-- One row per EC2 instance, terminated ones included for as long as AWS lists them.
-- key: arn
-- resource: id=instance_id state=state created=launched_at zone=availability_zone gone=terminated
--   attributes=instance_type, image_id, vpc_id, subnet_id, private_ip_address, public_ip_address,
--   platform_details, architecture, lifecycle, volume_ids, security_group_ids, ipv6_addresses,
--   instance_profile_arn, key_name, metadata_http_tokens, metadata_http_endpoint, metadata_hop_limit,
--   monitoring_state, tenancy, placement_group_name, is_ebs_optimized, has_hibernation, is_source_dest_check
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
-- ipv6_addresses: IPv6 addresses of its interfaces; empty where it has none.
-- private_dns_name: Host name within its VPC; NULL where it has none.
-- public_dns_name: Host name of its public address; NULL where it has none.
-- key_name: Name of the key pair that it was launched with, which may be deleted since; NULL where it was with none.
-- metadata_http_tokens: required (IMDSv2 alone) or optional (IMDSv1 as well), as people set it; NULL where AWS does not report it.
-- metadata_http_endpoint: enabled, or disabled: it has no metadata service; NULL where AWS does not report it.
-- metadata_hop_limit: Network hops that a token of IMDSv2 may travel: at 1 no container behind a bridge gets one.
-- metadata_http_ipv6: Whether the metadata service has an IPv6 address: enabled or disabled.
-- metadata_instance_tags: Whether the metadata service shows the instance's tags: enabled or disabled.
-- is_imdsv1_allowed: True where its metadata can be read without a token; NULL where AWS does not report it, or while it is being changed.
-- monitoring_state: Of CloudWatch: disabled (a value every five minutes), enabled (every minute), pending or disabling.
-- platform_details: Operating system and licence as billed, such as Linux/UNIX.
-- usage_operation: What it is billed as, such as RunInstances:0002: the operation of the bill's lines.
-- product_codes: Codes of the AWS Marketplace products in it; empty where there are none.
-- license_configuration_arns: Licence configurations of License Manager; empty where there are none.
-- architecture: x86_64, arm64, ….
-- virtualization_type: hvm or paravirtual.
-- boot_mode: Boot mode of its image: legacy-bios, uefi or uefi-preferred; NULL where the image names none.
-- current_boot_mode: The one that it was booted with: legacy-bios or uefi.
-- cpu_core_count: Processor cores; NULL where AWS does not report them.
-- threads_per_core: Threads of each core: 1 where hyper-threading is off.
-- is_ebs_optimized: True where optimised for EBS by choice; types that always are may say false.
-- has_ena: True where enhanced networking by ENA is on; NULL where AWS does not report it.
-- has_hibernation: True where it can hibernate instead of being stopped.
-- has_enclave: True where it may run Nitro Enclaves.
-- auto_recovery: default (moved when its hardware fails) or disabled.
-- lifecycle: spot, scheduled or capacity-block; NULL for on-demand.
-- tenancy: default, dedicated (own hardware) or host (an own dedicated host).
-- host_id: Dedicated host that it runs on; NULL where it is on none.
-- placement_group_id: Placement group; NULL where it is in none.
-- placement_group_name: Its name; NULL where it is in none.
-- partition_number: Its partition of the group; NULL where that has none.
-- capacity_reservation_id: Capacity reservation that it runs in; NULL where in none.
-- capacity_reservation_preference: open (any that fits), capacity-reservations-only or none; NULL where it names one.
-- capacity_block_id: Capacity block that it runs in; NULL where in none.
-- spot_instance_request_id: Request that launched it; NULL for on-demand.
-- outpost_arn: Outpost that it runs on; NULL in a region.
-- managed_by: Service of AWS that manages it; NULL where nobody but its owner does.
-- instance_profile_arn: Instance profile; NULL where it has none.
-- root_device_name: Device of its root volume, such as /dev/xvda.
-- root_device_type: ebs or instance-store.
-- block_device_mappings: Its devices: device, volume_id, state, attached_at (UTC), is_deleted_on_termination.
-- volume_ids: Ids of the EBS volumes attached to it.
-- security_group_ids: Ids of its security groups.
-- network_interface_ids: Ids of its network interfaces.
-- is_source_dest_check: True where it takes only traffic to and from itself; false for one that routes or does NAT.
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
    list_transform(
        flatten(
            list_transform(
                coalesce(item.NetworkInterfaces, []), lambda interface: coalesce(interface.Ipv6Addresses, [])
            )
        ),
        lambda held: held.Ipv6Address
    ) as ipv6_addresses,
    nullif(item.PrivateDnsName, '') as private_dns_name,
    nullif(item.PublicDnsName, '') as public_dns_name,
    item.KeyName as key_name,
    item.MetadataOptions.HttpTokens as metadata_http_tokens,
    item.MetadataOptions.HttpEndpoint as metadata_http_endpoint,
    item.MetadataOptions.HttpPutResponseHopLimit as metadata_hop_limit,
    item.MetadataOptions.HttpProtocolIpv6 as metadata_http_ipv6,
    item.MetadataOptions.InstanceMetadataTags as metadata_instance_tags,
    case
        -- What is reported is not in force yet.
        when item.MetadataOptions.State = 'pending' then null
        when item.MetadataOptions.HttpEndpoint = 'disabled' or item.MetadataOptions.HttpTokens = 'required'
            then false
        when item.MetadataOptions.HttpEndpoint = 'enabled' and item.MetadataOptions.HttpTokens = 'optional'
            then true
    end as is_imdsv1_allowed,
    item.Monitoring.State as monitoring_state,
    item.PlatformDetails as platform_details,
    item.UsageOperation as usage_operation,
    list_transform(coalesce(item.ProductCodes, []), lambda code: code.ProductCodeId) as product_codes,
    list_transform(coalesce(item.Licenses, []), lambda licence: licence.LicenseConfigurationArn)
        as license_configuration_arns,
    item.Architecture as architecture,
    item.VirtualizationType as virtualization_type,
    item.BootMode as boot_mode,
    item.CurrentInstanceBootMode as current_boot_mode,
    item.CpuOptions.CoreCount as cpu_core_count,
    item.CpuOptions.ThreadsPerCore as threads_per_core,
    item.EbsOptimized as is_ebs_optimized,
    item.EnaSupport as has_ena,
    item.HibernationOptions.Configured as has_hibernation,
    item.EnclaveOptions.Enabled as has_enclave,
    item.MaintenanceOptions.AutoRecovery as auto_recovery,
    item.InstanceLifecycle as lifecycle,
    item.Placement.Tenancy as tenancy,
    item.Placement.HostId as host_id,
    item.Placement.GroupId as placement_group_id,
    nullif(item.Placement.GroupName, '') as placement_group_name,
    item.Placement.PartitionNumber as partition_number,
    item.CapacityReservationId as capacity_reservation_id,
    item.CapacityReservationSpecification.CapacityReservationPreference as capacity_reservation_preference,
    item.CapacityBlockId as capacity_block_id,
    item.SpotInstanceRequestId as spot_instance_request_id,
    item.OutpostArn as outpost_arn,
    if(item.Operator.Managed, item.Operator.Principal, null) as managed_by,
    item.IamInstanceProfile.Arn as instance_profile_arn,
    item.RootDeviceName as root_device_name,
    item.RootDeviceType as root_device_type,
    list_transform(
        coalesce(item.BlockDeviceMappings, []),
        lambda mapping: {
            'device': mapping.DeviceName,
            'volume_id': mapping.Ebs.VolumeId,
            'state': mapping.Ebs.Status,
            'attached_at': mapping.Ebs.AttachTime,
            'is_deleted_on_termination': mapping.Ebs.DeleteOnTermination
        }
    ) as block_device_mappings,
    list_filter(
        list_transform(coalesce(item.BlockDeviceMappings, []), lambda device: device.Ebs.VolumeId),
        lambda id: id is not null
    ) as volume_ids,
    list_transform(coalesce(item.SecurityGroups, []), lambda security_group: security_group.GroupId)
        as security_group_ids,
    list_transform(coalesce(item.NetworkInterfaces, []), lambda interface: interface.NetworkInterfaceId)
        as network_interface_ids,
    item.SourceDestCheck as is_source_dest_check,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_instance',
        'STRUCT(
        OwnerId VARCHAR, InstanceId VARCHAR, InstanceType VARCHAR, LaunchTime TIMESTAMPTZ, ImageId VARCHAR,
        "State" STRUCT("Name" VARCHAR), StateReason STRUCT(Code VARCHAR), StateTransitionReason VARCHAR,
        Placement STRUCT(
            AvailabilityZone VARCHAR, Tenancy VARCHAR, HostId VARCHAR, GroupId VARCHAR, GroupName VARCHAR,
            PartitionNumber BIGINT
        ),
        VpcId VARCHAR, SubnetId VARCHAR, PrivateIpAddress VARCHAR, PublicIpAddress VARCHAR,
        PlatformDetails VARCHAR, Architecture VARCHAR, InstanceLifecycle VARCHAR,
        IamInstanceProfile STRUCT(Arn VARCHAR),
        PrivateDnsName VARCHAR, PublicDnsName VARCHAR, KeyName VARCHAR,
        MetadataOptions STRUCT(
            "State" VARCHAR, HttpTokens VARCHAR, HttpEndpoint VARCHAR, HttpPutResponseHopLimit BIGINT,
            HttpProtocolIpv6 VARCHAR, InstanceMetadataTags VARCHAR
        ),
        Monitoring STRUCT("State" VARCHAR), UsageOperation VARCHAR,
        ProductCodes STRUCT(ProductCodeId VARCHAR)[], Licenses STRUCT(LicenseConfigurationArn VARCHAR)[],
        VirtualizationType VARCHAR, BootMode VARCHAR, CurrentInstanceBootMode VARCHAR,
        CpuOptions STRUCT(CoreCount BIGINT, ThreadsPerCore BIGINT), EbsOptimized BOOLEAN, EnaSupport BOOLEAN,
        HibernationOptions STRUCT(Configured BOOLEAN), EnclaveOptions STRUCT(Enabled BOOLEAN),
        MaintenanceOptions STRUCT(AutoRecovery VARCHAR), CapacityReservationId VARCHAR,
        CapacityReservationSpecification STRUCT(CapacityReservationPreference VARCHAR), CapacityBlockId VARCHAR,
        SpotInstanceRequestId VARCHAR, OutpostArn VARCHAR, Operator STRUCT(Managed BOOLEAN, Principal VARCHAR),
        RootDeviceName VARCHAR, RootDeviceType VARCHAR, SourceDestCheck BOOLEAN,
        BlockDeviceMappings STRUCT(
            DeviceName VARCHAR,
            Ebs STRUCT(VolumeId VARCHAR, Status VARCHAR, AttachTime TIMESTAMPTZ, DeleteOnTermination BOOLEAN)
        )[],
        SecurityGroups STRUCT(GroupId VARCHAR)[],
        NetworkInterfaces STRUCT(NetworkInterfaceId VARCHAR, Ipv6Addresses STRUCT(Ipv6Address VARCHAR)[])[],
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
