-- One row per route table of a transit gateway, deleted ones included for as long as AWS lists them. Only the owner of the
-- transit gateway lists them. Their routes need a request each, and are not collected.
-- key: arn
-- resource: id=transit_gateway_route_table_id state=state created=created_at gone=deleted attributes=transit_gateway_id,
--   is_default_association, is_default_propagation
-- relates: contained_in=AWS::EC2::TransitGateway:transit_gateway_id
-- arn: Amazon Resource Name, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- transit_gateway_route_table_id: Id, such as tgw-rtb-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: pending, available, deleting or deleted.
-- transit_gateway_id: Transit gateway.
-- is_default_association: True where new attachments are associated with it.
-- is_default_propagation: True where it learns the routes of new attachments.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none.
select
    aws_arn(
        'ec2', region, account_id, 'transit-gateway-route-table/' || item.TransitGatewayRouteTableId
    ) as arn,
    account_id,
    region,
    item.TransitGatewayRouteTableId as transit_gateway_route_table_id,
    tag_map(item.Tags)['Name'] as name,
    item.State as state,
    item.TransitGatewayId as transit_gateway_id,
    coalesce(item.DefaultAssociationRouteTable, false) as is_default_association,
    coalesce(item.DefaultPropagationRouteTable, false) as is_default_propagation,
    item.CreationTime as created_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_transit_gateway_route_table',
        'STRUCT(
        TransitGatewayRouteTableId VARCHAR, TransitGatewayId VARCHAR, "State" VARCHAR,
        DefaultAssociationRouteTable BOOLEAN, DefaultPropagationRouteTable BOOLEAN, CreationTime TIMESTAMPTZ,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
