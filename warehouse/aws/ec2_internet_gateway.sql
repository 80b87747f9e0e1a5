-- One row per internet gateway, those that AWS makes for default VPCs included. Without a VPC it serves nothing.
-- key: arn
-- owner: account_id
-- resource: id=internet_gateway_id state=state attributes=vpc_ids
-- relates: attached_to=AWS::EC2::VPC:vpc_ids[]
-- arn: Amazon Resource Name, built from owner, region and id, since EC2 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- internet_gateway_id: Id, such as igw-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: attached where it serves a VPC, else detached; while that changes, attaching or detaching.
-- vpc_ids: VPCs that it is attached to: one, or none.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    aws_arn('ec2', region, item.OwnerId, 'internet-gateway/' || item.InternetGatewayId) as arn,
    item.OwnerId as account_id,
    region,
    item.InternetGatewayId as internet_gateway_id,
    tag_map(item.Tags)['Name'] as name,
    -- AWS writes `available` of one that is attached, where its documentation says `attached`.
    coalesce(replace(item.Attachments[1].State, 'available', 'attached'), 'detached') as state,
    list_sort(
        list_transform(
            list_filter(
                coalesce(item.Attachments, []),
                lambda held: held.VpcId is not null and held.State is distinct from 'detached'
            ),
            lambda held: held.VpcId
        )
    ) as vpc_ids,
    if(item.OwnerId = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_internet_gateway',
        'STRUCT(
        OwnerId VARCHAR, InternetGatewayId VARCHAR, Attachments STRUCT("State" VARCHAR, VpcId VARCHAR)[],
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
