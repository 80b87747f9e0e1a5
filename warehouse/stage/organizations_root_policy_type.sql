-- Policy types in use under the root, as organizations:ListRoots gave them. Not part of the public interface; read
-- org.root.
-- key: root_id, policy_type
-- root_id: Id of the root, such as r-ab12.
-- policy_type: Policy type, such as SERVICE_CONTROL_POLICY.
-- state: ENABLED, PENDING_ENABLE or PENDING_DISABLE (Organizations' Status).
select
    item.Id as root_id,
    item.Type as policy_type,
    item.Status as state,
    cell.*
from landing('organizations_root_policy_type', 'STRUCT(Id VARCHAR, "Type" VARCHAR, Status VARCHAR)')
