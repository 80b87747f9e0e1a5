-- Documents of policies as organizations:DescribePolicy gave them. Not part of the public interface; read org.policy.
-- key: policy_id
-- policy_id: Id of the policy, such as p-0123abcd.
-- content: The document, JSON.
select
    parameter as policy_id,
    item.Content::json as content,
    cell.*
from landing('organizations_policy_content', 'STRUCT(Content VARCHAR)')
