-- The organisation's root as organizations:ListRoots gave it. Not part of the public interface.
-- key: root_id
-- root_id: Id of the root, such as r-ab12.
-- root_name: Its name, usually Root.
select
    item.Id as root_id,
    item.Name as root_name,
    cell.*
from landing('organizations_root', 'STRUCT(Id VARCHAR, Name VARCHAR)')
