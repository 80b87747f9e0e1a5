-- One row per configuration item and time in which it was the same: SCD type 2. A version begins with an answer of AWS,
-- never with one that is not trusted; the last one of an item has no end.
-- materialized: history
-- key: arn, valid_from
-- arn: Amazon Resource Name of the item in cmdb.resource.
-- valid_from: The first answer that says so, UTC: what AWS did not say happened after the answer before it.
-- valid_to: When the next version begins, UTC; NULL for the current one.
-- is_current: True for the newest version of each item, also of one that is retired.
-- resource_type: AWS's name of the type, such as AWS::EC2::Instance.
-- account_id: The account that owns it: 12 digits, text because some begin with 0.
-- status: active, missing or retired, as in cmdb.resource.
-- change: What began this version: discovered, changed, missing, retired or returned.
-- changed_attributes: Names of the attributes that differ from the version before; empty where none does.
-- attributes: What the item was, JSON: name, state, availability_zone, tags and the attributes of its type, without those of ref.volatile_attribute. Tags that could not be read are the last that could.
-- raw_hash: Fingerprint of the item as it was compared last, volatile attributes included: what has the same one is not compared again.
-- run_id: The run that gave the answer that began the version, or, where it is missing or retired, that saw it last; leads to audit.collection.
-- listing: The listing that the item came in; leads to audit.collection.
with item as (
    select
        *,
        hash(name, state, availability_zone, tags, attributes) as raw_hash,
        case status
            when 'missing' then missing_since
            when 'retired' then retired_at
            else collected_at
        end as begun_at
    from cmdb.resource
),

candidate as (
    select
        item.*,
        before.valid_from as known_from,
        before.status as known_status,
        before.change as known_change,
        before.changed_attributes as known_changed_attributes,
        before.run_id as known_run_id,
        before.listing as known_listing,
        coalesce(before.attributes, '{}') as known
    from item
    left join cmdb.resource_version as before on item.arn = before.arn and before.is_current
    where before.raw_hash is distinct from item.raw_hash or before.status is distinct from item.status
),

volatile as (
    select
        resource_type,
        list(attribute) as names
    from ref.volatile_attribute
    group by resource_type
),

read as (
    select
        candidate.*,
        list_concat(
            list_transform(
                list_filter(
                    json_keys(candidate.attributes),
                    lambda name: not list_contains(coalesce(volatile.names, []), name)
                ),
                lambda name: { 'name': name, 'value': candidate.attributes -> ('$."' || name || '"') }
            ),
            [
                { 'name': 'name', 'value': coalesce(to_json(candidate.name), 'null') },
                { 'name': 'state', 'value': coalesce(to_json(candidate.state), 'null') },
                {
                    'name': 'availability_zone',
                    'value': coalesce(to_json(candidate.availability_zone), 'null')
                },
                {
                    'name': 'tags',
                    'value': coalesce(
                        to_json(map_from_entries(list_sort(map_entries(candidate.tags)))),
                        -- Tags that could not be read are taken for the last that could.
                        candidate.known -> '$.tags'
                    )
                }
            ]
        ) as entries
    from candidate
    left join volatile on candidate.resource_type = volatile.resource_type
),

told as (
    -- Lists in one order: AWS gives them in any.
    select
        * exclude (entries),
        map_from_entries(
            list_transform(
                list_filter(entries, lambda entry: entry.value is not null),
                lambda entry: {
                    'name': entry.name,
                    'value': if(
                        json_type(entry.value) = 'ARRAY',
                        to_json(list_sort(from_json(entry.value, '["JSON"]'))),
                        entry.value
                    )
                }
            )
        ) as said
    from read
),

compared as (
    select
        *,
        list_filter(
            map_keys(said),
            -- What no earlier version has was not asked then, or was volatile: it is filled in, and no change.
            lambda name: json_exists(known, '$."' || name || '"')
            and (known -> ('$."' || name || '"'))::varchar <> said[name]::varchar
        ) as differing
    from told
),

judged as (
    select
        *,
        known_from is null
        or (begun_at > known_from and (status <> known_status or len(differing) > 0)) as begins
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
        when known_status = 'active' then 'changed'
        else 'returned'
    end as change,
    if(begins, differing, known_changed_attributes) as changed_attributes,
    to_json(said) as attributes,
    raw_hash,
    if(begins, run_id, known_run_id) as run_id,
    if(begins, listing, known_listing) as listing
from judged
