-- The types of resources that are configuration items: what each is called in ServiceNow, and what has to be known of one for
-- its record to be complete. Seed: warehouse/ref/resource_class.csv.
-- A type of the catalogue that has no line there is cmdb_ci_cmp_resource, called as AWS calls it.
-- key: resource_type
-- resource_type: AWS's name of the type, such as AWS::EC2::Instance.
-- servicenow_class: ServiceNow's class for it, as its own connector for AWS uses it; cmdb_ci_cmp_resource where it has none.
-- label: What people call the type.
-- required_attributes: Columns or attributes of cmdb.resource that a complete record has a value of; NULL where nobody set any.
with seed as (
    select
        resource_type,
        servicenow_class,
        label,
        string_split(required_attributes, ';') as required_attributes
    from
        read_csv(
            getvariable('ref_folder') || '/resource_class.csv',
            header = true,
            columns = {
                'resource_type': 'VARCHAR',
                'servicenow_class': 'VARCHAR',
                'label': 'VARCHAR',
                'required_attributes': 'VARCHAR'
            }
        )
)

select
    resource_type,
    servicenow_class,
    label,
    required_attributes
from seed
union all
select
    known.resource_type,
    'cmdb_ci_cmp_resource' as servicenow_class,
    known.resource_type as label,
    null as required_attributes
from (select unnest(getvariable('resource_types')::varchar[]) as resource_type) as known
anti join seed using (resource_type)
