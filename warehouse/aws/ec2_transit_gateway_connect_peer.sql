-- One row per Connect peer: an appliance that a transit gateway reaches through a GRE tunnel.
-- key: arn
-- resource: id=connect_peer_id state=state created=created_at gone=deleted attributes=transit_gateway_attachment_id,
--   peer_address, transit_gateway_address, is_bgp_up
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- connect_peer_id: Id, such as tgw-connect-peer-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: pending, available, deleting or deleted.
-- transit_gateway_attachment_id: Connect attachment.
-- peer_address: Address of the appliance.
-- transit_gateway_address: Address of the transit gateway.
-- inside_cidr_blocks: Ranges within the tunnel, sorted.
-- is_bgp_up: True where one of its BGP sessions is up; NULL where it has none.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none.
select
    aws_arn(
        'ec2', region, account_id, 'transit-gateway-connect-peer/' || item.TransitGatewayConnectPeerId
    ) as arn,
    account_id,
    region,
    item.TransitGatewayConnectPeerId as connect_peer_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.TransitGatewayAttachmentId as transit_gateway_attachment_id,
    item.ConnectPeerConfiguration.PeerAddress as peer_address,
    item.ConnectPeerConfiguration.TransitGatewayAddress as transit_gateway_address,
    list_sort(coalesce(item.ConnectPeerConfiguration.InsideCidrBlocks, [])) as inside_cidr_blocks,
    list_bool_or(
        list_transform(
            item.ConnectPeerConfiguration.BgpConfigurations, lambda one: one.BgpStatus = 'up'
        )
    ) as is_bgp_up,
    item.CreationTime as created_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_transit_gateway_connect_peer',
        'STRUCT(
        TransitGatewayConnectPeerId VARCHAR, "State" VARCHAR, TransitGatewayAttachmentId VARCHAR,
        ConnectPeerConfiguration STRUCT(PeerAddress VARCHAR, TransitGatewayAddress VARCHAR, InsideCidrBlocks VARCHAR[],
        BgpConfigurations STRUCT(BgpStatus VARCHAR)[]),
        CreationTime TIMESTAMPTZ, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
