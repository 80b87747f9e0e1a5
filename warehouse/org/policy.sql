-- One row per policy of the organisation, of every policy type that is in use.
-- key: policy_id
-- policy_id: Id of the policy, such as p-0123abcd.
-- arn: ARN of the policy.
-- policy_name: Name as its author wrote it.
-- policy_type: Policy type, such as SERVICE_CONTROL_POLICY or TAG_POLICY.
-- description: Description as its author wrote it; may be empty.
-- is_aws_managed: True where AWS wrote the policy, such as FullAWSAccess.
-- content: The document, JSON; NULL where the policy was deleted while it was being read.
-- target_count: Roots, OUs and accounts that it is attached to; 0 where it is attached to nothing, NULL where that was never listed.
-- is_stale: True when the newest response about its type, document or targets is not trusted: the last that was stands.
-- collected_at: When AWS listed it, UTC.
-- run_id: The run that listed it; leads to audit.collection.
-- listing: The listing that it came in, with its policy type; leads to audit.collection.
with target as (
    select
        policy_id,
        count(*) as target_count,
        bool_or(is_stale) as is_stale
    from stage.organizations_policy_target
    group by policy_id
)

select
    policy.policy_id,
    policy.arn,
    policy.policy_name,
    policy.policy_type,
    policy.description,
    policy.is_aws_managed,
    content.content,
    case
        when target.policy_id is not null or listed.listing is not null then coalesce(target.target_count, 0)
    end as target_count,
    policy.is_stale or coalesce(content.is_stale, false) or coalesce(target.is_stale, false) as is_stale,
    policy.collected_at,
    policy.run_id,
    policy.listing
from stage.organizations_policy as policy
left join stage.organizations_policy_content as content using (policy_id)
left join target using (policy_id)
left join audit.coverage as listed
    on listed.listing = 'organizations_policy_target:' || policy.policy_id and listed.is_known
