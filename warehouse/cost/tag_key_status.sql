-- Whether the bill can be cut by each key of ref.tag_key. A key without a single value in the bill is not activated or
-- not used, which is something else than a bill that nobody tagged: such a slice says nothing about allocation.
-- key: tag_key
-- tag_key: The key, such as bc:cost-centre.
-- status: active, inactive or not_listed (billing has never seen the key), as AWS says; active too where the bill has values of it;
--    unknown where it has none and AWS could not be asked.
-- is_used: Whether any day of the bill here has a value of it; NULL where no month of its slice is loaded.
-- said_by: Who says the status: ce:ListCostAllocationTags (an optional grant), or the bill; NULL where nobody does.
-- verdict: used, active but not used, not activated, or not activated or not used; NULL where no month of its slice is loaded.
-- first_used_date: First day of the bill here with a value of it.
-- last_used_date: Last day of the bill here with a value of it.
with answer as (
    select coalesce(bool_or(is_known), false) as is_given
    from audit.coverage
    where listing = 'cost_allocation_tag'
),

billed as (
    select
        substr(slice, length('tag:') + 1) as tag_key,
        bool_or(trim(dimension_value) <> '') as is_used,
        min(usage_date) filter (trim(dimension_value) <> '') as first_used_date,
        max(usage_date) filter (trim(dimension_value) <> '') as last_used_date
    from cost.daily
    where starts_with(slice, 'tag:')
    group by slice
),

judged as (
    select
        own.tag_key,
        case
            when answer.is_given then coalesce(lower(listed.status), 'not_listed')
            when billed.is_used then 'active'
            else 'unknown'
        end as status,
        billed.is_used,
        case
            when answer.is_given then 'ce:ListCostAllocationTags'
            when billed.is_used then 'the bill'
        end as said_by,
        billed.first_used_date,
        billed.last_used_date
    from ref.tag_key as own
    cross join answer
    left join stage.cost_allocation_tag as listed
        on
            own.tag_key = listed.tag_key
            -- Nobody but AWS may write a key that begins with aws:.
            and listed.tag_type = if(starts_with(own.tag_key, 'aws:'), 'AWSGenerated', 'UserDefined')
    left join billed on own.tag_key = billed.tag_key
)

select
    tag_key,
    status,
    is_used,
    said_by,
    case
        when is_used then 'used'
        when is_used is null then null
        when status = 'active' then 'active but not used'
        when status = 'unknown' then 'not activated or not used'
        else 'not activated'
    end as verdict,
    first_used_date,
    last_used_date
from judged
