-- One row per VPC or subnet that is excluded from VPC Block Public Access. An exclusion may stand where nothing is blocked: whether
-- it is, says aws.ec2_vpc_block_public_access_option. It is requested where there is a network interface.
-- key: arn
-- resource: id=exclusion_id state=state created=created_at gone=create-failed, delete-complete, disable-complete
--   attributes=exclusion_mode, vpc_id, subnet_id
-- relates: associated_with=AWS::EC2::VPC:vpc_id associated_with=AWS::EC2::Subnet:subnet_id
-- arn: Amazon Resource Name, built from account, region and id.
-- account_id: The AWS account that owns it, and the VPC or subnet: 12 digits, text because some begin with 0.
-- region: AWS region.
-- exclusion_id: Id, such as vpcbpa-exclude-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- exclusion_mode: allow-bidirectional: everything passes; allow-egress: only what goes out, where the mode is block-bidirectional.
-- state: create-complete and update-complete where it is in force; else create, update, delete or disable, with -in-progress,
--    -complete or -failed.
-- state_reason: Why it is in this state; NULL where AWS does not say.
-- resource_arn: ARN of the VPC or subnet.
-- vpc_id: VPC that is excluded as a whole; NULL of a subnet.
-- subnet_id: Subnet; NULL of a VPC.
-- created_at: When it was made, UTC.
-- updated_at: When it was last changed, UTC.
-- deleted_at: When it was deleted, UTC; NULL where it is not.
-- tags: Tags; an empty map where it has none.
select
    aws_arn(
        'ec2',
        region,
        split_part(item.ResourceArn, ':', 5),
        'vpc-block-public-access-exclusion/' || item.ExclusionId
    ) as arn,
    split_part(item.ResourceArn, ':', 5) as account_id,
    region,
    item.ExclusionId as exclusion_id,
    tag_map(item.Tags)['Name'] as name,
    item.InternetGatewayExclusionMode as exclusion_mode,
    item."State" as state,
    item.Reason as state_reason,
    item.ResourceArn as resource_arn,
    nullif(regexp_extract(item.ResourceArn, ':vpc/(.*)$', 1), '') as vpc_id,
    nullif(regexp_extract(item.ResourceArn, ':subnet/(.*)$', 1), '') as subnet_id,
    item.CreationTimestamp as created_at,
    item.LastUpdateTimestamp as updated_at,
    item.DeletionTimestamp as deleted_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_vpc_block_public_access_exclusion',
        'STRUCT(
        ExclusionId VARCHAR, InternetGatewayExclusionMode VARCHAR, ResourceArn VARCHAR, "State" VARCHAR, Reason VARCHAR,
        CreationTimestamp TIMESTAMPTZ, LastUpdateTimestamp TIMESTAMPTZ, DeletionTimestamp TIMESTAMPTZ,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
