-- One row per organizational unit, with its place in the tree.
-- key: ou_id
-- ou_id: Id of the OU, such as ou-ab12-34cd56ef.
-- parent_id: Id of the OU or root that it stands in.
-- ou_name: Name as its owner wrote it.
-- ou_path: Names from the root down, /Workloads/Production.
-- depth: Levels below the root; an OU directly under it has 1.
-- is_stale: True when the newest response about its parent is not trusted: the row is the last that was.
-- collected_at: When the response was complete, UTC.
-- run_id: The run that collected it; leads to audit.collection.
-- listing: The listing that it came in, with its parameter; leads to audit.collection.
with recursive tree as (
    select
        unit.*,
        '/' || unit.ou_name as ou_path,
        1 as depth
    from stage.organizations_organizational_unit as unit
    inner join stage.organizations_root as top on unit.parent_id = top.root_id

    union all

    select
        unit.*,
        tree.ou_path || '/' || unit.ou_name as ou_path,
        tree.depth + 1 as depth
    from stage.organizations_organizational_unit as unit
    inner join tree on unit.parent_id = tree.ou_id
)

select
    ou_id,
    parent_id,
    ou_name,
    ou_path,
    depth,
    is_stale,
    collected_at,
    run_id,
    listing
from tree
-- Under two parents only while one of the two responses is stale: the newer one is right.
qualify row_number() over (partition by ou_id order by is_stale asc, collected_at desc) = 1
