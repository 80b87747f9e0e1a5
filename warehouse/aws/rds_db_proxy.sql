-- One row per RDS Proxy: a pool of connections before databases, which is paid for by the hour.
-- key: arn
-- resource: id=db_proxy_name state=status created=created_at attributes=engine_family, vpc_id, subnet_ids,
--   security_group_ids, role_arn, endpoint, requires_tls, is_debug_logging
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- db_proxy_name: Name, unique in its account and region.
-- status: available, creating, modifying, deleting and others, in RDS's own words.
-- engine_family: MYSQL, POSTGRESQL or SQLSERVER.
-- vpc_id: VPC of its endpoint.
-- subnet_ids: Subnets of its endpoint.
-- security_group_ids: Security groups of its endpoint.
-- role_arn: Role with which it reads the databases' secrets.
-- secret_arns: Secrets that it logs in with, sorted: their ARNs, never what is in them.
-- endpoint: DNS name that clients connect to.
-- requires_tls: True where it refuses connections without TLS.
-- idle_client_timeout_seconds: Seconds without traffic after which it closes a client's connection.
-- is_debug_logging: True where it logs the text of every statement.
-- created_at: When it was made, UTC.
-- updated_at: When it was changed last, UTC.
-- name: The same as db_proxy_name, as every item has one.
select
    item.DBProxyArn as arn,
    split_part(item.DBProxyArn, ':', 5) as account_id,
    region,
    item.DBProxyName as db_proxy_name,
    item.Status as status,
    item.EngineFamily as engine_family,
    item.VpcId as vpc_id,
    coalesce(item.VpcSubnetIds, []) as subnet_ids,
    coalesce(item.VpcSecurityGroupIds, []) as security_group_ids,
    item.RoleArn as role_arn,
    list_sort(
        list_filter(
            list_transform(coalesce(item.Auth, []), lambda auth: auth.SecretArn), lambda arn: arn is not null
        )
    ) as secret_arns,
    item.Endpoint as endpoint,
    item.RequireTLS as requires_tls,
    item.IdleClientTimeout as idle_client_timeout_seconds,
    item.DebugLogging as is_debug_logging,
    item.CreatedDate as created_at,
    item.UpdatedDate as updated_at,
    item.DBProxyName as name,
    cell.*
from landing(
        'rds_db_proxy',
        'STRUCT(
        DBProxyArn VARCHAR, DBProxyName VARCHAR, Status VARCHAR, EngineFamily VARCHAR, VpcId VARCHAR,
        VpcSubnetIds VARCHAR[], VpcSecurityGroupIds VARCHAR[], RoleArn VARCHAR, Auth STRUCT(SecretArn VARCHAR)[],
        Endpoint VARCHAR, RequireTLS BOOLEAN, IdleClientTimeout BIGINT, DebugLogging BOOLEAN, CreatedDate TIMESTAMPTZ,
        UpdatedDate TIMESTAMPTZ
    )'
    )
