-- Where a file cannot judge a finding: by account and region, aws-global for all regions of the account; subject is
-- NULL for all of that place, else the one thing of it that cannot be judged.
select distinct
    replace(replace(finding, 'finding_', ''), '_', ' ') as rule,
    account_id,
    region,
    null as subject
from cmdb.finding_unknown
union all
select
    'unused security group' as rule,
    account_id,
    region,
    arn as subject
from cmdb.finding_unused_security_group_unknown
union all
select
    'open rule' as rule,
    account_id,
    region,
    security_group_rule_id as subject
from cmdb.finding_open_rule_unknown
union all
-- What has a row in cmdb.exposure has its own verdict; these are places of which nothing is listed.
select
    'exposure: ' || kind as rule,
    account_id,
    region,
    null as subject
from cmdb.finding_exposure_unknown
where arn is null
