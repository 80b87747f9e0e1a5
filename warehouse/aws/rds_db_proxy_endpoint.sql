-- One row per endpoint of an RDS Proxy: a DNS name that leads to it, from its own VPC or another.
-- key: arn
-- resource: id=db_proxy_endpoint_name state=status created=created_at attributes=db_proxy_name, vpc_id, endpoint, target_role,
--   is_default, network_type
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- db_proxy_endpoint_name: Name, unique in its account and region.
-- db_proxy_name: Proxy.
-- status: available, creating, modifying, deleting and others, in RDS's own words.
-- vpc_id: VPC in which it is reached.
-- subnet_ids: Subnets in which it is reached, sorted.
-- security_group_ids: Security groups, sorted.
-- endpoint: DNS name that clients connect to.
-- target_role: READ_WRITE or READ_ONLY.
-- is_default: True for the one that the proxy was made with, which costs nothing more.
-- network_type: IPV4, IPV6 or DUAL.
-- created_at: When it was made, UTC.
-- name: The same as db_proxy_endpoint_name, as every item has one.
select
    item.DBProxyEndpointArn as arn,
    split_part(item.DBProxyEndpointArn, ':', 5) as account_id,
    region,
    item.DBProxyEndpointName as db_proxy_endpoint_name,
    item.DBProxyName as db_proxy_name,
    item.Status as status,
    item.VpcId as vpc_id,
    list_sort(coalesce(item.VpcSubnetIds, [])) as subnet_ids,
    list_sort(coalesce(item.VpcSecurityGroupIds, [])) as security_group_ids,
    item.Endpoint as endpoint,
    item.TargetRole as target_role,
    item.IsDefault as is_default,
    item.EndpointNetworkType as network_type,
    item.CreatedDate as created_at,
    item.DBProxyEndpointName as name,
    cell.*
from landing(
        'rds_db_proxy_endpoint',
        'STRUCT(
        DBProxyEndpointArn VARCHAR, DBProxyEndpointName VARCHAR, DBProxyName VARCHAR, "Status" VARCHAR, VpcId VARCHAR,
        VpcSubnetIds VARCHAR[], VpcSecurityGroupIds VARCHAR[], Endpoint VARCHAR, TargetRole VARCHAR,
        IsDefault BOOLEAN, EndpointNetworkType VARCHAR, CreatedDate TIMESTAMPTZ
    )'
    )
