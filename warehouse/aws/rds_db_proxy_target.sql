-- One row per database that an RDS Proxy leads to: a DB instance, or a cluster and the instances in it. A proxy without rows has none.
-- key: account_id, region, db_proxy_name, target_type, target_id
-- account_id: The AWS account of the proxy and its databases: 12 digits, text because some begin with 0.
-- region: AWS region.
-- db_proxy_name: The proxy.
-- target_type: RDS_INSTANCE, TRACKED_CLUSTER or RDS_SERVERLESS_ENDPOINT.
-- target_id: Identifier of the DB instance or cluster; empty where RDS gives none.
-- target_arn: Amazon Resource Name of the DB instance or cluster, built from account, region and identifier where RDS returns none; NULL
--    where it gives neither.
-- tracked_cluster_id: Cluster of which it is, or in which an instance is; NULL for an instance in none.
-- endpoint: DNS name by which the proxy reaches it; NULL for a cluster.
-- port: Port by which the proxy reaches it.
-- target_role: READ_WRITE, READ_ONLY or UNKNOWN; NULL where RDS gives none.
-- state: REGISTERING, AVAILABLE, UNAVAILABLE or UNUSED, as it was at collected_at; NULL where RDS gives none.
-- reason: Why it is not available, such as AUTH_FAILURE or PENDING_PROXY_CAPACITY; NULL where it is.
-- description: The same in RDS's words; NULL where there are none.
with listed as (
    select
        account_id,
        region,
        item.DBProxyName as db_proxy_name,
        unnest(item.Targets) as own,
        unnest(cell.record -> '$.Targets[*]') as record,
        cell
    from landing(
            'rds_db_proxy_target',
            'STRUCT(
            DBProxyName VARCHAR,
            Targets STRUCT(
                TargetArn VARCHAR, RdsResourceId VARCHAR, TrackedClusterId VARCHAR, "Type" VARCHAR, Endpoint VARCHAR,
                Port BIGINT, "Role" VARCHAR, TargetHealth STRUCT("State" VARCHAR, Reason VARCHAR, Description VARCHAR)
            )[]
        )'
        )
)

select
    account_id,
    region,
    db_proxy_name,
    own."Type" as target_type,
    coalesce(own.RdsResourceId, own.TrackedClusterId, '') as target_id,
    coalesce(
        nullif(own.TargetArn, ''),
        aws_arn(
            'rds',
            region,
            account_id,
            if(own."Type" = 'RDS_INSTANCE', 'db:', 'cluster:')
            || coalesce(own.RdsResourceId, own.TrackedClusterId)
        )
    ) as target_arn,
    nullif(own.TrackedClusterId, '') as tracked_cluster_id,
    nullif(own.Endpoint, '') as endpoint,
    own.Port as port,
    own."Role" as target_role,
    own.TargetHealth."State" as state,
    nullif(own.TargetHealth.Reason, '') as reason,
    nullif(own.TargetHealth.Description, '') as description,
    cell.* exclude (record),
    record
from listed
-- While pages are read, a target may come to stand on two of them.
qualify
    row_number() over (
        partition by account_id, region, db_proxy_name, target_type, target_id
        order by own.Endpoint nulls last
    ) = 1
