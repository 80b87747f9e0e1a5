-- One row per principal that may connect an endpoint to an endpoint service of the account. A service without rows admits nobody else. Whether
-- somebody has to accept each endpoint is in aws.ec2_vpc_endpoint_service.
-- key: arn, principal
-- arn: Amazon Resource Name of the service, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account that owns the service: 12 digits, text because some begin with 0.
-- region: AWS region.
-- vpc_endpoint_service_id: The service.
-- principal: ARN of the account, user or role, the name of an AWS service, or * for everybody.
-- principal_type: All, Service, OrganizationUnit, Account, User or Role.
-- is_everybody: True where everybody with an AWS account may.
-- permission_type: vpc-endpoint or transit-gateway-attachment; NULL where EC2 gives none.
-- service_permission_id: Id of the permission; NULL where EC2 gives none.
-- tags: Tags of the permission; an empty map where it has none.
with listed as (
    select
        account_id,
        region,
        item.ServiceId as vpc_endpoint_service_id,
        unnest(item.AllowedPrincipals) as own,
        unnest(cell.record -> '$.AllowedPrincipals[*]') as record,
        cell
    from landing(
            'ec2_vpc_endpoint_service_permission',
            'STRUCT(
            ServiceId VARCHAR,
            AllowedPrincipals STRUCT(
                Principal VARCHAR, PrincipalType VARCHAR, PermissionType VARCHAR, ServicePermissionId VARCHAR,
                Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
            )[]
        )'
        )
)

select
    aws_arn('ec2', region, account_id, 'vpc-endpoint-service/' || vpc_endpoint_service_id) as arn,
    account_id,
    region,
    vpc_endpoint_service_id,
    own.Principal as principal,
    own.PrincipalType as principal_type,
    own.Principal = '*' as is_everybody,
    own.PermissionType as permission_type,
    own.ServicePermissionId as service_permission_id,
    tag_map(own.Tags) as tags,
    cell.* exclude (record),
    record
from listed
-- While pages are read, a permission may come to stand on two of them.
qualify
    row_number() over (
        partition by account_id, region, vpc_endpoint_service_id, own.Principal
        order by own.ServicePermissionId
    ) = 1
