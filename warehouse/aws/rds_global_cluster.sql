-- One row per global cluster: Aurora or DocumentDB clusters of several regions with the same data. Regions other than that of
-- its writer list it as well; it stands here once.
-- key: arn
-- resource: id=global_cluster_name state=status attributes=engine, engine_version, engine_lifecycle_support,
--   writer_cluster_arn, is_encrypted, is_deletion_protected
-- arn: Amazon Resource Name, without a region.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: Region of its writer; where it has none, a region that lists it.
-- global_cluster_name: Name, unique in its account.
-- status: available, creating, deleting, upgrading and others, in RDS's own words.
-- engine: Database engine, such as aurora-postgresql.
-- engine_version: Version of the engine.
-- engine_lifecycle_support: open-source-rds-extended-support where it stays on an engine after the end of its standard support,
--   which costs extra.
-- writer_cluster_arn: Cluster that is written to; NULL where it has none.
-- reader_cluster_arns: Clusters in other regions that follow the writer, sorted.
-- is_encrypted: True where its storage is encrypted.
-- is_deletion_protected: True where nobody may delete it before that is switched off.
-- name: The same as global_cluster_name, as every item has one.
-- tags: Tags; an empty map where it has none.
select
    item.GlobalClusterArn as arn,
    split_part(item.GlobalClusterArn, ':', 5) as account_id,
    coalesce(
        nullif(
            split_part(
                list_filter(
                    coalesce(item.GlobalClusterMembers, []), lambda one: one.IsWriter
                )[1].DBClusterArn,
                ':',
                4
            ),
            ''
        ),
        region
    ) as region,
    item.GlobalClusterIdentifier as global_cluster_name,
    item.Status as status,
    item.Engine as engine,
    item.EngineVersion as engine_version,
    item.EngineLifecycleSupport as engine_lifecycle_support,
    list_filter(coalesce(item.GlobalClusterMembers, []), lambda one: one.IsWriter)[1].DBClusterArn
        as writer_cluster_arn,
    list_sort(
        list_transform(
            list_filter(coalesce(item.GlobalClusterMembers, []), lambda one: not one.IsWriter),
            lambda one: one.DBClusterArn
        )
    ) as reader_cluster_arns,
    item.StorageEncrypted as is_encrypted,
    item.DeletionProtection as is_deletion_protected,
    item.GlobalClusterIdentifier as name,
    tag_map(item.TagList) as tags,
    cell.*
from landing(
        'rds_global_cluster',
        'STRUCT(
        GlobalClusterArn VARCHAR, GlobalClusterIdentifier VARCHAR, "Status" VARCHAR, Engine VARCHAR,
        EngineVersion VARCHAR, EngineLifecycleSupport VARCHAR, StorageEncrypted BOOLEAN, DeletionProtection BOOLEAN,
        GlobalClusterMembers STRUCT(DBClusterArn VARCHAR, IsWriter BOOLEAN)[],
        TagList STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
-- Where several regions list it, that of its writer has the row; where none of them is its writer's, always the same.
qualify
    row_number() over (
        partition by item.GlobalClusterArn
        order by
            cell.is_stale asc,
            region is distinct from split_part(writer_cluster_arn, ':', 4) asc,
            region asc
    ) = 1
