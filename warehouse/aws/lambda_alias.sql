-- One row per alias of a Lambda function: a name that leads to one of its versions. A function without rows has none.
-- key: arn
-- resource: id=name attributes=function_arn, version, additional_version_weights, description
-- relates: contained_in=AWS::Lambda::Function:function_arn
-- arn: Amazon Resource Name: that of the function, and the name.
-- account_id: The AWS account of the function: 12 digits, text because some begin with 0.
-- region: AWS region.
-- name: Name, unique in its function.
-- function_arn: The function, without an alias.
-- function_name: Name of the function.
-- version: Version that it leads to: a number as text, or $LATEST.
-- additional_version_weights: Further versions, each with the share of the invocations that it gets, from 0 to 1; an empty map where
--    all go to its version.
-- description: Description; NULL where it has none.
-- revision_id: Changes with every change of it.
with listed as (
    select
        item.FunctionName as function_arn,
        region,
        unnest(item.Aliases) as own,
        unnest(cell.record -> '$.Aliases[*]') as record,
        cell
    from landing(
            'lambda_alias',
            'STRUCT(
            FunctionName VARCHAR,
            Aliases STRUCT(
                AliasArn VARCHAR, "Name" VARCHAR, FunctionVersion VARCHAR, Description VARCHAR, RevisionId VARCHAR,
                RoutingConfig STRUCT(AdditionalVersionWeights MAP(VARCHAR, DOUBLE))
            )[]
        )'
        )
)

select
    own.AliasArn as arn,
    split_part(own.AliasArn, ':', 5) as account_id,
    region,
    own."Name" as name,
    function_arn,
    split_part(function_arn, ':', 7) as function_name,
    own.FunctionVersion as version,
    coalesce(own.RoutingConfig.AdditionalVersionWeights, map([]::varchar[], []::double[]))
        as additional_version_weights,
    nullif(own.Description, '') as description,
    own.RevisionId as revision_id,
    cell.* exclude (record),
    record
from listed
-- While pages are read, an alias may come to stand on two of them.
qualify row_number() over (partition by cell.cell_region, own.AliasArn order by own.RevisionId) = 1
