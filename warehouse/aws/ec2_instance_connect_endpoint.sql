-- One row per EC2 Instance Connect Endpoint: people connect through it to instances that have no public address.
-- key: arn
-- owner: account_id
-- resource: id=instance_connect_endpoint_id state=state created=created_at zone=availability_zone gone=delete-complete
--   attributes=vpc_id, subnet_id, security_group_ids, is_preserving_client_ip
-- relates: contained_in=AWS::EC2::Subnet:subnet_id
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- instance_connect_endpoint_id: Id, such as eice-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: create-complete, delete-complete and others; ends in -in-progress, -complete or -failed.
-- dns_name: DNS name.
-- vpc_id: VPC.
-- subnet_id: Subnet.
-- availability_zone: Availability zone.
-- security_group_ids: Security groups, sorted.
-- network_interface_ids: Its network interfaces, sorted.
-- is_preserving_client_ip: True where instances see the caller's address and not the endpoint's.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    coalesce(
        item.InstanceConnectEndpointArn,
        aws_arn(
            'ec2',
            region,
            coalesce(item.OwnerId, account_id),
            'instance-connect-endpoint/' || item.InstanceConnectEndpointId
        )
    ) as arn,
    coalesce(item.OwnerId, account_id) as account_id,
    region,
    item.InstanceConnectEndpointId as instance_connect_endpoint_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.DnsName as dns_name,
    item.VpcId as vpc_id,
    item.SubnetId as subnet_id,
    item.AvailabilityZone as availability_zone,
    list_sort(coalesce(item.SecurityGroupIds, [])) as security_group_ids,
    list_sort(coalesce(item.NetworkInterfaceIds, [])) as network_interface_ids,
    item.PreserveClientIp as is_preserving_client_ip,
    item.CreatedAt as created_at,
    if(coalesce(item.OwnerId, account_id) = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_instance_connect_endpoint',
        'STRUCT(
        InstanceConnectEndpointArn VARCHAR, OwnerId VARCHAR, InstanceConnectEndpointId VARCHAR, "State" VARCHAR,
        DnsName VARCHAR, VpcId VARCHAR, SubnetId VARCHAR, AvailabilityZone VARCHAR, SecurityGroupIds VARCHAR[],
        NetworkInterfaceIds VARCHAR[], PreserveClientIp BOOLEAN, CreatedAt TIMESTAMPTZ,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
