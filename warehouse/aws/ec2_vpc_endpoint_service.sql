-- One row per endpoint service: what the account offers to VPC endpoints of others through AWS PrivateLink. Deleted ones are
-- included for as long as AWS lists them. Services of AWS and of strangers are not listed.
-- key: arn
-- resource: id=vpc_endpoint_service_id state=state gone=deleted, failed attributes=service_name, service_types,
--   is_acceptance_required, is_aws_managing_endpoints, availability_zones, load_balancer_arns, private_dns_name,
--   supported_regions
-- arn: Amazon Resource Name, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- vpc_endpoint_service_id: Id, such as vpce-svc-0123456789abcdef0.
-- service_name: The name that endpoints ask for, such as com.amazonaws.vpce.us-east-1.vpce-svc-0123456789abcdef0.
-- name: Value of the tag Name, else its service name.
-- state: pending, available, deleting, deleted or failed. Small letters: AWS documents it in others.
-- service_types: Interface, Gateway or GatewayLoadBalancer.
-- is_acceptance_required: True where somebody has to accept each endpoint.
-- is_aws_managing_endpoints: True where a service of AWS manages the endpoints.
-- availability_zones: Zones in which it is offered.
-- load_balancer_arns: Network and Gateway Load Balancers behind it.
-- private_dns_name: DNS name by which endpoints may reach it; NULL where it has none.
-- supported_regions: Regions whose endpoints may reach it; empty where it is its own region alone.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'vpc-endpoint-service/' || item.ServiceId) as arn,
    account_id,
    region,
    item.ServiceId as vpc_endpoint_service_id,
    item.ServiceName as service_name,
    coalesce(nullif(tag_map(item.Tags)['Name'], ''), item.ServiceName) as name,
    lower(item.ServiceState) as state,
    list_sort(list_transform(coalesce(item.ServiceType, []), lambda kind: kind.ServiceType)) as service_types,
    coalesce(item.AcceptanceRequired, false) as is_acceptance_required,
    coalesce(item.ManagesVpcEndpoints, false) as is_aws_managing_endpoints,
    list_sort(coalesce(item.AvailabilityZones, [])) as availability_zones,
    list_sort(
        list_concat(coalesce(item.NetworkLoadBalancerArns, []), coalesce(item.GatewayLoadBalancerArns, []))
    ) as load_balancer_arns,
    item.PrivateDnsName as private_dns_name,
    list_sort(
        list_transform(coalesce(item.SupportedRegions, []), lambda held: held.Region)
    ) as supported_regions,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_vpc_endpoint_service',
        'STRUCT(
        ServiceId VARCHAR, ServiceName VARCHAR, ServiceState VARCHAR, ServiceType STRUCT(ServiceType VARCHAR)[],
        AcceptanceRequired BOOLEAN, ManagesVpcEndpoints BOOLEAN, AvailabilityZones VARCHAR[],
        NetworkLoadBalancerArns VARCHAR[], GatewayLoadBalancerArns VARCHAR[], PrivateDnsName VARCHAR,
        SupportedRegions STRUCT(Region VARCHAR)[], Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
