-- One row per Client VPN endpoint: where people enter networks with a VPN client. Each association with a subnet costs money
-- by the hour. Deleted ones are included for as long as AWS lists them.
-- key: arn
-- resource: id=client_vpn_endpoint_id state=state created=created_at gone=deleted attributes=description, vpc_id,
--   security_group_ids, client_cidr_block, dns_name, is_split_tunnel, transport_protocol, vpn_port,
--   authentication_types, server_certificate_arn, is_connection_logged, deleted_at
-- relates: attached_to=AWS::EC2::VPC:vpc_id associated_with=AWS::EC2::SecurityGroup:security_group_ids[]
-- arn: Amazon Resource Name, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- client_vpn_endpoint_id: Id, such as cvpn-endpoint-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: pending-associate (nobody can connect yet), pending, available, deleting or deleted.
-- description: What its maker wrote; NULL where nothing.
-- vpc_id: VPC; NULL where it is associated with none.
-- security_group_ids: Security groups; empty where it is associated with no VPC.
-- client_cidr_block: Range of which clients get their addresses.
-- dns_name: Name that clients connect to.
-- is_split_tunnel: True where only traffic to its networks goes through it.
-- transport_protocol: udp or tcp.
-- vpn_port: Port, 443 or 1194.
-- authentication_types: How people prove who they are: certificate-, directory-service- or federated-authentication.
-- server_certificate_arn: Its certificate.
-- is_connection_logged: True where connections are logged.
-- created_at: When it was made, UTC.
-- deleted_at: When it was deleted, UTC; NULL where it was not.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'client-vpn-endpoint/' || item.ClientVpnEndpointId) as arn,
    account_id,
    region,
    item.ClientVpnEndpointId as client_vpn_endpoint_id,
    tag_map(item.Tags)['Name'] as name,
    item.Status.Code as state,
    nullif(item.Description, '') as description,
    item.VpcId as vpc_id,
    list_sort(coalesce(item.SecurityGroupIds, [])) as security_group_ids,
    item.ClientCidrBlock as client_cidr_block,
    item.DnsName as dns_name,
    coalesce(item.SplitTunnel, false) as is_split_tunnel,
    item.TransportProtocol as transport_protocol,
    item.VpnPort as vpn_port,
    list_sort(
        list_transform(coalesce(item.AuthenticationOptions, []), lambda held: held."Type")
    ) as authentication_types,
    item.ServerCertificateArn as server_certificate_arn,
    coalesce(item.ConnectionLogOptions.Enabled, false) as is_connection_logged,
    try_cast(item.CreationTime as timestamptz) as created_at,
    try_cast(item.DeletionTime as timestamptz) as deleted_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_client_vpn_endpoint',
        'STRUCT(
        ClientVpnEndpointId VARCHAR, Status STRUCT(Code VARCHAR), Description VARCHAR, VpcId VARCHAR,
        SecurityGroupIds VARCHAR[], ClientCidrBlock VARCHAR, DnsName VARCHAR, SplitTunnel BOOLEAN,
        TransportProtocol VARCHAR, VpnPort BIGINT, AuthenticationOptions STRUCT("Type" VARCHAR)[],
        ServerCertificateArn VARCHAR, ConnectionLogOptions STRUCT(Enabled BOOLEAN), CreationTime VARCHAR,
        DeletionTime VARCHAR, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
