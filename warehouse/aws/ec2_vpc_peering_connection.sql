-- One row per VPC peering connection, ended ones included for as long as AWS lists them. Both sides list it: it stands here
-- once, under the account and region that asked for it.
-- key: arn
-- owner: account_id
-- resource: id=vpc_peering_connection_id state=state gone=deleted, rejected, failed, expired attributes=status_message,
--   requester_vpc_id, requester_cidr_blocks, accepter_account_id, accepter_region, accepter_vpc_id, accepter_cidr_blocks,
--   is_cross_account, is_cross_region, expires_at
-- relates: attached_to=AWS::EC2::VPC:requester_vpc_id
--   attached_to=AWS::EC2::VPC:accepter_vpc_id:accepter_account_id:accepter_region
-- arn: Amazon Resource Name, built from the requester's account and region and the id, since EC2 returns none.
-- account_id: The AWS account of the requester, which may be one outside the organisation: 12 digits, text because some begin with 0.
-- region: AWS region of the requester's VPC.
-- vpc_peering_connection_id: Id, such as pcx-0123456789abcdef0.
-- name: The requester's tag Name; NULL where there is none.
-- state: initiating-request, pending-acceptance, provisioning, active, deleting, deleted, rejected, failed or expired.
-- status_message: The same in EC2's words, with the reason where there is one.
-- requester_vpc_id: VPC of the account that asked for it.
-- requester_cidr_blocks: IPv4 and IPv6 ranges of that VPC; empty where AWS does not report them.
-- accepter_account_id: The AWS account that was asked: 12 digits.
-- accepter_region: AWS region of its VPC.
-- accepter_vpc_id: Its VPC.
-- accepter_cidr_blocks: IPv4 and IPv6 ranges of that VPC; empty where AWS does not report them, as before it is accepted.
-- is_cross_account: True where the two VPCs have different owners.
-- is_cross_region: True where they lie in different regions.
-- expires_at: When a request that nobody accepts expires, UTC; NULL where it was answered.
-- tags: The requester's tags; an empty map where it has none, NULL where only the other side lists it.
select
    aws_arn(
        'ec2',
        coalesce(item.RequesterVpcInfo.Region, region),
        item.RequesterVpcInfo.OwnerId,
        'vpc-peering-connection/' || item.VpcPeeringConnectionId
    ) as arn,
    item.RequesterVpcInfo.OwnerId as account_id,
    coalesce(item.RequesterVpcInfo.Region, region) as region,
    item.VpcPeeringConnectionId as vpc_peering_connection_id,
    if(
        item.RequesterVpcInfo.OwnerId = cell.caller_account_id, tag_map(item.Tags)['Name'], null
    ) as name,
    item.Status.Code as state,
    item.Status.Message as status_message,
    item.RequesterVpcInfo.VpcId as requester_vpc_id,
    list_concat(
        list_transform(coalesce(item.RequesterVpcInfo.CidrBlockSet, []), lambda range: range.CidrBlock),
        list_transform(
            coalesce(item.RequesterVpcInfo.Ipv6CidrBlockSet, []), lambda range: range.Ipv6CidrBlock
        )
    ) as requester_cidr_blocks,
    item.AccepterVpcInfo.OwnerId as accepter_account_id,
    coalesce(item.AccepterVpcInfo.Region, region) as accepter_region,
    item.AccepterVpcInfo.VpcId as accepter_vpc_id,
    list_concat(
        list_transform(coalesce(item.AccepterVpcInfo.CidrBlockSet, []), lambda range: range.CidrBlock),
        list_transform(
            coalesce(item.AccepterVpcInfo.Ipv6CidrBlockSet, []), lambda range: range.Ipv6CidrBlock
        )
    ) as accepter_cidr_blocks,
    item.RequesterVpcInfo.OwnerId <> item.AccepterVpcInfo.OwnerId as is_cross_account,
    coalesce(item.RequesterVpcInfo.Region, region)
    <> coalesce(item.AccepterVpcInfo.Region, region) as is_cross_region,
    item.ExpirationTime as expires_at,
    if(item.RequesterVpcInfo.OwnerId = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_vpc_peering_connection',
        'STRUCT(
        VpcPeeringConnectionId VARCHAR, Status STRUCT(Code VARCHAR, Message VARCHAR), ExpirationTime TIMESTAMPTZ,
        RequesterVpcInfo STRUCT(
            OwnerId VARCHAR, VpcId VARCHAR, Region VARCHAR, CidrBlockSet STRUCT(CidrBlock VARCHAR)[],
            Ipv6CidrBlockSet STRUCT(Ipv6CidrBlock VARCHAR)[]
        ),
        AccepterVpcInfo STRUCT(
            OwnerId VARCHAR, VpcId VARCHAR, Region VARCHAR, CidrBlockSet STRUCT(CidrBlock VARCHAR)[],
            Ipv6CidrBlockSet STRUCT(Ipv6CidrBlock VARCHAR)[]
        ),
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
-- An account that peers two of its own regions lists it in both: the requester's region has the row.
where
    item.RequesterVpcInfo.OwnerId <> cell.caller_account_id
    or coalesce(item.RequesterVpcInfo.Region, region) = region
