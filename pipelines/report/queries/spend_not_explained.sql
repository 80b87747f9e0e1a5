-- What of the last seven complete days no resource explains, most money first, with the action that would list it.
select
    spend.service,
    spend.explanation,
    sum(spend.unblended_cost)::decimal(28, 10) as unblended_cost,
    any_value(spend.currency) as currency,
    count(distinct spend.account_id) as account_count,
    any_value(spend.action_needed) as action_needed,
    count(*) over () as of_count
from cost.explained_spend as spend
where spend.explanation in ('not_listable', 'unexplained', 'unknown')
group by spend.service, spend.explanation
order by unblended_cost desc, spend.service asc, spend.explanation asc
limit 15
