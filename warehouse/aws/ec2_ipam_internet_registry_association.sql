-- One row per internet registry that an IPAM works with: ranges of the organization there can be brought to AWS. Accounts
-- that it is shared with list it as well. It stands here once, under its owner. It is requested where there is an IPAM.
-- key: arn
-- owner: account_id
-- resource: id=ipam_internet_registry_association_id state=state gone=delete-complete attributes=ipam_id, registry,
--   organization_handle, state_message, description
-- relates: contained_in=AWS::EC2::IPAM:ipam_id
-- arn: Amazon Resource Name, without a region.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: Home region.
-- ipam_internet_registry_association_id: Id.
-- name: Value of the tag Name; NULL where there is none.
-- state: enable-complete, pending-enable, disable-complete and others; ends in -in-progress, -complete or -failed.
-- state_message: Why it is in this state; NULL where AWS does not say.
-- ipam_id: IPAM.
-- registry: Registry: ripe, apnic, arin, lacnic or nicbr.
-- organization_handle: How the registry knows the organization.
-- description: What its maker wrote; NULL where nothing.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    item.IpamInternetRegistryAssociationArn as arn,
    coalesce(item.OwnerId, split_part(item.IpamInternetRegistryAssociationArn, ':', 5)) as account_id,
    coalesce(item.IpamRegion, region) as region,
    item.IpamInternetRegistryAssociationId as ipam_internet_registry_association_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.StateMessage as state_message,
    item.IpamId as ipam_id,
    item.Rir as registry,
    item.OrganizationHandle as organization_handle,
    item.Description as description,
    if(
        coalesce(item.OwnerId, split_part(item.IpamInternetRegistryAssociationArn, ':', 5))
        = cell.caller_account_id,
        tag_map(item.Tags),
        null
    ) as tags,
    cell.*
from landing(
        'ec2_ipam_internet_registry_association',
        'STRUCT(
        OwnerId VARCHAR, IpamInternetRegistryAssociationId VARCHAR, IpamInternetRegistryAssociationArn VARCHAR,
        IpamId VARCHAR, IpamRegion VARCHAR, "State" VARCHAR, StateMessage VARCHAR, Rir VARCHAR,
        OrganizationHandle VARCHAR, Description VARCHAR, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
-- Where its owner lists it in other regions as well, the home region has the row.
where item.OwnerId <> cell.caller_account_id or coalesce(item.IpamRegion, region) = region
