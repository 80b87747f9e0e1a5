-- One row per root and policy type that AWS has, with whether the type is in use.
-- key: root_id, policy_type
-- root_id: Id of the root, such as r-ab12.
-- root_name: Its name, usually Root.
-- policy_type: Policy type, such as SERVICE_CONTROL_POLICY; all that botocore's model knows.
-- state: ENABLED, PENDING_ENABLE, PENDING_DISABLE or NOT_ENABLED.
-- policy_count: Policies of this type, attached or not; 0 where the type is enabled and has none.
-- is_stale: True when the newest response about the root's policy types is not trusted: the row is the last that was.
-- collected_at: When the response was complete, UTC.
-- run_id: The run that collected it; leads to audit.collection.
-- listing: The listing that it came in; leads to audit.collection.
with policy_type as (
    select split_part(listing, ':', 2) as policy_type
    from audit.coverage
    where starts_with(listing, 'organizations_policy:')

    union distinct

    select policy_type from stage.organizations_root_policy_type
)

select
    top.root_id,
    top.root_name,
    kind.policy_type,
    coalesce(used.state, 'NOT_ENABLED') as state,
    (
        select count(*) from stage.organizations_policy as policy
        where policy.policy_type = kind.policy_type
    ) as policy_count,
    coalesce(used.is_stale, top.is_stale) as is_stale,
    coalesce(used.collected_at, top.collected_at) as collected_at,
    coalesce(used.run_id, top.run_id) as run_id,
    coalesce(used.listing, top.listing) as listing
from stage.organizations_root as top
cross join policy_type as kind
left join stage.organizations_root_policy_type as used
    on top.root_id = used.root_id and kind.policy_type = used.policy_type
