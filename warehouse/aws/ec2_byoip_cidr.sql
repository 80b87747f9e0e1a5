-- One row per address range that the account brought to AWS. It is requested where there is a pool of own addresses, or an
-- IPAM.
-- key: account_id, region, cidr
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- cidr: The range.
-- state: advertised (announced to the internet by AWS), provisioned, provisioned-not-publicly-advertisable,
--   pending-provision, failed-provision, pending-advertising, pending-withdrawal, pending-deprovision, failed-deprovision or
--   deprovisioned.
-- state_message: What AWS says of it: the id of its pool, or why it failed; NULL where nothing.
-- description: What its maker wrote; NULL where nothing.
-- pool_id: Pool of its addresses; NULL where AWS does not say.
-- ipam_pool_id: Pool of an IPAM that has it; NULL where none has.
-- network_border_group: Zones from which AWS announces it; NULL where AWS does not say.
-- advertisement_type: unicast or anycast; NULL where AWS does not say.
-- asns: Own AS numbers from which it is announced, sorted as text; empty where from AWS's.
select
    account_id,
    region,
    item.Cidr as cidr,
    item."State" as state,
    nullif(item.StatusMessage, '') as state_message,
    nullif(item.Description, '') as description,
    item.PoolId as pool_id,
    item.IpamPoolId as ipam_pool_id,
    item.NetworkBorderGroup as network_border_group,
    item.AdvertisementType as advertisement_type,
    list_sort(
        list_transform(
            list_filter(
                coalesce(item.AsnAssociations, []), lambda association: association.State = 'associated'
            ),
            lambda association: association.Asn
        )
    ) as asns,
    cell.*
from landing(
        'ec2_byoip_cidr',
        'STRUCT(
        Cidr VARCHAR, "State" VARCHAR, StatusMessage VARCHAR, Description VARCHAR, PoolId VARCHAR,
        IpamPoolId VARCHAR, NetworkBorderGroup VARCHAR, AdvertisementType VARCHAR,
        AsnAssociations STRUCT(Asn VARCHAR, "State" VARCHAR)[]
    )'
    )
