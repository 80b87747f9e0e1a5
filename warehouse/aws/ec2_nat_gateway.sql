-- One row per NAT gateway, deleted ones included for as long as AWS lists them (about an hour).
-- key: arn
-- resource: id=nat_gateway_id state=state created=created_at gone=deleted, failed attributes=failure_code,
--   failure_message, connectivity_type, availability_mode, vpc_id, subnet_id, addresses, allocation_ids,
--   network_interface_ids, deleted_at
-- arn: Amazon Resource Name, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account that has the gateway: 12 digits, text because some begin with 0.
-- region: AWS region.
-- nat_gateway_id: Id, such as nat-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: pending, failed, available, deleting or deleted.
-- failure_code: Why it could not be made, such as InsufficientFreeAddressesInSubnet; NULL where it could.
-- failure_message: The same in EC2's words.
-- connectivity_type: public (to the internet) or private (to other networks).
-- availability_mode: zonal or regional; NULL where AWS does not report it.
-- vpc_id: VPC.
-- subnet_id: Subnet; NULL for a regional one.
-- addresses: Its addresses: allocation_id, public_ip, private_ip_address, network_interface_id, is_primary, state.
-- allocation_ids: Ids of its Elastic IP addresses.
-- network_interface_ids: Ids of its network interfaces.
-- created_at: When it was made, UTC.
-- deleted_at: When it was deleted, UTC; NULL where it was not.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'natgateway/' || item.NatGatewayId) as arn,
    account_id,
    region,
    item.NatGatewayId as nat_gateway_id,
    tag_map(item.Tags)['Name'] as name,
    item.State as state,
    nullif(item.FailureCode, '') as failure_code,
    nullif(item.FailureMessage, '') as failure_message,
    item.ConnectivityType as connectivity_type,
    item.AvailabilityMode as availability_mode,
    item.VpcId as vpc_id,
    nullif(item.SubnetId, '') as subnet_id,
    list_transform(
        coalesce(item.NatGatewayAddresses, []),
        lambda address: {
            'allocation_id': address.AllocationId,
            'public_ip': address.PublicIp,
            'private_ip_address': address.PrivateIp,
            'network_interface_id': address.NetworkInterfaceId,
            'is_primary': address.IsPrimary,
            'state': address.Status
        }
    ) as addresses,
    list_filter(
        list_transform(coalesce(item.NatGatewayAddresses, []), lambda address: address.AllocationId),
        lambda id: id is not null
    ) as allocation_ids,
    -- Several addresses may stand on one interface.
    list_sort(
        list_distinct(
            list_transform(coalesce(item.NatGatewayAddresses, []), lambda address: address.NetworkInterfaceId)
        )
    ) as network_interface_ids,
    item.CreateTime as created_at,
    item.DeleteTime as deleted_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_nat_gateway',
        'STRUCT(
        NatGatewayId VARCHAR, "State" VARCHAR, FailureCode VARCHAR, FailureMessage VARCHAR, ConnectivityType VARCHAR,
        AvailabilityMode VARCHAR, VpcId VARCHAR, SubnetId VARCHAR,
        NatGatewayAddresses STRUCT(
            AllocationId VARCHAR, PublicIp VARCHAR, PrivateIp VARCHAR, NetworkInterfaceId VARCHAR,
            IsPrimary BOOLEAN, Status VARCHAR
        )[],
        CreateTime TIMESTAMPTZ, DeleteTime TIMESTAMPTZ, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
