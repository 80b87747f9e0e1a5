-- One row per organizational unit and time in which it was the same: SCD type 2. An OU that a trusted response lacks has a last
-- version whose change is removed. Of the time before the first version nothing is known.
-- materialized: scd_type_2
-- key: ou_id, valid_from
-- ou_id: Id of the OU, such as ou-ab12-34cd56ef.
-- valid_from: The first response that shows it, UTC: what AWS did not report happened after the response before it.
-- valid_to: When the next version begins, UTC; NULL for the current one.
-- is_current: True for the newest version.
-- change: What began this version: discovered, changed, removed or returned. Of a removed one the columns say what it was.
-- changed_attributes: Names of the columns that differ from the version before; empty where none does.
-- parent_id: Id of the OU or root that it stood in.
-- ou_name: Name as its owner wrote it.
-- ou_path: Names from the root down, /Workloads/Production.
-- run_id: The run that listed it so, or listed it last; leads to audit.collection.
-- listing: The listing that it came in; leads to audit.collection.
with known as (
    select max(known_at) as known_at
    from audit.coverage
    where split_part(listing, ':', 1) = 'organizations_organizational_unit' and is_known
),

standing as (
    select *
    from org.organizational_unit_version
    where is_current
),

compared as (
    select
        unit.ou_id,
        unit.parent_id,
        unit.ou_name,
        unit.ou_path,
        unit.run_id,
        unit.listing,
        standing.valid_from as known_from,
        standing.change as known_change,
        'present' as status,
        list_filter(
            [
                if(unit.parent_id is distinct from standing.parent_id, 'parent_id', null),
                if(unit.ou_name is distinct from standing.ou_name, 'ou_name', null),
                if(unit.ou_path is distinct from standing.ou_path, 'ou_path', null)
            ],
            lambda name: name is not null
        ) as differing
    from org.organizational_unit as unit
    left join standing on unit.ou_id = standing.ou_id
    union all by name
    select
        standing.ou_id,
        standing.parent_id,
        standing.ou_name,
        standing.ou_path,
        standing.run_id,
        standing.listing,
        standing.valid_from as known_from,
        standing.change as known_change,
        'removed' as status,
        []::varchar[] as differing
    from standing
    anti join org.organizational_unit as unit on standing.ou_id = unit.ou_id
)

select
    compared.ou_id,
    known.known_at as valid_from,
    null::timestamptz as valid_to,
    true as is_current,
    case
        when compared.known_from is null then 'discovered'
        when compared.status = 'removed' then 'removed'
        when compared.known_change = 'removed' then 'returned'
        else 'changed'
    end as change,
    if(compared.known_from is null, [], compared.differing) as changed_attributes,
    compared.parent_id,
    compared.ou_name,
    compared.ou_path,
    compared.run_id,
    compared.listing
from compared
inner join known on known.known_at is not null
where
    compared.known_from is null
    or (
        known.known_at > compared.known_from
        and (
            len(compared.differing) > 0
            or (compared.status = 'removed') <> (compared.known_change = 'removed')
        )
    )
