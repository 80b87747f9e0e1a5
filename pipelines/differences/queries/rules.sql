-- Findings, signals, key figures and checks whose verdict is another one.
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

judged as (
    select
        paired.*,
        exists(
            select 1
            from doubt_after as doubt
            where
                doubt.rule = split_part(paired.rule, ':', 1)
                and doubt.account_id = paired.account_id
                and doubt.region in (paired.region, 'aws-global')
        ) as is_unknown,
        exists(
            select 1
            from doubt_before as doubt
            where
                doubt.rule = split_part(paired.rule, ':', 1)
                and doubt.account_id = paired.account_id
                and doubt.region in (paired.region, 'aws-global')
        ) as was_unknown
    from paired
)

select
    case
        when verdict_after = 'unknown' or (verdict_after is null and is_unknown) then 'unknown since'
        when verdict_after is null then 'resolved'
        when verdict_before = 'unknown' or (verdict_before is null and was_unknown) then 'known now'
        when verdict_before is null then 'new'
        else 'changed'
    end as kind,
    rule,
    account_id,
    region,
    subject,
    verdict_before,
    verdict_after
from judged
order by
    list_position(['new', 'resolved', 'changed', 'unknown since', 'known now'], kind),
    rule,
    account_id,
    subject
