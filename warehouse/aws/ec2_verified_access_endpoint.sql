-- One row per Verified Access endpoint: an application that people reach from the internet through Verified Access. Each costs
-- money by the hour. Deleted ones are included for as long as AWS lists them.
-- key: arn
-- resource: id=verified_access_endpoint_id state=state created=created_at gone=deleted attributes=description,
--   endpoint_type, application_domain, endpoint_domain, verified_access_group_id, verified_access_instance_id,
--   security_group_ids, load_balancer_arn, network_interface_id, db_arn, cidr_block
-- relates: contained_in=AWS::EC2::VerifiedAccessGroup:verified_access_group_id
--   associated_with=AWS::EC2::SecurityGroup:security_group_ids[]
--   associated_with=AWS::EC2::NetworkInterface:network_interface_id
-- arn: Amazon Resource Name, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- verified_access_endpoint_id: Id, such as vae-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: pending, active, updating, deleting or deleted.
-- description: What its maker wrote; NULL where nothing.
-- endpoint_type: What lies behind it: load-balancer, network-interface, rds or cidr.
-- application_domain: Name by which people reach the application; NULL where it has none.
-- endpoint_domain: Name that AWS gave it.
-- verified_access_group_id: Verified Access group, whose policy it has beside its own.
-- verified_access_instance_id: Verified Access instance.
-- security_group_ids: Security groups.
-- load_balancer_arn: The load balancer behind it; NULL where there is none.
-- network_interface_id: The network interface behind it; NULL where there is none.
-- db_arn: The database instance, cluster or proxy behind it; NULL where there is none.
-- cidr_block: The range of addresses behind it; NULL where there is none.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none.
select
    aws_arn(
        'ec2', region, account_id, 'verified-access-endpoint/' || item.VerifiedAccessEndpointId
    ) as arn,
    account_id,
    region,
    item.VerifiedAccessEndpointId as verified_access_endpoint_id,
    tag_map(item.Tags)['Name'] as name,
    item.Status.Code as state,
    nullif(item.Description, '') as description,
    item.EndpointType as endpoint_type,
    item.ApplicationDomain as application_domain,
    item.EndpointDomain as endpoint_domain,
    item.VerifiedAccessGroupId as verified_access_group_id,
    item.VerifiedAccessInstanceId as verified_access_instance_id,
    list_sort(coalesce(item.SecurityGroupIds, [])) as security_group_ids,
    item.LoadBalancerOptions.LoadBalancerArn as load_balancer_arn,
    item.NetworkInterfaceOptions.NetworkInterfaceId as network_interface_id,
    coalesce(
        item.RdsOptions.RdsDbInstanceArn, item.RdsOptions.RdsDbClusterArn, item.RdsOptions.RdsDbProxyArn
    ) as db_arn,
    item.CidrOptions.Cidr as cidr_block,
    try_cast(item.CreationTime as timestamptz) as created_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_verified_access_endpoint',
        'STRUCT(
        VerifiedAccessEndpointId VARCHAR, Status STRUCT(Code VARCHAR), Description VARCHAR, EndpointType VARCHAR,
        ApplicationDomain VARCHAR, EndpointDomain VARCHAR, VerifiedAccessGroupId VARCHAR,
        VerifiedAccessInstanceId VARCHAR, SecurityGroupIds VARCHAR[],
        LoadBalancerOptions STRUCT(LoadBalancerArn VARCHAR),
        NetworkInterfaceOptions STRUCT(NetworkInterfaceId VARCHAR),
        RdsOptions STRUCT(RdsDbInstanceArn VARCHAR, RdsDbClusterArn VARCHAR, RdsDbProxyArn VARCHAR),
        CidrOptions STRUCT(Cidr VARCHAR), CreationTime VARCHAR, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
