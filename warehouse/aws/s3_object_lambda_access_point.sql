-- One row per Object Lambda Access Point: a function changes what is read through it. Since November 2025 only accounts that had some
-- may make them. Which access point and function it stands on, AWS tells of one at a time, so it is not known.
-- key: arn
-- resource: id=object_lambda_access_point_name attributes=alias, alias_state
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- object_lambda_access_point_name: Name, unique in its account and region.
-- alias: Name that may stand in place of a bucket's; NULL where it has none.
-- alias_state: PROVISIONING or READY; NULL where it has no alias.
-- name: The same as object_lambda_access_point_name, as every item has one.
select
    item.ObjectLambdaAccessPointArn as arn,
    split_part(item.ObjectLambdaAccessPointArn, ':', 5) as account_id,
    region,
    item."Name" as object_lambda_access_point_name,
    item."Alias"."Value" as alias,
    item."Alias"."Status" as alias_state,
    item."Name" as name,
    cell.*
from landing(
        's3_object_lambda_access_point',
        'STRUCT(
        "Name" VARCHAR, ObjectLambdaAccessPointArn VARCHAR, "Alias" STRUCT("Value" VARCHAR, "Status" VARCHAR)
    )'
    )
