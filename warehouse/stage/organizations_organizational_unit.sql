-- OUs as organizations:ListOrganizationalUnitsForParent gave them, requested once per parent. Not part of the public
-- interface; read org.organizational_unit.
-- key: ou_id, parent_id
-- ou_id: Id of the OU, such as ou-ab12-34cd56ef.
-- ou_name: Name as its owner wrote it.
-- parent_id: Id of the OU or root that it was listed under.
select
    item.Id as ou_id,
    item.Name as ou_name,
    parameter as parent_id,
    cell.*
from landing('organizations_organizational_unit', 'STRUCT(Id VARCHAR, Name VARCHAR)')
