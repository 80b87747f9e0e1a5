-- Findings, ways in from the internet, signals, key figures and checks whose verdict is another one.
with paired as (
    select
        coalesce(new.rule, old.rule) as rule,
        coalesce(new.subject, old.subject) as subject,
        coalesce(new.account_id, old.account_id) as account_id,
        coalesce(new.region, old.region) as region,
        old.verdict as verdict_before,
        new.verdict as verdict_after
    from verdict_before as old
    full join verdict_after as new
        on
            old.rule = new.rule
            and old.subject is not distinct from new.subject
            and old.account_id is not distinct from new.account_id
    where old.verdict is distinct from new.verdict
),

doubted as (
    select
        paired.*,
        exists(
            select 1
            from doubt_after as doubt
            where
                doubt.rule in (paired.rule, split_part(paired.rule, ':', 1))
                and doubt.account_id = paired.account_id
                -- What is of the whole account rests on each of its regions.
                and (doubt.region in (paired.region, 'aws-global') or paired.region = 'aws-global')
                and coalesce(doubt.subject = paired.subject, true)
        ) as is_unknown,
        exists(
            select 1
            from doubt_before as doubt
            where
                doubt.rule in (paired.rule, split_part(paired.rule, ':', 1))
                and doubt.account_id = paired.account_id
                and (doubt.region in (paired.region, 'aws-global') or paired.region = 'aws-global')
                and coalesce(doubt.subject = paired.subject, true)
        ) as was_unknown
    from paired
),

judged as (
    -- That there is no verdict counts only where there is no doubt. A check without a result was not run.
    -- What is judged to be not exposed is no finding, whether it has a row or none.
    select
        doubted.*,
        nullif(
            coalesce(verdict_before, if(was_unknown or starts_with(rule, 'check: '), 'unknown', null)),
            'not exposed'
        ) as judged_before,
        nullif(
            coalesce(verdict_after, if(is_unknown or starts_with(rule, 'check: '), 'unknown', null)),
            'not exposed'
        ) as judged_after
    from doubted
)

select
    case
        when judged_after = 'unknown' then 'unknown since'
        when judged_before = 'unknown' then 'known now'
        when judged_after is null then 'resolved'
        when judged_before is null then 'new'
        else 'changed'
    end as kind,
    rule,
    account_id,
    region,
    subject,
    verdict_before,
    verdict_after
from judged
where judged_before is distinct from judged_after
order by
    list_position(['new', 'resolved', 'changed', 'unknown since', 'known now'], kind),
    -- Last: a run that does little leaves all of them unknown.
    starts_with(rule, 'check: '),
    rule,
    account_id,
    subject
