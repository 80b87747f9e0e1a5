-- One row per multicast domain of a transit gateway. Accounts that it is shared with list it as well. It stands here once,
-- under its owner.
-- key: arn
-- owner: account_id
-- resource: id=multicast_domain_id state=state created=created_at gone=deleted attributes=transit_gateway_id, is_igmp,
--   is_auto_accepting
-- relates: contained_in=AWS::EC2::TransitGateway:transit_gateway_id
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- multicast_domain_id: Id, such as tgw-mcast-domain-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: pending, available, deleting or deleted.
-- transit_gateway_id: Transit gateway.
-- is_igmp: True where members join by IGMP.
-- is_auto_accepting: True where other accounts may join by themselves.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    item.TransitGatewayMulticastDomainArn as arn,
    coalesce(item.OwnerId, split_part(item.TransitGatewayMulticastDomainArn, ':', 5)) as account_id,
    region,
    item.TransitGatewayMulticastDomainId as multicast_domain_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.TransitGatewayId as transit_gateway_id,
    item.Options.Igmpv2Support = 'enable' as is_igmp,
    item.Options.AutoAcceptSharedAssociations = 'enable' as is_auto_accepting,
    item.CreationTime as created_at,
    if(
        coalesce(item.OwnerId, split_part(item.TransitGatewayMulticastDomainArn, ':', 5))
        = cell.caller_account_id,
        tag_map(item.Tags),
        null
    ) as tags,
    cell.*
from landing(
        'ec2_transit_gateway_multicast_domain',
        'STRUCT(
        TransitGatewayMulticastDomainArn VARCHAR, OwnerId VARCHAR, TransitGatewayMulticastDomainId VARCHAR,
        "State" VARCHAR, TransitGatewayId VARCHAR,
        Options STRUCT(Igmpv2Support VARCHAR, AutoAcceptSharedAssociations VARCHAR), CreationTime TIMESTAMPTZ,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
