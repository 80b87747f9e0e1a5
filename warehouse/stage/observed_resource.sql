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

union all by name

select
    database.arn,
    'AWS::RDS::DBInstance' as resource_type,
    database.resource_id,
    database.name,
    database.account_id,
    database.region,
    database.availability_zone,
    database.status as state,
    database.created_at,
    database.tags,
    false as is_terminated,
    to_json({
        'engine': database.engine,
        'engine_version': database.engine_version,
        'instance_class': database.instance_class,
        'allocated_storage_gb': database.allocated_storage_gb,
        'storage_type': database.storage_type,
        'is_multi_az': database.is_multi_az,
        'is_encrypted': database.is_encrypted,
        'is_publicly_accessible': database.is_publicly_accessible,
        'has_deletion_protection': database.has_deletion_protection,
        'backup_retention_days': database.backup_retention_days,
        'endpoint_address': database.endpoint_address,
        'db_subnet_group': database.db_subnet_group,
        'vpc_id': database.vpc_id,
        'subnet_ids': database.subnet_ids,
        'security_group_ids': database.security_group_ids,
        'cluster_name': database.cluster_name
    }) as attributes,
    database.is_stale,
    database.run_id,
    database.listing,
    database.role,
    database.caller_account_id,
    database.cell_region,
    database.collected_at
from aws.rds_db_instance as database

union all by name

select
    db_cluster.arn,
    'AWS::RDS::DBCluster' as resource_type,
    db_cluster.resource_id,
    db_cluster.name,
    db_cluster.account_id,
    db_cluster.region,
    db_cluster.status as state,
    db_cluster.created_at,
    db_cluster.tags,
    false as is_terminated,
    to_json({
        'engine': db_cluster.engine,
        'engine_version': db_cluster.engine_version,
        'engine_mode': db_cluster.engine_mode,
        'is_multi_az': db_cluster.is_multi_az,
        'is_encrypted': db_cluster.is_encrypted,
        'has_deletion_protection': db_cluster.has_deletion_protection,
        'backup_retention_days': db_cluster.backup_retention_days,
        'endpoint_address': db_cluster.endpoint_address,
        'db_subnet_group': db_cluster.db_subnet_group,
        'security_group_ids': db_cluster.security_group_ids,
        'member_names': db_cluster.member_names
    }) as attributes,
    db_cluster.is_stale,
    db_cluster.run_id,
    db_cluster.listing,
    db_cluster.role,
    db_cluster.caller_account_id,
    db_cluster.cell_region,
    db_cluster.collected_at
from aws.rds_db_cluster as db_cluster

union all by name

-- Automated snapshots come and go each night with their database: they are no items of their own.
select
    db_snapshot.arn,
    case when db_snapshot.is_of_cluster then 'AWS::RDS::DBClusterSnapshot' else 'AWS::RDS::DBSnapshot' end
        as resource_type,
    db_snapshot.name as resource_id,
    db_snapshot.name,
    db_snapshot.account_id,
    db_snapshot.region,
    db_snapshot.availability_zone,
    db_snapshot.status as state,
    db_snapshot.created_at,
    db_snapshot.tags,
    false as is_terminated,
    to_json({
        'snapshot_type': db_snapshot.snapshot_type,
        'source_name': db_snapshot.source_name,
        'source_resource_id': db_snapshot.source_resource_id,
        'engine': db_snapshot.engine,
        'engine_version': db_snapshot.engine_version,
        'allocated_storage_gb': db_snapshot.allocated_storage_gb,
        'is_encrypted': db_snapshot.is_encrypted,
        'vpc_id': db_snapshot.vpc_id
    }) as attributes,
    db_snapshot.is_stale,
    db_snapshot.run_id,
    db_snapshot.listing,
    db_snapshot.role,
    db_snapshot.caller_account_id,
    db_snapshot.cell_region,
    db_snapshot.collected_at
from aws.rds_db_snapshot as db_snapshot
where db_snapshot.snapshot_type is distinct from 'automated'

union all by name

select
    bucket.arn,
    'AWS::S3::Bucket' as resource_type,
    bucket.name as resource_id,
    bucket.name,
    bucket.account_id,
    bucket.region,
    bucket.created_at,
    bucket.tags,
    false as is_terminated,
    to_json({ 'has_objects': bucket.has_objects }) as attributes,
    bucket.is_stale,
    bucket.run_id,
    bucket.listing,
    bucket.role,
    bucket.caller_account_id,
    bucket.cell_region,
    bucket.collected_at
from aws.s3_bucket as bucket

union all by name

select
    lambda_function.arn,
    'AWS::Lambda::Function' as resource_type,
    lambda_function.name as resource_id,
    lambda_function.name,
    lambda_function.account_id,
    lambda_function.region,
    lambda_function.tags,
    false as is_terminated,
    to_json({
        'package_type': lambda_function.package_type,
        'runtime': lambda_function.runtime,
        'architectures': lambda_function.architectures,
        'role_arn': lambda_function.role_arn,
        'memory_mb': lambda_function.memory_mb,
        'timeout_seconds': lambda_function.timeout_seconds,
        'code_size_bytes': lambda_function.code_size_bytes,
        'layer_arns': lambda_function.layer_arns,
        'code_sha256': lambda_function.code_sha256,
        'vpc_id': lambda_function.vpc_id,
        'subnet_ids': lambda_function.subnet_ids,
        'security_group_ids': lambda_function.security_group_ids
    }) as attributes,
    lambda_function.is_stale,
    lambda_function.run_id,
    lambda_function.listing,
    lambda_function.role,
    lambda_function.caller_account_id,
    lambda_function.cell_region,
    lambda_function.collected_at
from aws.lambda_function as lambda_function

union all by name

select
    volume.arn,
    'AWS::EC2::Volume' as resource_type,
    volume.volume_id as resource_id,
    volume.name,
    volume.account_id,
    volume.region,
    volume.availability_zone,
    volume.state,
    volume.created_at,
    volume.tags,
    coalesce(volume.state in ('deleting', 'deleted'), false) as is_terminated,
    to_json({
        'size_gb': volume.size_gb,
        'volume_type': volume.volume_type,
        'iops': volume.iops,
        'throughput_mibps': volume.throughput_mibps,
        'is_encrypted': volume.is_encrypted,
        'kms_key_id': volume.kms_key_id,
        'is_multi_attach': volume.is_multi_attach,
        'attachments': volume.attachments,
        'instance_ids': volume.instance_ids,
        'attached_at': volume.attached_at,
        'snapshot_id': volume.snapshot_id
    }) as attributes,
    volume.is_stale,
    volume.run_id,
    volume.listing,
    volume.role,
    volume.caller_account_id,
    volume.cell_region,
    volume.collected_at
from aws.ec2_volume as volume

union all by name

select
    snapshot.arn,
    'AWS::EC2::Snapshot' as resource_type,
    snapshot.snapshot_id as resource_id,
    snapshot.name,
    snapshot.account_id,
    snapshot.region,
    snapshot.state,
    snapshot.started_at as created_at,
    snapshot.tags,
    false as is_terminated,
    to_json({
        'volume_id': snapshot.volume_id,
        'volume_size_gb': snapshot.volume_size_gb,
        'full_snapshot_size_bytes': snapshot.full_snapshot_size_bytes,
        'state_message': snapshot.state_message,
        'progress_pct': snapshot.progress_pct,
        'storage_tier': snapshot.storage_tier,
        'is_encrypted': snapshot.is_encrypted,
        'kms_key_id': snapshot.kms_key_id,
        'description': snapshot.description,
        'started_at': snapshot.started_at,
        'completed_at': snapshot.completed_at,
        'restore_expires_at': snapshot.restore_expires_at
    }) as attributes,
    snapshot.is_stale,
    snapshot.run_id,
    snapshot.listing,
    snapshot.role,
    snapshot.caller_account_id,
    snapshot.cell_region,
    snapshot.collected_at
from aws.ec2_snapshot as snapshot

union all by name

select
    image.arn,
    'AWS::EC2::Image' as resource_type,
    image.image_id as resource_id,
    image.name,
    image.account_id,
    image.region,
    image.state,
    image.created_at,
    image.tags,
    coalesce(image.state = 'deregistered', false) as is_terminated,
    to_json({
        'description': image.description,
        'state_reason': image.state_reason,
        'is_public': image.is_public,
        'platform': image.platform,
        'platform_details': image.platform_details,
        'architecture': image.architecture,
        'root_device_type': image.root_device_type,
        'root_device_name': image.root_device_name,
        'snapshot_ids': image.snapshot_ids,
        'source_instance_id': image.source_instance_id,
        'source_image_id': image.source_image_id,
        'deprecated_at': image.deprecated_at,
        'last_launched_at': image.last_launched_at
    }) as attributes,
    image.is_stale,
    image.run_id,
    image.listing,
    image.role,
    image.caller_account_id,
    image.cell_region,
    image.collected_at
from aws.ec2_image as image

union all by name

select
    address.arn,
    'AWS::EC2::EIP' as resource_type,
    address.allocation_id as resource_id,
    address.name,
    address.account_id,
    address.region,
    address.tags,
    false as is_terminated,
    to_json({
        'public_ip': address.public_ip,
        'association_id': address.association_id,
        'instance_id': address.instance_id,
        'network_interface_id': address.network_interface_id,
        'network_interface_owner_id': address.network_interface_owner_id,
        'private_ip_address': address.private_ip_address,
        'service_managed': address.service_managed,
        'public_ipv4_pool': address.public_ipv4_pool,
        'network_border_group': address.network_border_group,
        'domain': address.domain
    }) as attributes,
    address.is_stale,
    address.run_id,
    address.listing,
    address.role,
    address.caller_account_id,
    address.cell_region,
    address.collected_at
from aws.ec2_address as address

union all by name

select
    gateway.arn,
    'AWS::EC2::NatGateway' as resource_type,
    gateway.nat_gateway_id as resource_id,
    gateway.name,
    gateway.account_id,
    gateway.region,
    gateway.state,
    gateway.created_at,
    gateway.tags,
    coalesce(gateway.state in ('deleted', 'failed'), false) as is_terminated,
    to_json({
        'failure_code': gateway.failure_code,
        'failure_message': gateway.failure_message,
        'connectivity_type': gateway.connectivity_type,
        'availability_mode': gateway.availability_mode,
        'vpc_id': gateway.vpc_id,
        'subnet_id': gateway.subnet_id,
        'addresses': gateway.addresses,
        'allocation_ids': gateway.allocation_ids,
        'network_interface_ids': gateway.network_interface_ids,
        'deleted_at': gateway.deleted_at
    }) as attributes,
    gateway.is_stale,
    gateway.run_id,
    gateway.listing,
    gateway.role,
    gateway.caller_account_id,
    gateway.cell_region,
    gateway.collected_at
from aws.ec2_nat_gateway as gateway

union all by name

select
    resource_group.arn,
    'AWS::ResourceGroups::Group' as resource_type,
    resource_group.name as resource_id,
    resource_group.name,
    resource_group.account_id,
    resource_group.region,
    resource_group.tags,
    false as is_terminated,
    to_json({
        'description': resource_group.description,
        'query_type': resource_group.query_type
    }) as attributes,
    resource_group.is_stale,
    resource_group.run_id,
    resource_group.listing,
    resource_group.role,
    resource_group.caller_account_id,
    resource_group.cell_region,
    resource_group.collected_at
from aws.resource_group as resource_group
