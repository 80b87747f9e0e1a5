-- One row per dedicated Mac host and account that lists it, with the macOS versions that it can start. What else is known of
-- the host is in aws.ec2_host. It is requested where there is a dedicated host.
-- key: account_id, region, host_id
-- account_id: The AWS account that lists it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- host_id: Id of the host.
-- latest_macos_versions: Latest macOS versions that it can start without an upgrade, sorted as text.
select
    account_id,
    region,
    item.HostId as host_id,
    list_sort(coalesce(item.MacOSLatestSupportedVersions, [])) as latest_macos_versions,
    cell.*
from landing(
        'ec2_mac_host',
        'STRUCT(
        HostId VARCHAR, MacOSLatestSupportedVersions VARCHAR[]
    )'
    )
