-- One row per configuration item and time in which it was the same: SCD type 2. A version begins with a response of AWS,
-- never with one that is not trusted; the last one of an item has no end.
-- materialized: scd_type_2
-- key: arn, valid_from
-- arn: Amazon Resource Name of the item in cmdb.resource.
-- valid_from: The first response that shows it, UTC: what AWS did not report happened after the response before it.
-- valid_to: When the next version begins, UTC; NULL for the current one.
-- is_current: True for the newest version of each item, also of one that is retired.
-- resource_type: AWS's name of the type, such as AWS::EC2::Instance.
-- account_id: The account that owns it: 12 digits, text because some begin with 0.
-- status: active, missing or retired, as in cmdb.resource.
-- change: What began this version: discovered, changed, replaced (it is another one of the same ARN: see cmdb.resource), missing, retired or returned.
-- changed_attributes: Names of the attributes that differ from the version before; empty where none does.
-- attributes: What the item was, JSON: name, state, availability_zone, resource_id, created_at, tags and the attributes of its type, without those of ref.volatile_attribute. Tags that could not be read are the last that could.
-- raw_hash: Fingerprint of the item as it was compared last, volatile attributes included: what has the same one is not compared again.
-- run_id: The run whose response began the version, or, where it is missing or retired, that saw it last; leads to audit.collection.
-- listing: The listing that the item came in; leads to audit.collection.
with item as (
    select
        *,
        hash(name, state, availability_zone, resource_id, created_at, tags, attributes) as raw_hash,
        case status
            when 'missing' then missing_since
            when 'retired' then retired_at
            else collected_at
        end as begun_at
    from cmdb.resource
),

standing as (
    select
        rowid as place,
        arn,
        valid_from,
        status,
        raw_hash
    from cmdb.resource_version
    where is_current
),

changed as (
    -- Told by what is narrow: of a version that stands nothing else is read.
    select
        item.*,
        standing.place,
        standing.valid_from as known_from,
        standing.status as known_status
    from item
    left join standing on item.arn = standing.arn
    -- equivalent in changed.where: It spares comparing what stands; compared, it comes out as it stands.
    where standing.raw_hash is distinct from item.raw_hash or standing.status is distinct from item.status
),

candidate as (
    select
        changed.*,
        before.change as known_change,
        before.changed_attributes as known_changed_attributes,
        before.run_id as known_run_id,
        before.listing as known_listing,
        -- equivalent in candidate.known: Only an item without an earlier version has none, and of such an item nothing
        -- is compared.
        coalesce(before.attributes, '{}') as known
    from changed
    left join cmdb.resource_version as before on changed.place = before.rowid
),

volatile as (
    select
        resource_type,
        list(attribute) as names
    from ref.volatile_attribute
    group by resource_type
),

taken_apart as (
    -- Once, whatever the number of attributes. One that is null comes without a value, here and below.
    select
        candidate.*,
        -- equivalent in taken_apart.own: A list that is null adds nothing to another, as an empty one does.
        coalesce(map_entries(from_json(candidate.attributes, '"MAP(VARCHAR, JSON)"')), []) as own,
        volatile.names as passing
    from candidate
    left join volatile on candidate.resource_type = volatile.resource_type
),

read as (
    select
        *,
        -- equivalent (4) in read.entries: A list that is null adds nothing to another, as an empty one does; what it
        -- contains is null, no more a reason than false.
        list_concat(
            list_concat(
                list_concat(
                    case
                        when passing is null then own
                        else list_filter(own, lambda entry: not list_contains(passing, entry.key))
                    end,
                    [
                        { 'key': 'name', 'value': to_json(name) },
                        { 'key': 'state', 'value': to_json(state) },
                        { 'key': 'availability_zone', 'value': to_json(availability_zone) }
                    ]
                ),
                -- What is not reported of these, as of tags, is taken for the last that was.
                list_concat(
                    case
                        when resource_id is not null
                            then [{ 'key': 'resource_id', 'value': to_json(resource_id) }]
                        when json_exists(known, '$.resource_id')
                            then [{ 'key': 'resource_id', 'value': known -> '$.resource_id' }]
                        else []
                    end,
                    case
                        when list_contains(coalesce(passing, []), 'created_at') then []
                        when created_at is not null
                            then [
                                    {
                                        'key': 'created_at',
                                        'value': to_json(
                                            strftime(created_at at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')
                                        )
                                    }
                                ]
                        when json_exists(known, '$.created_at')
                            then [{ 'key': 'created_at', 'value': known -> '$.created_at' }]
                        else []
                    end
                )
            ),
            case
                when tags is not null
                    then [{ 'key': 'tags', 'value': to_json(map_from_entries(list_sort(map_entries(tags)))) }]
                -- Tags that could not be read are taken for the last that could.
                when json_exists(known, '$.tags') then [{ 'key': 'tags', 'value': known -> '$.tags' }]
                else []
            end
        ) as entries
    from taken_apart
),

told as (
    -- Lists in one order: AWS gives them in any.
    select
        * exclude (own, passing, entries),
        map_from_entries(
            list_transform(
                entries,
                lambda entry: {
                    'key': entry.key,
                    'value': case
                        when entry.value is null then 'null'
                        -- equivalent (4) in told.said: A list of one is in order already, and what is no list has no
                        -- second element.
                        when starts_with(entry.value::varchar, '[') and json_array_length(entry.value) > 1
                            then to_json(list_sort(from_json(entry.value, '["JSON"]')))
                        else entry.value
                    end
                }
            )
        ) as said,
        from_json(known, '"MAP(VARCHAR, JSON)"') as known_said
    from read
),

compared as (
    select
        *,
        case
            when known_from is null then []
            else list_filter(
                    map_keys(said),
                    -- What no earlier version has was not requested then, or was volatile: it is filled in, and no change.
                    lambda name: map_contains(known_said, name)
                    and coalesce(known_said[name], 'null')::varchar <> said[name]::varchar
                )
        end as differing
    from told
),

judged as (
    select
        *,
        known_from is null
        or (
            begun_at > known_from
            and (status <> known_status or len(differing) > 0 or coalesce(replaced_at > known_from, false))
        ) as begins
    from compared
)

select
    arn,
    if(begins, begun_at, known_from) as valid_from,
    null::timestamptz as valid_to,
    true as is_current,
    resource_type,
    account_id,
    status,
    case
        when not begins and status = known_status then known_change
        when status <> 'active' then status
        when known_status is null then 'discovered'
        when replaced_at > known_from then 'replaced'
        when known_status = 'active' then 'changed'
        else 'returned'
    end as change,
    if(begins, differing, known_changed_attributes) as changed_attributes,
    to_json(said) as attributes,
    raw_hash,
    if(begins, run_id, known_run_id) as run_id,
    if(begins, listing, known_listing) as listing
from judged
