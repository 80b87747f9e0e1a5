-- One row per transit gateway, deleted ones included for as long as AWS lists them. Accounts that it is shared with list it
-- as well. It stands here once, under its owner.
-- key: arn
-- owner: account_id
-- resource: id=transit_gateway_id state=state created=created_at gone=deleted attributes=description, amazon_side_asn,
--   cidr_blocks, is_auto_accepting, association_route_table_id, propagation_route_table_id, is_dns_supported
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- transit_gateway_id: Id, such as tgw-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: pending, available, modifying, deleting or deleted.
-- description: What its maker wrote; NULL where nothing.
-- amazon_side_asn: Autonomous system number of AWS's side of its BGP sessions.
-- cidr_blocks: Its own ranges, for Connect attachments; empty where it has none.
-- is_auto_accepting: True where attachments of other accounts need nobody's consent.
-- association_route_table_id: Route table that new attachments are associated with; NULL where none is by default.
-- propagation_route_table_id: Route table that learns the routes of new attachments; NULL where none does by default.
-- is_dns_supported: True where public names of attached VPCs resolve to private addresses in each other.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it, which AWS does not show them.
select
    item.TransitGatewayArn as arn,
    item.OwnerId as account_id,
    region,
    item.TransitGatewayId as transit_gateway_id,
    tag_map(item.Tags)['Name'] as name,
    item.State as state,
    nullif(item.Description, '') as description,
    item.Options.AmazonSideAsn as amazon_side_asn,
    coalesce(item.Options.TransitGatewayCidrBlocks, []) as cidr_blocks,
    item.Options.AutoAcceptSharedAttachments = 'enable' as is_auto_accepting,
    item.Options.AssociationDefaultRouteTableId as association_route_table_id,
    item.Options.PropagationDefaultRouteTableId as propagation_route_table_id,
    item.Options.DnsSupport = 'enable' as is_dns_supported,
    item.CreationTime as created_at,
    if(item.OwnerId = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_transit_gateway',
        'STRUCT(
        TransitGatewayArn VARCHAR, OwnerId VARCHAR, TransitGatewayId VARCHAR, "State" VARCHAR, Description VARCHAR,
        CreationTime TIMESTAMPTZ,
        Options STRUCT(
            AmazonSideAsn BIGINT, TransitGatewayCidrBlocks VARCHAR[], AutoAcceptSharedAttachments VARCHAR,
            AssociationDefaultRouteTableId VARCHAR, PropagationDefaultRouteTableId VARCHAR, DnsSupport VARCHAR
        ),
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
