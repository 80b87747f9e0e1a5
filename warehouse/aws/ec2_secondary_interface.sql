-- One row per interface of an instance in a secondary network. The owner of a shared network lists those of other accounts
-- too. It stands here once, under its owner. It is requested where there is a secondary network.
-- key: arn
-- owner: account_id
-- resource: id=secondary_interface_id state=state zone=availability_zone attributes=secondary_subnet_id,
--   secondary_network_id, network_type, instance_id, private_ip_addresses, mac_address, is_source_dest_check
-- relates: contained_in=AWS::EC2::SecondarySubnet:secondary_subnet_id attached_to=AWS::EC2::Instance:instance_id
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- secondary_interface_id: Id.
-- name: Value of the tag Name; NULL where there is none.
-- state: available or in-use.
-- secondary_subnet_id: Secondary subnet.
-- secondary_network_id: Secondary network.
-- network_type: rdma.
-- availability_zone: Availability zone.
-- instance_id: Instance that it is attached to; NULL where there is none.
-- attached_at: Since when it is attached, UTC.
-- private_ip_addresses: Its private addresses, sorted as text.
-- mac_address: MAC address.
-- is_source_dest_check: True where it takes only traffic that is for it.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    item.SecondaryInterfaceArn as arn,
    coalesce(item.OwnerId, split_part(item.SecondaryInterfaceArn, ':', 5)) as account_id,
    region,
    item.SecondaryInterfaceId as secondary_interface_id,
    tag_map(item.Tags)['Name'] as name,
    item."Status" as state,
    item.SecondarySubnetId as secondary_subnet_id,
    item.SecondaryNetworkId as secondary_network_id,
    item.SecondaryNetworkType as network_type,
    item.AvailabilityZone as availability_zone,
    item.Attachment.InstanceId as instance_id,
    item.Attachment.AttachTime as attached_at,
    list_sort(
        list_transform(coalesce(item.PrivateIpv4Addresses, []), lambda one: one.PrivateIpAddress)
    ) as private_ip_addresses,
    item.MacAddress as mac_address,
    item.SourceDestCheck as is_source_dest_check,
    if(
        coalesce(item.OwnerId, split_part(item.SecondaryInterfaceArn, ':', 5)) = cell.caller_account_id,
        tag_map(item.Tags),
        null
    ) as tags,
    cell.*
from landing(
        'ec2_secondary_interface',
        'STRUCT(
        OwnerId VARCHAR, SecondaryInterfaceArn VARCHAR, SecondaryInterfaceId VARCHAR, "Status" VARCHAR,
        SecondarySubnetId VARCHAR, SecondaryNetworkId VARCHAR, SecondaryNetworkType VARCHAR,
        AvailabilityZone VARCHAR, Attachment STRUCT(InstanceId VARCHAR, AttachTime TIMESTAMPTZ),
        PrivateIpv4Addresses STRUCT(PrivateIpAddress VARCHAR)[], MacAddress VARCHAR, SourceDestCheck BOOLEAN,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
