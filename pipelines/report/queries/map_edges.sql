-- Which business service leans on which: relations between an item of the one and an item of the other, all kinds together.
select
    from_node_id,
    to_node_id,
    sum(relation_count)::bigint as relation_count,
    string_agg(
        relation || ' ' || relation_count, ', ' order by relation_count desc, relation asc
    ) as relations,
    sum(across_accounts_count)::bigint as across_accounts_count,
    bool_and(is_stale) as is_stale,
    count(*) over () as of_count
from cmdb.service_map_edge
group by from_node_id, to_node_id
order by relation_count desc, from_node_id asc, to_node_id asc
limit 4000
