-- One row per attachment of a transit gateway: a VPC, a VPN connection, a Direct Connect gateway or another transit gateway
-- that it joins. Owner of the gateway and owner of what is attached both list it: it stands here once, under the latter.
-- key: arn
-- owner: account_id
-- resource: id=transit_gateway_attachment_id state=state created=created_at gone=deleted, rejected, failed
--   attributes=attachment_type, transit_gateway_id, transit_gateway_owner_id, attached_id, vpc_id, vpn_connection_id,
--   route_table_id, association_state
-- relates: attached_to=AWS::EC2::TransitGateway:transit_gateway_id:transit_gateway_owner_id
--   attached_to=AWS::EC2::VPC:vpc_id attached_to=AWS::EC2::VPNConnection:vpn_connection_id
-- arn: Amazon Resource Name, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account that owns what is attached, and pays for it; of a peering, the owner of this side's transit
--   gateway. 12 digits, text because some begin with 0.
-- region: AWS region.
-- transit_gateway_attachment_id: Id, such as tgw-attach-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: initiating, pendingAcceptance, pending, available, modifying, rolling_back, deleting, deleted, rejected or failed.
-- attachment_type: What is attached: vpc, vpn, direct-connect-gateway, peering, connect and others.
-- transit_gateway_id: Transit gateway.
-- transit_gateway_owner_id: The AWS account that owns the transit gateway: 12 digits.
-- attached_id: Id of what is attached.
-- vpc_id: The same where it is a VPC, else NULL.
-- vpn_connection_id: The same where it is a VPN connection, else NULL.
-- route_table_id: Route table of the transit gateway that it is associated with; NULL where none is.
-- association_state: associating, associated or disassociating; NULL where there is no such route table.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none, NULL where only the transit gateway's owner lists it.
select
    aws_arn(
        'ec2',
        region,
        coalesce(
            if(item.ResourceType in ('peering', 'tgw-peering'), null, item.ResourceOwnerId),
            item.TransitGatewayOwnerId
        ),
        'transit-gateway-attachment/' || item.TransitGatewayAttachmentId
    ) as arn,
    -- Of a peering AWS names the owner of the other side's transit gateway.
    coalesce(
        if(item.ResourceType in ('peering', 'tgw-peering'), null, item.ResourceOwnerId),
        item.TransitGatewayOwnerId
    ) as account_id,
    region,
    item.TransitGatewayAttachmentId as transit_gateway_attachment_id,
    tag_map(item.Tags)['Name'] as name,
    item.State as state,
    item.ResourceType as attachment_type,
    item.TransitGatewayId as transit_gateway_id,
    item.TransitGatewayOwnerId as transit_gateway_owner_id,
    item.ResourceId as attached_id,
    if(item.ResourceType = 'vpc', item.ResourceId, null) as vpc_id,
    if(item.ResourceType = 'vpn', item.ResourceId, null) as vpn_connection_id,
    item.Association.TransitGatewayRouteTableId as route_table_id,
    item.Association.State as association_state,
    item.CreationTime as created_at,
    if(
        coalesce(
            if(item.ResourceType in ('peering', 'tgw-peering'), null, item.ResourceOwnerId),
            item.TransitGatewayOwnerId
        ) = cell.caller_account_id,
        tag_map(item.Tags),
        null
    ) as tags,
    cell.*
from landing(
        'ec2_transit_gateway_attachment',
        'STRUCT(
        TransitGatewayAttachmentId VARCHAR, TransitGatewayId VARCHAR, TransitGatewayOwnerId VARCHAR,
        ResourceOwnerId VARCHAR, ResourceType VARCHAR, ResourceId VARCHAR, "State" VARCHAR,
        Association STRUCT(TransitGatewayRouteTableId VARCHAR, "State" VARCHAR),
        CreationTime TIMESTAMPTZ, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
