-- How configuration items hang together: the seven relations of cmdb.relationship, each with its inverse and with what
-- ServiceNow calls it. Seed: warehouse/ref/relation.csv.
-- key: relation
-- relation: Name, read from the item that states it to the other: a volume is attached_to an instance.
-- inverse: The same read from the other end: an instance has_attached a volume.
-- description: What it means, with examples.
-- servicenow_type: Name of ServiceNow's relationship type, parent's side first.
-- servicenow_parent: Which end is the parent there: from or to.
select
    relation,
    inverse,
    description,
    servicenow_type,
    servicenow_parent
from
    read_csv(
        getvariable('ref_folder') || '/relation.csv',
        header = true,
        columns = {
            'relation': 'VARCHAR',
            'inverse': 'VARCHAR',
            'description': 'VARCHAR',
            'servicenow_type': 'VARCHAR',
            'servicenow_parent': 'VARCHAR'
        }
    )
