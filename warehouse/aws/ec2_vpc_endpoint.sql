-- One row per VPC endpoint: the private way from a VPC to a service of AWS or of somebody else. Interface endpoints cost
-- money by the hour and subnet; gateway endpoints (S3, DynamoDB) cost nothing.
-- key: arn
-- owner: account_id
-- resource: id=vpc_endpoint_id state=state created=created_at gone=deleted, rejected, failed, expired
--   attributes=endpoint_type, service_name, service_region, vpc_id, subnet_ids, security_group_ids, route_table_ids,
--   network_interface_ids, is_private_dns_enabled, is_requester_managed, ip_address_type, failure_code, failure_message
-- relates: contained_in=AWS::EC2::VPC:vpc_id attached_to=AWS::EC2::Subnet:subnet_ids[]
--   associated_with=AWS::EC2::SecurityGroup:security_group_ids[]
--   associated_with=AWS::EC2::NetworkInterface:network_interface_ids[]
-- arn: Amazon Resource Name, built from owner, region and id, since EC2 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- vpc_endpoint_id: Id, such as vpce-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: pendingacceptance, pending, available, partial, deleting, deleted, rejected, failed or expired. Small letters:
--   AWS writes it in both.
-- endpoint_type: Interface, Gateway, GatewayLoadBalancer, Resource or ServiceNetwork.
-- service_name: The service that it leads to, such as com.amazonaws.us-east-1.s3.
-- service_region: AWS region of that service; the endpoint's own where AWS names none.
-- vpc_id: VPC.
-- subnet_ids: Subnets that it has a network interface in; empty for a gateway endpoint.
-- security_group_ids: Security groups of these interfaces.
-- route_table_ids: Route tables that lead to it; empty for an interface endpoint.
-- network_interface_ids: Its network interfaces.
-- is_private_dns_enabled: True where the service's own DNS name leads to it.
-- is_requester_managed: True where a service of AWS made it and manages it.
-- ip_address_type: ipv4, dualstack or ipv6; NULL where AWS does not report it.
-- policy: Who may reach what through it: its policy, JSON; NULL where AWS does not report it.
-- failure_code: Why it could not be made; NULL where it could.
-- failure_message: The same in EC2's words.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    aws_arn('ec2', region, item.OwnerId, 'vpc-endpoint/' || item.VpcEndpointId) as arn,
    item.OwnerId as account_id,
    region,
    item.VpcEndpointId as vpc_endpoint_id,
    tag_map(item.Tags)['Name'] as name,
    lower(item.State) as state,
    item.VpcEndpointType as endpoint_type,
    item.ServiceName as service_name,
    coalesce(item.ServiceRegion, region) as service_region,
    item.VpcId as vpc_id,
    list_sort(coalesce(item.SubnetIds, [])) as subnet_ids,
    list_sort(list_transform(coalesce(item.Groups, []), lambda held: held.GroupId)) as security_group_ids,
    list_sort(coalesce(item.RouteTableIds, [])) as route_table_ids,
    list_sort(coalesce(item.NetworkInterfaceIds, [])) as network_interface_ids,
    coalesce(item.PrivateDnsEnabled, false) as is_private_dns_enabled,
    coalesce(item.RequesterManaged, false) as is_requester_managed,
    item.IpAddressType as ip_address_type,
    try_cast(item.PolicyDocument as json) as policy,
    item.LastError.Code as failure_code,
    coalesce(item.LastError.Message, item.FailureReason) as failure_message,
    item.CreationTimestamp as created_at,
    if(item.OwnerId = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_vpc_endpoint',
        'STRUCT(
        OwnerId VARCHAR, VpcEndpointId VARCHAR, "State" VARCHAR, VpcEndpointType VARCHAR, ServiceName VARCHAR,
        ServiceRegion VARCHAR, VpcId VARCHAR, SubnetIds VARCHAR[], Groups STRUCT(GroupId VARCHAR)[],
        RouteTableIds VARCHAR[], NetworkInterfaceIds VARCHAR[], PrivateDnsEnabled BOOLEAN, RequesterManaged BOOLEAN,
        IpAddressType VARCHAR, PolicyDocument VARCHAR, LastError STRUCT(Code VARCHAR, Message VARCHAR),
        FailureReason VARCHAR, CreationTimestamp TIMESTAMPTZ, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
