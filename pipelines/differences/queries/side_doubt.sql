-- Where a file cannot judge a finding: by account and region, aws-global for all regions of the account.
select distinct
    replace(replace(finding, 'finding_', ''), '_', ' ') as rule,
    account_id,
    region
from cmdb.finding_unknown
