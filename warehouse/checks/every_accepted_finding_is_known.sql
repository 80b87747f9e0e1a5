-- Every line of ref.accepted_finding names a rule of ref.decommission_rule and a resource that there is, and every open signal
-- stands under such a rule.
-- about: cmdb.decommission_signal
-- severity: warn
with known_rule as (select distinct rule from ref.decommission_rule)

select
    accepted.arn,
    accepted.rule,
    if(rule.rule is null, 'no such rule', 'no such resource') as why
from ref.accepted_finding as accepted
left join known_rule as rule on accepted.rule = rule.rule
where
    rule.rule is null
    or not exists (
        select 1 from cmdb.resource as item
        where item.arn glob accepted.arn and item.status <> 'retired'
    )

union all

select
    signal.arn,
    signal.rule,
    'no such rule' as why
from cmdb.decommission_signal as signal
left join ref.decommission_rule as rule
    on signal.rule = rule.rule and signal.resource_type = rule.resource_type
where rule.rule is null and (signal.resolution is null or signal.resolution = 'accepted')
