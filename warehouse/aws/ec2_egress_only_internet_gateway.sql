-- One row per egress-only internet gateway: the way of IPv6 traffic out of a VPC, that lets nothing in.
-- key: arn
-- resource: id=egress_only_internet_gateway_id attributes=vpc_ids
-- relates: attached_to=AWS::EC2::VPC:vpc_ids[]
-- arn: Amazon Resource Name, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- egress_only_internet_gateway_id: Id, such as eigw-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- vpc_ids: VPCs that it is attached to: one, or none.
-- tags: Tags; an empty map where it has none.
select
    aws_arn(
        'ec2', region, account_id, 'egress-only-internet-gateway/' || item.EgressOnlyInternetGatewayId
    ) as arn,
    account_id,
    region,
    item.EgressOnlyInternetGatewayId as egress_only_internet_gateway_id,
    tag_map(item.Tags)['Name'] as name,
    list_sort(
        list_transform(
            list_filter(
                coalesce(item.Attachments, []),
                lambda held: held.VpcId is not null and held.State is distinct from 'detached'
            ),
            lambda held: held.VpcId
        )
    ) as vpc_ids,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_egress_only_internet_gateway',
        'STRUCT(
        EgressOnlyInternetGatewayId VARCHAR, Attachments STRUCT("State" VARCHAR, VpcId VARCHAR)[],
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
