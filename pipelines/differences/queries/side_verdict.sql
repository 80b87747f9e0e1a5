-- One row per finding, way in from the internet, signal, key figure and check of a file, with its verdict.
select
    'decommission: ' || rule as rule,
    arn as subject,
    account_id,
    region,
    verdict
from cmdb.decommission_signal
where resolution is null or resolution = 'accepted'
union all
select
    'open rule: ' || port_class as rule,
    security_group_rule_id as subject,
    account_id,
    region,
    'finding' as verdict
from cmdb.finding_open_rule
union all
select
    'vpc without flow log' as rule,
    arn as subject,
    account_id,
    region,
    reason as verdict
from cmdb.finding_vpc_without_flow_log
union all
select
    'unused security group' as rule,
    arn as subject,
    account_id,
    region,
    'finding' as verdict
from cmdb.finding_unused_security_group
union all
select
    'security group across accounts' as rule,
    security_group_rule_id as subject,
    account_id,
    region,
    'finding' as verdict
from cmdb.finding_security_group_across_accounts
union all
select
    'spend without inventory' as rule,
    service as subject,
    account_id,
    'aws-global' as region,
    string_agg(reason, ' and ' order by reason) as verdict
from cmdb.finding_spend_without_inventory
group by service, account_id
union all
select
    'exposure: ' || kind as rule,
    -- An interface may have several addresses, and an address two interfaces, of which one is stale.
    if(ends_with(arn, entry), arn, arn || ' ' || entry) as subject,
    account_id,
    coalesce(region, 'aws-global') as region,
    verdict
from cmdb.exposure
union all
select
    'key figure: ' || kpi as rule,
    kpi as subject,
    null as account_id,
    null as region,
    verdict
from org.governance_kpi
where as_of_date = (select max(newest.as_of_date) from org.governance_kpi as newest)
union all
select
    'check: ' || check_name as rule,
    scope as subject,
    null as account_id,
    null as region,
    if(passed, 'passed', 'failed') as verdict
from audit.check_result
where run_id = (select max_by(run.run_id, run.started_at) from audit.run as run)
