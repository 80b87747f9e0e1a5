-- One row per customer gateway: what AWS knows of the device at the other end of a VPN connection. Deleted ones are included
-- for as long as AWS lists them.
-- key: arn
-- resource: id=customer_gateway_id state=state gone=deleted attributes=ip_address, bgp_asn, device_name, certificate_arn
-- arn: Amazon Resource Name, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- customer_gateway_id: Id, such as cgw-0123456789abcdef0.
-- name: Value of the tag Name, else that of the device; NULL where there is neither.
-- state: pending, available, deleting or deleted.
-- ip_address: Public address of the device; NULL where a certificate stands for it.
-- bgp_asn: Autonomous system number of the device, text as AWS writes it.
-- device_name: Name of the device; NULL where nobody gave one.
-- certificate_arn: Certificate that the device shows in place of a shared key; NULL where it has none.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'customer-gateway/' || item.CustomerGatewayId) as arn,
    account_id,
    region,
    item.CustomerGatewayId as customer_gateway_id,
    coalesce(nullif(tag_map(item.Tags)['Name'], ''), nullif(item.DeviceName, '')) as name,
    item.State as state,
    nullif(item.IpAddress, '') as ip_address,
    coalesce(item.BgpAsnExtended, item.BgpAsn) as bgp_asn,
    nullif(item.DeviceName, '') as device_name,
    nullif(item.CertificateArn, '') as certificate_arn,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_customer_gateway',
        'STRUCT(
        CustomerGatewayId VARCHAR, "State" VARCHAR, IpAddress VARCHAR, BgpAsn VARCHAR, BgpAsnExtended VARCHAR,
        DeviceName VARCHAR, CertificateArn VARCHAR, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
