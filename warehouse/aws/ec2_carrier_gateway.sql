-- One row per carrier gateway: the way of a Wavelength subnet into the network of a telecommunication carrier and the internet.
-- key: arn
-- owner: account_id
-- resource: id=carrier_gateway_id state=state gone=deleted attributes=vpc_id
-- relates: attached_to=AWS::EC2::VPC:vpc_id
-- arn: Amazon Resource Name, built from owner, region and id, since EC2 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- carrier_gateway_id: Id, such as cagw-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: pending, available, deleting or deleted.
-- vpc_id: VPC.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    aws_arn('ec2', region, item.OwnerId, 'carrier-gateway/' || item.CarrierGatewayId) as arn,
    item.OwnerId as account_id,
    region,
    item.CarrierGatewayId as carrier_gateway_id,
    tag_map(item.Tags)['Name'] as name,
    item.State as state,
    item.VpcId as vpc_id,
    if(item.OwnerId = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_carrier_gateway',
        'STRUCT(
        OwnerId VARCHAR, CarrierGatewayId VARCHAR, "State" VARCHAR, VpcId VARCHAR,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
