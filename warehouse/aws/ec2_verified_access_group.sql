-- One row per Verified Access group: endpoints with one policy. Accounts that it is shared with list it as well. It stands
-- here once, under its owner. Its policy needs a request of its own, and is not collected.
-- key: arn
-- owner: account_id
-- resource: id=verified_access_group_id created=created_at attributes=description, verified_access_instance_id,
--   kms_key_arn
-- relates: contained_in=AWS::EC2::VerifiedAccessInstance:verified_access_instance_id
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- verified_access_group_id: Id, such as vagr-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- description: What its maker wrote; NULL where nothing.
-- verified_access_instance_id: Verified Access instance.
-- kms_key_arn: Key of the customer that its data is encrypted with; NULL where it is AWS's.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    item.VerifiedAccessGroupArn as arn,
    coalesce(item."Owner", split_part(item.VerifiedAccessGroupArn, ':', 5)) as account_id,
    region,
    item.VerifiedAccessGroupId as verified_access_group_id,
    tag_map(item.Tags)['Name'] as name,
    nullif(item.Description, '') as description,
    item.VerifiedAccessInstanceId as verified_access_instance_id,
    item.SseSpecification.KmsKeyArn as kms_key_arn,
    try_cast(item.CreationTime as timestamptz) as created_at,
    if(
        coalesce(item."Owner", split_part(item.VerifiedAccessGroupArn, ':', 5)) = cell.caller_account_id,
        tag_map(item.Tags),
        null
    ) as tags,
    cell.*
from landing(
        'ec2_verified_access_group',
        'STRUCT(
        VerifiedAccessGroupArn VARCHAR, "Owner" VARCHAR, VerifiedAccessGroupId VARCHAR, Description VARCHAR,
        VerifiedAccessInstanceId VARCHAR, SseSpecification STRUCT(KmsKeyArn VARCHAR), CreationTime VARCHAR,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
