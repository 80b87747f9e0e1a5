-- One row per target of traffic mirroring: where copies of the traffic of network interfaces go. Accounts that it is shared
-- with list it as well. It stands here once, under its owner.
-- key: arn
-- owner: account_id
-- resource: id=traffic_mirror_target_id attributes=target_type, network_interface_id, load_balancer_arn, vpc_endpoint_id,
--   description
-- arn: Amazon Resource Name, built from owner, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- traffic_mirror_target_id: Id, such as tmt-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- target_type: network-interface, network-load-balancer or gateway-load-balancer-endpoint.
-- network_interface_id: Network interface; NULL for another type.
-- load_balancer_arn: Network Load Balancer; NULL for another type.
-- vpc_endpoint_id: Gateway Load Balancer endpoint; NULL for another type.
-- description: What its maker wrote; NULL where nothing.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    aws_arn(
        'ec2',
        region,
        coalesce(item.OwnerId, account_id),
        'traffic-mirror-target/' || item.TrafficMirrorTargetId
    ) as arn,
    coalesce(item.OwnerId, account_id) as account_id,
    region,
    item.TrafficMirrorTargetId as traffic_mirror_target_id,
    tag_map(item.Tags)['Name'] as name,
    item."Type" as target_type,
    item.NetworkInterfaceId as network_interface_id,
    item.NetworkLoadBalancerArn as load_balancer_arn,
    item.GatewayLoadBalancerEndpointId as vpc_endpoint_id,
    item.Description as description,
    if(coalesce(item.OwnerId, account_id) = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_traffic_mirror_target',
        'STRUCT(
        OwnerId VARCHAR, TrafficMirrorTargetId VARCHAR, "Type" VARCHAR, NetworkInterfaceId VARCHAR,
        NetworkLoadBalancerArn VARCHAR, GatewayLoadBalancerEndpointId VARCHAR, Description VARCHAR,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
