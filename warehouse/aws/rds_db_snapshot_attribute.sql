-- One row per manual snapshot of a DB instance or DB cluster, with who may copy or restore it beside its owner: what RDS lists for one
-- snapshot at a time. Listed when one is new in its account and region, and every seven nights. cmdb.database_snapshot_access judges it.
-- key: arn
-- arn: Amazon Resource Name of the snapshot, built from account, region and name, since RDS returns none here.
-- account_id: The AWS account that owns the snapshot: 12 digits, text because some begin with 0.
-- region: AWS region.
-- name: Snapshot identifier.
-- is_of_cluster: True for the snapshot of a cluster, false for that of an instance.
-- error_code: RDS's error code in place of attributes, such as AccessDenied; NULL where it gave them.
-- restore_by: 12-digit ids of accounts, or all for everybody with an AWS account; empty where nobody else may, NULL where it is not known.
with listed as (
    select
        item.DBSnapshotIdentifier as name,
        false as is_of_cluster,
        item.ErrorCode as error_code,
        item.DBSnapshotAttributesResult.DBSnapshotAttributes as attributes,
        account_id,
        region,
        cell
    from landing(
            'rds_db_snapshot_attribute',
            'STRUCT(
            DBSnapshotIdentifier VARCHAR, ErrorCode VARCHAR, DBSnapshotAttributesResult STRUCT(
            DBSnapshotAttributes STRUCT(AttributeName VARCHAR, AttributeValues VARCHAR[])[])
        )'
        )
    union all by name
    select
        item.DBClusterSnapshotIdentifier as name,
        true as is_of_cluster,
        item.ErrorCode as error_code,
        item.DBClusterSnapshotAttributesResult.DBClusterSnapshotAttributes as attributes,
        account_id,
        region,
        cell
    from landing(
            'rds_db_cluster_snapshot_attribute',
            'STRUCT(
            DBClusterSnapshotIdentifier VARCHAR, ErrorCode VARCHAR, DBClusterSnapshotAttributesResult STRUCT(
            DBClusterSnapshotAttributes STRUCT(AttributeName VARCHAR, AttributeValues VARCHAR[])[])
        )'
        )
)

select
    aws_arn('rds', region, account_id, if(is_of_cluster, 'cluster-snapshot:', 'snapshot:') || name) as arn,
    account_id,
    region,
    name,
    is_of_cluster,
    error_code,
    -- Without the attribute it is not known who may.
    if(
        list_contains(list_transform(attributes, lambda attribute: attribute.AttributeName), 'restore'),
        list_sort(
            list_distinct(
                flatten(
                    list_transform(
                        list_filter(attributes, lambda attribute: attribute.AttributeName = 'restore'),
                        lambda attribute: coalesce(attribute.AttributeValues, [])
                    )
                )
            )
        ),
        null
    ) as restore_by,
    cell.*
from listed
