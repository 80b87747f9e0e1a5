-- One row per network interface: of instances, load balancers, endpoints, functions, databases. The owner of a shared
-- VPC sees the interfaces of other accounts in it too: each stands here once, under its own account.
-- key: arn
-- resource: id=network_interface_id state=state zone=availability_zone attributes=vpc_id, subnet_id,
--   interface_type, description, private_ip_address, public_ip_address, security_group_ids, instance_id,
--   is_requester_managed
-- owner: account_id
-- arn: Amazon Resource Name, built from owner, region and id, since EC2 returns none.
-- account_id: The AWS account that owns the interface: 12 digits, text because some begin with 0.
-- region: AWS region.
-- network_interface_id: Id, such as eni-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- interface_type: interface, vpc_endpoint, nat_gateway, lambda, transit_gateway, ….
-- state: available (attached to nothing), in-use, attaching, detaching or associated.
-- description: The purpose, as its maker wrote it; an empty text is nothing.
-- vpc_id: VPC.
-- subnet_id: Subnet.
-- availability_zone: Availability zone, such as ap-southeast-2a.
-- private_ip_address: Primary private IPv4 address.
-- public_ip_address: Public IPv4 address of the primary one; NULL where it has none.
-- addresses: All its addresses, the primary one and those above too: address, kind, is_primary, private_ip_address that a public one stands for, and allocation_id of an Elastic IP. One a row they are in aws.ec2_network_interface_address.
-- security_group_ids: Ids of its security groups.
-- instance_id: The instance that it is attached to; NULL where it is attached to none.
-- is_requester_managed: True where an AWS service made and manages it.
-- tags: Tags; an empty map where it has none, NULL where only another account listed it, which AWS does not show it.
select
    aws_arn('ec2', region, item.OwnerId, 'network-interface/' || item.NetworkInterfaceId) as arn,
    item.OwnerId as account_id,
    region,
    item.NetworkInterfaceId as network_interface_id,
    tag_map(item.TagSet)['Name'] as name,
    item.InterfaceType as interface_type,
    item.Status as state,
    item.Description as description,
    item.VpcId as vpc_id,
    item.SubnetId as subnet_id,
    item.AvailabilityZone as availability_zone,
    item.PrivateIpAddress as private_ip_address,
    item.Association.PublicIp as public_ip_address,
    -- Of an interface that lists none, the primary one alone is known; its public address may stand with the interface alone.
    flatten([
        list_transform(
            list_filter(
                coalesce(
                    item.PrivateIpAddresses,
                    [
                        {
                            'PrivateIpAddress': item.PrivateIpAddress,
                            'Primary': true,
                            'Association': item.Association
                        }
                    ]
                ),
                lambda own: own.PrivateIpAddress is not null
            ),
            lambda own: {
                'address': own.PrivateIpAddress,
                'kind': 'private ipv4',
                'is_primary': coalesce(own."Primary", false),
                'private_ip_address': null::varchar,
                'allocation_id': null::varchar
            }
        ),
        list_transform(
            list_filter(
                coalesce(
                    item.PrivateIpAddresses,
                    [
                        {
                            'PrivateIpAddress': item.PrivateIpAddress,
                            'Primary': true,
                            'Association': item.Association
                        }
                    ]
                ),
                lambda own: coalesce(
                    own.Association.PublicIp, case when own."Primary" then item.Association.PublicIp end
                ) is not null
            ),
            lambda own: {
                'address': coalesce(
                    own.Association.PublicIp, case when own."Primary" then item.Association.PublicIp end
                ),
                'kind': 'public ipv4',
                'is_primary': coalesce(own."Primary", false),
                'private_ip_address': own.PrivateIpAddress,
                'allocation_id': coalesce(
                    own.Association.AllocationId,
                    case when own."Primary" then item.Association.AllocationId end
                )
            }
        ),
        list_transform(
            coalesce(item.Ipv6Addresses, []),
            lambda own: {
                'address': own.Ipv6Address,
                'kind': 'ipv6',
                'is_primary': coalesce(own.IsPrimaryIpv6, false),
                'private_ip_address': null::varchar,
                'allocation_id': null::varchar
            }
        ),
        list_transform(
            coalesce(item.Ipv4Prefixes, []),
            lambda own: {
                'address': own.Ipv4Prefix,
                'kind': 'ipv4 prefix',
                'is_primary': false,
                'private_ip_address': null::varchar,
                'allocation_id': null::varchar
            }
        ),
        list_transform(
            coalesce(item.Ipv6Prefixes, []),
            lambda own: {
                'address': own.Ipv6Prefix,
                'kind': 'ipv6 prefix',
                'is_primary': false,
                'private_ip_address': null::varchar,
                'allocation_id': null::varchar
            }
        )
    ]) as addresses,
    list_transform(coalesce(item.Groups, []), lambda security_group: security_group.GroupId)
        as security_group_ids,
    item.Attachment.InstanceId as instance_id,
    coalesce(item.RequesterManaged, false) as is_requester_managed,
    if(item.OwnerId = cell.caller_account_id, tag_map(item.TagSet), null) as tags,
    cell.*
from landing(
        'ec2_network_interface',
        'STRUCT(
        OwnerId VARCHAR, NetworkInterfaceId VARCHAR, InterfaceType VARCHAR, Status VARCHAR, Description VARCHAR,
        VpcId VARCHAR, SubnetId VARCHAR, AvailabilityZone VARCHAR, PrivateIpAddress VARCHAR,
        Association STRUCT(PublicIp VARCHAR, AllocationId VARCHAR),
        PrivateIpAddresses STRUCT(
            PrivateIpAddress VARCHAR, "Primary" BOOLEAN,
            Association STRUCT(PublicIp VARCHAR, AllocationId VARCHAR)
        )[],
        Ipv6Addresses STRUCT(Ipv6Address VARCHAR, IsPrimaryIpv6 BOOLEAN)[],
        Ipv4Prefixes STRUCT(Ipv4Prefix VARCHAR)[], Ipv6Prefixes STRUCT(Ipv6Prefix VARCHAR)[],
        Groups STRUCT(GroupId VARCHAR)[],
        Attachment STRUCT(InstanceId VARCHAR), RequesterManaged BOOLEAN,
        TagSet STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
