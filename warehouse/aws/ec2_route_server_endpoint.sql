-- One row per endpoint of a route server: where it meets appliances in a subnet, paid for by the hour.
-- key: arn
-- resource: id=route_server_endpoint_id state=state gone=deleted, failed attributes=route_server_id, vpc_id, subnet_id,
--   private_ip_address, failure_reason
-- relates: contained_in=AWS::EC2::VPC:vpc_id
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- route_server_endpoint_id: Id, such as rse-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: pending, available, deleting, deleted, failing, failed or delete-failed.
-- route_server_id: Route server.
-- vpc_id: VPC.
-- subnet_id: Subnet.
-- network_interface_id: Network interface.
-- private_ip_address: Its address.
-- failure_reason: Why it failed; NULL where it did not.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'route-server-endpoint/' || item.RouteServerEndpointId) as arn,
    account_id,
    region,
    item.RouteServerEndpointId as route_server_endpoint_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.RouteServerId as route_server_id,
    item.VpcId as vpc_id,
    item.SubnetId as subnet_id,
    item.EniId as network_interface_id,
    item.EniAddress as private_ip_address,
    item.FailureReason as failure_reason,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_route_server_endpoint',
        'STRUCT(
        RouteServerEndpointId VARCHAR, "State" VARCHAR, RouteServerId VARCHAR, VpcId VARCHAR, SubnetId VARCHAR,
        EniId VARCHAR, EniAddress VARCHAR, FailureReason VARCHAR, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
