-- One row per public AS number that an account brought to AWS, and region that lists it. It is requested where there is an
-- IPAM.
-- key: account_id, region, asn
-- account_id: The AWS account that brought it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- asn: AS number, text.
-- ipam_id: IPAM by which it came.
-- state: provisioned, pending-provision, failed-provision, pending-deprovision, failed-deprovision or deprovisioned.
-- state_message: What AWS says of it; NULL where nothing.
select
    account_id,
    region,
    item.Asn as asn,
    item.IpamId as ipam_id,
    item."State" as state,
    item.StatusMessage as state_message,
    cell.*
from landing(
        'ec2_ipam_byoasn',
        'STRUCT(
        Asn VARCHAR, IpamId VARCHAR, "State" VARCHAR, StatusMessage VARCHAR
    )'
    )
