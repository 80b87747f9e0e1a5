-- What each value of a tag key that has budgets cost on each day up to the last complete one: of its month, or of
-- 28 days where that is more. The rows of a day and scope are the whole bill. Not part of the public interface; read cost.spend_vs_budget.
-- key: usage_date, scope, budget_name
-- usage_date: Day of use (UTC).
-- scope: The tag key, as in ref.budget.
-- budget_name: The value that counts, as in cost.by_tag; (shared) for what everybody bears, (unallocated) for what nobody answers for.
-- last_complete_date: Last day that both the tag's slice and the service's hold whole.
-- data_from: First day of the bill.
-- cost: Unblended cost, in the currency beside it.
-- reporting_cost: Unblended cost in the reporting currency; NULL where the day has no rate.
with scope as (
    select distinct scope from ref.budget
),

-- What nobody has read for this key is no day of it.
complete as (
    select
        scope.scope,
        least(max(tagged.through_date), (
            select max(service.through_date)
            from cost.month_coverage as service
            where service.slice = 'service'
        )) as last_complete_date
    from scope
    inner join cost.month_coverage as tagged on 'tag:' || scope.scope = tagged.slice
    where starts_with(tagged.slice, 'tag:') and tagged.through_date is not null
    group by scope.scope
),

ranged as (
    select
        scope,
        last_complete_date,
        least(last_complete_date - 27, date_trunc('month', last_complete_date)::date) as from_date,
        (
            select min(coverage.first_date)
            from cost.month_coverage as coverage
            where coverage.slice = 'service'
        ) as data_from
    from complete
),

told as (
    select
        usage_date,
        tag_key as scope,
        tag_value as budget_name,
        unblended_cost as cost,
        reporting_unblended_cost as reporting_cost
    from cost.by_tag
    where tag_value <> ''
    union all
    select
        untagged.usage_date,
        untagged.tag_key as scope,
        part.budget_name,
        if(part.is_shared, untagged.shared_cost, untagged.cost - untagged.shared_cost) as cost,
        if(
            part.is_shared,
            untagged.reporting_shared_cost,
            untagged.reporting_cost - untagged.reporting_shared_cost
        ) as reporting_cost
    from stage.untagged_cost as untagged
    cross join (values ('(unallocated)', false), ('(shared)', true)) as part (budget_name, is_shared)
)

select
    told.usage_date,
    told.scope,
    told.budget_name,
    any_value(ranged.last_complete_date) as last_complete_date,
    any_value(ranged.data_from) as data_from,
    sum(told.cost)::decimal(28, 10) as cost,
    if(bool_or(told.reporting_cost is null), null, sum(told.reporting_cost))::decimal(28, 10)
        as reporting_cost
from told
inner join ranged
    on told.scope = ranged.scope and told.usage_date between ranged.from_date and ranged.last_complete_date
group by told.usage_date, told.scope, told.budget_name
