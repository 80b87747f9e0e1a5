-- The business services that own items, those first that most relations lead to or from; what belongs to none is one.
with degree as (
    select
        node_id,
        sum(relation_count) as relation_count
    from (
        select
            from_node_id as node_id,
            relation_count
        from cmdb.service_map_edge
        union all
        select
            to_node_id as node_id,
            relation_count
        from cmdb.service_map_edge
    ) as ends
    group by node_id
)

select
    node.node_id,
    node.business_service,
    node.resource_count,
    node.account_count,
    node.owner,
    node.reporting_monthly_cost as monthly_cost,
    node.reporting_currency as currency,
    coalesce(degree.relation_count, 0)::bigint as relation_count
from cmdb.service_map_node as node
left join degree on node.node_id = degree.node_id
where node.resource_count > 0
order by
    coalesce(degree.relation_count, 0) desc, node.reporting_monthly_cost desc nulls last,
    node.resource_count desc, node.node_id asc
limit 2000
