-- One row per VPN gateway (virtual private gateway): AWS's side of VPN and Direct Connect for one VPC. Deleted ones are
-- included for as long as AWS lists them.
-- key: arn
-- resource: id=vpn_gateway_id state=state gone=deleted attributes=vpc_ids, amazon_side_asn
-- relates: attached_to=AWS::EC2::VPC:vpc_ids[]
-- arn: Amazon Resource Name, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- vpn_gateway_id: Id, such as vgw-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: pending, available, deleting or deleted.
-- amazon_side_asn: Autonomous system number of AWS's side of its BGP sessions.
-- vpc_ids: VPCs that it is attached to: one, or none.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'vpn-gateway/' || item.VpnGatewayId) as arn,
    account_id,
    region,
    item.VpnGatewayId as vpn_gateway_id,
    tag_map(item.Tags)['Name'] as name,
    item.State as state,
    item.AmazonSideAsn as amazon_side_asn,
    list_sort(
        list_transform(
            list_filter(
                coalesce(item.VpcAttachments, []),
                lambda held: held.VpcId is not null and held.State is distinct from 'detached'
            ),
            lambda held: held.VpcId
        )
    ) as vpc_ids,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_vpn_gateway',
        'STRUCT(
        VpnGatewayId VARCHAR, "State" VARCHAR, AmazonSideAsn BIGINT, VpcAttachments STRUCT("State" VARCHAR, VpcId VARCHAR)[],
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
