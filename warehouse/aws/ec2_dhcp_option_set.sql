-- One row per set of DHCP options: the DNS servers and domain that networks give to what is in them.
-- key: arn
-- owner: account_id
-- resource: id=dhcp_option_set_id attributes=is_amazon_dns
-- arn: Amazon Resource Name, built from owner, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- dhcp_option_set_id: Id, such as dopt-0123456789abcdef0, which VPCs name.
-- name: Value of the tag Name; NULL where there is none.
-- options: Each option with its values, such as domain-name-servers.
-- is_amazon_dns: True where names are resolved by AWS's own DNS.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    aws_arn('ec2', region, coalesce(item.OwnerId, account_id), 'dhcp-options/' || item.DhcpOptionsId) as arn,
    coalesce(item.OwnerId, account_id) as account_id,
    region,
    item.DhcpOptionsId as dhcp_option_set_id,
    tag_map(item.Tags)['Name'] as name,
    map_from_entries(
        list_transform(
            list_filter(coalesce(item.DhcpConfigurations, []), lambda one: one."Key" is not null),
            lambda one: (one."Key", list_transform(coalesce(one."Values", []), lambda held: held."Value"))
        )
    ) as options,
    coalesce(list_contains(options['domain-name-servers'], 'AmazonProvidedDNS'), false) as is_amazon_dns,
    if(coalesce(item.OwnerId, account_id) = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_dhcp_option_set',
        'STRUCT(
        OwnerId VARCHAR, DhcpOptionsId VARCHAR,
        DhcpConfigurations STRUCT("Key" VARCHAR, "Values" STRUCT("Value" VARCHAR)[])[],
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
