-- One row per prefix list that somebody manages, deleted ones included for as long as AWS lists them. AWS's own lists, which
-- every account has, are left out. Accounts that a list is shared with list it as well. It stands here once, under its owner.
-- Its entries need a request each, and are not collected.
-- key: arn
-- owner: account_id
-- resource: id=prefix_list_id state=state gone=delete-complete attributes=prefix_list_name, address_family, max_entries,
--   version, state_message
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- prefix_list_id: Id, such as pl-0123456789abcdef0.
-- prefix_list_name: Its own name.
-- name: Value of the tag Name, else its own name.
-- state: create-complete, modify-complete, delete-failed and others; ends in -in-progress, -complete or -failed.
-- state_message: Why something failed; NULL where nothing did.
-- address_family: IPv4 or IPv6.
-- max_entries: How many entries it may have. Each counts against the limits of what refers to the list.
-- version: Number of its newest version.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    item.PrefixListArn as arn,
    item.OwnerId as account_id,
    region,
    item.PrefixListId as prefix_list_id,
    item.PrefixListName as prefix_list_name,
    coalesce(nullif(tag_map(item.Tags)['Name'], ''), item.PrefixListName) as name,
    item.State as state,
    nullif(item.StateMessage, '') as state_message,
    item.AddressFamily as address_family,
    item.MaxEntries as max_entries,
    item.Version as version,
    if(item.OwnerId = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_managed_prefix_list',
        'STRUCT(
        PrefixListArn VARCHAR, OwnerId VARCHAR, PrefixListId VARCHAR, PrefixListName VARCHAR, "State" VARCHAR,
        StateMessage VARCHAR, AddressFamily VARCHAR, MaxEntries BIGINT, Version BIGINT,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
where item.OwnerId <> 'AWS'
