-- One row per endpoint of a cluster: a DNS name that leads to its writer, its readers or some of its members.
-- key: arn
-- arn: Amazon Resource Name; of a writer's or reader's endpoint, which has none, built from cluster and type.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- db_cluster_name: Cluster.
-- endpoint_name: Name; NULL for an endpoint that RDS made by itself.
-- endpoint: DNS name that clients connect to.
-- status: available, creating, deleting, inactive, modifying, in RDS's own words.
-- endpoint_type: WRITER, READER or CUSTOM.
-- custom_endpoint_type: READER, WRITER or ANY, for a custom one; NULL for another.
-- static_members: Instances that it leads to, sorted; an empty list for all that are not excluded.
-- excluded_members: Instances that it does not lead to, sorted.
select
    coalesce(
        item.DBClusterEndpointArn,
        -- Those that RDS makes by itself have no ARN.
        aws_arn(
            'rds',
            region,
            account_id,
            'cluster-endpoint:' || item.DBClusterIdentifier || ':' || lower(item.EndpointType)
        )
    ) as arn,
    account_id,
    region,
    item.DBClusterIdentifier as db_cluster_name,
    item.DBClusterEndpointIdentifier as endpoint_name,
    item.Endpoint as endpoint,
    item.Status as status,
    item.EndpointType as endpoint_type,
    item.CustomEndpointType as custom_endpoint_type,
    list_sort(coalesce(item.StaticMembers, [])) as static_members,
    list_sort(coalesce(item.ExcludedMembers, [])) as excluded_members,
    cell.*
from landing(
        'rds_db_cluster_endpoint',
        'STRUCT(
        DBClusterEndpointArn VARCHAR, DBClusterIdentifier VARCHAR, DBClusterEndpointIdentifier VARCHAR,
        Endpoint VARCHAR, "Status" VARCHAR, EndpointType VARCHAR, CustomEndpointType VARCHAR, StaticMembers VARCHAR[],
        ExcludedMembers VARCHAR[]
    )'
    )
