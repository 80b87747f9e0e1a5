-- One row per DB parameter group: the settings that database instances start with. AWS's default ones are among them, and
-- are no configuration items, since nobody can change them.
-- key: arn
-- resource: id=db_parameter_group_name without=is_default:true attributes=family, description
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- db_parameter_group_name: Name, unique in its account and region.
-- family: Engine and version that it is for, such as postgres16.
-- description: Description; NULL where it has none.
-- is_default: True for one that AWS made, which nobody can change.
-- name: The same as db_parameter_group_name, as every item has one.
select
    item.DBParameterGroupArn as arn,
    split_part(item.DBParameterGroupArn, ':', 5) as account_id,
    region,
    item.DBParameterGroupName as db_parameter_group_name,
    item.DBParameterGroupFamily as family,
    nullif(item.Description, '') as description,
    starts_with(item.DBParameterGroupName, 'default.') as is_default,
    item.DBParameterGroupName as name,
    cell.*
from landing(
        'rds_db_parameter_group',
        'STRUCT(
        DBParameterGroupArn VARCHAR, DBParameterGroupName VARCHAR, DBParameterGroupFamily VARCHAR, Description VARCHAR
    )'
    )
