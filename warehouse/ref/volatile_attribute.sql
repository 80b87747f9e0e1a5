-- Attributes of configuration items that change by themselves: a change of these alone is no new version in
-- cmdb.resource_version. Seed: warehouse/ref/volatile_attribute.csv.
-- key: resource_type, attribute
-- resource_type: AWS's name of the type, such as AWS::EC2::Instance.
-- attribute: Name in the attributes of cmdb.resource, or created_at.
-- reason: Why it means nothing about the item.
select
    resource_type,
    attribute,
    reason
from
    read_csv(
        getvariable('ref_folder') || '/volatile_attribute.csv',
        header = true,
        columns = { 'resource_type': 'VARCHAR', 'attribute': 'VARCHAR', 'reason': 'VARCHAR' }
    )
