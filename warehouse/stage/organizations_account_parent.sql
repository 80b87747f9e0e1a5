-- Which OU or root each account stands in, by organizations:ListAccountsForParent. Not part of the public interface.
-- key: account_id, parent_id
-- account_id: Id of the account, 12 digits.
-- parent_id: Id of the OU or root that it was listed under.
select
    item.Id as account_id,
    parameter as parent_id,
    cell.*
from landing('organizations_account_parent', 'STRUCT(Id VARCHAR)')
