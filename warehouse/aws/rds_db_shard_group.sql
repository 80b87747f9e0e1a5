-- One row per DB shard group: the capacity of an Aurora Limitless cluster, which is paid for by the hour.
-- key: arn
-- resource: id=db_shard_group_name state=status attributes=db_cluster_name, min_acu, max_acu, standby_count, is_public,
--   endpoint
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- db_shard_group_name: Name, unique in its account and region.
-- db_cluster_name: Cluster that it belongs to.
-- status: available, creating, deleting, modifying and others, in RDS's own words.
-- min_acu: Least capacity, in Aurora capacity units.
-- max_acu: Most capacity, in Aurora capacity units.
-- standby_count: Standbys of each shard: 0, 1 or 2.
-- is_public: True where its name leads to a public address.
-- endpoint: DNS name that clients connect to.
-- name: The same as db_shard_group_name, as every item has one.
-- tags: Tags; an empty map where it has none.
select
    item.DBShardGroupArn as arn,
    split_part(item.DBShardGroupArn, ':', 5) as account_id,
    region,
    item.DBShardGroupIdentifier as db_shard_group_name,
    item.DBClusterIdentifier as db_cluster_name,
    item.Status as status,
    item.MinACU as min_acu,
    item.MaxACU as max_acu,
    item.ComputeRedundancy as standby_count,
    item.PubliclyAccessible as is_public,
    item.Endpoint as endpoint,
    item.DBShardGroupIdentifier as name,
    tag_map(item.TagList) as tags,
    cell.*
from landing(
        'rds_db_shard_group',
        'STRUCT(
        DBShardGroupArn VARCHAR, DBShardGroupIdentifier VARCHAR, DBClusterIdentifier VARCHAR, "Status" VARCHAR,
        MinACU DOUBLE, MaxACU DOUBLE, ComputeRedundancy BIGINT, PubliclyAccessible BOOLEAN, Endpoint VARCHAR,
        TagList STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
