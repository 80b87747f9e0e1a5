-- One row per Elastic IP address, associated or not.
-- key: arn
-- resource: id=allocation_id attributes=public_ip, association_id, instance_id, network_interface_id,
--   network_interface_owner_id, private_ip_address, service_managed, public_ipv4_pool,
--   network_border_group, domain
-- arn: Amazon Resource Name, built from account, region and allocation, since EC2 returns none.
-- account_id: The AWS account that was allocated the address: 12 digits, text because some begin with 0.
-- region: AWS region.
-- allocation_id: Id, such as eipalloc-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- public_ip: The public IPv4 address.
-- association_id: Id of its association with an interface; NULL where it is associated with nothing.
-- instance_id: Instance that it is associated with; NULL where there is none.
-- network_interface_id: Interface that it is associated with, an instance's or not; NULL where there is none.
-- network_interface_owner_id: Account of that interface, or the service that has it; NULL where there is none.
-- private_ip_address: Private address that it stands for; NULL where it is associated with nothing.
-- service_managed: Service that manages it, such as alb or nlb; NULL where people do.
-- public_ipv4_pool: Pool that it comes from: amazon, or one of the account's own.
-- network_border_group: Zones that it may be used in, mostly the region.
-- domain: vpc.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'elastic-ip/' || item.AllocationId) as arn,
    account_id,
    region,
    item.AllocationId as allocation_id,
    tag_map(item.Tags)['Name'] as name,
    item.PublicIp as public_ip,
    nullif(item.AssociationId, '') as association_id,
    nullif(item.InstanceId, '') as instance_id,
    item.NetworkInterfaceId as network_interface_id,
    item.NetworkInterfaceOwnerId as network_interface_owner_id,
    item.PrivateIpAddress as private_ip_address,
    item.ServiceManaged as service_managed,
    item.PublicIpv4Pool as public_ipv4_pool,
    item.NetworkBorderGroup as network_border_group,
    item.Domain as domain,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_address',
        'STRUCT(
        AllocationId VARCHAR, PublicIp VARCHAR, AssociationId VARCHAR, InstanceId VARCHAR,
        NetworkInterfaceId VARCHAR, NetworkInterfaceOwnerId VARCHAR, PrivateIpAddress VARCHAR,
        ServiceManaged VARCHAR, PublicIpv4Pool VARCHAR, NetworkBorderGroup VARCHAR, "Domain" VARCHAR,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
