-- One row per site-to-site VPN connection, deleted ones included for as long as AWS lists them. Each costs money by the hour.
-- Its configuration and keys are dropped before anything is kept.
-- key: arn
-- resource: id=vpn_connection_id state=state gone=deleted attributes=category, customer_gateway_id, vpn_gateway_id,
--   transit_gateway_id, is_static_routes_only, is_accelerated, local_cidr_block, remote_cidr_block, static_routes
-- relates: attached_to=AWS::EC2::VPNGateway:vpn_gateway_id attached_to=AWS::EC2::TransitGateway:transit_gateway_id
--   associated_with=AWS::EC2::CustomerGateway:customer_gateway_id
-- arn: Amazon Resource Name, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- vpn_connection_id: Id, such as vpn-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: pending, available, deleting or deleted.
-- category: VPN, or VPN-Classic for one of the first generation.
-- customer_gateway_id: The other side's gateway.
-- vpn_gateway_id: AWS's side, a VPN gateway; NULL where it is a transit gateway.
-- transit_gateway_id: AWS's side, a transit gateway; NULL where it is a VPN gateway.
-- is_static_routes_only: True where it knows no BGP.
-- is_accelerated: True where its traffic enters AWS at the nearest edge location, which costs more.
-- local_cidr_block: IPv4 range of the other side's network; 0.0.0.0/0 for any.
-- remote_cidr_block: IPv4 range of AWS's side; 0.0.0.0/0 for any.
-- static_routes: Destinations of its static routes; empty where it has none.
-- tunnels: Its tunnels, each with outside_ip_address, status (UP or DOWN), status_message, accepted_route_count and
--   status_changed_at (UTC).
-- up_tunnel_count: How many tunnels are UP. With one alone it does not survive the loss of that one.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'vpn-connection/' || item.VpnConnectionId) as arn,
    account_id,
    region,
    item.VpnConnectionId as vpn_connection_id,
    tag_map(item.Tags)['Name'] as name,
    item.State as state,
    item.Category as category,
    item.CustomerGatewayId as customer_gateway_id,
    nullif(item.VpnGatewayId, '') as vpn_gateway_id,
    nullif(item.TransitGatewayId, '') as transit_gateway_id,
    item.Options.StaticRoutesOnly as is_static_routes_only,
    coalesce(item.Options.EnableAcceleration, false) as is_accelerated,
    item.Options.LocalIpv4NetworkCidr as local_cidr_block,
    item.Options.RemoteIpv4NetworkCidr as remote_cidr_block,
    list_sort(
        list_transform(
            list_filter(coalesce(item.Routes, []), lambda route: route.State is distinct from 'deleted'),
            lambda route: route.DestinationCidrBlock
        )
    ) as static_routes,
    list_sort(
        list_transform(
            coalesce(item.VgwTelemetry, []),
            lambda tunnel: {
                'outside_ip_address': tunnel.OutsideIpAddress,
                'status': tunnel.Status,
                'status_message': nullif(tunnel.StatusMessage, ''),
                'accepted_route_count': tunnel.AcceptedRouteCount,
                'status_changed_at': tunnel.LastStatusChange
            }
        )
    ) as tunnels,
    len(list_filter(coalesce(item.VgwTelemetry, []), lambda tunnel: tunnel.Status = 'UP')) as up_tunnel_count,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_vpn_connection',
        'STRUCT(
        VpnConnectionId VARCHAR, "State" VARCHAR, Category VARCHAR, CustomerGatewayId VARCHAR, VpnGatewayId VARCHAR,
        TransitGatewayId VARCHAR,
        Options STRUCT(
            StaticRoutesOnly BOOLEAN, EnableAcceleration BOOLEAN, LocalIpv4NetworkCidr VARCHAR,
            RemoteIpv4NetworkCidr VARCHAR
        ),
        Routes STRUCT(DestinationCidrBlock VARCHAR, "State" VARCHAR)[],
        VgwTelemetry STRUCT(
            OutsideIpAddress VARCHAR, Status VARCHAR, StatusMessage VARCHAR, AcceptedRouteCount BIGINT,
            LastStatusChange TIMESTAMPTZ
        )[],
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
