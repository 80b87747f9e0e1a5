-- Tags of accounts, by organizations:ListTagsForResource. Not part of the public interface; read org.account.
-- key: account_id, tag_key
-- account_id: Id of the account that carries the tag, 12 digits.
-- tag_key: Key of the tag.
-- tag_value: Value of the tag; may be empty.
select
    parameter as account_id,
    item.Key as tag_key,
    item.Value as tag_value,
    cell.*
from landing('organizations_account_tag', 'STRUCT("Key" VARCHAR, "Value" VARCHAR)')
