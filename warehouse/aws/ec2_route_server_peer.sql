-- One row per peer of a route server: an appliance that announces routes to it by BGP.
-- key: arn
-- resource: id=route_server_peer_id state=state gone=deleted, failed attributes=route_server_id, route_server_endpoint_id,
--   vpc_id, peer_address, peer_asn, bgp_status
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- route_server_peer_id: Id, such as rsp-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: pending, available, deleting, deleted, failing or failed.
-- route_server_id: Route server.
-- route_server_endpoint_id: Endpoint that it meets.
-- vpc_id: VPC.
-- peer_address: Address of the appliance.
-- peer_asn: AS number of the appliance.
-- bgp_status: up or down.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'route-server-peer/' || item.RouteServerPeerId) as arn,
    account_id,
    region,
    item.RouteServerPeerId as route_server_peer_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.RouteServerId as route_server_id,
    item.RouteServerEndpointId as route_server_endpoint_id,
    item.VpcId as vpc_id,
    item.PeerAddress as peer_address,
    item.BgpOptions.PeerAsn as peer_asn,
    item.BgpStatus."Status" as bgp_status,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_route_server_peer',
        'STRUCT(
        RouteServerPeerId VARCHAR, "State" VARCHAR, RouteServerId VARCHAR, RouteServerEndpointId VARCHAR,
        VpcId VARCHAR, PeerAddress VARCHAR, BgpOptions STRUCT(PeerAsn BIGINT), BgpStatus STRUCT("Status" VARCHAR),
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
