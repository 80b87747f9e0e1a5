-- One row per policy table of a transit gateway: it chooses the route table by addresses, ports and protocol of the traffic,
-- for peers with dynamic routing. It is requested where there is a transit gateway.
-- key: arn
-- resource: id=transit_gateway_policy_table_id state=state created=created_at gone=deleted attributes=transit_gateway_id
-- relates: contained_in=AWS::EC2::TransitGateway:transit_gateway_id
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- transit_gateway_policy_table_id: Id, such as tgw-ptb-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: pending, available, deleting or deleted.
-- transit_gateway_id: Transit gateway.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none.
select
    aws_arn(
        'ec2', region, account_id, 'transit-gateway-policy-table/' || item.TransitGatewayPolicyTableId
    ) as arn,
    account_id,
    region,
    item.TransitGatewayPolicyTableId as transit_gateway_policy_table_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.TransitGatewayId as transit_gateway_id,
    item.CreationTime as created_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_transit_gateway_policy_table',
        'STRUCT(
        TransitGatewayPolicyTableId VARCHAR, "State" VARCHAR, TransitGatewayId VARCHAR,
        CreationTime TIMESTAMPTZ, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
