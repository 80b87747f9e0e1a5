-- One row per configuration item that the newest trusted answers speak of, whatever its type: what cmdb.resource is made
-- of. A new type of resource is one more select here.
-- materialized: view
-- key: arn
-- arn: Amazon Resource Name.
-- resource_type: AWS's name of the type, such as AWS::EC2::Instance.
-- resource_id: The service's own id, such as i-0123456789abcdef0.
-- name: The tag Name, or the service's own name; NULL where it has none.
-- account_id: The account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region; aws-global where the service has none.
-- availability_zone: Availability zone; NULL where it stands in none.
-- state: State in the service's own words, such as running; NULL where the type has none.
-- created_at: When AWS made it, or started it last, UTC; NULL where AWS does not say.
-- tags: Tags; an empty map where it has none, NULL where they could not be read.
-- is_terminated: True where AWS still lists it, but it is gone for good.
-- attributes: Further attributes of the type, JSON.
-- run_id: The run that collected it.
select -- noqa: AM07
    instance.arn,
    'AWS::EC2::Instance' as resource_type,
    instance.instance_id as resource_id,
    instance.name,
    instance.account_id,
    instance.region,
    instance.availability_zone,
    instance.state,
    instance.launched_at as created_at,
    instance.tags,
    coalesce(instance.state = 'terminated', false) as is_terminated,
    to_json({
        'instance_type': instance.instance_type,
        'image_id': instance.image_id,
        'vpc_id': instance.vpc_id,
        'subnet_id': instance.subnet_id,
        'private_ip_address': instance.private_ip_address,
        'public_ip_address': instance.public_ip_address,
        'platform_details': instance.platform_details,
        'architecture': instance.architecture,
        'lifecycle': instance.lifecycle,
        'volume_ids': instance.volume_ids,
        'security_group_ids': instance.security_group_ids
    }) as attributes,
    instance.is_stale,
    instance.run_id,
    instance.listing,
    instance.role,
    instance.caller_account_id,
    instance.cell_region,
    instance.collected_at
from aws.ec2_instance as instance

union all by name

select
    vpc.arn,
    'AWS::EC2::VPC' as resource_type,
    vpc.vpc_id as resource_id,
    vpc.name,
    vpc.account_id,
    vpc.region,
    vpc.state,
    vpc.tags,
    false as is_terminated,
    to_json({
        'cidr_block': vpc.cidr_block,
        'cidr_blocks': vpc.cidr_blocks,
        'ipv6_cidr_blocks': vpc.ipv6_cidr_blocks,
        'is_default': vpc.is_default
    }) as attributes,
    vpc.is_stale,
    vpc.run_id,
    vpc.listing,
    vpc.role,
    vpc.caller_account_id,
    vpc.cell_region,
    vpc.collected_at
from aws.ec2_vpc as vpc

union all by name

select
    subnet.arn,
    'AWS::EC2::Subnet' as resource_type,
    subnet.subnet_id as resource_id,
    subnet.name,
    subnet.account_id,
    subnet.region,
    subnet.availability_zone,
    subnet.state,
    subnet.tags,
    false as is_terminated,
    to_json({
        'vpc_id': subnet.vpc_id,
        'cidr_block': subnet.cidr_block,
        'is_default': subnet.is_default,
        'has_public_ip_on_launch': subnet.has_public_ip_on_launch
    }) as attributes,
    subnet.is_stale,
    subnet.run_id,
    subnet.listing,
    subnet.role,
    subnet.caller_account_id,
    subnet.cell_region,
    subnet.collected_at
from aws.ec2_subnet as subnet

union all by name

select
    security_group.arn,
    'AWS::EC2::SecurityGroup' as resource_type,
    security_group.security_group_id as resource_id,
    security_group.name,
    security_group.account_id,
    security_group.region,
    security_group.tags,
    false as is_terminated,
    to_json({
        'vpc_id': security_group.vpc_id,
        'description': security_group.description,
        'is_default': security_group.is_default
    }) as attributes,
    security_group.is_stale,
    security_group.run_id,
    security_group.listing,
    security_group.role,
    security_group.caller_account_id,
    security_group.cell_region,
    security_group.collected_at
from aws.ec2_security_group as security_group

union all by name

select
    flow_log.arn,
    'AWS::EC2::FlowLog' as resource_type,
    flow_log.flow_log_id as resource_id,
    flow_log.name,
    flow_log.account_id,
    flow_log.region,
    flow_log.state,
    flow_log.created_at,
    flow_log.tags,
    false as is_terminated,
    to_json({
        'target_id': flow_log.target_id,
        'traffic_type': flow_log.traffic_type,
        'delivery_status': flow_log.delivery_status,
        'destination_type': flow_log.destination_type,
        'destination': flow_log.destination
    }) as attributes,
    flow_log.is_stale,
    flow_log.run_id,
    flow_log.listing,
    flow_log.role,
    flow_log.caller_account_id,
    flow_log.cell_region,
    flow_log.collected_at
from aws.ec2_flow_log as flow_log

union all by name

select
    interface.arn,
    'AWS::EC2::NetworkInterface' as resource_type,
    interface.network_interface_id as resource_id,
    interface.name,
    interface.account_id,
    interface.region,
    interface.availability_zone,
    interface.state,
    interface.tags,
    false as is_terminated,
    to_json({
        'vpc_id': interface.vpc_id,
        'subnet_id': interface.subnet_id,
        'interface_type': interface.interface_type,
        'description': interface.description,
        'private_ip_address': interface.private_ip_address,
        'public_ip_address': interface.public_ip_address,
        'security_group_ids': interface.security_group_ids,
        'instance_id': interface.instance_id,
        'is_requester_managed': interface.is_requester_managed
    }) as attributes,
    interface.is_stale,
    interface.run_id,
    interface.listing,
    interface.role,
    interface.caller_account_id,
    interface.cell_region,
    interface.collected_at
from aws.ec2_network_interface as interface
