-- One row per announcement of a transit gateway's route table to a peer, or of a peer's to it: such routes come and go by
-- themselves. It is requested where there is a transit gateway.
-- key: arn
-- resource: id=announcement_id state=state created=created_at gone=deleted, failed attributes=transit_gateway_id,
--   transit_gateway_route_table_id, direction, peering_attachment_id, peer_transit_gateway_id, peer_core_network_id
-- relates: contained_in=AWS::EC2::TransitGateway:transit_gateway_id
--   associated_with=AWS::EC2::TransitGatewayRouteTable:transit_gateway_route_table_id
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- announcement_id: Id.
-- name: Value of the tag Name; NULL where there is none.
-- state: available, pending, failing, failed, deleting or deleted.
-- direction: outgoing or incoming.
-- transit_gateway_id: Transit gateway.
-- transit_gateway_route_table_id: Route table.
-- peering_attachment_id: Peering attachment over which it goes.
-- peer_transit_gateway_id: Transit gateway of the peer; NULL where the peer is a core network.
-- core_network_id: Core network of Cloud WAN; NULL where there is none.
-- peer_core_network_id: Core network of the peer; NULL where there is none.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none.
select
    aws_arn(
        'ec2', region, account_id,
        'transit-gateway-route-table-announcement/' || item.TransitGatewayRouteTableAnnouncementId
    ) as arn,
    account_id,
    region,
    item.TransitGatewayRouteTableAnnouncementId as announcement_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.AnnouncementDirection as direction,
    item.TransitGatewayId as transit_gateway_id,
    item.TransitGatewayRouteTableId as transit_gateway_route_table_id,
    item.PeeringAttachmentId as peering_attachment_id,
    item.PeerTransitGatewayId as peer_transit_gateway_id,
    item.CoreNetworkId as core_network_id,
    item.PeerCoreNetworkId as peer_core_network_id,
    item.CreationTime as created_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_transit_gateway_route_table_announcement',
        'STRUCT(
        TransitGatewayRouteTableAnnouncementId VARCHAR, "State" VARCHAR, AnnouncementDirection VARCHAR,
        TransitGatewayId VARCHAR, TransitGatewayRouteTableId VARCHAR, PeeringAttachmentId VARCHAR,
        PeerTransitGatewayId VARCHAR, CoreNetworkId VARCHAR, PeerCoreNetworkId VARCHAR,
        CreationTime TIMESTAMPTZ, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
