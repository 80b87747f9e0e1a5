-- Regions of each account, by ec2:DescribeRegions. Not part of the public interface; audit.expected_cell says what ought to be
-- requested there.
-- key: account_id, region, role
-- account_id: The AWS account, 12 digits: text because some begin with 0.
-- region: AWS region.
-- is_enabled: False where the account has not opted in.
select
    cell.caller_account_id as account_id,
    item.RegionName as region,
    coalesce(item.OptInStatus, '') <> 'not-opted-in' as is_enabled,
    cell.*
from landing('ec2_region', 'STRUCT(RegionName VARCHAR, OptInStatus VARCHAR)')
