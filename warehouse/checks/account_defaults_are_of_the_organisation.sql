-- Every account of ref.account_default is one of the organisation, written with its 12 digits, and its values are the ones that
-- count, not other spellings of ref.tag_value_alias.
-- about: ref.account_default
-- severity: warn
with written as (
    select
        d.account_id,
        unnest([
            { 'name': 'business_service', 'text': d.business_service },
            { 'name': 'business_owner', 'text': d.business_owner },
            { 'name': 'cost_centre', 'text': d.cost_centre },
            { 'name': 'capability', 'text': d.capability },
            { 'name': 'environment', 'text': d.environment },
            { 'name': 'project', 'text': d.project }
        ]) as said
    from ref.account_default as d
)

select
    d.account_id,
    'account_id' as resource_column,
    d.account_id as written,
    null::varchar as tag_value
from ref.account_default as d
anti join org.account using (account_id)
union all
select
    written.account_id,
    written.said.name as resource_column,
    written.said.text as written,
    alias.tag_value
from written
inner join ref.tag_key as wanted on written.said.name = wanted.resource_column
inner join ref.tag_value_alias as alias
    on wanted.tag_key = alias.tag_key and written.said.text = alias.alias
where alias.tag_value <> written.said.text
