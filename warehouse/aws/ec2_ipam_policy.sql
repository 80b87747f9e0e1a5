-- One row per policy of an IPAM: from which pools services of AWS take public IPv4 addresses, in an account or a part of the
-- organization. Accounts that it is shared with list it as well. It stands here once, under its owner. It is requested where
-- there is an IPAM.
-- key: arn
-- owner: account_id
-- resource: id=ipam_policy_id state=state gone=delete-complete, isolate-complete attributes=ipam_id, state_message
-- relates: contained_in=AWS::EC2::IPAM:ipam_id
-- arn: Amazon Resource Name, without a region.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: Home region.
-- ipam_policy_id: Id, such as ipam-policy-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: create-complete, modify-complete, isolate-complete and others; ends in -in-progress, -complete or -failed.
-- state_message: Why it is in this state; NULL where AWS does not say.
-- ipam_id: IPAM.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    item.IpamPolicyArn as arn,
    coalesce(item.OwnerId, split_part(item.IpamPolicyArn, ':', 5)) as account_id,
    coalesce(item.IpamPolicyRegion, region) as region,
    item.IpamPolicyId as ipam_policy_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.StateMessage as state_message,
    item.IpamId as ipam_id,
    if(
        coalesce(item.OwnerId, split_part(item.IpamPolicyArn, ':', 5)) = cell.caller_account_id,
        tag_map(item.Tags),
        null
    ) as tags,
    cell.*
from landing(
        'ec2_ipam_policy',
        'STRUCT(
        OwnerId VARCHAR, IpamPolicyId VARCHAR, IpamPolicyArn VARCHAR, IpamPolicyRegion VARCHAR, "State" VARCHAR,
        StateMessage VARCHAR, IpamId VARCHAR, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
-- Where its owner lists it in other regions as well, the home region has the row.
where item.OwnerId <> cell.caller_account_id or coalesce(item.IpamPolicyRegion, region) = region
