-- One row per address of a network interface, private and public: who has an IP address, and what the internet reaches.
-- Elastic IP addresses that no interface has are in aws.ec2_address.
-- materialized: view
-- key: arn, address
-- arn: ARN of the interface.
-- account_id: The AWS account that owns the interface, 12 digits.
-- region: AWS region.
-- network_interface_id: Id of the interface.
-- address: The address as AWS writes it; of a prefix the range, such as 10.0.1.16/28, whose addresses are the interface's.
-- kind: private ipv4, public ipv4, ipv6, ipv4 prefix or ipv6 prefix.
-- is_primary: True for the primary address of its kind, and for the public one that stands for it.
-- is_public: True where the address is one of the internet: public ipv4, or IPv6 of 2000::/3. Whether anything reaches it is for routes and rules to say.
-- private_ip_address: The private address that a public one stands for; NULL of others.
-- allocation_id: Id of the Elastic IP address; NULL where it is none.
-- interface_type: interface, vpc_endpoint, nat_gateway, lambda, ….
-- description: The purpose of the interface, as its maker wrote it; an empty text is nothing.
-- instance_id: The instance that has the interface; NULL where none has.
-- vpc_id: VPC.
-- subnet_id: Subnet.
-- security_group_ids: Ids of the security groups of the interface.
with listed as (
    select
        *,
        unnest(addresses) as own
    from aws.ec2_network_interface
)

select
    arn,
    account_id,
    region,
    network_interface_id,
    own.address as address,
    own.kind as kind,
    own.is_primary as is_primary,
    own.kind = 'public ipv4'
    or (starts_with(own.kind, 'ipv6') and regexp_matches(own.address, '^[23][0-9a-f]{3}:')) as is_public,
    own.private_ip_address as private_ip_address,
    own.allocation_id as allocation_id,
    interface_type,
    description,
    instance_id,
    vpc_id,
    subnet_id,
    security_group_ids,
    is_stale,
    run_id,
    listing,
    role,
    caller_account_id,
    cell_region,
    collected_at
from listed
