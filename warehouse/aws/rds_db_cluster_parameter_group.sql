-- One row per DB cluster parameter group: the settings that database clusters start with. AWS's default ones are among them, and
-- are no configuration items, since nobody can change them.
-- key: arn
-- resource: id=db_cluster_parameter_group_name without=is_default:true attributes=family, description
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- db_cluster_parameter_group_name: Name, unique in its account and region.
-- family: Engine and version that it is for, such as aurora-postgresql16.
-- description: Description; NULL where it has none.
-- is_default: True for one that AWS made, which nobody can change.
-- name: The same as db_cluster_parameter_group_name, as every item has one.
select
    item.DBClusterParameterGroupArn as arn,
    split_part(item.DBClusterParameterGroupArn, ':', 5) as account_id,
    region,
    item.DBClusterParameterGroupName as db_cluster_parameter_group_name,
    item.DBParameterGroupFamily as family,
    nullif(item.Description, '') as description,
    starts_with(item.DBClusterParameterGroupName, 'default.') as is_default,
    item.DBClusterParameterGroupName as name,
    cell.*
from landing(
        'rds_db_cluster_parameter_group',
        'STRUCT(
        DBClusterParameterGroupArn VARCHAR, DBClusterParameterGroupName VARCHAR, DBParameterGroupFamily VARCHAR,
        Description VARCHAR
    )'
    )
