-- One row per relation between two business services: an item of one that leads to an item of another, such as an instance in
-- a subnet that the network's team owns. Only relations that hold, between items that are not retired.
-- key: from_node_id, relation, to_node_id
-- from_node_id: Node of cmdb.service_map_node that the relation leads from.
-- relation: One of ref.relation.
-- to_node_id: Node that it leads to.
-- relation_count: Relations of that kind between items of the two.
-- from_resource_count: Items of the one that have such a relation.
-- to_resource_count: Items of the other that they lead to.
-- accounts: Ids of the accounts of all these items.
-- across_accounts_count: Relations among them whose ends are in different accounts.
-- is_stale: True where every one of them rests on a response that is not trusted any more.
with ends as (
    select
        coalesce('application:' || near.business_service, '(none)') as from_node_id,
        held.relation,
        coalesce('application:' || far.business_service, '(none)') as to_node_id,
        held.from_arn,
        held.to_arn,
        near.account_id as from_account_id,
        far.account_id as to_account_id,
        held.is_stale
    from cmdb.relationship as held
    inner join cmdb.resource as near on held.from_arn = near.arn and near.status <> 'retired'
    inner join cmdb.resource as far on held.to_arn = far.arn and far.status <> 'retired'
    where held.ended_at is null
)

select
    from_node_id,
    relation,
    to_node_id,
    count(*) as relation_count,
    count(distinct from_arn) as from_resource_count,
    count(distinct to_arn) as to_resource_count,
    list_sort(list_distinct(list_concat(list(from_account_id), list(to_account_id)))) as accounts,
    count(*) filter (where from_account_id <> to_account_id) as across_accounts_count,
    bool_and(is_stale) as is_stale
from ends
where from_node_id <> to_node_id
group by from_node_id, relation, to_node_id
