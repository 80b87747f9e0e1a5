-- One row per VPN concentrator: one attachment of a transit gateway for the VPN connections of many small sites. It is
-- requested where there is an attachment of a transit gateway.
-- key: arn
-- resource: id=vpn_concentrator_id state=state gone=deleted attributes=concentrator_type, transit_gateway_id,
--   transit_gateway_attachment_id
-- relates: attached_to=AWS::EC2::TransitGateway:transit_gateway_id
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- vpn_concentrator_id: Id.
-- name: Value of the tag Name; NULL where there is none.
-- state: State in AWS's words, such as available.
-- concentrator_type: Type, such as ipsec.1.
-- transit_gateway_id: Transit gateway.
-- transit_gateway_attachment_id: Attachment by which it hangs on the gateway.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'vpn-concentrator/' || item.VpnConcentratorId) as arn,
    account_id,
    region,
    item.VpnConcentratorId as vpn_concentrator_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item."Type" as concentrator_type,
    item.TransitGatewayId as transit_gateway_id,
    item.TransitGatewayAttachmentId as transit_gateway_attachment_id,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_vpn_concentrator',
        'STRUCT(
        VpnConcentratorId VARCHAR, "State" VARCHAR, "Type" VARCHAR, TransitGatewayId VARCHAR,
        TransitGatewayAttachmentId VARCHAR, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
