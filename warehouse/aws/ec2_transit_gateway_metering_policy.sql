-- One row per metering policy of a transit gateway: which accounts pay for the traffic through it, instead of those that
-- send it. It is requested where there is a transit gateway.
-- key: arn
-- resource: id=transit_gateway_metering_policy_id state=state gone=deleted attributes=transit_gateway_id,
--   middlebox_attachment_ids
-- relates: contained_in=AWS::EC2::TransitGateway:transit_gateway_id
--   associated_with=AWS::EC2::TransitGatewayAttachment:middlebox_attachment_ids[]
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- transit_gateway_metering_policy_id: Id, such as tgw-mp-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: available, deleted, pending, modifying or deleting.
-- transit_gateway_id: Transit gateway.
-- middlebox_attachment_ids: Attachments of appliances whose traffic is metered as that of its sender, sorted.
-- update_effective_at: From when its last change counts, UTC; NULL where AWS does not say.
-- tags: Tags; an empty map where it has none.
select
    aws_arn(
        'ec2', region, account_id,
        'transit-gateway-metering-policy/' || item.TransitGatewayMeteringPolicyId
    ) as arn,
    account_id,
    region,
    item.TransitGatewayMeteringPolicyId as transit_gateway_metering_policy_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.TransitGatewayId as transit_gateway_id,
    list_sort(coalesce(item.MiddleboxAttachmentIds, [])) as middlebox_attachment_ids,
    item.UpdateEffectiveAt as update_effective_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_transit_gateway_metering_policy',
        'STRUCT(
        TransitGatewayMeteringPolicyId VARCHAR, "State" VARCHAR, TransitGatewayId VARCHAR,
        MiddleboxAttachmentIds VARCHAR[], UpdateEffectiveAt TIMESTAMPTZ, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
